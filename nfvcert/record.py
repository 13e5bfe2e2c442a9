"""The record: the versioned facts of a run, from which everything that people read is rendered.

A run appends events while it goes (`archive`); `gathering` makes the record of them, so that a
run that was killed still has one. Canonical bytes are JSON with sorted keys and no spaces (the
subset of RFC 8785 that our values need), so a digest stands for the content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from nfvcert.catalogue import FactSource
from nfvcert.claims import Need
from nfvcert.composition import Composition
from nfvcert.history import Baselines, Circumstances, History, brought_by
from nfvcert.judge import Finding, ForeignResult, Judgement, TestResult
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.parts import GrownPart, Name, Part
from nfvcert.presence import PresenceRow
from nfvcert.release import ReleaseUnit
from nfvcert.scope import Scope
from nfvcert.testmodel import Criterion, Parameters
from nfvcert.waivers import HeldWaiver

__all__ = [
    "CalibrationFacts",
    "Event",
    "PlannedTest",
    "Record",
    "RunFacts",
    "StreamPlan",
    "StreamRecord",
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


class StreamPlan(GrownPart):
    """What a stream wants to do, fixed before its first test."""

    later: ClassVar[frozenset[str]] = frozenset({"history"})
    stream: str
    """`UNIT@LAB`, or `LAB` where a lab is certified as it is."""
    lab: Lab
    unit: ReleaseUnit | None = None
    """What is certified; None: the lab as it is."""
    unit_sha256: str = ""
    scope: Scope | None = None
    """What the unit can break, and who tests it; None without a unit: all that the model asks for is tested."""
    composition: Composition | None = None
    """Accepted units that the unit builds on, of which only the integration is tested."""
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
    model_based_on: str = ""
    """Name and version of what the model lies over, where it is an overlay."""
    model_base_sha256: str = ""
    """Digest of that one's file."""
    catalogue_sha256: str = ""
    """Digest of the component catalogue; empty where none was needed."""
    profile: str
    profile_title: str
    parameters: Parameters
    criteria: tuple[Criterion, ...]
    history: History | None = None
    """What was accepted before, where a criterion compares with that."""
    waivers: tuple[HeldWaiver, ...] = ()
    """Those of the unit in this lab, as they stood on the day of the plan."""
    requirements: dict[str, tuple[str, ...]] = {}
    """KPI → ids of the requirements that it verifies."""
    kpis: dict[str, Kpi]
    planned: tuple[PlannedTest, ...]
    left_out: tuple[LeftOut, ...] = ()

    def baselines(self, facts: Mapping[str, Mapping[str, str]]) -> Baselines:
        """What its measurements are compared with, in a lab of these facts (host → fact → value)."""
        now = Circumstances.of(self.lab, self.parameters, facts)
        return Baselines(self.history, now, self.stream, brought_by(self.unit, self.lab, self.fact_sources))


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


class PresenceChecked(Part):
    """The lab was asked whether the release is there."""

    event: Literal["presence-checked"] = "presence-checked"
    stream: str
    rows: tuple[PresenceRow, ...]


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


class ForeignTested(Part):
    """A foreign suite ran within a test of ours: what it told, test by test."""

    event: Literal["foreign-tested"] = "foreign-tested"
    stream: str
    results: tuple[ForeignResult, ...]


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
    | PresenceChecked
    | GeneratorCalibrated
    | Measured
    | SeriesDrawn
    | ForeignTested
    | TestFinished
    | Trouble
    | RunFinished
)
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class StreamRecord(GrownPart):
    """One stream: what was planned, what was observed, what is decided."""

    later: ClassVar[frozenset[str]] = frozenset({"foreign"})
    plan: StreamPlan
    fingerprint: dict[str, dict[str, str]] = {}
    fingerprint_sha256: str = ""
    """Digest of the fingerprint, as `nfvcert lab facts` computes it."""
    presence: tuple[PresenceRow, ...] = ()
    """Whether each change of the unit was found in the lab."""
    calibration: CalibrationFacts | None = None
    measurements: tuple[Measurement, ...] = ()
    series: tuple[Series, ...] = ()
    tests: tuple[TestResult, ...] = ()
    attempts: tuple[TestResult, ...] = ()
    """Results that a later attempt at the same test replaced. What they measured still counts."""
    foreign: tuple[ForeignResult, ...] = ()
    """Tests of foreign suites, each as it went; a FAIL of an earlier attempt stays."""
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
