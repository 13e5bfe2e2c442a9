"""What the looks at a server's counters tell of time: when frames left, and when none came. Pure arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from nfvcert.drivers.traffic.trex.counters import Look
from nfvcert.drivers.traffic.trex.streams import Group

__all__ = ["gaps", "longest_gap_s", "longest_look_s", "look_before_end", "sending_times"]


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
    """The longest time at a port without a frame, between the first and the last one sent."""
    start, end = times
    spacing = (end - start) / max(1, sum(group.frames for group in groups) - 1)
    return max((gap_s for _, gap_s in gaps(looks, groups, port, times)), default=spacing)


def gaps(
    looks: Sequence[Look], groups: Sequence[Group], port: int, times: tuple[float, float]
) -> Iterator[tuple[float, float]]:
    """The time of each look, and for how long no frame had come to a port before it, between two ``times``.

    Looks in which nothing came bound it from below. Of the time between two looks in which fewer frames came than were
    due, the missing share is silence too; so it is the gap, and never less than it, to within one look.
    """
    start, end = times
    spacing = (end - start) / max(1, sum(group.frames for group in groups) - 1)
    counted = [(look.at_s, sum(look.received(group.number, port) for group in groups)) for look in looks]
    current, after_nothing = 0.0, False
    for (before, had), (after, has) in itertools.pairwise(counted):
        due = min(after, end) - max(before, start)
        if due <= 0:
            continue
        silence = max(0.0, due - (has - had) * spacing)
        nothing = has == had
        current = current + silence if nothing or after_nothing else silence
        after_nothing = nothing
        yield after, max(current, spacing)


def longest_look_s(looks: Sequence[Look], times: tuple[float, float]) -> float:
    """The longest time without a look that has a part in the time between two ``times``."""
    pairs = itertools.pairwise(looks)
    return max(
        (after.at_s - before.at_s for before, after in pairs if after.at_s > times[0] and before.at_s < times[1]),
        default=0.0,
    )


def look_before_end(looks: Sequence[Look], group: int, end_s: float) -> Look:
    """The last look that was so long before some frames of a packet group had yet to be sent; or the first one."""
    total = looks[-1].sent(group)
    unfinished = [look for look in looks if look.sent(group) < total]
    return next((look for look in reversed(unfinished) if look.at_s <= unfinished[-1].at_s - end_s), looks[0])
