"""Style as a Gaussian over features, compared by what it takes to move one into the other.

Everything is matrix products: no eigenvalues, which accelerators are slow at and whose gradients blow up where two
coincide.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.style.moments import pixel_shares

# Reduced precision (TensorFloat-32) would lose the small eigenvalues, where a style's fine correlations are.
_matmul = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
# The share of the trace that is added to each eigenvalue, in units of the type's rounding: about 1e-6 in float32. Real
# covariances have no full rank, and rounding leaves eigenvalues down to -1e-7 of the trace. Measured on SqueezeNet's
# layers: with 1 the gradient of deficient ranks is 1 % off, with 100 distances fall by 0.6 % of the trace.
RIDGE_ROUNDINGS = 10.0
# Norms are made this much larger than they are: the scaled iteration folds what exceeds 1 back below zero.
MARGIN = 1.01

Pair = tuple[Array, Array]


class Gaussian(NamedTuple):
    """Features as a normal distribution.

    The covariance is held by its root: it is all that a distance needs, and that of a style is computed only once.

    Attributes:
        mean: `(N, C)`.
        root: `(N, C, C)`, symmetric, the square root of the covariance.
    """

    mean: Float[Array, "n c"]
    root: Float[Array, "n c c"]

    @property
    def covariance(self) -> Float[Array, "n c c"]:
        """The covariance, with the ridge of `matrix_sqrt`."""
        return _matmul(self.root, self.root)


def gaussian_moments(features: Float[Array, "n h w c"], weights: Float[Array, "n h w"] | None = None) -> Gaussian:
    r"""Mean of the features and square root of their covariance.

    $$ \mu = \sum_p a_p F_p, \qquad \Sigma = \sum_p a_p (F_p - \mu)(F_p - \mu)^\top,
       \qquad a_p = \frac{w_p}{\sum_q w_q} $$

    Args:
        features: `(N, H, W, C)`.
        weights: `(N, H, W)`, zero or more, how much each pixel counts, to a common factor; None for all alike.

    Returns:
        `(N, C)` and the root, `(N, C, C)`.

    Example:
        >>> gaussian = gaussian_moments(jnp.array([0.0, 0.0, 2.0, 4.0]).reshape(1, 1, 2, 2))
        >>> gaussian.mean, gaussian.covariance.round(3)
        (Array([[1., 2.]], dtype=float32), Array([[[1., 2.],
                [2., 4.]]], dtype=float32))
    """
    rows = features.reshape(features.shape[0], -1, features.shape[-1])  # (N, P, C)
    shares = pixel_shares(features, weights)[:, :, None]
    mean = jnp.sum(shares * rows, axis=1)
    centred = rows - mean[:, None]
    return Gaussian(mean, matrix_sqrt(_matmul((shares * centred).mT, centred)))


def bures_distance(gaussian: Gaussian, targets: Gaussian) -> Float[Array, " n"]:
    r"""The squared 2-Wasserstein distance of two Gaussians, per channel.

    $$ d = \frac{1}{C} \left( \lVert \mu - \mu' \rVert^2
         + \operatorname{tr}\left(A + B - 2 (A^{1/2} B A^{1/2})^{1/2}\right) \right)
         = \frac{1}{C} \left( \lVert \mu - \mu' \rVert^2 + \min_{Q^\top Q = I} \lVert A^{1/2} - Q B^{1/2} \rVert_F^2
         \right) $$

    The right-hand form is computed, with the best rotation $Q$, the polar factor of $A^{1/2} B^{1/2}$. The trace
    subtracts nearly equal numbers, and products like $A^{1/2} B A^{1/2}$ square the condition number: in float32, of
    SqueezeNet's features and themselves, it gave -2 to -23 % of the variance; this form gives at most 2e-8 of it. At
    the minimum $Q$ has no part in the gradient, which is that of optimal transport, $I - A^{-1/2} Q B^{1/2}$.

    Args:
        gaussian: of `gaussian_moments`.
        targets: of the style.

    Returns:
        `(N,)`, zero or more.

    Example:
        >>> one = Gaussian(jnp.zeros((1, 2)), jnp.eye(2)[None])
        >>> bures_distance(one, Gaussian(jnp.ones((1, 2)), 3 * jnp.eye(2)[None])).round(4)  # 1 for means, 4 for widths
        Array([5.], dtype=float32)

    References:
        Dowson and Landau, "The Fréchet distance between multivariate normal distributions", Journal of Multivariate
        Analysis 12, 1982. Bhatia, Jain and Lim, "On the Bures-Wasserstein distance between positive definite matrices",
        https://arxiv.org/abs/1712.01504, 2017: the minimum over rotations. Departure: a mean over channels.
    """
    rotation = jax.lax.stop_gradient(_polar(_matmul(gaussian.root, targets.root)))
    moved = jnp.sum((gaussian.root - _matmul(rotation, targets.root)) ** 2, axis=(1, 2))
    shifted = jnp.sum((gaussian.mean - targets.mean) ** 2, axis=1)
    return (shifted + moved) / gaussian.mean.shape[1]


def matrix_sqrt(matrices: Float[Array, "n c c"]) -> Float[Array, "n c c"]:
    r"""The square root of symmetric positive semi-definite matrices, by matrix products alone.

    $$ Y \leftarrow \tfrac{\rho}{2} Y (3 I - \rho^2 Z Y), \qquad Z \leftarrow \tfrac{\rho}{2} (3 I - \rho^2 Z Y) Z $$

    from $Y_0 = M / s$, $Z_0 = I$; then $\sqrt{s}\, Y \to M^{1/2}$. $M$ is the matrix with a small ridge,
    $A + \epsilon \operatorname{tr}(A) I$ with $\epsilon$ ten times the rounding of its type, so that singular matrices
    have a root too. The factors $\rho$ are known beforehand from $\epsilon$, and halve the number of steps: 12 in
    float32.

    The derivative does not go through the steps, it solves $R\,dR + dR\,R = dA$ in the same manner: on features of
    deficient rank that is a hundred times as accurate.

    Args:
        matrices: `(N, C, C)`; their symmetric part is taken.

    Returns:
        `(N, C, C)`, symmetric; zero for zero.

    Example:
        >>> root = matrix_sqrt(jnp.array([[[5.0, 4.0], [4.0, 5.0]]]))
        >>> jnp.allclose(root, jnp.array([[2.0, 1.0], [1.0, 2.0]])[None], atol=1e-4)
        Array(True, dtype=bool)

    References:
        Higham, "Functions of matrices: theory and computation", SIAM, 2008, chapter 6: the coupled Newton-Schulz
        iteration. Chen and Chow, "A stable scaling of Newton-Schulz for improving the sign function computation of a
        Hermitian matrix", Argonne preprint ANL/MCS-P5059-0114, 2014: the factors.
    """
    symmetric = (matrices + matrices.mT) / 2
    ridge = _ridge(matrices.dtype) * jnp.trace(symmetric, axis1=1, axis2=2)
    return _root(symmetric + ridge[:, None, None] * _identity(matrices))


@jax.custom_jvp
@jax.jit  # here and below: outside of other programs a scan would be compiled at every call
def _root(matrices: Float[Array, "n c c"]) -> Float[Array, "n c c"]:
    """The root of matrices whose smallest eigenvalue is the ridge or more."""
    identity = _identity(matrices)
    scaled, norm = _normalized(matrices)

    def step(pair: Pair, rho: Array) -> tuple[Pair, None]:
        root, inverse = pair
        factor = rho / 2 * (3 * identity - rho**2 * _matmul(inverse, root))
        return (_matmul(root, factor), _matmul(factor, inverse)), None

    start = (scaled, jnp.broadcast_to(identity, scaled.shape))
    (root, _), _ = jax.lax.scan(step, start, _factors(_ridge(matrices.dtype) ** 0.5, matrices.dtype))
    return jnp.sqrt(norm) * (root + root.mT) / 2


@_root.defjvp
def _root_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    root = _root(*primals)

    def products(change: Array) -> Array:
        return _matmul(root, change) + _matmul(change, root)

    return root, jax.lax.custom_linear_solve(
        products, tangents[0], lambda _, right: _solve_lyapunov(root, right), symmetric=True
    )


@jax.jit
def _solve_lyapunov(root: Float[Array, "n c c"], right: Float[Array, "n c c"]) -> Float[Array, "n c c"]:
    """X with R X + X R = B for a root R and the symmetric part of B.

    The sign of the block matrix [[R, B], [0, -R]] is [[I, 2 X], [0, -I]]; the iteration needs its upper half only.
    """
    root, norm = _normalized(root)
    right = (right + right.mT) / (2 * norm)

    def step(pair: Pair, rho: Array) -> tuple[Pair, None]:
        root, right = pair
        square, product = _matmul(root, root), _matmul(root, right)
        bent = _matmul(root, product - product.mT) + _matmul(right, square)
        right = rho / 2 * (3 * right - rho**2 * (bent + bent.mT) / 2)
        return (rho / 2 * (3 * root - rho**2 * _matmul(root, square)), right), None

    (_, right), _ = jax.lax.scan(step, (root, right), _factors(_ridge(root.dtype) ** 0.5, root.dtype))
    return right / 2


@jax.jit
def _polar(matrices: Float[Array, "n c c"]) -> Float[Array, "n c c"]:
    """The nearest rotation to each product of two roots: U V' of its singular vectors."""

    def step(rotation: Array, rho: Array) -> tuple[Array, None]:
        return rho / 2 * (3 * rotation - rho**2 * _matmul(rotation, _matmul(rotation.mT, rotation))), None

    scaled, _ = _normalized(matrices)
    rotation, _ = jax.lax.scan(step, scaled, _factors(_ridge(matrices.dtype), matrices.dtype))
    return rotation


