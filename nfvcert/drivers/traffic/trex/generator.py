"""TRex as a `nfvcert.protocols.TrafficGenerator`: a run of streams on a server's ports.

claim     the ports are ours, quiet, and hear everything; routers are asked for their addresses
add       each stream becomes one or two packet groups, numbered anew in each run
start     all sending ports in one message; `during` is called once every stream has been seen to flow
watch     a thread looks at the counters until all is sent, or takes too long and is stopped
drain     until no frame comes any more; then everything is read once more, and taken away
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nfvcert.drivers.traffic.calibration import calibrate, without_loop
from nfvcert.drivers.traffic.frames import BROADCAST_MAC
from nfvcert.drivers.traffic.requested import check_streams
from nfvcert.drivers.traffic.trex import neighbours
from nfvcert.drivers.traffic.trex.counters import Health, Look, Watch, read_all, read_health
from nfvcert.drivers.traffic.trex.latency import latency_untold
from nfvcert.drivers.traffic.trex.results import Evidence, Gate, stream_results
from nfvcert.drivers.traffic.trex.session import Server, Session, link_lost
from nfvcert.drivers.traffic.trex.streams import (
    SEQUENCED_FPS,
    Group,
    Way,
    build_frame,
    groups,
    least_frame_bytes,
    stream_json,
)
from nfvcert.drivers.traffic.trex.timeline import look_before_end
from nfvcert.drivers.traffic.trex.wire import RPC_PORT, Wire
from nfvcert.errors import LabError, SuiteError, Unreachable
from nfvcert.protocols import Calibration, Stream, StreamResult

__all__ = ["Timing", "TrexGenerator", "TrexPort"]

_ETHERNET_OVERHEAD_BYTES = 20
_AHEAD_S = 0.15
"""How long before it is to send a server is told. One that is told to begin at once begins late, and makes up for it
by a burst: v3.08 sent the frames of 12 to 24 ms in the first 10 ms. It refuses times that are less than 0.1 s ahead."""
_FLOWING_S = 5.0
_FOLDED_S = 0.7
"""Each half a second a server adds to a stream what it knows of that time beside the histogram: the shortest and the
longest latency. The frames that took less than 10 µs, or more than a second, are in no bucket of it."""
_LEARNING_FRAMES = 3
_STEPS_DOWN = (1.0, 0.9, 0.8, 0.65, 0.5, 0.3, 0.2, 0.1)
"""From what its transmitter reaches: a server in software mode receives far less than it can send."""
_HEADROOM = 1.5
"""How much more than its fastest port carries of the shortest frames, a server has to show with frames of any size:
what it loses far above that concerns nobody."""
_SHORTEST_FRAME = 64
_NEEDED = frozenset({"flow_stats", "latency"})


@dataclass(frozen=True)
class TrexPort:
    """A port of the server, as the inventory describes it."""

    name: str
    number: int
    """Its number at the server."""
    speed_bps: float
    """Line rate in bit/s: more than that is never sent."""
    mac: str | None = None
    """None: the one that the server tells."""
    address: str | None = None
    """IPv4 address with prefix; behind a router."""
    gateway: str | None = None
    """The router's address: it is asked for its MAC address."""
    next_hop_mac: str | None = None
    """The router's MAC address, where it is known."""
    vlan: int | None = None
    """The VLAN tag of all that it sends; None: untagged."""

    def line_rate_fps(self, frame_bytes: int) -> float:
        """Frames per second that the wire carries, at a frame size in bytes with FCS (RFC 1242 §3.5)."""
        return self.speed_bps / (8 * (frame_bytes + _ETHERNET_OVERHEAD_BYTES))


@dataclass(frozen=True)
class Timing:
    """The times of a run that are no property of a stream, in seconds."""

    look_s: float = 0.01
    """Between two looks at the counters."""
    learning_s: float = 0.02
    """What devices get to learn MAC addresses."""
    late_s: float = 0.3
    """How much longer than asked a run may take …"""
    late_share: float = 0.05
    """… and this share of its duration, before it is stopped."""
    quiet_s: float = 0.1
    """A run ends when no frame has come for this time after the last was sent …"""
    drain_s: float = 2.0
    """… or at last after this one (RFC 2544 §23: two seconds for residual frames), which is waited for if nothing …"""
    end_s: float = 0.01
    """… of the end of a stream has come, which takes longer than this: a device may hold it back whole."""


