"""Figures of style transfer: the pictures that went in and came out, the way between, and the losses."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.figures import BLUE, GREY, INK, ORANGE, STYLE, Image, smoothed

SHADES = (BLUE, ORANGE, "#7fb58b", "#c794c9", "#9aa3ad", "#d98c8c", "#6f9fa8", "#c9b35f")


def pictures_in_a_row(pictures: Sequence[Image], titles: Sequence[str], *, height: float = 2.2) -> Figure:
    """Pictures of one height side by side, each with its own aspect; as `contact_sheet`."""
    return contact_sheet([pictures], titles, height=height)


@rc_context(STYLE)
def contact_sheet(
    rows: Sequence[Sequence[Image]],
    titles: Sequence[str],
    labels: Sequence[str] | None = None,
    *,
    height: float = 1.5,
) -> Figure:
    """Pictures in rows, with a title above each column; those of a column have one aspect.

    Args:
        rows: of pictures `(h, w, 3)` in [0, 1], each as long as `titles`.
        titles: of the columns.
        labels: of the rows, beside them; None for none.
        height: of a picture in inches.

    Returns:
        The figure.
    """
    aspects = [picture.shape[1] / picture.shape[0] for picture in rows[0]]
    size = (height * sum(aspects) + 0.1 * len(aspects), height * len(rows) + 0.25)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.01)  # type: ignore[union-attr]
    axes = figure.subplots(len(rows), len(titles), squeeze=False, gridspec_kw={"width_ratios": aspects})
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


@rc_context(STYLE)
def loss_curves(metrics: Sequence[Mapping[str, float]], ends: Sequence[int] = (), *, smooth: bool = False) -> Figure:
    """Every weighted term over the steps, and where a size ends.

    Args:
        metrics: one dictionary for each step: "step", "loss" and the terms.
        ends: steps at which a stage ends.
        smooth: show means over a fiftieth of the run.

    Returns:
        The figure.
    """
    names = ["loss", *(name for name in metrics[0] if name not in ("step", "loss", "gradient_norm"))]
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    for name, shade in zip(names, ("black", *SHADES * len(names)), strict=False):
        steps, values = smoothed(metrics, name) if smooth else ([row[key] for row in metrics] for key in ("step", name))
        if np.any(values):
            shown = np.where(np.asarray(values) > 0, values, np.nan)
            axes.plot(steps, shown, color=shade, lw=1.2 if name == "loss" else 1, label=name)
    for end in ends[:-1]:
        axes.axvline(end, color=GREY, lw=0.6, ls=":")
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("weighted loss")
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
