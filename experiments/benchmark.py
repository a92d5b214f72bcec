"""Benchmark: every compiled step against what a PyTorch user would run, and against this machine's own limit.

Each row is one compiled program, timed in turn with every form that PyTorch offers (eager, channels-last,
torch.compile with each), A B A B, in three passes over all rows; results are compared before anything is timed.
Reported: the median of the samples with the quartiles in brackets, the ratio to PyTorch's fastest form (below 1.0: ours
is faster), compile time, the share of the speed that a large matrix product reaches here, and on Linux the peak of a
call's memory beside that of the same form. --rows "style transfer" --style-steps 200 --rounds 3 times whole transfers.

PyTorch comes with the extra `peers`; without it, or with --no-peers, only our own times are measured. Close other
programs first: a busy machine slows PyTorch more than JAX. Expected on two CPU cores: the ratios in the README.
"""

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import benchmark_report as report
from experiments.benchmark_steps import STEPS, Step, forward, with_style_steps
from experiments.command import command
from experiments.inputs import require_number
from experiments.peak_memory import peak_memory
from experiments.timing import Timing, compiled, flops, interleaved, matmul_peak
from jaxvision.backbones import logits_fn, squeezenet1_1, state_dict
from jaxvision.errors import InputError
from jaxvision.training import Run, new_run

SIZE = 224
LABEL_RANK = 50
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


@dataclass(frozen=True)
class Prepared:
    """A program and its peers, compiled and compared."""

    name: str
    calls: dict[str, Callable[[], Any]]
    """"ours", and the peers' forms by name"""
    compile_seconds: float
    operations: float
    """floating-point operations of one call"""


def main(config: Config) -> Result:
    """Times every row and writes table, plot and numbers.

    Args:
        config: the settings.

    Returns:
        All rows.

    Raises:
        InputError: if a count is below 1 or no row has such a name.
        FloatingPointError: if ours and PyTorch's results differ.
    """
    for flag in ("rounds", "style_steps"):
        require_number(config, flag, at_least=1)
    steps = chosen(config)
    rounds = min(5, config.rounds) if config.quick else config.rounds
    classifier = squeezenet1_1(key=jax.random.key(config.seed))
    forms = peer_forms(state_dict(classifier), config) if config.peers else {}
    with new_run("benchmark", config, run_dir=config.run_dir) as run:
        if not forms:
            run.note("Without PyTorch, only our own times are measured")
        return time_all(run, (prepare(step, classifier, forms, seed=config.seed) for step in steps), rounds=rounds)


def time_all(run: Run, programs: Iterable[Prepared], *, rounds: int, peers: str = "PyTorch") -> Result:
    """Times all programs and their peers and finishes the run with table, plot and numbers.

    Args:
        run: to be finished.
        programs: compiled and compared.
        rounds: samples of each.
        peers: what the others are called together.

    Returns:
        All rows.
    """
    peak, prepared = matmul_peak(), []
    for program in programs:
        prepared.append(program)
        run.note(f"{program.name}: compiled in {program.compile_seconds:.1f} s")
    run.note(f"Timing {rounds} rounds")
    samples = measure(prepared, rounds=rounds)
    memory = [{name: peak_memory(call) for name, call in p.calls.items()} for p in prepared]
    rows = [row_of(*measured, peak) for measured in zip(prepared, samples, memory, strict=True)]
    machine = report.describe_machine()
    picture = report.save_plot(rows, run.picture("benchmark.png"), machine, peers=peers)
    report.write_table(run.path / "benchmark.md", rows, machine, peak, peers=peers)
    report.print_table(rows, machine, peak, peers=peers)
    result = Result(run.path, machine, peak / 1e9, tuple(rows), (picture,))
    run.finish(result)
    return result


def chosen(config: Config) -> tuple[Step, ...]:
    """The rows that were asked for.

    Raises:
        InputError: if there is no such row.
    """
    steps = with_style_steps(STEPS, config.style_steps)
    found = tuple(step for step in steps if not config.rows or any(part in step.name for part in config.rows))
    if not found:
        raise InputError(f"--rows {' '.join(config.rows)} names none of: {', '.join(step.name for step in steps)}")
    return found


def prepare(step: Step, model: Callable, forms: Mapping[str, Any], *, seed: int) -> Prepared:
    """Compiles one program and compares its result with every peer's.

    Args:
        step: the program.
        model: images to logits and activations.
        forms: PyTorch's forms of it, see `peers.forms`; may be empty.
        seed: of the images.

    Returns:
        What is to be timed.

    Raises:
        FloatingPointError: if a result differs from a peer's by more than a hundredth of its norm.
    """
    side = step.size or SIZE
    images = jax.random.normal(jax.random.key(seed), (step.n, side, side, 3))
    # A class well below the first, so that no fooling run ends early, but above the last ReLU's zero.
    logits = jax.jit(forward)(logits_fn(model), images, jnp.zeros(step.n, jnp.int32))
    labels = jnp.argsort(-logits, axis=1)[:, LABEL_RANK].astype(jnp.int32)
    call, compile_seconds = compiled(step.ours, *step.arguments(model, images, labels))
    calls = {"ours": call} | {
        name: step.theirs(form, np.asarray(images), np.asarray(labels)) for name, form in forms.items()
    }
    expected = np.asarray(call())
    for name in forms:
        found = calls[name]().numpy()
        found = found.transpose(0, 2, 3, 1) if found.ndim == 4 else found
        report.require_same(step.name, name, expected, found, n_steps=step.n_steps)
    operations = step.n * step.n_steps * flops(step.one, *step.arguments(model, images[:1], labels[:1]))
    return Prepared(step.name, calls, compile_seconds, operations)


def measure(prepared: Sequence[Prepared], *, rounds: int) -> list[dict[str, np.ndarray]]:
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
    prepared: Prepared, samples: dict[str, np.ndarray], memory: Mapping[str, int | None], peak: float
) -> report.Row:
    """The row of a table: medians and ratios.

    Args:
        prepared: the program.
        samples: seconds per call by name, "ours" among them.
        memory: bytes at a call's peak, by name.
        peak: operations per second of a large matrix product.

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
        compile_seconds=prepared.compile_seconds,
        gigaflops=prepared.operations / 1e9,
        peak_share=prepared.operations / float(np.median(samples["ours"])) / peak,
        memory=dict(memory),
    )


def peer_forms(tensors: Mapping[str, np.ndarray], config: Config) -> Mapping[str, Any]:
    """PyTorch's forms of the classifier, none where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return {}
    from experiments import peers  # noqa: PLC0415 - PyTorch is an extra

    return peers.forms(tensors, compile=config.compile and not config.quick)


if __name__ == "__main__":
    command(main, Config)
