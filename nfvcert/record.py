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

from nfvcert.catalogue import FactSource
from nfvcert.claims import Need
from nfvcert.judge import Finding, Judgement, TestResult, Verdict, decide
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.parts import Name, Part
from nfvcert.release import ReleaseUnit
from nfvcert.scope import Scope
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
    arguments: tuple[str, ...] = ()
    """Those of the command, one by one: what a resumed run is made of."""
    workers: int = 0
    """Processes that ran tests side by side; 0: one test after the other in pytest's own."""


class PlannedTest(Part):
    """A test that the plan wants, with the reason."""

    test: str
    title: str
    measures: tuple[str, ...]
    reason: str
    expected_seconds: float = 0.0
    needs: tuple[Need, ...] = ()
    """What it must have before it starts."""
    chain: str = ""
    """Tests of one chain stay in one worker, in order; empty: it stands alone."""
    destructive: bool = False
    """It is never begun a second time without a person's will."""


class LeftOut(Part):
    """A collected test that the plan does not want, with the reason."""

    test: str
    reason: str


class StreamPlan(Part):
    """What a stream wants to do, fixed before its first test."""

    stream: str
    """`UNIT@LAB`, or `LAB` where a lab is certified as it is."""
    lab: Lab
    unit: ReleaseUnit | None = None
    """What is certified; None: the lab as it is."""
    unit_sha256: str = ""
    scope: Scope | None = None
    """What the unit can break, and who tests it; None without a unit: all that the model asks for is tested."""
    fact_sources: dict[Name, tuple[FactSource, ...]] = {}
    """Component of the lab or the unit → how its version is read, the best way first."""
    priority: int = 0
    deadline: str | None = None
    """ISO 8601 with offset."""
    after: tuple[str, ...] = ()
    """Streams that must have ended before."""
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
    deselected: tuple[str, ...] = ()
    """Planned tests that will not run, since the command line left them out."""


class RunResumed(Part):
    """A run that had ended before its time goes on: what is missing is run."""

    event: Literal["run-resumed"] = "run-resumed"
    at: str
    command: str
    user: str


class TestStarted(Part):
    """A test begins."""

    __test__ = False  # pytest: this is no test class

    event: Literal["test-started"] = "test-started"
    stream: str
    test: str
    at: str
    """UTC, ISO 8601."""
    worker: str = ""
    """The process that runs it; empty: pytest's own."""


class LeaseLogged(Part):
    """What became of a resource that other runs may want too."""

    event: Literal["lease"] = "lease"
    at: str
    resource: str
    what: Literal["taken", "released", "waiting", "lost"]
    how: Literal["shared", "exclusive"] = "exclusive"
    holder: str = ""
    """Who has it, of a lease that is waited for."""


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
    | RunResumed
    | TestStarted
    | LeaseLogged
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
    attempts: tuple[TestResult, ...] = ()
    """Results that a later attempt at the same test replaced. What they measured still counts."""
    judgement: Judgement


class Resumption(Part):
    """When a run went on, and what had ended it before."""

    at: str
    command: str
    user: str
    because: str


