"""The normalised gradient step of the assignment, as an optax optimiser."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax


def normalized_gradient(learning_rate: float) -> optax.GradientTransformation:
    r"""A step of fixed length down the gradient: where it points counts, not how steep it is.

    $$ u = -\eta \, \frac{g}{\lVert g \rVert_2} $$

    The norm is over all that is handed in; the pixel loop hands in one image at a time. A zero gradient gives a zero
    step. The gradient is scaled by its largest entry first, so one of 1e-30 is as good as one of 1 in float32.
    The same learning rate gives the same optimiser, so that a problem built twice is compiled once.

    Args:
        learning_rate: the step's length $\eta$ in the images' own unit, a Python number.

    Returns:
        An optax optimiser without state.

    Example:
        >>> optimizer = normalized_gradient(10.0)
        >>> updates, _ = optimizer.update(jnp.array([3.0, -4.0]), optimizer.init(jnp.zeros(2)))
        >>> updates
        Array([-6.,  8.], dtype=float32)

    References:
        Stanford CS231n, assignment 3, "Network visualization": the update of its fooling images and class
        visualization. Departure: it divides by the norm outright, which is NaN for a zero gradient.
    """
    return _normalized_gradient(float(learning_rate))


@functools.cache
def _normalized_gradient(learning_rate: float) -> optax.GradientTransformation:
    def step(gradient: Any, _params: Any) -> Any:
        largest = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(g)) for g in jax.tree.leaves(gradient)])
        scaled = jax.tree.map(lambda g: g / jnp.where(largest > 0, largest, 1), gradient)
        norm = optax.tree.norm(scaled)
        return jax.tree.map(lambda g: -learning_rate * g / jnp.where(norm > 0, norm, 1), scaled)

    return optax.stateless(step)
