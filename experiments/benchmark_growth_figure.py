"""What the growth benchmark found, as small multiples."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import figures
from experiments import scaling_model as model
from experiments.benchmark_growth_report import FLAT, Devices, Measured, a, work_done

COLUMNS, WIDTH, HEIGHT = 4, 2.6, 2.15
LOOKS = (("o", figures.BLUE), ("s", figures.GREY), ("^", figures.ORANGE), ("D", figures.INK))  # of programs


def save(curves: Sequence[Measured], devices: Devices | None, path: Path, machine: str) -> Path:
    """Draws a panel for each curve, one for memory, and three for devices.

    Args:
        curves: with any number of points.
        devices: what several devices do, if that was measured.
        path: where to.
        machine: that it was measured on.

    Returns:
        `path`.
    """
    drawn: list[Callable[[Axes], None]] = [partial(unit_times, curve=curve) for curve in curves]
    drawn += [partial(memory, curve=curve) for curve in curves if curve.memory is not None]
    if devices is not None:
        drawn.append(partial(divided, devices=devices))
        if devices.model:
            drawn += [partial(efficiencies, devices=devices, machine=m.name) for m in model.MACHINES]
    with matplotlib.rc_context(figures.STYLE):
        rows, columns = -(-len(drawn) // COLUMNS), min(COLUMNS, len(drawn))
        figure = Figure(figsize=(max(columns * WIDTH, 5), rows * HEIGHT + 0.3), layout="constrained")
        figure.suptitle(machine, x=0.01, ha="left", fontsize=7, color=figures.GREY)
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for draw, axes in zip(drawn, panels, strict=False):
            draw(axes)
        for axes in list(panels):  # those that are left
            axes.set_axis_off()
    return figures.save(figure, path)


def unit_times(axes: Axes, curve: Measured) -> None:
    """A unit's time at each size, over the band in which the algorithm's law counts as kept."""
    sizes, units = [point.size for point in curve.points], np.asarray(curve.unit_seconds) * 1e3
    quartiles = np.array([[p.seconds.low / p.cost, p.seconds.high / p.cost] for p in curve.points]).T * 1e3
    axes.axhspan(units.min(), FLAT * units.min(), color=figures.RULE, alpha=0.5, lw=0)
    axes.vlines(sizes, *quartiles, color=figures.BLUE, lw=1.5)
    axes.plot(sizes, units, "o-", color=figures.BLUE, ms=4, lw=1)
    axes.set(ylim=(0, 1.25 * quartiles.max()), xlabel=curve.size_name, ylabel=f"ms {a(curve.unit)}")
    axes.set_title(f"{curve.title}\nspread {curve.spread:.2f}", loc="left")
    _sizes(axes, sizes)


def memory(axes: Axes, curve: Measured) -> None:
    """Peaks of memory and the straight line through them."""
    assert curve.memory is not None
    pixels = np.array([point.size**2 for point in curve.points])
    peaks = [(point.memory or 0) / 2**20 for point in curve.points]
    ends = np.array([0, pixels.max()])
    axes.plot(ends / 1e6, (curve.memory.start + curve.memory.slope * ends) / 2**20, "-", color=figures.ORANGE, lw=1)
    axes.plot(pixels / 1e6, peaks, "o", color=figures.BLUE, ms=4)
    axes.set(xlabel="megapixels", ylabel="peak, MiB", xlim=(0, None), ylim=(0, None))
    axes.set_title(f"{curve.title}: memory\n{curve.memory.slope:,.0f} bytes a pixel", loc="left")


def divided(axes: Axes, devices: Devices) -> None:
    """Operations of all devices together, over those of one; the legend of all panels of devices."""
    shares = devices.shares.run
    for name, (mark, colour) in _looks(devices).items():
        own = [share for share in shares if share.name == name]
        counts, work = [share.n_devices for share in own], [work_done(share, shares) for share in own]
        axes.plot(counts, work, mark + "-", color=colour, ms=4, lw=1, label=name.replace(", ", ",\n"))
    axes.set(ylim=(0, None), xlabel="devices", ylabel="over one device's")
    axes.set_title("work of all devices\n1: nothing is done twice", loc="left")
    axes.legend(frameon=False, fontsize=6, loc="upper left", labelcolor=figures.GREY)
    _sizes(axes, sorted({share.n_devices for share in shares}))


def efficiencies(axes: Axes, devices: Devices, machine: str) -> None:
    """What the model says, of growing problems and of fixed ones; the marks are those of `divided`."""
    rows = [row for row in devices.model if row.machine == machine]
    for name, (mark, colour) in _looks(devices).items():
        own = [row for row in rows if row.name == name]
        counts, growing = [row.n_devices for row in own], [100 * row.growing for row in own]
        axes.plot(counts, growing, mark + "-", color=colour, ms=4, lw=1)
        axes.plot(
            counts, [100 * row.fixed / row.n_devices for row in own], mark + ":", color=colour, ms=4, lw=1, mfc="w"
        )
    axes.set(ylim=(0, 105), xlabel="devices", ylabel="efficiency, %")
    axes.set_title(f"{machine.split(',')[0]}, a model, not measured\ndotted: a fixed problem", loc="left")
    _sizes(axes, sorted({row.n_devices for row in rows}))


def _looks(devices: Devices) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys(share.name for share in devices.shares.run)
    return dict(zip(names, LOOKS, strict=False))


def _sizes(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_xlim(sizes[0] / 1.25, sizes[-1] * 1.25)
