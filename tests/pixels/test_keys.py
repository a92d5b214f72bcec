"""Keys: what is none is one sentence, also where nobody checks types."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.pixels import example_keys


@pytest.mark.parametrize("key", [0, None, np.int64(3), jnp.zeros(2)])
def test_what_is_no_key_is_one_sentence(key):
    with pytest.raises(InputError, match=r"key must be a random key, got .*: give key=jax\.random\.key\(0\)"):
        inspect.unwrap(example_keys)(key, 3)


def test_a_key_of_the_old_kind_is_that_of_the_new():
    old = inspect.unwrap(example_keys)(jax.random.PRNGKey(7), 3)
    np.testing.assert_array_equal(jax.random.key_data(old), jax.random.key_data(example_keys(jax.random.key(7), 3)))
