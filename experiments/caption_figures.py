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

    Returns:
        The figure.
    """
    rows = -(-len(images) // columns)
    texts = [
        _lines({name: captions[i] for name, captions in said.items()}, references[i][:n_references])
        for i in range(len(images))
    ]
    below = LINE * (2 + max(len(lines) for lines in texts))
    cell, side = 2.9, 1.7
    figure = Figure(figsize=(cell * columns, rows * (side + below)))
    height = rows * (side + below)
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        top = row * (side + below) + 0.08
        axis = figure.add_axes(
            (
                (column * cell + 0.12) / (cell * columns),
                1 - (top + side - 0.1) / height,
                (side - 0.1) / (cell * columns),
                (side - 0.1) / height,
            )
        )
        axis.imshow(np.clip(image, 0, 1))
        axis.set_axis_off()
        x = (column * cell + 0.12) / (cell * columns)
        y = top + side
        for text, colour, weight in texts[i]:
            figure.text(x, 1 - y / height, text, color=colour, va="top", fontsize=7, fontweight=weight)
            y += LINE
        if scores is not None:
            figure.text(x, 1 - y / height, scores[i], color=figures.GREY, va="top", fontsize=6.5)
    return figure


def _lines(said: Mapping[str, str], references: Sequence[str]) -> list[tuple[str, str, str]]:
    lines = []
    for name, caption in said.items():
        wrapped = textwrap.wrap(f"{name}: {caption or '(nothing)'}", WRAP, subsequent_indent="    ")
        lines += [(line, figures.INK, "normal") for line in wrapped]
    for caption in references:
        wrapped = textwrap.wrap(caption, WRAP, initial_indent="- ", subsequent_indent="    ")
        lines += [(line, figures.GREY, "normal") for line in wrapped]
    return lines


@rc_context(figures.STYLE)
def learning(metrics: Sequence[Mapping[str, float]], validation: Sequence[Mapping[str, float]]) -> Figure:
    """The loss of training batches, and what was said of held-out pictures, over the steps.

    Args:
        metrics: one dictionary per step, with "loss".
        validation: one per checkpoint, with "step", "loss" and "cider_d".

    Returns:
        The figure.
    """
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps, losses = (np.asarray([row[name] for row in metrics]) for name in ("step", "loss"))
    width = max(1, len(metrics) // 50)
    left.plot(steps, losses, ".", markersize=1, color=figures.RULE)
    left.plot(steps[width - 1 :], np.convolve(losses, np.full(width, 1 / width), "valid"), color=figures.BLUE)
    at = [row["step"] for row in validation]
    left.plot(at, [row["loss"] for row in validation], "o-", markersize=3, color=figures.ORANGE)
    left.set(xlabel="step", title="nats per caption: training (blue), held out (orange)", ylim=(0, None))
    right.plot(at, [row["cider_d"] for row in validation], "o-", markersize=3, color=figures.ORANGE)
    right.set(xlabel="step", title="CIDEr-D of held-out pictures, greedy", ylim=(0, None))
    return figure
