"""What a test does → its verdict, the stream's decision, the exit status; by the real plugin in a real lab."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Project

PASSES = """
def test_fast(kpi):
    "Is fast"
    kpi.measure("network.test.speed", 200.0)
"""


def test_all_is_well(project: Project) -> None:
    project.suite(PASSES)
    run = project.run()
    assert run.status == 0, run.output
    assert run.stream.judgement.decision == "ACCEPTED"
    assert run.verdicts == {"test_fast": "PASS"}
    assert run.stream.tests[0].title == "Is fast"
    assert run.stream.fingerprint["leaf-1"]["kernel"]
    assert "ACCEPTED" in run.output
    assert run.folder is not None
    assert {"acceptance.html", "record.json", "junit.xml", "events.jsonl"} <= {
        path.name for path in run.folder.iterdir()
    }
    assert (project.folder / "reports" / "latest").resolve() == run.folder.resolve()


def test_a_missed_criterion_rejects_with_the_judges_sentence(project: Project) -> None:
    project.suite("def test_slow(kpi): kpi.measure('network.test.speed', 41.0)")
    run = project.run()
    assert run.status == 1
    assert run.stream.judgement.decision == "REJECTED"
    sentence = "network.test.speed: 41 pps, required ≥ 100 pps (network 1)"
    assert run.sentence("test_slow") == sentence
    assert sentence in run.output
    assert "Traceback" not in run.output
    assert "test_it.py:5" not in run.output  # no place in the code: the sentence says it all


@pytest.mark.parametrize(
    ("body", "verdict", "text"),
    [
        ("assert 1 == 2, 'the switch answers wrongly'", "FAIL", "the switch answers wrongly"),
        ("pytest.fail('no way')", "FAIL", "no way"),
        ("raise ValueError('typo in the suite')", "INCONCLUSIVE", "ValueError: typo in the suite (test_it.py:"),
        (
            "from nfvcert.errors import Unreachable; raise Unreachable('leaf-1 does not answer')",
            "INCONCLUSIVE",
            "leaf-1",
        ),
        ("pytest.skip('not today')", "NOT_RUN", "skipped: not today"),
        ("kpi.measure('network.test.speed', float('nan'))", "INCONCLUSIVE", "finite"),
        ("kpi.measure('network.test.sped', 1.0)", "INCONCLUSIVE", "does not declare"),
        ("pass", "INCONCLUSIVE", "ended without measuring network.test.speed"),
        ("kpi.cannot_tell('network.test.speed', 'there is no clock')", "INCONCLUSIVE", "there is no clock"),
        ("kpi.cannot_tell('network.test.sped', 'there is no clock')", "INCONCLUSIVE", "does not declare"),
        ("import json; json.loads('{')", "INCONCLUSIVE", "JSONDecodeError"),
        ("pytest.xfail('known')", "INCONCLUSIVE", "xfail"),
        ("shell('leaf-9')", "INCONCLUSIVE", "leaf-9"),
        ("shell('leaf-1').run('exit 3')", "INCONCLUSIVE", "3"),
    ],
)
def test_only_an_assertion_blames_the_release(project: Project, body: str, verdict: str, text: str) -> None:
    project.suite(f"def test_it(kpi, shell):\n    {body}")
    run = project.run()
    assert run.verdicts == {"test_it": verdict}, run.output
    assert text in run.sentence("test_it")
    assert run.stream.judgement.decision == ("REJECTED" if verdict == "FAIL" else "INCONCLUSIVE")
    assert run.status == (1 if verdict == "FAIL" else 10)


def test_what_a_lab_cannot_tell_and_nobody_asks_for_keeps_nothing_from_being_accepted(project: Project) -> None:
    project.suite("""
    @pytest.mark.measures("network.test.speed", "network.test.errors")
    def test_it(kpi):
        kpi.measure("network.test.speed", 200.0)
        kpi.cannot_tell("network.test.errors", "there is no counter")
    """)
    run = project.run()
    assert run.verdicts == {"test_it": "PASS"}, run.output
    assert run.stream.judgement.decision == "ACCEPTED"
    assert run.folder is not None
    (evidence,) = run.folder.glob("evidence/*test_it-*")
    assert "there is no counter" in evidence.read_text()


@pytest.mark.parametrize(("conditions", "verdict"), [("size=64", "INCONCLUSIVE"), ("size=512", "PASS")])
def test_what_cannot_be_told_of_some_conditions_is_no_matter_where_others_are_asked_for(
    project: Project, conditions: str, verdict: str
) -> None:
    model = project.folder / "testmodels/network.yaml"
    asked = "  - kpi: network.test.errors\n    where: {size: 64}\n    at_most: 5\n    source: RFC 2544\n"
    model.write_text(model.read_text() + asked)
    project.suite(f"""
    @pytest.mark.measures("network.test.speed", "network.test.errors")
    def test_it(kpi):
        kpi.measure("network.test.speed", 200.0)
        kpi.measure("network.test.errors", 0, size=64)
        kpi.cannot_tell("network.test.errors", "there is no counter", {conditions})
    """)
    run = project.run()
    assert run.verdicts == {"test_it": verdict}, run.output


@pytest.mark.parametrize("phase", ["setup", "teardown"])
@pytest.mark.parametrize("error", ["assert 1 == 2", "raise OSError('gone')"])
def test_a_fixture_that_dies_is_never_pass_nor_fail(project: Project, phase: str, error: str) -> None:
    before, after = (error, "pass") if phase == "setup" else ("pass", error)
    project.suite(f"""
    @pytest.fixture
    def part(stream):
        {before}
        yield
        {after}
    def test_it(part, kpi):
        kpi.measure("network.test.speed", 200.0)
    """)
    run = project.run()
    assert run.verdicts == {"test_it": "INCONCLUSIVE"}, run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert run.status == 10


def test_after_the_lab_broke_the_other_tests_are_not_run_into_the_same_wall(project: Project) -> None:
    project.suite("""
    from nfvcert.errors import Unreachable
    def test_a(kpi): raise Unreachable("leaf-1 does not answer")
    def test_b(kpi): kpi.measure("network.test.speed", 200.0)
    def test_c(kpi): kpi.measure("network.test.speed", 200.0)
    """)
    run = project.run()
    assert run.verdicts == {"test_a": "INCONCLUSIVE", "test_b": "NOT_RUN", "test_c": "NOT_RUN"}
    assert run.sentence("test_b") == "not run: the lab is broken: leaf-1 does not answer"
    assert run.stream.judgement.summary.startswith("The lab, not the release, is in doubt: leaf-1 does not answer")


@pytest.mark.parametrize("first", ["InvalidMeasurement('too noisy')", "Unreachable('leaf-1 does not answer')"])
def test_of_several_errors_of_a_teardown_the_one_that_ends_most_counts(project: Project, first: str) -> None:
    """And each is told in its own words."""
    project.suite(f"""
    from nfvcert.errors import InvalidMeasurement, Unreachable
    @pytest.fixture
    def one():
        yield
        raise {first}
    @pytest.fixture
    def other(one):
        yield
        raise Unreachable("leaf-2 does not answer")
    def test_a(other, kpi): ok(kpi)
    def test_b(kpi): ok(kpi)
    """)
    run = project.run()
    assert run.verdicts == {"test_a": "INCONCLUSIVE", "test_b": "NOT_RUN"}
    assert run.sentence("test_b") == "not run: the lab is broken: leaf-2 does not answer"
    assert first.split("'")[1] in run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize("call", ["assert False", "kpi.measure('network.test.speed', 1.0)"])
def test_a_lab_that_breaks_after_a_failure_ends_the_stream_too(project: Project, call: str) -> None:
    project.suite(f"""
    from nfvcert.errors import Unreachable
    @pytest.fixture
    def breaks():
        yield
        raise Unreachable("leaf-1 does not answer")
    def test_a(breaks, kpi): {call}
    def test_b(kpi): ok(kpi)
    """)
    run = project.run()
    assert run.verdicts == {"test_a": "FAIL", "test_b": "NOT_RUN"}
    assert run.stream.judgement.decision == "REJECTED"


def test_one_invalid_measurement_does_not_end_the_stream(project: Project) -> None:
    project.suite("""
    from nfvcert.errors import InvalidMeasurement
    def test_a(kpi): raise InvalidMeasurement("too noisy")
    def test_b(kpi): kpi.measure("network.test.speed", 200.0)
    """)
    assert project.run().verdicts == {"test_a": "INCONCLUSIVE", "test_b": "PASS"}


def test_everything_measured_is_kept_when_one_kpi_fails(project: Project) -> None:
    project.write(
        "testmodels/network.yaml",
        (project.folder / "testmodels/network.yaml").read_text()
        + ("  - {kpi: network.test.errors, at_most: 0, source: s}\n"),
    )
    project.suite("""
    @pytest.mark.measures("network.test.errors")
    def test_it(kpi):
        kpi.measure("network.test.speed", 1.0)
        kpi.measure("network.test.errors", 5)
    """)
    run = project.run()
    assert {m.kpi for m in run.stream.measurements} == {"network.test.speed", "network.test.errors"}
    assert "1 pps" in run.sentence("test_it")
    assert "network.test.errors: 5" in run.sentence("test_it")


def test_samples_are_taken_until_the_criterion_is_decided(project: Project) -> None:
    project.suite("""
    taken = []
    def test_it(kpi):
        def take():
            taken.append([150.0, 90.0, 150.0, 150.0, 150.0, 150.0, 150.0][len(taken)])
            return taken[-1]
        kpi.sample("network.test.speed", take)
        assert len(taken) == 6  # one low sample needs six, so that it is no longer the interval's end... or the budget
    """)
    run = project.run()
    (measurement,) = run.stream.measurements
    assert len(measurement.samples) == 6
    assert run.verdicts == {"test_it": "INCONCLUSIVE"}
    assert "the bound lies within the measured interval" in run.sentence("test_it")


def test_three_samples_that_agree_decide_nothing(project: Project) -> None:
    project.suite("""
    def test_it(kpi):
        coming = iter([150.0, 152.0, 151.0, 153.0, 150.0, 152.0, 1.0])
        kpi.sample("network.test.speed", lambda: next(coming))
    """)
    run = project.run()
    assert run.verdicts == {"test_it": "PASS"}
    (measurement,) = run.stream.measurements
    assert len(measurement.samples) == 6
    assert measurement.confidence == 0.96875


def test_samples_that_drift_are_told(project: Project) -> None:
    project.suite("""
    def test_it(kpi):
        coming = iter([108.0, 107.0, 106.0, 105.0, 104.0, 103.0])
        kpi.sample("network.test.speed", lambda: next(coming))
    """)
    run = project.run()
    assert run.verdicts == {"test_it": "INCONCLUSIVE"}
    assert "the 6 samples drift or depend on one another" in run.sentence("test_it")


def test_a_sample_without_a_value_for_each_kpi_is_the_suites_fault(project: Project) -> None:
    project.suite("def test_it(kpi): kpi.sample('network.test.speed', lambda: (1.0, 2.0))")
    run = project.run()
    assert run.verdicts == {"test_it": "INCONCLUSIVE"}
    assert "2 values were sampled for 1 KPIs" in run.sentence("test_it")


def test_a_test_deselected_by_hand_is_missed(project: Project) -> None:
    project.suite("""
    def test_a(kpi): kpi.measure("network.test.speed", 200.0)
    def test_b(kpi): kpi.measure("network.test.speed", 200.0)
    """)
    run = project.run("-k", "test_a")
    assert run.verdicts == {"test_a": "PASS", "test_b": "NOT_RUN"}
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert run.status == 10
    assert "1 planned tests are deselected" in run.output


@pytest.mark.parametrize(
    "narrowed",
    [
        ["suites/test_it.py::test_a"],
        ["suites/test_it.py"],
        ["suites", "--ignore=suites/test_more.py"],
        ["--override-ini=python_files=test_it.py"],
    ],
)
def test_a_suite_that_is_collected_in_part_is_never_accepted(project: Project, narrowed: list[str]) -> None:
    project.suite("def test_a(kpi): kpi.measure('network.test.speed', 200.0)")
    project.write("suites/test_more.py", (project.folder / "suites/test_it.py").read_text().replace("test_a", "test_b"))
    assert project.run().stream.judgement.decision == "ACCEPTED"
    run = project.run(*narrowed)
    assert run.verdicts == {"test_a": "PASS"}
    assert all(found.verdict == "PASS" for found in run.stream.judgement.criteria)
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert run.status == 10
    assert "nothing of this run can be ACCEPTED" in run.output


def test_a_required_kpi_that_no_test_measures_is_missed(project: Project) -> None:
    project.write(
        "testmodels/network.yaml",
        (project.folder / "testmodels/network.yaml").read_text()
        + ("  - {kpi: network.test.errors, at_most: 0, source: s}\n"),
    )
    project.suite(PASSES)
    run = project.run()
    assert run.verdicts == {"test_fast": "PASS"}
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert any("network.test.errors: not measured" in finding.sentence for finding in run.stream.judgement.findings)


def test_a_condition_that_the_model_asks_for_and_nobody_measured_is_missed(project: Project) -> None:
    model = (project.folder / "testmodels/network.yaml").read_text()
    project.write("testmodels/network.yaml", model.replace("at_least", "where: {frame_bytes: 9000}, at_least"))
    project.suite(PASSES)
    assert project.run().stream.judgement.decision == "INCONCLUSIVE"


def test_frame_sizes_come_from_the_model(project: Project) -> None:
    project.suite("""
    def test_it(kpi, frame_bytes): kpi.measure("network.test.speed", 200.0, frame_bytes=frame_bytes)
    """)
    run = project.run()
    assert {m.conditions["frame_bytes"] for m in run.stream.measurements} == {64, 128}
    assert {test.test.split("::")[-1] for test in run.stream.tests} == {"test_it[opco-ru-64B]", "test_it[opco-ru-128B]"}


def test_a_module_that_cannot_be_imported_certifies_nothing(project: Project) -> None:
    project.suite("import nothing_of_that_name\n" + PASSES)
    run = project.run()
    assert run.status == 2
    assert "ACCEPTED" not in run.output
    assert run.folder is None
