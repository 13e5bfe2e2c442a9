"""From the looks at a server's counters to the windows of a stream. Pure arithmetic.

At the edge of two windows some frames are on their way. So what is lost there is the least that was missing at any
look from then on, since what arrives later was not lost, less what is on its way at all times: what was missing just
before the last frame was sent, and came.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence

from nfvcert.drivers.traffic.trex.counters import Count, Look
from nfvcert.drivers.traffic.trex.latency import BEYOND_US, latency_summary, some_beyond
from nfvcert.drivers.traffic.trex.streams import Group
from nfvcert.drivers.traffic.trex.timeline import gaps, longest_look_s
from nfvcert.protocols import LatencySummary, Stream, Window

__all__ = ["unseen", "window_error", "windows"]

RAMP_S = 0.05
"""When a stream begins, fewer frames are on their way."""
END_S = 0.05
"""Of the end of a stream, whose frames that are on their way are all that comes later."""
STRETCH_SHARE = 0.005


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
    lost = _lost_so_far(looks, mine, port, (start + RAMP_S, end))
    edges = [_look_at(looks, start + first * spacing) for first, _ in stream.windows[1:]]
    timed = next(group.number for group in mine if group.sequenced)
    told = []
    for first, after in itertools.pairwise([0, *edges, len(looks) - 1]):
        began, ended = max(looks[first].at_s, start), min(looks[after].at_s, end)
        if ended <= began:
            continue
        sent = _sent(looks[after], mine) - _sent(looks[first], mine)
        told.append(
            Window(
                start_s=began - start,
                seconds=ended - began,
                sent=sent,
                received=sent - (lost[after] - lost[first]),
                longest_gap_s=max((gap_s for at, gap_s in silences if began < at <= ended), default=spacing),
                latency=_latency(looks[first], looks[after], looks[-1], timed),
                invalid=tuple(_faults(looks[first : after + 1], (began, ended), sent / stream.rate_fps, bound_s)),
            )
        )
    return tuple(told)


def unseen(seconds: float) -> str:
    """What is told of a time in which the server did not answer."""
    return f"answered no question for {seconds * 1e3:.0f} ms, so that nobody could see what it sent then"


def _faults(looks: Sequence[Look], times: tuple[float, float], intended_s: float, bound_s: float) -> Iterator[str]:
    took_s, unseen_s = times[1] - times[0], longest_look_s(looks, times)
    if unseen_s > bound_s:
        yield unseen(unseen_s)
    # The looks tell the ends of a window only to their own distance.
    elif took_s - intended_s > max(STRETCH_SHARE * took_s, 2 * unseen_s, 0.01):
        yield f"took {took_s:.3f} s to send what was to take {intended_s:.3f} s"


def _look_at(looks: Sequence[Look], at_s: float) -> int:
    """The position of the last look up to a time, or of the first."""
    return max(0, bisect.bisect_right(looks, at_s, key=lambda look: look.at_s) - 1)


def _sent(look: Look, mine: Sequence[Group]) -> int:
    return sum(look.sent(group.number) for group in mine)


def _lost_so_far(looks: Sequence[Look], mine: Sequence[Group], port: int, steady: tuple[float, float]) -> Sequence[int]:
    """Frames that were lost up to each look; between the ``steady`` times, equally many are always on their way."""
    missing = _missing(looks, mine, port)
    flowing = [steady[0] <= look.at_s < steady[1] for look in looks]
    on_the_way = max(0, min(_near_end(looks, missing, steady[1]), default=0) - missing[-1])
    lost = [frames - on_the_way * flows for frames, flows in zip(missing, flowing, strict=True)]
    return [max(0, frames) for frames in itertools.accumulate(reversed(lost), min)][::-1]


def window_error(looks: Sequence[Look], mine: Sequence[Group], port: int, end: float) -> int:
    """Of how many lost frames the window is not known: by so many those differ that are on their way."""
    near_end = [*_near_end(looks, _missing(looks, mine, port), end)]
    return max(near_end) - min(near_end) + 1 if near_end else 1


def _missing(looks: Sequence[Look], mine: Sequence[Group], port: int) -> Sequence[int]:
    """Frames that were sent up to each look and had not come."""
    return [
        _sent(look, mine)
        - sum(look.received(group.number, port) for group in mine)
        + sum(look.counts[group.number].duplicates for group in mine if group.number in look.counts)
        for look in looks
    ]


def _near_end(looks: Sequence[Look], missing: Sequence[int], end: float) -> Iterator[int]:
    """What was missing when the last frames were sent, and later ones can hardly have been lost."""
    return (frames for look, frames in zip(looks, missing, strict=True) if end - END_S <= look.at_s < end)


def _latency(before: Look, after: Look, last: Look, group: int) -> LatencySummary | None:
    """Of the frames between two looks. Extremes are told of the whole stream only: where one of its frames took longer
    than the largest bucket, all that are in no bucket are taken for such.
    """
    had, has, all_of_it = (look.counts.get(group, Count()) for look in (before, after, last))
    then, now = _histogram(had), _histogram(has)
    came = sum(has.received.values()) - sum(had.received.values())
    told: dict[str, object] = {"histogram": {bucket: frames - then.get(bucket, 0) for bucket, frames in now.items()}}
    if some_beyond(all_of_it):
        told["total_max"] = BEYOND_US
    return latency_summary(Count(received={0: max(0, came)}, latency=told))


def _histogram(count: Count) -> Mapping[str, int]:
    return {bucket: int(frames) for bucket, frames in ((count.latency or {}).get("histogram") or {}).items()}
