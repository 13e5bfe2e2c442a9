"""Sessions with a TRex server: recorded once from a real one, replayed for ever, both through a real ZeroMQ socket.

A session is a file of JSON lines. The first says where it comes from; each further one is an exchange:
``{"at": seconds since the first, "request": …, "reply": …}``.

To record one yourself, put the proxy between a client and a server, until Ctrl-C:

    python -m tests.drivers.traffic.trex.recording SERVER session.jsonl --listen 14501
"""

from __future__ import annotations

import argparse
import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import zmq

from nfvcert.drivers.traffic.trex.wire import decode, encode

_IS_COMPRESSED = b"\xab\xe8\x5c\xea"
_POLL_MS = 50
_ANSWER_MS = 10_000
_VOLATILE = {"api_h", "handler", "session_id", "user", "packet", "start_at_ts"}
"""What differs between two sessions that do the same: who talks to whom, when, and the addresses in the frames."""


class _Endpoint:
    """A REP socket on loopback, served by a thread while it is entered."""

    def __init__(self, port: int = 0) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self.port = port or self._socket.bind_to_random_port("tcp://127.0.0.1")
        if port:
            self._socket.bind(f"tcp://127.0.0.1:{port}")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()
        self._context.term()

    def _serve(self) -> None:
        while not self._ended.is_set():
            if self._socket.poll(_POLL_MS):
                self._socket.send(self._answer(self._socket.recv()))

    def _answer(self, request: bytes) -> bytes:
        raise NotImplementedError


class Recorder(_Endpoint):
    """A proxy before a real server that writes down what passes."""

    def __init__(self, host: str, path: Path, *, rpc_port: int = 4501, port: int = 0) -> None:
        super().__init__(port)
        self._server = self._context.socket(zmq.REQ)
        self._server.setsockopt(zmq.LINGER, 0)
        self._server.connect(f"tcp://{host}:{rpc_port}")
        self._from = self._version()
        self._path = path
        self._lines: list[Mapping[str, Any]] = []
        self._began = 0.0

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._server.close()
        super().__exit__(*exception)
        heading = {"recorded": time.strftime("%Y-%m-%d"), "from": self._from}
        lines = [json.dumps(line, separators=(",", ":")) for line in [heading, *self._lines]]
        self._path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _answer(self, request: bytes) -> bytes:
        self._server.send(request)
        if not self._server.poll(_ANSWER_MS):
            self._ended.set()
            return b"{}"
        reply = self._server.recv()
        self._began = self._began or time.monotonic()
        at = round(time.monotonic() - self._began, 4)
        self._lines.append({"at": at, "request": decode(request), "reply": decode(reply)})
        return reply

    def _version(self) -> str:
        self._server.send(encode({"jsonrpc": "2.0", "id": 1, "method": "get_version", "params": {}}))
        assert self._server.poll(_ANSWER_MS), "no TRex server answers"
        told = decode(self._server.recv())["result"]
        return f"TRex {told['version']}, mode {told['mode']}"


class Replay(_Endpoint):
    """Answers as a recorded server did.

    Orders and questions must come as they did, in their order. Looks, at counters or at captured frames, come as often
    as the client likes: each gets the next recorded answer, and then, until the next order, the last.
    """

    def __init__(self, path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        super().__init__()
        self._path = path
        self._exchanges: list[Mapping[str, Any]] = lines
        self._next = 0
        self._looks: dict[str, Mapping[str, Any]] = {}
        self.surprises: list[str] = []

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        if exception[0] is None:
            assert not self.surprises, "; ".join(self.surprises)

    @staticmethod
    def heading_of(path: Path) -> Mapping[str, Any]:
        """When a session was recorded, and from which server."""
        heading: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])
        return heading

    def _answer(self, request: bytes) -> bytes:
        asked = decode(request)
        kind = _look(asked)
        found = self._next_look(kind) if kind else self._next_order(asked)
        if found is None:
            return encode(_refusal(asked, self.surprises[-1]))
        reply = encode(_numbered(found["reply"], asked))
        assert reply[:4] != _IS_COMPRESSED or request[:4] == _IS_COMPRESSED, "no recorded reply is so long"
        return reply

    def _next_look(self, kind: str) -> Mapping[str, Any] | None:
        if self._next < len(self._exchanges) and _look(self._exchanges[self._next]["request"]) == kind:
            self._looks[kind] = self._exchanges[self._next]
            self._next += 1
        if kind not in self._looks:
            self.surprises.append(f"a look at {kind} came before the first one of the recording")
        return self._looks.get(kind)

    def _next_order(self, asked: Any) -> Mapping[str, Any] | None:
        while self._next < len(self._exchanges) and (kind := _look(self._exchanges[self._next]["request"])):
            self._looks[kind] = self._exchanges[self._next]
            self._next += 1
        if self._next == len(self._exchanges):
            self.surprises.append(f"{self._path.name} is at its end, and {_told(asked)} came")
            return None
        expected = self._exchanges[self._next]
        if _essence(asked) != _essence(expected["request"]):
            self.surprises.append(f"{_told(asked)} came where {_told(expected['request'])} was recorded")
            return None
        self._next += 1
        return expected


def _each(message: Any) -> Iterator[Mapping[str, Any]]:
    yield from message if isinstance(message, list) else [message]


def _look(request: Any) -> str:
    """What a request only looks at; empty when it is another one."""
    calls = list(_each(request))
    if [call.get("method") for call in calls] == ["ping", "get_pgid_stats", "ping"]:
        return "counters"
    if calls[0].get("method") == "capture" and calls[0]["params"].get("command") == "fetch":
        return "captured frames"
    return ""


def _essence(request: Any) -> Sequence[Any]:
    return [(call["method"], _steady(call.get("params", {}))) for call in _each(request)]


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(each) for key, each in value.items() if key not in _VOLATILE}
    return [_steady(each) for each in value] if isinstance(value, list) else value


def _told(request: Any) -> str:
    return json.dumps(_essence(request))[:400]


def _numbered(reply: Any, asked: Any) -> Any:
    """A recorded reply with the numbers of the calls that are answered now."""
    numbers = [call["id"] for call in _each(asked)]
    answers = [{**answer, "id": number} for answer, number in zip(_each(reply), numbers, strict=True)]
    return answers if isinstance(reply, list) else answers[0]


def _refusal(asked: Any, words: str) -> Any:
    error = {"code": -32000, "message": "Failed To Execute Method", "specific_err": f"REPLAY: {words}"}
    answers = [{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in _each(asked)]
    return answers if isinstance(asked, list) else answers[0]


def main() -> None:
    """Record until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A proxy before a TRex server that writes a session as JSON lines.")
    parser.add_argument("server", help="host of the server")
    parser.add_argument("path", type=Path, help="the session to write")
    parser.add_argument("--rpc-port", type=int, default=4501, help="the server's RPC port")
    parser.add_argument("--listen", type=int, default=14501, help="the port on loopback that clients connect to")
    arguments = parser.parse_args()
    with (
        Recorder(arguments.server, arguments.path, rpc_port=arguments.rpc_port, port=arguments.listen),
        contextlib.suppress(KeyboardInterrupt),
    ):
        threading.Event().wait()


if __name__ == "__main__":
    main()
