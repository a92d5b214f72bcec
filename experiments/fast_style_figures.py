"""Figures of a stylizer: what photographs become as it learns, and the losses on the way."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from experiments.figures import STYLE
from experiments.inputs import to_unit
from experiments.style_figures import SHADES
from jaxvision.pixels import normalize


def styled(model_fn, photographs: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n h w 3"]:
    """Photographs through a stylizer, in [0, 1]."""
    return to_unit(_run(model_fn, jnp.asarray(photographs)))


def training_losses(metrics: Sequence[dict[str, int | float]]) -> Figure:
    """The weighted terms over the steps, as means over a fiftieth of the run.

    Args:
        metrics: one dictionary for each step: "step", "loss" and the terms.

    Returns:
        The figure.
    """
    width = max(1, len(metrics) // 50)
    steps = np.array([row["step"] for row in metrics])[width - 1 :]
    names = [name for name in metrics[0] if name not in ("step", "loss", "gradient_norm")]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        for name, shade in zip(("loss", *names), ("black", *SHADES), strict=False):
            values = np.convolve([row[name] for row in metrics], np.full(width, 1 / width), "valid")
            if values.any():
                axes.plot(steps, values, color=shade, lw=1.2 if name == "loss" else 1, label=name)
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("weighted loss")
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@jax.jit
def _run(model_fn, photographs):
    # One after the other: a sheet must not need more memory than a batch.
    return jax.lax.map(lambda image: model_fn(normalize(image[None].astype(jnp.float32) / 255))[0], photographs)
