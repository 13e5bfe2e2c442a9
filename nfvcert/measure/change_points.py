"""Where the history of a KPI changed its level: so that three releases that each lose 2 % are seen.

Pettitt's rank test (Applied Statistics 28 (1979) 126) for one change, with a p-value by permutations instead of his
approximation, which is poor for short histories; binary segmentation for several. No distribution is assumed, and one
wild value makes no change. The values must be of equal conditions; which those are, is not decided here.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from nfvcert.measure.screening import PERMUTATIONS, random_orders

__all__ = ["FEWEST", "ChangePoint", "change_points"]

FALSE_ALARM = 0.01
"""Probability that a history without a change, whose values do not depend on one another, is said to have one."""
FEWEST = 10
"""Values that a history must have: fewer could not reach FALSE_ALARM whatever they were."""


@dataclass(frozen=True)
class ChangePoint:
    """A change of level."""

    at: int
    """Index of the first value of the new level."""
    before: float
    """Median of the values since the change before this one, or the beginning."""
    after: float
    """Median of the values until the next change, or the end."""
    p: float
    """Probability of as clear a change by chance."""


def change_points(history: Sequence[float], false_alarm: float = FALSE_ALARM) -> tuple[ChangePoint, ...]:
    """All changes of level in values by time, the earliest first; none in fewer than FEWEST values.

    A change less than about five values before the end is not seen yet: so few could be chance.
    Raises ValueError for a value that is not finite.
    """
    if not all(math.isfinite(value) for value in history):
        raise ValueError("a value of the history is not a finite number")
    cuts = _cuts(history, 0, false_alarm)
    ends = [0, *(at for at, _ in cuts), len(history)]
    return tuple(
        ChangePoint(at, median(history[start:at]), median(history[at:end]), p)
        for (at, p), start, end in zip(cuts, ends, ends[2:], strict=False)
    )


def _cuts(values: Sequence[float], offset: int, false_alarm: float) -> list[tuple[int, float]]:
    """(index, p) of each change, in order."""
    if len(values) < FEWEST:
        return []
    at, p = _pettitt(values)
    if p > false_alarm:
        return []
    before, after = _cuts(values[:at], offset, false_alarm), _cuts(values[at:], offset + at, false_alarm)
    return [*before, (offset + at, p), *after]


def _pettitt(values: Sequence[float]) -> tuple[int, float]:
    """The likeliest place of one change, and the p-value."""
    import numpy as np

    n = len(values)
    ordered = sorted(values)
    twice_centred = [bisect_left(ordered, value) + bisect_right(ordered, value) - n for value in values]
    by_chance = np.abs(np.cumsum(np.asarray(twice_centred)[random_orders(n)], axis=1)).max(axis=1)
    course = np.abs(np.cumsum(twice_centred))
    return int(course.argmax()) + 1, (1 + int((by_chance >= course.max()).sum())) / (1 + PERMUTATIONS)
