"""The `kpi` fixture: a test hands over what it measured; it is judged at once and kept on disk.

A test goes on after a missed bound, so that nothing measurable is lost; its verdict is the worst
of its KPIs, and `settle` raises it when the test ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from nfvcert.archive import Evidence
from nfvcert.errors import CriterionFailed, InvalidMeasurement, NotRun, SuiteError, Undeclared
from nfvcert.history import Baseline, Baselines, Facts, NoBaseline
from nfvcert.judge import CriterionResult, ForeignResult, Verdict, judge, worst
from nfvcert.measure.kpi import Condition, Measurement, contradict
from nfvcert.measure.sequential import Budget, sample_until_decided, share_until_decided
from nfvcert.measure.stats import Estimate
from nfvcert.record import Event, ForeignTested, Measured, Series, SeriesDrawn, StreamPlan

__all__ = ["KpiRecorder", "Progress"]

Progress = Callable[[float, float, str], None]
"""(seconds done, seconds in all, what) → told to whoever watches."""


SENTENCES = 8
"""How many reasons a test gives; all of them are in the record."""


class KpiRecorder:
    """Measures KPIs for one test. Made by the `kpi` fixture.

    ``facts`` tells the facts of the stream's lab, ``generator`` what made the traffic of this test, if it had any.
    """

    def __init__(
        self,
        plan: StreamPlan,
        test: str,
        declared: Sequence[str],
        append: Callable[[Event], None],
        evidence: Evidence,
        *,
        facts: Callable[[], Facts] = dict,
        generator: Callable[[], str] = str,
    ) -> None:
        self._plan = plan
        self._facts = facts
        self._generator = generator
        self._test = test
        self._declared = declared
        self._append = append
        self.evidence = evidence
        self._baselines: Baselines | None = None
        self.measured: list[Measurement] = []
        self.results: list[CriterionResult] = []
        self.foreign: list[ForeignResult] = []
        self._untold: list[tuple[str, str, Mapping[str, Condition]]] = []

    def measure(self, name: str, value: float | Estimate, **conditions: Condition) -> Verdict | None:
        """Record a KPI, in the catalogue's unit, under conditions, and judge it.

        Returns the worst verdict of the criteria that ask for it and decide, None when none does.
        Raises SuiteError for a KPI that the test does not declare or the catalogue does not know,
        or a value that is no finite number.
        """
        estimate = value if isinstance(value, Estimate) else Estimate.exact(float(value))
        measurement = self._measurement(name, estimate, conditions)
        self.measured.append(measurement)
        self._append(Measured(stream=self._plan.stream, measurement=measurement))
        results = self._judge(measurement)
        self.results += results
        deciding = [result.verdict for result in results if result.decides]
        return worst(deciding) if deciding else None

    def sample(
        self,
        names: str | Sequence[str],
        take: Callable[[], float | Sequence[float]],
        *,
        first: int | None = None,
        **conditions: Condition,
    ) -> None:
        """Take samples until every KPI is decided, at least `repeats` and at most `repeats_max`, then record.

        ``take`` returns one value for each name. How often is looked, and how sure each look must be, is
        `measure.sequential`. With ``first=1`` a single sample that passes clear of its bound is enough, and one that
        does not is confirmed by `repeats` and more (after the loss verification of TST009 §12.3.3).
        """
        wanted = [names] if isinstance(names, str) else list(names)
        parameters = self._plan.parameters

        def row() -> list[float]:
            taken = take()
            values = [float(value) for value in taken] if isinstance(taken, Sequence) else [float(taken)]
            if len(values) != len(wanted):
                raise SuiteError(f"{self._test}: {len(values)} values were sampled for {len(wanted)} KPIs")
            return values

        estimates = sample_until_decided(
            row,
            lambda found: self._preview(wanted, found, conditions),
            Budget(parameters.repeats, parameters.repeats_max),
            first=first,
        )
        for name, estimate in zip(wanted, estimates, strict=True):
            self.measure(name, estimate, **conditions)

    def sample_share(self, name: str, take: Callable[[], tuple[int, int]], **conditions: Condition) -> None:
        """Count events of trials, such as lost of sent frames, until the KPI is decided, then record their share.

        ``take`` returns how many there were this time; they add up, over at most `repeats_max` times.
        """
        parameters = self._plan.parameters
        estimate = share_until_decided(
            take,
            lambda found: self._preview([name], [found], conditions),
            Budget(parameters.repeats, parameters.repeats_max),
        )
        self.measure(name, estimate, **conditions)

    def series(
        self,
        title: str,
        points: Iterable[tuple[float, float]],
        *,
        x: str,
        y: str,
        kind: Literal["line", "steps", "histogram"] = "line",
    ) -> None:
        """Record a curve for the report; ``x`` and ``y`` are axis titles with units."""
        drawn = Series(title=title, x=x, y=y, points=tuple(points), kind=kind, test=self._test)
        self._append(SeriesDrawn(stream=self._plan.stream, series=drawn))

    def tested_by_others(self, results: Sequence[ForeignResult]) -> None:
        """Record what a foreign suite told, test by test; the verdict of this test becomes the worst of them.

        Raises SuiteError for a suite that told of no required test: that would pass on nothing.
        """
        if not any(result.required for result in results):
            raise SuiteError(f"{self._test}: a foreign suite told of no required test")
        own = tuple(result.model_copy(update={"test": self._test}) for result in results)
        self.foreign += own
        self._append(ForeignTested(stream=self._plan.stream, results=own))

    def cannot_tell(self, name: str, why: str, **conditions: Condition) -> None:
        """Say that a declared KPI cannot be measured in this lab, under these conditions, and why: nobody is at fault.

        Where no required criterion asks for it, the test may pass without it. Raises SuiteError for a KPI that the test
        does not declare.
        """
        self._check_declared(name)
        self._untold.append((name, why, conditions))
        self.note(untold={name: why})

    def note(self, **facts: Any) -> None:
        """Keep facts as evidence of this test."""
        self.evidence.add("note", facts)

    def settle(self) -> str:
        """Raise what the measurements amount to; returns what is to be said of a test that passed all the same.

        An advisory criterion raises nothing, and a missed one that is waived neither.
        Raises CriterionFailed when a criterion was missed or a foreign test failed, InvalidMeasurement when a
        criterion stayed undecided, NotRun when a required foreign test did not run, Undeclared when one asks for what
        this lab cannot tell, SuiteError when a declared KPI was not measured.
        """
        deciding = [result for result in self.results if result.decides]
        required = [result for result in self.foreign if result.required]
        failed = [result.sentence for result in required if result.verdict is Verdict.FAIL]
        missed = _first([*failed, *(result.sentence for result in deciding if result.verdict is Verdict.FAIL)])
        if missed:
            raise CriterionFailed(missed)
        undecided = [result.sentence for result in deciding if result.verdict is Verdict.INCONCLUSIVE]
        if undecided:
            raise InvalidMeasurement("; ".join(undecided))
        if unknown := [result.sentence for result in required if result.verdict is not Verdict.PASS]:
            raise NotRun(_first(unknown))
        asked = [each for each in self._plan.criteria if each.applies and each.decides]
        lacking = [
            why
            for name, why, conditions in self._untold
            if any(each.kpi == name and not contradict(conditions, each.where) for each in asked)
        ]
        if lacking:
            raise Undeclared(_first(lacking))
        told = {measurement.kpi for measurement in self.measured} | {name for name, _, _ in self._untold}
        absent = sorted(set(self._declared) - told)
        if absent:
            raise SuiteError(f"the test ended without measuring {', '.join(absent)}, which it declares to measure")
        return "; ".join(
            result.sentence
            for result in self.results
            if result.verdict is Verdict.FAIL and result.criterion.applies and not result.decides
        )

    def _measurement(self, name: str, estimate: Estimate, conditions: dict[str, Condition]) -> Measurement:
        self._check_declared(name)
        kpi = self._plan.kpis.get(name)
        if kpi is None:
            raise SuiteError(f"{name} is in no catalogue (testmodels/kpis.yaml)")
        try:
            return Measurement(
                kpi=name,
                value=estimate.value,
                low=estimate.low,
                high=estimate.high,
                confidence=estimate.confidence,
                samples=estimate.samples,
                note=estimate.note,
                conditions=conditions,
                generator=self._generator(),
                unit=kpi.unit,
                test=self._test,
                at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
        except ValidationError as error:
            raise SuiteError(f"{name} cannot be {estimate.value!r}: {error.errors()[0]['msg']}") from error

    def _check_declared(self, name: str) -> None:
        if name not in self._declared:
            raise SuiteError(
                f"{self._test} measures {name}, which its marker measures({', '.join(self._declared)}) does not declare"
            )

    def _judge(self, measurement: Measurement) -> list[CriterionResult]:
        """The criteria that this measurement answers."""
        plan = self._plan
        return [
            judge(criterion, [measurement], model=plan.model, waivers=plan.waivers, baseline_of=self._baseline_of)
            for criterion in plan.criteria
            if criterion.applies and criterion.kpi == measurement.kpi and measurement.meets(criterion.where)
        ]

    def _baseline_of(self, measurement: Measurement) -> Baseline | NoBaseline:
        """Asked only where a criterion compares: the lab's facts are on disk."""
        if self._baselines is None:
            self._baselines = self._plan.baselines(self._facts())
        return self._baselines.of(measurement)

    def _preview(
        self, names: Sequence[str], estimates: Sequence[Estimate], conditions: dict[str, Condition]
    ) -> set[Verdict]:
        return {
            result.verdict
            for name, estimate in zip(names, estimates, strict=True)
            for result in self._judge(self._measurement(name, estimate, conditions))
            if not result.no_baseline
        }


def _first(sentences: Sequence[str]) -> str:
    """All of a few sentences, the first ones of many."""
    more = f"; and {len(sentences) - SENTENCES} more" if len(sentences) > SENTENCES else ""
    return "; ".join(sentences[:SENTENCES]) + more