class Record(Part):
    """A whole run."""

    schema_: Literal["nfvcert.record/1"] = Field(default=SCHEMA, alias="schema")
    run: RunFacts
    finished: str | None
    """None: the run was killed, and the record was made of what it had written."""
    interrupted: bool
    resumptions: tuple[Resumption, ...] = ()
    """The later parts of a run that was resumed."""
    streams: tuple[StreamRecord, ...]
    leases: tuple[LeaseLogged, ...] = ()
    """Resources that other runs may want too: when they were taken, waited for, released."""

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
        self.attempts: list[TestResult] = []
        self.begun: dict[str, TestStarted] = {}
        self.trouble: list[Finding] = []

    def take(self, event: Event) -> None:
        match event:
            case LabFingerprinted():
                self._compare(event.fingerprint)
                self.fingerprint = event.fingerprint
            case GeneratorCalibrated():
                self.calibration = event.calibration
            case Measured():
                self.measurements.append(event.measurement)
            case SeriesDrawn():
                self.series.append(event.series)
            case TestStarted():
                self._again(event.test)
                self.begun[event.test] = event
            case TestFinished():
                self.begun.pop(event.result.test, None)  # the end of what began
                self._again(event.result.test)
                self.tests[event.result.test] = event.result
            case _:
                pass

    def _compare(self, now: Mapping[str, Mapping[str, str]]) -> None:
        """A lab that is another when it is opened again was tested in two states, of which neither is known whole."""
        if not self.fingerprint:
            return
        subject = f"lab {self.plan.lab.lab}"
        for host in sorted(self.fingerprint.keys() | now.keys()):
            before, after = self.fingerprint.get(host, {}), now.get(host, {})
            for fact in sorted(before.keys() | after.keys()):
                if before.get(fact) != after.get(fact):
                    was, became = before.get(fact, "not told"), after.get(fact, "not told")
                    sentence = f"{host}: {fact} was {was} and is {became}: the lab changed during the run"
                    self.trouble.append(
                        Finding(verdict=Verdict.INCONCLUSIVE, subject=subject, sentence=sentence, blame="lab")
                    )

    def _again(self, test: str) -> None:
        """What was known of a test that begins anew, or is told of anew, becomes an earlier attempt."""
        if (earlier := self.tests.pop(test, None) or self._broken_off(test)) is not None:
            self.attempts.append(earlier)

    def _broken_off(self, test: str) -> TestResult | None:
        """A test that began, and of whose end nothing is known."""
        begun = self.begun.pop(test, None)
        if begun is None:
            return None
        return TestResult(
            test=test,
            title=next((planned.title for planned in self.plan.planned if planned.test == test), test),
            verdict=Verdict.INCONCLUSIVE,
            sentence=f"{test}: it began, and was killed with the run before its end",
            started=begun.at,
            worker=begun.worker,
            broke_off=True,
        )

    def record(self, trouble: Iterable[Finding]) -> StreamRecord:
        plan = self.plan
        self.tests |= {test: broken for test in list(self.begun) if (broken := self._broken_off(test))}
        results = tuple(self.tests.values()) + tuple(self._holes())
        return StreamRecord(
            plan=plan,
            fingerprint=self.fingerprint,
            calibration=self.calibration,
            measurements=tuple(self.measurements),
            series=tuple(self.series),
            tests=results,
            attempts=tuple(self.attempts),
            judgement=decide(
                plan.criteria,
                self.measurements,
                [planned.test for planned in plan.planned],
                results,
                model=plan.model,
                lab=plan.lab.lab,
                trouble=[*self.trouble, *self._failed_before(), *trouble],
            ),
        )

    def _failed_before(self) -> Iterable[Finding]:
        """A release that failed once is not better for a second attempt."""
        for attempt in self.attempts:
            if attempt.verdict is Verdict.FAIL:
                sentence = f"{attempt.sentence} (in an earlier attempt)"
                yield Finding(verdict=Verdict.FAIL, subject=attempt.test, sentence=sentence, blame=attempt.blame)

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
    resumptions: list[Resumption] = []
    leases: list[LeaseLogged] = []
    for event in events:
        match event:
            case RunStarted():
                facts = event.facts
            case RunResumed():
                resumptions.append(_resumption(event, finished, general))
                general = [finding for finding in general if finding.subject not in OF_ONE_PART]
                finished = None
            case RunFinished():
                finished = event
            case StreamPlanned():
                gatherings.setdefault(event.plan.stream, _Gathering(event.plan))
            case LeaseLogged():
                leases.append(event)
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
                sentence=KILLED.format("what it had written is all there is"),
            )
        )
    return Record(
        run=facts,
        finished=finished.at if finished else None,
        interrupted=finished is None or finished.interrupted,
        resumptions=tuple(resumptions),
        streams=tuple(gathering.record(general) for gathering in gatherings.values()),
        leases=tuple(leases),
    )


KILLED = "the run was killed before its end; {}"
OF_ONE_PART = {"run", "results"}
"""Subjects of trouble that is over when a run goes on: what it lacked is run now."""


def _resumption(event: RunResumed, finished: RunFinished | None, general: Iterable[Finding]) -> Resumption:
    why = next((finding.sentence for finding in general if finding.subject in OF_ONE_PART), "")
    return Resumption(
        at=event.at,
        command=event.command,
        user=event.user,
        because=why or ("it had ended" if finished else KILLED.format("it went on later")),
    )
