"""What goes over the wire to a TRex server, and what is said when nothing, or something strange, comes back."""

from __future__ import annotations

import json
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import zmq

from nfvcert.drivers.traffic.trex.wire import Call, Refused, Wire, decode, encode
from nfvcert.errors import LabError, Unreachable

Answer = Callable[[Any], Any]
LONG = {"packet": "A" * 20_000}


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[bytes], bytes]], int]]:
    """Makes a REP socket that answers bytes with bytes; returns its port."""
    with ExitStack() as opened:

        def start(answer: Callable[[bytes], bytes]) -> int:
            context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
            socket = context.socket(zmq.REP)
            socket.setsockopt(zmq.LINGER, 0)
            port = socket.bind_to_random_port("tcp://127.0.0.1")
            ended = threading.Event()

            def loop() -> None:
                while not ended.is_set():
                    if socket.poll(20):
                        socket.send(answer(socket.recv()))
                socket.close()
                context.term()

            thread = threading.Thread(target=loop)
            thread.start()
            opened.callback(thread.join)
            opened.callback(ended.set)
            return port

        yield start


def results(request: bytes) -> bytes:
    """A server that does whatever it is told, and says it again."""
    asked = decode(request)
    calls = asked if isinstance(asked, list) else [asked]
    answers = [{"jsonrpc": "2.0", "id": call["id"], "result": call["method"]} for call in calls]
    return encode(answers if isinstance(asked, list) else answers[0])


