"""Benchmark: every compiled step against what a user would run instead, and against this machine's own limit.

Each row is one compiled program, timed in turn with its peers, A B A B, in three passes over all rows; results are
compared before anything is timed. A peer is PyTorch in every form that it offers (eager, channels-last, torch.compile
with each), the NumPy reference, or the same thing in a loop. Reported: the median of the samples with the quartiles in
brackets, the ratio to the fastest peer (below 1.0: ours is faster), compile time at first and with the program on disk,
the share of the speed that a large matrix product reaches here, and on Linux the peak of a call's memory beside that of
the same peer. --rows "style transfer" --style-steps 200 --rounds 3 times whole transfers.

PyTorch comes with the extra `peers`; without it, or with --no-peers, many rows have no peer. Close other programs
first: a busy machine slows PyTorch more than JAX. Expected on two CPU cores: the ratios in the README.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments import benchmark_captioning, benchmark_gan, benchmark_looking
from experiments import benchmark_report as report
from experiments.benchmark_program import Program, Programs, Setup
from experiments.command import command
from experiments.inputs import require_number
from experiments.peak_memory import peak_memory
from experiments.timing import Timing, interleaved, matmul_peak
from jaxvision.errors import InputError
from jaxvision.training import Run, new_run

ROOMS = (benchmark_looking, benchmark_captioning, benchmark_gan)
PASSES = 3


@dataclass(frozen=True)
class Config:
    """The settings of one benchmark."""

    rows: tuple[str, ...] = ()
    """only rows with one of these words in their names; none: all"""
    rounds: int = 30
    """samples of each program (a count)"""
    style_steps: int | None = None
    """steps of the style transfers (a count); none: 20 at 192 px and 5 at 512 px"""
    peers: bool = True
    """measure PyTorch beside it"""
    compile: bool = True
    """include torch.compile, about a minute for each row"""
    quick: bool = False
    """five rounds, no torch.compile: a first look, not a result"""
    seed: int = 0
    """of weights and images; the speed does not depend on it"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/benchmark-NNN"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    machine: str
    peak_gigaflops: float
    rows: tuple[report.Row, ...]
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Times every row and writes table, plot and numbers.

    Args:
        config: the settings.

    Returns:
        All rows.

    Raises:
        InputError: if a count is below 1 or no row has such a name.
        FloatingPointError: if ours and a peer's results differ.
    """
    for flag in ("rounds", "style_steps"):
        require_number(config, flag, at_least=1)
    programs = chosen(config)
    with new_run("benchmark", config, run_dir=config.run_dir) as run:
        if not setup(config).peers:
            run.note("Without PyTorch, only our own times are measured")
        return time_all(run, programs, rounds=min(5, config.rounds) if config.quick else config.rounds)


def time_all(run: Run, programs: Programs, *, rounds: int) -> Result:
    """Prepares and times programs and their peers and finishes the run with table, plot and numbers.

    Args:
        run: to be finished.
        programs: by name.
        rounds: samples of each.

    Returns:
        All rows.
    """
    peak, prepared = matmul_peak(), list[Program]()
    for prepare in programs.values():
        prepared.append(prepare())
        run.note(f"{prepared[-1].name}: compiled in {prepared[-1].compiling.cold:.1f} s")
    run.note(f"Timing {rounds} rounds")
    samples = measure(prepared, rounds=rounds)
    memory = [{name: peak_memory(call) for name, call in program.calls.items()} for program in prepared]
    rows = [row_of(*measured, peak) for measured in zip(prepared, samples, memory, strict=True)]
    machine = report.describe_machine()
    picture = report.save_plot(rows, run.picture("benchmark.png"), machine)
    report.write_table(run.path / "benchmark.md", rows, machine, peak)
    report.print_table(rows, machine, peak)
    result = Result(run.path, machine, peak / 1e9, tuple(rows), (picture,))
    run.finish(result)
    return result


def setup(config: Config) -> Setup:
    """What the rows are prepared with."""
    peers = config.peers and importlib.util.find_spec("torch") is not None
    return Setup(peers, config.compile and not config.quick, config.seed, config.style_steps)


def chosen(config: Config) -> Programs:
    """The rows that were asked for.

    Raises:
        InputError: if there is no such row.
    """
    programs = {name: prepare for room in ROOMS for name, prepare in room.programs(setup(config)).items()}
    found = {n: prepare for n, prepare in programs.items() if not config.rows or any(part in n for part in config.rows)}
    if not found:
        raise InputError(f"--rows {' '.join(config.rows)} names none of: {', '.join(programs)}")
    return found


def measure(prepared: Sequence[Program], *, rounds: int) -> list[dict[str, np.ndarray]]:
    """Times every program and its peers, A B A B, in passes over all rows: a slow spell of the machine spoils a part.

    Args:
        prepared: the programs.
        rounds: samples of each.

    Returns:
        Seconds per call, `(rounds,)` by name, for each program.
    """
    passes = [len(part) for part in np.array_split(np.arange(rounds), min(PASSES, rounds))]
    samples = [[interleaved(p.calls, rounds=n) for p in prepared] for n in passes]
    return [
        {name: np.concatenate([part[name] for part in row]) for name in row[0]} for row in zip(*samples, strict=True)
    ]


def row_of(
    prepared: Program, samples: dict[str, np.ndarray], memory: Mapping[str, int | None], peak: float
) -> report.Row:
    """The row of a table: medians and ratios.

    Args:
        prepared: the program.
        samples: seconds per call by name, "ours" among them.
        memory: bytes at a call's peak, by name.
        peak: operations a second of a large matrix product.

    Returns:
        The row.
    """
    peers = {name: times for name, times in samples.items() if name != "ours"}
    fastest = min(peers.values(), key=np.median, default=None)
    return report.Row(
        name=prepared.name,
        ours=Timing.of(samples["ours"]),
        peers={name: Timing.of(times) for name, times in peers.items()},
        ratio=None if fastest is None else Timing.of(samples["ours"] / fastest),
        compiling=prepared.compiling,
        gigaflops=prepared.costs.operations / 1e9,
        peak_share=prepared.costs.operations / float(np.median(samples["ours"])) / peak,
        memory=dict(memory),
    )


if __name__ == "__main__":
    command(main, Config)