class TrexGenerator:
    """A `nfvcert.protocols.TrafficGenerator` on a TRex server in stateless mode. One run at a time."""

    def __init__(
        self,
        host: str,
        ports: Mapping[str, TrexPort],
        *,
        rpc_port: int = RPC_PORT,
        loop: tuple[int, int] | None = None,
        force: bool = False,
        timing: Timing | None = None,
        gate: Gate | None = None,
        first_group: int | None = None,
    ) -> None:
        self._ports = dict(ports)
        self._loop = loop
        self._timing = timing or Timing()
        self._gate = gate or Gate()
        self._host, self._rpc_port = host, rpc_port
        self._session = Session(Wire(host, rpc_port), force=force)
        self._server: Server | None = None
        self._calibration: Calibration | None = None
        self._next_hops: dict[str, str] = {}
        # Frames of an earlier run, or of another generator, must not count.
        self._next_group = secrets.randbits(24) + 1 if first_group is None else first_group

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and RPC port of the server."""
        return self._host, self._rpc_port

    @property
    def user(self) -> str:
        """The owner that the server tells of ports that are ours."""
        return self._session.user

    def describe(self) -> tuple[str, ...]:
        """Version, and of each port owner, link and speed. The ports stay whose they are.

        Raises: Unreachable; LabError when what answers is no TRex server that we can speak to.
        """
        found = self._session.server()
        names = {port.number: port.name for port in self._ports.values()}
        names |= dict.fromkeys(self._loop or (), "loop")
        counted = "by software" if found.software else "by its adapters"
        lines = [f"TRex {found.version} ({found.mode}) on {found.hostname}, counting flows {counted}"]
        for number, port in sorted(found.ports.items()):
            link = f"link up, {port.speed_bps / 1e9:g} Gbit/s" if port.link_up else "no link"
            owner = f"owned by {port.owner}" if port.owner else "free"
            lines.append(f"port {number} is {names.get(number, 'not ours')}: {link}, {owner}, {port.driver}")
        lines += [
            f"port {number} is {names[number]}, but the server has no such port"
            for number in sorted(names)
            if number not in found.ports
        ]
        return tuple(lines)

    def calibrate(self) -> Calibration:
        """Ceiling and own latency on the loop: measured once, in some 10 s, then remembered. Raises: as `run`."""
        if self._calibration is None:
            self._calibration = self._calibrated()
        return self._calibration

    def run(self, streams: Sequence[Stream], *, during: Callable[[], None] | None = None) -> tuple[StreamResult, ...]:
        """Run streams side by side and return one result for each, in order.

        ``during`` is called once, in this thread, as soon as frames of every stream flow. A run takes its duration,
        some 200 ms, and 100 ms of silence after the last frame.
        Raises: SuiteError for streams that cannot be; Unreachable when the server does not answer or a port has no
        link; LabError otherwise, with the server's own words; what ``during`` raises.
        """
        check_streams(streams, self._ports, ip_versions=(4, 6))
        return self._carry_out(self._ports, tuple(streams), during)

    def close(self) -> None:
        """Give the ports back and close the connection. The next run opens it again."""
        self._session.release()
        self._server = None

    def _calibrated(self) -> Calibration:
        server = self._session.server()
        name = f"TRex {server.version}"
        if self._loop is None:
            return without_loop(name)
        near, far = (
            TrexPort(f"loop {number}", number, server.ports[number].speed_bps if number in server.ports else 0.0)
            for number in self._loop
        )
        enough_fps = _HEADROOM * max(port.line_rate_fps(_SHORTEST_FRAME) for port in self._ports.values())
        ports = {port.name: port for port in (near, far)}
        found = calibrate(
            lambda streams: self._carry_out(ports, tuple(streams), None),
            near.name,
            far.name,
            generator=name,
            flat_out_fps=lambda frame_bytes: min(enough_fps, near.line_rate_fps(frame_bytes)),
            steps_down=_STEPS_DOWN,
        )
        return Calibration(
            found.generator,
            found.ceiling_fps,
            found.latency_p50_us,
            found.latency_p99_us,
            found.problems,
            numbered_fps=SEQUENCED_FPS,
            times_each_frame=False,
        )

    def _carry_out(
        self, ports: Mapping[str, TrexPort], streams: tuple[Stream, ...], during: Callable[[], None] | None
    ) -> tuple[StreamResult, ...]:
        numbers = {name: port.number for name, port in ports.items()}
        self._check_server(ports)
        self._session.claim(list(numbers.values()))
        try:
            ways = [self._way(ports, stream, index) for index, stream in enumerate(streams)]
            _check_room(streams, ways)
            self._teach(ports, streams, ways)
            found = groups(streams, self._next_group)
            self._next_group += len(found)
            results = self._measure(numbers, streams, ways, found, during)
        except BaseException:
            with contextlib.suppress(LabError):  # what went wrong first is told
                self._session.quiet(numbers.values())
            raise
        self._session.quiet(numbers.values())
        return results

    def _check_server(self, ports: Mapping[str, TrexPort]) -> None:
        """The server can do what we need, and the ports are there, with a link."""
        server = self._server = self._session.server()
        where = f"TRex at {self._session.wire.server}"
        for name, port in ports.items():
            if port.number not in server.ports:
                there = ", ".join(str(number) for number in sorted(server.ports))
                raise LabError(f"{where} has no port {port.number}, which {name} is to be; it has {there}", what=name)
            found = server.ports[port.number]
            if not found.link_up:
                raise Unreachable(f"port {name} (port {port.number} of {where}) has no link", what=name)
            if missing := _NEEDED - found.counts:
                raise LabError(
                    f"{where} does not count {' and '.join(sorted(missing))} at port {name}",
                    what=name,
                    hint="an adapter that cannot count flows needs a server that does: t-rex-64 -i --software",
                )

    def _mac(self, port: TrexPort) -> str:
        assert self._server is not None  # _check_server asked
        return port.mac or self._server.ports[port.number].mac

    def _next_hop(self, port: TrexPort) -> str | None:
        """The router's MAC address; None where there is none."""
        if port.next_hop_mac is not None or port.gateway is None or port.address is None:
            return port.next_hop_mac
        if port.name not in self._next_hops:
            self._next_hops[port.name] = neighbours.resolve(
                self._session,
                port.number,
                mac=self._mac(port),
                address=port.address,
                gateway=port.gateway,
                vlan=port.vlan,
            )
        return self._next_hops[port.name]

    def _way(self, ports: Mapping[str, TrexPort], stream: Stream, index: int) -> Way:
        tx, rx = ports[stream.tx], ports[stream.rx]
        destination = {
            "unicast": self._next_hop(tx) or self._mac(rx),
            "broadcast": BROADCAST_MAC,
            # Locally administered, and another one in each run: no device may have learned it.
            "unknown": f"06:4e:{self._next_group >> 16 & 0xFF:02x}:{self._next_group >> 8 & 0xFF:02x}"
            f":{self._next_group & 0xFF:02x}:{index & 0xFF:02x}",
        }[stream.destination]
        positions = list(ports)
        ip_from, ip_to = (_ip(port, positions.index(port.name), stream.ip_version) for port in (tx, rx))
        return Way(self._mac(tx), destination, ip_from, ip_to, tx.vlan)

    def _teach(self, ports: Mapping[str, TrexPort], streams: Sequence[Stream], ways: Sequence[Way]) -> None:
        """Let devices learn where the receiving ports are, before the first frame that counts (RFC 2544 §23)."""
        for stream, way in zip(streams, ways, strict=True):
            if stream.destination == "unknown":
                continue
            tx, rx = ports[stream.tx], ports[stream.rx]
            back = Way(self._mac(rx), self._next_hop(rx) or self._mac(tx), way.ip_to, way.ip_from, rx.vlan)
            frame = build_frame(back, least_frame_bytes(back))
            neighbours.push(self._session, rx.number, [frame] * _LEARNING_FRAMES)
        time.sleep(self._timing.learning_s)

    def _measure(
        self,
        numbers: Mapping[str, int],
        streams: tuple[Stream, ...],
        ways: Sequence[Way],
        found: tuple[Group, ...],
        during: Callable[[], None] | None,
    ) -> tuple[StreamResult, ...]:
        session, timing = self._session, self._timing
        session.order_all(
            (
                numbers[streams[group.stream].tx],
                "add_stream",
                {
                    "stream_id": group.number,
                    "stream": stream_json(
                        group, ways[group.stream], streams[group.stream].frame_bytes, streams[group.stream].flows
                    ),
                },
            )
            for group in found
        )
        senders = sorted({numbers[stream.tx] for stream in streams})
        session.events()  # what happened before is not of this run
        before = read_health(session.wire, session.api, list(numbers.values()))
        wanted = {group.number: group.frames for group in found}
        longest = max(stream.duration_s for stream in streams)
        watch_wire = Wire(self._host, self._rpc_port)
        timed = any(stream.windows for stream in streams)
        with Watch(watch_wire, session.api, list(wanted), every_s=timing.look_s, timed=timed) as watch:
            watch.until(lambda _: True, within_s=_FLOWING_S)
            began = time.monotonic() + _AHEAD_S
            start = {
                "mul": {"type": "raw", "op": "abs", "value": 1.0},
                "duration": -1.0,
                "force": True,
                "start_at_ts": session.question("ping")["ts"] + _AHEAD_S,
            }
            session.order_all((number, "start_traffic", start) for number in senders)
            flowing = watch.until(lambda look: all(look.sent(group) for group in wanted), within_s=_FLOWING_S)
            if flowing and during is not None:
                during()
            left = began + longest * (1 + timing.late_share) + timing.late_s - time.monotonic()
            complete = watch.until(
                lambda look: all(look.sent(group) >= frames for group, frames in wanted.items()), within_s=left
            )
            if not complete:
                session.order_all((number, "stop_traffic", {}) for number in senders)
            if not flowing:
                raise LabError(
                    f"TRex at {session.wire.server} sent nothing in {_FLOWING_S:g} s after it began",
                    what="traffic generator",
                )
            self._drain(watch, list(wanted), list(numbers.values()))
            lasted_s = watch.looks[-1].at_s - watch.looks[0].at_s
        last, after = self._last(list(wanted), list(numbers.values()), lasted_s)
        events = session.events()
        evidence = Evidence(
            streams=streams,
            groups=found,
            numbers=numbers,
            looks=watch.looks,
            last=last,
            before=before,
            after=after,
            lost_links=frozenset(number for number in numbers.values() if link_lost(events, number)),
            stopped=not complete,
        )
        return stream_results(evidence, self._gate)

    def _last(self, wanted: Sequence[int], ports: Sequence[int], lasted_s: float) -> tuple[Look, Health]:
        """Everything once more; and again, when latencies are missing that the server tells a little later."""
        last, after = read_all(self._session.wire, self._session.api, wanted, ports)
        if any(latency_untold(count, lasted_s) for count in last.counts.values()):
            time.sleep(_FOLDED_S)
            last, after = read_all(self._session.wire, self._session.api, wanted, ports)
        return last, after

    def _drain(self, watch: Watch, wanted: Sequence[int], ports: Sequence[int]) -> None:
        """Wait until no frame has come for a while."""

        def arrived(look: Look) -> int:
            return sum(look.received(group, port) for group in wanted for port in ports)

        def held_back(group: int) -> bool:
            before = look_before_end(watch.looks, group, self._timing.end_s)
            return all(before.received(group, port) == watch.looks[-1].received(group, port) for port in ports)

        end = time.monotonic() + self._timing.drain_s
        had = arrived(watch.looks[-1])
        quiet_s = self._timing.drain_s if any(map(held_back, wanted)) else self._timing.quiet_s
        while time.monotonic() < end:
            if not watch.until(lambda look, had=had: arrived(look) > had, within_s=quiet_s):  # type: ignore[misc]
                return
            had, quiet_s = arrived(watch.looks[-1]), self._timing.quiet_s


def _check_room(streams: Sequence[Stream], ways: Sequence[Way]) -> None:
    for stream, way in zip(streams, ways, strict=True):
        if stream.frame_bytes < (least := least_frame_bytes(way)):
            kind = f"IPv{way.ip_version}{' in a VLAN' if way.vlan is not None else ''}"
            raise SuiteError(
                f"frames of {stream.frame_bytes} bytes have no room for TRex's stamps: those of {kind} take {least}"
            )


def _ip(port: TrexPort, position: int, version: int) -> str:
    """The port's address, or one of the ranges for benchmarks (RFC 2544 appendix C.2.2; RFC 5180 §8)."""
    if version == 6:
        return f"2001:2::{position:x}:1"
    if port.address is not None:
        return str(ipaddress.IPv4Interface(port.address).ip)
    return f"198.18.{position // 250}.{position % 250 + 1}"
