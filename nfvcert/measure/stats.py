"""From samples to an estimate, with the confidence interval that suits the quantity.

median, any quantile
    order statistics: no distribution is assumed (ISO 16269-7; Conover, Practical Nonparametric Statistics, §3.2)
share of events among trials, such as lost of sent frames
    Clopper and Pearson: exact, never narrower than it says (Biometrika 26 (1934) 404)
rate of rare events in time
    Garwood: exact for a Poisson process (Biometrika 28 (1936) 437)
ratio of two medians, such as now over baseline
    bootstrap with a fixed seed (Efron and Tibshirani 1993, §13.3)

All samples count, unless a rule that leaves some out is asked for by its name; what it left out is in the note.
How many samples are taken, and when, is `sequential`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from nfvcert.measure.screening import OutlierRule, leave_out

__all__ = ["Estimate", "estimate_median", "estimate_quantile", "estimate_rate", "estimate_ratio", "estimate_share"]

RESAMPLES = 5000
SEED = 20261129
"""Of the bootstrap: the same samples have the same interval in everybody's hands."""


@dataclass(frozen=True)
class Estimate:
    """A value with the interval in which the truth lies, in the unit of the samples."""

    value: float
    low: float
    high: float
    confidence: float | None
    """Probability that the interval holds the truth; None for exact values and search bounds."""
    samples: tuple[float, ...] = ()
    """All that were taken, in their order; also those that a rule left out."""
    note: str = ""
    """What is unusual about it: which samples were left out by which rule, or why the interval is wider."""

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """A count, or another value without uncertainty."""
        return cls(value, value, value, None, (value,))


def estimate_median(
    samples: Sequence[float], confidence: float = 0.95, *, outliers: OutlierRule = OutlierRule.KEEP_ALL
) -> Estimate:
    """Median of the samples, with the narrowest symmetric order-statistics interval that reaches ``confidence``.

    Fewer than six samples cannot reach 95 %: then the interval is their whole range, with the
    confidence that it really has. Raises ValueError for no samples or one that is not finite.
    """
    kept = leave_out(samples, outliers)
    ordered = sorted(kept.samples)
    n = len(ordered)
    rank, reached = 1, range_confidence(n)
    while rank + 1 <= n // 2 and _coverage(n, rank + 1) >= confidence:
        rank += 1
        reached = _coverage(n, rank)
    return Estimate(
        median(ordered), ordered[rank - 1], ordered[n - rank], reached if n > 1 else None, tuple(samples), kept.note
    )


def range_confidence(n: int) -> float:
    """Probability that the median lies between the least and the greatest of n samples."""
    return _coverage(n, 1)


def _coverage(n: int, rank: int) -> float:
    """Probability that the median lies between the rank-th smallest and the rank-th largest of n samples."""
    return 1.0 - 2.0 * sum(math.comb(n, k) for k in range(rank)) / 2.0**n


def estimate_quantile(
    samples: Sequence[float],
    share: float,
    confidence: float = 0.95,
    *,
    outliers: OutlierRule = OutlierRule.KEEP_ALL,
) -> Estimate:
    """A quantile (``share`` 0.99: the 99th percentile) as a sample that occurred, with its order-statistics interval.

    Each end may miss with half of what ``confidence`` leaves. Where too few samples lie beyond the quantile for that
    (99th percentile: fewer than 368), the end is the last sample, and the confidence is what is really reached.
    Raises ValueError for no samples, one that is not finite, or a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"a quantile's share lies between 0 and 1, and is not {share:g}")
    from scipy.special import bdtr

    kept = leave_out(samples, outliers)
    ordered = sorted(kept.samples)
    n, miss = len(ordered), (1 - confidence) / 2

    def at_most(count: int) -> float:
        """Probability that at most so many samples lie below the quantile."""
        return float(bdtr(count, n, share)) if count >= 0 else 0.0

    low = max(bisect_left(range(n + 1), True, key=lambda count: at_most(count) > miss), 1)
    high = min(bisect_left(range(n + 1), True, key=lambda count: at_most(count) >= 1 - miss) + 1, n)
    reached = at_most(high - 1) - at_most(low - 1)
    value = ordered[min(max(math.ceil(n * share), 1), n) - 1]
    low, high = min(low, ordered.index(value) + 1), max(high, ordered.index(value) + 1)
    return Estimate(
        value,
        ordered[low - 1],
        ordered[high - 1],
        reached if n > 1 and reached > 0 else None,
        tuple(samples),
        kept.note,
    )


def estimate_share(events: int, trials: int, confidence: float = 0.95) -> Estimate:
    """Share of trials with an event, such as lost frames of sent ones: Clopper and Pearson's exact interval.

    No event of n is no proof that there are none: the upper end is then about 3.7 / n.
    Raises ValueError for counts that contradict each other.
    """
    if not 0 <= events <= trials or trials < 1:
        raise ValueError(f"{events} events of {trials} trials")
    from scipy.special import betaincinv

    miss = (1 - confidence) / 2
    low = float(betaincinv(events, trials - events + 1, miss)) if events else 0.0
    high = float(betaincinv(events + 1, trials - events, 1 - miss)) if events < trials else 1.0
    return Estimate(events / trials, low, high, confidence, (events / trials,))


def estimate_rate(events: int, exposure: float, confidence: float = 0.95) -> Estimate:
    """Events in each unit of exposure, such as link flaps in an hour: Garwood's exact interval.

    Raises ValueError for a negative count, or an exposure that is not positive and finite.
    """
    if events < 0 or not (exposure > 0 and math.isfinite(exposure)):
        raise ValueError(f"{events} events in {exposure:g}")
    from scipy.special import gammaincinv

    miss = (1 - confidence) / 2
    low = float(gammaincinv(events, miss)) if events else 0.0
    high = float(gammaincinv(events + 1, 1 - miss))
    return Estimate(events / exposure, low / exposure, high / exposure, confidence, (events / exposure,))


def estimate_ratio(samples: Sequence[float], reference: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Median of the samples over the median of the reference's, with the bootstrap's interval; no unit.

    ``samples`` and ``reference`` are drawn again from themselves, each by itself, RESAMPLES times with a fixed seed.
    Raises ValueError for fewer than five samples on a side, one that is not finite, or a reference with a sample that
    is not above 0: its ratio would have no bounds.
    """
    for side, values in (("samples", samples), ("reference", reference)):
        if len(leave_out(values).samples) < 5:
            raise ValueError(f"the {side} of a ratio are 5 at least, not {len(values)}")
    if min(reference) <= 0:
        raise ValueError(f"a ratio needs a reference above 0, and {min(reference):g} is not")
    import numpy as np

    chance = np.random.default_rng(SEED)

    def medians(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        drawn = chance.integers(len(values), size=(RESAMPLES, len(values)))
        return np.median(np.asarray(values, float)[drawn], axis=1)  # type: ignore[no-any-return]

    ratios = medians(samples) / medians(reference)
    low, high = (float(end) for end in np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2]))
    value = median(samples) / median(reference)
    return Estimate(value, min(low, value), max(high, value), confidence, tuple(samples))
