"""A web server in a thread that misbehaves as told, and a home folder of its own for every test."""

import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server(http.server.ThreadingHTTPServer):
    """Answers the first request by the first answer, and so on; the last answer stays for all further requests."""

    daemon_threads = False  # so that closing the server waits for its threads, and with them for their sockets

    def __init__(self, answers: tuple[Answer, ...]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.ranges: list[str | None] = []  # the Range header of each request
        self.paths: list[str] = []
        self.closing = threading.Event()
        self.turn = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"

    def handle_error(self, request, client_address):
        pass  # the client hung up


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        with self.server.turn:
            self.server.ranges.append(self.headers.get("Range"))
            self.server.paths.append(self.path)
            answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        answer(self)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """`serve(answer, ...)` starts a server and returns it."""
    running: list[tuple[Server, threading.Thread]] = []

    def start(*answers: Answer) -> Server:
        server = Server(answers)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder; the network may be used and no proxy stands before the local server."""
    home = tmp_path / "home"
    monkeypatch.setenv("JAXVISION_HOME", str(home))
    monkeypatch.delenv("JAXVISION_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return home


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
