"""What several rooms need: a home folder, a local web server, a small disk, a peer."""

import http.server
import importlib.util
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

collect_ignore = ["mutation"]  # a command with an extra of its own, not tests


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder that is not there yet; the network may be used and no proxy stands before the local server."""
    home = tmp_path / "home"
    monkeypatch.setenv("JAXVISION_HOME", str(home))
    monkeypatch.delenv("JAXVISION_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return home


@pytest.fixture
def answering() -> Iterator[Callable[[http.server.HTTPServer], str]]:
    """`answering(server)` lets the server work in a thread until the test ends, and gives its address."""
    running: list[tuple[http.server.HTTPServer, threading.Thread]] = []

    def start(server: http.server.HTTPServer) -> str:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`mount("size=64k")` gives a small file system of its own, or skips where that is not allowed."""
    mounted: list[Path] = []

    def new(options: str) -> Path:
        folder = tmp_path / f"mount{len(mounted)}"
        folder.mkdir()
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            pytest.skip("mounting a small file system takes root")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    yield new
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def torch_fidelity(monkeypatch):
    """torch-fidelity's own numerics; what it takes from torchvision, they do not need.

    It is not part of the extra `peers`, for it would bring torchvision: `pip install --no-deps torch-fidelity`.
    """
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("torch-fidelity is not installed: pip install --no-deps torch-fidelity")
    if importlib.util.find_spec("torchvision") is None:

        class StandIn(types.ModuleType):
            def __getattr__(self, name):
                if name.startswith("__"):
                    raise AttributeError(name)
                return type(name, (), {})

        names = ("transforms", "transforms.functional", "datasets", "models", "utils")
        for name in ("torchvision", *(f"torchvision.{name}" for name in names)):
            module = StandIn(name)
            module.__path__ = []
            monkeypatch.setitem(sys.modules, name, module)
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
    return importlib.import_module("torch_fidelity")
