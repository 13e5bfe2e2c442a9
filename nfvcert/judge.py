"""From measurements to verdicts, from verdicts to a decision. Pure, and the only place that judges.

`judge` compares one criterion with what was measured for it, by its own bounds or by the baseline of what was accepted
before. `decide` compares what was planned
with what was observed: whatever is missing is NOT_RUN, and a stream with a hole is not ACCEPTED.
A missed criterion that is waived stays a FAIL with the waiver beside it, and makes a condition of
what would have been a rejection. A criterion that compares and finds no baseline yet is NOT_RUN, and
makes a condition of what would have been an acceptance: it is never met by having nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

from nfvcert.errors import Blame
from nfvcert.history import Baseline, NoBaseline
from nfvcert.measure.kpi import Measurement
from nfvcert.parts import GrownPart, Part
from nfvcert.testmodel import Criterion
from nfvcert.waivers import HeldWaiver, waiver_of

__all__ = [
    "BaselineOf",
    "CriterionResult",
    "Decision",
    "Finding",
    "ForeignResult",
    "Judgement",
    "TestResult",
    "Verdict",
    "decide",
    "judge",
    "worst",
]


BaselineOf: TypeAlias = Callable[[Measurement], Baseline | NoBaseline]
"""What a measurement is compared with."""
SUBJECTS_MAX = 4
"""Criteria that a condition names before it counts."""


class Verdict(StrEnum):
    """What is known of a criterion or a test."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_RUN = "NOT_RUN"


class Decision(StrEnum):
    """What is decided of a stream."""

    ACCEPTED = "ACCEPTED"
    ACCEPTED_WITH_CONDITIONS = "ACCEPTED WITH CONDITIONS"
    REJECTED = "REJECTED"
    INCONCLUSIVE = "INCONCLUSIVE"


_WORST_FIRST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOT_RUN, Verdict.PASS)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict, in the order FAIL, INCONCLUSIVE, NOT_RUN, PASS.

    Raises ValueError for none: an empty set has no verdict, and above all not PASS.
    """
    seen = set(verdicts)
    for verdict in _WORST_FIRST:
        if verdict in seen:
            return verdict
    raise ValueError("no verdict to reduce")


class CriterionResult(GrownPart):
    """A criterion with its verdict, the sentence that explains it, and the measurement that decided."""

    later: ClassVar[frozenset[str]] = frozenset({"baseline", "no_baseline"})
    criterion: Criterion
    verdict: Verdict
    sentence: str
    measurement: Measurement | None = None
    """The worst of the measurements that met the criterion's conditions."""
    waiver: HeldWaiver | None = None
    """Of a FAIL: who answers for it, or did until it expired."""
    baseline: Baseline | None = None
    """What the measurement was compared with."""
    no_baseline: str = ""
    """Of a criterion that compares and had nothing to compare with: why."""

    @property
    def is_waived(self) -> bool:
        """Whether it is missed, and somebody answers for that."""
        return self.verdict is Verdict.FAIL and self.waiver is not None and not self.waiver.expired

    @property
    def decides(self) -> bool:
        """Whether the stream's decision, and its test's verdict, depend on it."""
        return self.criterion.decides and not self.is_waived and not self.no_baseline


class TestResult(Part):
    """What became of one planned test."""

    __test__ = False  # pytest: this is no test class

    test: str
    """Node id."""
    title: str
    verdict: Verdict
    sentence: str
    blame: Blame | None = None
    started: str | None = None
    seconds: float = 0.0
    evidence: str | None = None
    """Path of its evidence, relative to the run's folder."""
    worker: str = ""
    """The process that ran it; empty: pytest's own."""
    broke_off: bool = False
    """It did not get to its end: stopped, hung, or killed with its worker. A resumed run begins it anew."""
    details: dict[str, Any] = {}


class ForeignResult(Part):
    """What became of one test of a foreign suite (tempest, rally) that a test of ours ran."""

    engine: str
    id: str
    """As the foreign suite names it."""
    verdict: Verdict
    sentence: str
    seconds: float = 0.0
    requirements: tuple[str, ...] = ()
    required: bool = True
    """Whether the stream's decision depends on it."""
    test: str = ""
    """Node id of the test of ours that ran it."""


class Finding(Part):
    """One reason for the decision."""

    verdict: Verdict
    subject: str
    sentence: str
    blame: Blame | None = None


class Judgement(Part):
    """The decision of a stream with its reasons, worst first."""

    decision: Decision
    summary: str
    criteria: tuple[CriterionResult, ...]
    findings: tuple[Finding, ...]
    conditions: tuple[str, ...] = ()
    """Under which it is accepted, if it is: sentences; waivers first, then what had no baseline yet."""


