"""Figures of captioning: pictures with what was said of them, and how the training went."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments import figures

LINE = 0.135  # inches
WRAP = 44  # characters


@rc_context(figures.STYLE)
def sheet(
    images: Sequence[np.ndarray],
    said: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
    scores: Sequence[str] | None = None,
    *,
    columns: int = 4,
    n_references: int = 3,
) -> Figure:
    """Pictures, below each what every decoder says of it, its scores, and what people say.

    Args:
        images: `(h, w, 3)` in [0, 1].
        said: by decoder, a caption for each picture.
        references: what people say of each; empty where nobody said anything.
        scores: one line for each picture, of the first decoder's caption.
        columns: pictures side by side.
        n_references: how many of the references are shown.
    """
    texts = [
        _lines({name: captions[i] for name, captions in said.items()}, references[i][:n_references])
        for i in range(len(images))
    ]
    cell, side, margin = 2.9, 1.6, 0.12  # inches
    row_height = side + LINE * (2 + max(len(lines) for lines in texts)) + 0.1
    width, height = cell * columns, row_height * -(-len(images) // columns)
    figure = Figure(figsize=(width, height))
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        x, y = column * cell + margin, row * row_height + 0.08 + side  # of the picture's lower left corner, from above
        axis = figure.add_axes((x / width, 1 - y / height, side / width, side / height))
        axis.imshow(np.clip(image, 0, 1))
        axis.set_axis_off()
        below = texts[i] + ([] if scores is None else [(scores[i], figures.GREY)])
        for line, (text, colour) in enumerate(below):
            top = 1 - (y + 0.1 + line * LINE) / height
            figure.text(x / width, top, text, color=colour, va="top", fontsize=7)
    return figure


def _lines(said: Mapping[str, str], references: Sequence[str]) -> list[tuple[str, str]]:
    """Lines of text and their colours."""
    told = [(f"{name}: {caption or '(nothing)'}", figures.INK) for name, caption in said.items()]
    told += [(f"- {caption}", figures.GREY) for caption in references]
    return [(line, colour) for text, colour in told for line in textwrap.wrap(text, WRAP, subsequent_indent="    ")]


@rc_context(figures.STYLE)
def attention(
    images: Sequence[np.ndarray], captions: Sequence[str], maps: Float[np.ndarray, "n t l"], *, most: int = 12
) -> Figure:
    """A row for each picture: the picture, then for each word of its caption where it was looked for.

    Attention is shown by light: the cell with the most of it is as bright as the picture, the others in proportion.
    A frame marks that cell.

    Args:
        images: `(h, w, 3)` in [0, 1].
        captions: one for each picture.
        maps: `(N, T, L)`, the shares of L cells, row by row of a square grid.
        most: words shown of a caption.
    """
    words = [caption.split()[:most] for caption in captions]
    side = round(maps.shape[2] ** 0.5)
    columns = 1 + max([1, *(len(of_one) for of_one in words)])
    tile, gap, top = 0.86, 0.06, 0.2  # inches
    width, height = columns * (tile + gap) + gap, len(images) * (tile + gap + top) + gap
    figure = Figure(figsize=(width, height))

    def panel(row: int, column: int, image: np.ndarray, title: str, colour: str) -> Axes:
        x, y = gap + column * (tile + gap), height - (row + 1) * (tile + gap + top)
        axis = figure.add_axes((x / width, y / height, tile / width, tile / height))
        axis.imshow(np.clip(image, 0, 1), extent=(0, side, side, 0), interpolation="nearest")
        axis.set_axis_off()
        figure.text((x + tile / 2) / width, (y + tile + 0.04) / height, title, ha="center", color=colour, fontsize=8)
        return axis

    for row, (image, of_one) in enumerate(zip(images, words, strict=True)):
        panel(row, 0, image, "image", figures.GREY)
        for column, word in enumerate(of_one, start=1):
            shares = maps[row, column - 1].reshape(side, side)
            light = np.clip(_enlarged(shares / shares.max(), image.shape[:2]), 0, 1)[:, :, None]
            axis = panel(row, column, image * (0.12 + 0.88 * light), word, figures.INK)
            y, x = divmod(int(shares.argmax()), side)
            axis.add_patch(Rectangle((x, y), 1, 1, fill=False, linewidth=1.2, edgecolor=figures.ORANGE))
    return figure


def _enlarged(shares: Float[np.ndarray, "s s"], size: tuple[int, int]) -> Float[np.ndarray, "h w"]:
    """Between the cells' centres by straight lines."""
    for axis, length in enumerate(size):
        n = shares.shape[axis]
        at = (np.arange(length) + 0.5) * n / length - 0.5
        shares = np.apply_along_axis(lambda row, at=at, n=n: np.interp(at, np.arange(n), row), axis, shares)
    return shares


@rc_context(figures.STYLE)
def learning(metrics: Sequence[Mapping[str, float]], validation: Sequence[Mapping[str, float]]) -> Figure:
    """The loss of training batches, and what was said of held-out pictures, over the steps.

    Args:
        metrics: one dictionary per step, with "loss".
        validation: one per checkpoint, with "step", "loss" and "cider_d".
    """
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    written = [row for row in metrics if "reward" not in row]  # another loss, of captions that were drawn
    if written:
        left.plot([row["step"] for row in written], [row["loss"] for row in written], ".", ms=1, color=figures.RULE)
        left.plot(*figures.smoothed(written, "loss"), color=figures.BLUE)
    at = [row["step"] for row in validation]
    left.plot(at, [row["loss"] for row in validation], "o-", markersize=3, color=figures.ORANGE)
    left.set(xlabel="step", title="nats per caption: training (blue), held out (orange)", ylim=(0, None))
    right.plot(at, [row["cider_d"] for row in validation], "o-", markersize=3, color=figures.ORANGE)
    right.set(xlabel="step", title="CIDEr-D of held-out pictures, greedy", ylim=(0, None))
    return figure
