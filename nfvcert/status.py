"""Where a run stands: fed with its events, asked for what is done, what runs, what waits, and when it will end. Pure.

The process that runs feeds it as things happen; another process makes it of the run's folder (`RunStatus.of_events`).
Time comes in as an argument, always with an offset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from nfvcert.judge import Verdict
from nfvcert.record import (
    Event,
    LeaseLogged,
    PlannedTest,
    RunFacts,
    RunFinished,
    RunResumed,
    RunStarted,
    StreamPlan,
    StreamPlanned,
    TestFinished,
    TestStarted,
    Trouble,
)
from nfvcert.schedule import Task, simulate
from nfvcert.streams import capacities_of, tasks_of

__all__ = ["RunStatus", "RunningTest", "State", "StreamStatus"]

FORECAST_SECONDS = 3.0
"""So long a forecast is good, and a second more for each thousand tests: to make one takes a while."""
OVERDUE_SECONDS = 1.0
"""What is expected of a test that should have ended already."""
FIRST = 1 << 20
"""Priority of what runs, in a forecast: before all that has not begun."""

State = Literal["running", "finished", "interrupted", "killed"]


@dataclass(frozen=True, slots=True)
class RunningTest:
    """A test that has begun and not ended."""

    test: str
    stream: str
    worker: str
    since: datetime


@dataclass
class StreamStatus:
    """Where one stream stands."""

    name: str
    plan: StreamPlan | None = None
    """None until it is planned."""
    pending: dict[str, PlannedTest] = field(default_factory=dict)
    """Planned tests that have not begun, by node id, in the plan's order."""
    running: dict[str, RunningTest] = field(default_factory=dict)
    results: dict[str, Verdict] = field(default_factory=dict)
    """The last verdict on each test that ended."""
    broke_off: set[str] = field(default_factory=set)
    """Those of the results that did not come to their end: a resumed run begins them anew."""
    counts: Counter[Verdict] = field(default_factory=Counter)
    """Tests that ended, by verdict."""
    left_out: int = 0
    """Planned tests that will not run, since somebody deselected them."""
    trouble: str = ""
    """What last went wrong outside of any test."""
    told: str = ""
    """What the controller says that it waits for."""

    @property
    def total(self) -> int:
        """Tests that ended, run, or will run."""
        return len(self.pending) + len(self.running) + len(self.results)

    @property
    def done(self) -> int:
        """Tests that ended."""
        return len(self.results)

    @property
    def finished(self) -> bool:
        """Whether nothing of it runs or is still to run."""
        return not self.pending and not self.running

    def conclude(self, test: str, verdict: Verdict) -> None:
        """A test ended, or another verdict on it is known."""
        self.reopen(test)
        self.results[test] = verdict
        self.counts[verdict] += 1

    def reopen(self, test: str) -> None:
        """The verdict on a test counts no longer."""
        if (verdict := self.results.pop(test, None)) is not None:
            self.counts[verdict] -= 1
            self.broke_off.discard(test)


@dataclass(frozen=True)
class _Forecast:
    """When things are expected to end, as known at a certain moment."""

    made: datetime
    good_until: datetime
    ends: Mapping[str, datetime]