def judge(
    criterion: Criterion,
    measurements: Sequence[Measurement],
    *,
    model: str = "",
    waivers: Sequence[HeldWaiver] = (),
    baseline_of: BaselineOf | None = None,
) -> CriterionResult:
    """Judge one criterion by every measurement that meets its conditions; the worst counts.

    Three answers (design: noise-aware): the bound lies clear of the measured interval (PASS or
    FAIL), or inside it (INCONCLUSIVE). No measurement at all is NOT_RUN. A FAIL carries the waiver
    that speaks of it, and stays one.
    A criterion that compares with a baseline is judged by the interval of the ratio of the measurement to that;
    ``baseline_of`` tells the baseline. Without one it is NOT_RUN, with ``no_baseline`` in the result.
    """
    return _with_waiver(_judge(criterion, measurements, model, baseline_of), waivers)


def _with_waiver(result: CriterionResult, waivers: Sequence[HeldWaiver]) -> CriterionResult:
    waiver = waiver_of(result.criterion.subject, waivers) if result.verdict is Verdict.FAIL else None
    if waiver is None:
        return result
    told = f"the waiver of {waiver.owner} expired on {waiver.expires}"
    if not waiver.expired:
        told = f"waived by {waiver.who_why_until}"
    return result.model_copy(update={"waiver": waiver, "sentence": f"{result.sentence}, {told}"})


def _judge(
    criterion: Criterion, measurements: Sequence[Measurement], model: str, baseline_of: BaselineOf | None
) -> CriterionResult:
    results = [
        _judge_one(criterion, m, model)
        if criterion.not_worse_than_baseline_by is None
        else _judge_against(criterion, m, model, baseline_of(m) if baseline_of else NOT_READ)
        for m in measurements
        if m.kpi == criterion.kpi and m.meets(criterion.where)
    ]
    if not results:
        sentence = f"{criterion.subject}: not measured, required {criterion.as_written}{_by(model)}{_noted(criterion)}"
        return CriterionResult(criterion=criterion, verdict=Verdict.NOT_RUN, sentence=sentence)
    verdict = worst(result.verdict for result in results)
    return next(result for result in results if result.verdict is verdict)


def _judge_one(criterion: Criterion, measured: Measurement, model: str) -> CriterionResult:
    if measured.unit != criterion.unit:
        verdict, why = (
            Verdict.INCONCLUSIVE,
            f", but it was measured in {measured.unit} and is required in {criterion.unit}",
        )
    else:
        verdict, why = _compare(criterion, measured), ""
    found = _found(measured)
    if verdict is Verdict.INCONCLUSIVE and not why:
        why = ", and the bound lies within the measured interval"
    if measured.note:
        why += f"; {measured.note}"
    sentence = f"{criterion.subject}: {found}, required {criterion.as_written}{_by(model)}{_noted(criterion)}{why}"
    return CriterionResult(criterion=criterion, verdict=verdict, sentence=sentence, measurement=measured)


def _found(measured: Measurement | Baseline) -> str:
    found = readable(measured.value, measured.unit)
    if measured.low == measured.high:
        return found
    return f"{found} ({readable(measured.low, measured.unit)} … {readable(measured.high, measured.unit)})"


NOT_READ = NoBaseline(reason="no history was read")


def _judge_against(
    criterion: Criterion, measured: Measurement, model: str, baseline: Baseline | NoBaseline
) -> CriterionResult:
    required = f"required {criterion.as_written}{_by(model)}{_noted(criterion)}"
    if isinstance(baseline, NoBaseline):
        return CriterionResult(
            criterion=criterion,
            verdict=Verdict.NOT_RUN,
            sentence=f"{criterion.subject}: {_found(measured)}, {required}, but there is no baseline yet: "
            f"{baseline.reason}",
            measurement=measured,
            no_baseline=baseline.reason,
        )
    verdict = _compare_with(criterion, measured, baseline)
    ratio, count = ratio_text(measured, baseline), len(baseline.of)
    of = f"record {baseline.of[0].run}" if count == 1 else f"the last {count} accepted records"
    why = ""
    if verdict is Verdict.INCONCLUSIVE:
        why = ", and the bound lies within the interval of the ratio"
        if min(measured.low, baseline.low) < 0:
            why = ", and there is no ratio of negative values"
    return CriterionResult(
        criterion=criterion,
        verdict=verdict,
        sentence=f"{criterion.subject}: {_found(measured)}, {f'{ratio} of' if ratio else 'against'} {_found(baseline)} "
        f"of {of}, {required}{why}",
        measurement=measured,
        baseline=baseline,
    )


