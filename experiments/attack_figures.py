"""What attacks found, as curves, lines of a table and a sheet of pictures."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from experiments.figures import GREY, INK, ORANGE, RULE, STYLE, pictures, show

WORST = "worst"  # the row of what any attack broke
SHADES = ("#3b6ea8", "#e08e2b", "#3f8f6b", "#b3507f", "#7a6cc4", "#8a6d3b", "#4fa3b8", "#c0504d", "#5b6470", "#9aa83a")


def curves(eps: Sequence[str], accuracies: Mapping[str, Sequence[float]], caption: str) -> Figure:
    """Accuracy against the budget, a line for each attack; what is lowest at every budget is what can be claimed.

    Args:
        eps: E budgets as they are written.
        accuracies: `1 + E` shares by name of the attack, the first without attack.
        caption: what was attacked.

    Returns:
        The figure.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axis = figure.subplots()
        for colour, (name, values) in zip(itertools.cycle(SHADES), accuracies.items(), strict=False):
            (line,) = axis.plot(range(len(values)), [100 * v for v in values], "o-", ms=3.5, lw=1.2, label=name)
            line.set_color(colour)
            if name == WORST:
                line.set(color=INK, linestyle="--", marker="")
        axis.set_xticks(range(1 + len(eps)), ["none", *eps])
        axis.set(ylim=(-3, 103), xlabel="budget of the attack", ylabel="still right, %")
        axis.set_title(caption, loc="left", color=INK)
        axis.grid(axis="y", color=RULE, lw=0.6)
        axis.legend(frameon=False, labelcolor=GREY, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def sheet(
    images: Float[np.ndarray, "r e h w c"],
    answers: Sequence[Sequence[str]],
    broken: Bool[np.ndarray, "r e"],
    titles: Sequence[str],
) -> Figure:
    """A row for each picture, a column for each budget, the first without attack; wrong answers in orange.

    Args:
        images: `(R, 1 + E, h, w, c)` in [0, 1].
        answers: what the network says of each.
        broken: `(R, 1 + E)`, whether that is wrong.
        titles: `1 + E`, above the columns.

    Returns:
        The figure.
    """
    rows, columns = broken.shape
    with matplotlib.rc_context(STYLE):
        figure, axes = pictures(rows, columns, cell=1.3, heading=0.22 * rows + 0.2)
        for (row, column), axis in np.ndenumerate(axes):
            show(axis, images[row, column], title=None if row else titles[int(column)])
            colour = "#b9690b" if broken[row, column] else GREY
            axis.set_xlabel(answers[row][column], labelpad=2, color=colour, fontsize=7)
            if broken[row, column]:
                axis.spines[:].set(visible=True, color=ORANGE, linewidth=1.5)
    return figure


def lines_of(
    eps: Sequence[str], accuracies: Mapping[str, Sequence[float]], median_sizes: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """The table: the names of the columns, then a line for each attack.

    Example:
        >>> lines_of(["0.1"], {"pgd": (0.9, 0.25)}, {"pgd": ""})
        [('attack', 'none', '0.1'), ('pgd', '90.0 %', '25.0 %')]
    """
    wide = any(median_sizes.values())  # the column is there where an attack looks for the least change
    lines: list[tuple[str, ...]] = [("attack", "none", *eps, *["median size"] * wide)]
    for name, values in accuracies.items():
        lines.append((name, *(f"{100 * v:.1f} %" for v in values), *[median_sizes[name]] * wide))
    return lines
