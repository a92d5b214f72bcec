"""What the comparison of style statistics found, as curves and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.figures import GREY, RULE, STYLE
from experiments.style_figures import SHADES
from experiments.timing import Timing
from jaxvision.files import atomic_write

TIME = "ms a gradient"


@dataclass(frozen=True)
class Curve:
    """Of one optimised statistic, S styles at N content weights.

    Attributes:
        content: `(S, N)`, how much of the content is lost.
        distances: `(S, N)` by measuring statistic.
    """

    content: Float[np.ndarray, "s n"]
    distances: Mapping[str, Float[np.ndarray, "s n"]]

    @classmethod
    def joined(cls, styles: Sequence[Mapping[str, np.ndarray]]) -> "Curve":
        """From each style's `(N,)` values, "content" among them."""
        stacked = {name: np.stack([style[name] for style in styles]) for name in styles[0]}
        return cls(stacked.pop("content"), stacked)

    def at(self, content: float) -> dict[str, float | None]:
        """Distances where this much of the content is lost, on the straight line between logarithms.

        Args:
            content: as in `content`.

        Returns:
            Geometric means over styles by measuring statistic; None where a style's content weights do not reach it.

        Example:
            >>> Curve(np.array([[0.4, 0.1]]), {"gram": np.array([[0.1, 0.4]])}).at(0.2)["gram"]
            0.2
        """
        x = np.log(self.content)
        if not ((x.min(axis=1) <= np.log(content)) & (np.log(content) <= x.max(axis=1))).all():
            return dict.fromkeys(self.distances)

        def between(values: np.ndarray) -> float:
            order = np.argsort(x, axis=1)
            rows = zip(np.take_along_axis(x, order, 1), np.take_along_axis(np.log(values), order, 1), strict=True)
            return round(float(np.exp(np.mean([np.interp(np.log(content), a, b) for a, b in rows]))), 4)

        return {name: between(values) for name, values in self.distances.items()}


@dataclass(frozen=True)
class Row:
    """One optimised statistic."""

    statistic: str
    held_out: dict[str, float | None]
    """distance by every statistic, at the compared content loss"""
    content_weight: float
    """the middle one, that of the two entries below"""
    held_out_at_weight: dict[str, float]
    content_at_weight: float
    step: Timing
    """seconds for one gradient evaluation of one image"""


def row_of(
    name: str, curve: Curve, weights: Sequence[float], content_loss: float, seconds: Float[np.ndarray, " r"]
) -> Row:
    """The row of a table.

    Args:
        name: the optimised statistic.
        curve: what was measured.
        weights: `(N,)`, content weights.
        content_loss: at which statistics are compared.
        seconds: samples of the time of a step.

    Returns:
        The row.
    """
    middle = len(weights) // 2

    def mean(values: np.ndarray) -> float:
        return float(np.exp(np.log(values[:, middle]).mean()))

    return Row(
        statistic=name,
        held_out=curve.at(content_loss),
        content_weight=weights[middle],
        held_out_at_weight={measure: mean(values) for measure, values in curve.distances.items()},
        content_at_weight=mean(curve.content),
        step=Timing.of(seconds),
    )


def tables(rows: Sequence[Row], content_loss: float) -> dict[str, list[tuple[str, ...]]]:
    """Both tables as text, by title: the names of the columns, then a line for each optimised statistic."""
    names = [f"by {name}" for name in rows[0].held_out]
    at_loss: list[tuple[str, ...]] = [("optimised", *names, TIME)]
    at_weight: list[tuple[str, ...]] = [("optimised", *names, "content loss", TIME)]
    for row in rows:
        time = f"{1e3 * row.step.median:.0f}"
        at_loss.append((row.statistic, *map(_number, row.held_out.values()), time))
        found = (*row.held_out_at_weight.values(), row.content_at_weight)
        at_weight.append((row.statistic, *map(_number, found), time))
    return {
        f"Held-out distance to the style, all at content loss {content_loss:g}": at_loss,
        f"The same, all with content weight {rows[0].content_weight:g}": at_weight,
    }


def write_table(path: Path, rows: Sequence[Row], content_loss: float, caption: str) -> None:
    """Writes both tables as Markdown."""
    with atomic_write(path, text=True) as stream:
        for title, (names, *lines) in tables(rows, content_loss).items():
            rule = (":--", *["--:"] * (len(names) - 1))
            stream.write(f"{title}:\n\n")
            stream.writelines("| " + " | ".join(line) + " |\n" for line in (names, rule, *lines))
            stream.write("\n")
        stream.write(f"{caption}.\n")


def print_table(rows: Sequence[Row], content_loss: float, caption: str) -> None:
    """Shows both tables on standard output, in 80 columns."""
    console = Console()
    for title, (names, *lines) in tables(rows, content_loss).items():
        table = Table(title=title, box=box.SIMPLE, title_justify="left")
        for k, name in enumerate(names):
            table.add_column(name, justify="right" if k else "left")
        for line in lines:
            table.add_row(*line)
        console.print(table)
    console.print(caption, style="dim")


def curves_figure(curves: Mapping[str, Curve], content_loss: float) -> Figure:
    """Held-out distance against content loss, a panel for each measuring statistic: lower and further left is better.

    Args:
        curves: by optimised statistic.
        content_loss: at which the table compares.

    Returns:
        The figure.
    """
    measures = list(next(iter(curves.values())).distances)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.1 * len(measures), 2.5), layout="constrained")
        for axes, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
            for (name, curve), shade in zip(curves.items(), SHADES, strict=False):
                x, y = (np.exp(np.log(v).mean(axis=0)) for v in (curve.content, curve.distances[measure]))
                axes.plot(x, y, "o-", color=shade, ms=3, lw=1.6 if name == measure else 1, label=name)
            axes.axvline(content_loss, color=RULE, lw=0.8, zorder=0)
            axes.set(xscale="log", yscale="log", xlabel="content loss")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axis.set_major_formatter("{x:g}")
                axis.set_minor_locator(NullLocator())
            axes.set_title(f"by {measure}", color=GREY)
        figure.axes[0].set_ylabel("distance to the style,\nheld-out layers")
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=4,
            frameon=False,
            title="optimised",
            title_fontsize=7,
        )
    return figure


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
