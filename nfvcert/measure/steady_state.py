"""Whether storage is in its steady state: only from there on does a figure tell what it will go on doing.

The rule is that of the SNIA (Solid State Storage Performance Test Specification, steady state), as OPNFV StorPerf
applies it: over a window of rounds, all lie within a range that is a fifth of their average, and the straight line that
fits them best rises or falls by a tenth of it at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression

__all__ = ["RANGE_AT_MOST", "ROUNDS_AT_LEAST", "SLOPE_AT_MOST", "Window"]

RANGE_AT_MOST = 0.20
SLOPE_AT_MOST = 0.10
ROUNDS_AT_LEAST = 5
"""SNIA's window; StorPerf's has ten."""


@dataclass(frozen=True)
class Window:
    """What was measured in rounds of equal length, one after the other."""

    rounds: tuple[float, ...]

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Window:
        """Raises ValueError for fewer rounds than a window has, or one that is no finite number ≥ 0."""
        if len(rounds) < ROUNDS_AT_LEAST:
            raise ValueError(f"a window has {ROUNDS_AT_LEAST} rounds at least, not {len(rounds)}")
        if not all(math.isfinite(each) and each >= 0 for each in rounds):
            raise ValueError("a round is not a finite number ≥ 0")
        return cls(tuple(rounds))

    @property
    def average(self) -> float:
        """In the unit of the rounds."""
        return fmean(self.rounds)

    @property
    def range_ratio(self) -> float:
        """Largest less smallest round, as a share of the average; infinite where nothing was done."""
        return (max(self.rounds) - min(self.rounds)) / self.average if self.average > 0 else math.inf

    @property
    def slope_ratio(self) -> float:
        """Rise or fall of the least-squares line from the first to the last round, as a share of the average."""
        if self.average <= 0:
            return math.inf
        slope = linear_regression(range(len(self.rounds)), self.rounds).slope
        return abs(slope) * (len(self.rounds) - 1) / self.average

    @property
    def is_steady(self) -> bool:
        """Both within their limits. Storage that does nothing does so steadily, and is in no steady state."""
        return self.range_ratio <= RANGE_AT_MOST and self.slope_ratio <= SLOPE_AT_MOST

    def __str__(self) -> str:
        curve = " ".join(f"{each:.0f}" for each in self.rounds)
        return f"range {self.range_ratio:.0%} of the average, slope {self.slope_ratio:.0%} ({curve})"
