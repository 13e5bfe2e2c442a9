"""The layout of test frames, and which frames the receiving ring takes."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.drivers.traffic.capture import Capture, received_ns
from nfvcert.drivers.traffic.frames import DATA, LEARNING, STAMP, STAMP_OFFSET, Route, build_frame, checksum
from nfvcert.drivers.traffic.sender import open_sender
from tests.drivers.traffic.bench import Bench, in_namespace

ROUTE = Route("02:00:00:00:01:00", "02:00:00:00:01:01", "198.18.0.1", "198.18.0.2")


@given(size=st.integers(64, 9216), run=st.integers(0, 0xFFFF), stream=st.integers(0, 255))
def test_a_frame_is_ethernet_ipv4_udp(size: int, run: int, stream: int) -> None:
    frame = build_frame(ROUTE, size, run=run, kind=DATA, stream=stream)
    assert len(frame) == size - 4
    assert frame[:14].hex() == "020000000101" + "020000000100" + "0800"
    version, _, length, _, flags, ttl, protocol, _, source, target = struct.unpack_from("!BBHHHBBH4s4s", frame, 14)
    assert (version, length, flags, ttl, protocol) == (0x45, size - 18, 0x4000, 64, 17)
    assert (socket.inet_ntoa(source), socket.inet_ntoa(target)) == ("198.18.0.1", "198.18.0.2")
    assert checksum(frame[14:34]) == 0
    assert struct.unpack_from("!HHH", frame, 34) == (4096, 9, size - 38)
    assert struct.unpack_from("!HHBB", frame, 42) == (0x4E46, run, DATA, stream)


def test_a_checksum_is_that_of_the_rfc() -> None:
    """RFC 1071 §3's example, complemented."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


def exchange(bench: Bench, frames: list[bytes], *, backwards: list[bytes] | None = None) -> Capture:
    """Frames sent into the loop's one end, and the capture at its other end, which sent some itself."""
    near, far = (port.namespace or "" for port in bench.loop)
    capture = in_namespace(far, lambda: Capture("loop1"))
    for path, interface, load in ((far, "loop1", backwards or []), (near, "loop0", frames)):
        with in_namespace(path, _opener(interface)) as sender:
            for frame in load:
                sender.send(frame)
    return capture


def _opener(interface: str) -> Callable[[], socket.socket]:
    return lambda: open_sender(interface)


def stamped(sequence: int, kind: int = DATA) -> bytes:
    frame = bytearray(build_frame(ROUTE, 200, run=7, kind=kind, stream=3))
    STAMP.pack_into(frame, STAMP_OFFSET, sequence, time.time_ns())
    return bytes(frame)


def test_the_ring_holds_what_was_sent_and_when(bench: Bench) -> None:
    before = time.time_ns()
    with contextlib.closing(exchange(bench, [stamped(10), stamped(11), stamped(0, LEARNING)])) as capture:
        taken = capture.take(100)
        assert len(capture.take(100)) == 0
        assert capture.drops() == 0
    assert taken["sequence"].tolist() == [10, 11, 0]
    assert taken["kind"].tolist() == [DATA, DATA, LEARNING]
    assert taken["run"].tolist() == [7, 7, 7]
    assert taken["stream"].tolist() == [3, 3, 3]
    assert taken["length"].tolist() == [196, 196, 196]
    arrived = received_ns(taken)
    sent = taken["sent_ns"].astype(np.int64)
    assert (before < sent).all()
    assert (sent < arrived).all()
    assert (arrived < time.time_ns()).all()


@pytest.mark.parametrize(
    ("offset", "value"),
    [(12, b"\x86\xdd"), (23, b"\x06"), (36, b"\x00\x0a"), (42, b"\x00\x00")],
    ids=["ethertype", "protocol", "udp port", "magic"],
)
def test_other_traffic_never_enters_the_ring(bench: Bench, offset: int, value: bytes) -> None:
    ours = stamped(1)
    other = ours[:offset] + value + ours[offset + len(value) :]
    with contextlib.closing(exchange(bench, [other, b"\xff" * 14, ours], backwards=[stamped(2)])) as capture:
        assert capture.take(100)["sequence"].tolist() == [1]


def test_frames_without_room_are_counted_as_our_own_drops(bench: Bench) -> None:
    slots = 65_536
    frame = stamped(0)
    with contextlib.closing(exchange(bench, [frame] * (slots + 1000))) as capture:
        assert capture.drops() == 1000
        assert sum(len(capture.take(10_000)) for _ in range(10)) == slots
