"""Kernel distance: the maximum mean discrepancy of two sets of features, without bias."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from jaxvision.errors import InputError
from jaxvision.metrics.generative.checks import Features, check_features
from jaxvision.metrics.generative.float64 import Scalar, in_float64, wide

DEGREE = 3


class KernelDistance(NamedTuple):
    """What subsets of two sets of features gave.

    Attributes:
        mean: over the subsets; around 0 for equal distributions, and below it half of the time.
        deviation: of one subset.
    """

    mean: float
    deviation: float


def squared_mmd(real: Features, fake: Features) -> Scalar:
    r"""The squared maximum mean discrepancy under a cubic kernel, unbiased.

    $$ \widehat{\mathrm{MMD}}^2 = \frac{1}{n (n - 1)} \sum_{i \neq j} k(x_i, x_j)
       + \frac{1}{m (m - 1)} \sum_{i \neq j} k(y_i, y_j) - \frac{2}{n m} \sum_{i, j} k(x_i, y_j), \qquad
       k(x, y) = \left(\tfrac{1}{d} x^\top y + 1\right)^3 $$

    In float64; differentiable.

    Args:
        real: x, `(n, d)`, at least 2 images.
        fake: y, `(m, d)`, at least 2 images.

    Returns:
        A scalar of the features' type, zero in expectation for equal distributions.

    Raises:
        InputError: if widths differ or there are fewer than 2 images.

    Example:
        >>> squared_mmd(jnp.array([[0.0], [0.0]]), jnp.array([[1.0], [1.0]]))
        Array(7., dtype=float32)

    References:
        Bińkowski et al., "Demystifying MMD GANs", https://arxiv.org/abs/1801.01401, 2018, section 4 and equation 4.
        Gretton et al., "A kernel two-sample test", Journal of Machine Learning Research 13, 2012, equation 3.
    """
    check_features(real, fake, least=2)
    return _squared_mmd(real, fake)


def kernel_distance(
    real: Features, fake: Features, *, key: Array, n_subsets: int = 100, subset_size: int = 1000
) -> KernelDistance:
    """`squared_mmd` of random subsets, as the KID is reported: a mean, and how far a subset is from it.

    Args:
        real: `(N, d)`.
        fake: `(M, d)`.
        key: one key; subset i is drawn from `fold_in(key, i)`, without repetition.
        n_subsets: how many.
        subset_size: images in each, of either set.

    Returns:
        Mean and deviation.

    Raises:
        InputError: if widths differ, there is no subset, or a set has fewer images than one.

    Example:
        >>> features = np.random.default_rng(0).normal(size=(60, 4))
        >>> kernel_distance(features, features + 1, key=jax.random.key(0), n_subsets=3, subset_size=50).mean > 1
        True

    References:
        Bińkowski et al., "Demystifying MMD GANs", https://arxiv.org/abs/1801.01401, 2018, section 4.
    """
    if subset_size < 2:
        raise InputError(f"subset_size must be at least 2, got {subset_size}")
    if n_subsets < 1:
        raise InputError(f"n_subsets must be at least 1, got {n_subsets}")
    check_features(real, fake, least=subset_size)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(n_subsets))
    pairs = jax.vmap(jax.random.split, out_axes=1)(keys)
    indices = [_subsets(keys, np.shape(x)[0], subset_size) for keys, x in zip(pairs, (real, fake), strict=True)]
    with jax.enable_x64(True):
        values = np.asarray(_of_subsets(wide(real), wide(fake), *indices))
    return KernelDistance(float(values.mean()), float(values.std()))


def _subsets(keys: Array, n: int, size: int) -> Int[np.ndarray, "k size"]:
    return np.stack([np.asarray(_permutation(key, n))[:size] for key in keys])


@functools.partial(jax.jit, static_argnums=1)
def _permutation(key: Array, n: int) -> Array:
    return jax.random.permutation(key, n)


@jax.jit
def _of_subsets(real: Array, fake: Array, real_indices: Array, fake_indices: Array) -> Array:
    return jax.lax.map(lambda pair: _mmd(real[pair[0]], fake[pair[1]]), (real_indices, fake_indices))


def _mmd(real: Array, fake: Array) -> Array:
    return _within(real) + _within(fake) - 2 * jnp.mean(_kernel(real, fake))


def _within(features: Array) -> Array:
    """The mean of all pairs of two different images."""
    n = len(features)
    own = (jnp.sum(features**2, axis=1) / features.shape[1] + 1) ** DEGREE
    return (jnp.sum(_kernel(features, features)) - jnp.sum(own)) / (n * (n - 1))


def _kernel(x: Array, y: Array) -> Array:
    return (jnp.matmul(x, y.T, precision=jax.lax.Precision.HIGHEST) / x.shape[1] + 1) ** DEGREE


_squared_mmd = in_float64(_mmd)
