"""Has a ratio changed since an earlier benchmark? A report, with the noise that both leave room for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.benchmark_report import Row
from experiments.timing import Timing
from jaxvision.errors import InputError

LEAST_NOISE = 0.1  # what a ratio differs by from one run to the next on one quiet machine


class Change(NamedTuple):
    """A row's ratio before and now.

    Attributes:
        name: of the row.
        before: its ratio then.
        now: its ratio.
        noise: the relative change that is none: a tenth, or the quartiles' distance from both medians if that is more.
    """

    name: str
    before: float
    now: float
    noise: float

    @property
    def verdict(self) -> str:
        """In a word.

        Example:
            >>> Change("step", before=0.8, now=1.0, noise=0.1).verdict, Change("step", 0.8, 0.85, 0.1).verdict
            ('slower', 'as before')
        """
        if self.now > self.before * (1 + self.noise):
            return "slower"
        return "faster" if self.now < self.before / (1 + self.noise) else "as before"


def read_ratios(path: Path) -> dict[str, Timing]:
    """The ratios by row of a benchmark's result.json.

    Raises:
        InputError: if it is none.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return {row["name"]: Timing(**row["ratio"]) for row in rows if row["ratio"] is not None}
    except OSError as error:
        raise InputError(f"--against {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"--against {path} is not the result.json of a benchmark") from error


def changes(before: Mapping[str, Timing], rows: Sequence[Row]) -> list[Change]:
    """Of every row that has a ratio in both."""
    found = [(row.name, before[row.name], row.ratio) for row in rows if row.ratio is not None and row.name in before]
    return [
        Change(name, then.median, now.median, max(LEAST_NOISE, _spread(then) + _spread(now)))
        for name, then, now in found
    ]


def print_changes(before: Mapping[str, Timing], rows: Sequence[Row]) -> None:
    """Shows them on standard output."""
    table = Table(box=box.SIMPLE, caption="ratios, and the noise that both runs leave room for", caption_justify="left")
    for name in ("row", "before", "now", "noise", ""):
        table.add_column(name, justify="left" if name == "row" else "right")
    for change in changes(before, rows):
        numbers = f"{change.before:.2f}", f"{change.now:.2f}", f"{100 * change.noise:.0f} %"
        table.add_row(change.name, *numbers, change.verdict)
    Console().print(table)


def _spread(ratio: Timing) -> float:
    return max(ratio.high - ratio.median, ratio.median - ratio.low) / ratio.median
