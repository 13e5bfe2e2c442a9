"""Planning: which of the collected tests a test model wants, and why the others are left out; then the whole run:
what may stand side by side, what decides its end, when each stream is expected to be done. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from graphlib import TopologicalSorter

from nfvcert.claims import Need, Refusal, allocate, resources_of
from nfvcert.lab import Lab
from nfvcert.parts import Part
from nfvcert.record import LeftOut, PlannedTest, StreamPlan
from nfvcert.schedule import Task, simulate
from nfvcert.scope import Choice
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import Criterion

__all__ = [
    "CannotGive",
    "Lateness",
    "PlannedBar",
    "RunPlan",
    "capacities_of",
    "in_order",
    "plan_run",
    "plan_tests",
    "remaining_seconds",
    "tasks_of",
]

DEFAULT_SECONDS = 5.0
"""For a test that declares nothing and never ran."""


class CannotGive(ValueError):
    """A lab cannot give a test what it claims."""

    def __init__(self, test: str, lab: str, refusal: Refusal) -> None:
        super().__init__(f"{test}: {refusal}")
        self.test = test
        self.lab = lab
        self.refusal = refusal


def plan_tests(
    collected: Sequence[CollectedTest],
    criteria: Sequence[Criterion],
    *,
    domains: Collection[str],
    lab: Lab,
    took: Mapping[str, float],
    used: Counter[str] | None = None,
    choices: Mapping[str, Choice] | None = None,
) -> tuple[tuple[PlannedTest, ...], tuple[LeftOut, ...]]:
    """Split the tests of some domains into those that the criteria want and those left out, each with its reason.

    ``took`` are seconds of earlier runs by case; ``used`` says how much each resource is already claimed, and is kept.
    ``choices`` are a scope's: node id → whether the release wants the test; None wants them all.
    Tests of other domains are in neither: they belong to another model.
    Raises CannotGive for a planned test whose claims the lab cannot meet.
    """
    resources = resources_of(lab)
    used = Counter() if used is None else used
    wanted = {criterion.kpi for criterion in criteria if criterion.applies}
    elsewhere = {criterion.kpi for criterion in criteria if not criterion.applies}
    planned, left_out = [], []
    for test in collected:
        if not test.domains & set(domains):
            continue
        asked_for = [kpi for kpi in test.measures if kpi in wanted]
        if lacking := test.needs - lab.kinds:
            reason = f"it needs {', '.join(sorted(lacking))}, which this lab does not have"
        elif choices is not None and not choices[test.test].wanted:
            reason = choices[test.test].reason
        elif test.measures and not asked_for:
            which = "does not apply to this lab" if set(test.measures) & elsewhere else "is required by no criterion"
            reason = f"what it measures ({', '.join(test.measures)}) {which}"
        else:
            needs = allocate(test.claims, resources, used)
            if isinstance(needs, Refusal):
                raise CannotGive(test.test, lab.lab, needs)
            planned.append(
                PlannedTest(
                    test=test.test,
                    title=test.title,
                    measures=test.measures,
                    reason=_reason(test, asked_for, choices),
                    expected_seconds=took.get(test.case, test.expected_seconds or DEFAULT_SECONDS),
                    needs=needs,
                    destructive=test.destructive,
                )
            )
            continue
        left_out.append(LeftOut(test=test.test, reason=reason))
    shared = {test.test: test.shared_fixtures for test in collected}
    return tuple(_chained(planned, shared, lab.lab)), tuple(left_out)


def _reason(test: CollectedTest, asked_for: Sequence[str], choices: Mapping[str, Choice] | None) -> str:
    required = (
        f"required: {', '.join(asked_for)}"
        if asked_for
        else f"functional test of the {'/'.join(sorted(test.domains))} suite"
    )
    return f"{choices[test.test].reason}; {required}" if choices is not None else required


def _chained(planned: Sequence[PlannedTest], shared: Mapping[str, Collection[str]], lab: str) -> Iterable[PlannedTest]:
    """Put tests that share a fixture, directly or through others, into one chain."""
    chain_of: dict[str, str] = {}
    for test in planned:
        names = shared[test.test]
        together = {chain_of[name] for name in names if name in chain_of}
        if names:
            first = min(together, default=f"{lab}/{min(names)}")
            chain_of |= dict.fromkeys(names, first) | {n: first for n, chain in chain_of.items() if chain in together}
    for test in planned:
        name = next(iter(shared[test.test]), None)
        yield test.model_copy(update={"chain": chain_of[name]}) if name else test


def remaining_seconds(planned: Sequence[PlannedTest], done: set[str]) -> float:
    """Expected seconds of the planned tests that are not done yet."""
    return sum(test.expected_seconds for test in planned if test.test not in done)


def tasks_of(plans: Iterable[StreamPlan], without: Collection[str] = ()) -> list[Task]:
    """What there is to schedule, but for the node ids in ``without``: streams after those that they wait for,
    and of high priority first.
    """
    return [
        Task(test.test, plan.stream, test.needs, test.expected_seconds, test.chain, plan.priority, plan.after)
        for plan in in_order(plans)
        for test in plan.planned
        if test.test not in without
    ]


def in_order(plans: Iterable[StreamPlan]) -> Iterable[StreamPlan]:
    """Streams after those that they wait for, and of high priority first."""
    by_name = {plan.stream: plan for plan in plans}
    sorter = TopologicalSorter({name: set(plan.after) & set(by_name) for name, plan in by_name.items()})
    sorter.prepare()
    while sorter.is_active():
        for name in sorted(sorter.get_ready(), key=lambda name: -by_name[name].priority):
            yield by_name[name]
            sorter.done(name)


def capacities_of(plans: Iterable[StreamPlan]) -> dict[str, int]:
    """Resource → how much there is of it, for those that have a capacity."""
    return {
        resource.name: resource.capacity for plan in plans for resource in resources_of(plan.lab) if resource.capacity
    }


class PlannedBar(Part):
    """When a test is expected to run, in seconds since the start of the run."""

    test: str
    stream: str
    worker: str
    start: float
    seconds: float
    needs: tuple[Need, ...] = ()
    waits_for: str = ""
    """On the critical path: what it cannot start without."""
    critical: bool = False


class Lateness(Part):
    """A stream that the plan does not finish by its deadline."""

    stream: str
    deadline: str
    expected: str
    """ISO 8601, in the deadline's offset."""
    seconds: float
    """How much too late."""


