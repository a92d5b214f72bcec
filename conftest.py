"""Test configuration: strict promotion, two fake CPU devices, a home of its own for every run of the tests."""

import importlib.util
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jaxlib
import pytest

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Commands that a test runs compile anew and leave nothing behind in the reader's home.
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")

# Modules that are PyTorch code; without the extra `peers` there is nothing in them to collect.
collect_ignore_glob = []
if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["experiments/peers*.py", "tests/backbones/networks_in_torch.py"]


BEGUN = time.monotonic()
PLAINLY = "xla_cpu_use_fusion_emitters"  # XLA's newer way to write kernels takes twice as long to compile


def _known_to_xla(flag: str) -> bool:
    """Whether this XLA has a flag; one that it does not have would end the process."""
    library = Path(jaxlib.__file__).with_name("libjax_common.so")
    if not library.exists():
        return False
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(flag.encode()) >= 0


def pytest_configure(config: pytest.Config) -> None:
    """A run of the short tests, and what they start, is compiled the quick way; the longer ones as a user has it."""
    flags = os.environ.get("XLA_FLAGS", "")
    if config.option.markexpr.startswith(("not slow", "commands")) and PLAINLY not in flags and _known_to_xla(PLAINLY):
        os.environ["XLA_FLAGS"] = f"{flags} --{PLAINLY}=false".strip()


def pytest_addoption(parser: pytest.Parser) -> None:
    """A run that must end in time says so, and names what it left out."""
    parser.addoption("--minutes", type=float, help="skip the tests that have not begun after so many minutes")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that looks into the reader's home is marked `data`."""
    for item in items:
        if "user_home" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


@pytest.hookimpl(tryfirst=True)  # before any fixture compiles
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Small programs are waited for while they compile: only the longer tests have LLVM optimise, as a user has it."""
    minutes = item.config.getoption("minutes")
    if minutes is not None and time.monotonic() - BEGUN > 60 * minutes:
        pytest.skip(f"not begun within {minutes:g} minutes")
    longer = {"slow", "data"} & {mark.name for mark in item.iter_markers()}
    jax.config.update("jax_disable_most_optimizations", not longer)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(not longer).lower()  # of the processes that a test begins, too


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_are_let_go() -> Iterator[None]:
    """Every compiled program holds some memory maps, and Linux gives a process 65,530: beyond, it ends by a signal."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 10_000:
        jax.clear_caches()


@pytest.fixture(scope="session")
def user_home() -> Path:
    """The reader's own JAXVISION_HOME, for tests that need real data; skips where the variable is not set."""
    value = os.environ.get("JAXVISION_HOME")
    if not value:
        pytest.skip("JAXVISION_HOME is not set: real data and pretrained weights are needed here")
    return Path(value)


@pytest.fixture(scope="session")
def needs(user_home: Path) -> Callable[[str], Path]:
    """`needs("imagenet/labels.json")` gives the file's path in the reader's home, or skips, saying which."""

    def path(name: str) -> Path:
        if not (user_home / name).exists():
            pytest.skip(f"{name} is not in JAXVISION_HOME ({user_home})")
        return user_home / name

    return path
