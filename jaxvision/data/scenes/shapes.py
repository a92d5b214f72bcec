"""The eight shapes as signed distances, all of the same area, so that "largest" has one meaning."""

from collections.abc import Sequence
from math import acos, cos, pi, sin, sqrt
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvision.data.scenes.vocabulary import SHAPES

_Numbers = TypeVar("_Numbers", Array, np.ndarray)

# Each shape's one free length, solved from area = pi.
_SQUARE = sqrt(pi) / 2  # half a side
_TRIANGLE = sqrt(pi / (3 * sqrt(3)))  # from the centre to a side
_STAR_INNER = 0.46  # inner to outer radius
_STAR = sqrt(pi / (5 * _STAR_INNER * sin(pi / 5)))  # outer radius
_CROSS_ARM = 0.36  # half an arm's width to its length from the centre
_CROSS = sqrt(pi / (8 * _CROSS_ARM - 4 * _CROSS_ARM**2))
_HEART = sqrt(pi / (2 + pi / 2))  # half the diagonal of the square between the two lobes
_RING_INNER = 0.56  # inner to outer radius
_RING = 1 / sqrt(1 - _RING_INNER**2)
_BITE, _BITE_AT = 0.86, 0.44  # the crescent's bite: radius and offset of the disc that is cut away, to the outer radius


def _lens_area(a: float, b: float, d: float) -> float:
    """Area shared by discs of radius a and b at distance d."""
    x = (d * d + a * a - b * b) / (2 * d)
    y = d - x
    return a * a * acos(x / a) - x * sqrt(a * a - x * x) + b * b * acos(y / b) - y * sqrt(b * b - y * y)


_CRESCENT = sqrt(pi / (pi - _lens_area(1.0, _BITE, _BITE_AT)))


def shape_distances(u: Float[_Numbers, "*points"], v: Float[_Numbers, "*points"]) -> tuple[_Numbers, ...]:
    r"""Distance from a point to the outline of each of the eight shapes, negative inside.

    $$ \pi = \int [d_k(u, v) < 0] \, du \, dv \quad \text{for every shape } k $$

    Exact near smooth outlines and straight sides; beyond a corner it may fall short of the true distance, which
    antialiasing over one pixel does not notice.

    Args:
        u: `(...)` to the right, in units of the object's scale.
        v: `(...)` up, likewise. NumPy or JAX arrays: the same code serves both.

    Returns:
        Eight arrays `(...)`, in the order of SHAPES.

    Example:
        >>> circle, square, *_ = shape_distances(np.array([2.0]), np.array([0.0]))
        >>> print(circle.round(2), square.round(2))
        [1.] [1.11]

    References:
        Inigo Quilez, "2D distance functions", https://iquilezles.org/articles/distfunctions2d/, for folding the plane
        of a star by reflections. Departure: bounds instead of exact distances beyond corners.
    """
    xp = u.__array_namespace__()
    x, y = xp.abs(u), xp.abs(v)
    radius = xp.sqrt(u * u + v * v)

    # A star looks the same in all ten half-sectors: fold the plane onto one, where a single side is left.
    fu, fv = x, v
    for kx, ky in ((cos(pi / 5), -sin(pi / 5)), (-cos(pi / 5), -sin(pi / 5))):
        over = xp.maximum(kx * fu + ky * fv, 0.0)
        fu, fv = fu - 2 * kx * over, fv - 2 * ky * over
    side = (_STAR_INNER * sin(pi / 5), _STAR_INNER * cos(pi / 5) - 1)  # from the tip to the notch, in outer radii
    length = sqrt(side[0] ** 2 + side[1] ** 2)
    star = (-side[1] * xp.abs(fu) + side[0] * (fv - _STAR)) / length

    arm = _CROSS * _CROSS_ARM
    lifted = v + 0.1 * _HEART  # centres the heart's bounding box
    lobe = xp.sqrt((x - _HEART / 2) ** 2 + (lifted - _HEART / 2) ** 2)
    moved = u - 0.21 * _CRESCENT  # likewise the crescent's
    bite = xp.sqrt((moved - _BITE_AT * _CRESCENT) ** 2 + v * v)
    return (
        radius - 1,
        xp.maximum(x, y) - _SQUARE,
        xp.maximum(-v, 0.5 * v + sqrt(0.75) * x) - _TRIANGLE,
        star,
        xp.minimum(xp.maximum(x - _CROSS, y - arm), xp.maximum(y - _CROSS, x - arm)),
        xp.minimum((x + xp.abs(lifted) - _HEART) * sqrt(0.5), lobe - _HEART * sqrt(0.5)),
        xp.abs(radius - _RING * (1 + _RING_INNER) / 2) - _RING * (1 - _RING_INNER) / 2,
        xp.maximum(xp.sqrt(moved * moved + v * v) - _CRESCENT, _BITE * _CRESCENT - bite),
    )


def to_local(
    x: Float[Array, "..."],
    y: Float[Array, "..."],
    center: Float[Array, " 2"],
    scale: Float[Array, ""],
    rotation: Float[Array, ""],
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Image coordinates (y runs down) to an object's own (v runs up), in units of its scale.

    Args:
        x: `(...)` in image sides, likewise y; the two broadcast, so a row and a column make a grid.
        y: `(...)`.
        center: `(2,)` where the object is, in image sides.
        scale: its size, in image sides.
        rotation: radians, counter-clockwise.

    Returns:
        u to the object's right and v to its top, broadcast.
    """
    dx, dy = x - center[0], center[1] - y
    cos, sin = jnp.cos(rotation) / scale, jnp.sin(rotation) / scale
    return cos * dx + sin * dy, cos * dy - sin * dx


def select(index: Int[Array, ""], choices: Sequence[Float[Array, "..."]]) -> Float[Array, "..."]:
    """choices[index]; all are computed and the whole stays one elementwise program, also under `vmap`."""
    chosen = choices[0]
    for k, choice in enumerate(choices[1:], start=1):
        chosen = jnp.where(index == k, choice, chosen)
    return chosen


def _spread_points(n_points: int) -> Float[np.ndarray, "8 points 2"]:
    """Points spread evenly over each shape: the hit share of an area is close to the area's share."""
    # Additive recurrence with the plastic number: evenly spread over the square for every length.
    n = np.arange(1, 40 * n_points)
    square = (np.stack([n / 1.32471795724, n / 1.32471795724**2], axis=-1) % 1 - 0.5) * 3.2
    distances = shape_distances(square[:, 0], square[:, 1])
    return np.stack([square[d < 0][:n_points] for d in distances]).astype(np.float32)


# (8 shapes, 64 points, u and v): used to tell how much of an object is seen without rendering it.
SHAPE_POINTS = _spread_points(64)
assert SHAPE_POINTS.shape == (len(SHAPES), 64, 2)
