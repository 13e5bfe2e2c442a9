"""Foreign suites: only what was required by name, and told to have passed, is PASS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.engines import rally, tempest
from nfvcert.engines.rally import Scenario
from nfvcert.errors import EngineError
from nfvcert.foreign import Capability, ForeignOutcome, ForeignTest, Guideline, GuidelineTest, compared, required_tests
from nfvcert.judge import Decision, ForeignResult, TestResult, Verdict, decide
from nfvcert.measure.kpi import Measurement
from nfvcert.testmodel import Criterion

NAME = "tempest.api.compute.test_versions.TestVersions.test_list_api_versions"
TEST = ForeignTest(name=NAME, id="id-1", requirements=("interop.2020.06.compute-list-api-versions",))
STATUSES = ("success", "fail", "skip", "xfail", "uxsuccess", "inprogress", "unknown", "exists")


def outcome(status: str, said: str = "", name: str = NAME) -> ForeignOutcome:
    return ForeignOutcome.model_validate({"name": name, "status": status, "said": said})


def verdict_of(*outcomes: ForeignOutcome) -> ForeignResult:
    (result,) = compared("tempest", [TEST], outcomes)
    return result


@given(st.lists(st.sampled_from(STATUSES)))
def test_only_a_success_and_nothing_worse_passes(statuses: list[str]) -> None:
    result = verdict_of(*(outcome(status) for status in statuses))
    told = set(statuses) - {"exists"}
    assert (result.verdict is Verdict.PASS) == (told == {"success"})
    assert (result.verdict is Verdict.FAIL) == ("fail" in told)


def test_what_was_listed_and_not_begun_did_not_run() -> None:
    assert verdict_of(outcome("exists")).verdict is Verdict.NOT_RUN
    assert verdict_of().verdict is Verdict.NOT_RUN


def test_a_stream_that_is_cut_short_leaves_its_test_open() -> None:
    result = verdict_of(outcome("exists"), outcome("inprogress"))
    assert result.verdict is Verdict.NOT_RUN
    assert "its end was never told" in result.sentence


def test_a_failure_says_what_the_exception_said() -> None:
    said = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: no answer\n'
    assert verdict_of(outcome("fail", said)).sentence == f"{NAME}: ValueError: no answer"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("tempest.lib.exceptions.ServerFault: Got server fault", Verdict.FAIL),
        ("tempest.lib.exceptions.InvalidConfiguration: no image", Verdict.NOT_RUN),
        ("KeyError: 'x'", Verdict.NOT_RUN),
    ],
)
def test_the_set_up_of_a_class_blames_who_broke_it(said: str, verdict: Verdict) -> None:
    traceback = f'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n{said}\n'
    set_up = outcome("fail", traceback, f"setUpClass ({NAME.rpartition('.')[0]})")
    result = verdict_of(outcome("exists"), set_up)
    assert result.verdict is verdict
    assert said in result.sentence


GUIDELINE = Guideline(
    guideline="2020.06",
    component="c",
    source="s",
    licence="l",
    capabilities={
        "one": Capability(tests=(GuidelineTest(name="a.b", id="id-1"), GuidelineTest(name="gone", id="id-2"))),
        "flags": Capability(tests=(GuidelineTest(name="x", id="id-3", flagged="insecure"),)),
    },
)


def test_a_renamed_test_is_found_by_its_id_and_one_that_is_gone_stays_required() -> None:
    run, absent = required_tests(GUIDELINE, ["one"], {"id-1": ["new.b"]})
    assert [test.name for test in run] == ["new.b"]
    assert [test.name for test in absent] == ["gone"]
    assert {result.verdict for result in compared("tempest", absent, [])} == {Verdict.NOT_RUN}


@pytest.mark.parametrize("capabilities", [["unknown"], ["flags"], []])
def test_nothing_required_is_an_error(capabilities: list[str]) -> None:
    with pytest.raises(ValueError, match=r"guideline 2020\.06"):
        required_tests(GUIDELINE, capabilities, {})


def test_the_guideline_that_ships_requires_tests_of_every_capability_asked_for() -> None:
    run, absent = required_tests(tempest.guideline(), ["all"], {})
    assert not run
    assert len(absent) > 200


REPORT = """{"tasks": [{"subtasks": [{"workloads": [{"scenario": {"A.b": {}}, "load_duration": 2.0, "pass_sla": SLA,
"total_iteration_count": 2, "failed_iteration_count": 0, "contexts_results": [], "data": [DATA]}]}]}]}"""
GOOD = '{"duration": 1.0, "error": [], "atomic_actions": [{"name": "x", "started_at": 1.0, "finished_at": 1.5}]}'
BAD = '{"duration": 1.0, "error": ["Boom", "it broke"], "atomic_actions": []}'


@pytest.mark.parametrize(
    ("data", "sla", "verdict"),
    [
        (f"{GOOD}, {GOOD}", "true", Verdict.PASS),
        (GOOD, "true", Verdict.NOT_RUN),
        ("", "true", Verdict.NOT_RUN),
        (f"{GOOD}, {BAD}", "false", Verdict.FAIL),
        (f"{GOOD}, {GOOD}", "false", Verdict.NOT_RUN),
    ],
)
def test_a_scenario_passes_only_when_all_of_it_ran(data: str, sla: str, verdict: Verdict) -> None:
    workloads = rally.read_report(REPORT.replace("DATA", data).replace("SLA", sla))
    (result,) = rally.results([Scenario("A.b", 2, 1, {})], workloads)
    assert result.verdict is verdict


def test_a_scenario_that_is_not_in_the_report_did_not_run() -> None:
    (result,) = rally.results([Scenario("A.b", 2, 1, {})], [])
    assert result.verdict is Verdict.NOT_RUN


def test_a_report_that_is_cut_short_is_an_error() -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        rally.read_report(REPORT[:40])


def decided(*foreign: ForeignResult) -> Decision:
    criterion = Criterion.model_validate(
        {"kpi": "a.b.c", "at_most": 1.0, "as_written": "at most 1", "unit": "count", "source": "s"}
    )
    measured = Measurement.model_validate(
        {
            "kpi": "a.b.c",
            "value": 0.0,
            "low": 0.0,
            "high": 0.0,
            "confidence": 1.0,
            "samples": (0.0,),
            "conditions": {},
            "unit": "count",
            "test": "t",
            "at": "2026-01-01T00:00:00Z",
        }
    )
    own = TestResult(test="t", title="t", verdict=Verdict.PASS, sentence="passed")
    return decide([criterion], [measured], ["t"], [own], foreign=foreign).decision


@pytest.mark.parametrize(
    ("verdict", "required", "decision"),
    [
        (Verdict.PASS, True, Decision.ACCEPTED),
        (Verdict.NOT_RUN, True, Decision.INCONCLUSIVE),
        (Verdict.FAIL, True, Decision.REJECTED),
        (Verdict.FAIL, False, Decision.ACCEPTED),
    ],
)
def test_a_required_foreign_test_decides_the_stream(verdict: Verdict, required: bool, decision: Decision) -> None:
    result = ForeignResult(engine="tempest", id="x", verdict=verdict, sentence="x: said", required=required)
    assert decided(result) is decision
