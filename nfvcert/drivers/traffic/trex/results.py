"""From what the server counted to results, and whether the generator vouches for them. Pure arithmetic.

Who lost a frame? It counts as sent once the server counted it so, and as received once a port of the server did. What
the server could not take in (``ierrors``, ``rx_err``) is no loss of the device: such a result is invalid. A server
that cannot keep up sends its frames later and later, all of them: its counters alone would show the rate that was
asked for. So the offered rate is computed from the looks at its counters and its clock (`counters`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nfvcert.drivers.traffic.trex.counters import Count, Health, Look
from nfvcert.drivers.traffic.trex.streams import Group
from nfvcert.protocols import LatencySummary, Stream, StreamResult

__all__ = ["Evidence", "Gate", "latency_summary", "latency_untold", "longest_gap_s", "sending_times", "stream_results"]

_SMALLEST_BUCKET_US = 10
_BEYOND_US = 1_000_000
"""What takes less than the one, or as long as the other, is in none of the histogram's buckets."""
_MOST_US = 10_000_000.0
"""No run waits so long for a frame."""


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


def sending_times(looks: Sequence[Look], group: Group) -> tuple[float, float] | None:
    """When the first and the last frame of a group left, by the server's clock; None when none did, or no look tells.

    Between the looks that saw some but not all frames, the rate is known; from there it is followed to both ends, and
    never beyond the looks that saw none yet, or all.
    """
    sent = [(look.at_s, look.sent(group.number)) for look in looks]
    total = sent[-1][1] if sent else 0
    if total < 1:
        return None
    if total == 1:
        at = next(at for at, frames in sent if frames)
        return at, at
    none = [at for at, frames in sent if frames == 0]
    everything = [at for at, frames in sent if frames == total]
    partly = [(at, frames) for at, frames in sent if 0 < frames < total]
    earliest, latest = (none[-1] if none else sent[0][0]), everything[0]
    if len(partly) < 2 or partly[-1][1] == partly[0][1]:
        # Too short to see a rate within it: what was asked for, as far as the looks around it allow.
        asked = (total - 1) / group.rate_fps
        middle = (earliest + latest) / 2
        half = min(asked, latest - earliest) / 2
        return middle - half, middle + half
    (first_at, first), (last_at, last) = partly[0], partly[-1]
    spacing = (last_at - first_at) / (last - first)
    return max(earliest, first_at - (first - 1) * spacing), min(latest, last_at + (total - last) * spacing)


def longest_gap_s(looks: Sequence[Look], groups: Sequence[Group], port: int, times: tuple[float, float]) -> float:
    """The longest time at a port without a frame, between the first and the last one sent.

    Looks in which nothing came bound it from below. Of the time between two looks in which fewer frames came than were
    due, the missing share is silence too; so it is the gap, and never less than it, to within one look.
    """
    start, end = times
    spacing = (end - start) / max(1, sum(group.frames for group in groups) - 1)
    silences: list[float] = []
    counted = [(look.at_s, sum(look.received(group.number, port) for group in groups)) for look in looks]
    for (before, had), (after, has) in itertools.pairwise(counted):
        due = min(after, end) - max(before, start)
        if due > 0:
            silences.append(max(0.0, due - (has - had) * spacing))
    empty = _empty(counted, times)
    longest = current = 0.0
    for index, silence in enumerate(silences):
        current = current + silence if index and (empty[index] or empty[index - 1]) else silence
        longest = max(longest, current)
    return max(longest, spacing)


def _empty(counted: Sequence[tuple[float, int]], times: tuple[float, float]) -> list[bool]:
    """Of each stretch between two looks that has a part in the sending: whether nothing came in it."""
    start, end = times
    pairs = itertools.pairwise(counted)
    return [has == had for (before, had), (after, has) in pairs if min(after, end) - max(before, start) > 0]


def latency_untold(count: Count, lasted_s: float) -> bool:
    """Whether the server has yet to tell, half a second later, how long those frames took that are in no bucket.

    In a run that ``lasted_s`` it is known of them that they took less than that.
    """
    told = count.latency
    if told is None or not _unsorted(count):
        return False
    return not told.get("total_min") or lasted_s * 1e6 >= _BEYOND_US


