"""Figures, times, conditions and blame as people read them; shared by every rendering of a record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from nfvcert.errors import Blame
from nfvcert.judge import CriterionResult, Decision, TestResult, Verdict, ratio_text, readable
from nfvcert.measure.kpi import Condition, Measurement
from nfvcert.record import Record, StreamPlan, StreamRecord
from nfvcert.testmodel import AGAINST_BASELINE

__all__ = [
    "BLAME",
    "CONTROL",
    "CRITERION_TALLY",
    "DECISION_WORST_FIRST",
    "ICON",
    "NO_BREAK",
    "SGR",
    "TEST_TALLY",
    "WORST_FIRST",
    "clock",
    "conditions",
    "conditions_of",
    "counted",
    "criteria_worst_first",
    "decisions",
    "duration",
    "interruption",
    "interval",
    "moment",
    "not_compared",
    "parsed",
    "plain",
    "quantity",
    "ratio",
    "remaining",
    "required",
    "scope_line",
    "sentence",
    "span",
    "stopwatch",
    "subjects",
    "tally",
    "title_of",
]

NO_BREAK = "\N{NO-BREAK SPACE}"

ICON: Mapping[str, str] = {
    "PASS": "✓",
    "FAIL": "✕",
    "INCONCLUSIVE": "?",
    "NOT_RUN": "\N{EN DASH}",
    "ACCEPTED": "✓",
    "ACCEPTED WITH CONDITIONS": "✓",
    "REJECTED": "✕",
}
"""Verdict or decision → the sign that goes with its word, so that colour is never the only signal."""

BLAME: Mapping[Blame | None, str] = {
    "release": "Release",
    "lab": "Lab",
    "suite": "Test suite",
    "storage": "Results storage",
    "usage": "Command line",
    "nfvcert": "nfvcert",
    None: "Undecided",
}
"""Who is to blame, in a word for a table."""

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All control characters but the newline, and those that reverse the direction of text."""

SGR: Mapping[str, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}
"""Style → what switches it on in a terminal (ECMA-48, Select Graphic Rendition)."""

NAMED_MAX = 6
"""Components that a line names before it counts."""

WORST_FIRST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOT_RUN, Verdict.PASS)

WITHOUT_BASELINE = "without a baseline"
"""How criteria are counted that compare and have nothing to compare with."""

DECISION_WORST_FIRST = (
    Decision.REJECTED,
    Decision.INCONCLUSIVE,
    Decision.ACCEPTED_WITH_CONDITIONS,
    Decision.ACCEPTED,
)

CRITERION_TALLY = {"PASS": "met", "FAIL": "missed", "INCONCLUSIVE": "undecided", "NOT_RUN": "not measured"}
TEST_TALLY = {"PASS": "passed", "FAIL": "failed", "INCONCLUSIVE": "inconclusive", "NOT_RUN": "not run"}


def quantity(value: float, unit: str) -> str:
    """A value with its unit, on one line: `14.88 kpps`."""
    return readable(value, unit).replace(" ", NO_BREAK)


def sentence(text: str) -> str:
    """A sentence of the judge that does not break between a sign and its figure."""
    return text.replace("≥ ", f"≥{NO_BREAK}").replace("≤ ", f"≤{NO_BREAK}")


def interval(measured: Measurement) -> str:
    """The interval of a measurement, empty where it is a point: `14.82 … 14.94 kpps, 95 % confidence`."""
    if measured.low == measured.high:
        return ""
    low, high = quantity(measured.low, measured.unit), quantity(measured.high, measured.unit)
    low_figure, _, low_unit = low.partition(NO_BREAK)
    if low_unit == high.partition(NO_BREAK)[2]:
        low = low_figure
    # Never round up to certainty: 0.9975 is no 100 %.
    sure = "" if measured.confidence is None else f", {int(measured.confidence * 1000) / 10:g}{NO_BREAK}% confidence"
    return f"{low} … {high}{sure}"


def conditions(values: Mapping[str, Condition]) -> str:
    """The circumstances of a measurement: `64 B frames, load 0.5`."""
    return ", ".join(_condition(name, value) for name, value in values.items())


def _condition(name: str, value: Condition) -> str:
    if name == "frame_bytes":
        return f"{value}{NO_BREAK}B frames"
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return f"{name.replace('_', ' ')} {value}"


def scope_line(plan: StreamPlan) -> str:
    """The scope of a stream's release, in a line without its name; empty where it has none.

    `small, minor; 7 components affected (radius 1), 10 of 11 tests, untested: guest-os`.
    """
    scope = plan.scope
    if scope is None:
        return ""
    tests = f"{len(plan.planned)} of {counted(len(plan.planned) + len(plan.left_out), 'test')}"
    untested = [each.component for each in scope.untested]
    more = f" and {len(untested) - NAMED_MAX} more" if len(untested) > NAMED_MAX else ""
    return (
        f"{scope.size}, {scope.release_class}; {counted(len(scope.affected), 'component')} affected "
        f"(radius {scope.radius}), {tests}, untested: {', '.join(untested[:NAMED_MAX]) or 'none'}{more}"
    )


def conditions_of(result: CriterionResult) -> str:
    """The circumstances under which a criterion was measured, or, unmeasured, those that it asks for."""
    return conditions(result.measurement.conditions if result.measurement else result.criterion.where)


