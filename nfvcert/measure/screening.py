"""What must be asked of samples before anything is estimated from them.

Are some to be left out, and by which declared rule? Has the warm-up ended? Do they depend on one another, so that
many of them tell no more than a few?
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["PERMUTATIONS", "Kept", "OutlierRule", "dependence", "leave_out", "random_orders", "warm_up"]

PERMUTATIONS = 4000
SEED = 1982


class OutlierRule(StrEnum):
    """What is left out. The default is nothing: an outlier of a network is what its users see."""

    KEEP_ALL = "keep all"
    HAMPEL = "hampel"
    """Farther from the median than three times 1.4826 median absolute deviations (Davies and Gather 1993)."""
    TUKEY = "tukey"
    """More than 1.5 interquartile ranges beyond the quartiles (Tukey 1977)."""


@dataclass(frozen=True)
class Kept:
    """The samples that count, in their order, and the sentence that says which do not."""

    samples: tuple[float, ...]
    note: str = ""


def leave_out(samples: Sequence[float], rule: OutlierRule = OutlierRule.KEEP_ALL) -> Kept:
    """What a rule keeps of the samples. Raises ValueError for no samples or one that is not finite."""
    if not samples:
        raise ValueError("no samples")
    if not all(math.isfinite(sample) for sample in samples):
        raise ValueError("a sample is not a finite number")
    low, high, said = _fences(samples, rule)
    kept = tuple(sample for sample in samples if low <= sample <= high)
    gone = [sample for sample in samples if not low <= sample <= high]
    if not gone:
        return Kept(kept)
    named = ", ".join(f"{each:.6g}" for each in gone[:5]) + (" …" if len(gone) > 5 else "")
    return Kept(kept, f"left out {len(gone)} of {len(samples)} samples, {said}: {named}")


def _fences(samples: Sequence[float], rule: OutlierRule) -> tuple[float, float, str]:
    match rule:
        case OutlierRule.HAMPEL:
            middle = median(samples)
            reach = 3 * 1.4826 * median(abs(sample - middle) for sample in samples)
            return middle - reach, middle + reach, "beyond three scaled median absolute deviations (Hampel)"
        case OutlierRule.TUKEY:
            ordered = sorted(samples)
            half = (len(ordered) + 1) // 2
            lower, upper = median(ordered[:half]), median(ordered[-half:])
            reach = 1.5 * (upper - lower)
            return lower - reach, upper + reach, "beyond 1.5 interquartile ranges of the quartiles (Tukey)"
    return -math.inf, math.inf, ""


def warm_up(samples: Sequence[float], batch: int = 5) -> int | None:
    """How many samples at the beginning are warm-up, by MSER-5; None where no steady state is seen.

    The rule cuts where the standard error of what remains is least, over means of ``batch`` samples (White, Cobb and
    Spratt 2000). A best cut in the latter half says that the run was too short to know. Raises ValueError for fewer
    than ten batches.
    """
    means = [fmean(samples[at : at + batch]) for at in range(0, len(samples) - batch + 1, batch)]
    if len(means) < 10:
        raise ValueError(f"warm-up is looked for in {10 * batch} samples at least, not {len(samples)}")
    offset = fmean(means)  # so that squares lose no digits
    total = squares = 0.0
    best, cut = math.inf, 0
    for at in range(len(means) - 1, -1, -1):
        value = means[at] - offset
        total, squares = total + value, squares + value * value
        left = len(means) - at
        if left < 5:  # a few that happen to be equal are no steady state
            continue
        score = max(squares - total * total / left, 0.0) / left**2
        if score <= best:
            best, cut = score, at
    return cut * batch if cut <= len(means) // 2 else None


def dependence(samples: Sequence[float]) -> float:
    """p-value of samples that follow one another more smoothly than chance would have it: drift, autocorrelation.

    The rank version of von Neumann's ratio (Bartels, JASA 77 (1982) 40): squared steps from each rank to the next,
    against those of PERMUTATIONS random orders of the same ranks. 1 for fewer than five samples, which say nothing.
    """
    n = len(samples)
    if n < 5:
        return 1.0
    ordered = sorted(samples)
    ranks = [bisect_left(ordered, sample) + bisect_right(ordered, sample) for sample in samples]  # twice the midrank
    steps = sum((here - there) ** 2 for here, there in pairwise(ranks))
    import numpy as np

    shuffled = np.asarray(ranks)[random_orders(n)]
    by_chance = (np.diff(shuffled, axis=1) ** 2).sum(axis=1)
    return (1 + int((by_chance <= steps).sum())) / (1 + PERMUTATIONS)


@lru_cache(maxsize=16)
def random_orders(n: int) -> npt.NDArray[np.intp]:
    """PERMUTATIONS orders of n things, one a row: the same in every process, so that p-values are too."""
    import numpy as np

    return np.argsort(np.random.default_rng(SEED).random((PERMUTATIONS, n)), axis=1)
