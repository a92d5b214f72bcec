"""Two processes that train together, of which one is killed, paused or asked to stop."""

import json
import random
import signal
import socket
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments import fault_runs, fault_trials
from experiments.command import MENDABLE, PREEMPTED
from experiments.fault_kinds import send
from experiments.fault_runs import Running

KILLED, PAUSED, STOPPED = "one of two processes killed", "one of two paused for a second", "SIGTERM to one of two"


@dataclass(frozen=True)
class Blow:
    """What befell a pair, and what came of it.

    Attributes:
        fault: one of the three.
        as_promised: exit codes and words.
        step: the last that the training had told of.
        lost: steps that had to be taken again; None where it went on by itself.
        seconds: from starting both again, imports left out, to the first new step.
    """

    fault: str
    as_promised: bool
    step: int
    lost: int | None
    seconds: float | None


def struck(trial: fault_trials.Config, repeats: int, chance: random.Random) -> Generator[Blow, None, None]:
    """A pair under every fault, in an order drawn at random; at the end it is told to stop.

    Args:
        trial: its settings, with a run directory of its own; long enough for all that is to come.
        repeats: of each fault.
        chance: draws order, moments and which of the two.
    """
    pair = _started(trial)
    fault_runs.trained_on(pair[0])
    order = [KILLED, PAUSED, STOPPED] * repeats
    chance.shuffle(order)
    for fault in order:
        time.sleep(chance.uniform(0, 1))
        victim = chance.randrange(2)
        if fault == PAUSED:
            yield Blow(fault, _paused(pair, victim), fault_runs.last_step(_folder(trial)), None, None)
            continue
        number = signal.SIGKILL if fault == KILLED else signal.SIGTERM
        send(pair[victim], number)
        codes = [fault_runs.ended(process) for process in pair]
        # Who misses the other first: the program itself, or JAX's runtime, which aborts.
        others = (MENDABLE, -signal.SIGABRT)
        promised = codes[1 - victim] in others if fault == KILLED else codes == [PREEMPTED, PREEMPTED]
        step, again = fault_runs.last_step(_folder(trial)), _started(fault_runs.resumed(trial))
        seconds = fault_runs.trained_on(again[0])
        found = again[0].resumed_from
        assert found is not None
        yield Blow(fault, promised, step, step - found, seconds)
        pair = again
    send(pair[0], signal.SIGTERM)
    for process in pair:
        fault_runs.ended(process)


def difference(one: Path, other: Path) -> float:
    """The largest relative difference of a loss between two runs, over the steps that both took.

    Args:
        one: a run directory.
        other: another.

    Returns:
        `max_t |a_t - b_t| / |a_t|` of the metrics that are a loss: one of a captioner, two of a GAN.
    """
    rows = [[json.loads(line) for line in _lines(run)] for run in (one, other)]
    losses = [name for name in rows[0][0] if name.endswith("loss")]
    return max(abs(a[name] - b[name]) / abs(a[name]) for a, b in zip(*rows, strict=False) for name in losses)


def _started(trial: fault_trials.Config) -> Sequence[Running]:
    with socket.socket() as free:  # the first process listens there
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [fault_runs.start(replace(trial, hosts=f"127.0.0.1:{port},2,{index}")) for index in range(2)]


def _paused(pair: Sequence[Running], victim: int) -> bool:
    """Held still for a second; both go on by themselves."""
    send(pair[victim], signal.SIGSTOP)
    time.sleep(1)
    before = fault_runs.last_step(_folder(pair[0].trial))
    send(pair[victim], signal.SIGCONT)
    fault_runs.wait_for(lambda: fault_runs.last_step(_folder(pair[0].trial)) > before, pair[0])
    return True


def _folder(trial: fault_trials.Config) -> Path:
    assert trial.run_dir is not None
    return trial.run_dir


def _lines(run: Path) -> list[str]:
    return (run / "metrics.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
