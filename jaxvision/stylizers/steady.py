"""A video's frames, each begun from the one before: what stands still in the film stands still in the painting."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxvision.pixels import gaussian_blur

SPREAD = 2.0  # pixels, deviation of the blur that tells a change from grain
STILL = 0.06  # normalised units: a blurred change below this is grain
MOVED = 0.2  # and above this it is motion


class Steady(NamedTuple):
    """What is carried from frame to frame.

    Attributes:
        seen: `(N, H, W, 3)`, the film without its grain: a running mean that begins anew wherever something moves.
        shown: `(N, H, W, 3)`, the last stylised frame.
        begun: whether there was a frame already.
    """

    seen: Float[Array, "n h w 3"]
    shown: Float[Array, "n h w 3"]
    begun: Bool[Array, ""]


def no_frame(size: tuple[int, int], n: int = 1) -> Steady:
    """The state before the first frame of N videos.

    Args:
        size: height and width of the frames.
        n: N.

    Returns:
        A state of zeros, which `next_frame` does not look at.
    """
    nothing = jnp.zeros((n, *size, 3))
    return Steady(nothing, nothing, jnp.zeros((), bool))


def next_frame(
    stylizer: Callable, state: Steady, frame: Float[Array, "n h w 3"], *, share: ArrayLike = 0.1
) -> tuple[Steady, Float[Array, "n h w 3"]]:
    r"""The next frame of a video, stylised, and steady where the film is.

    $$ m = \max_c \bigl| G * (x_t - \bar x_{t-1}) \bigr|, \qquad
       w = \max\left(\beta, \mathrm{clip}\left(\frac{m - a}{b - a}, 0, 1\right)\right) $$
    $$ \bar x_t = \bar x_{t-1} + w (x_t - \bar x_{t-1}), \qquad y_t = y_{t-1} + w (f(\bar x_t) - y_{t-1}) $$

    Where nothing moves, film and painting change by a share of what is new; where something does, both are taken as
    they are, so that nothing is left behind. The blur G keeps grain from looking like motion.

    Args:
        stylizer: f, normalised images to normalised images.
        state: of the frame before, or `no_frame`.
        frame: x, `(N, H, W, 3)`, normalised, one of each of N videos.
        share: beta, in (0, 1]; 1 stylises every frame on its own.

    Returns:
        The state to go on with, and the stylised frame `(N, H, W, 3)`.

    Example:
        >>> state, shown = next_frame(lambda images: -images, no_frame((8, 8)), jnp.ones((1, 8, 8, 3)))
        >>> float(shown[0, 0, 0, 0]), bool(state.begun)
        (-1.0, True)
    """
    change = gaussian_blur(frame - state.seen, SPREAD)
    moved = jnp.max(jnp.abs(change), axis=-1, keepdims=True)  # (n, h, w, 1)
    weight = jnp.maximum(jnp.clip((moved - STILL) / (MOVED - STILL), 0, 1), jnp.asarray(share, frame.dtype))
    weight = jnp.where(state.begun, weight, jnp.ones_like(weight))
    seen = state.seen + weight * (frame - state.seen)
    shown = state.shown + weight * (stylizer(seen) - state.shown)
    return Steady(seen, shown, jnp.ones((), bool)), shown


def flicker(frames: Float[Array, "t h w 3"], still: Bool[Array, "t h w"] | None = None) -> Float[Array, ""]:
    r"""How much successive frames differ where nothing moves.

    $$ \frac{1}{3 |S|} \sum_{(t, p) \in S} \lVert y_{t,p} - y_{t-1,p} \rVert_1 $$

    Args:
        frames: `(T, H, W, 3)`, T > 1.
        still: `(T, H, W)`, S: the pixels of the film that are as in the frame before, grain aside; its first frame is
            not looked at. None for all.

    Returns:
        A number in the units of the frames; 0 where no pixel is still.

    Example:
        >>> flicker(jnp.stack([jnp.zeros((4, 4, 3)), jnp.ones((4, 4, 3))])).item()
        1.0
    """
    change = jnp.mean(jnp.abs(frames[1:] - frames[:-1]), axis=-1)  # (t - 1, h, w)
    where = jnp.ones_like(change) if still is None else still[1:].astype(change.dtype)
    return jnp.sum(where * change) / jnp.maximum(jnp.sum(where), 1)
