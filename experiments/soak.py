"""Does a training that runs for hours grow? Memory, open files and speed of small trainings, over minutes or a night.

A captioner, a GAN and a classifier train one after the other, each in a process of its own with metrics and checkpoints
every few seconds, for a third of the time. From outside the process is looked at every few seconds: resident memory,
open files, threads, and the step it has reached. The first fifth of each training is left out, while programs compile
and the allocator settles; the rest is cut into thirds, and the last is compared with the first. Expected: memory within
2 %, no more open files or threads, speed within what else the machine does. Every look is kept in a file for each
training. It reads /proc, which Linux has.
"""

import json
import os
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from experiments import fault_runs, fault_trials
from experiments.command import PREEMPTED, command
from experiments.inputs import require_number
from experiments.tables import Lines, print_table, write_table
from jaxvision.errors import InputError
from jaxvision.files import atomic_write
from jaxvision.training import new_run

SETTLING = 0.2  # of the time, left out
# Steps between checkpoints, about one every five seconds, and steps in one call of the device.
TRAININGS = {"captioner": (1000, 10), "gan": (150, 5), "classifier": (400, 5)}


@dataclass(frozen=True)
class Config:
    """The settings."""

    minutes: float = 30.0
    """in all, a third for each training"""
    every: float = 5.0
    """seconds between two looks"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/soak-NNN"""


class Look(NamedTuple):
    """One look at a process: seconds since its first step, MiB resident, open files, threads, steps taken."""

    seconds: float
    memory: float
    files: int
    threads: int
    step: int


@dataclass(frozen=True)
class Growth:
    """A training, the first third of its looks beside the last."""

    training: str
    looks: int
    steps: int
    checkpoints: int
    """written, of which the last three are kept"""
    memory: tuple[float, float]
    """MiB, medians"""
    files: tuple[int, int]
    """most at once"""
    threads: tuple[int, int]
    """most at once"""
    rate: tuple[float, float]
    """steps a second"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    trainings: tuple[Growth, ...]


def main(config: Config) -> Result:
    """Trains, looks and writes the table.

    Raises:
        InputError: if there is no /proc, a number is out of range, or the time is too short for nine looks each.
    """
    require_number(config, "minutes", above=0)
    require_number(config, "every", above=0)
    seconds = 60 * config.minutes / len(TRAININGS)
    if not Path("/proc/self/statm").exists():
        raise InputError("the soak reads /proc, which this system does not have: run it on Linux")
    if (1 - SETTLING) * seconds / config.every < 9:
        raise InputError(
            f"--minutes {config.minutes:g} leave fewer than nine looks at each training: make it longer, or --every "
            "shorter"
        )
    with new_run("soak", config, run_dir=config.run_dir) as run:
        scenes = run.path.absolute() / "scenes.npz"
        fault_trials.write_scenes(scenes)
        found: list[Growth] = []
        for kind, (checkpoint_every, steps_per_dispatch) in TRAININGS.items():
            trial = fault_trials.Config(kind, scenes, 2**30, checkpoint_every, steps_per_dispatch)  # type: ignore[arg-type]
            looks = watched(replace(trial, run_dir=scenes.parent / kind / "run"), seconds, config.every)
            found.append(growth(kind, looks, checkpoint_every))
            with atomic_write(run.path / f"{kind}.jsonl", text=True) as stream:
                stream.writelines(json.dumps(look._asdict()) + "\n" for look in looks)
            run.note(f"{kind}: {found[-1].steps} steps, {found[-1].memory[1]:.0f} MiB")
        result = Result(run.path, tuple(found))
        caption = (
            f"{config.minutes:g} minutes, a look every {config.every:g} s; first third and last third of the looks"
        )
        write_table(run.path / "soak.md", table(found), caption)
        print_table(table(found), caption)
        run.finish(result)
    return result


def watched(trial: fault_trials.Config, seconds: float, every: float) -> list[Look]:
    """Looks at a training until it is asked to stop.

    Raises:
        RuntimeError: it ended before, or did not stop when asked.
    """
    running, looks = fault_runs.start(trial), list[Look]()
    fault_runs.trained_on(running)
    assert running.process.pid is not None
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        looks.append(_look(running.process.pid, passed, trial))
        time.sleep(every)
    os.kill(running.process.pid, signal.SIGTERM)
    if fault_runs.ended(running) != PREEMPTED:
        raise RuntimeError(f"a training did not go on to the end: see {running.log}")
    return looks


def growth(training: str, looks: Sequence[Look], checkpoint_every: int) -> Growth:
    """The first third of the looks beside the last, the time of settling left out.

    Example:
        >>> looks = [Look(float(t), 100.0, 9, 4, 10 * t) for t in range(12)]
        >>> growth("gan", looks, 50).rate, growth("gan", looks, 50).checkpoints
        ((10.0, 10.0), 2)
    """
    settled = [look for look in looks if look.seconds >= SETTLING * looks[-1].seconds]
    third = max(2, len(settled) // 3)
    ends = settled[:third], settled[-third:]
    rate = [(part[-1].step - part[0].step) / (part[-1].seconds - part[0].seconds) for part in ends]
    return Growth(
        training,
        len(settled),
        looks[-1].step,
        looks[-1].step // checkpoint_every,
        (statistics.median(look.memory for look in ends[0]), statistics.median(look.memory for look in ends[1])),
        (max(look.files for look in ends[0]), max(look.files for look in ends[1])),
        (max(look.threads for look in ends[0]), max(look.threads for look in ends[1])),
        (rate[0], rate[1]),
    )


def table(found: Sequence[Growth]) -> Lines:
    """A line for each training."""
    lines: list[tuple[str, ...]] = [
        ("training", "steps", "checkpoints", "memory, MiB", "open files", "threads", "steps/s")
    ]
    for one in found:
        change = 100 * (one.memory[1] / one.memory[0] - 1)
        lines.append(
            (
                one.training,
                f"{one.steps:,}",
                f"{one.checkpoints:,}",
                f"{one.memory[0]:.0f} to {one.memory[1]:.0f} ({change:+.1f} %)",
                f"{one.files[0]} to {one.files[1]}",
                f"{one.threads[0]} to {one.threads[1]}",
                f"{one.rate[0]:.1f} to {one.rate[1]:.1f}",
            )
        )
    return lines


def _look(pid: int, passed: float, trial: fault_trials.Config) -> Look:
    proc = Path("/proc") / str(pid)
    pages = int((proc / "statm").read_text().split()[1])
    assert trial.run_dir is not None
    return Look(
        passed,
        pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        len(list((proc / "fd").iterdir())),
        len(list((proc / "task").iterdir())),
        fault_runs.last_step(trial.run_dir),
    )


if __name__ == "__main__":
    command(main, Config)
