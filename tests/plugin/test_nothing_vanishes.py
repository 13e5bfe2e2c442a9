"""What looked like a way to an ACCEPTED that nobody had earned, found by a review: each stays closed."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Project

FUNC = """
def test_it(kpi):
    kpi.measure("network.test.speed", 200.0)
"""
MODES = pytest.mark.parametrize("mode", [[], ["-n1"]], ids=["one by one", "in workers"])


@MODES
def test_a_subtest_that_fails(project: Project, mode: list[str]) -> None:
    project.suite(
        """
        def test_it(kpi, subtests):
            kpi.measure("network.test.speed", 200.0)
            with subtests.test("part"):
                assert 1 == 2
        """
    )
    run = project.run(*mode)
    assert run.verdicts == {"test_it": "FAIL"}
    assert run.stream.judgement.decision == "REJECTED"
    assert run.status == 1


def test_a_test_that_a_plugin_repeats_until_it_passes(project: Project) -> None:
    project.suite(
        """
        from pathlib import Path
        def test_it(kpi):
            kpi.measure("network.test.speed", 200.0)
            seen = Path("seen")
            again = seen.exists()
            seen.touch()
            assert again
        """
    )
    project.write(
        "conftest.py",
        """
        import pytest
        from _pytest.runner import runtestprotocol
        @pytest.hookimpl
        def pytest_runtest_protocol(item, nextitem):
            for _ in range(2):
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """,
    )
    run = project.run()
    assert run.verdicts == {"test_it": "FAIL"}
    assert run.status == 1


@MODES
def test_a_fail_whose_teardown_is_stopped_is_not_washed_away_by_a_resume(project: Project, mode: list[str]) -> None:
    project.suite(
        """
        from pathlib import Path
        @pytest.fixture
        def stopped_in_teardown():
            yield
            if not Path("resumed").exists():
                raise KeyboardInterrupt
        def test_it(stopped_in_teardown, kpi):
            kpi.measure("network.test.speed", 200.0)
            assert Path("resumed").exists()
        """
    )
    assert project.run(*mode).stream.judgement.decision == "REJECTED"
    (project.folder / "resumed").touch()
    run = project.ended(project.start("--resume=latest"))
    assert run.stream.judgement.decision == "REJECTED", run.output
    assert run.status == 1


def test_a_refused_resume_leaves_the_run_as_it_is(project: Project) -> None:
    project.suite("import os\nfrom pathlib import Path\n" + FUNC + "    os.kill(os.getpid(), 9)\n")
    killed = project.run()
    assert killed.folder is not None
    before = (killed.folder / "events.jsonl").read_bytes()
    project.suite("import os\nfrom pathlib import Path\n# other\n" + FUNC)
    run = project.ended(project.start("--resume=latest"))
    assert run.status == 4, run.output
    assert "the suites have changed" in run.output
    assert (killed.folder / "events.jsonl").read_bytes() == before
    project.command("lab", "sweep")


def test_a_module_that_skips_itself(project: Project) -> None:
    project.suite(FUNC)
    project.write("suites/test_more.py", "import pytest\npytest.importorskip('no_such_module')\n")
    run = project.run()
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert "test_more.py skipped itself" in run.output
    assert run.status == 10


def test_a_stream_whose_tests_nobody_selected(project: Project) -> None:
    project.suite(FUNC)
    model = (project.folder / "testmodels/network.yaml").read_text()
    model = model.replace("model: network", "model: compute").replace("domain: network", "domain: compute")
    project.write("testmodels/compute.yaml", model)
    project.write("campaign.yaml", "campaign: w\nstreams:\n  - {lab: opco-ru, model: [network, compute]}\n")
    run = project.ended(project.start("--campaign=campaign.yaml"))
    assert run.status == 4, run.output
    assert "no test of the domain compute is selected, by which stream opco-ru:compute is to be judged" in run.output


def test_a_claim_that_comes_too_late(project: Project) -> None:
    project.suite(
        """
        from nfvcert.suite import claims
        @pytest.fixture
        @claims("lab", exclusive=True)
        def whole_lab(stream):
            return stream
        def test_it(kpi, request):
            request.getfixturevalue("whole_lab")
            kpi.measure("network.test.speed", 200.0)
        """
    )
    run = project.run()
    assert run.verdicts == {"test_it": "INCONCLUSIVE"}
    assert "name it as an argument" in run.sentence("test_it")


def test_pytest_giving_up_on_a_test_is_no_fault_of_the_release(project: Project) -> None:
    project.suite("async def test_it(kpi):\n    pass\n")
    run = project.run()
    assert run.verdicts == {"test_it": "INCONCLUSIVE"}
    assert run.status == 10


def test_python_without_assertions(project: Project) -> None:
    project.suite(FUNC)
    project.environment["PYTHONOPTIMIZE"] = "1"
    run = project.run("--assert=plain")
    assert run.status == 4, run.output
    assert "takes assertions out of the suites" in run.output


def test_a_suite_that_cannot_be_collected_whole(project: Project) -> None:
    project.suite(FUNC)
    run = project.run("--continue-on-collection-errors")
    assert run.status == 4, run.output
    assert "what is not collected whole certifies nothing" in run.output


@MODES
def test_a_hang_that_the_suite_swallows(project: Project, mode: list[str]) -> None:
    project.write("pytest.ini", (project.folder / "pytest.ini").read_text() + "nfvcert_time_limit = 1\n")
    project.suite(
        """
        import contextlib, time
        @pytest.mark.expected_seconds(0.1)
        def test_it(kpi):
            with contextlib.suppress(Exception):
                time.sleep(30)
            kpi.measure("network.test.speed", 200.0)
        """
    )
    run = project.run(*mode)
    assert run.verdicts == {"test_it": "INCONCLUSIVE"}
    assert "it hung, and was broken off after 1 s" in run.sentence("test_it")
    assert run.status == 10


@MODES
def test_what_the_test_model_gives_time_does_not_hang(project: Project, mode: list[str]) -> None:
    project.write("pytest.ini", (project.folder / "pytest.ini").read_text() + "nfvcert_time_limit = 1\n")
    model = project.folder / "testmodels/network.yaml"
    model.write_text(model.read_text().replace("parameters: {", "parameters: {interop_seconds_max: 20, "))
    project.suite(
        """
        import time
        @pytest.mark.expected_seconds(0.1, at_most="interop_seconds_max")
        def test_it(kpi):
            time.sleep(3)
            kpi.measure("network.test.speed", 200.0)
        """
    )
    run = project.run(*mode)
    assert run.verdicts == {"test_it": "PASS"}, run.output


def test_a_conftest_that_takes_tests_out_before_anybody_else(project: Project) -> None:
    project.suite(
        """
        def test_it(kpi):
            kpi.measure("network.test.speed", 200.0)
        def test_that_would_fail(kpi):
            kpi.measure("network.test.speed", 1.0)
        """
    )
    project.write(
        "suites/conftest.py",
        """
        import pytest
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_collection_modifyitems(items):
            items[:] = [item for item in items if "fail" not in item.nodeid]
            return (yield)
        """,
    )
    run = project.run()
    assert run.verdicts == {"test_it": "PASS", "test_that_would_fail": "NOT_RUN"}
    assert run.status == 10
