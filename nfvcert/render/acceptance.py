"""The acceptance report: one HTML file that a test manager and a release board read, offline and on paper.

Renders a record and decides nothing. Everything that comes from the record is text: the template
escapes it, and the page's own policy forbids scripts other than its one and any network request.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from nfvcert.judge import CriterionResult, TestResult
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.record import Record, Series, StreamRecord
from nfvcert.render import charts, words
from nfvcert.testmodel import Criterion

__all__ = ["html"]

DETAILS_MAX = 4000
"""Characters of a test's details that the page shows."""


def html(record: Record, *, evidence_base: str = "") -> str:
    """The acceptance report of a run, as the text of one self-contained HTML file.

    ``evidence_base`` is put before the path of each piece of evidence, where the file will not lie
    in the run's folder.
    """
    environment = _environment()
    script = environment.loader.get_source(environment, "acceptance.js")[0] if environment.loader else ""
    streams = [_StreamView(stream, f"s{number}") for number, stream in enumerate(record.streams, 1)]
    return environment.get_template("acceptance.html").render(
        record=record,
        streams=streams,
        interruption=words.interruption(record),
        evidence_link=functools.partial(_evidence_link, evidence_base),
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nfvcert.render"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "conditions": words.conditions,
        "details": _details,
        "duration": words.duration,
        "interval": words.interval,
        "moment": words.moment,
        "quantity": words.quantity,
        "sentence": words.sentence,
        "slug": lambda text: str(text).lower().replace("_", "-").replace(" ", "-"),
        "verdict_word": lambda verdict: str(verdict).replace("_", " "),
    }
    environment.globals |= {
        "blame": words.BLAME,
        "bullet": charts.bullet,
        "conditions_of": words.conditions_of,
        "criterion_words": words.CRITERION_TALLY,
        "icon": words.ICON,
        "limit_dashes": charts.LIMIT_DASHES,
        "span": words.span,
        "tally": words.tally,
        "test_words": words.TEST_TALLY,
        "worst_first": words.WORST_FIRST,
    }
    return environment


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
        for number, series in enumerate(self.record.series, 1):
            chart = charts.draw(series, charts.limits(series, self.record), prefix=f"{self.key}-chart{number}")
            # The SVG is made of numbers, and its one text (the alternative) is escaped by its writer.
            yield _Figure(series, chart, Markup(chart.svg), titles.get(series.test, series.test))  # noqa: S704

    @property
    def not_applicable(self) -> list[Criterion]:
        """Criteria for another kind of device."""
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
