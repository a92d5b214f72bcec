from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="session")
def bits() -> Callable[[Any], Hashable]:
    """`bits(tree)`: its structure, each leaf's dtype and bytes: equal only where every bit is. A key is its words."""

    def words(leaf):
        return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf

    def of(tree):
        leaves, structure = jax.tree.flatten(tree)
        return structure, tuple((words(leaf).dtype, np.asarray(words(leaf)).tobytes()) for leaf in leaves)

    return of
