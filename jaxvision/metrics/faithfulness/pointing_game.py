"""The pointing game: does a map point at the object?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness.checks import check_floats


class PointingGame(NamedTuple):
    """How well each map points at its object; a map without content has chance `share` in both.

    Attributes:
        hit: `(N,)` bool, whether the largest value lies on the object. Their mean is the hit rate.
        energy: `(N,)` in [0, 1], the part of the positive values that lies on the object; 0 for a map without any.
        share: `(N,)` in [0, 1], the part of the pixels that is the object: what a random map scores.
    """

    hit: Bool[Array, " n"]
    energy: Float[Array, " n"]
    share: Float[Array, " n"]


def pointing_game(maps: Float[ArrayLike, "..."], masks: Bool[ArrayLike, "..."], *, tolerance: int = 0) -> PointingGame:
    r"""Whether a map is largest on the object, and how much of it lies there.

    $$ \text{hit} = \bigl[\min_{v \in O} \lVert v - \arg\max M \rVert_2 \le \tau\bigr], \qquad
       \text{energy} = \frac{\sum_{v \in O} \max(M_v, 0)}{\sum_v \max(M_v, 0)} $$

    Args:
        maps: $M$, `(N, H, W)` floats, larger where a pixel matters more.
        masks: $O$, `(N, H, W)` bool, True on the object.
        tolerance: $\tau$, pixels that the largest value may lie beside the object.

    Returns:
        Hit, energy, and the object's share of the pixels, each `(N,)`. Of equal largest values the first in reading
        order counts.

    Raises:
        InputError: if maps and masks differ in shape or have the wrong type, or the tolerance is negative.

    Example:
        >>> maps, masks = jnp.array([[[1.0, 3.0, -2.0]]]), jnp.array([[[True, False, False]]])
        >>> game = pointing_game(maps, masks)
        >>> game.hit, game.energy, pointing_game(maps, masks, tolerance=1).hit
        (Array([False], dtype=bool), Array([0.25], dtype=float32), Array([ True], dtype=bool))

    References:
        Zhang et al., "Top-down neural attention by excitation backprop", https://arxiv.org/abs/1608.00507, 2016,
        section 4.1 (hits, there within 15 pixels). Wang et al., "Score-CAM: score-weighted visual explanations for
        convolutional neural networks", https://arxiv.org/abs/1910.01279, 2019, equation 9 (energy). Departure: exact
        masks instead of boxes.
    """
    values, objects = check_floats(jnp.asarray(maps)), jnp.asarray(masks)
    if values.ndim != 3 or 0 in values.shape[1:] or values.shape != objects.shape:
        raise InputError(f"maps and masks must share a shape (N, H, W), got {values.shape} and {objects.shape}")
    if objects.dtype != bool:
        raise InputError(f"masks must be bool, True on the object, got {objects.dtype}")
    if tolerance < 0:
        raise InputError(f"tolerance must be zero or more pixels, got {tolerance}")
    return _pointing_game(values, objects, tolerance)


@jax.jit
def _pointing_game(maps: Float[Array, "n h w"], masks: Bool[Array, "n h w"], tolerance: ArrayLike) -> PointingGame:
    n, height, width = maps.shape
    row, column = jnp.unravel_index(jnp.argmax(maps.reshape(n, -1), axis=1), (height, width))
    down, right = (  # as floats: squares of large distances are no small integers
        (jnp.arange(side)[None] - at[:, None]).astype(maps.dtype) for side, at in ((height, row), (width, column))
    )
    is_near = (down**2)[:, :, None] + (right**2)[:, None, :] <= jnp.asarray(tolerance, maps.dtype) ** 2
    positive = jax.nn.relu(maps)
    total = jnp.sum(positive, axis=(1, 2))
    on_object = jnp.sum(jnp.where(masks, positive, 0), axis=(1, 2))
    return PointingGame(
        hit=jnp.any(masks & is_near, axis=(1, 2)),
        energy=on_object / jnp.where(total == 0, 1, total),
        share=jnp.mean(masks.astype(maps.dtype), axis=(1, 2)),
    )
