"""How cost grows: with the batch, the image, the run, the caption, the network, and with the number of devices.

Each curve times one of our compiled programs at several sizes, in turn, A B C A B C, and holds the time of a unit of
work (an image, a pixel, a step, a billion operations) against what its algorithm says: that it is the same at every
size. Reported: the measured exponent (the slope of time against size, both in logarithms) beside the algorithm's, the
spread (the dearest unit over the cheapest), the peak of memory and its slope.

"devices" divides a captioner's, a GAN's and a style transfer's step among 1, 2, 4 and 8 devices made of one CPU, holds
the results against one device's, and counts what each device computes, holds and sends. From the same counts for 8, 64
and 256 devices `scaling_model` says what published accelerators would reach: a model, not a measurement.

--curves side devices measures these alone. Close other programs first. Expected on two CPU cores: a pixel's time within
15 per cent from 256 to 1024 px, a step's whatever the run's length, memory linear in the pixels; less than 10 minutes.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments import benchmark_growth_devices as devices
from experiments import benchmark_growth_figure
from experiments import benchmark_growth_report as report
from experiments import benchmark_growth_tables as tables
from experiments.benchmark_growth_curves import CURVES, Curve
from experiments.benchmark_growth_memory import peaks
from experiments.benchmark_report import describe_machine
from experiments.command import command
from experiments.inputs import require_number
from experiments.timing import Timing, interleaved, timer
from jaxvision.errors import InputError
from jaxvision.training import Run, new_run

DEVICES = "devices"
RUN_ON, MODELLED = (1, 2, 4, 8), (8, 64, 256)
QUICK_ROUNDS, QUICK_POINTS = 3, 3


@dataclass(frozen=True)
class Config:
    """The settings of one measurement."""

    curves: tuple[str, ...] = ()
    """of batch, saliency, side, steps, length, hidden, replicas, devices; none: all"""
    rounds: int = 7
    """samples of each size (a count)"""
    peak_share: float = 0.3
    """of its published peak that an accelerator reaches while it computes (0 to 1): an assumption of the model"""
    quick: bool = False
    """three rounds, the first three sizes, two devices, no model: a first look, not a result"""
    seed: int = 0
    """of weights and images; the speed does not depend on it"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/benchmark_growth-NNN"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    machine: str
    curves: tuple[report.Measured, ...]
    devices: report.Devices | None
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Measures the curves and writes tables, figure and numbers.

    Args:
        config: the settings.

    Returns:
        All of them.

    Raises:
        InputError: if a number is out of range or there is no such curve.
        FloatingPointError: if several devices give another result than one.
    """
    require_number(config, "rounds", at_least=1)
    require_number(config, "peak_share", above=0)
    if config.peak_share > 1:
        raise InputError(f"--peak-share must be at most 1, got {config.peak_share}")
    curves = chosen(config)
    rounds = min(QUICK_ROUNDS, config.rounds) if config.quick else config.rounds
    with new_run("benchmark_growth", config, run_dir=config.run_dir) as run:
        measured = tuple(measure(run, curve, rounds=rounds, seed=config.seed) for curve in curves)
        return finish(run, measured, shared(run, config))


def chosen(config: Config) -> list[Curve]:
    """The curves that were asked for.

    Raises:
        InputError: if there is no such curve.
    """
    known = [curve.name for curve in CURVES] + [DEVICES]
    for name in config.curves:
        if name not in known:
            raise InputError(f"--curves {name} is none of: {', '.join(known)}")
    wanted = [curve for curve in CURVES if not config.curves or curve.name in config.curves]
    return [replace(curve, sizes=curve.sizes[:QUICK_POINTS]) for curve in wanted] if config.quick else wanted


def measure(run: Run, curve: Curve, *, rounds: int, seed: int) -> report.Measured:
    """Compiles and times a curve's program at every size.

    Args:
        run: which is told.
        curve: what to measure.
        rounds: samples of each size.
        seed: of weights and images.

    Returns:
        Times and memory.
    """
    run.note(f"{curve.name}: compiling {curve.title} for {curve.size_name}: {', '.join(map(str, curve.sizes))}")
    calls = {str(size): curve.prepare(size, seed) for size in curve.sizes}
    run.note(f"{curve.name}: timing {rounds} rounds")
    samples = interleaved({size: timer(call) for size, call in calls.items()}, rounds=rounds)
    memory = peaks(curve.name, curve.sizes, seed) if curve.pixels else [None] * len(calls)
    points = tuple(
        report.Point(size, curve.cost(size), Timing.of(samples[str(size)]), peak)
        for size, peak in zip(curve.sizes, memory, strict=True)
    )
    found = report.measured(curve, points)
    run.note(f"{curve.name}: {found.verdict}")
    return found


def shared(run: Run, config: Config) -> report.Devices | None:
    """What several devices do, where it was asked for."""
    if config.curves and DEVICES not in config.curves:
        return None
    run.note("devices: compiling in a process of their own")
    counts, many = (RUN_ON[:2], ()) if config.quick else (RUN_ON, MODELLED)
    return report.modelled(devices.in_a_process(counts, many), peak_share=config.peak_share)


def finish(run: Run, measured: tuple[report.Measured, ...], shared: report.Devices | None) -> Result:
    """Writes tables, figure and numbers."""
    machine = describe_machine()
    tables.write(run.path / "growth.md", tables.markdown(measured, shared, machine))
    print(tables.summary(measured, shared))
    picture = benchmark_growth_figure.save(measured, shared, run.picture("growth.png"), machine)
    result = Result(run.path, machine, measured, shared, (picture,))
    run.finish(result)
    return result


if __name__ == "__main__":
    command(main, Config)
