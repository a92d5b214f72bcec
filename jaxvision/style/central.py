"""Central moments of each channel: how its values are distributed, order by order."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.style.moments import pixel_shares


def central_moments(
    features: Float[Array, "n h w c"], weights: Float[Array, "n h w"] | None = None, *, order: int = 5
) -> Float[Array, "n k c"]:
    r"""Of each channel's values, squashed into (0, 1): the mean, then the central moments up to an order.

    $$ x_p = \sigma(F_p), \qquad m_1 = \sum_p a_p x_p, \qquad m_k = \sum_p a_p (x_p - m_1)^k,
       \qquad a_p = \frac{w_p}{\sum_q w_q} $$

    Bounded values keep high powers from blowing up: all central moments together then determine the distribution.

    Args:
        features: `(N, H, W, C)`.
        weights: `(N, H, W)`, zero or more, how much each pixel counts, to a common factor; None for all alike.
        order: K, 1 or more.

    Returns:
        `(N, K, C)`.

    Example:
        >>> central_moments(jnp.array([-100.0, 100.0]).reshape(1, 1, 2, 1), order=4)[0, :, 0]
        Array([0.5   , 0.25  , 0.    , 0.0625], dtype=float32)

    References:
        Kalischek, Wegner and Schindler, "In the light of feature distributions: moment matching for neural style
        transfer", https://arxiv.org/abs/2103.07208, 2021: five moments of values after a sigmoid.
    """
    values = jax.nn.sigmoid(features.reshape(features.shape[0], -1, features.shape[-1]))  # (N, P, C)
    shares = pixel_shares(features, weights)[:, :, None]
    mean = jnp.sum(shares * values, axis=1, keepdims=True)
    higher = [jnp.sum(shares * (values - mean) ** k, axis=1) for k in range(2, order + 1)]
    return jnp.stack([mean[:, 0], *higher], axis=1)


def central_distance(moments: Float[Array, "n k c"], targets: Float[Array, "n k c"]) -> Float[Array, " n"]:
    r"""How far central moments are from those of a style: all orders and channels alike.

    $$ d = \sum_k \sum_c (m_{kc} - m'_{kc})^2 $$

    Args:
        moments: `(N, K, C)`, of `central_moments`.
        targets: `(N, K, C)`, of the style.

    Returns:
        `(N,)`.

    Example:
        >>> central_distance(jnp.zeros((1, 5, 2)), jnp.full((1, 5, 2), 0.5))
        Array([2.5], dtype=float32)

    References:
        Zellinger et al., "Central moment discrepancy (CMD) for domain-invariant representation learning",
        https://arxiv.org/abs/1702.08811, 2017, definition 2, on values in an interval of length 1. Departure: squared
        norms, whose gradient has no jump at zero.
    """
    return jnp.sum((moments - targets) ** 2, axis=(1, 2))
