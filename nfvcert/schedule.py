"""Which test may start now: the order of a run, as a state machine that both the plan and the run drive. Pure.

`Dispatcher` is told when a worker is idle and when a test ended, and answers with the next test whose
needs are free. It is greedy: an idle worker never waits while some test could start. Among those that
could, the one comes first that has the longest remaining work behind it, on a resource that it needs
for itself or in its own chain (a list scheduling by critical path; Graham 1969). `simulate` drives the
same machine with expected durations, so the plan is what the run will do.

A *chain* is a sequence of tests that stay in one worker, in order, because they share what was set up there.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nfvcert.claims import Need

__all__ = ["Bar", "Bound", "Dispatcher", "Schedule", "Task", "lower_bound", "simulate"]

MANY = 1 << 30
"""Units of a resource that any number of tests may share; to have it exclusively is to take them all."""
PATIENCE = 50
"""So many times a waiting test may be overtaken at a resource before the resource is kept free for it.

A drained resource costs time: at 10 a synthetic campaign of 1,200 tests takes 4 % longer, at 50 it does not."""


@dataclass(frozen=True, slots=True)
class Task:
    """A test to run."""

    name: str
    """Node id."""
    stream: str
    needs: tuple[Need, ...]
    seconds: float
    chain: str = ""
    """Tests of one chain run in order in one worker; empty: it stands alone."""
    priority: int = 0
    """Higher ones first, whatever takes longest."""
    after: tuple[str, ...] = ()
    """Streams of which every test must have ended before."""


@dataclass(slots=True)
class _Line:
    """Tests of which only the first can be the next: a chain, or tests of a stream with the same needs."""

    number: int
    """By order of the tests: what breaks a tie."""
    chained: bool
    tasks: deque[Task]
    """A chain's in order; others' longest first."""
    seconds: float
    """Of all that is left."""
    worker: str | None = None
    """Where a chain that has begun goes on."""
    fresh: bool = True
    """Nothing of it has ended on its worker: it could begin in another one as well."""
    overtaken: int = 0


@dataclass(slots=True)
class _Pool:
    """A resource and who waits for it."""

    capacity: int
    free: int
    work: float = 0.0
    """Seconds of the tests that are still to have it to themselves."""
    waiting: list[_Line] = field(default_factory=list)


class Dispatcher:
    """Workers, tests, and what is free. Names of resources without a capacity are shared or exclusive."""

    def __init__(
        self, tasks: Iterable[Task], capacities: Mapping[str, int] | None = None, *, patience: int = PATIENCE
    ) -> None:
        self._patience = patience
        self._pools: dict[str, _Pool] = {}
        self._ready: list[tuple[tuple[float, float, int], _Line]] = []
        """Lines for any worker, the most urgent first."""
        self._going_on: list[tuple[tuple[float, float, int], _Line]] = []
        """Chains that have begun, each with an idle worker of its own."""
        self._later: dict[str, list[_Line]] = defaultdict(list)
        """Stream → lines that wait for it to be done."""
        self._free: dict[str, str] = {}
        """Idle worker without a chain → the stream that it last worked for."""
        self._running: dict[str, tuple[Task, _Line]] = {}
        self._bound: dict[str, _Line] = {}
        self._open: dict[str, int] = defaultdict(int)
        """Stream → tests of it that run or have not started."""
        self._barred: frozenset[str] = frozenset()
        self._reserving: _Line | None = None
        """What was overtaken too often: it stands in no queue, and keeps others off until it starts."""
        after: dict[str, set[str]] = defaultdict(set)
        self._lines: dict[tuple[object, ...], _Line] = {}
        for task in tasks:
            kind = (task.stream, task.chain, () if task.chain else task.needs)
            line = self._lines.setdefault(kind, _Line(len(self._lines), bool(task.chain), deque(), 0.0))
            line.tasks.append(task)
            line.seconds += task.seconds
            self._open[task.stream] += 1
            after[task.stream] |= set(task.after)
            for need in task.needs:
                if need.resource not in self._pools:
                    capacity = (capacities or {}).get(need.resource, MANY)
                    self._pools[need.resource] = _Pool(capacity, capacity)
                self._pools[need.resource].work += self._share(need) * task.seconds
        self._after = {stream: before & set(self._open) for stream, before in after.items()}
        for line in self._lines.values():
            if not line.chained:
                line.tasks = deque(sorted(line.tasks, key=lambda task: -task.seconds))
            self._enqueue(line)

    @property
    def unfinished(self) -> int:
        """Tests that run or have not started."""
        return sum(self._open.values())

    def unfinished_of(self, stream: str) -> int:
        """Tests of a stream that run or have not started."""
        return self._open.get(stream, 0)

    @property
    def running(self) -> dict[str, Task]:
        """Worker → the test that it runs."""
        return {worker: task for worker, (task, _) in self._running.items()}

    @property
    def waiting(self) -> tuple[Task, ...]:
        """Every test that has not started, in order of the tests of each stream."""
        return tuple(task for line in self._lines.values() for task in line.tasks)

    @property
    def reserving(self) -> Task | None:
        """A test that was overtaken too often: what it needs, and a worker, are now kept free for it."""
        return self._reserving.tasks[0] if self._reserving else None

    def hire(self, worker: str) -> None:
        """A new worker, idle."""
        self._free[worker] = ""

    def next(self) -> tuple[str, Task] | None:
        """The most urgent test that may start now, and the idle worker to run it; None when none may.

        A worker that has begun a chain runs nothing else until the chain is done.
        """
        while (line := self._most_urgent()) is not None:
            if not line.tasks:
                continue
            obstacle = self._obstacle(line)
            if not obstacle:
                return self._begin(line, line.worker or self._worker_for(line.tasks[0].stream))
            self._pools[obstacle].waiting.append(line)
        return None

    @property
    def wants_worker(self) -> bool:
        """Whether a further worker might have something to do now."""
        kept = self._reserving
        if kept is not None and kept.worker is None and not self._is_barred(kept):
            return not self._free  # else it would have none when its resources are free
        return not self._free and any(line.tasks and not self._obstacle(line) for _, line in self._ready)

    def undo(self, worker: str) -> None:
        """The test that `next` gave to this worker does not start after all: it is lined up again."""
        task, line = self._running.pop(worker)
        line.tasks.appendleft(task)
        line.seconds += task.seconds
        for need in task.needs:
            pool = self._pools[need.resource]
            pool.free += self._units(need)
            pool.work += self._share(need) * task.seconds
            self._wake(pool)
        if line.chained:
            if line.worker is not None and line.fresh:
                self._bound.pop(worker, None)
                line.worker = None
                self._free[worker] = ""
            self._enqueue(line)
        else:
            self._free[worker] = task.stream
            if len(line.tasks) == 1:  # else it is lined up already
                self._enqueue(line)

    def follower(self, worker: str) -> Task | None:
        """What this worker is certain to run after the test that it runs now; known within a chain only."""
        line = self._bound.get(worker)
        return line.tasks[0] if line and line.tasks else None

    def finish(self, worker: str) -> Task:
        """The worker's test ended, or broke off: what it had is free again, and the worker is idle."""
        task, line = self._running.pop(worker)
        line.fresh = False
        for need in task.needs:
            pool = self._pools[need.resource]
            pool.free += self._units(need)
            self._wake(pool)
        if line.chained and line.tasks:
            self._enqueue(line)
        else:
            self._bound.pop(worker, None)
            self._free[worker] = task.stream
        self._close(task.stream)
        return task

    def lose(self, worker: str) -> Task | None:
        """The worker is no more: its test is over, its chain goes on in another one."""
        task = self.finish(worker) if worker in self._running else None
        self._free.pop(worker, None)
        line = self._bound.pop(worker, None)
        if line is not None:
            line.worker, line.fresh = None, True
            self._going_on = [entry for entry in self._going_on if entry[1] is not line]
            heapq.heapify(self._going_on)
            for pool in self._pools.values():
                pool.waiting = [waiting for waiting in pool.waiting if waiting is not line]
            if line is not self._reserving:
                self._enqueue(line)
        if self._reserving is not None:
            self._wake_all()  # nothing is kept for a test that has no worker any more
        return task

    def withdraw(self, streams: Iterable[str]) -> tuple[Task, ...]:
        """Take back every test of some streams that has not started, and return them."""
        unwanted = set(streams)
        withdrawn: list[Task] = []
        for line in self._lines.values():
            if any(task.stream in unwanted for task in line.tasks):
                withdrawn += (task for task in line.tasks if task.stream in unwanted)
                line.tasks = deque(task for task in line.tasks if task.stream not in unwanted)
                line.seconds = sum(task.seconds for task in line.tasks)
                worker = line.worker
                if not line.tasks and worker is not None and worker not in self._running:
                    del self._bound[worker]
                    self._free[worker] = ""
        for task in withdrawn:
            for need in task.needs:
                self._pools[need.resource].work -= self._share(need) * task.seconds
            self._close(task.stream)
        if self._reserving is not None and not self._reserving.tasks:
            self._reserving = None
        self._wake_all()
        return tuple(withdrawn)

    def bar(self, resources: Iterable[str]) -> None:
        """Resources that nothing may start on now, such as those that another run holds. Replaces the last call's."""
        barred = frozenset(resources)
        if barred != self._barred:
            self._barred = barred
            self._wake_all()

    def obstacles(self) -> dict[str, str]:
        """Stream → the resource that its most urgent test waits for."""
        found: dict[str, str] = {}
        for line in self._lines.values():
            if line.tasks and line.tasks[0].stream not in found:
                running = line.worker is not None and line.worker in self._running
                obstacle = "" if running else self._obstacle(line)
                if obstacle:
                    found[line.tasks[0].stream] = obstacle
        return found

    # ── within ──

    def _enqueue(self, line: _Line) -> None:
        """Line up for the next idle worker, unless a stream must be done before."""
        if not line.tasks:
            return
        before = next((stream for stream in self._after[line.tasks[0].stream] if self._open[stream]), None)
        if before is not None:
            self._later[before].append(line)
        else:
            heapq.heappush(self._ready if line.worker is None else self._going_on, (self._urgency(line), line))

    def _most_urgent(self) -> _Line | None:
        """Take the most urgent line for which there is a worker."""
        kept = self._kept()
        if kept is not None and not self._obstacle(kept):
            return kept
        spare = len(self._free) - (kept is not None and kept.worker is None)
        heaps = [heap for heap in (self._going_on, self._ready if spare else []) if heap]
        return heapq.heappop(min(heaps, key=lambda heap: heap[0]))[1] if heaps else None

    def _worker_for(self, stream: str) -> str:
        """An idle worker, rather one that worked for the stream just now: it has the lab open."""
        return next((worker for worker, last in self._free.items() if last == stream), None) or next(iter(self._free))

    def _urgency(self, line: _Line) -> tuple[float, float, int]:
        """Smaller is more urgent; the line's number makes it unique."""
        task = line.tasks[0]
        behind = max((self._pools[need.resource].work for need in task.needs if self._share(need)), default=0.0)
        ahead = line.seconds if line.chained else task.seconds
        return -task.priority, -max(ahead, behind), line.number

    def _obstacle(self, line: _Line) -> str:
        """The first resource that is not free for the next test of a line; empty when all are."""
        needs = line.tasks[0].needs
        for need in needs:
            if need.resource in self._barred or self._pools[need.resource].free < self._units(need):
                return need.resource
        reserving = self._kept()
        if reserving is None or reserving is line:
            return ""
        kept = {need.resource: need for need in reserving.tasks[0].needs}
        for need in needs:
            if need.resource in kept and _compete(need, kept[need.resource]):
                return need.resource
        return ""

    def _kept(self) -> _Line | None:
        """The line for which its resources are kept free, unless it could not start even so.

        Without the second condition chains that have all workers would wait for a test that waits for a worker.
        """
        line = self._reserving
        if line is None or self._is_barred(line) or (line.worker is None and not self._free):
            return None
        return line

    def _is_barred(self, line: _Line) -> bool:
        return any(need.resource in self._barred for need in line.tasks[0].needs)

    def _begin(self, line: _Line, worker: str) -> tuple[str, Task]:
        task = line.tasks.popleft()
        line.seconds -= task.seconds
        line.overtaken = 0
        was_kept_for = self._reserving is line
        if was_kept_for:
            self._reserving = None
        self._free.pop(worker, None)
        if line.chained:
            line.worker = worker
            self._bound[worker] = line
        else:
            self._enqueue(line)
        for need in task.needs:
            pool = self._pools[need.resource]
            pool.free -= self._units(need)
            pool.work -= self._share(need) * task.seconds
            for waiting in pool.waiting:
                waiting.overtaken += 1
            self._reserve(pool)
        if was_kept_for:
            for need in task.needs:
                self._wake(self._pools[need.resource])
        self._running[worker] = task, line
        return worker, task

    def _reserve(self, pool: _Pool) -> None:
        """Of those who wait at a resource, choose who was overtaken too often; one at a time in the whole run."""
        impatient = max(pool.waiting, key=lambda line: line.overtaken, default=None)
        if impatient is None or impatient.overtaken < self._patience or self._is_barred(impatient):
            return
        if self._reserving is not None:
            if not self._is_barred(self._reserving):
                return
            self._enqueue(self._reserving)
        pool.waiting.remove(impatient)
        self._reserving = impatient

    def _close(self, stream: str) -> None:
        self._open[stream] -= 1
        if not self._open[stream]:
            for line in self._later.pop(stream, ()):
                self._enqueue(line)

    def _wake(self, pool: _Pool) -> None:
        """Line up again who waits for a resource. For whom it is still too little stays, and is overtaken."""
        waiting, pool.waiting = pool.waiting, []
        for line in waiting:
            if line.tasks and self._too_little(pool, line):
                pool.waiting.append(line)
            else:
                self._enqueue(line)

    def _too_little(self, pool: _Pool, line: _Line) -> bool:
        return any(self._pools[need.resource] is pool and pool.free < self._units(need) for need in line.tasks[0].needs)

    def _wake_all(self) -> None:
        for pool in self._pools.values():
            self._wake(pool)

    def _units(self, need: Need) -> int:
        """How many of a resource's units a need takes."""
        return self._pools[need.resource].capacity if need.how == "exclusive" else max(1, need.amount)

    def _share(self, need: Need) -> float:
        """How much of a resource a need keeps from others, from 0 to 1."""
        return 1.0 if need.how == "exclusive" else need.amount / self._pools[need.resource].capacity


