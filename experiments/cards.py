"""The card of a network that this project trained itself: how it was made, what it can do, and its hash."""

import datetime
import platform
from collections.abc import Mapping
from pathlib import Path

import jax

from jaxvision.data import n_cores
from jaxvision.files import atomic_write, sha256


def table(file: Path, title: str, rows: Mapping[str, str], *, seconds: float, same: str) -> Path:
    """A card: what is said of a network, then its file, its hash, and when and on what it was made.

    Args:
        file: the network, written already.
        title: the card's heading.
        rows: what to say, by what it is of.
        seconds: wall time of the training.
        same: what the command gives again: a score, a picture.
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
