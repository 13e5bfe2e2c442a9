"""What the server counted, and when by its own clock: a thread that looks while frames flow.

TRex tells no times of frames. So its counters are read every few milliseconds, between two readings of its clock in
the same message: what was really sent, and how long that really took, is computed from these looks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from nfvcert.drivers.traffic.trex.wire import Call, Wire
from nfvcert.errors import NfvcertError

__all__ = ["Count", "Health", "Look", "Watch", "read_all", "read_counts", "read_health"]


@dataclass(frozen=True)
class Count:
    """Frames of one packet group so far."""

    sent: Mapping[int, int] = field(default_factory=dict)
    """Server port → frames."""
    received: Mapping[int, int] = field(default_factory=dict)
    """Server port → frames; a frame that came twice is counted twice."""
    latency: Mapping[str, Any] | None = None
    """`average`, `jit`, `total_min`, `total_max` in µs, and a `histogram` once it has something; None where nothing is
    stamped."""
    dropped: int = 0
    """Sequence numbers that the server missed."""
    reordered: int = 0
    duplicates: int = 0


@dataclass(frozen=True)
class Look:
    """One look at all packet groups."""

    at_s: float
    """By the server's clock, half way between before and after."""
    width_s: float
    """How long the look took, by the same clock."""
    counts: Mapping[int, Count]
    errors: Mapping[str, int]
    """What the server could not count or did not understand, since it began: `rx_err port 1`, `old_flow` …"""

    def sent(self, group: int) -> int:
        """Frames of a packet group that left."""
        return sum(self.counts[group].sent.values()) if group in self.counts else 0

    def received(self, group: int, port: int) -> int:
        """Frames of a packet group that came to a port."""
        return self.counts[group].received.get(port, 0) if group in self.counts else 0


@dataclass(frozen=True)
class Health:
    """Counters of the server that only grow, beside those of packet groups."""

    queue_full: int
    """How often a full transmit queue made it wait (1 µs each time)."""
    dropped: int
    """Frames that it gave up since its own memory or queues were full."""
    receive_errors: Mapping[int, int]
    """Server port → frames that came and found no room, or were damaged."""
    send_errors: Mapping[int, int]
    links_up: Mapping[int, bool]
    left: Mapping[int, int] = field(default_factory=dict)
    """Server port → frames that left it, as its adapter counts them. Those of a packet group are counted before it."""


def calls(api: str, groups: Sequence[int]) -> list[Call]:
    """The message of one look."""
    return [Call("ping"), Call("get_pgid_stats", {"api_h": api, "pgids": list(groups)}), Call("ping")]


def read_counts(answers: Sequence[Any], *, timed: bool = True) -> Look:
    """A look, of the answers to `calls`; without latencies when not ``timed``: they are long, and grow to the end."""
    before, counted, after = answers
    flows, latencies = counted.get("flow_stats") or {}, counted.get("latency") or {}
    counts = {
        int(name): _count(flow, latencies.get(name) or {}, timed=timed) for name, flow in flows.items() if name != "g"
    }
    errors = {name: int(value) for name, value in (latencies.get("g") or {}).items() if isinstance(value, int)}
    for kind, ports in (flows.get("g") or {}).items():
        errors |= {f"{kind} of port {port}": int(value) for port, value in ports.items()}
    return Look(
        at_s=(float(before["ts"]) + float(after["ts"])) / 2,
        width_s=float(after["ts"]) - float(before["ts"]),
        counts=counts,
        errors=errors,
    )


def _count(flow: Mapping[str, Any], latency: Mapping[str, Any], *, timed: bool) -> Count:
    errors = latency.get("er") or {}
    told = latency.get("lat") if timed else None
    return Count(
        sent={int(port): int(frames) for port, frames in (flow.get("tp") or {}).items()},
        received={int(port): int(frames) for port, frames in (flow.get("rp") or {}).items()},
        latency=told if isinstance(told, dict) else None,
        dropped=int(errors.get("drp", 0)),
        reordered=int(errors.get("ooo", 0)),
        duplicates=int(errors.get("dup", 0)),
    )


def read_health(wire: Wire, api: str, ports: Sequence[int]) -> Health:
    """The counters of ports and of the whole server. Raises: as `Wire.ask`."""
    return _health(ports, wire.ask_all(_health_calls(api, ports)))


def read_all(wire: Wire, api: str, groups: Sequence[int], ports: Sequence[int]) -> tuple[Look, Health]:
    """A last look with everything, and the counters beside it, of the same moment. Raises: as `Wire.ask`."""
    looking = calls(api, groups)
    answers = wire.ask_all([*looking, *_health_calls(api, ports)])
    return read_counts(answers[: len(looking)]), _health(ports, answers[len(looking) :])


def _health_calls(api: str, ports: Sequence[int]) -> list[Call]:
    mine = {"api_h": api}
    stats = [Call("get_port_stats", {**mine, "port_id": port}) for port in ports]
    states = [Call("get_port_status", {**mine, "port_id": port, "block": False}) for port in ports]
    return [Call("get_global_stats", mine), *stats, *states]


def _health(ports: Sequence[int], answers: Sequence[Any]) -> Health:
    overall, *of_ports = answers
    stats = dict(zip(ports, of_ports[: len(ports)], strict=True))
    states = dict(zip(ports, of_ports[len(ports) :], strict=True))
    return Health(
        queue_full=int(overall.get("m_total_queue_full", 0)),
        dropped=int(overall.get("m_total_queue_drop", 0)) + int(overall.get("m_total_alloc_error", 0)),
        receive_errors={port: int(each.get("ierrors", 0)) for port, each in stats.items()},
        send_errors={port: int(each.get("oerrors", 0)) for port, each in stats.items()},
        links_up={port: bool(each.get("attr", {}).get("link", {}).get("up")) for port, each in states.items()},
        left={port: int(each["opackets"]) for port, each in stats.items() if "opackets" in each},
    )


class Watch:
    """Looks at packet groups, on a connection of its own, until told to stop.

    A context manager; ``looks`` grows while it is entered.
    """

    def __init__(self, wire: Wire, api: str, groups: Sequence[int], *, every_s: float, timed: bool) -> None:
        """``timed``: whether each look tells latencies."""
        self.looks: list[Look] = []
        self._wire = wire
        self._calls = calls(api, groups)
        self._every_s = every_s
        self._timed = timed
        self._ended = threading.Event()
        self._looked = threading.Condition()
        self._failure: NfvcertError | None = None
        self._thread = threading.Thread(target=self._watch, name="trex-counters", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def until(self, reached: Callable[[Look], bool], *, within_s: float) -> bool:
        """Wait for a look of which something is true; False when none is within the time.

        Raises: Unreachable, Refused, LabError: what kept the thread from looking.
        """
        end = time.monotonic() + within_s
        seen = 0
        with self._looked:
            while True:
                if self._failure is not None:
                    raise self._failure
                if any(reached(look) for look in self.looks[seen:]):
                    return True
                seen = len(self.looks)
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._looked.wait(left)

    def _watch(self) -> None:
        try:
            while not self._ended.is_set():
                began = time.monotonic()
                look = read_counts(self._wire.ask_all(self._calls), timed=self._timed)
                with self._looked:
                    self.looks.append(look)
                    self._looked.notify_all()
                self._ended.wait(max(0.0, began + self._every_s - time.monotonic()))
        except NfvcertError as error:
            with self._looked:
                self._failure = error
                self._looked.notify_all()
        finally:
            self._wire.close()