def _compare_with(criterion: Criterion, measured: Measurement, baseline: Baseline) -> Verdict:
    """By the interval of the ratio: the least of the one over the most of the other, and the other way round.

    Multiplied instead of divided, since a baseline may be zero; in decimal, since 1.15 · 100 is below 115 in binary.
    """
    if min(measured.low, baseline.low) < 0:
        return Verdict.INCONCLUSIVE
    by = _exactly(criterion.not_worse_than_baseline_by or 0.0)
    new, old = (tuple(map(_exactly, (each.low, each.high))) for each in (measured, baseline))
    if criterion.better == "lower":
        return _side(new[1] <= old[0] * (1 + by), new[0] > old[1] * (1 + by))
    return _side(new[0] >= old[1] * (1 - by), new[1] < old[0] * (1 - by))


def _exactly(value: float) -> Decimal:
    return Decimal(repr(value))


def ratio_text(measured: Measurement, baseline: Baseline) -> str:
    """The ratio of a measurement to its baseline with its interval: `92 % (91.2 % … 92.9 %)`; empty for none."""
    if baseline.low <= 0 or measured.low < 0:
        return ""
    value = f"{100 * measured.value / baseline.value:.4g} %"
    low, high = (f"{100 * each:.4g} %" for each in (measured.low / baseline.high, measured.high / baseline.low))
    return f"{value} ({low} … {high})" if low != high else value


def _compare(criterion: Criterion, measured: Measurement) -> Verdict:
    verdicts = []
    if criterion.at_least is not None:
        verdicts.append(_side(measured.low >= criterion.at_least, measured.high < criterion.at_least))
    if criterion.at_most is not None:
        verdicts.append(_side(measured.high <= criterion.at_most, measured.low > criterion.at_most))
    return worst(verdicts)


def _side(clearly_met: bool, clearly_missed: bool) -> Verdict:
    if clearly_met:
        return Verdict.PASS
    return Verdict.FAIL if clearly_missed else Verdict.INCONCLUSIVE


def _by(model: str) -> str:
    return f" ({model})" if model else ""


def _noted(criterion: Criterion) -> str:
    return f" ({criterion.note})" if criterion.note else ""


def decide(
    criteria: Sequence[Criterion],
    measurements: Sequence[Measurement],
    planned: Sequence[str],
    tests: Sequence[TestResult],
    *,
    model: str = "",
    lab: str = "",
    foreign: Sequence[ForeignResult] = (),
    trouble: Sequence[Finding] = (),
    waivers: Sequence[HeldWaiver] = (),
    conditions: Sequence[str] = (),
    baseline_of: BaselineOf | None = None,
) -> Judgement:
    """Decide a stream: planned against observed.

    ``planned`` are the node ids that the plan names; ``tests`` what was observed of them;
    ``foreign`` what foreign suites told, of which what is required decides as a test of ours;
    ``trouble`` what went wrong outside of any test (a lab that never came up, a results disk that
    is full, Ctrl-C). FAIL anywhere is REJECTED; any hole or doubt is INCONCLUSIVE; only a stream
    whose every criterion that decides and every planned test is PASS is ACCEPTED.
    ``waivers`` are those of the stream: a missed criterion that one of them speaks of does not
    reject, and becomes a condition. So does a criterion that compares and has no baseline yet, as
    long as another criterion was judged. With such, or with further ``conditions`` (sentences), the
    best decision is ACCEPTED WITH CONDITIONS. ``baseline_of`` is as for `judge`.
    Raises ValueError for a stream without a criterion that decides: it requires nothing.
    """
    if not any(criterion.decides for criterion in criteria):
        raise ValueError(f"nothing is required of {lab or 'this stream'}: it cannot be decided")
    judged = tuple(
        judge(criterion, measurements, model=model, waivers=waivers, baseline_of=baseline_of)
        for criterion in criteria
        if criterion.applies
    )
    observed = {result.test: result for result in tests}
    findings = [
        Finding(verdict=r.verdict, subject=r.criterion.subject, sentence=r.sentence, blame=_blame_of(r))
        for r in judged
        if r.decides
    ]
    for test in planned:
        result = observed.get(test)
        if result is None:
            findings.append(
                Finding(verdict=Verdict.NOT_RUN, subject=test, sentence=f"{test}: planned, but never reported")
            )
        else:
            findings.append(Finding(verdict=result.verdict, subject=test, sentence=result.sentence, blame=result.blame))
    findings += [
        Finding(verdict=r.verdict, subject=r.test, sentence=r.sentence, blame=r.blame)
        for r in tests
        if r.test not in set(planned)
    ]
    findings += [
        Finding(
            verdict=r.verdict,
            subject=f"{r.engine} {r.id}",
            sentence=r.sentence,
            blame="release" if r.verdict is Verdict.FAIL else None,
        )
        for r in foreign
        if r.required
    ]
    findings += trouble
    deciding = [result for result in judged if result.criterion.decides]
    unjudged = [result.no_baseline for result in deciding if result.no_baseline]
    if unjudged and all(result.no_baseline or result.is_waived for result in deciding):
        sentence = f"nothing was judged: no criterion has a baseline yet ({unjudged[0]})"
        findings.append(Finding(verdict=Verdict.INCONCLUSIVE, subject="baseline", sentence=sentence))
    open_findings = sorted(
        (f for f in findings if f.verdict is not Verdict.PASS), key=lambda f: _WORST_FIRST.index(f.verdict)
    )
    waived = (result.sentence for result in deciding if result.is_waived)
    under = tuple(dict.fromkeys([*waived, *_without_baseline(deciding), *conditions]))
    decision = _decision({finding.verdict for finding in findings}, under)
    return Judgement(
        decision=decision,
        summary=_summary(decision, judged, open_findings, under, lab, model),
        criteria=judged,
        findings=tuple(_without_echoes(open_findings)),
        conditions=under,
    )


