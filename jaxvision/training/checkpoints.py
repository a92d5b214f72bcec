"""Checkpoints that are whole or absent, and whose every byte is checked before it is believed.

A checkpoint is a folder `step-00001000`: Orbax's arrays, `tree.json` with each leaf's name, shape and dtype, and
`SHA256SUMS` over all files, so that `sha256sum -c SHA256SUMS` checks it by hand. Orbax alone loads a flipped byte
without a word.
"""

import errno
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array
from orbax.checkpoint import v1 as orbax

from jaxvision.errors import InputError
from jaxvision.files import parse_json, sha256, writing_error
from jaxvision.training.hosts import by_first, is_first
from jaxvision.training.leaves import describe, is_key, named, require_match, target, untarget
from jaxvision.training.ranking import Best, best, keep_best

__all__ = ["Best", "Latest", "best", "found", "keep_best", "latest", "load", "save", "verify"]

SUMS = "SHA256SUMS"
TREE = "tree.json"
ARRAYS = "arrays"
FORMAT = 1  # of this module's folders; a larger one is from a later version
_NAME = re.compile(r"step-(\d{8,})(?:-(\d+))?")


class Latest(NamedTuple):
    """The newest checkpoint that is intact, and a sentence for each newer one that was passed over."""

    path: Path
    skipped: tuple[str, ...]


def save(directory: str | os.PathLike[str], state: Any, *, step: int | None = None, keep: int = 3) -> Path:
    """Writes the state as a new checkpoint in `directory`, and of those before it keeps the newest and the best.

    Everything is written into a hidden folder beside, flushed to the disk and renamed as the last act: whenever the
    process dies, what has the name of a checkpoint is one. One process at a time may write to a directory; processes
    that `jax.distributed` joins write one checkpoint together, each its part, on a file system that all of them see.

    Args:
        directory: the folder of checkpoints, made as needed.
        state: a pytree of arrays; typed keys are allowed.
        step: the number in its name; None takes `state.step`.
        keep: how many to keep, at least 1: this one and the newest of lower steps; the one that `keep_best` ranked
            highest stays beyond them, and so do those of higher steps.

    Returns:
        The new checkpoint's folder.

    Raises:
        InputError: the folder cannot be written or the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save(folder, {"weights": jnp.ones(3)}, step=7)
        ...     path.name, load(path, {"weights": jnp.zeros(3)})
        ('step-00000007', {'weights': Array([1., 1., 1.], dtype=float32)})
    """
    if keep < 1:
        raise ValueError(f"keep must be at least 1, got {keep}")
    directory = Path(directory).absolute()
    step = int(state.step) if step is None else step
    token = secrets.token_hex(4) if jax.process_count() == 1 else "shared"  # several hosts write into one folder
    beside = directory / f".step-{step:08d}.{token}.partial"
    leaves = named(jax.tree.map(jnp.asarray, state))
    # Orbax knows no typed keys, and refuses arrays of size zero, of which the description says all.
    arrays = {name: jax.random.key_data(leaf) if is_key(leaf) else leaf for name, leaf in leaves.items() if leaf.size}
    try:
        by_first(lambda: _begin(beside, n_bytes=sum(array.nbytes for array in arrays.values())))
        _write(beside / ARRAYS, arrays)
        by_first(lambda: _finish(beside, {name: describe(leaf) for name, leaf in leaves.items()}, step))
    except OSError as error:
        raise writing_error(directory, error) from error
    finally:
        if is_first():
            shutil.rmtree(beside, ignore_errors=True)
    path = next(path for path in found(directory) if _order(path)[0] == step)
    if is_first():
        older = [other for other in found(directory) if _order(other) < _order(path)]
        kept = [other for other in older if _order(other)[0] != step][: keep - 1]
        highest = best(directory)
        for other in older:
            if other not in kept and (highest is None or other != highest.path):
                shutil.rmtree(other, ignore_errors=True)
    return path


def load(checkpoint: str | os.PathLike[str], template: Any) -> Any:
    """Reads a checkpoint into the structure, dtypes and devices of `template`, after checking every byte.

    Args:
        checkpoint: a folder that `save` made.
        template: a pytree like the one saved, of arrays or `jax.ShapeDtypeStruct`; where a leaf has a sharding, the
            loaded array gets it, however many devices wrote the checkpoint.

    Returns:
        The state, structured as `template`.

    Raises:
        InputError: the checkpoint is missing, damaged or of another structure, shape or dtype than `template`.
    """
    checkpoint = Path(checkpoint).absolute()
    verify(checkpoint)
    saved = _described(checkpoint)
    leaves = named(template)
    require_match(checkpoint, saved, {name: describe(leaf) for name, leaf in leaves.items()})
    targets = {name: target(leaf) for name, leaf in leaves.items() if leaf.size}
    with _quiet():
        try:
            arrays = orbax.load(str(checkpoint / ARRAYS), targets) if targets else {}
        except Exception as error:  # Orbax raises bare exceptions; the bytes are as written, so this is unexpected
            raise InputError(f"{checkpoint} cannot be read by Orbax ({error}): resume from another one") from error
    values = [untarget(leaf, arrays.get(name)) for name, leaf in leaves.items()]
    return jax.tree.unflatten(jax.tree.structure(template), values)


