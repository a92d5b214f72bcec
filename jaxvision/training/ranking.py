"""Which of a run's checkpoints is the best: one line beside them, read by whoever removes old ones."""

import json
import math
import os
from pathlib import Path
from typing import NamedTuple

from jaxvision.errors import InputError
from jaxvision.files import atomic_write, parse_json

BEST = "best.json"  # in the folder of checkpoints


class Best(NamedTuple):
    """The checkpoint with the highest score so far.

    Attributes:
        path: its folder.
        score: what it was given.
    """

    path: Path
    score: float


def keep_best(checkpoint: str | os.PathLike[str], score: float) -> bool:
    """Keeps a checkpoint, however many follow, while no other has a higher score.

    Of two with one score the earlier stays; a score that is no finite number ranks nothing. A second checkpoint of the
    best one's step takes its place whatever its score: the step was done again.

    Args:
        checkpoint: a folder that `save` made.
        score: higher is better.

    Returns:
        Whether it is now the best.

    Raises:
        InputError: there is no such folder, or `best.json` beside it holds something else or cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for step, accuracy in [(100, 0.91), (200, 0.97), (300, 0.95)]:
        ...         (Path(folder) / f"step-{step:08d}").mkdir()
        ...         _ = keep_best(Path(folder) / f"step-{step:08d}", accuracy)
        ...     best(folder).path.name
        'step-00000200'
    """
    checkpoint = Path(checkpoint)
    if not checkpoint.is_dir():
        raise InputError(f"{checkpoint} is not there to be kept: give a checkpoint that save made")
    before = best(checkpoint.parent)
    if not math.isfinite(score):
        return False
    if before is not None and before.score >= score and _step(before.path) != _step(checkpoint):
        return False
    with atomic_write(checkpoint.parent / BEST, text=True) as stream:
        stream.write(json.dumps({"checkpoint": checkpoint.name, "score": score}) + "\n")
    return True


def _step(checkpoint: Path) -> str:
    """Of `step-00000300` and of `step-00000300-1` the same."""
    return "-".join(checkpoint.name.split("-")[:2])


def best(directory: str | os.PathLike[str]) -> Best | None:
    """The checkpoint with the highest score.

    Args:
        directory: the folder given to `save`; it need not exist.

    Returns:
        Its folder and its score, or None where none was given a score or it is gone.

    Raises:
        InputError: `best.json` there holds something else.
    """
    path = Path(directory) / BEST
    if not path.exists():
        return None
    mend = "remove that file, and the next score makes a new one"
    found = parse_json(path.read_bytes(), f"{path}", mend)
    name, score = (found.get("checkpoint"), found.get("score")) if isinstance(found, dict) else (None, None)
    # A name alone: nobody is led out of the folder by it.
    if not isinstance(name, str) or Path(name).name != name or not isinstance(score, int | float):
        raise InputError(f"{path} names no checkpoint and its score: {mend}")
    return Best(path.parent / name, float(score)) if (path.parent / name).is_dir() else None
