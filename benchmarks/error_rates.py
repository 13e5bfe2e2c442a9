"""How often a verdict is wrong: `python -m benchmarks.error_rates` simulates it, and renews docs/statistics.md.

It takes four minutes; with the name of a table, `python -m benchmarks.error_rates sequential`, less.

The code that is simulated is the product's own: its sampling, its judge. Only what is measured is synthetic. The truth
is a median, 5 % on either side of the bound or at it; noise has a median of 0 and a standard deviation of 1, which
the spread multiplies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks.figures import ROOT
from nfvcert.judge import Verdict, judge
from nfvcert.measure.change_points import change_points
from nfvcert.measure.kpi import Measurement
from nfvcert.measure.sequential import Budget, sample_until_decided
from nfvcert.measure.stats import (
    Estimate,
    estimate_median,
    estimate_quantile,
    estimate_rate,
    estimate_ratio,
    estimate_share,
)
from nfvcert.testmodel import Criterion, Parameters

PAGE = ROOT / "docs/statistics.md"
TRIALS = 2000
SPREADS = (0.02, 0.05, 0.10)
DEVIATION = 0.05
LIMIT = 0.01
"""Of false PASS, and of false FAIL, where the truth is DEVIATION off the bound."""
LIMIT_AT_BOUND = 0.025
"""Of each, where the truth is the bound."""
DEFAULT = Budget(Parameters().repeats, Parameters().repeats_max)

Noise = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]
BOUND = 1.0
CRITERION = Criterion(
    kpi="network.latency.p99", at_most=BOUND, unit="s", as_written="≤ 1 s", source="simulation", where={}
)


def _normal(chance: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    return chance.normal(size=n)


def _skewed(chance: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Log-normal, exp of a standard normal: median 1, standard deviation 2.161."""
    return (chance.lognormal(size=n) - 1) / 2.161


