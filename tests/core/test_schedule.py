"""The order of a run: nothing that competes runs side by side, nothing waits without a reason, nothing is forgotten."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nfvcert.claims import Need
from nfvcert.schedule import Bar, Dispatcher, Schedule, Task, lower_bound, simulate

CAPACITIES = {"vcpus": 3}
STREAMS = ("a", "b", "c", "d")


def need(text: str) -> Need:
    """`lab` shared, `lab!` exclusive, `vcpus:2` two of it."""
    name, _, amount = text.partition(":")
    if amount:
        return Need(resource=name, amount=int(amount))
    return Need(resource=name.removesuffix("!"), how="exclusive" if name.endswith("!") else "shared")


def task(name: str, seconds: float = 1.0, needs: str = "", *, stream: str = "a", **more: Any) -> Task:
    return Task(name, stream, tuple(need(each) for each in needs.split()), seconds, **more)


def hired(tasks: Iterable[Task], *workers: str, **options: Any) -> Dispatcher:
    dispatcher = Dispatcher(tasks, CAPACITIES, **options)
    for worker in workers:
        dispatcher.hire(worker)
    return dispatcher


def started(dispatcher: Dispatcher) -> dict[str, str]:
    """Worker → test, of all that can start now."""
    found = {}
    while (pair := dispatcher.next()) is not None:
        found[pair[0]] = pair[1].name
    return found


def drawn(schedule: Schedule) -> list[tuple[str, float, float]]:
    return [(bar.task.name, bar.start, bar.end) for bar in schedule.bars]


# ── small examples ──


def test_the_longest_comes_first() -> None:
    tasks = [task("short", 1), task("long", 3), task("middle", 2)]
    assert drawn(simulate(tasks, 2)) == [("long", 0, 3), ("middle", 0, 2), ("short", 2, 3)]


def test_a_resource_with_much_work_comes_first() -> None:
    tasks = [task("alone", 3, "y!"), task("one", 2, "x!"), task("two", 2, "x!")]
    assert drawn(simulate(tasks, 1))[0][0] == "one"


def test_priority_goes_before_length() -> None:
    tasks = [task("long", 9, "lab!"), task("urgent", 1, "lab!", stream="b", priority=1)]
    assert drawn(simulate(tasks, 2)) == [("urgent", 0, 1), ("long", 1, 10)]


def test_sharers_run_side_by_side_and_who_wants_it_alone_waits_for_them() -> None:
    tasks = [task("one", 2, "lab"), task("two", 3, "lab", stream="b"), task("alone", 1, "lab!", stream="c")]
    assert drawn(simulate(tasks, 3)) == [("two", 0, 3), ("one", 0, 2), ("alone", 3, 4)]


def test_amounts_share_a_capacity() -> None:
    tasks = [task("two", 5, "vcpus:2"), task("one", 4, "vcpus:1"), task("more", 3, "vcpus:2")]
    assert drawn(simulate(tasks, 3, CAPACITIES)) == [("two", 0, 5), ("one", 0, 4), ("more", 5, 8)]


def test_a_stream_waits_for_another() -> None:
    tasks = [task("second", 9, stream="b", after=("a",)), task("first", 2), task("also first", 1)]
    assert drawn(simulate(tasks, 3)) == [("first", 0, 2), ("also first", 0, 1), ("second", 2, 11)]


def test_streams_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="2 tests can never start"):
        simulate([task("one", after=("b",)), task("two", stream="b", after=("a",))], 2)


def test_nothing_to_do_takes_no_time() -> None:
    schedule = simulate([], 3)
    assert (schedule.seconds, schedule.critical_path(), schedule.bound.seconds) == (0, (), 0)


def test_a_chain_stays_in_its_worker_and_nothing_comes_between() -> None:
    chain = [task(f"chain {n}", 1, chain="c") for n in range(3)]
    dispatcher = hired([*chain, task("other", 9)], "w0")
    assert started(dispatcher) == {"w0": "other"}
    dispatcher.finish("w0")
    dispatcher.hire("w1")
    order = []
    for _ in range(3):
        ((worker, name),) = started(dispatcher).items()
        order.append((worker, name))
        follower = dispatcher.follower(worker)
        assert (follower.name if follower else None) == {"chain 0": "chain 1", "chain 1": "chain 2"}.get(name)
        dispatcher.finish(worker)
    assert order == [("w0", "chain 0"), ("w0", "chain 1"), ("w0", "chain 2")]
    assert dispatcher.unfinished == 0


def test_the_chain_of_a_lost_worker_goes_on_in_another() -> None:
    dispatcher = hired([task(f"chain {n}", chain="c") for n in range(3)], "w0")
    assert started(dispatcher) == {"w0": "chain 0"}
    lost = dispatcher.lose("w0")
    assert lost is not None
    assert (lost.name, dispatcher.unfinished, started(dispatcher)) == ("chain 0", 2, {})
    dispatcher.hire("w1")
    assert started(dispatcher) == {"w1": "chain 1"}


def test_a_worker_that_is_lost_between_two_tests_of_a_chain_loses_none_of_them() -> None:
    dispatcher = hired([task(f"chain {n}", 1, "lab", chain="c") for n in range(2)], "w0")
    started(dispatcher)
    dispatcher.finish("w0")
    dispatcher.bar(["lab"])
    assert started(dispatcher) == {}
    assert dispatcher.lose("w0") is None
    dispatcher.bar([])
    dispatcher.hire("w1")
    assert started(dispatcher) == {"w1": "chain 1"}


def test_a_worker_is_given_the_stream_whose_lab_it_has_open() -> None:
    tasks = [task("a1", 2), task("b1", 2, stream="b"), task("a2", 1), task("b2", 1, stream="b")]
    dispatcher = hired(tasks, "w0", "w1")
    first = started(dispatcher)
    for worker in first:
        dispatcher.finish(worker)
    assert {worker: name[0] for worker, name in started(dispatcher).items()} == {w: n[0] for w, n in first.items()}


def test_what_another_run_holds_is_waited_for_by_name() -> None:
    dispatcher = hired([task("one", 1, "lab generator!"), task("two", stream="b")], "w0", "w1")
    dispatcher.bar(["generator"])
    assert started(dispatcher) == {"w0": "two"}
    assert dispatcher.obstacles() == {"a": "generator"}
    dispatcher.bar([])
    assert started(dispatcher) == {"w1": "one"}
    assert dispatcher.obstacles() == {}


def test_withdrawn_tests_never_start_and_whoever_waited_for_them_does() -> None:
    tasks = [task("a1"), task("a2"), task("b1", stream="b", after=("a",))]
    dispatcher = hired(tasks, "w0")
    assert started(dispatcher) == {"w0": "a1"}
    assert [each.name for each in dispatcher.withdraw(["a"])] == ["a2"]
    assert (dispatcher.unfinished_of("a"), dispatcher.unfinished) == (1, 2)
    dispatcher.finish("w0")
    assert started(dispatcher) == {"w0": "b1"}


def test_a_worker_whose_chain_is_withdrawn_is_free_for_others() -> None:
    dispatcher = hired([*(task(f"c{n}", 1, "lab", chain="c") for n in range(2)), task("b1", 0.5, stream="b")], "w0")
    assert started(dispatcher) == {"w0": "c0"}
    dispatcher.finish("w0")
    dispatcher.bar(["lab"])
    assert started(dispatcher) == {}
    dispatcher.withdraw(["a"])
    assert started(dispatcher) == {"w0": "b1"}


def overtaken() -> Dispatcher:
    """Two workers have the lab, one of them for a chain; who wants it alone was overtaken twice, and has a third."""
    tasks = [task(f"chain {n}", 1, "lab", chain="c") for n in range(9)]
    tasks += [
        task("long", 8, "lab", stream="b"),
        task("alone", 2, "switch lab!", stream="c"),
        task("other", 1, stream="d"),
    ]
    dispatcher = hired(tasks, "w0", "w1", patience=2)
    assert started(dispatcher) == {"w0": "chain 0", "w1": "long"}
    dispatcher.hire("w2")
    assert started(dispatcher) == {"w2": "other"}
    dispatcher.finish("w2")
    for number in (1, 2):
        assert dispatcher.reserving is None
        dispatcher.finish("w0")
        assert started(dispatcher) == {"w0": f"chain {number}"}
    assert dispatcher.reserving is not None
    assert dispatcher.reserving.name == "alone"
    return dispatcher


def test_whoever_was_overtaken_too_often_comes_next() -> None:
    dispatcher = overtaken()
    dispatcher.finish("w0")
    assert started(dispatcher) == {}
    assert dispatcher.obstacles() == {"a": "lab", "c": "lab"}
    dispatcher.finish("w1")
    assert list(started(dispatcher).values()) == ["alone"]
    assert dispatcher.reserving is None


def test_nothing_is_kept_for_a_test_that_has_no_worker() -> None:
    """Else the chains, which have all workers, would wait for it, and it for a worker."""
    dispatcher = overtaken()
    dispatcher.finish("w0")
    assert started(dispatcher) == {}
    dispatcher.lose("w2")
    assert started(dispatcher) == {"w0": "chain 3"}
    dispatcher.finish("w1")
    dispatcher.finish("w0")
    assert started(dispatcher) == {"w1": "alone"}


def test_nothing_is_kept_for_a_test_that_is_withdrawn() -> None:
    dispatcher = overtaken()
    dispatcher.finish("w0")
    assert started(dispatcher) == {}
    dispatcher.withdraw(["c"])
    assert started(dispatcher) == {"w0": "chain 3"}


def test_nothing_is_kept_for_a_test_that_waits_for_another_run() -> None:
    dispatcher = overtaken()
    dispatcher.finish("w0")
    dispatcher.bar(["switch"])
    assert started(dispatcher) == {"w0": "chain 3"}
    dispatcher.bar([])
    dispatcher.finish("w0")
    assert started(dispatcher) == {}


def test_a_test_that_cannot_start_after_all_is_lined_up_again() -> None:
    tasks = [task("c0", 2, "lab", chain="c"), task("c1", 2, "lab", chain="c"), task("other", 1, stream="b")]
    dispatcher = hired(tasks, "w0")
    for before, after in (("c0", "c1"), ("c1", "other")):
        assert dispatcher.next() == ("w0", next(each for each in tasks if each.name == before))
        dispatcher.undo("w0")
        dispatcher.bar(["lab"])
        assert started(dispatcher) == ({"w0": "other"} if before == "c0" else {})
        dispatcher.bar([])
        if before == "c0":
            dispatcher.finish("w0")
        assert started(dispatcher) == {"w0": before}
        dispatcher.finish("w0")
        assert [each.name for each in dispatcher.waiting] == ([after] if after == "c1" else [])


# ── bounds and the critical path ──


@pytest.mark.parametrize(
    ("tasks", "workers", "seconds", "why"),
    [
        ([task("one", 2), task("two", 4)], 2, 4, "two in one go"),
        ([task(f"t{n}", 2) for n in range(5)], 2, 5, "2 workers"),
        ([task("one", 2, chain="c"), task("two", 4, chain="c")], 2, 6, "c in one go"),
        ([task("one", 2, "lab!"), task("two", 4, "lab!")], 2, 6, "lab, one test at a time"),
        ([task("one", 2, "lab!"), task("two", 4, "lab")], 2, 6, "lab, one test at a time"),
        ([task("one", 2, "lab gen!"), task("two", 4, "lab!")], 2, 6, "gen, one test at a time"),
        ([task("one", 2, "vcpus:3"), task("two", 3, "vcpus:2")], 2, 4, "the capacity of vcpus"),
    ],
)
def test_lower_bounds(tasks: list[Task], workers: int, seconds: float, why: str) -> None:
    bound = lower_bound(tasks, workers, CAPACITIES)
    assert bound.seconds == seconds
    if why != "gen, one test at a time":
        assert bound.why == why


def test_chains_of_two_streams_may_have_one_name() -> None:
    tasks = [task(f"{stream}{n}", 2, stream=stream, chain="lab/shell") for stream in "ab" for n in range(2)]
    schedule = simulate(tasks, 2)
    assert (schedule.bound.seconds, schedule.seconds) == (4, 4)


def test_a_test_that_takes_lab_and_generator_counts_once() -> None:
    tasks = [task("destructive", 5, "lab! gen!"), task("throughput", 2, "lab gen!")]
    schedule = simulate(tasks, 2)
    assert (schedule.bound.seconds, schedule.seconds) == (7, 7)


def test_a_quota_is_nothing_that_a_test_has_to_itself() -> None:
    tasks = [task("one", 2, "gen! vcpus:1"), task("two", 2, "vcpus:1", stream="b")]
    schedule = simulate(tasks, 2, CAPACITIES)
    assert (schedule.bound.seconds, schedule.seconds) == (2, 2)


def test_the_critical_path_says_what_each_test_waited_for() -> None:
    tasks = [
        task("one", 3, "gen!"),
        task("two", 2, "gen!"),
        task("three", 1, chain="c", stream="b", after=("a",)),
        task("four", 1, chain="c", stream="b"),
    ]
    path = simulate(tasks, 3).critical_path()
    assert [(bar.task.name, why) for bar, why in path] == [
        ("one", ""),
        ("two", "gen"),
        ("three", "stream a"),
        ("four", "the test before it of b"),
    ]


def test_the_critical_path_goes_through_workers() -> None:
    path = simulate([task("one", 3), task("two", 2)], 1).critical_path()
    assert [why for _, why in path] == ["", "a worker"]


def test_a_test_that_takes_no_time_is_not_its_own_cause() -> None:
    first, second = (task(f"b{seconds}", seconds, "x!", stream="b", after=("a",)) for seconds in (0, 1))
    path = simulate([task("long", 2), first, replace(second, needs=(*second.needs, need("y!")), priority=-1)], 2)
    assert [(bar.task.name, why) for bar, why in path.critical_path()] == [
        ("long", ""),
        ("b0", "stream a"),
        ("b1", "x"),
    ]


def test_a_reserved_chain_of_a_lost_worker_starts_once() -> None:
    tasks = [task(f"s{n}", 3, "lab", stream=f"s{n}", priority=-n) for n in range(9)]
    chain = [task("c0", 9, "", stream="c", chain="c", priority=1), task("c1", 9, "lab!", stream="c", chain="c")]
    dispatcher = hired([*tasks, *chain], "w0", "w1", "w2", patience=1)
    assert started(dispatcher) == {"w0": "c0", "w1": "s0", "w2": "s1"}
    dispatcher.finish("w0")
    assert started(dispatcher) == {}
    dispatcher.finish("w1")
    assert started(dispatcher) == {"w1": "s2"}
    assert dispatcher.reserving == chain[1]
    dispatcher.lose("w0")
    dispatcher.finish("w1")
    assert started(dispatcher) == {}
    dispatcher.finish("w2")
    assert started(dispatcher) == {"w1": "c1"}
    dispatcher.finish("w1")
    assert set(started(dispatcher).values()) == {"s3", "s4"}


# ── properties ──


def _needs() -> st.SearchStrategy[tuple[Need, ...]]:
    each = [
        st.sampled_from([None, None, need("lab-1"), need("lab-1!")]),
        st.sampled_from([None, None, need("lab-2"), need("lab-2!")]),
        st.sampled_from([None, need("machine"), need("machine"), need("machine!")]),
        st.sampled_from([None, None, need("vcpus:1"), need("vcpus:2"), need("vcpus:3"), need("vcpus!")]),
    ]
    return st.tuples(*each).map(lambda found: tuple(one for one in found if one is not None))


@st.composite
def campaigns(draw: st.DrawFn) -> list[Task]:
    """Tests of up to four streams; a stream may wait for earlier ones only."""
    priorities = {stream: draw(st.sampled_from([0, 0, 1, 2])) for stream in STREAMS}
    after = {
        stream: tuple(draw(st.sets(st.sampled_from(STREAMS[:number]), max_size=1))) if number else ()
        for number, stream in enumerate(STREAMS)
    }
    shapes = st.tuples(st.sampled_from(STREAMS), st.sampled_from(["", "", "c1", "c2"]), _needs(), st.integers(0, 6))
    return [
        Task(f"{stream}-{number}", stream, needs, float(seconds), chain, priorities[stream], after[stream])
        for number, (stream, chain, needs, seconds) in enumerate(draw(st.lists(shapes, min_size=1, max_size=16)))
    ]


def compete(one: Task, other: Task) -> bool:
    """Whether two tests want a resource that not both can have, whatever else runs."""
    mine = {each.resource: each for each in one.needs}
    theirs = {each.resource: each for each in other.needs}
    return any(
        "exclusive" in (mine[name].how, theirs[name].how) or bool(mine[name].amount)
        for name in mine.keys() & theirs.keys()
    )


def overload(running: Sequence[Task]) -> str:
    """A resource that more tests have than may have it; empty when there is none."""
    holders: dict[str, list[Need]] = defaultdict(list)
    for each in running:
        for one in each.needs:
            holders[one.resource].append(one)
    for name, needs in holders.items():
        if any(one.how == "exclusive" for one in needs) and len(needs) > 1:
            return name
        if name in CAPACITIES and sum(one.amount for one in needs) > CAPACITIES[name]:
            return name
    return ""


class Campaign(RuleBasedStateMachine):
    """A run in which workers are hired and lost, other runs take resources, and streams are given up.

    The model keeps books of its own, in the simplest way, and checks every answer of the dispatcher.
    """

    @initialize(tasks=campaigns(), patience=st.sampled_from([1, 2, 50]), workers=st.integers(1, 4))
    def begin(self, tasks: list[Task], patience: int, workers: int) -> None:
        self.tasks = {each.name: each for each in tasks}
        self.dispatcher = Dispatcher(tasks, CAPACITIES, patience=patience)
        self.left = dict(self.tasks)
        """What has neither started nor been withdrawn."""
        self.ended: set[str] = set()
        self.running: dict[str, Task] = {}
        self.owners: dict[tuple[str, str], str] = {}
        """Chain that has begun and is not done → its worker, while that lives."""
        self.workers: set[str] = set()
        self.barred: set[str] = set()
        self.hired = 0
        self.refusing = False
        for _ in range(workers):
            self._hire()
        self._start_all()

    # ── what happens ──

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self._finish(data.draw(st.sampled_from(sorted(self.running))))
        self._start_all()

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.workers)))
        assert self.dispatcher.lose(worker) == self.running.get(worker)
        self._over(worker)
        self.workers.discard(worker)
        self.owners = {chain: owner for chain, owner in self.owners.items() if owner != worker}
        self._start_all()

    @precondition(lambda self: self.hired < 9)
    @rule()
    def hire(self) -> None:
        self._hire()
        self._start_all()

    @rule(resources=st.sets(st.sampled_from(["lab-1", "lab-2", "machine", "vcpus", "unknown"]), max_size=2))
    def bar(self, resources: set[str]) -> None:
        self.barred = resources
        self.dispatcher.bar(resources)
        self._start_all()

    @rule()
    def refuse(self) -> None:
        """Another run turns out to have what the next test needs: it does not start after all."""
        self.refusing = True

    @rule(stream=st.sampled_from(STREAMS))
    def withdraw(self, stream: str) -> None:
        withdrawn = self.dispatcher.withdraw([stream])
        assert sorted(each.name for each in withdrawn) == sorted(
            n for n, each in self.left.items() if each.stream == stream
        )
        self.left = {name: each for name, each in self.left.items() if each.stream != stream}
        self.owners = {
            chain: owner for chain, owner in self.owners.items() if chain[0] != stream or self._goes_on(chain)
        }
        self._start_all()

    # ── what must hold ──

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "tasks"):
            return
        assert self.dispatcher.running == self.running
        assert self.dispatcher.unfinished == len(self.left) + len(self.running)
        assert sorted(each.name for each in self.dispatcher.waiting) == sorted(self.left)
        assert not overload(list(self.running.values()))
        for worker, each in self.running.items():
            follower = self.dispatcher.follower(worker)
            assert follower == (self._first_of((each.stream, each.chain)) if each.chain else None)

    def teardown(self) -> None:
        if not hasattr(self, "tasks"):
            return
        self.barred, self.refusing = set(), False
        self.dispatcher.bar(())
        if not self.workers:
            self._hire()
        self._start_all()
        while self.running:
            self._finish(min(self.running))
            self._start_all()
        assert not self.left, "nothing runs, and yet something is left"
        assert self.dispatcher.unfinished == 0

    # ── the books ──

    def _hire(self) -> None:
        self.hired += 1
        self.workers.add(f"w{self.hired}")
        self.dispatcher.hire(f"w{self.hired}")

    def _finish(self, worker: str) -> None:
        assert self.dispatcher.finish(worker) == self.running[worker]
        self._over(worker)

    def _over(self, worker: str) -> None:
        if (each := self.running.pop(worker, None)) is not None:
            self.ended.add(each.name)
            if not self._goes_on((each.stream, each.chain)):
                self.owners.pop((each.stream, each.chain), None)

    def _start_all(self) -> None:
        while True:
            kept = self.dispatcher.reserving
            could = {each.name: each for each in self._startable(kept)}
            found = self.dispatcher.next()
            if found is None:
                assert not could, f"idle, although {', '.join(could)} could start"
                if kept is None and not self._free():
                    assert self.dispatcher.wants_worker == bool(list(self._startable(None, {"one more"})))
                return
            worker, each = found
            assert worker in self.workers - self.running.keys()
            assert each.name in self.left, f"{each.name} started twice, or after it was withdrawn"
            assert each.name in could or each == kept
            if each != kept:
                assert each.priority == max(other.priority for other in could.values())
            self._check_worker(worker, each)
            if self.refusing and each.needs:
                self.refusing = False
                self.dispatcher.undo(worker)
                self.barred = self.barred | {each.needs[0].resource}
                self.dispatcher.bar(self.barred)
                continue
            if each.chain:
                self.owners[each.stream, each.chain] = worker
            del self.left[each.name]
            self.running[worker] = each
            assert not overload(list(self.running.values()))

    def _check_worker(self, worker: str, each: Task) -> None:
        mine = [chain for chain, owner in self.owners.items() if owner == worker]
        if mine:
            assert mine == [(each.stream, each.chain)], f"{worker} has begun the chain {mine[0]}"
        if each.chain:
            chain = each.stream, each.chain
            assert each == self._first_of(chain)
            assert self.owners.get(chain, worker) == worker
            assert all((other.stream, other.chain) != chain for other in self.running.values())

    def _first_of(self, chain: tuple[str, str]) -> Task | None:
        return next((each for each in self.left.values() if (each.stream, each.chain) == chain), None)

    def _goes_on(self, chain: tuple[str, str]) -> bool:
        return self._first_of(chain) is not None or any((e.stream, e.chain) == chain for e in self.running.values())

    def _free(self) -> set[str]:
        return self.workers - self.running.keys() - set(self.owners.values())

    def _startable(self, kept: Task | None, more: Iterable[str] = ()) -> Iterator[Task]:
        """What may start now, but for what a reservation keeps off, if there were some more workers."""
        free = self._free().union(more)
        pending = {each.stream for each in (*self.left.values(), *self.running.values())}
        for each in self.left.values():
            owner = self.owners.get((each.stream, each.chain)) if each.chain else None
            if each.chain and (
                each != self._first_of((each.stream, each.chain))
                or any((other.stream, other.chain) == (each.stream, each.chain) for other in self.running.values())
            ):
                continue
            if (owner in self.running if owner else not free) or pending & set(each.after):
                continue
            if {one.resource for one in each.needs} & self.barred or overload([*self.running.values(), each]):
                continue
            if kept is None or each == kept or not self._keeps_off(kept, each, owner, free):
                yield each

    def _keeps_off(self, kept: Task, each: Task, owner: str | None, free: set[str]) -> bool:
        if {one.resource for one in kept.needs} & self.barred:
            return False
        needs_worker = self.owners.get((kept.stream, kept.chain)) is None if kept.chain else True
        if needs_worker and not free:
            return False
        return compete(kept, each) or (needs_worker and owner is None and len(free) == 1)


TestCampaign = Campaign.TestCase
TestCampaign.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@given(campaigns(), st.integers(1, 5))
def test_a_simulated_run_keeps_its_bounds_and_explains_its_end(tasks: list[Task], workers: int) -> None:
    schedule = simulate(tasks, workers, CAPACITIES)
    assert Counter(bar.task.name for bar in schedule.bars) == Counter(each.name for each in tasks)
    assert schedule.bound == lower_bound(tasks, workers, CAPACITIES)
    assert schedule.bound.seconds <= schedule.seconds + 1e-9
    assert schedule.seconds <= sum(each.seconds for each in tasks)
    assert all(bar.end == bar.start + bar.task.seconds for bar in schedule.bars)
    for stream in STREAMS:
        assert schedule.end_of(stream) <= schedule.seconds
    path = [bar for bar, _ in schedule.critical_path()]
    assert path[0].start == 0
    assert path[-1].end == schedule.seconds
    assert all(earlier.end == later.start for earlier, later in pairwise(path))
    assert len(set(path)) == len(path)
    assert not any(
        overload([bar.task for bar in schedule.bars if _runs_at(bar, moment)]) for moment in _moments(schedule)
    )


def _moments(schedule: Schedule) -> set[float]:
    return {bar.start for bar in schedule.bars}


def _runs_at(bar: Bar, moment: float) -> bool:
    return bar.start <= moment < bar.end


@settings(deadline=None)
@given(
    victims=st.integers(1, 3),
    sharers=st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", "x!", "y!"])), min_size=2, max_size=40),
    patience=st.integers(1, 6),
    order=st.randoms(use_true_random=False),
)
def test_nobody_is_overtaken_for_ever(victims: int, sharers: list[tuple[int, str]], patience: int, order: Any) -> None:
    """A worker for everybody, so that all wait for the lab only: sharers that come and go, and some that want it alone.

    While sharers have the lab, `patience` of them at most overtake the next one who wants it alone, and then
    each further one waits for those before it.
    """
    tasks = [task(f"s{n}", seconds, f"lab {more}", stream=f"s{n}") for n, (seconds, more) in enumerate(sharers)]
    # Sharers that do not compete otherwise follow one another in two chains, so that they do not all start at once.
    tasks = [Task(t.name, f"chain{n % 2}", t.needs, t.seconds, "c") for n, t in enumerate(tasks)]
    tasks += [task(f"victim{n}", 0.5, "lab!", stream=f"victim{n}") for n in range(victims)]
    assume(len({each.stream for each in tasks}) > 2)
    dispatcher = hired(tasks, *(f"w{n}" for n in range(len(tasks))), patience=patience)
    started(dispatcher)
    overtaken: Counter[str] = Counter()
    while dispatcher.unfinished:
        dispatcher.finish(order.choice(sorted(dispatcher.running)))
        was_busy = bool(dispatcher.running)
        names = started(dispatcher).values()
        for victim in {each.name for each in dispatcher.waiting if each.name.startswith("victim")}:
            overtaken[victim] += len(names) if was_busy else 0
    assert all(times <= patience + victims for times in overtaken.values())
