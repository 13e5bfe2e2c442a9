"""Where a run stands, by its events alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from nfvcert.claims import Need
from nfvcert.judge import Finding, TestResult, Verdict
from nfvcert.record import (
    Event,
    LeaseLogged,
    PlannedTest,
    RunFinished,
    RunResumed,
    RunStarted,
    StreamPlan,
    StreamPlanned,
    TestFinished,
    TestStarted,
    Trouble,
)
from nfvcert.status import RunStatus
from tests.core import builders

START = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
GENERATOR = Need(resource="opco-ru/generator", how="exclusive")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def stream(name: str, tests: int = 3, seconds: float = 10.0, *needs: Need, **more: object) -> StreamPlan:
    planned = tuple(
        PlannedTest(test=f"{name}-{n}", title="t", measures=(), reason="r", expected_seconds=seconds, needs=needs)
        for n in range(tests)
    )
    return builders.plan().model_copy(update={"stream": name, "planned": planned, **more})


def began(workers: int = 0) -> RunStarted:
    (event, *_) = builders.accepted_run()
    assert isinstance(event, RunStarted)
    return RunStarted(facts=event.facts.model_copy(update={"workers": workers}))


def starts(test: str, seconds: float = 0, worker: str = "w0") -> TestStarted:
    return TestStarted(stream=test.partition("-")[0], test=test, at=at(seconds).isoformat(), worker=worker)


def ends(test: str, verdict: Verdict = Verdict.PASS, *, broke_off: bool = False) -> TestFinished:
    result = TestResult(test=test, title="t", verdict=verdict, sentence="s", broke_off=broke_off)
    return TestFinished(stream=test.partition("-")[0], result=result)


def status(*events: Event, workers: int = 0, alive: bool = True) -> RunStatus:
    return RunStatus.of_events([began(workers), *events], alive=alive)


def planned(*plans: StreamPlan) -> list[Event]:
    return [StreamPlanned(plan=plan) for plan in plans]


def test_a_test_is_pending_then_runs_then_is_done() -> None:
    run = status(*planned(stream("a")), starts("a-0", 5))
    a = run.streams["a"]
    assert (a.total, a.done, [test.test for test in run.running]) == (3, 0, ["a-0"])
    assert (run.running[0].worker, run.running[0].since) == ("w0", at(5))
    run.take(ends("a-0", Verdict.FAIL))
    assert (a.total, a.done, a.counts, run.running) == (3, 1, Counter({Verdict.FAIL: 1}), [])
    finished = []
    for test in ("a-1", "a-2"):
        finished.append(a.finished)
        run.take(ends(test))
    assert [*finished, a.finished] == [False, False, True]
    run.take(RunFinished(at=at(60).isoformat()))
    assert (run.state, run.elapsed(at(900)), run.end(at(900))) == ("finished", 60, None)


def test_a_result_that_no_plan_knows_is_counted_too() -> None:
    run = status(*planned(stream("a", 1)), ends("a-9", Verdict.FAIL))
    assert (run.total, run.done, run.counts[Verdict.FAIL]) == (2, 1, 1)


def test_one_after_the_other_ends_after_the_sum() -> None:
    run = status(*planned(stream("a"), stream("b", 2)), starts("a-0", 0))
    assert run.ends(at(4)) == {"a": at(30), "b": at(50)}
    assert run.end(at(4)) == at(50)


def test_side_by_side_ends_as_the_schedule_says() -> None:
    apart = status(*planned(stream("a"), stream("b")), workers=2)
    assert apart.end(at(0)) == at(30)
    competing = status(*planned(stream("a", 3, 10.0, GENERATOR), stream("b", 3, 10.0, GENERATOR)), workers=2)
    assert competing.end(at(0)) == at(60)


def test_what_runs_is_counted_with_what_is_left_of_it() -> None:
    run = status(*planned(stream("a")), starts("a-0", 0), workers=2)
    assert run.ends(at(4)) == {"a": at(20)}  # 6 s of the first beside the second, then the third
    overdue = status(*planned(stream("a", 1)), starts("a-0", 0), workers=2)
    assert at(100) <= (overdue.end(at(100)) or at(0)) <= at(102)


def test_a_forecast_is_kept_for_a_while_and_never_lies_in_the_past() -> None:
    run = status(*planned(stream("a", 1)), starts("a-0", 0))
    assert run.ends(at(0)) == {"a": at(10)}
    run.take(ends("a-0"))
    assert run.ends(at(1)) == {}, "who is done has no end ahead"
    run = status(*planned(stream("a", 1)), starts("a-0", 0))
    assert run.ends(at(9)) == {"a": at(10)}
    assert run.ends(at(11)) == {"a": at(11)}
    assert run.ends(at(60)) == {"a": at(61)}


def test_deselected_tests_are_not_waited_for() -> None:
    run = status(*planned(stream("a")))
    run.leave_out({"a-1", "a-2", "elsewhere"})
    assert (run.total, run.streams["a"].left_out, run.end(at(0))) == (1, 2, at(10))
    run.take(ends("a-0"))
    assert run.streams["a"].finished


def test_a_stream_says_what_it_waits_for() -> None:
    plans = (
        stream("a", 2, 10.0, GENERATOR),
        stream("b", 2, 10.0, GENERATOR),
        stream("c", 2, 10.0, after=("a",)),
        stream("d", 2),
    )
    run = status(*planned(*plans), starts("a-0"), workers=2)
    assert run.obstacle("a") == ""
    assert run.obstacle("b") == "opco-ru/generator, in use by a"
    assert run.obstacle("c") == "stream a"
    assert run.obstacle("d") == ""
    run.take(starts("d-0", worker="w1"))
    run.take(ends("a-0"))
    run.take(LeaseLogged(at=at(1).isoformat(), resource="opco-ru/generator", what="waiting", holder="ana, run 7"))
    assert run.obstacle("b") == "opco-ru/generator, held by ana, run 7"
    run.take(LeaseLogged(at=at(2).isoformat(), resource="opco-ru/generator", what="taken"))
    assert run.obstacle("b") == ""
    run.waits_for("b", "machine")
    assert run.obstacle("b") == "machine"
    run.take(starts("b-0"))
    run.take(ends("b-0"))
    assert run.obstacle("b") == "", "what was told is over when a test begins"


def test_a_full_house_is_waited_for() -> None:
    run = status(*planned(stream("a"), stream("b")), starts("a-0"), workers=1)
    assert run.obstacle("b") == "a worker"


def test_a_killed_run_is_told_apart_and_forecasts_nothing() -> None:
    run = status(*planned(stream("a"), stream("b")), starts("a-0"), alive=False)
    assert (run.state, run.ends(at(5)), run.obstacle("b")) == ("killed", {}, "")
    assert run.streams["a"].running, "it had begun"


def test_a_resumed_run_does_again_what_broke_off_but_no_harm_twice() -> None:
    plan = stream("a", 4)
    planned_tests = [plan.planned[0], plan.planned[1].model_copy(update={"destructive": True}), *plan.planned[2:]]
    run = status(
        *planned(plan.model_copy(update={"planned": tuple(planned_tests)})),
        ends("a-3"),
        ends("a-2", Verdict.INCONCLUSIVE, broke_off=True),
        starts("a-0"),
        starts("a-1"),
        RunFinished(at=at(5).isoformat(), interrupted=True),
    )
    states = [run.state]
    run.take(RunResumed(at=at(60).isoformat(), command="pytest --resume", user="u"))
    assert [*states, run.state] == ["interrupted", "running"]
    a = run.streams["a"]
    assert sorted(a.pending) == ["a-0", "a-2"]
    assert a.results == {"a-3": Verdict.PASS, "a-1": Verdict.INCONCLUSIVE}
    assert run.elapsed(at(90)) == 30


def test_trouble_of_a_stream_is_its_own() -> None:
    finding = Finding(verdict=Verdict.INCONCLUSIVE, subject="lab", sentence="leaf-1 is away")
    run = status(*planned(stream("a"), stream("b")), Trouble(stream="a", finding=finding), Trouble(finding=finding))
    assert (run.streams["a"].trouble, run.streams["b"].trouble) == ("leaf-1 is away", "")


TESTS = st.sampled_from(["a-0", "a-1", "a-2", "b-0", "b-1", "b-9"])
EVENTS = st.one_of(
    st.sampled_from(["a", "b"]).map(lambda name: StreamPlanned(plan=stream(name))),
    TESTS.map(starts),
    st.builds(ends, TESTS, st.sampled_from(list(Verdict)), broke_off=st.booleans()),
    st.sampled_from(["taken", "waiting", "lost"]).map(
        lambda what: LeaseLogged.model_validate({"at": at(0).isoformat(), "resource": "x", "what": what})
    ),
    st.just(RunResumed(at=at(9).isoformat(), command="c", user="u")),
    st.just(RunFinished(at=at(9).isoformat())),
    st.just(began(2)),
)


@given(st.lists(EVENTS, max_size=30))
def test_any_order_of_events_keeps_the_counts_consistent(events: list[Event]) -> None:
    run = RunStatus()
    for event in events:
        run.take(event)
    for one in run.streams.values():
        states = [set(one.pending), set(one.running), set(one.results)]
        assert sum(map(len, states)) == len(set().union(*states)) == one.total, "a test is in one state only"
        assert +one.counts == Counter(one.results.values())
        assert one.done <= one.total
        assert one.broke_off <= set(one.results)
        if one.plan is not None:
            assert {test.test for test in one.plan.planned} <= set().union(*states)
        run.obstacle(one.name)
    assert sorted(t.test for t in run.running) == sorted(t for s in run.streams.values() for t in s.running)
    assert set(run.ends(at(10))) <= {one.name for one in run.streams.values() if not one.finished}
