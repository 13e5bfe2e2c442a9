"""From what the workers said to results, and whether the generator vouches for them. Pure arithmetic.

Who lost a frame? It counts as sent once it is on the cable, and then it is the device's:
- taken by the kernel while the cable has no carrier: the far end is down, the device's doing → sent, lost;
- refused by the port at the far end of a veth (smaller MTU, just down; ENOBUFS, and the driver's
  `tx_dropped` grows) → sent, lost;
- refused by the port's own queue (ENOBUFS without `tx_dropped`, or the queue's own drops), or still waiting
  in it at the end → unsent;
- not taken, since our own interface is administratively down or its MTU too small → unsent;
- given up by the catch-up bound → unsent.
Of what was handed over, the port must put each frame on the cable, as long as that has a carrier: else the generator
does not send what it says, and nobody knows whose loss that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nfvcert.drivers.traffic.frames import FCS_BYTES
from nfvcert.drivers.traffic.latency import latency_summary
from nfvcert.drivers.traffic.machine import strain
from nfvcert.drivers.traffic.messages import Pause, Seen, Sent
from nfvcert.drivers.traffic.runs import Outcome
from nfvcert.protocols import Stream, StreamResult, Window

Latencies = npt.NDArray[np.float32]

__all__ = ["Gate", "stream_results"]

_ETHERNET_HEADER_BYTES = 14
_CLOCK_SLEW = 0.001
"""Seconds a second: twice what adjtime may slew a clock without setting it (500 ppm)."""


@dataclass(frozen=True)
class Gate:
    """Bounds beyond which a result is invalid: what the generator did is not what was asked."""

    unsent_share: float = 0.002
    """Of the intended frames; of 50 frames or more, one is always allowed."""
    late_share: float = 0.05
    """Of the intended frames; one is always allowed."""
    stretch_share: float = 0.05
    """How far the time that sending took may be off."""
    pause_s: float = 0.02
    """The longest pause of the sender beyond the frames' spacing: the device cannot be blamed for such a gap."""
    stolen_share: float = 0.2
    """Of the time of the machine's processors: what they did not do in time is in the latencies. Less of it shows in
    pauses and unsent frames."""


def stream_results(
    streams: Sequence[Stream], outcome: Outcome, *, gate: Gate, ceilings: Mapping[int, float]
) -> tuple[StreamResult, ...]:
    """One result a stream, in order. ``ceilings`` (frame bytes → fps) is told where too little was sent."""
    return tuple(_Evidence(index, streams, outcome, gate).result(ceilings) for index in range(len(streams)))