def _compete(one: Need, other: Need) -> bool:
    """Whether two needs of one resource can stand in each other's way."""
    return "exclusive" in (one.how, other.how) or bool(one.amount and other.amount)


@dataclass(frozen=True, slots=True)
class Bar:
    """A test in a schedule, in seconds since its start."""

    task: Task
    worker: str
    start: float
    end: float


@dataclass(frozen=True)
class Bound:
    """Why no order of the tests could end sooner."""

    seconds: float
    why: str


@dataclass(frozen=True)
class Schedule:
    """What a run is expected to do."""

    bars: tuple[Bar, ...]
    """By start."""
    bound: Bound

    @property
    def seconds(self) -> float:
        """Expected duration."""
        return max((bar.end for bar in self.bars), default=0.0)

    def end_of(self, stream: str) -> float:
        """When a stream is expected to be done, in seconds since the start; 0 when it has no test."""
        return max((bar.end for bar in self.bars if bar.task.stream == stream), default=0.0)

    def critical_path(self) -> tuple[tuple[Bar, str], ...]:
        """The bars that decide the end, first to last, each with what it waited for before it could start."""
        ending_at: dict[float, list[Bar]] = defaultdict(list)
        for each in self.bars:
            ending_at[each.end].append(each)
        path: list[tuple[Bar, str]] = []
        bar: Bar | None = max(self.bars, key=lambda each: each.end, default=None)
        while bar is not None:
            ending_at[bar.end].remove(bar)  # a test that takes no time ends when it starts, and is not its own cause
            before, why = _predecessor(bar, ending_at[bar.start]) if bar.start > 0 else (None, "")
            path.append((bar, why))
            bar = before
        return tuple(reversed(path))


