"""Nearest neighbours in blocks of rows: no table of all distances is ever held."""

import functools
from collections.abc import Callable, Hashable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.errors import InputError
from jaxvision.metrics.generative.checks import Features, check_features
from jaxvision.metrics.generative.float64 import wide

RowsFn = Callable[..., tuple[Array, ...]]
"""A block of rows, their numbers, and whole arrays -> arrays with an entry for each row of the block."""
BLOCK = 128  # rows: with 10,000 columns, 10 MB of distances that stay in a cache
FOLD = 16


class Neighbours(NamedTuple):
    """Which image of a set is closest to each sample, and how close.

    Attributes:
        distances: `(N,)`, Euclidean; 0 where a sample is a copy.
        indices: `(N,)`, into the set.
    """

    distances: Float[np.ndarray, " n"]
    indices: Int[np.ndarray, " n"]


def nearest_neighbours(samples: Features, training: Features) -> Neighbours:
    r"""The closest training image of each sample: $i_n = \arg\min_i \lVert x_n - t_i \rVert_2$.

    Generated images that are much closer than held-out ones have been learned by heart.

    Args:
        samples: x, `(N, d)`, features or pixels.
        training: t, `(M, d)`.

    Returns:
        Distances and indices.

    Raises:
        InputError: if widths differ or a set is empty.

    Example:
        >>> nearest_neighbours(np.array([[0.0, 3.0]]), np.array([[9.0, 9.0], [0.0, 0.0]]))
        Neighbours(distances=array([3.]), indices=array([1]))
    """
    check_features(samples, training)
    (indices,) = over_blocks(_nearest, samples, training)
    differences = np.asarray(samples, np.float64) - np.asarray(training, np.float64)[indices]
    return Neighbours(np.linalg.norm(differences, axis=1), indices)


def squared_radii(features: Features, k: int) -> Float[np.ndarray, " n"]:
    """The squared distance of each image to its k-th nearest other.

    Args:
        features: `(N, d)`, more than k images.
        k: at least 1.

    Returns:
        `(N,)`, float64.

    Raises:
        InputError: if there are not more than k images, or k is below 1.

    Example:
        >>> squared_radii(np.array([[0.0], [1.0], [3.0]]), 1)
        array([1., 1., 4.])
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    check_features(features, least=k + 1)
    with jax.enable_x64(True):
        columns = _in_columns(features)
    (radii,) = over_blocks(_kth, features, *columns, static=(k,))
    return radii


def squared_distances(x: Float[Array, "n d"], y: Float[Array, "m d"]) -> Float[Array, "n m"]:
    """All squared distances between two blocks, zero or more."""
    products = jnp.matmul(x, y.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.maximum(jnp.sum(x**2, axis=1)[:, None] + jnp.sum(y**2, axis=1)[None] - 2 * products, 0)


def over_blocks(
    function: RowsFn, rows: Features, *others: ArrayLike, static: tuple[Hashable, ...] = ()
) -> tuple[np.ndarray, ...]:
    """`function(block, numbers, *others)` over blocks of rows, in float64; one compiled program.

    Args:
        function: rows `(BLOCK, d)` and their numbers `(BLOCK,)` to a tuple of arrays with an entry for each row. The
            last block is filled up with rows of zeros, whose entries are dropped.
        rows: `(N, d)`.
        others: arrays, whole in each call.
        static: Python values, the function's last arguments.

    Returns:
        Arrays with N entries.
    """
    n = np.shape(rows)[0]
    block = min(BLOCK, n)
    n_blocks = -(-n // block)
    with jax.enable_x64(True):
        padded = jnp.pad(wide(rows), ((0, n_blocks * block - n), (0, 0)))
        blocks = (
            padded.reshape(n_blocks, block, -1),
            jnp.arange(n_blocks * block, dtype=jnp.int32).reshape(n_blocks, block),
        )
        outputs = _mapped(function, blocks, tuple(map(wide, others)), static)
        return tuple(np.asarray(y).reshape(-1, *y.shape[2:])[:n] for y in outputs)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _mapped(
    function: RowsFn, blocks: tuple[Array, Array], others: tuple[Array, ...], static: tuple[Hashable, ...]
) -> tuple[Array, ...]:
    return jax.lax.map(lambda block: function(*block, *others, *static), blocks)


@jax.jit
def _in_columns(features: ArrayLike) -> tuple[Array, Array]:
    return in_columns(wide(features))


def _nearest(block: Array, _: Array, training: Array) -> tuple[Array]:
    return (jnp.argmin(squared_distances(block, training), axis=1),)


def _kth(block: Array, numbers: Array, features: Array, norms: Array, k: int) -> tuple[Array]:
    """The k-th smallest besides the image itself, which may be among the k + 1 that are looked for."""
    own = norms[jnp.minimum(numbers, len(norms) - 1)]
    distances = own[:, None] + norms[None] - 2 * jnp.matmul(block, features.T, precision=jax.lax.Precision.HIGHEST)
    nearest = smallest(distances, k + 1)
    others = jnp.where(nearest == numbers[:, None], jnp.inf, jnp.take_along_axis(distances, nearest, axis=1))
    return (jnp.maximum(jnp.sort(others, axis=1)[:, k - 1], 0),)


def smallest(values: Float[Array, "n m"], k: int) -> Int[Array, "n k"]:
    """Where in each row the k smallest are, much faster than by sorting.

    Columns are taken in groups. The k groups with the smallest minima hold the k smallest values, so that all but these
    groups are looked at once. Up to FOLD - 1 columns, the last, may be infinite.
    """
    width = -(-values.shape[1] // FOLD)
    if width < 2 * k:
        return _one_by_one(values, k)
    whole = jnp.pad(values, ((0, 0), (0, FOLD * width - values.shape[1])), constant_values=jnp.inf)
    groups = smallest(folded(jnp.minimum, whole, FOLD, axis=1), k)
    members = groups[:, :, None] + width * jnp.arange(FOLD, dtype=jnp.int32)[None, None]
    members = members.reshape(len(values), -1)
    chosen = _one_by_one(jnp.take_along_axis(whole, members, axis=1), k)
    return jnp.take_along_axis(members, chosen, axis=1)


def folded(operation: Callable[[Array, Array], Array], array: Array, parts: int, *, axis: int) -> Array:
    """Equal parts of an array, one laid over the other: a reduction that compiles to whole vectors."""
    return functools.reduce(operation, jnp.split(array, parts, axis=axis))


def in_columns(features: Float[Array, "n d"]) -> tuple[Float[Array, "m d"], Float[Array, " m"]]:
    """Features and their squared norms, filled up to a multiple of FOLD with what is infinitely far away."""
    missing = -len(features) % FOLD
    norms = jnp.pad(jnp.sum(features**2, axis=1), (0, missing), constant_values=jnp.inf)
    return jnp.pad(features, ((0, missing), (0, 0))), norms


def _one_by_one(values: Array, k: int) -> Array:
    columns, found = jnp.arange(values.shape[1], dtype=jnp.int32)[None], list[Array]()
    for _ in range(k):
        found.append(jnp.argmin(values, axis=1).astype(jnp.int32))
        values = jnp.where(columns == found[-1][:, None], jnp.inf, values)
    return jnp.stack(found, axis=1)
