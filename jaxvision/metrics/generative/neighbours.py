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
BLOCK = 256  # rows: 256 x 50,000 distances are 100 MB


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
    (radii,) = over_blocks(_kth, features, features, static=(k,))
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
        blocks = padded.reshape(n_blocks, block, -1), jnp.arange(n_blocks * block).reshape(n_blocks, block)
        outputs = _mapped(function, blocks, tuple(map(wide, others)), static)
        return tuple(np.asarray(y).reshape(-1, *y.shape[2:])[:n] for y in outputs)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _mapped(
    function: RowsFn, blocks: tuple[Array, Array], others: tuple[Array, ...], static: tuple[Hashable, ...]
) -> tuple[Array, ...]:
    return jax.lax.map(lambda block: function(*block, *others, *static), blocks)


def _nearest(block: Array, _: Array, training: Array) -> tuple[Array]:
    return (jnp.argmin(squared_distances(block, training), axis=1),)


def _kth(block: Array, numbers: Array, features: Array, k: int) -> tuple[Array]:
    """The k-th smallest by taking the smallest away k - 1 times: much faster than sorting rows."""
    columns = jnp.arange(len(features))[None]
    distances = jnp.where(columns == numbers[:, None], jnp.inf, squared_distances(block, features))

    def without_smallest(_: Array, distances: Array) -> Array:
        return jnp.where(columns == jnp.argmin(distances, axis=1)[:, None], jnp.inf, distances)

    return (jnp.min(jax.lax.fori_loop(0, k - 1, without_smallest, distances), axis=1),)
