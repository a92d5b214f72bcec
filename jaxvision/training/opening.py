"""How a run begins and goes on: its folder, its settings, and who may write."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import jax

from jaxvision.errors import InputError
from jaxvision.files import parse_json, writing_error
from jaxvision.training.hosts import by_first
from jaxvision.training.runs import Run, json_text, make_folder, write_json

# Settings that say where a run is and how it is kept, not what it does.
FREE = ("resume", "run_dir", "mesh", "hosts", "async_checkpoints")


def new_run(name: str, config: Any, *, run_dir: Path | None = None, root: str | os.PathLike[str] = "runs") -> Run:
    """Makes a run directory and writes `config.json`.

    Of processes that `jax.distributed` joins the first opens the run; the others get one that shares its checkpoints
    and throws everything else away, so that what is done with a run is written once.

    Args:
        name: the experiment's name.
        config: its resolved settings, a dataclass.
        run_dir: the folder, which must not hold a run yet; None takes the next free `root/NAME-NNN`.
        root: where runs are gathered.

    Returns:
        The open run.

    Raises:
        InputError: the folder cannot be written, holds a run already, or another process works in it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     new_run("tour", {"seed": 0}, root=root).path.name, new_run("tour", {"seed": 0}, root=root).path.name
        ('tour-001', 'tour-002')
    """

    def opened() -> Run:
        path = _next_free(Path(root), name) if run_dir is None else Path(run_dir)
        make_folder(path)
        run = Run(path).hold()
        if (path / "config.json").exists():
            run.close()
            hint = "go on with it by --resume or choose another" if hasattr(config, "resume") else "choose another"
            raise InputError(f"{path} holds a run already: {hint} --run-dir")
        write_json(path / "config.json", config)
        return run

    return _of_first(opened, run_dir)


def resumed_run(
    name: str,
    config: Any,
    *,
    run_dir: Path | None = None,
    root: str | os.PathLike[str] = "runs",
    free: Collection[str] = FREE,
) -> Run:
    """Opens an earlier run to go on with it; `Run.restore` then gives its state.

    Args:
        name: the experiment's name.
        config: the resolved settings, which must be those of the run.
        run_dir: the run's folder; None takes the newest `root/NAME-NNN`.
        root: where runs are gathered.
        free: settings that may differ.

    Returns:
        The open run.

    Raises:
        InputError: there is no such run, it had other settings, or another process works in it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     new_run("tour", {"seed": 0}, root=root).close()
        ...     run = resumed_run("tour", {"seed": 0}, root=root)
        ...     run.close()
        ...     run.path.name
        'tour-001'
    """

    def opened() -> Run:
        numbered = _numbered(Path(root), name)
        if run_dir is None and not numbered:
            raise InputError(f"{root} holds no run of {name} to go on with: start one without --resume")
        path = Path(run_dir) if run_dir is not None else numbered[max(numbered)]
        _require_same(path, config, free)
        return Run(path).hold()

    return _of_first(opened, run_dir)


def _of_first(opened: Callable[[], Run], run_dir: Path | None) -> Run:
    """The run, or in a process that is not the first one of several a stand-in for it."""
    if jax.process_count() == 1:
        return opened()
    if run_dir is None:
        raise InputError(
            "several processes write one run: name its folder with --run-dir, on a disk that all of them see"
        )
    runs: list[Run] = []
    by_first(lambda: runs.append(opened()))
    return runs[0] if runs else _StandIn(run_dir)


class _StandIn(Run):
    """A run of which nothing is kept but the checkpoints, which belong to the first process's run."""

    def __init__(self, run_dir: Path):
        self._scratch = tempfile.TemporaryDirectory(prefix="jaxvision-")
        super().__init__(self._scratch.name, checkpoints=Path(run_dir) / "checkpoints")
        logged = Path(run_dir) / self._metrics_path.name
        if logged.exists():  # what an earlier part of the run logged, which curves and tables begin with
            shutil.copyfile(logged, self._metrics_path)

    def close(self) -> None:
        super().close()
        self._scratch.cleanup()


def _require_same(path: Path, config: Any, free: Collection[str]) -> None:
    try:
        text = (path / "config.json").read_bytes()
    except OSError as error:
        raise InputError(f"{path} is not a run to go on with ({error}): see --run-dir") from error
    before = parse_json(text, f"{path / 'config.json'}", "choose another run with --run-dir", finite=False)
    if not isinstance(before, dict):
        raise InputError(f"{path} is not a run to go on with (config.json holds no settings by name): see --run-dir")
    now = json.loads(json_text(config))
    for field in [f for f in now | before if f not in free and now.get(f) != before.get(f)]:
        raise InputError(
            f"{path} was run with {field} = {before.get(field)!r} and cannot go on with {now.get(field)!r}: "
            "give the same settings, or choose the run with --run-dir"
        )


def _numbered(root: Path, name: str) -> dict[int, Path]:
    pattern = re.compile(re.escape(name) + r"-(\d{3,})")
    matches = [(pattern.fullmatch(path.name), path) for path in (root.iterdir() if root.is_dir() else ())]
    return {int(match[1]): path for match, path in matches if match}


def _next_free(root: Path, name: str) -> Path:
    make_folder(root)
    number = max(_numbered(root, name), default=0)
    while True:  # two commands may start at once: whoever makes the folder has it
        number += 1
        path = root / f"{name}-{number:03d}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise writing_error(path, error) from error
        return path
