"""HTTP over kept connections, against a server of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from nfvcert.drivers import through
from nfvcert.drivers.through import Through


class Counting(ThreadingHTTPServer):
    """Counts its connections, and keeps them: that one is not used again is not its doing."""

    connections = 0

    class RequestHandlerClass(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30.0

        def setup(self) -> None:
            super().setup()
            assert isinstance(self.server, Counting)
            self.server.connections += 1

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.RequestHandlerClass)


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post(http: requests.Session, server: Counting) -> None:
    assert http.post(f"http://127.0.0.1:{server.server_port}", data=b"x").status_code == 204


def test_a_connection_is_used_again_at_once_and_not_after_a_while(
    server: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(through, "IDLE_S", 1.0)
    with requests.Session() as http:
        http.mount("http://", Through())
        post(http, server)
        post(http, server)
        assert server.connections == 1
        time.sleep(1.1)
        post(http, server)
        assert server.connections == 2
