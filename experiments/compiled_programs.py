"""Compiled programs are kept on disk, so that a command that is run again has nothing to compile."""

import hashlib
import os
import platform
from collections.abc import MutableMapping
from pathlib import Path

from jaxvision.files.places import home

FOLDER, SWITCH = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"
LEAST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
LEAST_SECONDS = "0.1"  # JAX's own, a second, would leave out the many small programs that a run begins with
CPU = Path("/proc/cpuinfo")


def keep_compiled_programs(environment: MutableMapping[str, str] = os.environ) -> None:
    """Asks JAX, not yet imported, to keep what it compiles below the home folder.

    Nothing happens where a variable of JAX's says anything about it, or where the folder cannot be written. It may be
    deleted at any time.

    Args:
        environment: variables, which are changed.
    """
    if FOLDER in environment or SWITCH in environment:
        return
    folder = home() / "compiled" / machine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        environment[FOLDER] = str(folder)
        environment.setdefault(LEAST, LEAST_SECONDS)


def machine() -> str:
    """A short name for this kind of processor: a program for one may hold instructions that another does not know.

    Example:
        >>> len(machine()), machine() == machine()
        (12, True)
    """
    lines = CPU.read_text().splitlines() if CPU.exists() else []
    known = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join([platform.platform(), *known]).encode()).hexdigest()[:12]
