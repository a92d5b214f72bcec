"""The course's schedule: two Adams, one after the other, and a clamp that is lifted at the end."""

import dataclasses
import functools
from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

CLAMP = 1.5
"""Bound of a normalised image while it is clamped; the beginning is clamped too."""


@dataclasses.dataclass(frozen=True)
class Clamp:
    """A projection that keeps an image to +-bound for the first steps.

    Attributes:
        bound: in the image's unit.
        n_steps: how many updates are followed by a clamp.

    Example:
        >>> Clamp(1.5, n_steps=2)(jnp.full((1, 1, 1, 1), 9.0), jnp.array(1)).item()
        1.5
    """

    bound: float
    n_steps: int

    def __call__(self, images: Float[Array, "n h w c"], step: Int[Array, ""]) -> Float[Array, "n h w c"]:
        """The images, clamped if it is still time."""
        return jnp.where(step < self.n_steps, jnp.clip(images, -self.bound, self.bound), images)


class Part(NamedTuple):
    """A part of a schedule: an optimiser, how many steps it takes, and the projection after each."""

    optimizer: optax.GradientTransformation
    n_steps: int
    project: Clamp


def published_schedule(n_steps: int = 200) -> tuple[Part, Part]:
    """Adam at 3.0, begun anew at 0.1 after 180 of 200 steps; what a step is given is clamped until step 190.

    Args:
        n_steps: of both parts together; the times keep their shares of it.

    Returns:
        Both parts.

    Example:
        >>> [part.n_steps for part in published_schedule(200)]
        [180, 20]

    References:
        Stanford CS231n, Spring 2017, assignment 3, "Style transfer".
    """
    late, last = n_steps * 9 // 10, n_steps * 19 // 20
    clamped = max(0, last - late - 1)  # the update before step 190 is the last to be clamped
    return (
        Part(_adam(3.0), late, Clamp(CLAMP, late)),
        Part(_adam(0.1), n_steps - late, Clamp(CLAMP, clamped)),
    )


@functools.cache
def _adam(learning_rate: float) -> optax.GradientTransformation:
    return optax.adam(learning_rate)