class RunStatus:
    """Where a run stands. Events may come in any order that their writers left them in."""

    def __init__(self, *, alive: bool = True) -> None:
        self.alive = alive
        """Whether the process that runs it still does: what has no end is running, or was killed with it."""
        self.facts: RunFacts | None = None
        self.streams: dict[str, StreamStatus] = {}
        """By name, in the order in which they were planned."""
        self._part_began: datetime | None = None
        self._ended: RunFinished | None = None
        self._leases: dict[str, str] = {}
        """Resource that is waited for → who has it."""
        self._tests: dict[str, PlannedTest] = {}
        self._runs: dict[str, RunningTest] = {}
        """All that runs, by node id."""
        self._capacities: dict[str, int] | None = None
        self._forecast: _Forecast | None = None

    @classmethod
    def of_events(cls, events: Iterable[Event], *, alive: bool = True) -> RunStatus:
        """The status of a run of which these are the events; ``alive`` says whether its process still runs."""
        status = cls(alive=alive)
        for event in events:
            status.take(event)
        return status

    def take(self, event: Event) -> None:
        """Learn what happened."""
        match event:
            case RunStarted():
                self.facts = event.facts
                self._part_began = datetime.fromisoformat(event.facts.started)
            case RunResumed():
                self._go_on(datetime.fromisoformat(event.at))
            case StreamPlanned():
                self._planned(event.plan)
                self.leave_out(event.deselected)
            case TestStarted():
                self._begun(event)
            case TestFinished():
                stream = self._of(event.stream)
                stream.pending.pop(event.result.test, None)
                stream.running.pop(event.result.test, None)
                self._runs.pop(event.result.test, None)
                stream.conclude(event.result.test, event.result.verdict)
                if event.result.broke_off:
                    stream.broke_off.add(event.result.test)
            case LeaseLogged():
                if event.what == "waiting":
                    self._leases[event.resource] = event.holder
                else:
                    self._leases.pop(event.resource, None)
            case Trouble(stream=str(name)):
                self._of(name).trouble = event.finding.sentence
            case RunFinished():
                self._ended = event
            case _:
                pass

    def waits_for(self, stream: str, what: str) -> None:
        """What keeps a stream from going on, by the one who knows; empty: nothing."""
        self._of(stream).told = what

    def leave_out(self, tests: Collection[str]) -> None:
        """Planned tests that will not run in this run, since they are deselected."""
        for stream in self.streams.values():
            for test in stream.pending.keys() & set(tests):
                del stream.pending[test]
                stream.left_out += 1
        self._forecast = None

    @property
    def state(self) -> State:
        """What the run itself does."""
        if self._ended is not None:
            return "interrupted" if self._ended.interrupted else "finished"
        return "running" if self.alive else "killed"

    @property
    def total(self) -> int:
        """Tests of all streams."""
        return sum(stream.total for stream in self.streams.values())

    @property
    def done(self) -> int:
        """Tests that ended."""
        return sum(stream.done for stream in self.streams.values())

    @property
    def counts(self) -> Counter[Verdict]:
        """Tests that ended, by verdict."""
        found: Counter[Verdict] = Counter()
        for stream in self.streams.values():
            found.update(stream.counts)
        return found

    @property
    def running(self) -> list[RunningTest]:
        """What runs now, longest first."""
        return sorted(self._runs.values(), key=lambda test: test.since)

    @property
    def workers(self) -> int:
        """How many tests can run at once."""
        return max(1, self.facts.workers) if self.facts else 1

    def elapsed(self, now: datetime) -> float:
        """Seconds since the run, or its latest part, began; until its end, if it ended."""
        if self._part_began is None:
            return 0.0
        end = datetime.fromisoformat(self._ended.at) if self._ended else now
        return max(0.0, (end - self._part_began).total_seconds())

    def ends(self, now: datetime) -> Mapping[str, datetime]:
        """Stream → when it is expected to be done, of those that go on. Never in the past."""
        if self.state != "running":
            return {}
        if self._forecast is None or not self._forecast.made <= now < self._forecast.good_until:
            self._forecast = self._foresee(now)
        return {
            name: max(end, now)
            for name, end in self._forecast.ends.items()
            if name in self.streams and not self.streams[name].finished
        }

    def end(self, now: datetime) -> datetime | None:
        """When the run is expected to be done; None when nothing is left to do."""
        return max(self.ends(now).values(), default=None)

    def obstacle(self, name: str) -> str:
        """What a stream waits for that has tests left and none running; empty when nothing is known of that."""
        stream = self.streams[name]
        if stream.running or not stream.pending or stream.plan is None or self.state != "running":
            return ""
        before = [other for other in stream.plan.after if other in self.streams and not self.streams[other].finished]
        if before:
            return f"stream {before[0]}"
        needs = next(iter(stream.pending.values())).needs
        if stream.told:
            return self._held(stream.told)
        for need in needs:
            if need.resource in self._leases:
                return self._held(need.resource)
        wanted = {need.resource: need.how for need in needs}
        for test in self._runs.values():
            for need in self._tests[test.test].needs if test.test in self._tests else ():
                if need.resource in wanted and "exclusive" in (need.how, wanted[need.resource]):
                    return f"{need.resource}, in use by {test.stream}"
        return "a worker" if len(self._runs) >= self.workers else ""

    # ── within ──

    def _of(self, name: str) -> StreamStatus:
        return self.streams.setdefault(name, StreamStatus(name))

    def _planned(self, plan: StreamPlan) -> None:
        stream = self._of(plan.stream)
        stream.plan = plan
        known = stream.results.keys() | stream.running.keys()
        stream.pending = {test.test: test for test in plan.planned if test.test not in known}
        self._tests |= {test.test: test for test in plan.planned}
        self._capacities = self._forecast = None

    def _begun(self, event: TestStarted) -> None:
        stream = self._of(event.stream)
        stream.pending.pop(event.test, None)
        stream.reopen(event.test)
        running = RunningTest(event.test, event.stream, event.worker, datetime.fromisoformat(event.at))
        stream.running[event.test] = self._runs[event.test] = running
        stream.told = ""

    def _go_on(self, at: datetime) -> None:
        """What the part before began and did not bring to its end has yet to run; a destructive test is not
        begun a second time by itself.
        """
        self._part_began = at
        self._ended = self._forecast = None
        self._leases.clear()
        self._runs.clear()
        for stream in self.streams.values():
            stream.told = stream.trouble = ""
            lost = stream.running.keys() | stream.broke_off
            stream.running, stream.broke_off = {}, set()
            for test in stream.plan.planned if stream.plan and lost else ():
                if test.test in lost and test.destructive:
                    stream.conclude(test.test, Verdict.INCONCLUSIVE)
                elif test.test in lost:
                    stream.reopen(test.test)
                    stream.pending[test.test] = test

    def _held(self, resource: str) -> str:
        holder = self._leases.get(resource)
        return f"{resource}, held by {holder}" if holder else resource

    def _foresee(self, now: datetime) -> _Forecast:
        streams = self.streams.values()
        plans = [stream.plan for stream in streams if stream.plan is not None]
        runs = {test.test: test for stream in streams for test in stream.running.values()}
        done = {test for stream in streams for test in stream.results}
        done |= {t.test for s in streams if s.plan and s.left_out for t in s.plan.planned if not _is_left(s, t.test)}
        tasks = [
            replace(task, seconds=self._left_of(runs[task.name], now), priority=FIRST) if task.name in runs else task
            for task in tasks_of(plans, done)
        ]
        if self._capacities is None:
            self._capacities = capacities_of(plans)
        seconds = _in_turn(tasks) if self.workers == 1 else _side_by_side(tasks, self.workers, self._capacities)
        return _Forecast(
            made=now,
            good_until=now + timedelta(seconds=FORECAST_SECONDS + len(tasks) / 1000),
            ends={name: now + timedelta(seconds=left) for name, left in seconds.items()},
        )

    def _left_of(self, running: RunningTest, now: datetime) -> float:
        planned = self._tests.get(running.test)
        passed = (now - running.since).total_seconds()
        return max(planned.expected_seconds - passed if planned else 0.0, OVERDUE_SECONDS)


def _is_left(stream: StreamStatus, test: str) -> bool:
    return test in stream.pending or test in stream.running


def _in_turn(tasks: Iterable[Task]) -> dict[str, float]:
    """Stream → seconds until its last test ended, one test after the other."""
    ends: dict[str, float] = {}
    passed = 0.0
    for task in sorted(tasks, key=lambda task: task.priority != FIRST):
        passed += task.seconds
        ends[task.stream] = passed
    return ends


def _side_by_side(tasks: list[Task], workers: int, capacities: Mapping[str, int]) -> dict[str, float]:
    ends: dict[str, float] = {}
    for bar in simulate(tasks, workers, capacities).bars:
        ends[bar.task.stream] = max(ends.get(bar.task.stream, 0.0), bar.end)
    return ends
