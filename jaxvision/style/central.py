"""Central moments of each channel: mean and deviation, and how lopsided its values are around them."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.style.moments import EPSILON, pixel_shares


def central_moments(
    features: Float[Array, "n h w c"], weights: Float[Array, "n h w"] | None = None, *, order: int = 3
) -> Float[Array, "n k c"]:
    r"""Mean of each channel, then its central moments up to an order, each in units of the channel.

    $$ \mu = \sum_p a_p F_p, \qquad c_k = \sum_p a_p (F_p - \mu)^k, \qquad m_1 = \mu, \qquad
       m_k = \frac{c_k}{(c_2 + \epsilon)^{(k - 1) / 2}}, \qquad a_p = \frac{w_p}{\sum_q w_q} $$

    $m_2$ is the standard deviation, $m_3$ the skewness times it.

    Args:
        features: `(N, H, W, C)`.
        weights: `(N, H, W)`, zero or more, how much each pixel counts, to a common factor; None for all alike.
        order: K, 2 or more.

    Returns:
        `(N, K, C)`.

    Example:
        >>> features = jnp.array([0.0, 0.0, 0.0, 4.0]).reshape(1, 2, 2, 1)
        >>> [round(moment, 3) for moment in central_moments(features)[0, :, 0].tolist()]
        [1.0, 1.732, 2.0]

    References:
        Kalischek, Wegner and Schindler, "In the light of feature distributions: moment matching for neural style
        transfer", https://arxiv.org/abs/2103.07208, 2021. Departures: no sigmoid before, which keeps high powers small
        there; a power of the deviation does here, and a shift of all features counts in full.
    """
    rows = features.reshape(features.shape[0], -1, features.shape[-1])  # (N, P, C)
    shares = pixel_shares(features, weights)[:, :, None]
    mean = jnp.sum(shares * rows, axis=1, keepdims=True)
    central = [jnp.sum(shares * (rows - mean) ** k, axis=1) for k in range(2, order + 1)]
    std = jnp.sqrt(central[0] + EPSILON)
    return jnp.stack([mean[:, 0], *(c / std ** (k - 1) for k, c in enumerate(central, start=2))], axis=1)


def central_distance(moments: Float[Array, "n k c"], targets: Float[Array, "n k c"]) -> Float[Array, " n"]:
    r"""How far central moments are from those of a style, per channel.

    $$ d = \frac{1}{C} \sum_c \sum_k (m_{kc} - m'_{kc})^2 $$

    With two moments it is `moments_distance`.

    Args:
        moments: `(N, K, C)`, of `central_moments`.
        targets: `(N, K, C)`, of the style.

    Returns:
        `(N,)`.

    Example:
        >>> central_distance(jnp.zeros((1, 3, 2)), jnp.full((1, 3, 2), 0.5))
        Array([0.75], dtype=float32)

    References:
        Zellinger et al., "Central moment discrepancy (CMD) for domain-invariant representation learning",
        https://arxiv.org/abs/1702.08811, 2017. Departure: squared norms, whose gradient has no jump at zero.
    """
    return jnp.mean(jnp.sum((moments - targets) ** 2, axis=1), axis=1)
