"""The record: the versioned facts of a run, from which everything that people read is rendered.

A run appends events while it goes (`archive`); `from_events` makes the record of them, so that a
run that was killed still has one. Canonical bytes are JSON with sorted keys and no spaces (the
subset of RFC 8785 that our values need), so a digest stands for the content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field, TypeAdapter

from nfvcert.judge import Finding, Judgement, TestResult, Verdict, decide
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.parts import Part
from nfvcert.testmodel import Criterion, Parameters

__all__ = [
    "CalibrationFacts",
    "Event",
    "PlannedTest",
    "Record",
    "RunFacts",
    "StreamPlan",
    "StreamRecord",
    "from_events",
]

SCHEMA: Literal["nfvcert.record/1"] = "nfvcert.record/1"


class RunFacts(Part):
    """The circumstances of a run."""

    run: str
    """Id, also the name of its folder."""
    command: str
    started: str
    """UTC, ISO 8601."""
    nfvcert: str
    python: str
    pytest: str
    platform: str
    user: str
    suites_sha256: str
    """Digest over the files of the suites that ran."""


class PlannedTest(Part):
    """A test that the plan wants, with the reason."""

    test: str
    title: str
    measures: tuple[str, ...]
    reason: str
    expected_seconds: float = 0.0


class LeftOut(Part):
    """A collected test that the plan does not want, with the reason."""

    test: str
    reason: str


class StreamPlan(Part):
    """What a stream wants to do, fixed before its first test."""

    stream: str
    """Lab (and, with releases, release unit): `opco-ru`."""
    lab: Lab
    inventory: str
    inventory_sha256: str
    model: str
    """Name and version: `network 2026.1`."""
    model_file: str
    model_sha256: str
    profile: str
    profile_title: str
    parameters: Parameters
    criteria: tuple[Criterion, ...]
    kpis: dict[str, Kpi]
    planned: tuple[PlannedTest, ...]
    left_out: tuple[LeftOut, ...] = ()


class CalibrationFacts(Part):
    """The generator's self-test, as `protocols.Calibration`."""

    generator: str
    ceiling_fps: dict[int, float]
    latency_p50_us: float
    latency_p99_us: float
    problems: tuple[str, ...] = ()


class RunStarted(Part):
    """The first event of a run."""

    event: Literal["run-started"] = "run-started"
    facts: RunFacts


class StreamPlanned(Part):
    """A stream's plan is fixed."""

    event: Literal["stream-planned"] = "stream-planned"
    plan: StreamPlan


class LabFingerprinted(Part):
    """The facts of a lab: host → fact → value."""

    event: Literal["lab-fingerprinted"] = "lab-fingerprinted"
    stream: str
    fingerprint: dict[str, dict[str, str]]


class GeneratorCalibrated(Part):
    """The generator was self-tested."""

    event: Literal["generator-calibrated"] = "generator-calibrated"
    stream: str
    calibration: CalibrationFacts


class Measured(Part):
    """A KPI was measured."""

    event: Literal["measured"] = "measured"
    stream: str
    measurement: Measurement


class Series(Part):
    """A curve that belongs to a test: points to draw, no verdict of its own."""

    title: str
    x: str
    y: str
    """Axis titles with units."""
    points: tuple[tuple[float, float], ...]
    kind: Literal["line", "steps", "histogram"] = "line"
    test: str


class SeriesDrawn(Part):
    """A curve was measured."""

    event: Literal["series"] = "series"
    stream: str
    series: Series


class TestFinished(Part):
    """A test ended, with its verdict."""

    __test__ = False  # pytest: this is no test class

    event: Literal["test-finished"] = "test-finished"
    stream: str
    result: TestResult


class Trouble(Part):
    """Something went wrong outside of any test. Without a stream it concerns all of them."""

    event: Literal["trouble"] = "trouble"
    stream: str | None = None
    finding: Finding


class RunFinished(Part):
    """The last event of a run that was not killed."""

    event: Literal["run-finished"] = "run-finished"
    at: str
    interrupted: bool = False


