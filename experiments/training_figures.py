"""Figures of a training: how it went, and what the network still gets wrong."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments import figures, tasks
from jaxvision.training import Score


@rc_context(figures.STYLE)
def curve(
    metrics: Sequence[Mapping[str, float]], names: tuple[str, ...] = ("loss", "accuracy"), top: float | None = 1.0
) -> Figure:
    """Metrics of training batches, each batch a dot and their running mean over 2 % of the run a line.

    Args:
        metrics: one dictionary per step.
        names: which of them, the loss first.
        top: the highest value shown of the others; none: what there is.
    """
    figure = Figure(figsize=(3.5 * len(names), 2.6), layout="constrained")
    colours = (figures.BLUE, figures.ORANGE)
    for axis, name, colour in zip(figure.subplots(1, len(names), squeeze=False).flat, names, colours, strict=False):
        axis.plot([row["step"] for row in metrics], [row[name] for row in metrics], ".", ms=1, color=figures.RULE)
        axis.plot(*figures.smoothed(metrics, name), color=colour)
        axis.set(xlabel="step", title=f"{name} on training batches", ylim=(0, None if name == "loss" else top))
    return figure


@rc_context(figures.STYLE)
def mistakes(task: tasks.Task, found: Score, *, columns: int = 8, rows: int = 4) -> Figure:
    """Held-out images that were classified wrongly, the dearest mistakes first: what it is, and what was said."""
    wrong = np.flatnonzero(found.labels != found.predictions)
    shown = wrong[np.argsort(-found.losses[wrong])][: rows * columns]
    figure = Figure(figsize=(columns * 1.1, 0.4 + rows * 1.45), layout="constrained")
    figure.suptitle(f"{len(wrong)} mistakes on {len(found.labels)} held-out images")
    for axis in (axes := figure.subplots(rows, columns, squeeze=False)).flat:
        axis.set_axis_off()
    make = jax.jit(task.held_out)
    for axis, index in zip(axes.flat, shown, strict=False):
        images, _ = make(jnp.int32(index // tasks.HELD_OUT_BATCH))
        axis.imshow(np.asarray(images[index % tasks.HELD_OUT_BATCH]).squeeze(), cmap="gray", vmin=0, vmax=1)
        names = [task.class_names[int(which[index])] for which in (found.labels, found.predictions)]
        axis.set_title(f"{names[0]}\nnot {names[1]}", fontsize=6)
    return figure