def _predecessor(bar: Bar, ended: Sequence[Bar]) -> tuple[Bar | None, str]:
    """The bar whose end let this one start, and what it gave free."""
    for other in ended:
        for need in bar.task.needs:
            for theirs in other.task.needs:
                if need.resource == theirs.resource and _compete(need, theirs):
                    return other, need.resource
        if bar.task.chain and (bar.task.stream, bar.task.chain) == (other.task.stream, other.task.chain):
            return other, f"the test before it of {bar.task.stream}"
    for other in ended:
        if other.task.stream in bar.task.after:
            return other, f"stream {other.task.stream}"
    for other in ended:
        if other.worker == bar.worker:
            return other, "a worker"
    return (ended[0], "a worker") if ended else (None, "")


def simulate(tasks: Sequence[Task], workers: int, capacities: Mapping[str, int] | None = None) -> Schedule:
    """What the `Dispatcher` will do with so many workers if every test takes as long as expected.

    Raises ValueError when some test can never start: streams that wait for each other.
    """
    dispatcher = Dispatcher(tasks, capacities)
    for number in range(min(workers, len(tasks))):
        dispatcher.hire(f"w{number}")
    ends: list[tuple[float, int, str, float]] = []
    bars: list[Bar] = []
    now = 0.0
    while True:
        while (started := dispatcher.next()) is not None:
            worker, task = started
            heapq.heappush(ends, (now + task.seconds, len(bars) + len(ends), worker, now))
        if not ends:
            break
        now = ends[0][0]
        while ends and ends[0][0] <= now:
            end, _, worker, start = heapq.heappop(ends)
            bars.append(Bar(dispatcher.finish(worker), worker, start, end))
    if dispatcher.unfinished:
        raise ValueError(f"{dispatcher.unfinished} tests can never start")
    bars.sort(key=lambda bar: (bar.start, bar.worker))
    return Schedule(tuple(bars), lower_bound(tasks, workers, capacities))


