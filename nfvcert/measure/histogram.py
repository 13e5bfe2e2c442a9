"""Latencies of any number as counts in buckets that are all equally exact, so that histograms of trials can be added.

As HdrHistogram (Tene) has it: SUB_BUCKETS linear buckets for each power of two. Its Python port takes 3 s for a
million values, since it takes them one by one; numpy takes a fraction of one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["PRECISION", "Histogram"]

SUB_BUCKETS = 128
PRECISION = 1 / SUB_BUCKETS
"""Width of a bucket, as a share of its values, at most."""
ZERO = -(1 << 20)
"""The bucket of 0, below those of all floats."""


@dataclass(frozen=True)
class Histogram:
    """Counts of values ≥ 0, of any unit."""

    counts: Mapping[int, int]
    """Bucket → how many, in order; `edge` says where a bucket ends."""

    @classmethod
    def of(cls, values: Sequence[float] | npt.NDArray[np.floating]) -> Histogram:
        """Raises ValueError for a value that is negative or not finite."""
        import numpy as np

        known = np.asarray(values, dtype=float)
        if not np.isfinite(known).all() or (known < 0).any():
            raise ValueError("a histogram counts finite values ≥ 0")
        mantissa, exponent = np.frexp(known)
        buckets = exponent.astype(np.int64) * SUB_BUCKETS + ((mantissa - 0.5) * (2 * SUB_BUCKETS)).astype(np.int64)
        zeros = known == 0
        buckets[zeros] = 0
        if not len(buckets):
            return cls({})
        lowest = int(buckets.min())
        counts = np.bincount(buckets - lowest, weights=~zeros).astype(np.int64)
        told = {lowest + int(at): int(counts[at]) for at in np.flatnonzero(counts)}
        return cls({ZERO: int(zeros.sum())} | told if zeros.any() else told)

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(dict(sorted((Counter(self.counts) + Counter(other.counts)).items())))

    @property
    def total(self) -> int:
        """Number of values."""
        return sum(self.counts.values())

    @staticmethod
    def edge(bucket: int) -> float:
        """Where a bucket ends: its values are less, by PRECISION of it at most. 0 for that of 0."""
        if bucket == ZERO:
            return 0.0
        exponent, sub = divmod(bucket, SUB_BUCKETS)
        return math.ldexp(0.5 + (sub + 1) / (2 * SUB_BUCKETS), exponent)

    def percentile(self, percent: float) -> float:
        """By nearest rank (RFC 2330 §11.3), as the upper edge of its bucket: never better than it was.

        Raises ValueError for an empty histogram, or a percentage that is not above 0 and at most 100.
        """
        if not self.counts or not 0 < percent <= 100:
            raise ValueError(f"the {percent:g}th percentile of {self.total} values")
        rank = max(math.ceil(self.total * percent / 100 - 1e-9), 1)
        below = 0
        for bucket, count in self.counts.items():
            below += count
            if below >= rank:
                return self.edge(bucket)
        raise AssertionError("the ranks end with the last value")
