"""Run directories: everything one run leaves behind, in one folder that is never overwritten.

runs/train_classifier-001/
    config.json      the resolved settings
    metrics.jsonl    one line per step
    events.out.*     the same for TensorBoard (`tensorboard --logdir runs`)
    checkpoints/     the newest few states
    pictures/        figures
    result.json      what came out
    run.lock         who works in it, while it is open
"""

import dataclasses
import json
import math
import os
import platform
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.errors import InputError
from jaxvision.files import atomic_write, exclusive, parse_json, writing_error
from jaxvision.training import checkpoints
from jaxvision.training.hosts import is_first
from jaxvision.training.tensorboard import EventFile

LOCK = "run.lock"  # of `files.exclusive`, there while a run is open


class Run:
    """An open run directory; use it in a `with` block or call `close`.

    While it is open nobody else can open it, where the file system has locks; the operating system lets go of the lock
    of a process that was killed.

    Attributes:
        path: the folder.
        checkpoints: the folder of its states.
    """

    def __init__(self, path: str | os.PathLike[str], *, checkpoints: Path | None = None):
        self.path = Path(path)
        self.checkpoints = checkpoints or self.path / "checkpoints"
        self._metrics = None
        self._board = None
        self._alone: ExitStack | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[Path] | None = None
        self._path: Path | None = None  # of the last that was written

    def __enter__(self) -> "Run":
        return self.hold()

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self) -> "Run":
        """Locks the folder until `close`; `new_run`, `resumed_run` and a `with` block do.

        Returns:
            This run.

        Raises:
            InputError: another process has it, or the folder cannot be written.
        """
        if self._alone is None:
            with ExitStack() as stack:
                try:
                    stack.enter_context(exclusive(self.path / "run", waiting=lambda: _refuse(self.path)))
                    holder = f"process {os.getpid()} on {platform.node()}"  # the lock itself is the system's, not this
                    (self.path / LOCK).write_text(holder, encoding="utf-8")
                except OSError as error:
                    raise writing_error(self.path / LOCK, error) from error
                self._alone = stack.pop_all()
        return self

    def log(self, done: int, metrics: Mapping[str, np.ndarray]) -> None:
        """Appends the metrics of the steps `done + 1, done + 2, ...` to `metrics.jsonl` and TensorBoard's events.

        Args:
            done: how many steps had been taken before these.
            metrics: name to one value per step, `(n,)` each.

        Raises:
            InputError: the folder cannot be written or the disk is full.
        """
        rows = [
            dict(zip(metrics, row, strict=True)) for row in zip(*(m.tolist() for m in metrics.values()), strict=True)
        ]
        try:
            if self._metrics is None:
                self._metrics = self._metrics_path.open("a", encoding="utf-8")
                self._board = EventFile(self.path, purge_step=done + 1)
            assert self._board is not None
            for step, row in enumerate(rows, start=done + 1):
                self._metrics.write(json.dumps({"step": step, **row}) + "\n")
                self._board.write(step, row)
            self._metrics.flush()
            self._board.flush()
        except OSError as error:
            for file in (self._metrics, self._board):
                with suppress(OSError):  # what is still buffered finds the disk just as full
                    if file is not None:
                        file.close()
            self._metrics = self._board = None
            raise writing_error(self._metrics_path, error) from error

    def metrics(self) -> list[dict[str, int | float]]:
        """What was logged so far, one dictionary per step; a line that a dying process left half-written is dropped.

        Returns:
            Dictionaries with "step" and the metrics, in the order of the steps.

        Raises:
            InputError: the file cannot be read, or a line in it is something else.
        """
        try:
            lines = self._metrics_path.read_bytes().split(b"\n") if self._metrics_path.exists() else []
        except OSError as error:
            raise InputError(f"{self._metrics_path} cannot be read: {error.strerror or error}") from error
        # After the last newline: nothing, or half a line.
        return [_row(line, f"line {number} of {self._metrics_path}") for number, line in enumerate(lines[:-1], 1)]

    def save(self, state: Any, *, wait: bool = True) -> Path | None:
        """Checkpoints the state under its step; see `checkpoints.save`.

        Args:
            state: a pytree with a scalar `step`.
            wait: until it is on the disk; else a copy is written behind the caller's back, after the one before, and
                `saved` says how that went. Several processes always wait: they write together, and the next step too
                is something that they do together.

        Returns:
            Its folder; None where it is not waited for.

        Raises:
            InputError: this one, or the one before, could not be written.
        """
        self.saved()
        if wait or jax.process_count() > 1:
            self._path = checkpoints.save(self.checkpoints, state)
            return self._path
        self._writer = self._writer or ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        copy = jax.tree.map(jnp.copy, state)  # the caller's buffers may be given to the next step
        self._writing = self._writer.submit(checkpoints.save, self.checkpoints, copy)
        return None

    def saved(self) -> Path | None:
        """Waits for the checkpoint that is being written, where one is.

        Returns:
            The folder of the last one that was written; None where none was.

        Raises:
            InputError: it could not be written; said once.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            self._path = writing.result()
        return self._path

    def rank(self, score: float) -> None:
        """Gives the checkpoint that `save` was last asked for a score; the highest is kept beyond newer ones.

        Args:
            score: higher is better; see `checkpoints.keep_best`.

        Raises:
            InputError: it could not be written.
        """
        path = self.saved()
        if path is not None and is_first():
            checkpoints.keep_best(path, score)

    def restore(self, template: Any) -> Any:
        """The newest intact checkpoint's state, or `template` where none was written yet; later metrics are dropped.

        Args:
            template: the state of a fresh start.

        Returns:
            The state to go on with.

        Raises:
            InputError: all checkpoints are damaged, or they are of another structure than `template`.
        """
        if not checkpoints.found(self.checkpoints):
            self.note(f"{self.path} holds no checkpoint yet: starting at step 0")
            state = template
        else:
            path, skipped = checkpoints.latest(self.checkpoints)
            for sentence in skipped:
                self.note(sentence)
            state = checkpoints.load(path, template)
            self.note(f"Going on from {path}")
        kept = [row for row in self.metrics() if row["step"] <= int(state.step)]
        with atomic_write(self._metrics_path, text=True) as stream:
            stream.writelines(json.dumps(row) + "\n" for row in kept)
        return state

    def kept(self) -> str:
        """Half a sentence: which checkpoint a failed run can go on from."""
        with suppress(InputError):  # the failure that is being told of comes first
            self.saved()
        found = checkpoints.found(self.checkpoints)
        return f"the last good checkpoint is {found[0]}" if found else f"{self.path} holds no checkpoint yet"

    def picture(self, name: str) -> Path:
        """The path for a picture, its folder made."""
        path = self.path / "pictures" / name
        make_folder(path.parent)
        return path

    def finish(self, result: Any) -> None:
        """Writes `result.json`.

        Args:
            result: a dataclass or a mapping of JSON's types, paths and NumPy scalars.
        """
        write_json(self.path / "result.json", result)

    def note(self, sentence: str) -> None:
        """Tells the reader, on standard error; of several processes the first does."""
        if is_first():
            print(sentence, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Flushes and closes the files, ends what is being written, and lets go of the lock."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None
            try:
                self.saved()
            except InputError as error:
                self.note(str(error))
        if self._metrics is not None and self._board is not None:
            self._metrics.close()
            self._board.close()
            self._metrics = self._board = None
        if self._alone is not None:
            self._alone.close()
            self._alone = None

    @property
    def _metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"


def _row(line: bytes, named: str) -> dict[str, int | float]:
    mend = 'expected {"step": 1, "loss": 0.5} or the like; take the line out'
    row = parse_json(line, named, mend, finite=False)  # numbers of this file come from anywhere
    numbers = isinstance(row, dict) and all(isinstance(value, int | float) for value in row.values())
    if not numbers or not isinstance(row.get("step"), int):
        raise InputError(f"{named} is no step with its metrics: {mend}")
    return row


def _refuse(path: Path) -> None:
    try:
        holder = (path / LOCK).read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended since
        holder = ""
    raise InputError(
        f"{path} is in use by {holder or 'another process'}: wait until that has ended, or choose another --run-dir"
    )


def make_folder(folder: Path) -> None:
    """Makes a folder, or says in a sentence why it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(folder, error) from error


def write_json(path: Path, value: Any) -> None:
    """Writes a dataclass or a mapping, whole or not at all."""
    with atomic_write(path, text=True) as stream:
        stream.write(json_text(value) + "\n")


def json_text(value: Any) -> str:
    """A dataclass or a mapping as JSON; paths become words, and what is no finite number, which JSON has not, null."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps(_of_json(plain), indent=2, allow_nan=False)


def _of_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _of_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_of_json(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
