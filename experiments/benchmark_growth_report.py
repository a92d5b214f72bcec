"""What the growth benchmark found, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments import scaling_model as model
from experiments.benchmark_growth_curves import Curve
from experiments.benchmark_growth_devices import Share, Shares
from experiments.timing import Timing

FLAT = 1.15  # the dearest unit over the cheapest, up to which a unit's time counts as the same at every size
STRAIGHT = 0.05  # of the largest: a residual up to which memory counts as linear


@dataclass(frozen=True)
class Point:
    """A program at one size."""

    size: int
    cost: float
    """what the algorithm says"""
    seconds: Timing
    memory: int | None
    """bytes at a call's peak beside what was there before; None where it was not measured"""


@dataclass(frozen=True)
class Line:
    """A straight line through the peaks of memory."""

    slope: float
    """bytes a pixel"""
    start: float
    """bytes without any"""
    residual: float
    """the largest, as a share of the largest peak"""


@dataclass(frozen=True)
class Measured:
    """A curve and what follows from it."""

    name: str
    title: str
    size_name: str
    unit: str
    law: str
    points: tuple[Point, ...]
    exponent: float
    """the slope of time against size, both in logarithms"""
    law_exponent: float
    """the same of the cost"""
    spread: float
    """of a unit's time, the dearest size over the cheapest"""
    memory: Line | None
    verdict: str

    @property
    def unit_seconds(self) -> list[float]:
        """Of each size."""
        return [point.seconds.median / point.cost for point in self.points]


@dataclass(frozen=True)
class Modelled:
    """What the model says of one program on one machine; no measurement."""

    name: str
    machine: str
    n_devices: int
    growing: float
    """the efficiency of a problem that grows with the devices, in (0, 1]"""
    fixed: float
    """how many times as fast as one device, the same problem for any number of devices"""


@dataclass(frozen=True)
class Devices:
    """What several devices do."""

    shares: Shares
    peak_share: float
    """that the model assumes"""
    model: tuple[Modelled, ...]


def a(unit: str) -> str:
    """With its article.

    Example:
        >>> a("image"), a("step")
        ('an image', 'a step')
    """
    return f"an {unit}" if unit[0] in "aeiou" else f"a {unit}"


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the straight line through logarithms; 0 for a single point.

    Example:
        >>> round(slope([1, 2, 4], [3, 12, 48]), 6)
        2.0
    """
    return float(np.polyfit(np.log(x), np.log(y), 1)[0]) if len(x) > 1 else 0.0


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The straight line of least squares through peaks of memory.

    Example:
        >>> found = line([1.0, 2.0, 3.0], [12.0, 14.0, 16.0])
        >>> round(found.slope, 6), round(found.start, 6), round(found.residual, 6)
        (2.0, 10.0, 0.0)
    """
    gain, start = np.polyfit(x, y, 1)
    residual = np.abs(gain * np.asarray(x) + start - np.asarray(y)).max() / np.max(y)
    return Line(float(gain), float(start), float(residual))


def measured(curve: Curve, points: tuple[Point, ...]) -> Measured:
    """A curve's exponents, spread, memory and verdict."""
    sizes, costs = [p.size for p in points], [p.cost for p in points]
    seconds = [p.seconds.median for p in points]
    peaks = [(curve.pixels(p.size), p.memory) for p in points if curve.pixels and p.memory]
    fit = line(*zip(*peaks, strict=True)) if len(peaks) > 1 else None
    units = [taken / cost for taken, cost in zip(seconds, costs, strict=True)]
    return Measured(
        curve.name,
        curve.title,
        curve.size_name,
        curve.unit,
        curve.law,
        points,
        slope(sizes, seconds),
        slope(sizes, costs),
        max(units) / min(units),
        fit,
        verdict(curve.unit, sizes, units, fit),
    )


def verdict(unit: str, sizes: Sequence[int], units: Sequence[float], memory: Line | None = None) -> str:
    """Whether the algorithm's law holds, in words.

    Args:
        unit: of work.
        sizes: that were measured.
        units: seconds of a unit at each.
        memory: the line through the peaks, where memory was measured.

    Returns:
        One sentence.

    Example:
        >>> verdict("image", [1, 2, 4], [1.0, 1.05, 0.98])
        'as the algorithm says: each image takes the same within 7 %'
        >>> verdict("image", [1, 2, 4], [2.0, 1.5, 1.0])
        'cheaper than the algorithm says: an image at 4 takes 0.50 of one at 1'
        >>> verdict("step", [10, 20, 40], [1.0, 1.1, 1.3])
        'dearer than the algorithm says: a step at 40 takes 1.30 of one at 10'
    """
    low, high = min(units), max(units)
    if high / low <= FLAT:
        found = f"as the algorithm says: each {unit} takes the same within {100 * (high / low - 1):.0f} %"
    else:
        cheap, dear = (sizes[list(units).index(extreme)] for extreme in (low, high))
        first, last, word = (dear, cheap, "cheaper") if cheap > dear else (cheap, dear, "dearer")
        ratio = units[sizes.index(last)] / units[sizes.index(first)]
        found = f"{word} than the algorithm says: {a(unit)} at {last} takes {ratio:.2f} of one at {first}"
    if memory is None:
        return found
    straight = "memory is linear" if memory.residual <= STRAIGHT else "memory is not linear"
    return f"{found}; {straight}, {memory.slope:,.0f} bytes a pixel within {100 * memory.residual:.0f} %"


def modelled(shares: Shares, *, peak_share: float) -> Devices:
    """The model's answer for every program that was compiled for many devices."""
    alone = {found.name: found.work.operations for found in shares.fixed if found.n_devices == 1}
    fixed = {(found.name, found.n_devices): found.work for found in shares.fixed}
    rows = tuple(
        Modelled(
            found.name,
            machine.name,
            n,
            model.efficiency(found.work, n, machine, peak_share=peak_share),
            model.speedup(fixed[found.name, n], alone[found.name], n, machine, peak_share=peak_share),
        )
        for found in shares.growing
        for machine in model.MACHINES
        for n in (found.n_devices,)
    )
    return Devices(shares, peak_share, rows)


def work_done(found: Share, shares: Sequence[Share]) -> float:
    """Operations of all devices together over those of one alone: 1 where nothing is done twice."""
    alone = next(s for s in shares if s.name == found.name and s.n_devices == 1 and s.size == found.size)
    return found.n_devices * found.work.operations / alone.work.operations
