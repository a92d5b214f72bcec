"""One mutant and its tests: a process that has imported what is heavy, and a child of it for every mutant."""

import importlib
import os
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = (
    "numpy",
    "jax",
    "jax.numpy",
    "optax",
    "scipy.linalg",
    "scipy.stats",
    "flax.nnx",
    "orbax.checkpoint",
    "nltk",
    "PIL.Image",
)
OPTIONS = ("-q", "-x", "-n0", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header", "--timeout=0")
_tree = Path()


def open_tree(folder: Path) -> None:
    """A copy of the project for this process, from which its children import."""
    global _tree
    _tree = folder / str(os.getpid())
    skipped = shutil.ignore_patterns(".git", "__pycache__", "build", "runs", "site", "*.egg-info")
    shutil.copytree(ROOT, _tree, ignore=skipped, dirs_exist_ok=True)
    os.chdir(_tree)
    for name in HEAVY:
        importlib.import_module(name)


def trial(module: str, tests: tuple[str, ...], source: str | None, seconds: float) -> str:
    """`seen`, `survived`, or `late` where the tests did not end in time; without a source nothing is broken."""
    path = _tree / module
    whole = (ROOT / module).read_text("utf-8")
    path.write_text(whole if source is None else source, "utf-8")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()  # JAX has no threads yet: nothing was computed here
        if child == 0:
            run(module, tests)  # does not return
        return fate(child, seconds)
    finally:
        path.write_text(whole, "utf-8")


def run(module: str, tests: tuple[str, ...]) -> None:
    code = 2
    try:
        os.setsid()
        with (_tree / "output.txt").open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(_tree))
        import pytest

        code = int(pytest.main([*OPTIONS, *tests, module]))
    finally:
        os._exit(code)


def fate(child: int, seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "seen"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "late"
