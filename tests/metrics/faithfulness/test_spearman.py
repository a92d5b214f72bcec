"""Rank correlation: ranks are counted, in whatever precision the maps are."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness import spearman

MAPS = jax.random.uniform(jax.random.key(0), (2, 300, 300))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_counts_as_far_as_float32(dtype):
    a, b = MAPS.astype(dtype), (MAPS + MAPS[::-1]).astype(dtype)
    found = spearman(a, b)
    assert found.dtype == dtype
    expected = spearman(a.astype(jnp.float32), b.astype(jnp.float32))
    np.testing.assert_allclose(found.astype(jnp.float32), expected, atol=0.005)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, bool])
def test_integers_are_refused(dtype):
    maps = np.arange(300).reshape(1, 300).astype(dtype)
    with pytest.raises(InputError, match=f"a and b must be floats, got {np.dtype(dtype)} and float32"):
        inspect.unwrap(spearman)(maps, np.ones((1, 300), np.float32))
