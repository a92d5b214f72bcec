"""SmoothGrad and VarGrad: mean and variance of the gradient around an image."""

import functools
import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from jaxvision.attribution.gradients import logit_gradient, sum_over_points
from jaxvision.errors import InputError
from jaxvision.pixels import (
    Classes,
    Keys,
    check_images,
    check_labels,
    example_keys,
    in_chunks,
    pytree_function,
    summing_dtype,
)
from jaxvision.signatures import LogitsFn


def smoothgrad(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    key: Keys,
    noise: float = 0.15,
    n_samples: int = 25,
) -> Float[Array, "n h w c"]:
    r"""The gradient of the class logit, averaged over noisy copies of each image.

    $$ M = \frac{1}{K} \sum_{k=1}^{K} \nabla s_y(I + \sigma \varepsilon_k), \qquad
       \varepsilon_k \sim \mathcal{N}(0, 1), \quad \sigma = \text{noise} \cdot (\max I - \min I) $$

    Signed, one value a channel: `jnp.abs(M).max(axis=-1)` is a map as `saliency_map` gives it. The memory does not grow
    with the samples.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; sample k folds in k.
        noise: the noise's deviation as a share of each image's own range; the paper sees the best maps at 0.1 to 0.2.
        n_samples: $K$, a Python number.

    Returns:
        `(N, H, W, C)`, logits per unit of the images.

    Raises:
        InputError: if images, labels, keys or logits have the wrong shape, type or range, `noise` is negative or
            `n_samples` below 1.

    Example:
        >>> linear = lambda images: images.sum(axis=(1, 2)) * jnp.array([[3.0]])
        >>> image = jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1)
        >>> smoothgrad(linear, image, jnp.array([0]), key=jax.random.key(0)).ravel()
        Array([3., 3.], dtype=float32)

    References:
        Smilkov et al., "SmoothGrad: removing noise by adding noise", https://arxiv.org/abs/1706.03825, 2017, section 3.
    """
    arguments = _check(logits_fn, images, labels, key, noise, n_samples)
    return _smoothgrad(*arguments, n_samples=n_samples)


def vargrad(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    key: Keys,
    noise: float = 0.15,
    n_samples: int = 25,
) -> Float[Array, "n h w c"]:
    r"""The variance of the gradient of the class logit over noisy copies of each image.

    $$ V = \frac{1}{K} \sum_{k=1}^{K} g_k^2 - \Bigl(\frac{1}{K} \sum_{k=1}^{K} g_k\Bigr)^2, \qquad
       g_k = \nabla s_y(I + \sigma \varepsilon_k), \quad \sigma = \text{noise} \cdot (\max I - \min I) $$

    The samples are those of `smoothgrad` with the same key. Both sums are taken of $g_k - \nabla s_y(I)$, which changes
    nothing but the rounding.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        key: one key, or `(N,)` keys.
        noise: the noise's deviation as a share of each image's own range.
        n_samples: $K$, a Python number.

    Returns:
        `(N, H, W, C)`, zero or more, the square of logits per unit of the images.

    Raises:
        InputError: as `smoothgrad`.

    Example:
        >>> linear = lambda images: images.sum(axis=(1, 2)) * jnp.array([[3.0]])
        >>> image = jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1)
        >>> vargrad(linear, image, jnp.array([0]), key=jax.random.key(0)).ravel()
        Array([0., 0.], dtype=float32)

    References:
        Adebayo et al., "Local explanation methods for deep neural networks lack sensitivity to parameter values",
        https://arxiv.org/abs/1810.03307, 2018, section 2. Choice: divided by K, as Captum does, not by K - 1.
    """
    arguments = _check(logits_fn, images, labels, key, noise, n_samples)
    return _vargrad(*arguments, n_samples=n_samples)


@functools.partial(jax.jit, static_argnames="n_samples")
def _smoothgrad(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    keys: Key[Array, " n"],
    noise: Float[ArrayLike, ""],
    *,
    n_samples: int,
) -> Float[Array, "n h w c"]:
    def mean(images: Array, labels: Array, keys: Array) -> Array:
        point = functools.partial(noisy, images, keys, noise)
        total = sum_over_points(logits_fn, labels, point, lambda k, gradient: gradient, n_samples)
        return (total / n_samples).astype(images.dtype)

    return in_chunks(mean, images, labels, keys)


@functools.partial(jax.jit, static_argnames="n_samples")
def _vargrad(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    keys: Key[Array, " n"],
    noise: Float[ArrayLike, ""],
    *,
    n_samples: int,
) -> Float[Array, "n h w c"]:
    def variance(images: Array, labels: Array, keys: Array) -> Array:
        point = functools.partial(noisy, images, keys, noise)
        dtype = summing_dtype(images.dtype)
        center = logit_gradient(logits_fn, images, labels).astype(dtype)

        def moments(k: Array, gradient: Array) -> tuple[Array, Array]:
            apart = gradient.astype(dtype) - center
            return apart, apart**2

        first, second = sum_over_points(logits_fn, labels, point, moments, n_samples)
        return jnp.maximum(second / n_samples - (first / n_samples) ** 2, 0).astype(images.dtype)

    return in_chunks(variance, images, labels, keys)


def noisy(
    images: Float[Array, "n h w c"], keys: Key[Array, " n"], noise: Float[ArrayLike, ""], k: Int[ArrayLike, ""]
) -> Float[Array, "n h w c"]:
    r"""The k-th noisy copy of each image, $I + \sigma \varepsilon_k$.

    Args:
        images: `(N, H, W, C)`.
        keys: `(N,)`, one for each image.
        noise: the noise's deviation as a share of each image's own range.
        k: which copy.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> keys = example_keys(jax.random.key(0), 1)
        >>> noisy(jnp.full((1, 2, 2, 1), 0.5), keys, 0.15, 0).ravel()  # a flat image has no range
        Array([0.5, 0.5, 0.5, 0.5], dtype=float32)
    """
    epsilon = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, k), images.shape[1:], images.dtype))(keys)
    return images + noise * jnp.ptp(images, axis=(1, 2, 3), keepdims=True) * epsilon


def _check(
    logits_fn: LogitsFn, images: ArrayLike, labels: Classes, key: Keys, noise: float, n_samples: int
) -> tuple[LogitsFn, Array, Array, Array, float]:
    """The arguments of the compiled functions, or one sentence saying what is wrong with them."""
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    if not 0 <= noise < math.inf:
        raise InputError(f"noise must be zero or more, a finite share of the image's range, got {noise}")
    if n_samples < 1:
        raise InputError(f"n_samples must be 1 or more, got {n_samples}")
    return pytree_function(logits_fn), images, labels, example_keys(key, len(images)), noise
