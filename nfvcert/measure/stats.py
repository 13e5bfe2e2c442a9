"""From samples to an estimate: the median and its confidence interval by order statistics.

No distribution is assumed (ISO 16269-7; Conover, Practical Nonparametric Statistics, §3.2): the
interval between the r-th smallest and the r-th largest of n samples holds the true median with
probability 1 - 2·P(Binomial(n, ½) < r).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Estimate", "estimate_median"]


@dataclass(frozen=True)
class Estimate:
    """A value with the interval in which the truth lies, in the unit of the samples."""

    value: float
    low: float
    high: float
    confidence: float | None
    """Probability that the interval holds the truth; None for exact values and search bounds."""
    samples: tuple[float, ...] = ()

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """A count, or another value without uncertainty."""
        return cls(value, value, value, None, (value,))


def estimate_median(samples: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Median of the samples, with the narrowest symmetric order-statistics interval that reaches ``confidence``.

    Fewer than six samples cannot reach 95 %: then the interval is their whole range, with the
    confidence that it really has. Raises ValueError for no samples or one that is not finite.
    """
    if not samples:
        raise ValueError("no samples")
    if not all(math.isfinite(sample) for sample in samples):
        raise ValueError("a sample is not a finite number")
    ordered = sorted(samples)
    n = len(ordered)
    rank, reached = 1, _coverage(n, 1)
    while rank + 1 <= n // 2 and _coverage(n, rank + 1) >= confidence:
        rank += 1
        reached = _coverage(n, rank)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return Estimate(middle, ordered[rank - 1], ordered[n - rank], reached if n > 1 else None, tuple(samples))


def _coverage(n: int, rank: int) -> float:
    """Probability that the median lies between the rank-th smallest and the rank-th largest of n samples."""
    return 1.0 - 2.0 * sum(math.comb(n, k) for k in range(rank)) / 2.0**n