def lower_bound(tasks: Sequence[Task], workers: int, capacities: Mapping[str, int] | None = None) -> Bound:
    """The time below which no order can come: by the busiest resource, the longest chain, or the workers."""
    capacities = capacities or {}
    chains: dict[tuple[str, str], float] = defaultdict(float)
    alone: dict[str, float] = defaultdict(float)
    at_once: dict[tuple[str, str], float] = defaultdict(float)
    longest_beside: dict[str, float] = defaultdict(float)
    also_needed: dict[str, set[str]] = {}
    for task in tasks:
        chains[task.stream, task.chain or task.name] += task.seconds
        resources = {need.resource for need in task.needs}
        taken = {need.resource for need in task.needs if need.how == "exclusive" and need.resource not in capacities}
        for need in task.needs:
            if need.resource in capacities:
                share = 1.0 if need.how == "exclusive" else need.amount / capacities[need.resource]
                alone[need.resource] += task.seconds * share
            elif need.how == "exclusive":
                alone[need.resource] += task.seconds
                also_needed.setdefault(need.resource, set(resources)).intersection_update(resources)
                for other in taken - {need.resource}:
                    at_once[need.resource, other] += task.seconds
            else:
                longest_beside[need.resource] = max(longest_beside[need.resource], task.seconds)
    bounds = [
        Bound(
            sum(task.seconds for task in tasks) / max(1, workers),
            "one worker" if workers == 1 else f"{workers} workers",
        )
    ]
    for name, seconds in alone.items():
        if name in capacities:
            bounds.append(Bound(seconds, f"the capacity of {name}"))
            continue
        why = f"{name}, one test at a time"
        bounds.append(Bound(seconds + longest_beside[name], why))
        # Who has the lab to itself keeps from its generator too everybody who needs that generator.
        wholes = also_needed[name] - {name} - capacities.keys()
        beside = max((alone.get(whole, 0.0) - at_once[name, whole] for whole in wholes), default=0.0)
        bounds.append(Bound(seconds + beside, why))
    bounds += [Bound(seconds, f"{name} in one go") for (_, name), seconds in chains.items()]
    return max(bounds, key=lambda bound: bound.seconds)
