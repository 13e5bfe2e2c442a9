"""Planning: what the model asks for is planned, the rest is left out with its reason; then the whole run."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.claims import Claim, Need
from nfvcert.lab import Cloud, Dut, Fabric, Lab
from nfvcert.record import PlannedTest, StreamPlan
from nfvcert.streams import (
    DEFAULT_SECONDS,
    CannotGive,
    capacities_of,
    plan_run,
    plan_tests,
    remaining_seconds,
    tasks_of,
)
from nfvcert.testcase import CollectedTest, case_of
from nfvcert.testmodel import Criterion
from tests.core import builders
from tests.core.builders import big_lab

NDR, FLOOD = "network.throughput.ndr", "network.learning.flooded_frames"


def criterion(kpi: str, *, applies: bool = True) -> Criterion:
    return Criterion(kpi=kpi, at_least=1, unit="pps", as_written="≥ 1", applies=applies, source="s")


def collected(test: str, *measures: str, **more: object) -> CollectedTest:
    return CollectedTest(test, f"title of {test}", frozenset({"network"}), measures, **more)  # type: ignore[arg-type]


def lab(kind: str = "router") -> Lab:
    return big_lab().model_copy(update={"network": Fabric(dut=Dut.model_validate({"kind": kind}))})


def plan(*tests: CollectedTest, took: dict[str, float] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    criteria = [criterion(NDR), criterion(FLOOD, applies=False)]
    planned, left_out = plan_tests(tests, criteria, domains={"network"}, lab=lab(), took=took or {})
    return {test.test: test.reason for test in planned}, {test.test: test.reason for test in left_out}


def test_a_test_that_measures_what_is_required_is_planned() -> None:
    assert plan(collected("a", NDR, "network.throughput.pdr")) == ({"a": f"required: {NDR}"}, {})


def test_a_functional_test_is_planned_too() -> None:
    assert plan(collected("a")) == ({"a": "functional test of the network suite"}, {})


def test_what_nobody_asks_for_is_left_out() -> None:
    planned, left_out = plan(collected("a", "network.latency.p50"))
    assert planned == {}
    assert "required by no criterion" in left_out["a"]


def test_what_does_not_apply_to_the_device_is_left_out() -> None:
    planned, left_out = plan(collected("a", FLOOD), collected("b", NDR, needs=frozenset({"l2"})))
    assert planned == {}
    assert "does not apply" in left_out["a"]
    assert "needs l2" in left_out["b"]


@pytest.mark.parametrize(
    ("without", "planned"), [((), {"a", "b"}), (("orchestration",), {"b"})], ids=["with-it", "without"]
)
def test_what_needs_a_service_that_the_cloud_is_without_is_left_out(
    without: tuple[str, ...], planned: set[str]
) -> None:
    tests = [collected("a", NDR, needs=frozenset({"orchestration"})), collected("b", NDR)]
    its = lab().model_copy(update={"cloud": Cloud.model_validate({"name": "c", "without": without})})
    kept, left_out = plan_tests(tests, [criterion(NDR)], domains={"network"}, lab=its, took={})
    assert {test.test for test in kept} == planned
    assert all("needs orchestration" in left.reason for left in left_out)
    assert len(kept) + len(left_out) == len(tests)


def test_tests_of_other_domains_are_not_this_plans_business() -> None:
    other = CollectedTest("a", "t", frozenset({"vim"}), (NDR,))
    assert plan(other) == ({}, {})


def test_durations_come_from_history_then_from_the_test() -> None:
    tests = [
        collected("a", NDR, case="a"),
        collected("b", NDR, case="b", expected_seconds=20.0),
        collected("c[opco-ru]", NDR, case="c", expected_seconds=20.0),
    ]
    planned, _ = plan_tests(tests, [criterion(NDR)], domains={"network"}, lab=lab(), took={"c": 7.0})
    assert [test.expected_seconds for test in planned] == [DEFAULT_SECONDS, 20.0, 7.0]
    assert remaining_seconds(planned, {"b"}) == DEFAULT_SECONDS + 7.0


@pytest.mark.parametrize(
    ("test", "stream", "case"),
    [
        ("t.py::test_x[opco-ru-64B]", "opco-ru", "t.py::test_x[64B]"),
        ("t.py::test_x[opco-ru]", "opco-ru", "t.py::test_x"),
        ("t.py::test_x[nic-fw@opco-ru-64B-2]", "nic-fw@opco-ru", "t.py::test_x[64B-2]"),
        ("t.py::test_x[nic-fw@opco-ru]", "nic-fw@opco-ru", "t.py::test_x"),
        ("t.py::test_x[opco-ru-2-64B]", "opco-ru", "t.py::test_x[2-64B]"),
        ("t.py::test_x[opco-ru-opco-ru]", "opco-ru", "t.py::test_x[opco-ru]"),
        ("t.py::test_x", "opco-ru", "t.py::test_x"),
    ],
)
def test_a_test_is_called_the_same_in_every_lab(test: str, stream: str, case: str) -> None:
    assert case_of(test, stream) == case


def test_a_planned_test_is_given_what_it_claims() -> None:
    wanted = (Claim("generator", exclusive=True),)
    (planned,), _ = plan_tests(
        [collected("a", NDR, claims=wanted)], [criterion(NDR)], domains={"network"}, lab=lab(), took={}
    )
    assert [str(need) for need in planned.needs] == [
        "opco-ru (shared)",
        "machine (shared)",
        "opco-ru/generator (exclusive)",
    ]


def test_a_claim_that_the_lab_cannot_meet_stops_the_run_before_it_starts() -> None:
    tests = [collected("a", NDR, claims=(Claim("generator", where={"ports": 4}),))]
    with pytest.raises(CannotGive, match=r"a: the lab cannot give a generator with ports≥4: .* has ports=2") as caught:
        plan_tests(tests, [criterion(NDR)], domains={"network"}, lab=lab(), took={})
    assert (caught.value.test, caught.value.lab) == ("a", "opco-ru")


def test_a_test_that_is_left_out_needs_nothing() -> None:
    assert plan(collected("a", FLOOD, claims=(Claim("generator", where={"ports": 4}),)))[0] == {}


def test_tests_of_a_lab_spread_over_its_hosts() -> None:
    used: Counter[str] = Counter()
    tests = [collected(name, claims=(Claim("host", exclusive=True, where={"roles": "compute"}),)) for name in "abcd"]
    planned = [
        test
        for one in (tests[:2], tests[2:])
        for test in plan_tests(one, [criterion(NDR)], domains={"network"}, lab=lab(), took={}, used=used)[0]
    ]
    assert [test.needs[-1].resource[-1] for test in planned] == ["1", "2", "1", "2"]


def chains(*shared: set[str]) -> list[str]:
    tests = [collected(f"t{n}", shared_fixtures=frozenset(names)) for n, names in enumerate(shared)]
    planned, _ = plan_tests(tests, [criterion(NDR)], domains={"network"}, lab=lab(), took={})
    return [test.chain for test in planned]


def test_tests_that_share_a_fixture_stay_together() -> None:
    assert chains({"vm"}, set(), {"vm"}, {"trex"}) == ["opco-ru/vm", "", "opco-ru/vm", "opco-ru/trex"]


def test_a_test_that_uses_two_fixtures_ties_their_tests_together() -> None:
    one, two, alone, both, late = chains({"vm"}, {"trex"}, {"disk"}, {"vm", "trex"}, {"trex"})
    assert one == two == both == late
    assert alone != one


@given(st.lists(st.sets(st.sampled_from("abcdef"), max_size=3), max_size=12))
def test_chains_are_what_is_connected_by_fixtures(shared: list[set[str]]) -> None:
    found = chains(*shared)
    groups: list[set[str]] = []
    for names in filter(None, shared):
        tied = [group for group in groups if group & names]
        groups = [group for group in groups if group not in tied] + [names.union(*tied)]
    assert len({chain for chain in found if chain}) == len(groups)
    for names, chain in zip(shared, found, strict=True):
        assert bool(names) == bool(chain)
        group = next((group for group in groups if names & group), None)
        assert all(
            (other == chain) == bool(group and others & group)
            for others, other in zip(shared, found, strict=True)
            if names
        )


# ── the whole run ──


def stream(name: str, *seconds: float, needs: tuple[Need, ...] = (), **more: object) -> StreamPlan:
    """A plan of tests that take so long."""
    planned = tuple(
        PlannedTest(test=f"{name}::{n}", title="t", measures=(), reason="r", expected_seconds=each, needs=needs)
        for n, each in enumerate(seconds)
    )
    return builders.plan().model_copy(update={"stream": name, "planned": planned, **more})


NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
GENERATOR = (Need(resource="opco-ru/generator", how="exclusive"),)


def test_the_plan_of_a_run_says_when_each_stream_ends_and_why_not_sooner() -> None:
    plans = [
        stream("a", 60, 30, needs=GENERATOR),
        stream("b", 10, needs=GENERATOR, priority=1),
        stream("c", 20, after=("b",)),
    ]
    run = plan_run(plans, 4, now=NOW)
    assert (run.seconds, run.bound_seconds, run.bound_why) == (100, 100, "opco-ru/generator, one test at a time")
    assert run.ends["a"] <= 100
    assert run.ends["c"] == run.ends["b"] + 20
    assert [(bar.test, bar.waits_for) for bar in run.bars if bar.critical][-1][1] == "opco-ru/generator"
    assert not run.late


def test_what_is_not_run_takes_no_time() -> None:
    run = plan_run([stream("a", 60, 30), stream("b", 5)], 1, now=NOW, without={"a::0", "b::0"})
    assert (run.seconds, run.ends) == (30, {"a": 30, "b": 0})


def test_a_stream_that_the_plan_does_not_finish_in_time_is_named() -> None:
    plans = [
        stream("a", 3600, deadline="2026-11-25T13:59:00+03:00"),
        stream("b", 3600, deadline="2026-11-25T14:00:00+03:00"),
    ]
    (late,) = plan_run(plans, 2, now=NOW).late
    assert (late.stream, late.expected, late.seconds) == ("a", "2026-11-25T14:00+03:00", 60)


def test_streams_that_wait_for_each_other_have_no_plan() -> None:
    with pytest.raises(ValueError, match="cycle"):
        plan_run([stream("a", 1, after=("b",)), stream("b", 1, after=("a",))], 2, now=NOW)


def test_streams_are_worked_off_in_order_and_by_priority() -> None:
    plans = [stream("late", 1, after=("low",)), stream("low", 1), stream("high", 1, priority=3)]
    assert [task.name for task in tasks_of(plans)] == ["high::0", "low::0", "late::0"]
    assert [(task.stream, task.priority, task.after) for task in tasks_of(plans, without={"low::0"})] == [
        ("high", 3, ()),
        ("late", 0, ("low",)),
    ]


def test_capacities_are_those_of_the_labs_clouds() -> None:
    assert capacities_of([stream("a", lab=big_lab())]) == {"opco-ru/cloud/vcpus": 64, "opco-ru/cloud/instances": 20}


def test_what_a_lab_lacks_is_left_out_with_its_reason() -> None:
    planned, left_out = plan(collected("a", NDR), collected("b", NDR, needs=frozenset({"object-store"})))
    assert [*planned] == ["a"]
    assert left_out == {"b": "it needs object-store, which this lab does not have"}
