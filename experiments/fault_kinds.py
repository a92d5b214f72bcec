"""What can befall a training: each fault a function of a running process that says whether all went as promised."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.command import INTERRUPTED, MENDABLE, PREEMPTED
from experiments.fault_runs import Running, ended, last_step, resumed, start, wait_for
from jaxvision.training import checkpoints

Fault = Callable[[Running, random.Random], bool]
"""`(running, chance) -> whether exit code and words are as promised`; the process may still run after it."""


def killed(running: Running, chance: random.Random) -> bool:
    """`kill -9`, at any moment: in a step, in writing metrics, in writing a checkpoint."""
    return _signalled(running, signal.SIGKILL) == -signal.SIGKILL


def terminated(running: Running, chance: random.Random) -> bool:
    """SIGTERM, as a scheduler sends it before it takes the machine away."""
    code = _signalled(running, signal.SIGTERM)
    return code == PREEMPTED and "Preempted: go on with" in running.said and _saved_all(running)


def interrupted(running: Running, chance: random.Random) -> bool:
    """Ctrl-C."""
    code = _signalled(running, signal.SIGINT)
    return code == INTERRUPTED and "Interrupted: go on with" in running.said and _saved_all(running)


def interrupted_twice(running: Running, chance: random.Random) -> bool:
    """Ctrl-C, and again before the first has been answered."""
    send(running, signal.SIGINT)
    time.sleep(chance.uniform(0, 0.05))
    code = _signalled(running, signal.SIGINT)
    return code in (INTERRUPTED, -signal.SIGINT)  # the second may come while Python itself is ending


def paused(running: Running, chance: random.Random) -> bool:
    """SIGSTOP, and SIGCONT after a second; the process goes on by itself."""
    send(running, signal.SIGSTOP)
    time.sleep(1)
    before = last_step(_folder(running))
    send(running, signal.SIGCONT)
    wait_for(lambda: last_step(_folder(running)) > before, running)
    return True


def shared(running: Running, chance: random.Random) -> bool:
    """A second process on the same directory, while the first is held still; it then goes on by itself."""
    send(running, signal.SIGSTOP)
    before, second = last_step(_folder(running)), start(resumed(running.trial))
    try:
        told = ended(second) == MENDABLE and f"in use by process {running.process.pid} on" in second.said
    finally:
        send(running, signal.SIGCONT)
    wait_for(lambda: last_step(_folder(running)) > before, running)
    return told


def bit_flipped(running: Running, chance: random.Random) -> bool:
    """Killed, and one bit of the newest checkpoint turned over."""
    file = _victim(running, chance)
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    return True


def truncated(running: Running, chance: random.Random) -> bool:
    """Killed, and one file of the newest checkpoint cut short."""
    file = _victim(running, chance)
    os.truncate(file, chance.randrange(file.stat().st_size))
    return True


def deleted(running: Running, chance: random.Random) -> bool:
    """Killed, and one file of the newest checkpoint removed."""
    _victim(running, chance).unlink()
    return True


def clock_moved_back(running: Running, chance: random.Random) -> bool:
    """Killed, and the clock a day behind the files: they are all dated a day ahead, the oldest checkpoint furthest."""
    killed(running, chance)
    for path in _folder(running).rglob("*"):
        step = int(path.name.split("-")[1]) if path.name.startswith("step-") else 0
        os.utime(path, (later := time.time() + 86_400 - step, later))
    return True


def disk_full(running: Running, chance: random.Random) -> bool:
    """The disk fills up while it trains; then there is room again."""
    filler = _folder(running).parent / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(1 << 12))
        except OSError:
            pass
        code = ended(running)
    filler.unlink()
    return code == MENDABLE and "disk is full" in running.said and "Traceback" not in running.said


def read_only(running: Running, chance: random.Random) -> bool:
    """Killed, its directory made read-only, and an attempt to go on; then it may be written again."""
    killed(running, chance)
    disk = _folder(running).parent
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        second = start(resumed(running.trial))
        code = ended(second)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    return code == MENDABLE and "read-only" in second.said and "Traceback" not in second.said


DAMAGE: tuple[Fault, ...] = (bit_flipped, truncated, deleted)
QUICK: tuple[Fault, ...] = (terminated, shared, bit_flipped)
NEEDS_A_DISK: tuple[Fault, ...] = (disk_full, read_only)
FAULTS: Mapping[str, Fault] = {
    "kill -9 at a random moment": killed,
    "SIGTERM (preemption)": terminated,
    "Ctrl-C": interrupted,
    "Ctrl-C twice": interrupted_twice,
    "paused for a second (SIGSTOP, SIGCONT)": paused,
    "a second process on the directory": shared,
    "a bit of the newest checkpoint flipped": bit_flipped,
    "a file of the newest checkpoint cut": truncated,
    "a file of the newest checkpoint deleted": deleted,
    "clock a day back": clock_moved_back,
    "disk full": disk_full,
    "directory read-only": read_only,
}


def _folder(running: Running) -> Path:
    assert running.trial.run_dir is not None
    return running.trial.run_dir


def send(running: Running, number: signal.Signals) -> None:
    """Sends a signal to the process."""
    assert running.process.pid is not None
    os.kill(running.process.pid, number)


def _signalled(running: Running, number: signal.Signals) -> int:
    send(running, number)
    return ended(running)


def _saved_all(running: Running) -> bool:
    newest = checkpoints.latest(_folder(running) / "checkpoints").path
    return int(newest.name.split("-")[1]) == last_step(_folder(running))


def _victim(running: Running, chance: random.Random) -> Path:
    """Killed, with two checkpoints at least; a file of the newest, larger ones more often."""
    wait_for(lambda: len(checkpoints.found(_folder(running) / "checkpoints")) > 1, running)
    killed(running, chance)
    newest = checkpoints.found(_folder(running) / "checkpoints")[0]
    files = sorted(path for path in newest.rglob("*") if path.is_file() and path.stat().st_size)
    return chance.choices(files, [path.stat().st_size for path in files])[0]
