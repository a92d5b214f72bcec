"""Optimisers for pixels, and the average of what they pass through.

The same arguments give the same object, so that a problem built twice is compiled once.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxvision.pixels import PixelState


class AveragedState(NamedTuple):
    """Of `averaged`: the optimiser's own state, a running sum of images and the weight in it."""

    inner: Any
    total: Any
    weight: Float[Array, "*n"]


def averaged(optimizer: optax.GradientTransformation, decay: float) -> optax.GradientTransformation:
    r"""An optimiser that also keeps the exponential average of where it has been.

    $$ \bar{x}_t = \frac{(1 - d) \sum_{s \le t} d^{\,t - s} x_s}{1 - d^{\,t}} $$

    The average is smoother than the last iterate, which Adam keeps shaking; `average` reads it.

    Args:
        optimizer: what moves the image.
        decay: $d$ in [0, 1); 0.99 averages over about a hundred steps.

    Returns:
        An optax optimiser, to be updated with the parameters.

    Example:
        >>> optimizer = averaged(optax.sgd(1.0), decay=0.5)
        >>> state = optimizer.init(jnp.array(0.0))
        >>> _, state = optimizer.update(jnp.array(-1.0), state, jnp.array(0.0))
        >>> _, state = optimizer.update(jnp.array(-1.0), state, jnp.array(1.0))
        >>> (state.total / state.weight).round(3)  # of 1 and 2, the newer counting twice
        Array(1.667, dtype=float32)

    References:
        Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992, with the exponential
        weights and the correction of Kingma and Ba, "Adam", https://arxiv.org/abs/1412.6980, 2014, section 3.
    """

    def init(params: Any) -> AveragedState:
        return AveragedState(optimizer.init(params), jax.tree.map(_zeros, params), jnp.zeros(()))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AveragedState]:
        updates, inner = optimizer.update(updates, state.inner, params)
        assert params is not None, "an average needs the parameters: update(updates, state, params)"
        moved = optax.apply_updates(params, updates)
        total = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new.astype(old.dtype), state.total, moved)
        return updates, AveragedState(inner, total, decay * state.weight + (1 - decay))

    return optax.GradientTransformation(init, update)


def average(state: PixelState) -> Float[Array, "n h w c"]:
    """The averaged images of a run with an `averaged` optimiser; the images themselves without, or before any step.

    Example:
        >>> from jaxvision import pixels
        >>> square = lambda images: (jnp.sum(images**2, axis=(1, 2, 3)), {})
        >>> problem = pixels.PixelProblem(square, adam(0.1, decay=0.5))
        >>> state, _ = pixels.advance(problem, pixels.start(problem, jnp.ones((1, 1, 1, 1))), n_steps=2)
        >>> [round(float(image[0, 0, 0, 0]), 2) for image in (state.images, average(state))]
        [0.8, 0.83]
    """
    kept = state.optimizer_state
    if not isinstance(kept, AveragedState):
        return state.images
    weight = kept.weight[:, None, None, None]
    averaged = (kept.total / jnp.where(weight > 0, weight, 1.0)).astype(state.images.dtype)
    return jnp.where(weight > 0, averaged, state.images)


def _zeros(images: Array) -> Array:
    """To add up in: half precision would keep a hundredth of a pixel wrongly."""
    return jnp.zeros(images.shape, jnp.promote_types(images.dtype, jnp.float32))


@functools.cache
def adam(learning_rate: float = 0.05, *, decay: float = 0.99) -> optax.GradientTransformation:
    """Adam with an averaged iterate.

    Args:
        learning_rate: in the images' unit, about how far a pixel moves in a step.
        decay: of the average over iterates; 0 for none.

    Returns:
        An optax optimiser, the same object for the same arguments.

    Example:
        >>> adam(0.1) is adam(0.1)  # so that a compiled program is found again
        True
    """
    return averaged(optax.adam(learning_rate, b1=0.9, b2=0.99), decay)


@functools.cache
def lbfgs(learning_rate: float = 1.0, *, memory_size: int = 20, decay: float = 0.0) -> optax.GradientTransformation:
    """L-BFGS with steps of fixed length, as neural-style uses it: no line search, one gradient per step.

    Args:
        learning_rate: of the quasi-Newton step; 1 takes it whole.
        memory_size: pairs of steps and gradient changes kept, each as large as the image.
        decay: of the average over iterates; 0 for none.

    Returns:
        An optax optimiser, the same object for the same arguments.

    Example:
        >>> optimizer = lbfgs()
        >>> x, gradient = jnp.array([3.0, -2.0]), lambda x: 2 * x
        >>> state = optimizer.init(x)
        >>> for _ in range(3):
        ...     updates, state = optimizer.update(gradient(x), state, x)
        ...     x = x + updates
        >>> bool(jnp.abs(x).max() < 1e-5)  # of a quadratic
        True

    References:
        Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989, by optax. Departure:
        no line search.
    """
    return averaged(optax.lbfgs(learning_rate, memory_size=memory_size, linesearch=None), decay)