class _Evidence:
    """All that is known about one stream of a run."""

    def __init__(self, index: int, streams: Sequence[Stream], outcome: Outcome, gate: Gate) -> None:
        self._stream = streams[index]
        self._streams = streams
        self._outcome = outcome
        self._gate = gate
        done = outcome.done[self._stream.tx]
        self._order = next(sent for sent in done.sent if sent.index == index)
        self._port_orders = done.sent
        self._seen = {
            port: seen for port, report in outcome.reports.items() for seen in report.seen if seen.index == index
        }

    def result(self, ceilings: Mapping[int, float]) -> StreamResult:
        """The counts, and the reasons not to believe them."""
        stream, arrival = self._stream, self._seen[self._stream.rx]
        latency_us = arrival.latency_us
        assert latency_us is not None
        received = int(np.count_nonzero(~np.isnan(latency_us)))
        sent = max(self._on_the_cable(), received)
        unsent = stream.frames - sent
        invalid = [*self._sending(sent, unsent, ceilings), *self._port_faults(), *self._witness_faults()]
        if received < sent and (full := self._grown(stream.tx, "backlog_drops")):
            invalid.append(f"the input queues of this machine's kernel overflowed and lost {full:,} frames")
        step_s = self._outcome.reports[stream.rx].clock_step_s
        if abs(step_s) > _CLOCK_SLEW * (stream.duration_s + 1):
            invalid.append(f"the clock was set by {step_s * 1e3:.1f} ms in mid-run")
        invalid += self._machine_faults()
        windows = self._windows(latency_us, sent)
        if not windows:
            invalid += self._held_up(latency_us[:sent], 0)
        if early := int((latency_us < 0).sum()):
            invalid.append(f"{early:,} frames arrived before they were sent: sender and receiver differ in time")
        return StreamResult(
            stream=stream,
            sent=sent,
            unsent=unsent,
            received=received,
            duplicates=arrival.duplicates,
            reordered=arrival.reordered,
            seconds=self._seconds,
            longest_gap_s=_longest_gap_s(self._order, arrival),
            stray={port: seen.arrived for port, seen in self._seen.items() if port != stream.rx and seen.arrived},
            latency=latency_summary(latency_us),
            machine=self._strain,
            invalid=tuple(invalid),
            suspect=self._too_much_came(),
            windows=windows,
        )

    def _too_much_came(self) -> bool:
        """Whether a socket may have had no room since the device sent frames twice, or where they do not belong."""
        full = {port for port, report in self._outcome.reports.items() if report.socket_drops}
        rx = self._stream.rx
        return any(self._seen[port].duplicates if port == rx else self._seen[port].arrived for port in full)

    def _windows(self, latency_us: Latencies, sent: int) -> tuple[Window, ...]:
        """What became of the frames of each window. Frames that were given up have no numbers, so the last windows may
        have fewer frames, or there are fewer windows.
        """
        stream, told = self._stream, []
        windows = [(first, min(end, sent)) for first, end in stream.windows if first < sent]
        for (first, end), gap_s in zip(windows, self._gaps_s(len(windows)), strict=True):
            mine = latency_us[first:end]
            received = int(np.count_nonzero(~np.isnan(mine)))
            seconds = len(mine) / stream.rate_fps
            given_up = sum(pause.given_up for pause in self._pauses(first, end))
            invalid = [*self._held_up(mine, first)]
            if given_up > max(1 if len(mine) >= 50 else 0, self._gate.unsent_share * len(mine)):
                invalid.append(f"could not send {given_up:,} frames of {len(mine) + given_up:,} in time")
            told.append(
                Window(
                    start_s=(first + sum(pause.given_up for pause in self._pauses(0, first + 1))) / stream.rate_fps,
                    seconds=seconds,
                    sent=len(mine),
                    received=received,
                    longest_gap_s=max(gap_s, 0 if received else seconds),
                    latency=latency_summary(mine),
                    invalid=tuple(invalid),
                )
            )
        return tuple(told)

    def _gaps_s(self, windows: int) -> list[float]:
        """The longest time without a frame by window. What came before the first frame is the first window's, what
        came after the last one the last one's.
        """
        order, arrival = self._order, self._seen[self._stream.rx]
        gaps_ns = [*arrival.longest_by_window_ns[:windows]]
        if arrival.arrived and gaps_ns:
            gaps_ns[0] = max(gaps_ns[0], arrival.first_ns - order.first_ns)
            gaps_ns[-1] = max(gaps_ns[-1], order.last_ns - arrival.last_ns)
        return [gap_ns / 1e9 for gap_ns in gaps_ns]

    def _pauses(self, first: int, end: int) -> list[Pause]:
        return [pause for pause in self._order.pauses if first <= pause.before < end]

    @property
    def _seconds(self) -> float:
        return (self._order.last_ns - self._order.first_ns) / 1e9

    def _grown(self, port: str, counter: str) -> int:
        """How far a counter of a port's interface grew in the run."""
        before, after = self._outcome.ready[port].state, self._outcome.reports[port].state
        return int(getattr(after, counter) - getattr(before, counter))

    def _on_the_cable(self) -> int:
        """Frames of this stream that left our port."""
        order, port = self._order, self._stream.tx
        on_the_cable = order.handed
        refused = sum(each.refused for each in self._port_orders)
        if not self._grown(port, "queue_drops") and self._grown(port, "tx_dropped") >= refused:
            on_the_cable += order.refused
        handed = sum(each.handed for each in self._port_orders)
        if handed and (waiting := self._outcome.reports[port].state.queue_length):
            on_the_cable -= min(order.handed, round(waiting * order.handed / handed))
        return on_the_cable

    def _held_up(self, latency_us: Latencies, first: int) -> Iterator[str]:
        """What the sender's being held up did to some frames that it sent, one after the other from ``first`` on.

        Lost frames that a burst of ours may have cost are told where fewer were lost apart from bursts: a device that
        loses frames by itself loses few of them then, since few are sent then.
        """
        spacing_s = 1 / self._stream.rate_fps
        longest_s = max((pause.ns for pause in self._pauses(first, first + len(latency_us))), default=0) / 1e9
        if longest_s > self._gate.pause_s + 2 * spacing_s:
            yield f"paused for {longest_s * 1e3:.0f} ms between two frames"
        lost = np.isnan(latency_us)
        mine = sum(int(lost[max(0, begin - first) : max(0, end - first)].sum()) for begin, end in self._order.bunches)
        if 2 * mine > (missing := int(lost.sum())):
            yield (
                f"of {missing:,} frames that are missing, {mine:,} were sent in or after a burst that was not asked"
                " for, since the sender had been held up"
            )

    def _missing_on_the_cable(self) -> int:
        """Frames that the port took and neither sent nor kept; none where the far end was down meanwhile."""
        before, after = self._outcome.ready[self._stream.tx].state, self._outcome.reports[self._stream.tx].state
        if not before.carrier or self._grown(self._stream.tx, "carrier_changes"):
            return 0
        handed = sum(each.handed for each in self._port_orders)
        refused = sum(each.refused for each in self._port_orders)
        far_end = max(0, self._grown(self._stream.tx, "tx_dropped") - refused)
        return max(0, handed - self._grown(self._stream.tx, "tx_frames") - after.queue_length - far_end)

    def _sending(self, sent: int, unsent: int, ceilings: Mapping[int, float]) -> Iterator[str]:
        """What the sender did wrong."""
        stream, order, gate = self._stream, self._order, self._gate
        if stream.windows:  # of which each tells its own
            unsent -= sum(pause.given_up for pause in order.pauses)
        if unsent > max(1 if stream.frames >= 50 else 0, gate.unsent_share * stream.frames):
            size = min(ceilings, key=lambda each: abs(each - stream.frame_bytes), default=0)
            known = f"; its ceiling is {ceilings[size]:,.0f} pps with {size} bytes on a loop" if size else ""
            causes = f" ({', '.join(order.errors)})" if order.errors else ""
            yield (
                f"could not send {unsent:,} of {stream.frames:,} frames ({unsent / stream.frames:.1%})"
                f" at {stream.rate_fps:,.0f} pps{causes}{known}"
            )
        if order.late > max(1, gate.late_share * stream.frames):
            yield f"sent {order.late:,} of {sent:,} frames late, in bursts that were not asked for"
        spacing_s = 1 / stream.rate_fps
        intended_s = (stream.frames - 1) * spacing_s
        if order.last_ns and abs(self._seconds - intended_s) > max(
            gate.stretch_share * intended_s, 2 * spacing_s, 0.01
        ):
            yield f"took {self._seconds:.3f} s to send what was to take {intended_s:.3f} s"

    def _port_faults(self) -> Iterator[str]:
        """What the ports at both ends did wrong."""
        stream = self._stream
        if delays := self._grown(stream.tx, "queue_delays"):
            yield f"the queue of its own port {stream.tx} held frames back {delays:,} times"
        if drops := self._grown(stream.tx, "queue_drops"):
            yield f"the queue of its own port {stream.tx} dropped {drops:,} frames"
        elif missing := self._missing_on_the_cable():
            yield f"its own port {stream.tx} put {missing:,} frames fewer on the cable than it was handed"
        for port in (stream.tx, stream.rx):
            mtu = self._outcome.ready[port].state.mtu
            most = mtu + _ETHERNET_HEADER_BYTES + FCS_BYTES
            if stream.frame_bytes > most:
                yield f"its own port {port} carries frames of {most:,} bytes at most (MTU {mtu:,})"

    @property
    def _strain(self) -> Mapping[str, float]:
        """All workers are on one machine."""
        rx = self._stream.rx
        return strain(self._outcome.ready[rx].machine, self._outcome.reports[rx].machine)

    def _machine_faults(self) -> Iterator[str]:
        """What the machine did that no counter of frames shows."""
        told = self._strain
        stolen = told["stolen"]
        if stolen > self._gate.stolen_share and not self._stream.windows:  # each window tells its own pauses
            yield f"its machine's hypervisor took {stolen:.0%} of the processors' time away"
        if throttles := told.get("throttles", 0):
            yield f"its machine's processors were slowed down {throttles:,.0f} times since they were too hot"

    def _witness_faults(self) -> Iterator[str]:
        """What any listening port did wrong: a stray that it missed is a fault of the device unseen."""
        busy = {end for stream in self._streams for end in (stream.tx, stream.rx)}
        for port, report in self._outcome.reports.items():
            if report.socket_drops:
                yield f"its own socket at port {port} had no room for {report.socket_drops:,} frames"
            if report.went_down or not report.state.up:
                yield f"its own port {port} was set down"
            if port not in busy and not (self._outcome.ready[port].state.carrier and report.state.carrier):
                yield f"port {port} had no link, so nobody listened for strays there"


def _longest_gap_s(order: Sent, arrival: Seen) -> float:
    if not arrival.arrived:
        return (order.last_ns - order.first_ns) / 1e9
    ends_ns = (arrival.first_ns - order.first_ns, order.last_ns - arrival.last_ns)
    return max(arrival.longest_ns, *ends_ns) / 1e9
