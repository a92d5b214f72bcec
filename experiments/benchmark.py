"""Benchmark: every compiled step against what a user would run instead, and against this machine's own limit.

Each row is one compiled program, timed in turn with its peers, A B A B, in three passes over all rows. Ours and theirs
have a process each, with as many threads; results are compared before anything is timed. A peer is PyTorch in every
form that it offers (eager, channels-last, torch.compile with each), another library, the NumPy reference, or the same
thing in a loop. Reported: the median of the samples with the quartiles in brackets, the ratio to the fastest peer
(below 1.0: ours is faster), compile time at first and with the program on disk, the shares of the speed that a large
matrix product reaches here and of the memory's (bytes as the compiler counts them, those from a cache included: more
than all of it is possible), and on Linux the peak of a call's memory beside that of the same peer.
--rows "style transfer" --style-steps 200 --rounds 3 times whole transfers, --against RESULT says which ratios are other
than in an earlier result.json.

PyTorch comes with the extra `peers`; without it, or with --no-peers, many rows have no peer. Close other programs
first: a busy machine slows PyTorch more than JAX. Expected on two CPU cores: the ratios in the README.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments import benchmark_changes, benchmark_rows
from experiments import benchmark_report as report
from experiments.benchmark_program import Programs, Setup
from experiments.benchmark_sides import Prepared, Side
from experiments.command import command
from experiments.inputs import require_number
from experiments.timing import Timer, Timing, interleaved, matmul_peak, memory_bandwidth
from jaxvision.training import Run, new_run

PASSES = 3


@dataclass(frozen=True)
class Config:
    """The settings of one benchmark."""

    rows: tuple[str, ...] = ()
    """only rows with one of these words in their names; none: all"""
    rounds: int = 30
    """samples of each program (a count)"""
    style_steps: int | None = None
    """steps of the style transfers (a count); none: 20 at 192 px, 5 at 512 px and 3 at 1024 px"""
    peers: bool = True
    """measure PyTorch beside it"""
    compile: bool = True
    """include torch.compile, about a minute for each row"""
    quick: bool = False
    """five rounds, no torch.compile: a first look, not a result"""
    against: Path | None = None
    """result.json of an earlier benchmark: says which ratios to the others have changed since"""
    seed: int = 0
    """of weights and images; the speed does not depend on it"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/benchmark-NNN"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    machine: report.Machine
    rows: tuple[report.Row, ...]
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Times every row and writes table, plot and numbers.

    Args:
        config: the settings.

    Returns:
        All rows.

    Raises:
        InputError: if a count is below 1, no row has such a name, or the earlier result cannot be read.
        FloatingPointError: if ours and a peer's results differ.
    """
    for flag in ("rounds", "style_steps"):
        require_number(config, flag, at_least=1)
    setup = setup_of(config)
    names = benchmark_rows.chosen(setup, config.rows)
    before = None if config.against is None else benchmark_changes.read_ratios(config.against)
    with new_run("benchmark", config, run_dir=config.run_dir) as run:
        if not setup.peers:
            run.note("Without PyTorch, many rows have only our own times")
        rounds = min(5, config.rounds) if config.quick else config.rounds
        result = time_all(run, benchmark_rows.programs, setup, names, rounds=rounds)
        if before is not None:
            benchmark_changes.print_changes(before, result.rows)
    return result


def time_all(run: Run, make: Callable[[Setup], Programs], setup: Setup, names: Sequence[str], *, rounds: int) -> Result:
    """Prepares and times rows and finishes the run with table, plot and numbers.

    Args:
        run: to be finished.
        make: setup to rows, a function of a module.
        setup: of the rows.
        names: of the rows to be timed.
        rounds: samples of each.

    Returns:
        All rows.
    """
    machine = report.Machine(report.describe_machine(), matmul_peak(), memory_bandwidth())
    with ExitStack() as stack:
        ours, others = (stack.enter_context(Side(make, s)) for s in (setup._replace(peers=False), setup))
        prepared = dict[str, Prepared]()
        for name in names:
            ours.prepare(name)
            prepared[name] = others.prepare(name)
            run.note(f"{name}: compiled in {prepared[name].compiling.cold:.1f} s")
        run.note(f"Timing {rounds} rounds")
        side = {"ours": ours}
        timers = {
            name: {form: side.get(form, others).timer(name, form) for form in row.forms}
            for name, row in prepared.items()
        }
        samples = measure(timers, rounds=rounds)
        memory = {
            name: {form: side.get(form, others).memory(name, form) for form in row.forms}
            for name, row in prepared.items()
        }
    rows = [row_of(name, prepared[name], samples[name], memory[name], machine) for name in names]
    picture = report.save_plot(rows, run.picture("benchmark.png"), machine)
    report.write_table(run.path / "benchmark.md", rows, machine)
    report.print_table(rows, machine)
    result = Result(run.path, machine, tuple(rows), (picture,))
    run.finish(result)
    return result


def setup_of(config: Config) -> Setup:
    """What the rows are prepared with."""
    peers = config.peers and importlib.util.find_spec("torch") is not None
    return Setup(peers, config.compile and not config.quick, config.seed, config.style_steps)


def measure(timers: Mapping[str, Mapping[str, Timer]], *, rounds: int) -> dict[str, dict[str, np.ndarray]]:
    """Times every row's forms, A B A B, in passes over all rows: a slow spell of the machine spoils a part.

    Args:
        timers: by row and form.
        rounds: samples of each.

    Returns:
        Seconds per call, `(rounds,)` by row and form.
    """
    parts = [len(part) for part in np.array_split(np.arange(rounds), min(PASSES, rounds))]
    passes = [{row: interleaved(forms, rounds=n) for row, forms in timers.items()} for n in parts]
    return {
        row: {form: np.concatenate([part[row][form] for part in passes]) for form in forms}
        for row, forms in timers.items()
    }


def row_of(
    name: str,
    prepared: Prepared,
    samples: Mapping[str, np.ndarray],
    memory: Mapping[str, int | None],
    machine: report.Machine,
) -> report.Row:
    """The row of a table: medians and ratios.

    Args:
        name: of the row.
        prepared: what is known of it.
        samples: seconds per call by form, "ours" among them.
        memory: bytes at a call's peak, by form.
        machine: its limits.

    Returns:
        The row.
    """
    peers = {form: times for form, times in samples.items() if form != "ours"}
    fastest = min(peers.values(), key=np.median, default=None)
    seconds, (operations, n_bytes) = float(np.median(samples["ours"])), prepared.costs
    return report.Row(
        name=name,
        n_steps=prepared.n_steps,
        ours=Timing.of(samples["ours"]),
        peers={form: Timing.of(times) for form, times in peers.items()},
        ratio=None if fastest is None else Timing.of(samples["ours"] / fastest),
        compiling=prepared.compiling,
        gigaflops=operations / 1e9,
        peak_share=operations / seconds / machine.peak,
        gigabytes=None if n_bytes is None else n_bytes / 1e9,
        bandwidth_share=None if n_bytes is None else n_bytes / seconds / machine.bandwidth,
        memory=dict(memory),
    )


if __name__ == "__main__":
    command(main, Config)
