"""One request, one answer: JSON-RPC 2.0 over a ZeroMQ REQ socket (trex-core src/rpc-server).

Long messages travel compressed, as the server's own client sends them: a header of two big-endian u32, the magic
number and the length of what follows once it is inflated, then a zlib stream. A server answers as it was asked.
"""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import zmq

from nfvcert.errors import LabError, Unreachable

__all__ = ["RPC_PORT", "Call", "Refused", "Wire", "decode", "encode"]

RPC_PORT = 4501
_HEADER = struct.Struct("!II")
_MAGIC = 0xABE85CEA
_COMPRESS_FROM_BYTES = 8192
_MOST_BYTES = 64 << 20
"""No answer of a server is as long; a header that says so is no header."""
_ANSWER_S = 5.0
"""An answer takes milliseconds; a server whose cores all send may be busy."""
_KEEPALIVE_S = 30
"""Between two signs of life on an idle connection: a firewall in between must not forget it."""


@dataclass(frozen=True)
class Call:
    """A method of the server with its parameters."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def repeatable(self) -> bool:
        """Whether asking twice does what asking once does."""
        return self.method.startswith("get_") or self.method in {"ping", "api_sync_v2"}


class Refused(LabError):
    """The server understood a call and did not carry it out. ``words`` are its own."""

    def __init__(self, server: str, method: str, code: int, words: str) -> None:
        super().__init__(f"TRex at {server} refuses {method}: {words}", what="traffic generator")
        self.method = method
        self.code = code
        self.words = words


def encode(message: Any) -> bytes:
    """A JSON value as it is sent: compressed when it is long."""
    plain = json.dumps(message, separators=(",", ":")).encode()
    if len(plain) < _COMPRESS_FROM_BYTES:
        return plain
    return _HEADER.pack(_MAGIC, len(plain)) + zlib.compress(plain)


def decode(received: bytes) -> Any:
    """The JSON value of a message, compressed or not. Raises: ValueError when it is none."""
    if len(received) >= _HEADER.size and _HEADER.unpack_from(received)[0] == _MAGIC:
        length = _HEADER.unpack_from(received)[1]
        if length > _MOST_BYTES:
            raise ValueError(f"its header promises {length:,} bytes")
        inflating = zlib.decompressobj()
        try:
            # The server ends its stream with bytes that belong to nothing (TrexRpcZip::compress).
            plain = inflating.decompress(received[_HEADER.size :], length + 1)
        except zlib.error as error:
            raise ValueError(f"it is damaged ({error})") from error
        if len(plain) != length:
            raise ValueError(f"its header promises {length:,} bytes, {len(plain):,} came")
        received = plain
    return json.loads(received)


class Wire:
    """A connection to a server, for one thread; opened by the first call, and anew after a failure."""

    def __init__(self, host: str, port: int = RPC_PORT, *, answer_s: float = _ANSWER_S) -> None:
        self.server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._answer_s = answer_s
        self._numbers = itertools.count(1)
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None

    def ask(self, method: str, **params: Any) -> Any:
        """The result of one call. Raises: Refused; Unreachable when no answer comes; LabError when it is no answer."""
        return self.ask_all([Call(method, params)])[0]

    def ask_all(self, calls: Sequence[Call]) -> list[Any]:
        """The results of calls that the server carries out one after the other, in one message.

        A failed one does not keep the server from the next; the first is raised, once all are done.
        Raises: as `ask`.
        """
        numbered = {next(self._numbers): call for call in calls}
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
            for number, call in numbered.items()
        ]
        # The server takes a list of one for a batch and answers it without a list.
        answer = self._exchange(requests if len(requests) > 1 else requests[0], calls)
        answers = answer if isinstance(answer, list) else [answer]
        by_number = {each.get("id"): each for each in answers if isinstance(each, dict)}
        return [self._result(call, by_number.get(number), answers) for number, call in numbered.items()]

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None
        if self._context is not None:
            self._context.term()
            self._context = None

    def _result(self, call: Call, answer: Mapping[str, Any] | None, answers: Sequence[Any]) -> Any:
        if answer is None:  # a request that the server cannot read is answered with the id null
            answer = next((each for each in answers if isinstance(each, dict) and each.get("error")), None)
        if answer is not None and (error := answer.get("error")):
            words = error.get("specific_err") or error.get("message") or "it does not say why"
            raise Refused(self.server, call.method, int(error.get("code", 0)), str(words))
        if answer is None or "result" not in answer:
            raise self._strange(f"the answer to {call.method} has no result")
        return answer["result"]

    def _exchange(self, message: Any, calls: Sequence[Call]) -> Any:
        sent = encode(message)
        # Nobody knows whether an order whose answer is missing was carried out: only questions are asked twice.
        tries = 2 if all(call.repeatable for call in calls) else 1
        for _ in range(tries):
            connection = self._connection()
            connection.send(sent)
            if connection.poll(int(self._answer_s * 1000)):
                return self._decoded(connection.recv())
            self.close()  # a REQ socket that waits for an answer can send nothing more
        raise Unreachable(
            f"TRex at {self.server} does not answer {calls[0].method} within {self._answer_s * tries:g} s",
            what="traffic generator",
            hint="see that it runs in interactive mode (t-rex-64 -i) and that its RPC port can be reached from here",
        )

    def _decoded(self, received: bytes) -> Any:
        try:
            return decode(received)
        except ValueError as error:
            raise self._strange(f"what came is no JSON: {error}") from error

    def _strange(self, problem: str) -> LabError:
        return LabError(
            f"what answers at {self.server} is no TRex server: {problem}",
            what="traffic generator",
            hint="4501 is the RPC port of TRex; 4500 is its publisher, which answers nothing",
        )

    def _connection(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            self._context = zmq.Context()
            self._socket = self._context.socket(zmq.REQ)
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.setsockopt(zmq.IPV6, 1)
            self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
            self._socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, _KEEPALIVE_S)
            self._socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, _KEEPALIVE_S)
            self._socket.setsockopt(zmq.MAXMSGSIZE, _MOST_BYTES)
            try:
                self._socket.connect(f"tcp://{self.server}")
            except zmq.ZMQError as error:
                self.close()
                raise Unreachable(
                    f"TRex cannot be reached at {self.server}: {error.strerror}", what="traffic generator"
                ) from error
        return self._socket
