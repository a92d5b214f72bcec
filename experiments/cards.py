"""The card of a network that this project trained itself: how it was made, what it can do, and its hash."""

import datetime
import platform
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.tasks import Task
from experiments.timing import n_cores
from jaxvision.files import atomic_write, sha256
from jaxvision.training import Score

_NOT_SAID = ("resume", "run_dir")  # where a training was kept does not change what it gives


def command_line(module: str, config: Any) -> str:
    """The command that gives these settings: a flag for each that is not the default.

    Args:
        module: what follows `python -m`.
        config: a dataclass all of whose fields have defaults.

    Returns:
        One line for a shell.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Config:
        ...     dataset: str = "scenes"
        ...     batch_size: int = 32
        >>> command_line("experiments.train_classifier", Config(batch_size=64))
        'python -m experiments.train_classifier --batch-size 64'
    """
    default = type(config)()
    changed = {
        name: value for name, value in vars(config).items() if name not in _NOT_SAID and value != getattr(default, name)
    }
    flags = [word for name, value in changed.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return shlex.join(["python", "-m", module, *flags])


def write(
    file: Path,
    *,
    command: str,
    title: str,
    network: str,
    units: str,
    training: str,
    task: Task,
    found: Score,
    n_parameters: int,
    seconds: float,
) -> Path:
    """Writes the card of a safetensors file beside it, as Markdown.

    Args:
        file: the network, written already.
        command: what reproduces it.
        title: the card's heading.
        network: one sentence on the architecture.
        units: one sentence on what images it wants.
        training: one sentence on how it was trained.
        task: the data.
        found: its score on held-out images.
        n_parameters: how many numbers it has.
        seconds: wall time of the training.

    Returns:
        The card's path.
    """
    n, right = len(found.labels), int(np.sum(found.labels == found.predictions))
    pairs = Counter(
        (task.class_names[label], task.class_names[said])
        for label, said in zip(found.labels, found.predictions, strict=True)
        if label != said
    )
    accuracy, margin = 100 * found.accuracy, 100 * found.margin
    common = "; ".join(f"{label} taken for {said} ({count})" for (label, said), count in pairs.most_common(5))
    return table(
        file,
        title,
        {
            "command": f"`{command}`",
            "network": f"{network}, {n_parameters:,} parameters; torchvision's names, float32",
            "images": units,
            "classes": f"{len(task.class_names)}: {', '.join(task.class_names[:3])}, ... {task.class_names[-1]}",
            "data": task.data,
            "training": training,
            "accuracy": f"**{accuracy:.2f} %** ({right} of {n} held-out images; 95 % interval ± {margin:.2f})",
            "loss": f"{found.losses.mean():.4f} nats",
            "commonest mistakes": common or "none",
        },
        seconds=seconds,
        same="score",
    )


def table(file: Path, title: str, rows: Mapping[str, str], *, seconds: float, same: str) -> Path:
    """A card: what is said of a network, then its file, its hash, and when and on what it was made.

    Args:
        file: the network, written already.
        title: the card's heading.
        rows: what to say, by what it is of.
        seconds: wall time of the training.
        same: what the command gives again: a score, a picture.

    Returns:
        The card's path.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    cores = n_cores()
    machine = f"{cores} CPU core{'s' if cores > 1 else ''} ({platform.machine()}), jax {jax.__version__}"
    rows = dict(rows) | {
        "file": f"`{file.name}`, {file.stat().st_size:,} bytes",
        "SHA-256": f"`{sha256(file)}`",
        "made": f"{today}, in {seconds / 60:.0f} min on {machine}",
    }
    lines = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    card = f"""# {title}

| | |
|---|---|
{lines}

The command gives the same {same} again; the same bits only on a machine of the same kind with the same versions.
"""
    path = file.with_suffix(".md")
    with atomic_write(path, text=True) as stream:
        stream.write(card)
    return path
