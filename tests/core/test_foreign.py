"""Foreign suites: only what was required by name, and told to have passed, is PASS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.engines import command, rally, tempest
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
    tests = required_tests(GUIDELINE, ["one"], {"id-1": ["new.b"]})
    assert [(test.name, test.absent) for test in tests] == [("new.b", False), ("gone", True)]
    gone = compared("tempest", tests, [outcome("success", name="new.b"), outcome("success", name="gone")])[1]
    assert (gone.verdict, gone.required) == (Verdict.NOT_RUN, True)
    assert "no test with id-2" in gone.sentence


def test_a_test_of_that_name_with_another_id_is_another_test() -> None:
    (_, gone) = required_tests(GUIDELINE, ["one"], {"id-1": ["a.b"], "id-9": ["gone"]})
    assert gone.absent


def test_what_is_excused_is_told_of_and_never_passes() -> None:
    tests = required_tests(GUIDELINE, ["one"], {"id-1": ["a.b"], "id-2": ["gone"]}, {"id-1": "no guests"})
    result = compared("tempest", tests, [outcome("success", name="a.b")])[0]
    assert (result.verdict, result.required) == (Verdict.NOT_RUN, False)
    assert "no guests" in result.sentence


@pytest.mark.parametrize("capabilities", [["unknown"], ["flags"], []])
def test_nothing_required_is_an_error(capabilities: list[str]) -> None:
    with pytest.raises(ValueError, match=r"guideline 2020\.06"):
        required_tests(GUIDELINE, capabilities, {})


def test_the_guideline_that_ships_requires_tests_of_every_capability_asked_for() -> None:
    tests = required_tests(tempest.guideline(), ["all"], {})
    assert all(test.absent for test in tests)
    assert len(tests) > 200
    excused = {*tempest.NEED_GUESTS, *tempest.NEED_VOLUMES, *tempest.NEED_UNCHECKED_IMAGES}
    assert excused <= {test.id for test in tests}


@pytest.mark.parametrize("status", ["skip", "fail", "inprogress"])
@pytest.mark.parametrize("around", ["setUpClass", "tearDownClass"])
def test_a_test_whose_class_did_not_end_well_does_not_pass(around: str, status: str) -> None:
    of_class = outcome(status, "KeyError: 'x'", f"{around} ({NAME.rpartition('.')[0]})")
    assert verdict_of(outcome("success"), of_class).verdict is Verdict.NOT_RUN


def test_a_failed_test_stays_one_whatever_its_class_says() -> None:
    of_class = outcome("skip", "", f"setUpClass ({NAME.rpartition('.')[0]})")
    assert verdict_of(outcome("fail"), of_class).verdict is Verdict.FAIL


def test_a_wrong_set_up_is_not_the_release_s_and_a_message_that_names_one_is() -> None:
    assert verdict_of(outcome("fail", "tempest.lib.exceptions.InvalidConfiguration: x")).verdict is Verdict.NOT_RUN
    said = "tempest.lib.exceptions.ServerFault: InvalidConfiguration"
    assert verdict_of(outcome("fail", said)).verdict is Verdict.FAIL


PASSED = ForeignResult(engine="tempest", id="x", verdict=Verdict.PASS, sentence="x: passed")


@pytest.mark.parametrize(("status", "in_time"), [(1, True), (-9, True), (0, False)])
def test_an_engine_that_failed_and_tells_of_no_failure_is_not_believed(status: int, in_time: bool) -> None:
    with pytest.raises(EngineError, match="tells of nothing that failed"):
        command.contradict("tempest", command.Ended(status, "said", in_time), [PASSED])


def test_what_broke_an_engine_off_is_told_of_what_it_did_not_run() -> None:
    how = command.Ended(-9, "", in_time=True).how
    (result,) = compared("tempest", [TEST], [outcome("exists")], f"tempest {how}")
    assert result.sentence == f"{NAME}: it was never begun: tempest was killed by signal 9"


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
        (f"{GOOD}, {GOOD}, {GOOD}", "true", Verdict.NOT_RUN),
    ],
)
def test_a_scenario_passes_only_when_all_of_it_ran(data: str, sla: str, verdict: Verdict) -> None:
    workloads = rally.read_report(REPORT.replace("DATA", data).replace("SLA", sla))
    (result,) = rally.results([Scenario("A.b", 2, 1, {})], workloads)
    assert result.verdict is verdict


def test_a_scenario_that_is_not_in_the_report_did_not_run() -> None:
    (result,) = rally.results([Scenario("A.b", 2, 1, {})], [])
    assert result.verdict is Verdict.NOT_RUN


def test_a_scenario_that_is_told_of_twice_is_not_judged_by_one() -> None:
    text = REPORT.replace("DATA", f"{GOOD}, {GOOD}").replace("SLA", "true")
    (workload,) = rally.read_report(text)
    (result,) = rally.results([Scenario("A.b", 2, 1, {})], [workload, workload])
    assert result.verdict is Verdict.NOT_RUN


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert [rally.percentile([1.0, 2.0, 3.0, 4.0], share) for share in (0.5, 0.95, 0.99)] == [2.0, 4.0, 4.0]


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
