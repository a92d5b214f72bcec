"""Figures of style transfer: the pictures that went in and came out, the way between, and the losses."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from experiments.figures import BLUE, GREY, INK, ORANGE, STYLE, Image

SHADES = (BLUE, ORANGE, "#7fb58b", "#c794c9", "#9aa3ad", "#d98c8c", "#6f9fa8", "#c9b35f")
HEIGHT = 2.2  # inches a picture is high
SMALL_HEIGHT = 1.5  # on a sheet of many


def pictures_in_a_row(pictures: Sequence[Image], titles: Sequence[str], *, height: float = HEIGHT) -> Figure:
    """Pictures of one height side by side, each with its own aspect.

    Args:
        pictures: each `(h, w, 3)` in [0, 1].
        titles: one for each.
        height: inches.

    Returns:
        The figure.
    """
    aspects = [picture.shape[1] / picture.shape[0] for picture in pictures]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(height * sum(aspects) + 0.1 * len(aspects), height + 0.25), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.01)  # type: ignore[union-attr]
        axes = figure.subplots(1, len(pictures), squeeze=False, gridspec_kw={"width_ratios": aspects})[0]
        for axis, picture, title in zip(axes, pictures, titles, strict=True):
            axis.imshow(np.clip(picture, 0, 1))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            axis.set_title(title)
    return figure


def contact_sheet(
    rows: Sequence[Sequence[Image]], titles: Sequence[str], labels: Sequence[str] | None = None
) -> Figure:
    """Pictures of one size in rows, with a title above each column.

    Args:
        rows: of pictures `(h, w, 3)` in [0, 1], each as long as `titles`.
        titles: of the columns.
        labels: of the rows, beside them; None for none.

    Returns:
        The figure.
    """
    height, width = SMALL_HEIGHT, SMALL_HEIGHT * rows[0][0].shape[1] / rows[0][0].shape[0]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width * len(titles) + 0.1, height * len(rows) + 0.2), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)  # type: ignore[union-attr]
        axes = figure.subplots(len(rows), len(titles), squeeze=False)
        for row, pictures in zip(axes, rows, strict=True):
            for axis, picture in zip(row, pictures, strict=True):
                axis.imshow(np.clip(picture, 0, 1))
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(title)
        for axis, label in zip(axes[:, 0], labels or [""] * len(rows), strict=True):
            axis.set_ylabel(label, color=INK)
    return figure


def loss_curves(metrics: Sequence[dict[str, int | float]], ends: Sequence[int]) -> Figure:
    """Every weighted term over the steps, and where a size ends.

    Args:
        metrics: one dictionary for each step: "step" and the terms.
        ends: steps at which a stage ends.

    Returns:
        The figure.
    """
    steps = [row["step"] for row in metrics]
    names = [name for name in metrics[0] if name not in ("step", "loss")]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(steps, [row["loss"] for row in metrics], color="black", lw=1.2, label="loss")
        for name, shade in zip(names, SHADES * len(names), strict=False):
            values = np.array([row[name] for row in metrics])
            if values.any():
                axes.plot(steps, np.where(values > 0, values, np.nan), color=shade, lw=1, label=name)
        for end in ends[:-1]:
            axes.axvline(end, color=GREY, lw=0.6, ls=":")
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("weighted loss")
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
