"""A web server that misbehaves as told."""

import http.server
import threading
from collections.abc import Callable

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

    def server_close(self):
        self.closing.set()
        super().server_close()

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
def serve(answering) -> Callable[..., Server]:
    """`serve(answer, ...)` starts a server and returns it."""

    def start(*answers: Answer) -> Server:
        server = Server(answers)
        answering(server)
        return server

    return start
