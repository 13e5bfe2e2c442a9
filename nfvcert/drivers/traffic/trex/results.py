"""From what the server counted to results, and whether the generator vouches for them. Pure arithmetic.

Who lost a frame? It counts as sent once the server counted it so, and as received once a port of the server did. What
the server could not take in (``ierrors``, ``rx_err``) is no loss of the device: such a result is invalid. A server
that cannot keep up sends its frames later and later, all of them: its counters alone would show the rate that was
asked for. So the offered rate is computed from the looks at its counters and its clock (`counters`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nfvcert.drivers.traffic.trex.counters import Count, Health, Look
from nfvcert.drivers.traffic.trex.latency import latency_summary, some_below, some_beyond, unsorted
from nfvcert.drivers.traffic.trex.streams import Group
from nfvcert.drivers.traffic.trex.timeline import longest_gap_s, longest_look_s, sending_times
from nfvcert.drivers.traffic.trex.windows import unseen, window_error, windows
from nfvcert.protocols import Stream, StreamResult

__all__ = ["Evidence", "Gate", "stream_results"]


@dataclass(frozen=True)
class Gate:
    """Bounds beyond which a result is invalid: what the generator did is not what was asked."""

    unsent_share: float = 0.002
    """Of the intended frames; of 50 frames or more, one is always allowed."""
    stretch_share: float = 0.005
    """How far the time that sending took may be off."""
    queue_full_share: float = 0.05
    """Waits for a full transmit queue (of 1 µs each), as a share of the frames of a run: then frames left in bursts."""
    look_s: float = 0.05
    """The longest time without a look at the counters: a gap at the receiver would not be seen."""


@dataclass(frozen=True)
class Evidence:
    """All that is known of a run."""

    streams: tuple[Stream, ...]
    groups: tuple[Group, ...]
    numbers: Mapping[str, int]
    """Port → its number at the server."""
    looks: Sequence[Look]
    """While frames flowed, oldest first; at least one before and one after."""
    last: Look
    """When no frame came any more."""
    before: Health
    after: Health
    lost_links: frozenset[int] = frozenset()
    """Server ports whose link went down meanwhile."""
    stopped: bool = False
    """Whether sending was broken off since it took too long."""


def stream_results(evidence: Evidence, gate: Gate) -> tuple[StreamResult, ...]:
    """One result a stream, in order."""
    common = tuple(_server_faults(evidence, gate))
    return tuple(_result(evidence, gate, index, common) for index in range(len(evidence.streams)))


def _result(evidence: Evidence, gate: Gate, index: int, common: tuple[str, ...]) -> StreamResult:
    stream = evidence.streams[index]
    mine = [group for group in evidence.groups if group.stream == index]
    rx = evidence.numbers[stream.rx]
    counts = {group: evidence.last.counts.get(group.number, Count()) for group in mine}
    sequenced = next(group for group in mine if group.sequenced)
    sent = sum(evidence.last.sent(group.number) for group in mine)
    arrived = {group: evidence.last.received(group.number, rx) for group in mine}
    twice = {group: _twice_and_late(evidence, group, rx) for group in mine}
    duplicates = sum(duplicates for duplicates, _ in twice.values())
    times = _times(evidence, mine)
    unsent = max(0, stream.frames - sent)
    return StreamResult(
        stream=stream,
        sent=sent,
        unsent=unsent,
        received=min(sent, max(0, sum(arrived.values()) - duplicates)),
        duplicates=duplicates,
        reordered=twice[sequenced][1],
        seconds=0.0 if times is None else times[1] - times[0],
        longest_gap_s=0.0 if times is None else longest_gap_s(evidence.looks, mine, rx, times),
        stray=_strays(evidence, mine, stream),
        latency=latency_summary(counts[sequenced]),
        invalid=(
            *_sending_faults(evidence, gate, stream, unsent, times),
            *_counting_faults(evidence, stream, mine, counts),
            *common,
        ),
        suspect=_grown(evidence, "receive_errors", rx) > 0 or _lost_its_link(evidence, stream.tx),
        windows=()
        if times is None
        else windows(stream, mine, rx, [*evidence.looks, evidence.last], times, gate.look_s),
        window_error=0 if times is None else window_error([*evidence.looks, evidence.last], mine, rx, times[1]),
    )


def _twice_and_late(evidence: Evidence, group: Group, rx: int) -> tuple[int, int]:
    """Duplicates and reordered frames of a group at the receiving port.

    The server looks at the numbers of all its ports together, so that to it a frame that was flooded came again. One
    that comes again after others did is a late one to it. Of frames without numbers only this is known: whether more
    came than were sent.
    """
    count = evidence.last.counts.get(group.number, Count())
    arrived = count.received.get(rx, 0)
    elsewhere = sum(count.received.values()) - arrived
    duplicates = max(0, count.duplicates - elsewhere)
    reordered = max(0, count.reordered - max(0, elsewhere - count.duplicates))
    surplus = max(0, arrived - duplicates - evidence.last.sent(group.number))
    return duplicates + surplus, max(0, reordered - surplus)


def _times(evidence: Evidence, mine: Sequence[Group]) -> tuple[float, float] | None:
    """When the first and the last frame of a stream left: those of the group that carries the load."""
    return sending_times([*evidence.looks, evidence.last], mine[0])


def _strays(evidence: Evidence, mine: Sequence[Group], stream: Stream) -> dict[str, int]:
    others = {port: number for port, number in evidence.numbers.items() if port not in (stream.rx, stream.tx)}
    counted = {
        port: sum(evidence.last.received(group.number, number) for group in mine) for port, number in others.items()
    }
    return {port: frames for port, frames in counted.items() if frames}


def _sending_faults(
    evidence: Evidence, gate: Gate, stream: Stream, unsent: int, times: tuple[float, float] | None
) -> Iterator[str]:
    if unsent > max(1 if stream.frames >= 50 else 0, gate.unsent_share * stream.frames):
        broken_off = ", and was stopped" if evidence.stopped else ""
        yield (
            f"could not send {unsent:,} of {stream.frames:,} frames ({unsent / stream.frames:.1%})"
            f" at {stream.rate_fps:,.0f} pps in time{broken_off}"
        )
    if times is None:
        return
    spacing_s = 1 / stream.rate_fps
    took_s, intended_s = times[1] - times[0], (stream.frames - unsent - 1) * spacing_s
    # The looks before and after tell the ends of a short stream only to their own distance.
    unseen_s = longest_look_s(evidence.looks, times)
    if abs(took_s - intended_s) > max(gate.stretch_share * intended_s, 2 * spacing_s, unseen_s, 0.01):
        yield f"took {took_s:.3f} s to send what was to take {intended_s:.3f} s"
    if not stream.windows and unseen_s > gate.look_s + 2 * spacing_s:  # each window tells its own
        yield unseen(unseen_s)


def _counting_faults(
    evidence: Evidence, stream: Stream, mine: Sequence[Group], counts: Mapping[Group, Count]
) -> Iterator[str]:
    rx = evidence.numbers[stream.rx]
    for group, count in counts.items():
        if not group.sequenced:
            continue
        arrived = evidence.last.received(group.number, rx)
        duplicates, _ = _twice_and_late(evidence, group, rx)
        lost = evidence.last.sent(group.number) - (arrived - duplicates)
        # A frame that never came at the end of a stream has no later number that would miss it.
        if count.dropped > max(0, lost):
            yield f"missed {count.dropped:,} sequence numbers, though it lacks {max(0, lost):,} frames"
        if (rest := unsorted(count)) and some_beyond(count) and some_below(count):
            yield f"did not tell which of {rest:,} frames took less than 10 µs, and which more than a second"
        if duplicates and len(mine) > 1:
            yield (
                f"got {duplicates:,} of {arrived:,} probe frames more than once: it numbers no others, "
                "so duplicates could hide their loss"
            )
    for number, counter, port in (
        (evidence.numbers[stream.tx], "send_errors", stream.tx),
        (rx, "receive_errors", stream.rx),
    ):
        if (grown := _grown(evidence, counter, number)) > 0:
            did = "could not send" if counter == "send_errors" else "had no room for, or got damaged,"
            yield f"its own port {port} {did} {grown:,} frames"
    yield from _lies(evidence, stream.tx)
    # A link that is lost at the receiving port is the device's doing, as far as anybody can tell: its frames are lost.
    if _lost_its_link(evidence, stream.tx):
        yield f"its own port {stream.tx} lost its link, so nothing left there for a while"


def _grown(evidence: Evidence, counter: str, number: int) -> int:
    """By how much a counter of a server's port grew in the run."""
    return int(getattr(evidence.after, counter).get(number, 0) - getattr(evidence.before, counter).get(number, 0))


