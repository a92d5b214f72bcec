"""Processes that train and may be broken: started, watched from outside through their files, compared when done."""

import hashlib
import json
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import jax
import numpy as np
from orbax.checkpoint import v1 as orbax

from experiments import fault_trials
from experiments.command import command
from jaxvision.training import checkpoints

PATIENCE = 300.0  # seconds until a process that should do something is given up
LOOK = 0.01  # seconds between two looks


@dataclass
class Running:
    """A process on a run directory.

    Attributes:
        trial: its settings.
        process: the process.
        began: when it was started, by the monotonic clock.
        log: what it says.
        read_before: length of the log when it was started, bytes.
        metrics_before: the file of metrics that it found; going on replaces it.
    """

    trial: fault_trials.Config
    process: BaseProcess
    began: float
    log: Path
    read_before: int
    metrics_before: int | None

    @property
    def said(self) -> str:
        """What this process said so far."""
        with self.log.open("rb") as stream:
            stream.seek(self.read_before)
            return stream.read().decode(errors="replace")

    @property
    def resumed_from(self) -> int | None:
        """The step of the checkpoint that it goes on from; None while it has not said so."""
        if not self.trial.resume:
            return 0
        for line in self.said.splitlines():
            if line.endswith("starting at step 0"):
                return 0
            if line.startswith("Going on from"):
                return int(line.rsplit("step-", 1)[1].split("-")[0])
        return None


def start(trial: fault_trials.Config) -> Running:
    """A process that trains: forked from one that has imported everything and computed nothing, to save the seconds.

    What it says goes into a file beside the folder that its run directory is in, which may be a disk of its own.
    """
    assert trial.run_dir is not None
    log = trial.run_dir.parent.with_suffix(".log")
    log.touch()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["experiments.fault_runs"])
    process = context.Process(target=_train, args=(trial, log), daemon=True)
    metrics = trial.run_dir / "metrics.jsonl"
    before = metrics.stat().st_ino if metrics.exists() else None
    running = Running(trial, process, time.monotonic(), log, log.stat().st_size, before)
    process.start()
    return running


def trained_on(running: Running) -> float:
    """Waits until the process has taken a step beyond those it found.

    Returns:
        Seconds since it was started.

    Raises:
        RuntimeError: it ended or took too long.
    """

    def steps() -> bool:
        folder, found = running.trial.run_dir, running.resumed_from
        assert folder is not None
        metrics = folder / "metrics.jsonl"
        if found is None or not metrics.exists() or metrics.stat().st_ino == running.metrics_before:
            return False
        return last_step(folder) > found

    wait_for(steps, running)
    return time.monotonic() - running.began


def ended(running: Running) -> int:
    """Waits for the process to end, and gives its exit code."""
    running.process.join(PATIENCE)
    if running.process.exitcode is None:
        running.process.kill()
        raise RuntimeError(f"a process did not end in {PATIENCE:g} s: see {running.log}")
    return running.process.exitcode


def wait_for(reached: Callable[[], bool], running: Running) -> None:
    """Waits until something is so.

    Raises:
        RuntimeError: the process ended before, or it took too long.
    """
    deadline = time.monotonic() + PATIENCE
    while not reached():
        over = time.monotonic() > deadline
        if running.process.exitcode is not None and not reached():
            raise RuntimeError(f"a process ended with {running.process.exitcode} too early: see {running.log}")
        if over:
            raise RuntimeError(f"a process took longer than {PATIENCE:g} s: see {running.log}")
        time.sleep(LOOK)


def last_step(folder: Path) -> int:
    """The last step that a run has told of."""
    path = folder / "metrics.jsonl"
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return json.loads(lines[-2])["step"] if len(lines) > 1 else 0  # after the last newline: nothing, or half a line


def digest(folder: Path) -> str:
    """A SHA-256 of all that a finished run computed: its metrics of every step, and every array of its last state."""
    path = checkpoints.latest(folder / "checkpoints").path
    sums = hashlib.sha256((folder / "metrics.jsonl").read_bytes() + (path / checkpoints.TREE).read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the arrays' devices are read from the file
        arrays = orbax.load(str(path.absolute() / checkpoints.ARRAYS))
    for name in sorted(arrays):
        sums.update(name.encode() + np.asarray(arrays[name]).tobytes())
    return sums.hexdigest()


def resumed(trial: fault_trials.Config) -> fault_trials.Config:
    """The settings to go on with."""
    return replace(trial, resume=True)


def _train(trial: fault_trials.Config, log: Path) -> None:
    """In the process: what `python -m` would do, its words into a file, its programs into a folder of these runs."""
    words = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(words, stream)
    jax.config.update("jax_compilation_cache_dir", str(trial.scenes.parent / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    given = {name.replace("_", "-"): value for name, value in vars(trial).items() if value is not False}
    flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
    return command(fault_trials.main, fault_trials.Config, args=flags)
