"""The acceptance report: one HTML file that a test manager and a release board read, offline and on paper.

Renders a record and decides nothing. Everything that comes from the record is text: the template
escapes it, and the page's own policy forbids scripts other than its one and any network request.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import quote

from markupsafe import Markup

from nfvcert.judge import CriterionResult, Decision, ForeignResult, TestResult, Verdict, worst
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.presence import PresenceRow
from nfvcert.record import Record, Series, StreamRecord
from nfvcert.render import charts, gantt, page, words
from nfvcert.render.scope_page import ScopeView
from nfvcert.testmodel import Criterion
from nfvcert.waivers import HeldWaiver, untested_waivers

__all__ = ["html"]

DETAILS_MAX = 4000
"""Characters of a test's details that the page shows."""


def html(record: Record, *, evidence_base: str = "") -> str:
    """The acceptance report of a run, as the text of one self-contained HTML file.

    ``evidence_base`` is put before the path of each piece of evidence, where the file will not lie
    in the run's folder.
    """
    streams = [_StreamView(stream, f"s{number}") for number, stream in enumerate(record.streams, 1)]
    return page.render(
        "acceptance.html",
        record=record,
        streams=streams,
        decisions=words.decisions(record),
        overview=sorted(streams, key=lambda view: words.DECISION_WORST_FIRST.index(view.judgement.decision)),
        timeline=_timeline(streams),
        interruption=words.interruption(record),
        blame=words.BLAME,
        bullet=charts.bullet,
        conditions_of=words.conditions_of,
        criterion_words=words.CRITERION_TALLY,
        details=_details,
        evidence_link=functools.partial(_evidence_link, evidence_base),
        limit_dashes=charts.LIMIT_DASHES,
        ratio=words.ratio,
        required=words.required,
        span=words.span,
        tally=words.tally,
        test_words=words.TEST_TALLY,
        worst_first=words.WORST_FIRST,
    )


def _evidence_link(base: str, path: str) -> str:
    """A relative link: whatever the path is, it leads into the folder, not to another host or scheme."""
    below = str(PurePosixPath("/", *(part for part in PurePosixPath(path).parts if part != ".."))).lstrip("/")
    return f"{base.rstrip('/')}/{quote(below)}" if base else quote(below)


