"""One run of streams: what each worker is told, in which order, and what they answer.

prepare   all ports listen; receiving ports send learning frames (RFC 2544 §23)
go        sending ports start at one moment; `during` is called once their frames flow
finish    all ports wait for residual frames, then report
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nfvcert.drivers.traffic.crew import Crew
from nfvcert.drivers.traffic.frames import BROADCAST_MAC, DATA, FCS_BYTES, LEARNING, Route, build_frame
from nfvcert.drivers.traffic.messages import (
    Done,
    Expected,
    Finish,
    Flowing,
    Go,
    Order,
    Prepare,
    Ready,
    Report,
)
from nfvcert.drivers.traffic.ports import GeneratorPort
from nfvcert.errors import Unreachable
from nfvcert.protocols import Stream

__all__ = ["Outcome", "Timing", "carry_out"]

_ANSWER_S = 20.0
"""An answer takes milliseconds; a machine may be very busy."""
_LEARNING_FRAMES = 3
"""One might be lost in a device that loses frames, and the flooding would be a second finding of one fault."""
_SMALLEST_FRAME = 64


@dataclass(frozen=True)
class Timing:
    """The times of a run that are no property of a stream, in seconds."""

    catch_up_s: float = 0.005
    """After a stall, at most this much of the stream is made up for in one burst."""
    late_s: float = 0.0025
    """A frame that leaves later than this is counted as late."""
    learning_s: float = 0.02
    """What devices get to learn MAC addresses."""
    quiet_s: float = 0.1
    """A run ends when no frame has come for this time after the last was sent …"""
    drain_s: float = 2.0
    """… or at last after this one (RFC 2544 §23: two seconds for residual frames), which is waited for if so much …"""
    end_s: float = 0.01
    """… of the end of a stream has not come: a device may hold it back whole."""


@dataclass(frozen=True)
class Outcome:
    """What the workers said, by port."""

    ready: Mapping[str, Ready]
    done: Mapping[str, Done]
    reports: Mapping[str, Report]


def carry_out(
    crew: Crew, streams: Sequence[Stream], *, run: int, timing: Timing, during: Callable[[], None] | None
) -> Outcome:
    """Run streams side by side. Raises: LabError, and what ``during`` raises; then the crew must be ended."""
    crew.tell({name: _prepare(name, streams, crew.ports, run) for name in crew.ports})
    asked_ns = time.monotonic_ns()
    ready = crew.hear(crew.ports, Ready, within_s=_ANSWER_S)
    # Another machine has another clock: it was read after we asked, and all ports share it.
    ahead_ns = max(each.at_ns for each in ready.values()) - asked_ns if crew.elsewhere else 0
    for name, port in crew.ports.items():
        if not ready[name].state.up:
            raise Unreachable(f"interface {port.interface} of generator port {name} is down", what=name)
    start_ns = time.monotonic_ns() + ahead_ns + int(timing.learning_s * 1e9)
    senders = {
        name: Go(start_ns, tuple(_orders(name, streams, crew.ports, run)), timing.catch_up_s, timing.late_s)
        for name in {stream.tx for stream in streams}
    }
    crew.tell(senders)
    crew.hear(senders, Flowing, within_s=_ANSWER_S)
    if during is not None:
        during()
    done = crew.hear(senders, Done, within_s=max(stream.duration_s for stream in streams) + _ANSWER_S)
    ends = tuple(_ends(streams, done.values(), timing.end_s))
    crew.tell(dict.fromkeys(crew.ports, Finish(timing.quiet_s, timing.drain_s, ends)))
    reports = crew.hear(crew.ports, Report, within_s=timing.drain_s + _ANSWER_S)
    return Outcome(ready, done, reports)


def _ends(streams: Sequence[Stream], done: Iterable[Done], end_s: float) -> Iterator[tuple[int, int]]:
    for sent in (sent for each in done for sent in each.sent):
        numbered = sent.handed + sent.refused
        yield sent.index, max(0, numbered - 1 - max(2, round(streams[sent.index].rate_fps * end_s)))


def _ip(ports: Mapping[str, GeneratorPort], name: str) -> str:
    """The port's address, or one of the range for benchmarks (RFC 2544 appendix C.2.2)."""
    number = list(ports).index(name)
    return ports[name].ip or f"198.18.{number // 250}.{number % 250 + 1}"


def _route(ports: Mapping[str, GeneratorPort], stream: Stream, run: int) -> Route:
    tx, rx = ports[stream.tx], ports[stream.rx]
    mac_to = {
        "unicast": tx.next_hop_mac or rx.mac,
        "broadcast": BROADCAST_MAC,
        # Locally administered, and another one in each run: no device may have learned it.
        "unknown": f"06:4e:46:00:{run >> 8:02x}:{run & 0xFF:02x}",
    }[stream.destination]
    return Route(tx.mac, mac_to, _ip(ports, stream.tx), _ip(ports, stream.rx))


def _prepare(name: str, streams: Sequence[Stream], ports: Mapping[str, GeneratorPort], run: int) -> Prepare:
    expected = tuple(
        Expected(index, stream.frames, stream.frame_bytes - FCS_BYTES, stream.rx == name, stream.windows)
        for index, stream in enumerate(streams)
    )
    ways = dict.fromkeys(_learning_routes(ports, name, streams))  # each once, in order
    learning = [build_frame(way, _SMALLEST_FRAME, run=run, kind=LEARNING, stream=0) for way in ways]
    return Prepare(run, expected, tuple(learning * _LEARNING_FRAMES), keep_awake=name == next(iter(ports)))


def _learning_routes(ports: Mapping[str, GeneratorPort], name: str, streams: Sequence[Stream]) -> Iterator[Route]:
    """The ways of a port's learning frames: from where it receives, and through a router both ways (its ARP)."""
    for stream in streams:
        if stream.destination == "unknown":
            continue
        tx, rx = ports[stream.tx], ports[stream.rx]
        ip_tx, ip_rx = _ip(ports, stream.tx), _ip(ports, stream.rx)
        if name == stream.rx:
            yield Route(rx.mac, rx.next_hop_mac or tx.mac, ip_rx, ip_tx)
        if name == stream.tx and tx.next_hop_mac:
            yield Route(tx.mac, tx.next_hop_mac, ip_tx, ip_rx)


def _orders(name: str, streams: Sequence[Stream], ports: Mapping[str, GeneratorPort], run: int) -> Iterator[Order]:
    for index, stream in enumerate(streams):
        if stream.tx == name:
            frame = build_frame(_route(ports, stream, run), stream.frame_bytes, run=run, kind=DATA, stream=index)
            yield Order(index, stream.frames, stream.rate_fps, frame, stream.flows)
