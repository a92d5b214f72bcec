"""Max-sensitivity: how much a map can change with an image that hardly does."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from jaxvision.errors import InputError
from jaxvision.pixels import Classes, Keys, check_images, example_keys, pytree_function

Attribute = Callable[[Array, Array], Array]
"""Images `(N, H, W, C)` and labels `(N,)` to maps `(N, ...)`."""


def max_sensitivity(
    attribute: Attribute,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    key: Keys,
    radius: float = 0.02,
    n_samples: int = 10,
) -> Float[Array, " n"]:
    r"""The largest change of a map among noisy copies of its image, as a share of the map's norm: small is good.

    $$ \max_{k \le K} \frac{\lVert A(I + \delta_k) - A(I) \rVert_2}{\lVert A(I) \rVert_2}, \qquad
       \delta_k \sim \mathcal{U}[-r, r] \text{ at each value} $$

    A map of zeros is divided by one. The memory does not grow with the samples; the maximum does, a little.

    Args:
        attribute: images `(N, H, W, C)` and labels `(N,)` to maps `(N, ...)`, each image on its own. A
            `jax.tree_util.Partial(saliency_map, logits_fn)` keeps weights out of the program.
        images: `(N, H, W, C)` floats.
        labels: `(N,)` integers, handed to `attribute`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; sample k folds in k.
        radius: $r$, zero or more, in units of the images.
        n_samples: $K$, a Python number.

    Returns:
        `(N,)`, zero or more.

    Raises:
        InputError: if images, labels or keys have the wrong shape or type, the radius is negative or `n_samples` below
            1.

    Example:
        >>> constant = lambda images, labels: jnp.ones_like(images)
        >>> max_sensitivity(constant, jnp.ones((2, 2, 2, 1)), [0, 0], key=jax.random.key(0))
        Array([0., 0.], dtype=float32)

    References:
        Yeh et al., "On the (in)fidelity and sensitivity of explanations", https://arxiv.org/abs/1901.09392, 2019,
        definition 3.1, a sampled maximum. Choice: divided by the map's norm, as in Captum.
    """
    images = check_images(images)
    classes = jnp.asarray(labels)
    if classes.shape != images.shape[:1] or not jnp.issubdtype(classes.dtype, jnp.integer):
        raise InputError(
            f"labels must be one integer for each of the {len(images)} images, "
            f"got {classes.dtype} of shape {classes.shape}"
        )
    if radius < 0:
        raise InputError(f"radius must be zero or more, in units of the images, got {radius}")
    if n_samples < 1:
        raise InputError(f"n_samples must be 1 or more, got {n_samples}")
    keys = example_keys(key, len(images))
    return _max_sensitivity(pytree_function(attribute), images, classes, keys, radius, n_samples=n_samples)


@functools.partial(jax.jit, static_argnames="n_samples")
def _max_sensitivity(
    attribute: Attribute,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    keys: Key[Array, " n"],
    radius: Float[ArrayLike, ""],
    *,
    n_samples: int,
) -> Float[Array, " n"]:
    maps = attribute(images, labels)
    length = _norms(maps)

    def take(k: Int[ArrayLike, ""], largest: Float[Array, " n"]) -> Float[Array, " n"]:
        return jnp.maximum(largest, _norms(attribute(shaken(images, keys, radius, k), labels) - maps))

    largest = jax.lax.fori_loop(0, n_samples, take, jnp.zeros_like(length))
    return largest / jnp.where(length == 0, 1, length)


def shaken(
    images: Float[Array, "n h w c"], keys: Key[Array, " n"], radius: Float[ArrayLike, ""], k: Int[ArrayLike, ""]
) -> Float[Array, "n h w c"]:
    r"""The k-th noisy copy of each image, $I + \delta_k$.

    Args:
        images: `(N, H, W, C)`.
        keys: `(N,)`, one for each image.
        radius: of the noise, in units of the images.
        k: which copy.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> shaken(jnp.ones((1, 1, 2, 1)), example_keys(jax.random.key(0), 1), 0.0, 3).ravel()
        Array([1., 1.], dtype=float32)
    """

    def noise(key: Array) -> Array:
        return jax.random.uniform(jax.random.fold_in(key, k), images.shape[1:], images.dtype, -1.0, 1.0)

    return images + radius * jax.vmap(noise)(keys)


def _norms(maps: Float[Array, "n ..."]) -> Float[Array, " n"]:
    return jnp.linalg.norm(maps.reshape(len(maps), -1), axis=1)