def _details(test: TestResult) -> str:
    """A test's details as indented JSON, cut where they are too long to read."""
    text = json.dumps(test.details, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= DETAILS_MAX else f"{text[:DETAILS_MAX]}\n… (cut; the record has all of it)"


@dataclass(frozen=True)
class _Figure:
    """A curve with everything that the page says around it."""

    series: Series
    chart: charts.Chart
    svg: Markup
    test: str
    """Title of the test that measured it."""


@dataclass(frozen=True)
class _Fact:
    """A fact of a lab, with the hosts that share each value of it."""

    name: str
    values: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class _Deadline:
    """A deadline, and what became of it."""

    when: str
    word: str
    """`met`, `missed` or `not done`."""
    detail: str


@dataclass(frozen=True)
class _Presence:
    """Whether the changes of a release unit are in the lab, as it told itself."""

    verdict: Verdict
    word: str
    sentence: str
    rows: tuple[PresenceRow, ...]
    """Those that are not there first."""


class _StreamView:
    """A stream as the template wants to see it: selections and orders, no judgement."""

    def __init__(self, stream: StreamRecord, key: str) -> None:
        self.record = stream
        self.plan = stream.plan
        self.judgement = stream.judgement
        self.key = key
        """Prefix of the stream's ids in the page."""
        self.subjects = words.subjects(stream)
        self.criteria = words.criteria_worst_first(stream)

    @functools.cached_property
    def attempts(self) -> dict[str, list[TestResult]]:
        """Test → earlier results of it, in their order."""
        found: dict[str, list[TestResult]] = {}
        for attempt in self.record.attempts:
            found.setdefault(attempt.test, []).append(attempt)
        return found

    @property
    def foreign(self) -> list[ForeignResult]:
        """What foreign suites told, the worst first."""
        return sorted(self.record.foreign, key=lambda each: words.WORST_FIRST.index(each.verdict))

    @functools.cached_property
    def ran(self) -> tuple[datetime, datetime] | None:
        """From the start of the first test to the end of the last; None where none began."""
        spans = [span for test in (*self.record.tests, *self.record.attempts) if (span := _ran(test))]
        return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None

    @property
    def seconds(self) -> float | None:
        """How long it ran, with its pauses."""
        return (self.ran[1] - self.ran[0]).total_seconds() if self.ran else None

    @functools.cached_property
    def deciding(self) -> list[CriterionResult]:
        """Results of the criteria that a stream can be rejected or held for, the worst first."""
        return [result for result in self.criteria if result.criterion.decides]

    @functools.cached_property
    def advisory(self) -> list[CriterionResult]:
        """Results of those that decide nothing."""
        return [result for result in self.criteria if not result.criterion.decides]

    @functools.cached_property
    def compared(self) -> list[CriterionResult]:
        """Results of those that compare with a baseline, whether or not there is one."""
        return [result for result in self.criteria if result.criterion.not_worse_than_baseline_by is not None]

    @property
    def met(self) -> int:
        """Criteria that are met, of those that decide."""
        return sum(result.verdict is Verdict.PASS for result in self.deciding)

    @property
    def conditions_head(self) -> str:
        """What the conditions are, for the decision that was made."""
        accepted = self.judgement.decision is Decision.ACCEPTED_WITH_CONDITIONS
        return "Accepted on condition" if accepted else "Conditions that would bind an acceptance"

    @property
    def expired(self) -> list[str]:
        """Waivers that came to their end before this run."""
        return [
            f"{waiver.subject}: {waiver.owner}, until {waiver.expires}"
            for waiver in self.plan.waivers
            if waiver.expired
        ]

    @functools.cached_property
    def waivers(self) -> list[tuple[HeldWaiver, str]]:
        """Those of the stream, each with the effect that it has."""
        return [(waiver, self._effect(waiver)) for waiver in self.plan.waivers]

    def _effect(self, waiver: HeldWaiver) -> str:
        if waiver.expired:
            return "none: it expired"
        used = any(result.is_waived and result.waiver == waiver for result in self.criteria)
        if waiver.untested is not None and self.plan.scope is not None:
            used = any(each.component == waiver.untested for each in self.plan.scope.untested)
            return "it stays untested" if used else "none: it is not needed"
        return "missed, and answered for" if used else "none: it is not needed"

    @functools.cached_property
    def presence(self) -> _Presence:
        """What is known of the unit's presence in the lab; only what the lab told counts as found."""
        rows = tuple(sorted(self.record.presence, key=lambda row: row.present))
        unit, lab = self.plan.unit, self.plan.lab.lab
        changes = [(change.component, change.product) for change in unit.changes] if unit else []
        told = {change: [row.present for row in rows if (row.component, row.product) == change] for change in changes}
        found = sum(bool(told[change]) and all(told[change]) for change in changes)
        absent = [" ".join(change) for change in changes if not all(told[change])]
        unknown = [" ".join(change) for change in changes if not told[change]]
        if not rows:
            sentence = f"Whether the release is in lab {lab} was not checked: its lab was never ready for a test."
            return _Presence(Verdict.NOT_RUN, "not checked", sentence, rows)
        sentence = (
            f"{found} of {words.counted(len(changes), 'change')} {'was' if found == 1 else 'were'} found in lab {lab}"
        )
        if found == len(changes):
            each = "each " if found > 1 else ""
            return _Presence(Verdict.PASS, "found", f"{sentence}, {each}at its declared version.", rows)
        if absent:
            sentence += f"; not at the declared version: {', '.join(absent)}"
        if unknown:
            sentence += f"; not checked: {', '.join(unknown)}"
        return _Presence(Verdict.INCONCLUSIVE, "not found", f"{sentence}.", rows)

    @functools.cached_property
    def scope(self) -> ScopeView | None:
        """What the release can break, and who tests it."""
        if self.plan.scope is None:
            return None
        titles = {test.test: test.title for test in self.plan.planned}
        verdicts = {test.test: test.verdict for test in self.record.tests}
        return ScopeView(self.plan.scope, titles, untested_waivers(self.plan.waivers), verdicts)

    def criterion_title(self, subject: str) -> str:
        """What a criterion that is out of scope is called for people."""
        return self.kpi_title(re.split(r"[{ ]", subject, maxsplit=1)[0])

    @functools.cached_property
    def requirements(self) -> list[tuple[str, list[CriterionResult], Verdict]]:
        """Requirement, the criteria that verify it, and the worst of their verdicts; the worst first.

        Advisory criteria are shown with it. They speak for a requirement only where no other does.
        """
        by: dict[str, list[CriterionResult]] = {}
        for kpi, ids in self.plan.requirements.items():
            for each in ids:
                by.setdefault(each, []).extend(result for result in self.criteria if result.criterion.kpi == kpi)
        found = []
        for name, results in by.items():
            speaking = [result for result in results if result.criterion.decides] or results
            verdict = worst(result.verdict for result in speaking) if speaking else Verdict.NOT_RUN
            found.append((name, results, verdict))
        return sorted(found, key=lambda each: words.WORST_FIRST.index(each[2]))

    @property
    def deadline(self) -> _Deadline | None:
        """What became of its deadline."""
        if self.plan.deadline is None:
            return None
        when = words.moment(self.plan.deadline)
        if self.ran is None or any(test.verdict is Verdict.NOT_RUN for test in self.record.tests):
            return _Deadline(when, "not done", "the stream is not complete")
        early = (datetime.fromisoformat(self.plan.deadline) - self.ran[1]).total_seconds()
        if early >= 0:
            return _Deadline(when, "met", f"{words.duration(early)} before")
        return _Deadline(when, "missed", f"by {words.duration(-early)}")

    def kpi_title(self, kpi: str) -> str:
        """A KPI's title, or its name."""
        return words.title_of(self.record, kpi)

    @property
    def kpis(self) -> list[tuple[str, Kpi]]:
        """The KPIs that the page speaks of, with their definitions."""
        named = {criterion.kpi for criterion in self.plan.criteria}
        named |= {measured.kpi for measured in self.record.measurements}
        return [(name, self.plan.kpis[name]) for name in sorted(named & set(self.plan.kpis))]

    @property
    def figures(self) -> Iterator[_Figure]:
        """The curves, drawn."""
        titles = {test.test: test.title for test in self.record.tests}
        for series in self.record.series:
            chart = charts.draw(series, charts.limits(series, self.record))
            # The SVG is made of numbers, and its one text (the alternative) is escaped by its writer.
            yield _Figure(series, chart, Markup(chart.svg), titles.get(series.test, series.test))  # noqa: S704

    @property
    def not_applicable(self) -> list[Criterion]:
        """Criteria for another kind of device, or of release."""
        return [criterion for criterion in self.plan.criteria if not criterion.applies]

    @property
    def informational(self) -> list[Measurement]:
        """Measurements that no criterion asks for."""
        return [
            measured
            for measured in self.record.measurements
            if not any(_asks_for(result.criterion, measured) for result in self.criteria)
        ]

    def count_for(self, result: CriterionResult) -> int:
        """How many measurements met the criterion's conditions; the worst of them decided."""
        return sum(_asks_for(result.criterion, measured) for measured in self.record.measurements)

    @property
    def facts(self) -> list[_Fact]:
        """The lab's fingerprint by fact, so that a host that differs stands out."""
        found: dict[str, dict[str, list[str]]] = {}
        for host, facts in self.record.fingerprint.items():
            for name, value in facts.items():
                found.setdefault(name, {}).setdefault(value, []).append(host)
        return [
            _Fact(name, tuple((value, tuple(hosts)) for value, hosts in values.items()))
            for name, values in sorted(found.items())
        ]

    @property
    def expected_seconds(self) -> float:
        """How long the plan expected to take."""
        return sum(planned.expected_seconds for planned in self.plan.planned)

    def verdicts_of(self, results: Iterable[CriterionResult | TestResult]) -> list[str]:
        """The verdicts that occur, worst first: the choices of a filter."""
        occurring = {result.verdict for result in results}
        return [verdict for verdict in words.WORST_FIRST if verdict in occurring]


def _asks_for(criterion: Criterion, measured: Measurement) -> bool:
    return criterion.kpi == measured.kpi and measured.meets(criterion.where)


def _ran(test: TestResult) -> tuple[datetime, datetime] | None:
    """When a test began and ended; None where it did not begin."""
    began = words.parsed(test.started or "")
    return (began, began + timedelta(seconds=test.seconds)) if began else None


def _timeline(streams: Sequence[_StreamView]) -> Markup | None:
    """What really ran when and where; None where nothing did."""
    spans = [view.ran for view in streams if view.ran]
    if not spans:
        return None
    began, ended = min(start for start, _ in spans), max(end for _, end in spans)
    lanes = []
    for view in streams:
        results = [(test, False) for test in view.record.tests] + [(test, True) for test in view.record.attempts]
        bars = [bar for test, earlier in results if (bar := _bar(test, began, earlier=earlier))]
        note = f"until {view.ran[1]:%H:%M}" if view.ran else "did not run"
        lanes.append(gantt.Lane(view.plan.stream, f"{view.judgement.decision}, {note}", bars, link=view.key))
    return Markup(  # noqa: S704 - its texts are escaped by its writer
        gantt.picture(
            lanes,
            seconds=(ended - began).total_seconds(),
            began=began,
            alternative="Timeline of the tests of each stream, by verdict. The tables of tests say the same.",
        )
    )


def _bar(test: TestResult, origin: datetime, *, earlier: bool) -> gantt.Bar | None:
    ran = _ran(test)
    if ran is None:
        return None
    start, end = ((moment - origin).total_seconds() for moment in ran)
    where = f"worker {test.worker}" if test.worker else ""
    told = f"{test.verdict}{', an earlier attempt' if earlier else ''}"
    kind = f"v-{str(test.verdict).lower().replace('_', '-')}{' earlier' if earlier else ''}"
    return gantt.Bar(start, end, kind, gantt.bar_title(test.title, start, test.seconds, told, where))
