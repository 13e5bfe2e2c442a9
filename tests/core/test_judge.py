"""The judge: three answers, holes never green, and a decision that no missing result can improve."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.judge import Decision, Finding, TestResult, Verdict, decide, judge, readable, worst
from nfvcert.measure.kpi import Measurement
from nfvcert.testmodel import Criterion

NDR = "network.throughput.ndr"


def criterion(**changes: object) -> Criterion:
    base: dict[str, object] = {
        "kpi": NDR,
        "where": {"frame_bytes": 64},
        "at_least": 600.0,
        "unit": "pps",
        "as_written": "≥ 600 pps",
        "source": "RFC 2544",
    }
    return Criterion.model_validate(base | changes)


def measured(value: float, low: float | None = None, high: float | None = None, **changes: Any) -> Measurement:
    base: dict[str, object] = {
        "kpi": NDR,
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "conditions": {"frame_bytes": 64},
        "unit": "pps",
        "test": "suites/network/test_throughput.py::test_throughput[opco-ru-64B]",
        "at": "2026-11-25T10:00:00+00:00",
    }
    return Measurement.model_validate(base | changes)


def passed(test: str = "t") -> TestResult:
    return TestResult(test=test, title=test, verdict=Verdict.PASS, sentence="passed")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (700, 900, Verdict.PASS),
        (600, 900, Verdict.PASS),  # touching the bound meets it
        (500, 599.9, Verdict.FAIL),
        (500, 600, Verdict.INCONCLUSIVE),
        (500, 700, Verdict.INCONCLUSIVE),
    ],
)
def test_a_lower_bound_has_three_answers(low: float, high: float, verdict: Verdict) -> None:
    assert judge(criterion(), [measured((low + high) / 2, low, high)]).verdict is verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1, 600, Verdict.PASS), (600.1, 700, Verdict.FAIL), (500, 601, Verdict.INCONCLUSIVE)],
)
def test_an_upper_bound_has_three_answers(low: float, high: float, verdict: Verdict) -> None:
    bound = criterion(at_least=None, at_most=600.0, as_written="≤ 600 pps")
    assert judge(bound, [measured((low + high) / 2, low, high)]).verdict is verdict


def test_a_bound_on_both_sides_is_missed_on_either() -> None:
    bound = criterion(at_least=600.0, at_most=700.0)
    assert judge(bound, [measured(650)]).verdict is Verdict.PASS
    assert judge(bound, [measured(750)]).verdict is Verdict.FAIL
    assert judge(bound, [measured(550)]).verdict is Verdict.FAIL


def test_the_sentence_names_value_interval_bound_and_model() -> None:
    result = judge(criterion(), [measured(410, 400, 420)], model="network 2026.1")
    assert result.sentence == (
        "network.throughput.ndr{frame_bytes=64}: 410 pps (400 pps … 420 pps), required ≥ 600 pps (network 2026.1)"
    )


def test_nothing_measured_is_not_run() -> None:
    result = judge(criterion(), [])
    assert result.verdict is Verdict.NOT_RUN
    assert "not measured" in result.sentence


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"conditions": {"frame_bytes": 512}},
        {"conditions": {}},
        {"kpi": "network.throughput.pdr"},
    ],
)
def test_a_measurement_under_other_conditions_does_not_count(elsewhere: dict[str, Any]) -> None:
    assert judge(criterion(), [measured(9999, **elsewhere)]).verdict is Verdict.NOT_RUN


def test_the_worst_measurement_counts() -> None:
    assert judge(criterion(), [measured(900), measured(100), measured(800)]).verdict is Verdict.FAIL


def test_a_measurement_in_another_unit_decides_nothing() -> None:
    result = judge(criterion(), [measured(9999, unit="bit/s")])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "bit/s" in result.sentence


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_no_measurement(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        measured(value)


def test_accepted_only_when_every_criterion_and_every_planned_test_passed() -> None:
    judgement = decide([criterion()], [measured(700)], ["t"], [passed()], model="network 2026.1", lab="opco-ru")
    assert judgement.decision is Decision.ACCEPTED
    assert judgement.findings == ()
    assert judgement.summary.startswith("1 of 1 criteria of network 2026.1 are met in lab opco-ru")


@pytest.mark.parametrize(
    ("measurements", "planned", "tests", "decision"),
    [
        ([measured(100)], ["t"], [passed()], Decision.REJECTED),
        ([measured(600, 500, 700)], ["t"], [passed()], Decision.INCONCLUSIVE),
        ([], ["t"], [passed()], Decision.INCONCLUSIVE),
        ([measured(700)], ["t", "gone"], [passed()], Decision.INCONCLUSIVE),
        ([measured(700)], ["t"], [], Decision.INCONCLUSIVE),
    ],
)
def test_a_hole_or_a_doubt_is_never_accepted(
    measurements: list[Measurement], planned: list[str], tests: list[TestResult], decision: Decision
) -> None:
    assert decide([criterion()], measurements, planned, tests).decision is decision


def test_an_unplanned_test_that_failed_counts_too() -> None:
    failed = TestResult(test="extra", title="x", verdict=Verdict.FAIL, sentence="broken", blame="release")
    assert decide([criterion()], [measured(700)], ["t"], [passed(), failed]).decision is Decision.REJECTED


def test_trouble_outside_of_tests_is_a_doubt() -> None:
    trouble = Finding(verdict=Verdict.INCONCLUSIVE, subject="results", sentence="disk full", blame="storage")
    judgement = decide([criterion()], [measured(700)], ["t"], [passed()], trouble=[trouble])
    assert judgement.decision is Decision.INCONCLUSIVE
    assert "disk full" in judgement.summary


def test_a_stream_that_requires_nothing_cannot_be_decided() -> None:
    with pytest.raises(ValueError, match="nothing is required"):
        decide([], [measured(700)], ["t"], [passed()])
    with pytest.raises(ValueError, match="nothing is required"):
        decide([criterion(applies=False)], [measured(700)], ["t"], [passed()])


def test_the_lab_is_blamed_where_it_is_at_fault() -> None:
    broken = TestResult(
        test="t", title="t", verdict=Verdict.INCONCLUSIVE, sentence="leaf-1 does not answer", blame="lab"
    )
    judgement = decide([criterion()], [], ["t"], [broken], lab="opco-ru")
    assert judgement.decision is Decision.INCONCLUSIVE
    assert judgement.summary.startswith("The lab, not the release, is in doubt: leaf-1 does not answer")


def test_worst_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no verdict"):
        worst([])


GOODNESS = {Decision.REJECTED: 0, Decision.INCONCLUSIVE: 1, Decision.ACCEPTED: 2}
values = st.floats(min_value=0, max_value=1000, allow_nan=False)
verdicts = st.sampled_from(list(Verdict))


@given(
    sizes=st.lists(st.sampled_from([64, 512, 1518]), min_size=1, max_size=3, unique=True),
    found=st.lists(st.tuples(st.sampled_from([64, 512, 1518]), values, values), max_size=8),
    outcomes=st.lists(verdicts, min_size=1, max_size=5),
    data=st.data(),
)
def test_removing_a_result_never_makes_a_stream_accepted(
    sizes: list[int], found: list[tuple[int, float, float]], outcomes: list[Verdict], data: st.DataObject
) -> None:
    criteria = [criterion(where={"frame_bytes": size}) for size in sizes]
    measurements = [measured(min(a, b), min(a, b), max(a, b), conditions={"frame_bytes": size}) for size, a, b in found]
    planned = [f"t{index}" for index in range(len(outcomes))]
    tests = [
        TestResult(test=test, title=test, verdict=outcome, sentence=outcome)
        for test, outcome in zip(planned, outcomes, strict=True)
    ]
    whole = decide(criteria, measurements, planned, tests).decision
    less_tests = [test for test in tests if data.draw(st.booleans())]
    assert decide(criteria, measurements, planned, less_tests).decision is not Decision.ACCEPTED or less_tests == tests
    fewer = [measurement for measurement in measurements if data.draw(st.booleans())]
    partly = decide(criteria, fewer, planned, less_tests).decision
    if partly is Decision.ACCEPTED:  # then every criterion still has its measurement, and every test its result
        assert less_tests == tests
        assert all(any(m.conditions["frame_bytes"] == size for m in fewer) for size in sizes)
    if whole is Decision.ACCEPTED:
        assert all(outcome is Verdict.PASS for outcome in outcomes)


@given(outcomes=st.lists(verdicts, min_size=1))
def test_the_worst_verdict_is_no_better_than_any(outcomes: list[Verdict]) -> None:
    order = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOT_RUN, Verdict.PASS]
    assert all(order.index(worst(outcomes)) <= order.index(outcome) for outcome in outcomes)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (14880.95, "pps", "14.88 kpps"),
        (0.6e6, "pps", "600 kpps"),
        (0.0005, "s", "500 µs"),
        (1.5, "s", "1.5 s"),
        (0.0, "s", "0 s"),
        (0.05, "ratio", "5 %"),
        (3, "count", "3"),
        (9000, "B", "9000 B"),
        (4.7e9, "B", "4.7 GB"),
        (15e9, "B/s", "15 GB/s"),
        (1500, "IOPS", "1.5 kIOPS"),
        (1e9, "flows", "1 Gflows"),
        (100_000, "flows/s", "100 kflows/s"),
        (1234.5, "score", "1234.5"),
        (350, "W", "350 W"),
        (12.5, "W/core", "12.5 W/core"),
        (5e-10, "J/bit", "500 pJ/bit"),
        (2e-8, "J/B", "20 nJ/B"),
        (1, "vCPU/core", "1 vCPU/core"),
    ],
)
def test_values_read_as_people_write_them(value: float, unit: str, text: str) -> None:
    assert readable(value, unit) == text


def test_what_is_unusual_of_a_measurement_is_in_the_sentence_and_elsewhere_costs_nothing() -> None:
    told = measured(610, 605, 615, note="left out 1 of 9 samples")
    assert judge(criterion(), [told]).sentence.endswith("; left out 1 of 9 samples")
    assert told.model_dump()["note"] == "left out 1 of 9 samples"
    assert "note" not in measured(610).model_dump(mode="json")  # so that digests of older records stay
