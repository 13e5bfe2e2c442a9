"""Measuring until the verdict is sure, without being misled by looking often.

Who looks after each sample, and stops as soon as a 95 % interval is clear of the bound, is wrong far more often than
in 5 % of cases. So a budget of samples has one allowance of error, ERROR for a false PASS and as much for a false
FAIL, and each look spends a part of it: up to (n / budget)² of it by the n-th sample (the power family of spending
functions: Kim and DeMets, Biometrika 74 (1987) 149). The interval of a look lies between order statistics, so that no
distribution is assumed (repeated confidence intervals: Jennison and Turnbull, JRSS B 51 (1989) 305): with the truth on
the other side of the bound, half of the samples at least would be there, whatever they look like.

Proven by simulation: docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import median

from nfvcert.judge import Verdict
from nfvcert.measure.screening import dependence
from nfvcert.measure.stats import Estimate, estimate_median, estimate_share

__all__ = ["Budget", "sample_until_decided", "share_until_decided"]

ERROR = 0.025
"""Of a false PASS, and of a false FAIL, where the truth is at the bound: what 95 % confidence leaves on each side."""
DEPENDENT = 0.05
"""p-value from which samples count as dependent on one another."""
QUICK_MARGIN = 0.10
"""How clear of its bound one sample must be to count as enough."""


@dataclass(frozen=True)
class Budget:
    """How many samples there are to begin with, and at most."""

    repeats: int
    repeats_max: int

    @property
    def tolerated(self) -> tuple[int | None, ...]:
        """After the n-th sample (at index n - 1): how many may lie beyond a bound that the interval is still clear of.

        None where not even samples that all agree are enough.
        """
        return _tolerated(self.repeats, self.repeats_max)[0]

    def decides(self, n: int) -> bool:
        """Whether a verdict after n samples counts. A budget too small for ERROR has its last look all the same."""
        return n >= self.repeats_max or self.tolerated[n - 1] is not None

    def estimate(self, samples: Sequence[float]) -> Estimate:
        """The median of the samples so far, with this look's interval.

        Samples that depend on one another say less than their number: then the interval is wider by their range on
        both sides, and the note says so. Raises ValueError for no samples or one that is not finite.
        """
        n = len(samples)
        tolerated = self.tolerated[n - 1] if n <= self.repeats_max else None
        if tolerated is None:
            # Whole range: nobody's verdict depends on it yet, or nobody's ever will, or the budget allows no better.
            return estimate_median(samples, confidence=1.0)
        ordered = sorted(samples)
        confidence = 1 - 2 * _tolerated(self.repeats, self.repeats_max)[1]  # that the intervals of all looks hold it
        found = Estimate(median(ordered), ordered[tolerated], ordered[n - 1 - tolerated], confidence, tuple(samples))
        spread, p = ordered[-1] - ordered[0], dependence(samples)
        if p > DEPENDENT or not spread:
            return found
        low = found.low - spread
        return replace(
            found,
            low=low if ordered[0] < 0 else max(low, 0.0),
            high=found.high + spread,
            note=f"the {n} samples drift or depend on one another (p = {p:.1g}): the interval is wider by their range",
        )


@lru_cache(maxsize=256)
def _tolerated(repeats: int, repeats_max: int) -> tuple[tuple[int | None, ...], float]:
    """See `Budget.tolerated`; and the error that is spent in all on one side.

    Walks through all outcomes of fair coins (the truth at the bound, where each sample falls on either side), without
    those that were decided before.
    """
    undecided = [1.0]  # probability of each number of samples on the wrong side
    spent = 0.0
    looks: list[int | None] = []
    for n in range(1, repeats_max + 1):
        undecided = [(a + b) / 2 for a, b in zip([*undecided, 0.0], [0.0, *undecided], strict=True)]
        allowance = ERROR * (n / repeats_max) ** 2 if n >= repeats else 0.0
        most = -1
        while most + 1 < n / 2 and sum(undecided[: most + 2]) <= allowance - spent:
            most += 1
        spent += sum(undecided[: most + 1])
        undecided[: most + 1] = [0.0] * (most + 1)
        looks.append(most if most >= 0 else None)
    return tuple(looks), spent


def sample_until_decided(
    take: Callable[[], Sequence[float]],
    verdicts: Callable[[Sequence[Estimate]], set[Verdict]],
    budget: Budget,
    *,
    first: int | None = None,
) -> list[Estimate]:
    """Take samples of one or several KPIs until each criterion is decided or the budget is spent.

    ``take`` returns one value a KPI; ``verdicts`` says how the criteria would be judged by estimates, one a KPI: an
    empty set where there is no criterion, and then `repeats` samples are enough.
    With ``first`` the verdict may come after so few, if they pass clear of the bound by QUICK_MARGIN of their median;
    what does not is sampled as without. That is for a quantity whose every sample sums up many events, or is dear:
    it keeps the stated error only while one sample is off by less than about 6 % (standard deviation).
    """
    rows: list[Sequence[float]] = []
    while True:
        rows.append(take())
        n, columns = len(rows), list(zip(*rows, strict=True))
        if n == first and n < budget.repeats_max:
            quick = [estimate_median(column, confidence=1.0) for column in columns]
            if verdicts([_with_margin(estimate) for estimate in quick]) <= {Verdict.PASS}:
                return quick
        if n < budget.repeats or (n > budget.repeats and not budget.decides(n)):
            continue
        estimates = [budget.estimate(column) for column in columns]
        if n >= budget.repeats_max:
            return estimates
        found = verdicts(estimates)
        if not found or (budget.decides(n) and Verdict.INCONCLUSIVE not in found):
            return estimates


def _with_margin(estimate: Estimate) -> Estimate:
    margin = QUICK_MARGIN * abs(estimate.value)
    return replace(estimate, low=estimate.low - margin, high=estimate.high + margin)


def share_until_decided(
    take: Callable[[], tuple[int, int]], verdicts: Callable[[Estimate], set[Verdict]], budget: Budget
) -> Estimate:
    """Take trials, such as frames that may be lost, until each criterion on the share of events is decided.

    ``take`` returns events and trials, which add up from look to look; ``verdicts`` says how the criteria would be
    judged, an empty set where there is none. The first look has half of the allowance ERROR, the others share the rest
    (Bonferroni): to show a share of 0.1 % at once takes 4,400 trials without an event. What would FAIL is looked at
    `repeats` times, since transient loss is not to decide alone (TST009 §12.3.3).
    """
    events = trials = 0
    for look in range(1, budget.repeats_max + 1):
        more, of = take()
        events, trials = events + more, trials + of
        error = ERROR / 2 if look == 1 else ERROR / 2 / (budget.repeats_max - 1)
        estimate = estimate_share(events, trials, 1 - 2 * error)
        found = verdicts(estimate)
        if found <= {Verdict.PASS} or (look >= budget.repeats and Verdict.INCONCLUSIVE not in found):
            break
    return estimate
