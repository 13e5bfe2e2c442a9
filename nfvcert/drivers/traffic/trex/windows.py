"""From the looks at a server's counters to the windows of a stream. Pure arithmetic.

At the edge of two windows some frames are on their way. So what is missing there is the least that was missing at any
look from then on: what arrives later was not lost.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence

from nfvcert.drivers.traffic.trex.counters import Count, Look
from nfvcert.drivers.traffic.trex.latency import latency_summary
from nfvcert.drivers.traffic.trex.streams import Group
from nfvcert.drivers.traffic.trex.timeline import gaps, longest_look_s
from nfvcert.protocols import LatencySummary, Stream, Window

__all__ = ["unseen", "windows"]


def windows(
    stream: Stream, mine: Sequence[Group], port: int, looks: Sequence[Look], times: tuple[float, float], bound_s: float
) -> tuple[Window, ...]:
    """What became of the frames of each window of a stream that was sent between two ``times``.

    ``mine``: its packet groups; ``looks``: with latencies, the last one when no frame came any more; ``bound_s``: the
    longest time without a look.
    """
    start, end = times
    spacing = (end - start) / max(1, stream.frames - 1)
    silences = tuple(gaps(looks, mine, port, times))
    edges = [_look_at(looks, start + first * spacing) for first, _ in stream.windows[1:]]
    told = []
    for first, after in itertools.pairwise([0, *edges, len(looks) - 1]):
        began, ended = max(looks[first].at_s, start), min(looks[after].at_s, end)
        if ended <= began:
            continue
        sent = _sent(looks[after], mine) - _sent(looks[first], mine)
        lost = _missing(looks[after:], mine, port) - _missing(looks[first:], mine, port)
        unseen_s = longest_look_s(looks[first : after + 1], (began, ended))
        told.append(
            Window(
                start_s=began - start,
                seconds=ended - began,
                sent=sent,
                received=sent - lost,
                longest_gap_s=max((gap_s for at, gap_s in silences if began < at <= ended), default=spacing),
                latency=_latency(looks[first], looks[after], next(group.number for group in mine if group.sequenced)),
                invalid=(unseen(unseen_s),) if unseen_s > bound_s + 2 * spacing else (),
            )
        )
    return tuple(told)


def unseen(seconds: float) -> str:
    """What is told of a time in which the server did not answer."""
    return f"answered no question for {seconds * 1e3:.0f} ms, so that nobody could see what it sent then"


def _look_at(looks: Sequence[Look], at_s: float) -> int:
    """The position of the last look up to a time, or of the first."""
    return max(0, bisect.bisect_right(looks, at_s, key=lambda look: look.at_s) - 1)


def _sent(look: Look, mine: Sequence[Group]) -> int:
    return sum(look.sent(group.number) for group in mine)


def _missing(looks: Sequence[Look], mine: Sequence[Group], port: int) -> int:
    """Frames that were missing at the first look, and did not come later."""

    def missing(look: Look) -> int:
        twice = sum(look.counts[group.number].duplicates for group in mine if group.number in look.counts)
        return _sent(look, mine) - sum(look.received(group.number, port) for group in mine) + twice

    return max(0, min(missing(look) for look in looks))


def _latency(before: Look, after: Look, group: int) -> LatencySummary | None:
    had, has = (_histogram(look.counts.get(group, Count())) for look in (before, after))
    grown = {bucket: frames - had.get(bucket, 0) for bucket, frames in has.items()}
    return latency_summary(Count(latency={"histogram": grown}))


def _histogram(count: Count) -> Mapping[str, int]:
    return {bucket: int(frames) for bucket, frames in (count.latency or {}).get("histogram", {}).items()}
