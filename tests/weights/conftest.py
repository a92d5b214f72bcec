import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder; the network may be used and no proxy stands before the local server."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("JAXVISION_HOME", str(home))
    monkeypatch.delenv("JAXVISION_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return home


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which a local server publishes it."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    folder = tmp_path / "site"
    folder.mkdir()
    with http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