def verify(checkpoint: str | os.PathLike[str]) -> None:
    """Checks that the checkpoint's files are exactly those of its `SHA256SUMS`, byte for byte.

    Args:
        checkpoint: a folder that `save` made.

    Raises:
        InputError: a file is missing, added or changed; the sentence names it.
    """
    checkpoint = Path(checkpoint)
    mend = "remove that folder or resume from another checkpoint"
    if not (checkpoint / SUMS).is_file():
        raise InputError(f"{checkpoint} is not a whole checkpoint (it has no {SUMS}): {mend}")
    try:
        lines = (checkpoint / SUMS).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        expected = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        present = {name: sha256(checkpoint / name) for name in _files(checkpoint)}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{checkpoint} cannot be read ({error}): {mend}") from error
    for name in sorted(expected.keys() | present.keys()):
        if expected.get(name) != present.get(name):
            state = "is missing" if name not in present else "was added" if name not in expected else "has changed"
            raise InputError(f"{checkpoint} is damaged ({name} {state} since it was written): {mend}")


def found(directory: str | os.PathLike[str]) -> list[Path]:
    """The checkpoints of a folder, intact or not, newest first.

    Args:
        directory: the folder given to `save`; it need not exist.

    Returns:
        Their folders.
    """
    directory = Path(directory)
    paths = directory.iterdir() if directory.is_dir() else ()
    return sorted((path for path in paths if _NAME.fullmatch(path.name)), key=_order, reverse=True)


def latest(directory: str | os.PathLike[str]) -> Latest:
    """The newest intact checkpoint of a folder.

    Args:
        directory: the folder given to `save`.

    Returns:
        Its path and, for every newer one that is damaged, the sentence that says so.

    Raises:
        InputError: there is no intact checkpoint.
    """
    skipped = []
    for path in found(Path(directory).absolute()):
        try:
            verify(path)
        except InputError as error:
            skipped.append(str(error))
        else:
            return Latest(path, tuple(skipped))
    held = f"only damaged ones: {'; '.join(skipped)}" if skipped else "none"
    raise InputError(f"{directory} was expected to hold a checkpoint and holds {held}: start the run again")


def _begin(beside: Path, *, n_bytes: int) -> None:
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        for leftover in beside.parent.glob(".step-*.partial"):  # of a process that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        beside.mkdir()
        # Where tensorstore finds the disk full in mid-write, its threads print tracebacks that nobody can catch.
        if n_bytes > shutil.disk_usage(beside).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(beside))
    except OSError as error:
        raise writing_error(beside.parent, error) from error


def _write(folder: Path, arrays: dict[str, Array]) -> None:
    """Each process writes what it holds."""
    with _quiet():
        try:
            if arrays:
                orbax.save(str(folder), arrays)
        except ValueError as error:  # tensorstore has its own errors for the operating system's
            code = re.search(r"os_error_code='(\d+)'", str(error))
            if code is None:
                raise
            raise OSError(int(code[1]), os.strerror(int(code[1])), str(folder)) from error


def _finish(beside: Path, leaves: dict[str, Any], step: int) -> None:
    """The description and the sums of all files; flushed to the disk, and given its name."""
    directory = beside.parent
    try:
        (beside / TREE).write_text(json.dumps({"format": FORMAT, "leaves": leaves}, indent=1), encoding="utf-8")
        sums = "".join(f"{sha256(beside / name)}  {name}\n" for name in _files(beside))
        (beside / SUMS).write_text(sums, encoding="utf-8")
        for path in [*beside.rglob("*"), beside]:
            _flush(path)
        beside.rename(directory / _free_name(directory, step))
        _flush(directory)
    except OSError as error:
        raise writing_error(directory, error) from error


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != SUMS)


def _flush(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        # Not every system can open or flush a folder; the rename is then as durable as that system makes it.


def _order(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), int(match[2] or 0)


def _free_name(directory: Path, step: int) -> str:
    """A second checkpoint of one step gets a name of its own: no moment may be without an intact one."""
    taken = [_order(path)[1] for path in found(directory) if _order(path)[0] == step]
    return f"step-{step:08d}-{max(taken) + 1}" if taken else f"step-{step:08d}"


def _described(checkpoint: Path) -> dict[str, Any]:
    """What `tree.json` says of each leaf; its sum is right, but whoever wrote that may have written this."""
    mend = "resume from another one"
    try:
        tree = parse_json((checkpoint / TREE).read_bytes(), f"{checkpoint / TREE}", mend)
    except OSError as error:
        raise InputError(f"{checkpoint} cannot be read ({error}): {mend}") from error
    written = tree.get("format") if isinstance(tree, dict) else None
    if isinstance(written, int) and written > FORMAT:
        raise InputError(
            f"{checkpoint} is of format {written} and this version of jaxvision reads formats up to {FORMAT}: go on "
            "with the version that wrote it, or a later one"
        )
    leaves: Any = tree.get("leaves") if isinstance(tree, dict) else None
    whole = isinstance(leaves, dict) and all(
        isinstance(leaf, dict) and isinstance(leaf.get("dtype"), str) and isinstance(leaf.get("shape"), list)
        for leaf in leaves.values()
    )
    if not whole:
        raise InputError(f"{checkpoint / TREE} does not say which arrays there are, by name, dtype and shape: {mend}")
    return leaves


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Orbax logs pages of tracebacks for what it raises anyway."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
