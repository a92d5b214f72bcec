"""A small set in COCO's layout, made here."""

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def jpeg(seed: int) -> bytes:
    """A smooth picture, each seed another one."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(coarse).resize((40, 32)).save(encoded, "JPEG")
    return encoded.getvalue()


def content(n: int) -> dict:
    """Pictures 10, 20, ...; captions out of order, as in COCO's files."""
    images = [{"id": 10 * (i + 1), "file_name": f"{i:012}.jpg"} for i in range(n)]
    annotations = [
        {"id": 100 * k + i, "image_id": 10 * (i + 1), "caption": f" Picture {i}, said {k}.\n"}
        for k in range(2)
        for i in reversed(range(n))
    ]
    return {"info": {}, "images": images, "annotations": annotations}


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)


@pytest.fixture
def serve(own_home, monkeypatch) -> Iterator[Callable[[bytes], str]]:
    """`serve(data)` starts a web server that answers with the data, and returns its address; the network is allowed."""
    monkeypatch.delenv("JAXVISION_OFFLINE")
    monkeypatch.setenv("no_proxy", "*")
    running: list[tuple[http.server.HTTPServer, threading.Thread]] = []

    def start(data: bytes) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/file"

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def small_coco(own_home) -> Path:
    """`small` in the home folder: seven pictures of val2017 with two captions each."""
    root = own_home / "small"
    (root / "annotations").mkdir(parents=True)
    (root / "val2017").mkdir()
    (root / "annotations" / "captions_val2017.json").write_text(json.dumps(content(7)))
    for i in range(7):
        (root / "val2017" / f"{i:012}.jpg").write_bytes(jpeg(i))
    return root