class TestFraming:
    def test_short_messages_are_plain_json(self) -> None:
        assert encode({"a": 1}) == b'{"a":1}'
        assert decode(b'{"a": 1}\n') == {"a": 1}

    def test_long_ones_are_compressed_behind_magic_and_length(self) -> None:
        sent = encode(LONG)
        magic, length = struct.unpack("!II", sent[:8])
        assert (magic, length) == (0xABE85CEA, len(json.dumps(LONG, separators=(",", ":"))))
        assert json.loads(zlib.decompress(sent[8:])) == LONG
        assert decode(sent) == LONG

    def test_bytes_behind_the_compressed_ones_are_nobodys(self) -> None:
        """A server appends a zero (trex_rpc_zip.cpp)."""
        assert decode(encode(LONG) + b"\0") == LONG

    @pytest.mark.parametrize(
        ("received", "said"),
        [
            (b"", "Expecting value"),
            (b"220 ready", "Extra data"),
            (encode(LONG)[:-20], "came"),
            (b"\xab\xe8\x5c\xea\0\0\0\x05nothing", "damaged"),
            (b"\xab\xe8\x5c\xea\xff\xff\xff\xff", "promises"),
            (struct.pack("!II", 0xABE85CEA, 10) + zlib.compress(b"1" * 10_000), "promises 10 bytes, 11 came"),
        ],
    )
    def test_what_is_no_message_is_told(self, received: bytes, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            decode(received)


class TestCalls:
    def test_one_call(self, serve: Callable[..., int]) -> None:
        seen: list[Any] = []

        def answer(request: bytes) -> bytes:
            seen.append(decode(request))
            return results(request)

        with closing(Wire("127.0.0.1", serve(answer))) as wire:
            assert wire.ask("ping", a=1) == "ping"
            assert wire.ask("get_version") == "get_version"
        first, second = seen
        assert first == {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": 1}}
        assert second["id"] == 2

    def test_many_calls_are_one_message_and_keep_their_order(self, serve: Callable[..., int]) -> None:
        def backwards(request: bytes) -> bytes:
            return encode(json.loads(results(request))[::-1])

        with closing(Wire("127.0.0.1", serve(backwards))) as wire:
            assert wire.ask_all([Call("ping"), Call("get_version"), Call("ping")]) == ["ping", "get_version", "ping"]

    def test_a_long_call_travels_compressed_both_ways(self, serve: Callable[..., int]) -> None:
        def echo(request: bytes) -> bytes:
            assert request[:4] == b"\xab\xe8\x5c\xea"
            asked = decode(request)
            return encode({"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"]})

        with closing(Wire("127.0.0.1", serve(echo))) as wire:
            assert wire.ask("add_stream", **LONG) == LONG

    def test_a_refusal_has_the_servers_words(self, serve: Callable[..., int]) -> None:
        def refuse(request: bytes) -> bytes:
            error = {"code": -32000, "message": "Failed To Execute Method", "specific_err": "Link state is DOWN."}
            return encode({"jsonrpc": "2.0", "id": decode(request)["id"], "error": error})

        with closing(Wire("127.0.0.1", serve(refuse))) as wire, pytest.raises(Refused) as caught:
            wire.ask("start_traffic")
        assert caught.value.code == -32000
        assert str(caught.value) == f"TRex at {wire.server} refuses start_traffic: Link state is DOWN."
        assert caught.value.blame == "lab"

    def test_the_first_refusal_of_many_calls_is_told(self, serve: Callable[..., int]) -> None:
        def refuse_some(request: bytes) -> bytes:
            answers = [
                {"id": call["id"], "result": 1}
                if call["method"] == "ping"
                else {"id": call["id"], "error": {"code": -32000, "message": call["method"]}}
                for call in decode(request)
            ]
            return encode(answers)

        with closing(Wire("127.0.0.1", serve(refuse_some))) as wire, pytest.raises(Refused, match="release: release"):
            wire.ask_all([Call("ping"), Call("release"), Call("acquire")])


class TestNoAnswer:
    def test_nobody_there(self, serve: Callable[..., int]) -> None:
        del serve
        with closing(Wire("127.0.0.1", 9, answer_s=0.1)) as wire, pytest.raises(Unreachable) as caught:
            wire.ask("ping")
        assert "TRex at 127.0.0.1:9 does not answer ping within 0.2 s" in str(caught.value)
        assert "t-rex-64 -i" in caught.value.hint

    def test_a_question_is_asked_twice_and_an_order_once(self, serve: Callable[..., int]) -> None:
        """Nobody knows whether an order whose answer got lost was carried out."""
        seen: list[str] = []

        def slow_at_first(request: bytes) -> bytes:
            seen.append(decode(request)["method"])
            if len(seen) == 1 or seen[-1] == "start_traffic":
                time.sleep(0.4)
            return results(request)

        with closing(Wire("127.0.0.1", serve(slow_at_first), answer_s=0.3)) as wire:
            assert wire.ask("get_version") == "get_version"
            assert seen == ["get_version", "get_version"]
            with pytest.raises(Unreachable, match=r"start_traffic within 0\.3 s"):
                wire.ask("start_traffic")
            assert seen.count("start_traffic") == 1
            time.sleep(0.2)
            assert wire.ask("ping") == "ping"

    def test_a_server_that_comes_back_is_found_again(self, serve: Callable[..., int]) -> None:
        with closing(Wire("127.0.0.1", serve(results))) as wire:
            assert wire.ask("ping") == "ping"
            wire.close()
            assert wire.ask("ping") == "ping"

    @pytest.mark.parametrize(
        ("reply", "said"),
        [
            (b"SSH-2.0-OpenSSH_9.2", "no JSON"),
            (b"{}", "the answer to ping has no result"),
            (b"[]", "the answer to ping has no result"),
            (b'"pong"', "the answer to ping has no result"),
            (b'{"id": 77, "result": 1}', "the answer to ping has no result"),
        ],
    )
    def test_something_else_answers(self, serve: Callable[..., int], reply: bytes, said: str) -> None:
        with closing(Wire("127.0.0.1", serve(lambda _: reply))) as wire, pytest.raises(LabError, match=said) as caught:
            wire.ask("ping")
        assert "is no TRex server" in str(caught.value)

    def test_a_request_that_the_server_cannot_read_is_told_in_its_words(self, serve: Callable[..., int]) -> None:
        def unreadable(_: bytes) -> bytes:
            return b'{"id": null, "jsonrpc": "2.0", "error": {"code": -32700, "message": "Bad JSON Format"}}'

        with closing(Wire("127.0.0.1", serve(unreadable))) as wire, pytest.raises(Refused, match="Bad JSON Format"):
            wire.ask("ping")