def _without_baseline(results: Iterable[CriterionResult]) -> Iterable[str]:
    """What an acceptance leaves open, a sentence for each reason."""
    by_reason: dict[str, list[str]] = {}
    for result in results:
        if result.no_baseline:
            by_reason.setdefault(result.no_baseline, []).append(result.criterion.named)
    for reason, names in by_reason.items():
        more = f" and {len(names) - SUBJECTS_MAX} more" if len(names) > SUBJECTS_MAX else ""
        yield f"no baseline yet for {', '.join(names[:SUBJECTS_MAX])}{more}: {reason}"


def _blame_of(result: CriterionResult) -> Blame | None:
    return "release" if result.verdict is Verdict.FAIL else None


def _decision(verdicts: set[Verdict], conditions: Sequence[str]) -> Decision:
    if Verdict.FAIL in verdicts:
        return Decision.REJECTED
    if verdicts != {Verdict.PASS}:
        return Decision.INCONCLUSIVE
    return Decision.ACCEPTED_WITH_CONDITIONS if conditions else Decision.ACCEPTED


def _without_echoes(findings: Iterable[Finding]) -> Iterable[Finding]:
    """A failed criterion also fails its test, with the same sentence (or several of them): say it once."""
    said: set[str] = set()
    for finding in findings:
        if not set(finding.sentence.split("; ")) <= said:
            said |= {finding.sentence, *finding.sentence.split("; ")}
            yield finding


def _summary(
    decision: Decision,
    judged: Sequence[CriterionResult],
    findings: Sequence[Finding],
    conditions: Sequence[str],
    lab: str,
    model: str,
) -> str:
    deciding = [result for result in judged if result.criterion.decides]
    met = sum(result.verdict is Verdict.PASS for result in deciding)
    of_model, in_lab = f" of {model}" if model else "", f" in lab {lab}" if lab else ""
    tally = f"{met} of {len(deciding)} criteria{of_model} are met{in_lab}"
    if decision is Decision.ACCEPTED:
        return f"{tally}, and every planned test passed."
    if decision is Decision.ACCEPTED_WITH_CONDITIONS:
        more = (
            f" There {'is 1 more condition' if len(conditions) == 2 else f'are {len(conditions) - 1} more conditions'}."
        )
        return f"{tally}, on condition: {_ended(conditions[0])}{more if len(conditions) > 1 else ''}"
    if not findings:  # every criterion that decides is waived or has no baseline, and no test was planned
        return f"No planned test passed. {tally}."
    first = findings[0]
    lab_is_at_fault = next((f for f in findings if f.blame in {"lab", "storage"}), None)
    if decision is Decision.INCONCLUSIVE and lab_is_at_fault:
        return f"The lab, not the release, is in doubt: {_ended(lab_is_at_fault.sentence)} {tally}."
    return f"{_ended(first.sentence)} {tally}."


def _ended(text: str) -> str:
    """The first line, as a sentence that ends."""
    line = text.partition("\n")[0].rstrip()
    return line if line.endswith((".", "?", "!")) else f"{line}."


def readable(value: float, unit: str) -> str:
    """A value with its unit as people write it: 14880 pps → 14.88 kpps, 0.0005 s → 500 µs, 0.05 → 5 %."""
    if unit in {"s", "J/bit", "J/B"}:
        for factor, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p")):
            if abs(value) >= factor:
                return f"{value / factor:.4g} {prefix}{unit}"
        return f"0 {unit}"
    if unit == "ratio":
        return f"{value * 100:.4g} %"
    if unit in {"count", "score"}:
        return f"{value:.6g}"
    # A few thousand bytes are an exact figure, such as a frame's; an image's are not.
    if unit in {"pps", "flows", "flows/s", "bit/s", "B/s", "IOPS"} or (unit == "B" and abs(value) >= 1e6):
        for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= factor:
                return f"{value / factor:.4g} {prefix}{unit}"
        return f"{value:.4g} {unit}"
    return f"{value:.6g} {unit}"
