"""From measurements to verdicts, from verdicts to a decision. Pure, and the only place that judges.

`judge` compares one criterion with what was measured for it. `decide` compares what was planned
with what was observed: whatever is missing is NOT_RUN, and a stream with a hole is not ACCEPTED.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from nfvcert.errors import Blame
from nfvcert.measure.kpi import Measurement
from nfvcert.parts import Part
from nfvcert.testmodel import Criterion

__all__ = ["CriterionResult", "Decision", "Finding", "Judgement", "TestResult", "Verdict", "decide", "judge", "worst"]


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


class CriterionResult(Part):
    """A criterion with its verdict, the sentence that explains it, and the measurement that decided."""

    criterion: Criterion
    verdict: Verdict
    sentence: str
    measurement: Measurement | None = None
    """The worst of the measurements that met the criterion's conditions."""


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


def judge(criterion: Criterion, measurements: Sequence[Measurement], *, model: str = "") -> CriterionResult:
    """Judge one criterion by every measurement that meets its conditions; the worst counts.

    Three answers (design: noise-aware): the bound lies clear of the measured interval (PASS or
    FAIL), or inside it (INCONCLUSIVE). No measurement at all is NOT_RUN.
    """
    results = [
        _judge_one(criterion, m, model) for m in measurements if m.kpi == criterion.kpi and m.meets(criterion.where)
    ]
    if not results:
        sentence = f"{criterion.subject}: not measured, required {criterion.as_written}{_by(model)}"
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
    found = readable(measured.value, measured.unit)
    if measured.low != measured.high:
        found += f" ({readable(measured.low, measured.unit)} … {readable(measured.high, measured.unit)})"
    if verdict is Verdict.INCONCLUSIVE and not why:
        why = ", and the bound lies within the measured interval"
    sentence = f"{criterion.subject}: {found}, required {criterion.as_written}{_by(model)}{why}"
    return CriterionResult(criterion=criterion, verdict=verdict, sentence=sentence, measurement=measured)


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


def decide(
    criteria: Sequence[Criterion],
    measurements: Sequence[Measurement],
    planned: Sequence[str],
    tests: Sequence[TestResult],
    *,
    model: str = "",
    lab: str = "",
    trouble: Sequence[Finding] = (),
) -> Judgement:
    """Decide a stream: planned against observed.

    ``planned`` are the node ids that the plan names; ``tests`` what was observed of them;
    ``trouble`` what went wrong outside of any test (a lab that never came up, a results disk that
    is full, Ctrl-C). FAIL anywhere is REJECTED; any hole or doubt is INCONCLUSIVE; only a stream
    whose every applicable criterion and every planned test is PASS is ACCEPTED.
    Raises ValueError for a stream without an applicable criterion: it requires nothing.
    """
    if not any(criterion.applies for criterion in criteria):
        raise ValueError(f"nothing is required of {lab or 'this stream'}: it cannot be decided")
    judged = tuple(judge(criterion, measurements, model=model) for criterion in criteria if criterion.applies)
    observed = {result.test: result for result in tests}
    findings = [
        Finding(verdict=r.verdict, subject=r.criterion.subject, sentence=r.sentence, blame=_blame_of(r)) for r in judged
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
    findings += trouble
    open_findings = sorted(
        (f for f in findings if f.verdict is not Verdict.PASS), key=lambda f: _WORST_FIRST.index(f.verdict)
    )
    decision = _decision({finding.verdict for finding in findings})
    return Judgement(
        decision=decision,
        summary=_summary(decision, judged, open_findings, lab, model),
        criteria=judged,
        findings=tuple(_without_echoes(open_findings)),
    )


def _blame_of(result: CriterionResult) -> Blame | None:
    return "release" if result.verdict is Verdict.FAIL else None


def _decision(verdicts: set[Verdict]) -> Decision:
    if Verdict.FAIL in verdicts:
        return Decision.REJECTED
    return Decision.ACCEPTED if verdicts == {Verdict.PASS} else Decision.INCONCLUSIVE


def _without_echoes(findings: Iterable[Finding]) -> Iterable[Finding]:
    """A failed criterion also fails its test, with the same sentence (or several of them): say it once."""
    said: set[str] = set()
    for finding in findings:
        if not set(finding.sentence.split("; ")) <= said:
            said |= {finding.sentence, *finding.sentence.split("; ")}
            yield finding


def _summary(
    decision: Decision, judged: Sequence[CriterionResult], findings: Sequence[Finding], lab: str, model: str
) -> str:
    met = sum(result.verdict is Verdict.PASS for result in judged)
    tally = f"{met} of {len(judged)} criteria{' of ' + model if model else ''} are met{' in lab ' + lab if lab else ''}"
    if decision is Decision.ACCEPTED:
        return f"{tally}, and every planned test passed."
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
