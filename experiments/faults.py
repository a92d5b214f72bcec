"""What is lost when a training is killed, preempted, damaged or left without room? Breaks small ones and counts.

A captioner, a GAN and a classifier are trained on scenes, once in peace and once under every fault in turn, in an order
drawn at random: SIGKILL at random moments, SIGTERM, Ctrl-C once and twice, a pause, a second process on the directory,
checkpoints with a flipped bit, a cut or a missing file, a clock that moved back, a full disk, a read-only directory;
and one with a learning rate that makes the loss no number. After each fault it must go on from the last whole
checkpoint, and at the end metrics and every array must equal, bit for bit, those of the training in peace. Expected:
no step lost beyond the last checkpoint interval (two where the newest checkpoint was damaged). Captioner and GAN are
also trained by two processes together, of which one is killed, paused or asked to stop; their losses must be those of
one process but for rounding.
A small disk is mounted for two of the faults, which takes the superuser on Linux; others leave these two out.
"""

import itertools
import random
import statistics
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from experiments import fault_kinds, fault_pairs, fault_runs, fault_trials
from experiments.command import MENDABLE, command
from experiments.inputs import require_number
from experiments.tables import Lines, print_table, write_table
from jaxvision.training import new_run, preemptible

TRIALS = (
    partial(fault_trials.Config, "captioner", steps=1500, checkpoint_every=50, steps_per_dispatch=5),
    partial(fault_trials.Config, "gan", steps=160, checkpoint_every=10, steps_per_dispatch=2),
    partial(fault_trials.Config, "classifier", steps=500, checkpoint_every=20, steps_per_dispatch=2),
)
QUICK = (partial(fault_trials.Config, "captioner", steps=300, checkpoint_every=20, steps_per_dispatch=5),)
PAIRS = ("captioner", "gan")  # whose settings do not depend on the number of steps, so that they may train on
NOT_A_NUMBER = "a loss that is no number"
DISK = "size=400m"  # holds the few checkpoints of the largest trial


@dataclass(frozen=True)
class Config:
    """The settings."""

    kills: int = 51
    """SIGKILLs in all, divided among the three trainings"""
    repeats: int = 1
    """how often each of the other faults befalls each training"""
    quick: bool = False
    """one small training and a few faults: a minute"""
    seed: int = 0
    """of the order of the faults and their moments"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/faults-NNN"""