def latency_summary(count: Count) -> LatencySummary | None:
    """What is known of the latencies of a `latency` group: None when no frame came.

    The server counts them in buckets whose edges have one digit (10, 20 … 90, 100, 200 … µs), so a percentile is the
    upper edge of its bucket: never less than the truth, and up to twice as much. The shortest and the longest that it
    tells are of whole half seconds and leave out a stream's first frames: they are believed as far as the histogram
    agrees, and its edges else.
    """
    told, buckets = count.latency, _buckets(count)
    if told is None or not buckets:
        return None
    frames = sum(number for _, number in buckets)
    first, last = buckets[0][0], buckets[-1][0]
    shortest, longest = float(told.get("total_min") or first), float(told.get("total_max") or 0)
    if not first <= shortest <= _upper_edge_us(first):
        shortest = float(first)
    if not max(last, shortest) <= longest <= _upper_edge_us(last):
        longest = _upper_edge_us(last)
    edges = [min(_upper_edge_us(key), longest) for key, _ in buckets]

    def percentile(share: float) -> float:
        passed = 0
        for edge, (_, number) in zip(edges, buckets, strict=True):
            passed += number
            if passed >= share * frames:
                return edge
        return edges[-1]

    return LatencySummary(
        min_us=shortest,
        p50_us=percentile(0.5),
        p90_us=percentile(0.9),
        p99_us=percentile(0.99),
        p999_us=percentile(0.999),
        max_us=longest,
        ipdv_p99_us=None,
        histogram=tuple((_upper_edge_us(key), number) for key, number in buckets),
    )


def _buckets(count: Count) -> list[tuple[int, int]]:
    """Lower edge in µs, and frames, of each bucket that has some.

    What the server tells of bucket 0 is not believed: it never forgets those of an earlier stream in the same place
    (`m_short_latency` of its time_histogram.cpp). What came is timed, so what is in no other bucket took less than the
    smallest; or longer than the largest, where the extremes say so.
    """
    buckets = _sorted(count)
    if rest := _unsorted(count):
        buckets[_BEYOND_US if _some_beyond(count) else 0] = rest
    return sorted(buckets.items())


def _sorted(count: Count) -> dict[int, int]:
    """The server's own buckets but for 0: lower edge in µs → frames."""
    told = (count.latency or {}).get("histogram") or {}
    return {int(key): int(frames) for key, frames in told.items() if int(key) and int(frames)}


def _unsorted(count: Count) -> int:
    """How many frames that came are in none of them."""
    return max(0, sum(count.received.values()) - sum(_sorted(count).values()))


def _some_beyond(count: Count) -> bool:
    """Whether a frame took longer than the largest bucket is."""
    told = count.latency or {}
    return max(float(told.get("total_min") or 0), float(told.get("total_max") or 0)) >= _BEYOND_US


def _some_below(count: Count) -> bool:
    """Whether a frame took less than the smallest bucket is."""
    return float((count.latency or {}).get("total_min") or 0) < _SMALLEST_BUCKET_US


def _upper_edge_us(key: int) -> float:
    """The upper edge of the bucket that begins at ``key``: 10 → 20, 90 → 100, 100 → 200."""
    if key < _SMALLEST_BUCKET_US:
        return float(_SMALLEST_BUCKET_US)
    if key >= _BEYOND_US:
        return _MOST_US
    return float(key + 10 ** (len(str(key)) - 1))


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
    unseen_s = _longest_look_s(evidence.looks, times)
    if abs(took_s - intended_s) > max(gate.stretch_share * intended_s, 2 * spacing_s, unseen_s, 0.01):
        yield f"took {took_s:.3f} s to send what was to take {intended_s:.3f} s"
    if unseen_s > gate.look_s + 2 * spacing_s:
        yield f"answered no question for {unseen_s * 1e3:.0f} ms, so that nobody could see what it sent then"


def _longest_look_s(looks: Sequence[Look], times: tuple[float, float]) -> float:
    pairs = itertools.pairwise(looks)
    return max(
        (after.at_s - before.at_s for before, after in pairs if after.at_s > times[0] and before.at_s < times[1]),
        default=0.0,
    )


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
        if (rest := _unsorted(count)) and _some_beyond(count) and _some_below(count):
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
        grown = getattr(evidence.after, counter).get(number, 0) - getattr(evidence.before, counter).get(number, 0)
        if grown > 0:
            did = "could not send" if counter == "send_errors" else "had no room for, or got damaged,"
            yield f"its own port {port} {did} {grown:,} frames"
    yield from _lies(evidence, stream.tx)
    # A link that is lost at the receiving port is the device's doing, as far as anybody can tell: its frames are lost.
    number = evidence.numbers[stream.tx]
    if number in evidence.lost_links or not evidence.after.links_up.get(number, False):
        yield f"its own port {stream.tx} lost its link, so nothing left there for a while"


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
