"""The benchmark's results as a table, a plot and sentences."""

import importlib.metadata
import importlib.util
import platform
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from rich import box
from rich.console import Console
from rich.table import Table

from experiments import figures, large_pages
from experiments.timing import Compiling, Timing
from jaxvision.data import n_cores
from jaxvision.files import atomic_write

SPEED = ("step", "ours, ms", "fastest other, ms", "its form", "ratio", "of peak")
TAKES = ("steps a call", "GFLOP", "GB", "of bandwidth", "compile, s", "again, s", "ours, MiB", "its form's, MiB")
COSTS = ("step", *TAKES)
RESOLVED = 32 * 2**20  # bytes: what the C library may keep for itself hides a smaller peak
LEFT = ("step", "its form")
SHOWN = {"ours, ms": "ours, ms", "fastest other, ms": "other, ms", "ratio": "ratio", "of peak": "of peak"}


@dataclass(frozen=True)
class Machine:
    """What was timed on."""

    name: str
    """processor, memory pages and versions"""
    peak: float
    """operations a second of a large matrix product"""
    bandwidth: float
    """bytes a second read and written of large arrays"""

    def __str__(self) -> str:
        return (
            f"{self.name}; a matrix product of 2048 x 2048 reaches {self.peak / 1e9:.0f} GFLOP/s, "
            f"a sum of large arrays {self.bandwidth / 1e9:.0f} GB/s"
        )


@dataclass(frozen=True)
class Row:
    """One program and its peers, seconds per call."""

    name: str
    n_steps: int
    """of one call"""
    ours: Timing
    peers: dict[str, Timing]
    ratio: Timing | None
    """our time over that of the fastest other form, round by round"""
    compiling: Compiling
    gigaflops: float
    """of one call"""
    peak_share: float
    """of the speed of a large matrix product"""
    gigabytes: float | None
    """that one call reads and writes, in memory or in a cache; None where not counted"""
    bandwidth_share: float | None
    """of the speed of large arrays"""
    memory: dict[str, int | None]
    """bytes at a call's peak beside what was there before, "ours" and each form's; None where no one knows"""


def describe_machine() -> str:
    """Processor, devices, memory pages and versions, in one line."""
    versions = [f"JAX {jax.__version__}"]
    if importlib.util.find_spec("torch") is not None:
        versions.append(f"PyTorch {importlib.metadata.version('torch')}")
    device = jax.devices()[0]
    kind = device.device_kind if device.platform != "cpu" else f"{_processor()}, {n_cores()} cores"
    pages = ", large memory pages" if large_pages.in_use() else ""
    return f"{kind}{pages}; {', '.join(versions)}, Python {platform.python_version()}"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cells(row: Row) -> dict[str, str]:
    """The row as text by the names of the columns, milliseconds with quartiles in brackets."""
    form, timing = fastest(row) if row.peers else ("", None)
    return {
        "step": row.name,
        "ours, ms": _milliseconds(row.ours),
        "fastest other, ms": "" if timing is None else _milliseconds(timing),
        "its form": form,
        "ratio": "" if row.ratio is None else f"{row.ratio.median:.2f} ({row.ratio.low:.2f}-{row.ratio.high:.2f})",
        "of peak": _percent(row.peak_share),
        "steps a call": f"{row.n_steps}",
        "GFLOP": _number(row.gigaflops),
        "GB": _number(row.gigabytes),
        "of bandwidth": _percent(row.bandwidth_share),
        "compile, s": _seconds(row.compiling.cold),
        "again, s": _seconds(row.compiling.warm),
        "ours, MiB": _mebibytes(row.memory.get("ours")),
        "its form's, MiB": _mebibytes(row.memory.get(form)),
    }


def fastest(row: Row) -> tuple[str, Timing]:
    """The quickest of the peers, by its median."""
    return min(row.peers.items(), key=lambda item: item[1].median)