@dataclass(frozen=True)
class Event:
    """One fault and what came of it."""

    training: str
    fault: str
    as_promised: bool
    """exit code and words"""
    step: int
    """the last that the training had told of"""
    lost: int | None
    """steps that had to be taken again; none where it did not end or cannot go on"""
    beyond: int | None
    """of these, those beyond what the checkpoints' interval allows"""
    seconds: float | None
    """from starting the next process, its imports left out, to its first new step"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    events: tuple[Event, ...]
    trainings: int
    """that were broken and brought to their end"""
    same_bits: int
    """of these, those that ended with the bits of the training in peace"""
    pairs: dict[str, float]
    """of trainings by two processes: the largest relative difference of a loss from that of one process"""


def main(config: Config) -> Result:
    """Breaks trainings and writes the table.

    Raises:
        InputError: if a number is out of range.
    """
    for flag, least in (("kills", 0), ("repeats", 0)):
        require_number(config, flag, at_least=least)
    events: list[Event] = []
    ends: list[bool] = []
    pairs: dict[str, float] = {}
    with preemptible(), new_run("faults", config, run_dir=config.run_dir) as run:  # a disk is to be taken down
        scenes = run.path.absolute() / "scenes.npz"
        fault_trials.write_scenes(scenes)
        trials = [trial(scenes) for trial in (QUICK if config.quick else TRIALS)]
        for number, trial in enumerate(trials):
            chance = random.Random(f"{config.seed} {trial.kind}")
            kills = config.kills // len(trials) + (number < config.kills % len(trials))
            with _disk(run.path.absolute() / "trials" / trial.kind) as (folder, mounted):
                order = _order(config, kills, chance, mounted=mounted)
                for event in _endured(folder, trial, order, chance, ends):
                    events.append(event)
                    run.note(f"{trial.kind}, step {event.step}: {event.fault}, {_words(event)}")
                    write_table(run.path / "faults.md", table(events), f"{len(events)} faults so far")
                if trial.kind in PAIRS and config.repeats and not config.quick:
                    both = replace(trial, steps=2**30, run_dir=folder / "pair" / "run")
                    for event in _pair(both, config.repeats, chance):
                        events.append(event)
                        run.note(f"{event.training}, step {event.step}: {event.fault}, {_words(event)}")
                    pairs[trial.kind] = fault_pairs.difference(folder / "peace", folder / "pair" / "run")
        result = Result(run.path, tuple(events), len(ends), sum(ends), pairs)
        caption = (
            f"{result.same_bits} of {result.trainings} broken trainings ended with the bits of those in peace. Kept: "
            "how often exit code and words were as promised; lost: steps to be taken again, at most, of checkpoints "
            f"every {', '.join(f'{t.checkpoint_every} ({t.kind})' for t in trials)}; beyond: of these beyond the "
            "interval; on: until the first new step, imports left out, median and most"
            + "".join(f"; {kind} by two processes, loss within {error:.0e} of one" for kind, error in pairs.items())
        )
        write_table(run.path / "faults.md", table(events), caption)
        print_table(table(events), caption)
        run.finish(result)
    return result


def table(events: Sequence[Event]) -> Lines:
    """A line for each fault, in the order of `fault_kinds.FAULTS`."""
    lines: list[tuple[str, ...]] = [("what was done", "times", "kept", "lost", "beyond", "on, s", "most, s")]
    of_pairs = (fault_pairs.KILLED, fault_pairs.PAUSED, fault_pairs.STOPPED)
    for fault in (*fault_kinds.FAULTS, NOT_A_NUMBER, *of_pairs):
        found = [event for event in events if event.fault == fault]
        lost = [event.lost for event in found if event.lost is not None]
        beyond = [event.beyond for event in found if event.beyond is not None]
        seconds = [event.seconds for event in found if event.seconds is not None]
        numbers = (str(max(lost)), str(max(beyond))) if lost else ("", "")
        times = (f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}") if seconds else ("", "")
        if found:
            promised = sum(event.as_promised for event in found)
            lines.append((fault, str(len(found)), str(promised), *numbers, *times))
    return lines


def _order(config: Config, kills: int, chance: random.Random, *, mounted: bool) -> list[str]:
    """Names of faults, shuffled."""
    killed, *others = fault_kinds.FAULTS
    if config.quick:
        others = [name for name in others if fault_kinds.FAULTS[name] in fault_kinds.QUICK]
        kills = min(kills, 2)
    possible = [name for name in others if mounted or fault_kinds.FAULTS[name] not in fault_kinds.NEEDS_A_DISK]
    order = [killed] * kills + possible * config.repeats
    chance.shuffle(order)
    return order


def _endured(
    folder: Path, trial: fault_trials.Config, order: Sequence[str], chance: random.Random, ends: list[bool]
) -> Generator[Event, None, None]:
    """A training under all these faults, or as many as that takes; `ends` gets whether each ended as in peace."""
    peace = replace(trial, run_dir=folder / "peace")
    running = fault_runs.start(peace)
    fault_runs.trained_on(running)
    began = time.monotonic()
    assert fault_runs.ended(running) == 0, running.said
    window = min(1.0, (time.monotonic() - began) / 10)
    wanted = fault_runs.digest(folder / "peace")
    yield _not_a_number(folder, trial)
    running, left, number = None, list(order), itertools.count(1)
    while left:
        if running is None:
            running = fault_runs.start(replace(trial, run_dir=folder / f"broken-{next(number)}"))
            fault_runs.trained_on(running)
        time.sleep(chance.uniform(0, window))
        if fault_runs.last_step(_folder(running)) > 0.7 * trial.steps:  # too near its end for what is still to come
            ends.append(_finished(running, wanted))
            running = None
            continue
        running, event = _befallen(running, left.pop(), chance)
        if running is None:
            ends.append(False)
        yield event
    if running is not None:
        ends.append(_finished(running, wanted))


def _befallen(
    running: fault_runs.Running, fault: str, chance: random.Random
) -> tuple[fault_runs.Running | None, Event]:
    """A fault, and the process that goes on after it; none where it does not."""
    function, trial = fault_kinds.FAULTS[fault], running.trial
    try:
        promised = function(running, chance)
        step = fault_runs.last_step(_folder(running))
        if running.process.exitcode is None:
            return running, Event(trial.kind, fault, promised, step, None, None, None)
        running = fault_runs.start(fault_runs.resumed(trial))
        seconds = fault_runs.trained_on(running)
    except RuntimeError:  # it ended too early or too late; what it said is in its log
        running.process.kill()
        return None, Event(trial.kind, fault, False, fault_runs.last_step(_folder(running)), None, None, None)
    found = running.resumed_from
    assert found is not None
    damaged = function in fault_kinds.DAMAGE
    told = any(words in running.said for words in ("is damaged", "whole checkpoint", "cannot be read"))
    promised &= told or not damaged
    beyond = max(0, step - found - trial.checkpoint_every * (1 + damaged))
    return running, Event(trial.kind, fault, promised, step, step - found, beyond, seconds)


def _pair(trial: fault_trials.Config, repeats: int, chance: random.Random) -> Generator[Event, None, None]:
    for blow in fault_pairs.struck(trial, repeats, chance):
        beyond = None if blow.lost is None else max(0, blow.lost - trial.checkpoint_every)
        name = f"{trial.kind} by two processes"
        yield Event(name, blow.fault, blow.as_promised, blow.step, blow.lost, beyond, blow.seconds)


def _not_a_number(folder: Path, trial: fault_trials.Config) -> Event:
    """Steps so long that the loss becomes infinite or no number at all."""
    running = fault_runs.start(replace(trial, run_dir=folder / "not-a-number", learning_rate=1e30))
    code, said = fault_runs.ended(running), running.said
    told = code == MENDABLE and " at step " in said and "checkpoint" in said and "Traceback" not in said
    return Event(trial.kind, NOT_A_NUMBER, told, fault_runs.last_step(_folder(running)), None, None, None)


def _finished(running: fault_runs.Running, wanted: str) -> bool:
    return fault_runs.ended(running) == 0 and fault_runs.digest(_folder(running)) == wanted


def _folder(running: fault_runs.Running) -> Path:
    assert running.trial.run_dir is not None
    return running.trial.run_dir


def _words(event: Event) -> str:
    promised = "as promised" if event.as_promised else "NOT as promised"
    return promised if event.seconds is None else f"{promised}, {event.lost} steps lost, on in {event.seconds:.1f} s"


@contextmanager
def _disk(folder: Path) -> Generator[tuple[Path, bool], None, None]:
    """The folder as a small disk of its own where that is allowed, and whether it is one."""
    folder.mkdir(parents=True)
    try:
        command = ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:  # not every system has the command
        mounted = False
    try:
        yield folder, mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)


if __name__ == "__main__":
    command(main, Config)
