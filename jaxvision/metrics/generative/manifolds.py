"""Precision, recall, density, coverage: whether samples lie where real images do, and the other way."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from jaxvision.metrics.generative.checks import Features, check_features
from jaxvision.metrics.generative.neighbours import over_blocks, squared_distances, squared_radii


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
    within_fake, covered = over_blocks(_real_rows, real, fake, fake_radii, real_radii)
    (counts,) = over_blocks(_fake_rows, fake, real, real_radii)
    return ManifoldScores(
        precision=float((counts > 0).mean()),
        recall=float(within_fake.mean()),
        density=float(counts.mean() / k),
        coverage=float(covered.mean()),
    )


def _real_rows(block: Array, numbers: Array, fake: Array, fake_radii: Array, real_radii: Array) -> tuple[Array, Array]:
    """For each real image: whether it lies in a sample's ball, and whether a sample lies in its own."""
    distances = squared_distances(block, fake)
    radii = real_radii[jnp.minimum(numbers, len(real_radii) - 1)]
    return jnp.any(distances < fake_radii[None], axis=1), jnp.min(distances, axis=1) < radii


def _fake_rows(block: Array, _: Array, real: Array, real_radii: Array) -> tuple[Array]:
    """For each sample: the number of real images whose ball it lies in."""
    return (jnp.sum(squared_distances(block, real) < real_radii[None], axis=1),)
