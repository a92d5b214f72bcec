"""Figures of captioning: pictures with what was said of them, and how the training went."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

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
def learning(metrics: Sequence[Mapping[str, float]], validation: Sequence[Mapping[str, float]]) -> Figure:
    """The loss of training batches, and what was said of held-out pictures, over the steps.

    Args:
        metrics: one dictionary per step, with "loss".
        validation: one per checkpoint, with "step", "loss" and "cider_d".
    """
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([row["step"] for row in metrics], [row["loss"] for row in metrics], ".", ms=1, color=figures.RULE)
    left.plot(*figures.smoothed(metrics, "loss"), color=figures.BLUE)
    at = [row["step"] for row in validation]
    left.plot(at, [row["loss"] for row in validation], "o-", markersize=3, color=figures.ORANGE)
    left.set(xlabel="step", title="nats per caption: training (blue), held out (orange)", ylim=(0, None))
    right.plot(at, [row["cider_d"] for row in validation], "o-", markersize=3, color=figures.ORANGE)
    right.set(xlabel="step", title="CIDEr-D of held-out pictures, greedy", ylim=(0, None))
    return figure
