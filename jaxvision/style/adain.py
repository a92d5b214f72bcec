"""Adaptive instance normalisation: the content's features with the style's moments."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.style.moments import channel_moments


def adaptive_instance_norm(
    content_features: Float[Array, "n h w c"],
    style_features: Float[Array, "m h2 w2 c"],
    alpha: ArrayLike = 1.0,
) -> Float[Array, "n h w c"]:
    r"""Features whose channels are moved and stretched to the mean and deviation of a style's.

    $$ t = (1 - \alpha) F + \alpha \left( \sigma(S) \frac{F - \mu(F)}{\sigma(F)} + \mu(S) \right) $$

    with $\mu$ and $\sigma$ of each channel over the pixels of each image, `channel_moments`.

    Args:
        content_features: F, `(N, H, W, C)`.
        style_features: S, `(N, h, w, C)`, or `(1, h, w, C)` for all.
        alpha: how much of the style, a number or `(N,)`; 0 gives F, 1 all of it.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> content, style = jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1), jnp.array([0.0, 8.0]).reshape(1, 1, 2, 1)
        >>> adaptive_instance_norm(content, style).round(2).ravel().tolist()
        [0.0, 8.0]
        >>> adaptive_instance_norm(content, style, alpha=0.5).round(2).ravel().tolist()
        [0.5, 5.5]

    References:
        Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization",
        https://arxiv.org/abs/1703.06868, 2017, equation 8; equation 14 for alpha.
    """
    own, wanted = channel_moments(content_features), channel_moments(style_features)
    alpha = jnp.asarray(alpha, content_features.dtype).reshape(-1, 1, 1, 1)
    (mean, std), (new_mean, new_std) = ([m[:, None, None] for m in moments] for moments in (own, wanted))
    moved = new_std * ((content_features - mean) / std) + new_mean
    return (1 - alpha) * content_features + alpha * moved