def required(result: CriterionResult) -> str:
    """What a criterion asks for, in its author's words; of one that compares, with what it is compared with."""
    written = result.criterion.as_written
    if result.baseline is not None:
        return f"{written} than {quantity(result.baseline.value, result.baseline.unit)}"
    return f"{written}, and no baseline yet" if result.no_baseline else written


def ratio(result: CriterionResult) -> str:
    """What was measured as a share of its baseline, with its interval; empty where there is none."""
    if result.measurement is None or result.baseline is None:
        return ""
    return ratio_text(result.measurement, result.baseline).replace(" %", f"{NO_BREAK}%")


def not_compared(stream: StreamRecord) -> str:
    """Why a stream is compared with nothing though its model asks for it; empty where that is not so."""
    notes = (c.note for c in stream.plan.criteria if c.not_worse_than_baseline_by is not None and not c.applies)
    return next((note for note in notes if note), "")


def title_of(stream: StreamRecord, kpi: str) -> str:
    """A KPI's title; its name where the catalogue of the plan lacks it."""
    known = stream.plan.kpis.get(kpi)
    return known.title if known else kpi


def subjects(stream: StreamRecord) -> dict[str, str]:
    """Subject of a finding → its title for people: a KPI with its conditions, or a test's title."""
    found = {test.test: test.title for test in stream.tests}
    for result in stream.judgement.criteria:
        asked = conditions(result.criterion.where)
        against = "" if result.criterion.not_worse_than_baseline_by is None else f" {AGAINST_BASELINE}"
        found[result.criterion.subject] = (
            title_of(stream, result.criterion.kpi) + against + (f", {asked}" if asked else "")
        )
    return found


def criteria_worst_first(stream: StreamRecord) -> list[CriterionResult]:
    """The judged criteria, worst verdict first, otherwise in the order of the model."""
    return sorted(stream.judgement.criteria, key=lambda result: WORST_FIRST.index(result.verdict))


def tally(results: Iterable[CriterionResult | TestResult], words: Mapping[str, str]) -> str:
    """Results counted by verdict, worst first: `1 missed, 17 met`."""
    counts: Counter[str] = Counter(
        WITHOUT_BASELINE if isinstance(result, CriterionResult) and result.no_baseline else result.verdict
        for result in results
    )
    named = {**words, WITHOUT_BASELINE: WITHOUT_BASELINE}
    order = (*WORST_FIRST[:-1], WITHOUT_BASELINE, WORST_FIRST[-1])
    return ", ".join(f"{counts[each]} {named[each]}" for each in order if counts[each])


def decisions(record: Record) -> list[tuple[Decision, int]]:
    """The decisions of a run, worst first, and how many streams have each."""
    counts = Counter(stream.judgement.decision for stream in record.streams)
    return [(decision, counts[decision]) for decision in DECISION_WORST_FIRST if counts[decision]]


def duration(seconds: float) -> str:
    """Seconds as `0.4 s`, `42 s`, `3 min 42 s`, `1 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f}{NO_BREAK}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NO_BREAK}s"
    if whole < 3600:
        return f"{whole // 60}{NO_BREAK}min {whole % 60}{NO_BREAK}s"
    return f"{whole // 3600}{NO_BREAK}h {whole % 3600 // 60}{NO_BREAK}min"


def stopwatch(seconds: float) -> str:
    """Seconds as `0:42`, `12:05`, `1:02:03`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def remaining(seconds: float) -> str:
    """Seconds from now, no finer than anybody can foresee: `in 42 s`, `in 12 min`, `in 2:05 h`."""
    if seconds < 60:
        return f"in {max(0.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    return f"in {minutes} min" if minutes < 60 else f"in {minutes // 60}:{minutes % 60:02} h"


def clock(when: datetime, today: datetime) -> str:
    """A time of day, with its day where that is not today's: `14:32`, `Fri 27 Nov, 08:15`."""
    return f"{when:%H:%M}" if when.date() == today.date() else f"{when:%a} {when.day} {when:%b, %H:%M}"


def plain(text: str) -> str:
    """Text without control characters, so that nothing of a record can write on the terminal."""
    return CONTROL.sub("", text)


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 test`, `12 tests`, `20,000 tests`."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s" if count >= 10_000 else f"{count} {noun}s"


def moment(text: str) -> str:
    """A time of the record (ISO 8601) as `25 Nov 2026, 10:22 UTC`; as it is where it is no such time."""
    when = parsed(text)
    return f"{when.day} {when:%b %Y, %H:%M} UTC".replace(" ", NO_BREAK) if when else text


def span(started: str, finished: str | None) -> str:
    """When a run was, and how long: `25 Nov 2026, 10:22 UTC, for 3 min 42 s`."""
    begin, end = parsed(started), parsed(finished or "")
    if begin and end and end >= begin:
        return f"{moment(started)}, for {duration((end - begin).total_seconds())}"
    return moment(started)


def parsed(text: str) -> datetime | None:
    """A time of the record in UTC; None where it is no such time."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def interruption(record: Record) -> str:
    """What cut a run short, in a sentence; empty for a run that came to its end."""
    if record.finished is None:
        return (
            "This run was killed before its end. The report was made of what it had written until then; "
            "whatever is missing counts as not run."
        )
    if record.interrupted:
        return "This run was interrupted before its end. Whatever it did not get to counts as not run."
    return ""
