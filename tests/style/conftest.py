"""Features and distances that the tests of statistics share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def random_features(seed, shape=(3, 4, 5, 4), dtype=np.float32):
    """Correlated channels with a mean, as after a layer."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(shape[-1], shape[-1]))
    return jnp.asarray(rng.normal(size=shape) @ mixing + rng.normal(size=shape[-1]), dtype)


@functools.partial(jax.jit, static_argnums=0)
def between(statistic, features, target, weights=None, target_weights=None):
    return statistic.distance(statistic.summarize(features, weights), statistic.summarize(target, target_weights))


@functools.partial(jax.jit, static_argnums=0)
def value_and_grad(statistic, features, target, weights=None):
    """Of the sum over images. Targets are arguments: XLA would sort constants while compiling, for seconds."""
    return jax.value_and_grad(lambda x: jnp.sum(between(statistic, x, target, weights)))(features)
