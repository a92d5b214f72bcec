"""Coarse shapes first, details later: an optimiser for images of few pixels."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxvision.pixels import gaussian_blur, normalized_gradient

STAGES = 4


@functools.cache
def coarse_to_fine(
    learning_rate: float, n_steps: int, *, first_sigma: float = 4.0, last_sigma: float = 1.5
) -> optax.GradientTransformation:
    r"""Normalised steps along a blurred gradient; blur and step length shrink in the course of the run.

    $$ u_t = -\eta_t \, \frac{G_{\sigma_t} * g}{\lVert G_{\sigma_t} * g \rVert_2}, \qquad
       \eta_t = \eta \Bigl(0.05 + 0.95 \, \frac{1 + \cos(\pi t / T)}{2}\Bigr) $$

    From noise, the sharpest gradient of a network for small images makes dots and nothing else; blurred, it makes the
    patches that such a network was trained on. The blur falls geometrically in four stages.

    Args:
        learning_rate: $\eta$, length of the first step over a whole image, in the images' unit.
        n_steps: $T$; later steps go on with the last blur and length.
        first_sigma: deviation of the first stage's blur in pixels.
        last_sigma: deviation of the last stage's blur in pixels.

    Returns:
        An optax optimiser for one image `(H, W, C)` (the pixel loop hands in one at a time) whose state is the count
        of steps. The same arguments give the same optimiser, so that a problem built twice is compiled once.

    Example:
        >>> optimizer = coarse_to_fine(10.0, 100)
        >>> gradient = jnp.zeros((8, 8, 1)).at[4, 4].set(1.0)
        >>> updates, _ = optimizer.update(gradient, optimizer.init(gradient))
        >>> optax.tree.norm(updates).round(3)
        Array(10., dtype=float32)

    References:
        Mahendran and Vedaldi, "Visualizing deep convolutional neural networks using natural pre-images",
        https://arxiv.org/abs/1512.02017, 2016: smoothness makes such images readable, there by penalties. Blurring the
        gradient instead, coarse to fine, is this project's choice.
    """
    unit_step = normalized_gradient(1.0)
    sigmas = [first_sigma * (last_sigma / first_sigma) ** (k / (STAGES - 1)) for k in range(STAGES)]
    blurs = [lambda gradient, sigma=sigma: gaussian_blur(gradient[None], sigma)[0] for sigma in sigmas]

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        share = jnp.minimum(state.astype(jnp.float32) / n_steps, 1.0)
        stage = jnp.minimum((share * STAGES).astype(jnp.int32), STAGES - 1)
        step, _ = unit_step.update(jax.lax.switch(stage, blurs, updates), optax.EmptyState(), params)
        length = learning_rate * (0.05 + 0.95 * (1 + jnp.cos(jnp.pi * share)) / 2)
        return jax.tree.map(lambda s: length * s, step), state + 1

    return optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)
