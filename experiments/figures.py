"""Figures a person would put in a paper: one typography, perceptual colour maps, no chart junk.

Every function takes arrays on the host and returns a matplotlib `Figure`; `save` writes it whole or not at all.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.colours import heat, magnification, overlay
from jaxvision.files import atomic_write

Image = Float[np.ndarray, "h w c"]
Images = Float[np.ndarray, "n h w c"]
Bars = Sequence[tuple[str, float]]  # (class name, probability), most likely first

INK, GREY, RULE = "#1f2328", "#6b7280", "#d5d9de"
BLUE, ORANGE = "#8fb3e0", "#f0ad62"  # told apart by every common form of colour blindness
DPI = 150
CELL = 1.75  # inches a picture is wide

STYLE: Any = {  # Any: the stubs list every key matplotlib knows
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": 8,
    "text.color": INK,
    "axes.titlesize": 8,
    "axes.titlepad": 4,
    "axes.labelcolor": GREY,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.interpolation": "nearest",
}


def short_name(name: str, width: int = 18) -> str:
    """The first synonym of a class name, cut at `width` characters.

    Args:
        name: a class name, its synonyms separated by commas.
        width: most characters kept; a longer name ends in an ellipsis.

    Returns:
        The short name.

    Example:
        >>> short_name("tiger cat, felis")
        'tiger cat'
        >>> short_name("German short-haired pointer")
        'German short-hair…'
    """
    first = name.split(",")[0].strip()
    return first if len(first) <= width else first[: width - 1].rstrip() + "…"


def percent(probability: float) -> str:
    """A probability as a reader writes it: whole percents, and never a rounded 0 or 100.

    Example:
        >>> percent(0.934), percent(0.0004), percent(0.9999)
        ('93 %', '<1 %', '>99 %')
    """
    if probability < 0.005:
        return "<1 %"
    return ">99 %" if probability >= 0.995 else f"{100 * probability:.0f} %"


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG, whole or not at all.

    Args:
        figure: what to write.
        path: where, its folder made where missing.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": "jaxvision"})
    return path


def smoothed(metrics: Sequence[Mapping[str, float]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and the running mean of a metric over the 2 % of the run before each.

    Example:
        >>> steps, means = smoothed([{"step": step, "loss": step % 2} for step in range(100)], "loss")
        >>> steps[0].item(), means[:2].tolist()
        (1, [0.5, 0.5])
    """
    steps, values = (np.asarray([row[key] for row in metrics]) for key in ("step", name))
    width = max(1, len(metrics) // 50)
    return steps[width - 1 :], np.convolve(values, np.full(width, 1 / width), "valid")


def saliency_sheet(
    photographs: Images,
    maps: Float[np.ndarray, "n h w"],
    smoothed: Float[np.ndarray, "n h w"],
    captions: Sequence[str],
) -> Figure:
    """Photograph, saliency map and overlay under each other, one column an image, at most six columns a row.

    Args:
        photographs: `(n, h, w, c)` in [0, 1].
        maps: `(n, h, w)`, non-negative.
        smoothed: `(n, h, w)`, the same blurred, for the overlay: single pixels would hide what they lie on.
        captions: `n` texts above the columns (two lines read best).

    Returns:
        The figure.

    References:
        Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", https://arxiv.org/abs/1312.6034, 2013,
        figure 2.
    """
    columns = min(6, len(photographs))
    blocks = -(-len(photographs) // columns)
    names = ("image", "saliency", "smoothed, overlaid")
    with matplotlib.rc_context(STYLE):
        figure, axes = pictures(3 * blocks, columns, heading=0.32 * blocks)
        for i, (photograph, values, smooth, caption) in enumerate(
            zip(photographs, maps, smoothed, captions, strict=True)
        ):
            block, column = divmod(i, columns)
            for row, picture in enumerate((photograph, heat(values), overlay(photograph, smooth))):
                show(axes[3 * block + row, column], picture, title=caption if row == 0 else None)
                if column == 0:
                    axes[3 * block + row, 0].set_ylabel(names[row])
    return figure


def fooling_sheet(
    photograph: Image,
    fooled: Images,
    *,
    guesses: Sequence[Bars],
    targets: Sequence[str],
    steps: Sequence[int],
    successes: Sequence[bool],
) -> Figure:
    """A photograph and what it was turned into, the change magnified, and what the network says of each.

    Args:
        photograph: `(h, w, c)` in [0, 1].
        fooled: `(n, h, w, c)`, the same photograph fooled towards each of `n` classes.
        guesses: `n + 1` lists of the most likely classes: of the photograph, then of each fooled image.
        targets: `n` class names, the bar in colour below each fooled image.
        steps: `n` counts of updates.
        successes: whether each target was reached.

    Returns:
        The figure: a column for the photograph, then one for each target.

    References:
        Szegedy et al., "Intriguing properties of neural networks", https://arxiv.org/abs/1312.6199, 2013, figure 5.
    """
    change = fooled - photograph[None]
    factor = magnification(change)
    titles = ["image\n"]
    for target, count, success in zip(targets, steps, successes, strict=True):
        titles.append(f"{short_name(target, 24)}\n{'after' if success else 'not reached in'} {count} steps")
    with matplotlib.rc_context(STYLE):
        figure, axes = pictures(3, 1 + len(fooled), heights=(1, 1, 0.62), heading=0.35)
        for column, picture in enumerate((photograph, *fooled)):
            show(axes[0, column], picture, title=titles[column])
            marked = targets[column - 1] if column else guesses[0][0][0]
            _bars(axes[2, column], guesses[column], marked, ORANGE if column else BLUE)
        for column, values in enumerate(change, start=1):
            show(axes[1, column], np.clip(0.5 + factor * values, 0, 1))
        words = f"the change,\n{factor} times\nmagnified,\naround grey"
        axes[1, 0].text(0.97, 0.5, words, ha="right", va="center", color=GREY, linespacing=1.4)
    return figure


def class_sheet(images: Images, names: Sequence[str], probabilities: Sequence[float], *, columns: int = 5) -> Figure:
    """A contact sheet of classes, each with the probability the network gives the class it was made for.

    Args:
        images: `(n, h, w, c)` in [0, 1].
        names: `n` class names.
        probabilities: `n` values in [0, 1].
        columns: pictures in a row.

    Returns:
        The figure.

    References:
        Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", https://arxiv.org/abs/1312.6034, 2013,
        figure 1.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    with matplotlib.rc_context(STYLE):
        figure, axes = pictures(rows, columns, heading=0.3 * rows)
        for axis, image, name, probability in zip(axes.flat, images, names, probabilities, strict=False):
            show(axis, image, title=f"{short_name(name)}  {percent(probability)}")
    return figure


def picture_sheet(images: Images, titles: Sequence[str], *, columns: int = 5) -> Figure:
    """A contact sheet with a title above each picture.

    Args:
        images: `(n, h, w, c)` in [0, 1].
        titles: `n` texts.
        columns: pictures in a row.

    Returns:
        The figure.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    with matplotlib.rc_context(STYLE):
        figure, axes = pictures(rows, columns, heading=0.3 * rows)
        for axis, image, title in zip(axes.flat, images, titles, strict=False):
            show(axis, image, title=title)
    return figure


def film_strip(
    frames: Float[np.ndarray, "t n h w c"],
    steps: Sequence[int],
    names: Sequence[str],
    probabilities: Float[np.ndarray, "t n"],
) -> Figure:
    """How images came about: one row a class, one column a step.

    Args:
        frames: `(t, n, h, w, c)` in [0, 1].
        steps: `t` step counts.
        names: `n` class names.
        probabilities: `(t, n)`, of each row's class.

    Returns:
        The figure.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = pictures(len(names), len(steps), cell=1.3, heading=0.19 * len(names) + 0.15)
        for (row, column), axis in np.ndenumerate(axes):
            title = f"step {steps[column]}" if row == 0 else None
            show(axis, frames[column, row], title=title)
            axis.set_xlabel(percent(float(probabilities[column, row])), labelpad=2, color=GREY, fontsize=7)
            if column == 0:
                axis.set_ylabel(textwrap.fill(short_name(names[row], 24), 14))
    return figure


def pictures(
    rows: int, columns: int, *, heights: Sequence[float] | None = None, cell: float = CELL, heading: float = 0.0
) -> tuple[Figure, np.ndarray]:
    """A figure of pictures alone, side by side: no ticks, no frames.

    Args:
        rows: of pictures.
        columns: of pictures.
        heights: of each row, in pictures; one if not given.
        cell: inches a picture is wide.
        heading: inches in all for words between them.

    Returns:
        The figure and its axes, `(rows, columns)`.
    """
    heights = heights or [1.0] * rows
    figure = Figure(figsize=(columns * cell + 0.3, sum(heights) * cell + heading), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0.02, hspace=0.02)  # type: ignore[union-attr]
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure, axes


def show(axis: Axes, picture: Image, *, title: str | None = None) -> None:
    """Puts a picture in [0, 1], grey or in colour, on its axis."""
    # A grey image has one channel; matplotlib wants two axes or three channels.
    axis.imshow(np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else np.clip(picture, 0, 1))
    if title is not None:
        axis.set_title(title)


def _bars(axis: Axes, bars: Bars, marked: str, colour: str) -> None:
    """Horizontal bars with the class names on them, the class `marked` in colour, percentages in a column beside."""
    colours = [colour if name == marked else "#c4cad2" for name, _ in bars]
    axis.barh(range(len(bars)), [value for _, value in bars], height=0.78, color=colours)
    for row, (name, value) in enumerate(bars):
        axis.text(0.02, row, short_name(name), va="center", fontsize=7)
        axis.text(1.3, row, percent(value), va="center", ha="right", fontsize=7, color=GREY)
    axis.set(xlim=(0, 1.3), ylim=(len(bars) - 0.4, -0.6))