Event = (
    RunStarted
    | StreamPlanned
    | LabFingerprinted
    | GeneratorCalibrated
    | Measured
    | SeriesDrawn
    | TestFinished
    | Trouble
    | RunFinished
)
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class StreamRecord(Part):
    """One stream: what was planned, what was observed, what is decided."""

    plan: StreamPlan
    fingerprint: dict[str, dict[str, str]] = {}
    calibration: CalibrationFacts | None = None
    measurements: tuple[Measurement, ...] = ()
    series: tuple[Series, ...] = ()
    tests: tuple[TestResult, ...] = ()
    judgement: Judgement


class Record(Part):
    """A whole run."""

    schema_: Literal["nfvcert.record/1"] = Field(default=SCHEMA, alias="schema")
    run: RunFacts
    finished: str | None
    """None: the run was killed, and the record was made of what it had written."""
    interrupted: bool
    streams: tuple[StreamRecord, ...]

    def canonical(self) -> bytes:
        """The record as bytes that depend on its content only."""
        return canonical(self.model_dump(mode="json", by_alias=True))

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical bytes, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()


def canonical(value: Mapping[str, Any]) -> bytes:
    """Canonical JSON of plain values. Raises ValueError for NaN and infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


class _Gathering:
    """What the events have said of one stream so far."""

    def __init__(self, plan: StreamPlan) -> None:
        self.plan = plan
        self.fingerprint: dict[str, dict[str, str]] = {}
        self.calibration: CalibrationFacts | None = None
        self.measurements: list[Measurement] = []
        self.series: list[Series] = []
        self.tests: dict[str, TestResult] = {}
        self.trouble: list[Finding] = []

    def take(self, event: Event) -> None:
        match event:
            case LabFingerprinted():
                self.fingerprint = event.fingerprint
            case GeneratorCalibrated():
                self.calibration = event.calibration
            case Measured():
                self.measurements.append(event.measurement)
            case SeriesDrawn():
                self.series.append(event.series)
            case TestFinished():
                self.tests[event.result.test] = event.result
            case _:
                pass

    def record(self, trouble: Iterable[Finding]) -> StreamRecord:
        plan = self.plan
        results = tuple(self.tests.values()) + tuple(self._holes())
        return StreamRecord(
            plan=plan,
            fingerprint=self.fingerprint,
            calibration=self.calibration,
            measurements=tuple(self.measurements),
            series=tuple(self.series),
            tests=results,
            judgement=decide(
                plan.criteria,
                self.measurements,
                [planned.test for planned in plan.planned],
                results,
                model=plan.model,
                lab=plan.lab.lab,
                trouble=[*self.trouble, *trouble],
            ),
        )

    def _holes(self) -> Iterable[TestResult]:
        """Planned tests of which nothing was heard."""
        for planned in self.plan.planned:
            if planned.test not in self.tests:
                yield TestResult(
                    test=planned.test,
                    title=planned.title,
                    verdict=Verdict.NOT_RUN,
                    sentence=f"{planned.test}: planned, but never reported",
                )


def from_events(events: Iterable[Event]) -> Record:
    """The record of a run, decided anew from what its events say.

    Raises ValueError when the events do not begin with run-started.
    """
    facts: RunFacts | None = None
    finished: RunFinished | None = None
    gatherings: dict[str, _Gathering] = {}
    general: list[Finding] = []
    for event in events:
        match event:
            case RunStarted():
                facts = event.facts
            case RunFinished():
                finished = event
            case StreamPlanned():
                gatherings[event.plan.stream] = _Gathering(event.plan)
            case Trouble():
                (general if event.stream is None else gatherings[event.stream].trouble).append(event.finding)
            case _:
                gatherings[event.stream].take(event)
    if facts is None:
        raise ValueError("the events do not tell of a run: run-started is missing")
    if finished is None:
        general.append(
            Finding(
                verdict=Verdict.INCONCLUSIVE,
                subject="run",
                sentence="the run was killed before its end; what it had written is all there is",
            )
        )
    return Record(
        run=facts,
        finished=finished.at if finished else None,
        interrupted=finished is None or finished.interrupted,
        streams=tuple(gathering.record(general) for gathering in gatherings.values()),
    )