def mean_ratio(rows: Sequence[Row]) -> float | None:
    """The geometric mean of the ratios; None where there are none."""
    ratios = [row.ratio.median for row in rows if row.ratio is not None]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else None


def print_table(rows: Sequence[Row], machine: Machine) -> None:
    """Shows the medians on standard output, in 80 columns; the rest is in the Markdown table."""
    table = Table(caption=_caption(rows, machine), box=box.SIMPLE, caption_justify="left")
    table.add_column("medians")
    for name in SHOWN.values():
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        found = {name: cell.split(" (")[0] for name, cell in cells(row).items()}
        table.add_row(row.name, *(found[name] for name in SHOWN))
    Console().print(table)


def write_table(path: Path, rows: Sequence[Row], machine: Machine) -> None:
    """Writes two tables as Markdown: how fast each row is, and what it takes."""
    with atomic_write(path, text=True) as stream:
        for header in (SPEED, COSTS):
            rule = tuple(":--" if name in LEFT else "--:" for name in header)
            lines = [header, rule, *(tuple(cells(row)[name] for name in header) for row in rows)]
            stream.writelines("| " + " | ".join(line) + " |\n" for line in lines)
            stream.write("\n")
        stream.write(f"{_caption(rows, machine)}.\n")


@rc_context(figures.STYLE)
def save_plot(rows: Sequence[Row], path: Path, machine: Machine) -> Path:
    """Draws our time and every form's, relative to the fastest, which is named; or ours where no row has a peer."""
    rows = [row for row in rows if row.peers] or rows
    figure = Figure(figsize=(8, 1.0 + 0.24 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(rows))[::-1]
    for row, y in zip(rows, positions, strict=True):
        unit = fastest(row)[1].median if row.peers else 1e-3
        for name, timing in row.peers.items():
            is_fastest = name == fastest(row)[0]
            axes.plot(timing.median / unit, y, "o", color=figures.ORANGE, ms=5, alpha=1.0 if is_fastest else 0.45)
            if is_fastest:
                right = axes.get_yaxis_transform()  # named at the edge: names on the dots would cover each other
                axes.text(1.01, y, name, transform=right, va="center", size=6, color=figures.GREY)
        low, median, high = (x / unit for x in (row.ours.low, row.ours.median, row.ours.high))
        axes.plot([low, high], [y, y], "-", color=figures.BLUE, lw=2)
        axes.plot(median, y, "D", color=figures.BLUE, ms=6)
    axes.set_yticks(positions, [row.name for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xscale("log")
    for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        ticks(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="x", which="both", labelsize=7)
    if rows[0].peers:
        axes.axvline(1, color=figures.RULE, lw=1, zorder=0)
        axes.set_xlabel("time, relative to the fastest other form (blue: ours, orange: theirs)")
    else:
        axes.set_xlabel("milliseconds")
    figure.suptitle(textwrap.fill(str(machine), 130), x=0.01, ha="left", fontsize=6.5, color=figures.GREY)
    return figures.save(figure, path)


def _milliseconds(timing: Timing) -> str:
    low, median, high = (1e3 * x for x in (timing.low, timing.median, timing.high))
    return f"{median:.1f} ({low:.1f}-{high:.1f})"


def _mebibytes(n_bytes: int | None) -> str:
    if n_bytes is None:
        return ""
    return f"{n_bytes / 2**20:.0f}" if n_bytes >= RESOLVED else f"< {RESOLVED / 2**20:.0f}"


def _number(value: float | None) -> str:
    return "" if not value else f"{value:.2f}"


def _seconds(value: float) -> str:
    return "" if not value else f"{value:.1f}"


def _percent(share: float | None) -> str:
    return "" if not share else f"{100 * share:.0f} %"


def _caption(rows: Sequence[Row], machine: Machine) -> str:
    mean = mean_ratio(rows)
    return str(machine) if mean is None else f"{machine}; geometric mean of the ratios {mean:.2f}"
