"""Planning: what the model asks for is planned, the rest is left out with its reason."""

from __future__ import annotations

from nfvcert.streams import DEFAULT_SECONDS, CollectedTest, plan_tests, remaining_seconds
from nfvcert.testmodel import Criterion

NDR, FLOOD = "network.throughput.ndr", "network.learning.flooded_frames"


def criterion(kpi: str, *, applies: bool = True) -> Criterion:
    return Criterion(kpi=kpi, at_least=1, unit="pps", as_written="≥ 1", applies=applies, source="s")


def collected(test: str, *measures: str, **more: object) -> CollectedTest:
    return CollectedTest(test, f"title of {test}", frozenset({"network"}), measures, **more)  # type: ignore[arg-type]


def plan(*tests: CollectedTest, took: dict[str, float] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    criteria = [criterion(NDR), criterion(FLOOD, applies=False)]
    planned, left_out = plan_tests(tests, criteria, domain="network", forwards="l3", took=took or {})
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
    planned, left_out = plan(collected("a", FLOOD), collected("b", NDR, needs_forwarding="l2"))
    assert planned == {}
    assert "does not apply" in left_out["a"]
    assert "forward l2" in left_out["b"]


def test_tests_of_other_domains_are_not_this_plans_business() -> None:
    other = CollectedTest("a", "t", frozenset({"vim"}), (NDR,))
    assert plan(other) == ({}, {})


def test_durations_come_from_history_then_from_the_test() -> None:
    tests = [
        collected("a", NDR),
        collected("b", NDR, expected_seconds=20.0),
        collected("c", NDR, expected_seconds=20.0),
    ]
    planned, _ = plan_tests(tests, [criterion(NDR)], domain="network", forwards="l2", took={"c": 7.0})
    assert [test.expected_seconds for test in planned] == [DEFAULT_SECONDS, 20.0, 7.0]
    assert remaining_seconds(planned, {"b"}) == DEFAULT_SECONDS + 7.0
