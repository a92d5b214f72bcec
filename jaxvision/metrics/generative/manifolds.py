"""Precision, recall, density, coverage: whether samples lie where real images do, and the other way."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxvision.metrics.generative.checks import Features, check_features
from jaxvision.metrics.generative.float64 import wide
from jaxvision.metrics.generative.neighbours import BLOCK, FOLD, folded, in_columns, squared_radii


class ManifoldScores(NamedTuple):
    """Four shares; each is about 1 for equal distributions, but `density` may exceed it.

    Attributes:
        precision: of samples, within a real image's ball.
        recall: of real images, within a sample's ball.
        density: balls of real images that a sample lies in, over k; outliers among the real ones count less.
        coverage: of real images, with a sample in their ball.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_scores(real: Features, fake: Features, *, k: int = 5) -> ManifoldScores:
    r"""Precision, recall, density and coverage. A ball of an image reaches to its k-th nearest other of its own set.

    $$ P = \frac{1}{M} \sum_j 1\left[y_j \in \cup_i B(x_i)\right], \quad
       R = \frac{1}{N} \sum_i 1\left[x_i \in \cup_j B(y_j)\right], \quad
       D = \frac{1}{k M} \sum_{i, j} 1\left[y_j \in B(x_i)\right], \quad
       C = \frac{1}{N} \sum_i 1\left[\exists j: y_j \in B(x_i)\right] $$

    In float64, a block of rows at a time. Balls are open: a sample exactly as far as the k-th neighbour is outside.

    Args:
        real: x, `(N, d)`, more than k images.
        fake: y, `(M, d)`, more than k images.
        k: neighbours.

    Returns:
        The four shares.

    Raises:
        InputError: if widths differ, there are not more than k images, or k is below 1.

    Example:
        >>> real = [[0.0], [1.0], [2.0], [10.0]]
        >>> manifold_scores(jnp.array(real), jnp.array([[0.5], [1.5], [2.5], [50.0]]), k=1)
        ManifoldScores(precision=0.75, recall=1.0, density=1.5, coverage=1.0)

    References:
        Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models",
        https://arxiv.org/abs/1904.06991, 2019, equations 1 and 2. Naeem et al., "Reliable fidelity and diversity
        metrics for generative models", https://arxiv.org/abs/2002.09797, 2020, equations 3 and 5.
    """
    check_features(real, fake, least=k + 1)
    real_radii, fake_radii = squared_radii(real, k), squared_radii(fake, k)
    with jax.enable_x64(True):
        precise, recalled, counts = map(np.asarray, _compared(real, fake, real_radii, fake_radii))
    return ManifoldScores(
        precision=float(precise.mean()),
        recall=float(recalled.mean()),
        density=float(counts.sum() / (k * len(precise))),
        coverage=float((counts > 0).mean()),
    )


@jax.jit
def _compared(
    real: ArrayLike, fake: ArrayLike, real_radii: ArrayLike, fake_radii: ArrayLike
) -> tuple[Array, Array, Array]:
    """Samples in a real image's ball `(M,)`, real images in a sample's `(N,)`, and the samples in each real ball."""
    real, fake = wide(real), wide(fake)
    columns, norms = in_columns(fake)
    reach = jnp.pad(wide(fake_radii), (0, len(columns) - len(fake)))

    def compare(precise: Array, rows: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        block, own, radii = rows
        products = jnp.matmul(block, columns.T, precision=jax.lax.Precision.HIGHEST)
        distances = jnp.maximum(own[:, None] + norms[None] - 2 * products, 0)
        in_real, in_fake = distances < radii[:, None], distances < reach[None]
        counts = jnp.sum(folded(jnp.add, in_real.astype(jnp.int32), FOLD, axis=1), axis=1, dtype=jnp.int32)
        recalled = jnp.any(folded(jnp.logical_or, in_fake, FOLD, axis=1), axis=1)
        return precise | jnp.any(folded(jnp.logical_or, in_real, FOLD, axis=0), axis=0), (recalled, counts)

    blocks = _blocks(real, 0.0), _blocks(jnp.sum(real**2, axis=1), 0.0), _blocks(wide(real_radii), -jnp.inf)
    precise, (recalled, counts) = jax.lax.scan(compare, jnp.zeros(len(columns), bool), blocks)
    return precise[: len(fake)], recalled.reshape(-1)[: len(real)], counts.reshape(-1)[: len(real)]


def _blocks(rows: Array, fill: float) -> Array:
    """`(blocks, BLOCK, ...)`, the last one filled up."""
    padding = ((0, -len(rows) % BLOCK), *((0, 0) for _ in rows.shape[1:]))
    return jnp.pad(rows, padding, constant_values=fill).reshape(-1, BLOCK, *rows.shape[1:])
