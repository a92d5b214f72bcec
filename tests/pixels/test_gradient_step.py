import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.pixels import normalized_gradient


@pytest.mark.parametrize("scale", [1e-35, 1.0, 1e30])
def test_step_has_the_length_of_the_learning_rate(scale):
    gradient = jax.random.normal(jax.random.key(0), (5, 4, 3))
    optimizer = normalized_gradient(2.5)
    step, _ = optimizer.update(scale * gradient, optimizer.init(gradient))
    np.testing.assert_allclose(step, -2.5 * gradient / np.linalg.norm(gradient), rtol=1e-5)


def test_zero_gradient_gives_a_zero_step():
    optimizer = normalized_gradient(1.0)
    step, _ = optimizer.update(jnp.zeros((2, 2)), optimizer.init(jnp.zeros((2, 2))))
    np.testing.assert_array_equal(step, 0)


def test_norm_is_over_all_arrays_of_a_tree():
    optimizer = normalized_gradient(1.0)
    step, _ = optimizer.update({"a": jnp.array([3.0]), "b": jnp.array([4.0])}, optimizer.init({}))
    np.testing.assert_allclose([step["a"][0], step["b"][0]], [-0.6, -0.8], rtol=1e-6)


def test_same_rate_is_the_same_optimizer():
    assert normalized_gradient(25.0) == normalized_gradient(25.0)
    assert normalized_gradient(25.0) != normalized_gradient(24.0)
