"""The loss of a caption: cross-entropy over the words that count."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision.errors import InputError


def temporal_softmax_loss(
    logits: Float[Array, "n t v"],
    targets: Int[Array, "n t"],
    mask: Bool[Array, "n t"],
    *,
    per_token: bool = False,
    label_smoothing: float = 0.0,
) -> Float[Array, ""]:
    r"""Negative log-likelihood of the words that count, summed over time and averaged over the batch.

    $$ L = -\frac1N \sum_{n,t} m_{nt} \left( (1 - \epsilon) \log p_{nt,y_{nt}} + \frac{\epsilon}{V} \sum_v
       \log p_{ntv} \right), \qquad p_{ntv} = \frac{e^{s_{ntv}}}{\sum_u e^{s_{ntu}}} $$

    Args:
        logits: `(N, T, V)`, $s$, of any size without overflow.
        targets: `(N, T)`, $y$, indices in `[0, V)`; looked at only where the mask is True.
        mask: `(N, T)`, $m$, True where a word counts.
        per_token: divide by the number of words that count instead of N: a loss that does not grow with the captions'
            length, whose exponential is the perplexity.
        label_smoothing: $\epsilon$ in [0, 1), the share of the target that is spread over all V words.

    Returns:
        A scalar, at least float32; zero where no word counts.

    Raises:
        InputError: if label_smoothing is not in [0, 1).

    Example:
        >>> logits, targets, mask = jnp.zeros((1, 3, 8)), jnp.zeros((1, 3), int), jnp.array([[True, True, False]])
        >>> jnp.exp2(temporal_softmax_loss(logits, targets, mask) / jnp.log(2.0)).round()
        Array(64., dtype=float32)
        >>> jnp.exp(temporal_softmax_loss(logits, targets, mask, per_token=True)).round()
        Array(8., dtype=float32)

    References:
        Vinyals et al., "Show and tell: a neural image caption generator", https://arxiv.org/abs/1411.4555, 2015,
        equation 10. The scale is that of Stanford's CS231n, assignment 3. Szegedy et al., "Rethinking the Inception
        architecture for computer vision", https://arxiv.org/abs/1512.00567, 2016, section 7: smoothing.
    """
    if not 0 <= label_smoothing < 1:
        raise InputError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
    logits = logits.astype(jnp.float32) if logits.dtype.itemsize < 4 else logits  # half precision overflows in sums
    log_p = jax.nn.log_softmax(logits, axis=2)  # (N, T, V)
    of_targets = jnp.take_along_axis(log_p, jnp.where(mask, targets, 0)[:, :, None], axis=2)[:, :, 0]  # (N, T)
    if label_smoothing:
        of_targets = (1 - label_smoothing) * of_targets + label_smoothing * jnp.mean(log_p, axis=2)
    total = -jnp.sum(jnp.where(mask, of_targets, 0.0))
    count = jnp.maximum(jnp.sum(mask), 1) if per_token else logits.shape[0]
    return total / jnp.asarray(count, logits.dtype)
