"""The optimisers networks are trained with: one schedule, two ways to turn a gradient into a step."""

from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon


def warm_cosine(peak: float, n_steps: int, warmup: float) -> optax.Schedule:
    """A rate that rises linearly from zero for a share of the steps, then falls to zero along a cosine.

    Args:
        peak: the largest rate.
        n_steps: steps of the whole run.
        warmup: share of them in which the rate rises.

    Returns:
        `step -> rate`.

    Example:
        >>> rate = warm_cosine(0.5, n_steps=100, warmup=0.1)
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 55, 100)]
        [0.0, 0.25, 0.5, 0.25, 0.0]

    References:
        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts",
        https://arxiv.org/abs/1608.03983, 2016, equation 5 (one period).
    """
    return optax.warmup_cosine_decay_schedule(0.0, peak, int(warmup * n_steps), n_steps)


def adamw(rate: optax.Schedule, *, weight_decay: float, clip: float) -> optax.GradientTransformation:
    """AdamW on clipped gradients; kernels decay, biases do not.

    Args:
        rate: `step -> rate`.
        weight_decay: of the kernels, multiplied with the rate.
        clip: largest global norm of a gradient.

    Returns:
        The optimiser.

    References:
        Loshchilov and Hutter, "Decoupled weight decay regularization", https://arxiv.org/abs/1711.05101, 2017,
        algorithm 2.
    """
    return optax.chain(optax.clip_by_global_norm(clip), optax.adamw(rate, weight_decay=weight_decay, mask=_kernels))


def muon_of_convolutions(rate: optax.Schedule, *, weight_decay: float, clip: float) -> optax.GradientTransformation:
    r"""Muon for the kernels of convolutions, NAdam at a quarter of the rate for everything else.

    A kernel `(h, w, c, d)` is seen as a matrix of `h w c` by `d`; the momentum's singular values are all driven to
    about one by Newton-Schulz iterations, and the step has the root mean square of Adam's steps:

    $$ W \leftarrow W - \eta \left( 0.2 \sqrt{\max(hwc, d)}\; U V^\top + \lambda W \right), \qquad M = U S V^\top $$

    On the scenes a SqueezeNet, which has no normalisation layers, needs half of AdamW's images for the same accuracy.

    Args:
        rate: `step -> rate`, eta.
        weight_decay: of the kernels, lambda.
        clip: largest global norm of a gradient.

    Returns:
        The optimiser.

    References:
        Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
        https://kellerjordan.github.io/posts/muon/. Liu et al., "Muon is scalable for LLM training",
        https://arxiv.org/abs/2502.16982, 2025, equation 4 (the factor 0.2). Departure: the first and the last
        convolution are treated like the others.
    """
    return optax.chain(
        optax.clip_by_global_norm(clip),
        muon(
            rate,
            weight_decay=weight_decay,
            adam_learning_rate=lambda step: 0.25 * rate(step),
            consistent_rms=0.2,
            muon_weight_dimension_numbers=_matrices,
        ),
    )


def _kernels(parameters: Any) -> Any:
    return jax.tree.map(lambda x: x.ndim > 1, parameters)  # decaying biases only shifts the scores


def _matrices(parameters: Any) -> Any:
    return jax.tree.map(lambda x: MuonDimensionNumbers((0, 1, 2), 3) if x.ndim == 4 else None, parameters)
