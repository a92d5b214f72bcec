"""What the five notebooks share: checks that print their error, the course's published values, rows of pictures."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.typing import ArrayLike

from jaxvision.data import judge
from jaxvision.data.captions import CaptionedScenes
from jaxvision.files import home


def ramp(first: float, last: float, shape: tuple[int, ...]) -> np.ndarray:
    """Evenly spaced numbers, laid out row by row: what the course's checks are computed on.

    Args:
        first: the first number.
        last: the last number.
        shape: of the array.
    """
    return np.linspace(first, last, int(np.prod(shape))).reshape(shape)


def relative_error(found: ArrayLike, expected: ArrayLike) -> float:
    """The course's measure: the largest |x - y| / max(1e-8, |x| + |y|).

    Args:
        found: any shape.
        expected: the same shape.
    """
    x, y = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert x.shape == y.shape, f"the shape is {x.shape}, expected {y.shape}"
    return float(np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))))


def check(what: str, found: ArrayLike, expected: ArrayLike, *, at_most: float) -> None:
    """Prints the relative error beside its bound, and holds it to that.

    Args:
        what: is checked, and against what.
        found: any shape.
        expected: the same shape.
        at_most: the bound.
    """
    error = relative_error(found, expected)
    print(f"{what:<52} relative error {error:.1e}, at most {at_most:.0e}")
    assert error <= at_most, f"{what}: the relative error is {error:.1e}, and at most {at_most:.0e} is expected"


def numerical_gradient(f: Callable[[jax.Array], jax.Array], x: ArrayLike, h: float = 1e-5) -> jax.Array:
    """Central differences, entry by entry: (f(x + h e) - f(x - h e)) / 2h.

    Args:
        f: an array to a scalar.
        x: where, in float64.
        h: the distance.
    """
    x = jnp.asarray(x)
    directions = jnp.eye(x.size, dtype=x.dtype).reshape(-1, *x.shape)
    return jax.vmap(lambda e: (f(x + h * e) - f(x - h * e)) / (2 * h))(directions).reshape(x.shape)


def published(file: str, where_from: str) -> Mapping[str, Any]:
    """The course's values below JAXVISION_HOME; empty, and a sentence on how to get them, where there are none.

    Args:
        file: its name in the folder `checks`, a JSON or NPZ file.
        where_from: how to get it, the second half of a sentence.
    """
    path = home() / "checks" / file
    if not path.exists():
        print(f"The course's published values are left out, for {path} is not there: {where_from}.")
        return {}
    return json.loads(path.read_text()) if path.suffix == ".json" else dict(np.load(path))


def show(pictures: Sequence[ArrayLike], texts: Sequence[str] = (), *, columns: int = 6, width: float = 1.7) -> None:
    """Pictures side by side, a text below each.

    Args:
        pictures: each `(H, W, 3)` or `(H, W, 1)` in [0, 1], or `(H, W)` of any numbers, drawn as a heat map.
        texts: one for each, or none.
        columns: pictures in a row.
        width: of a picture in inches.
    """
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    below = 0.15 + 0.14 * max(text.count("\n") + 1 for text in texts) if texts else 0.0
    size = (columns * width, rows * (width + below))  # inches
    _, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for axis, picture, text in zip(axes.flat, pictures, texts or [""] * len(pictures), strict=False):
        values = np.asarray(picture, np.float32)
        if values.ndim == 3:
            values = np.clip(np.broadcast_to(values, (*values.shape[:2], 3)), 0, 1)
        axis.imshow(values, cmap="inferno", interpolation="nearest")
        axis.set_xlabel(text, fontsize=8, labelpad=3)
    plt.show()


def share_true(captions: Sequence[str], scenes: CaptionedScenes) -> float:
    """The share of all that captions claim, colours, shapes, counts and relations, that is true of their scenes.

    Args:
        captions: one for each of the first scenes.
        scenes: what there is to see.
    """
    claims = [claim for i, caption in enumerate(captions) for claim in judge(caption, scenes.scene(i))]
    return float(np.mean([claim.true for claim in claims]))
