"""The average of the weights by NumPy, also where several batches make an update."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.errors import InputError
from jaxvision.training import averaged, gradient_step, start, weight_average


def trained(optimizer, n_steps):
    """Weights after each step, and the last state."""
    step_fn = jax.jit(gradient_step(lambda w, b, key: (jnp.sum((w - b) ** 2), {}), optimizer))
    state, weights = start(jnp.array([3.0, -1.0]), optimizer, key=jax.random.key(0)), []
    for step in range(n_steps):
        state, _ = step_fn(state, jnp.float32(step))
        weights.append(np.asarray(state.model))
    return weights, state


def test_the_average_is_that_of_numpy():
    weights, state = trained(optax.chain(optax.sgd(0.1), weight_average(0.3)), 12)
    plain, _ = trained(optax.sgd(0.1), 12)
    np.testing.assert_array_equal(weights, plain)
    expected = np.array([3.0, -1.0])
    for t, new in enumerate(weights):
        kept = min(0.3, (1 + t) / (10 + t))
        expected = kept * expected + (1 - kept) * new
    np.testing.assert_allclose(averaged(state.optimizer_state), expected, rtol=1e-5)
    assert np.abs(expected - weights[-1]).max() > 0.01


def test_accumulated_batches_are_one_update_of_their_mean():
    accumulated = optax.MultiSteps(optax.chain(optax.sgd(0.1), weight_average(0.3)), 3).gradient_transformation()
    weights, state = trained(accumulated, 6)
    np.testing.assert_array_equal(weights[0], [3.0, -1.0])
    np.testing.assert_allclose(weights[2], np.array([3.0, -1.0]) - 0.2 * (np.array([3.0, -1.0]) - 1), rtol=1e-5)
    expected = np.array([3.0, -1.0])
    for t, new in enumerate((weights[2], weights[5])):
        kept = min(0.3, (1 + t) / (10 + t))
        expected = kept * expected + (1 - kept) * new
    np.testing.assert_allclose(averaged(state.optimizer_state), expected, rtol=1e-5)


def test_what_is_refused():
    with pytest.raises(InputError, match="decay must be at least 0 and below 1, got 1"):
        weight_average(1.0)
    with pytest.raises(InputError, match="must have one weight_average in its chain, found 0"):
        averaged(optax.sgd(0.1).init(jnp.ones(2)))
