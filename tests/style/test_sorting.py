"""The quick sort: NumPy's order, and derivatives that equal values share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.style.sorting import sort_rows


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_are_sorted_as_numpy_sorts(dtype):
    values = np.random.default_rng(0).normal(size=(2, 3, 50)).astype(dtype)
    values[0, 0, :6] = [np.inf, -np.inf, 0, -0.0, values[0, 0, 7], np.finfo(dtype).tiny]
    np.testing.assert_array_equal(jax.jit(sort_rows)(values), np.sort(values))


def test_a_sort_sends_gradients_back_and_equal_values_share():
    with jax.enable_x64(True):
        values, weights = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2, 3, 8)))
        check_grads(jax.jit(lambda x: jnp.sum(sort_rows(x) ** 3 * weights)), (values,), order=2, modes=["rev"])
    gradient = jax.jit(jax.grad(lambda x: jnp.dot(sort_rows(x), jnp.array([1.0, 2.0, 4.0, 8.0]))))
    np.testing.assert_allclose(gradient(jnp.array([0.0, 5.0, 0.0, 0.0])), [7 / 3, 8, 7 / 3, 7 / 3], rtol=1e-6)
