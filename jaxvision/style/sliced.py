"""Style as whole distributions, seen along many directions: sorted projections of the features."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.style.moments import pixel_shares
from jaxvision.style.sorting import sort_rows

Distance = Callable[[Array, Array], Array]


def sliced_wasserstein(n_directions: int | None = None, seed: int = 0) -> tuple["SortedProjections", Distance]:
    r"""Distributions of features along random directions, as a pair (summarize, distance).

    $$ d = \frac{1}{D} \sum_{k=1}^{D} W_2^2(\theta_k^\top F, \theta_k^\top F') $$

    Directions $\theta_k$ are orthonormal, C at a time. Between sets of samples on a line, $W_2^2$ is the mean squared
    difference of the sorted values; see `quantile_distance`.

    Args:
        n_directions: D; as many as there are channels if not given, so that a shift of all features counts the same in
            every direction.
        seed: of the directions, the same for an image and its style.

    Returns:
        `summarize(features, weights=None)`, a `SortedProjections`, and `distance(statistics, targets)`,
        `quantile_distance`. The same arguments give equal pairs.

    Raises:
        InputError: if `n_directions` is below 1.

    Example:
        >>> summarize, distance = sliced_wasserstein()
        >>> features = jnp.arange(12.0).reshape(1, 2, 2, 3)
        >>> distance(summarize(features), summarize(features + 2)).round(4)
        Array([4.], dtype=float32)

    References:
        Heitz, Vanhoey, Chambon and Belcour, "A sliced Wasserstein loss for neural texture synthesis",
        https://arxiv.org/abs/2006.07229, CVPR 2021. Departure: there, new directions each step, independent of each
        other; here they stay, so that the loss is a function of the image alone, and are orthonormal. There, sets of
        different sizes are brought to one size; here they are compared as they are.
    """
    if n_directions is not None and n_directions < 1:
        raise InputError(f"there must be at least 1 direction, got {n_directions}")
    return SortedProjections(n_directions, seed), quantile_distance


def channel_histogram() -> tuple[Callable[..., Array], Distance]:
    r"""The distribution of each channel, as a pair (summarize, distance).

    $$ d = \frac{1}{HWC} \sum_{p,c} \left( F_{pc} - \operatorname{match}(F, F')_{pc} \right)^2 $$

    match replaces each feature by that of the same rank in its channel of the style: histogram matching without bins,
    and so $W_2^2$ along the axes of the channels.

    Returns:
        `summarize(features, weights=None)`, `sorted_channels`, and `distance(statistics, targets)`,
        `quantile_distance`.

    Example:
        >>> summarize, distance = channel_histogram()
        >>> ramp = jnp.arange(4.0).reshape(1, 2, 2, 1)
        >>> distance(summarize(ramp), summarize(-ramp))  # 0 1 2 3 against -3 -2 -1 0
        Array([9.], dtype=float32)

    References:
        Risser, Wilmot and Barnes, "Stable and controllable neural texture synthesis and style transfer using histogram
        losses", https://arxiv.org/abs/1701.08893, 2017. Departure: sorted values in place of bins, and a mean.
    """
    return sorted_channels, quantile_distance


@dataclasses.dataclass(frozen=True)
class SortedProjections:
    """Features along random directions, sorted: `(N, H, W, C)` to `(N, D, H W)`.

    Attributes:
        n_directions: D, the number of channels if None.
        seed: of the directions.
    """

    n_directions: int | None = None
    seed: int = 0

    def __call__(
        self, features: Float[Array, "n h w c"], weights: Float[Array, "n h w"] | None = None
    ) -> Float[Array, "n d p"]:
        """The sorted projections; of weighted pixels, each as often as its weight says."""
        channels = features.shape[-1]
        directions = _directions(channels, self.n_directions or channels, self.seed)
        projected = jnp.matmul(features, jnp.asarray(directions, features.dtype), precision=jax.lax.Precision.HIGHEST)
        return sorted_channels(projected, weights)


def sorted_channels(
    features: Float[Array, "n h w c"], weights: Float[Array, "n h w"] | None = None
) -> Float[Array, "n c p"]:
    r"""The values of each channel in ascending order: its quantiles at $P = HW$ equal steps.

    Weighted, value k stands $n_k - n_{k-1}$ times, $n_k = \operatorname{round}(P \sum_{j \le k} w_j / \sum_j w_j)$: the
    weighted distribution to a P-th of its mass. Weights have no gradient.

    Args:
        features: `(N, H, W, C)`.
        weights: `(N, H, W)`, zero or more, how much each pixel counts, to a common factor; None for all alike.

    Returns:
        `(N, C, H W)`; zeros where no pixel counts.

    Example:
        >>> features = jnp.array([[[[3.0], [1.0], [2.0]]]])
        >>> sorted_channels(features)
        Array([[[1., 2., 3.]]], dtype=float32)
        >>> sorted_channels(features, jnp.array([[[1.0, 0.0, 2.0]]]))  # two thirds of 2, one third of 3
        Array([[[2., 2., 3.]]], dtype=float32)
    """
    values = features.reshape(features.shape[0], -1, features.shape[-1]).mT  # (N, C, P), sorted along the last axis
    if weights is None:
        return sort_rows(values)
    shares = pixel_shares(features, weights)
    ordered, mass = jax.lax.sort((values, jnp.broadcast_to(shares[:, None], values.shape)), num_keys=1)
    reached = jnp.cumsum(mass, axis=-1)
    total = reached[..., -1:]
    last = jnp.round(values.shape[-1] * reached / jnp.where(total > 0, total, 1)).astype(jnp.int32)
    repeated = jax.vmap(jax.vmap(_repeat))(ordered, jnp.diff(last, prepend=0))
    return jnp.where(total > 0, repeated, 0)


def quantile_distance(quantiles: Float[Array, "n d p"], targets: Float[Array, "n d q"]) -> Float[Array, " n"]:
    r"""The squared 2-Wasserstein distance of sets of numbers, averaged over directions.

    $$ d = \frac{1}{D} \sum_k \int_0^1 \left( F_k^{-1}(u) - G_k^{-1}(u) \right)^2 du $$

    Quantile functions of samples are steps, so the integral is a sum over the pieces between all steps of either: exact
    for any two sizes. P and Q values make at most P + Q - 1 pieces.

    Args:
        quantiles: `(N, D, P)`, ascending.
        targets: `(N, D, Q)`, ascending, of the style.

    Returns:
        `(N,)`, zero where the distributions are equal.

    Example:
        >>> quantile_distance(jnp.array([[[0.0, 1.0]]]), jnp.array([[[0.0, 0.0, 1.0, 1.0]]]))
        Array([0.], dtype=float32)
        >>> quantile_distance(jnp.array([[[0.0, 1.0]]]), jnp.array([[[0.0, 0.0, 2.0, 2.0]]]))
        Array([0.5], dtype=float32)
    """
    p, q = quantiles.shape[-1], targets.shape[-1]
    if p == q:
        return jnp.mean((quantiles - targets) ** 2, axis=(1, 2))
    ours, theirs, widths = _pieces(p, q)
    squares = (quantiles[:, :, ours] - targets[:, :, theirs]) ** 2
    return jnp.mean(jnp.sum(squares * jnp.asarray(widths, squares.dtype)[None, None], axis=2), axis=1)


def _pieces(p: int, q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of [0, 1] cut into p and into q equal steps: which step of either each piece lies in, and how wide it is."""
    cuts = np.union1d(np.arange(p + 1, dtype=np.int64) * q, np.arange(q + 1, dtype=np.int64) * p)  # in units of 1/(p q)
    return cuts[:-1] // q, cuts[:-1] // p, np.diff(cuts) / (p * q)


def _repeat(values: Float[Array, " p"], counts: Array) -> Float[Array, " p"]:
    return jnp.repeat(values, counts, total_repeat_length=values.shape[0])


@functools.lru_cache(maxsize=32)
def _directions(n_channels: int, n_directions: int, seed: int) -> np.ndarray:
    """Columns of random rotations, `(C, D)`. In NumPy: constants of a compiled program, not one more factorisation."""
    rng = np.random.default_rng(seed)
    bases = [
        np.linalg.qr(rng.standard_normal((n_channels, n_channels)))[0] for _ in range(-(-n_directions // n_channels))
    ]
    return np.concatenate(bases, axis=1)[:, :n_directions]