def _factors(smallest: float, dtype: jnp.dtype) -> Float[Array, " k"]:
    r"""The factors $\rho$ that bring everything between `smallest` and 1 to 1.

    $x \to \frac{\rho}{2} x (3 - \rho^2 x^2)$ has its top, 1, at $1/\rho$; $\rho^2 = 3 / (1 + l + l^2)$ makes both ends
    of $[l, 1]$ fall on the same height, the next $l$.
    """
    low, factors = smallest / (2 * MARGIN), []
    while 1 - low > math.sqrt(jnp.finfo(dtype).eps):  # then one plain step, which squares what is missing
        rho = math.sqrt(3 / (1 + low + low**2))
        factors.append(rho)
        low = rho / 2 * low * (3 - rho**2 * low**2)
    return jnp.array([*factors, 1.0], dtype)


def _normalized(matrices: Float[Array, "n c c"]) -> tuple[Float[Array, "n c c"], Float[Array, "n 1 1"]]:
    """Matrices without singular values above 1, and what they were divided by; zero stays zero."""
    norm = MARGIN * jnp.linalg.norm(matrices, axis=(1, 2), keepdims=True)
    norm = jnp.where(norm > 0, norm, 1)
    return matrices / norm, norm


def _identity(matrices: Float[Array, "n c c"]) -> Float[Array, "1 c c"]:
    return jnp.eye(matrices.shape[-1], dtype=matrices.dtype)[None]


def _ridge(dtype: jnp.dtype) -> float:
    return RIDGE_ROUNDINGS * float(jnp.finfo(dtype).eps)
