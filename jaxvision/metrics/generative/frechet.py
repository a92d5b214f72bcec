"""Fréchet distance: features as Gaussians, and what it takes to move one into the other."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jaxtyping import Array, Float

from jaxvision.metrics.generative.checks import Features, check_features
from jaxvision.metrics.generative.float64 import Scalar, in_float64

STRIP = 256  # columns of a covariance that are multiplied out at a time


class FeatureGaussian(NamedTuple):
    """Features as a normal distribution, in float64: all that is needed of a training set, however large.

    Attributes:
        mean: `(d,)`.
        covariance: `(d, d)`, over one less than the number of images.
    """

    mean: Float[np.ndarray, " d"]
    covariance: Float[np.ndarray, "d d"]


def feature_gaussian(features: Features) -> FeatureGaussian:
    """Mean and covariance of features, on the host.

    Args:
        features: `(N, d)`, at least 2 images.

    Returns:
        Both in float64.

    Raises:
        InputError: if there are fewer.

    Example:
        >>> feature_gaussian(np.array([[0.0], [2.0]])).covariance
        array([[2.]])
    """
    check_features(features, least=2)
    wide = np.asarray(features, np.float64)
    centred = wide - wide.mean(axis=0)
    return FeatureGaussian(wide.mean(axis=0), centred.T @ centred / (len(wide) - 1))


def frechet_distance(real: Features, fake: Features) -> Scalar:
    r"""The squared 2-Wasserstein distance of the Gaussians of two sets of features.

    $$ d = \lVert \mu - \mu' \rVert^2 + \operatorname{tr}\left(A + B - 2 (A^{1/2} B A^{1/2})^{1/2}\right) $$

    With features of Inception-v3 it is the FID. Computed in float64 from eigenvalues of a symmetric matrix; the
    derivative is that of optimal transport, finite for covariances of deficient rank too.

    Args:
        real: `(N, d)`, at least 2 images.
        fake: `(M, d)`, at least 2 images.

    Returns:
        A scalar of the features' type, in their squared units; 0 for equal ones. For N images of one distribution it
        is above 0, about in proportion to 1 / N: compare with that of as many real ones.

    Raises:
        InputError: if widths differ or there are fewer than 2 images.

    Example:
        >>> features = jnp.array([[0.0, 0.0], [2.0, 0.0]])
        >>> frechet_distance(features, features + 3)
        Array(18., dtype=float32)

    References:
        Dowson and Landau, "The Fréchet distance between multivariate normal distributions", Journal of Multivariate
        Analysis 12, 1982. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
        equilibrium", https://arxiv.org/abs/1706.08500, 2017, equation 6.
    """
    check_features(real, fake, least=2)
    return _of_features(real, fake)


def gaussian_frechet_distance(real: FeatureGaussian, fake: FeatureGaussian) -> float:
    """`frechet_distance` where the Gaussians are known.

    Args:
        real: of `feature_gaussian`.
        fake: of `feature_gaussian`.

    Returns:
        The distance.

    Example:
        >>> one = FeatureGaussian(np.zeros(2), np.eye(2))
        >>> round(gaussian_frechet_distance(one, FeatureGaussian(np.ones(2), 9 * np.eye(2))), 9)
        10.0
    """
    return float(_of_gaussians(*real, *fake))


def _moments(features: Array) -> tuple[Array, Array]:
    mean = jnp.mean(features, axis=0)
    return mean, _squared(features - mean[None]) / (len(features) - 1)


def _squared(matrix: Array) -> Array:
    r"""$X^\top X$, of which only what lies on and above the diagonal is multiplied out, in strips of columns."""
    width = matrix.shape[1]
    bounds = [*range(0, width, STRIP), width]
    strips = [_product(matrix[:, start:stop].T, matrix[:, start:]) for start, stop in itertools.pairwise(bounds)]
    whole = jnp.concatenate([jnp.pad(strip, ((0, 0), (width - strip.shape[1], 0))) for strip in strips])
    above = jnp.triu(whole)
    return above + jnp.triu(whole, 1).T


@in_float64
def _of_features(real: Array, fake: Array) -> Array:
    return _distance(*_moments(real), *_moments(fake))


def _distance(mean: Array, covariance: Array, mean_2: Array, covariance_2: Array) -> Array:
    traces = jnp.trace(covariance) + jnp.trace(covariance_2)
    return jnp.sum((mean - mean_2) ** 2) + traces - 2 * _trace_of_root(covariance, covariance_2)


_of_gaussians = in_float64(_distance)


@jax.custom_jvp
def _trace_of_root(a: Array, b: Array) -> Array:
    r"""$\operatorname{tr}\,(A^{1/2} B A^{1/2})^{1/2}$ of symmetric positive semi-definite matrices."""
    factor = _factor(a)  # any F with A = F F': the eigenvalues of F' B F are those of A B
    values = _eigenvalues(_symmetric(_product(factor.T, b, factor)))
    return jnp.sum(jnp.sqrt(jnp.maximum(values, 0)))


@_trace_of_root.defjvp
def _trace_of_root_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    r"""Half the transport maps, $T = A^{-1/2} (A^{1/2} B A^{1/2})^{1/2} A^{-1/2}$ and its inverse.

    Through the eigenvectors the derivative would be NaN wherever two eigenvalues are equal. Directions in which a
    distribution has no width are left out: there the slope of the root is infinite.
    """
    (a, b), (da, db) = primals, tangents
    root, inverse = _roots(a)
    middle, middle_inverse = _roots(_product(root, b, root))
    there, back = _product(inverse, middle, inverse), _product(root, middle_inverse, root)
    return jnp.trace(middle), (jnp.sum(there * da) + jnp.sum(back * db)) / 2


def _factor(matrix: Array) -> Array:
    r"""F with $F F^\top$ = matrix: Cholesky's, or the square root of a matrix without full rank."""
    factor = jnp.linalg.cholesky(matrix)
    return jax.lax.cond(jnp.all(jnp.isfinite(factor)), lambda: factor, lambda: _roots(matrix)[0])


def _eigenvalues(matrix: Array) -> Array:
    """Of a symmetric matrix; JAX's own computes the vectors with them, which takes twice as long on a CPU."""

    def by_bisection(matrix: Array) -> Array:
        _, diagonal, beside, _ = jax.lax.linalg.tridiagonal(matrix)
        return jax.scipy.linalg.eigh_tridiagonal(diagonal, beside, eigvals_only=True)

    return jax.lax.platform_dependent(matrix, cpu=by_bisection, default=jnp.linalg.eigvalsh)


def _roots(matrix: Array) -> tuple[Array, Array]:
    """The square root, and the pseudo-inverse of it."""
    values, vectors = jnp.linalg.eigh(_symmetric(matrix))
    least = len(matrix) * jnp.finfo(matrix.dtype).eps * jnp.max(jnp.abs(values))
    roots = jnp.sqrt(jnp.maximum(values, 0))
    inverses = jnp.where(values > least, 1 / jnp.where(values > least, roots, 1), 0)
    return _product(vectors * roots[None], vectors.T), _product(vectors * inverses[None], vectors.T)


def _product(*matrices: Array) -> Array:
    return jnp.linalg.multi_dot(matrices, precision=jax.lax.Precision.HIGHEST)


def _symmetric(matrix: Array) -> Array:
    return (matrix + matrix.T) / 2
