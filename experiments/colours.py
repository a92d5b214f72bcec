"""From numbers to colours: maps, overlays and changes that would be too small to see."""

import matplotlib
import numpy as np
from jaxtyping import Float

SCALE = "inferno"  # perceptual: equal steps of the value look equal, also in grey
CLIP = 99.5  # percentile shown as the brightest colour


def heat(values: Float[np.ndarray, "h w"], *, clip: float = CLIP) -> Float[np.ndarray, "h w 3"]:
    """A map as colours of a perceptual scale, black where nothing matters.

    Args:
        values: `(h, w)`, non-negative, any unit.
        clip: percentile shown as the brightest colour, so that one pixel does not darken the rest.

    Returns:
        `(h, w, 3)` in [0, 1].

    References:
        Smilkov et al., "SmoothGrad: removing noise by adding noise", https://arxiv.org/abs/1706.03825, 2017,
        section 3.1 (the percentile).
    """
    return np.asarray(matplotlib.colormaps[SCALE](_unit(values, clip))[..., :3], np.float32)


def overlay(photograph: Float[np.ndarray, "h w c"], values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """The map laid over its photograph: the photograph in dim grey, the map as light on it.

    Args:
        photograph: `(h, w, c)` in [0, 1].
        values: `(h, w)`, non-negative.

    Returns:
        `(h, w, 3)` in [0, 1].
    """
    weight = _unit(values, CLIP)[..., None]
    grey = np.repeat(photograph.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.asarray((1 - weight) * (0.15 + 0.55 * grey) + weight * heat(values), np.float32)


def magnification(change: Float[np.ndarray, "n h w c"]) -> int:
    """A round factor that makes a small change visible: its largest half percent reaches black or white.

    Args:
        change: `(n, h, w, c)`, in units of the range [0, 1].

    Returns:
        One of 1, 2, 5, 10, 20, 50, ... 1000.

    Example:
        >>> magnification(np.full((1, 2, 2, 3), 0.02))
        20
    """
    top = float(np.percentile(np.abs(change), 99.5))
    rounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    return max((factor for factor in rounds if factor * top <= 0.5), default=1) if top > 0 else 1


def _unit(values: Float[np.ndarray, "h w"], clip: float) -> Float[np.ndarray, "h w"]:
    top = float(np.percentile(values, clip)) or float(values.max()) or 1.0
    return np.clip(values / top, 0, 1)
