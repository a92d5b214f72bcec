import functools
import http.server
from pathlib import Path

import pytest


@pytest.fixture
def site(tmp_path: Path, answering) -> tuple[Path, str]:
    """A folder and the address at which a local server publishes it."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    folder = tmp_path / "site"
    folder.mkdir()
    server = http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    return folder, answering(server)
