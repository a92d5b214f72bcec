import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="session")
def random():
    """Weights at which nothing saturates, without compiling anything for them; gains and variances above zero."""

    def weights(build):
        rng = np.random.default_rng(0)

        def draw(leaf):
            fan = leaf.size // leaf.shape[-1]
            values = rng.uniform(0.5, 1.5, leaf.shape) if leaf.ndim == 1 else rng.normal(size=leaf.shape) / fan**0.5
            return jnp.asarray(values, jnp.float32)

        return jax.tree.map(draw, jax.eval_shape(build))

    return weights