class RunPlan(Part):
    """What a run is going to do, and why it cannot be done sooner."""

    workers: int
    bars: tuple[PlannedBar, ...]
    seconds: float
    """Expected duration of all streams together."""
    bound_seconds: float
    """No order of the tests could end sooner."""
    bound_why: str
    ends: dict[str, float]
    """Stream → when it is expected to be done, in seconds since the start."""
    late: tuple[Lateness, ...] = ()


def plan_run(plans: Sequence[StreamPlan], workers: int, *, now: datetime, without: Collection[str] = ()) -> RunPlan:
    """Simulate the run. ``now`` (with an offset) is when it starts; ``without`` are node ids that will not run.

    Raises ValueError when some test could never start.
    """
    schedule = simulate(tasks_of(plans, without), workers, capacities_of(plans))
    path = {bar.task.name: why for bar, why in schedule.critical_path()}
    ends: dict[str, float] = {plan.stream: 0.0 for plan in plans}
    for bar in schedule.bars:
        ends[bar.task.stream] = max(ends[bar.task.stream], bar.end)
    return RunPlan(
        workers=workers,
        bars=tuple(
            PlannedBar(
                test=bar.task.name,
                stream=bar.task.stream,
                worker=bar.worker,
                start=bar.start,
                seconds=bar.task.seconds,
                needs=bar.task.needs,
                waits_for=path.get(bar.task.name, ""),
                critical=bar.task.name in path,
            )
            for bar in schedule.bars
        ),
        seconds=schedule.seconds,
        bound_seconds=schedule.bound.seconds,
        bound_why=schedule.bound.why,
        ends=ends,
        late=tuple(_late(plans, ends, now)),
    )


def _late(plans: Iterable[StreamPlan], ends: Mapping[str, float], now: datetime) -> Iterable[Lateness]:
    for plan in plans:
        if plan.deadline is not None:
            deadline = datetime.fromisoformat(plan.deadline)
            expected = now + timedelta(seconds=ends[plan.stream])
            if expected > deadline:
                yield Lateness(
                    stream=plan.stream,
                    deadline=plan.deadline,
                    expected=expected.astimezone(deadline.tzinfo).isoformat(timespec="minutes"),
                    seconds=(expected - deadline).total_seconds(),
                )