def _lost_its_link(evidence: Evidence, port: str) -> bool:
    number = evidence.numbers[port]
    return number in evidence.lost_links or not evidence.after.links_up.get(number, False)


def _lies(evidence: Evidence, tx: str) -> Iterator[str]:
    """What a port was handed in this run and its adapter did not send."""
    number = evidence.numbers[tx]
    if number not in evidence.before.left or number not in evidence.after.left:
        return
    left = evidence.after.left[number] - evidence.before.left[number]
    handed = sum(
        evidence.last.sent(group.number) for group in evidence.groups if evidence.streams[group.stream].tx == tx
    )
    if left < handed:
        yield f"its own port {tx} sent {left:,} of {handed:,} frames that it was handed"


def _server_faults(evidence: Evidence, gate: Gate) -> Iterator[str]:
    """What the server as a whole did wrong."""
    frames = sum(stream.frames for stream in evidence.streams)
    waits = evidence.after.queue_full - evidence.before.queue_full
    if waits > max(1, gate.queue_full_share * frames):
        yield f"waited {waits:,} times for a full transmit queue (queue_full), so its frames left in bursts"
    if (dropped := evidence.after.dropped - evidence.before.dropped) > 0:
        yield f"gave up {dropped:,} frames before they left, for want of memory or queues"
    busy = {end for stream in evidence.streams for end in (stream.tx, stream.rx)}
    for port, number in evidence.numbers.items():
        if port not in busy and not (evidence.before.links_up.get(number) and evidence.after.links_up.get(number)):
            yield f"port {port} had no link, so nobody listened for strays there"
    first = evidence.looks[0].errors if evidence.looks else {}
    for name, value in evidence.last.errors.items():
        if (grown := value - first.get(name, 0)) > 0:
            yield f"could not count {grown:,} frames ({name})"