def _bimodal(chance: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Six of ten samples about 0, the others about 4, each by 0.3: median 0.290, deviation 1.983."""
    return (4.0 * (chance.random(n) < 0.4) + chance.normal(scale=0.3, size=n) - 0.290) / 1.983


def _autocorrelated(phi: float, chance: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """AR(1) in its steady state."""
    found = chance.normal(size=n)
    for at in range(1, n):
        found[at] = phi * found[at - 1] + (1 - phi * phi) ** 0.5 * found[at]
    return found


@dataclass(frozen=True)
class Source:
    """What is measured."""

    name: str
    noise: Noise
    drift: float = 0.0
    """How far the value moves until the budget is spent, as a share of the bound. It ends at the truth."""
    keeps_up_to: float = max(SPREADS)
    """The greatest spread for which LIMIT is stated."""
    independent: bool = True
    """Whether LIMIT_AT_BOUND is stated too."""

    def samples(self, chance: np.random.Generator, truth: float, spread: float, n: int) -> npt.NDArray[np.float64]:
        """One run's samples, in order."""
        course = np.full(n, truth)
        if self.drift:
            still_to_go = self.drift * (1 - np.arange(n) / (n - 1))
            course = truth + (still_to_go if truth < BOUND else -still_to_go)  # it comes from the wrong side
        return course * (1 + spread * self.noise(chance, n))


SOURCES = (
    Source("normal", _normal),
    Source("skewed (log-normal)", _skewed),
    Source("bimodal (60 : 40)", _bimodal),
    Source("drifting by 10 %", _normal, drift=0.10, keeps_up_to=0.02, independent=False),
    Source("AR(1), φ = 0.5", partial(_autocorrelated, 0.5), keeps_up_to=0.05, independent=False),
    Source("AR(1), φ = 0.9", partial(_autocorrelated, 0.9), keeps_up_to=0.02, independent=False),
)

Rule = Callable[[Callable[[], Sequence[float]], Callable[[Sequence[Estimate]], set[Verdict]]], list[Estimate]]


def sequential(
    take: Callable[[], Sequence[float]], verdicts: Callable[[Sequence[Estimate]], set[Verdict]]
) -> list[Estimate]:
    """As the product samples, with the default budget."""
    return sample_until_decided(take, verdicts, DEFAULT)


def quick(
    take: Callable[[], Sequence[float]], verdicts: Callable[[Sequence[Estimate]], set[Verdict]]
) -> list[Estimate]:
    """The same with ``first=1``."""
    return sample_until_decided(take, verdicts, DEFAULT, first=1)


def peeking(
    take: Callable[[], Sequence[float]], verdicts: Callable[[Sequence[Estimate]], set[Verdict]]
) -> list[Estimate]:
    """As it was before: the 95 % interval of a fixed number of samples, looked at after each."""
    samples: list[float] = []
    while True:
        samples += take()
        estimates = [estimate_median(samples)]
        n = len(samples)
        if n >= DEFAULT.repeats and (n >= DEFAULT.repeats_max or Verdict.INCONCLUSIVE not in verdicts(estimates)):
            return estimates


@dataclass(frozen=True)
class Rates:
    """Shares of the runs."""

    passed: float
    failed: float
    samples: float
    """Mean number."""


def verdict_of(estimates: Sequence[Estimate]) -> Verdict:
    """The judge's, of one KPI."""
    (found,) = estimates
    measured = Measurement(
        kpi=CRITERION.kpi, value=found.value, low=found.low, high=found.high, confidence=found.confidence,
        unit="s", test="simulation", at="",
    )  # fmt: skip
    return judge(CRITERION, [measured]).verdict


def rates(source: Source, truth: float, spread: float, trials: int, rule: Rule = sequential) -> Rates:
    """Simulate runs of one case. The same arguments give the same rates."""
    chance = np.random.default_rng([round(truth * 1000), round(spread * 1000), SOURCES.index(source)])
    verdicts, taken = [], 0
    for _ in range(trials):
        samples = source.samples(chance, truth, spread, DEFAULT.repeats_max).tolist()
        coming = iter(samples)
        estimates = rule(lambda coming=coming: [next(coming)], lambda found: {verdict_of(found)})  # type: ignore[misc]
        verdicts.append(verdict_of(estimates))
        taken += len(estimates[0].samples)
    return Rates(verdicts.count(Verdict.PASS) / trials, verdicts.count(Verdict.FAIL) / trials, taken / trials)


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    source: Source
    spread: float
    good: Rates
    """The truth is DEVIATION better than the bound."""
    at_bound: Rates
    bad: Rates
    stated: bool
    """Whether LIMIT is stated for it."""

    def row(self) -> str:
        """Of a Markdown table."""
        cells = [
            self.source.name, f"{self.spread * 100:g} %", _percent(self.bad.passed), _percent(self.good.failed),
            "≤ 1 %" if self.stated else "none",
            _percent(self.good.passed), _percent(self.bad.failed),
            _percent(self.at_bound.passed), _percent(self.at_bound.failed), f"{self.good.samples:.1f}",
        ]  # fmt: skip
        return f"| {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.0995 else f"{share * 100:.0f} %"


def cases(
    trials: int, rule: Rule = sequential, sources: Sequence[Source] = SOURCES, keeps_up_to: float | None = None
) -> Iterator[Case]:
    """All distributions and spreads. ``keeps_up_to``: the greatest spread for which LIMIT is stated with this rule."""
    for source in sources:
        for spread in SPREADS:
            good, at_bound, bad = (
                rates(source, BOUND * (1 + off), spread, trials, rule) for off in (-DEVIATION, 0.0, DEVIATION)
            )
            stated = spread <= (source.keeps_up_to if keeps_up_to is None else keeps_up_to)
            yield Case(source, spread, good, at_bound, bad, stated)


HEAD = (
    "| samples | spread | false PASS | false FAIL | stated | PASS if 5 % better | FAIL if 5 % worse "
    "| PASS at the bound | FAIL at the bound | samples |\n|---|---|---|---|---|---|---|---|---|---|"
)


def table(found: Iterator[Case]) -> str:
    """Markdown."""
    return "\n".join([HEAD, *(case.row() for case in found)])


@dataclass(frozen=True)
class Coverage:
    """How often an interval of 95 % held the truth."""

    name: str
    draw: Callable[[np.random.Generator], tuple[Estimate, float]]
    """An estimate, and the truth."""

    def within(self, trials: int) -> float:
        """The share of trials."""
        chance = np.random.default_rng(20261129)
        return (
            sum(found.low <= truth <= found.high for found, truth in (self.draw(chance) for _ in range(trials)))
            / trials
        )


def _ratio(n: int, chance: np.random.Generator) -> tuple[Estimate, float]:
    now, then = 0.97 * (1 + 0.03 * chance.normal(size=n)), 1 + 0.03 * chance.normal(size=n)
    return estimate_ratio(now.tolist(), then.tolist()), 0.97


COVERAGES = (
    Coverage("90th percentile of 100 log-normal samples",
             lambda chance: (estimate_quantile(chance.lognormal(size=100).tolist(), 0.9), float(np.exp(1.2815516)))),
    Coverage("99th percentile of 1,000 log-normal samples",
             lambda chance: (estimate_quantile(chance.lognormal(size=1000).tolist(), 0.99), float(np.exp(2.3263479)))),
    Coverage("share: one frame lost in 1,000, of 5,000",
             lambda chance: (estimate_share(int(chance.binomial(5000, 0.001)), 5000), 0.001)),
    Coverage("rate: two events in an hour, 3 hours",
             lambda chance: (estimate_rate(int(chance.poisson(6)), 3.0), 2.0)),
    Coverage("ratio of two medians, 7 samples each, spread 3 %", partial(_ratio, 7)),
    Coverage("ratio of two medians, 15 samples each, spread 3 %", partial(_ratio, 15)),
)  # fmt: skip


def coverage_table(trials: int) -> str:
    """Markdown."""
    rows = [f"| {each.name} | {each.within(trials) * 100:.1f} % |" for each in COVERAGES]
    return "\n".join(["| 95 % interval of | held the truth |", "|---|---|", *rows])


@dataclass(frozen=True)
class History:
    """Of a KPI: noise of standard deviation 1, and a step in the middle."""

    name: str
    noise: Noise
    values: int
    step: float = 0.0

    def found(self, trials: int) -> float:
        """Share of histories in which a change is seen."""
        chance = np.random.default_rng([self.values, round(self.step * 10)])
        step = self.step * (np.arange(self.values) >= self.values // 2)
        return (
            sum(bool(change_points((self.noise(chance, self.values) + step).tolist())) for _ in range(trials)) / trials
        )


HISTORIES = (
    *(History("normal", _normal, n) for n in (10, 20, 50)),
    *(History("bimodal (60 : 40)", _bimodal, n) for n in (10, 20, 50)),
    *(History("AR(1), φ = 0.5", partial(_autocorrelated, 0.5), n) for n in (20, 50)),
    *(History("normal", _normal, n, step) for n in (20, 50) for step in (1.0, 2.0)),
)


def history_table(trials: int) -> str:
    """Markdown."""
    rows = [
        f"| {each.name} | {each.values} | {f'{each.step:g} standard deviations' if each.step else 'none'} "
        f"| {_percent(each.found(trials))} |"
        for each in HISTORIES
    ]
    return "\n".join(["| history | values | step in the middle | change seen |", "|---|---|---|---|", *rows])


def renewed(page: str, name: str, content: str) -> str:
    """The page with what is between the markers of a name replaced."""
    begin, end = f"<!-- {name}: made by python -m benchmarks.error_rates -->", f"<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no place for {name}")
    return f"{before}{begin}\n{content}\n{end}{after}"


SECTIONS: dict[str, Callable[[int], str]] = {
    "sequential": lambda trials: table(cases(trials)),
    "peeking": lambda trials: table(cases(trials, peeking, (SOURCES[0], SOURCES[2]), 0.0)),
    "quick": lambda trials: table(cases(trials, quick, SOURCES[:1], 0.05)),
    "coverage": lambda trials: coverage_table(trials // 2),
    "history": lambda trials: history_table(trials // 2),
}


def main(*sections: str) -> int:
    """Simulate the sections, all of them without a name, and write them into the page."""
    for section in sections or SECTIONS:
        content = SECTIONS[section](TRIALS)
        PAGE.write_text(renewed(PAGE.read_text(), section, content))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
