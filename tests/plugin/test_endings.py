"""However a run ends, what was measured is kept, the lab is cleaned, and nothing is accepted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.plugin.conftest import Project

SLOW = """
import time
def test_a(kpi): kpi.measure("network.test.speed", 200.0)
def test_b(kpi): time.sleep(30)
def test_c(kpi): kpi.measure("network.test.speed", 200.0)
"""


def wait_for(project: Project, event: str) -> None:
    """Until the running suite has told of an event."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if any(told["event"] == event for told in project.events()):
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"no {event} in 30 s")


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 2), (signal.SIGTERM, 2)])
def test_stopped_in_mid_test(project: Project, how: signal.Signals, status: int) -> None:
    project.suite(SLOW)
    process = project.start("-m", "network", "--lab=opco-ru")
    wait_for(project, "test-finished")
    time.sleep(0.5)
    process.send_signal(how)
    run = project.ended(process)
    assert run.status == status, run.output
    assert run.verdicts == {"test_a": "PASS", "test_b": "INCONCLUSIVE", "test_c": "NOT_RUN"}
    assert "stopped in mid-test" in run.sentence("test_b")
    assert run.record.interrupted
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert "INCONCLUSIVE" in run.output
    assert run.folder is not None
    assert (run.folder / "acceptance.html").exists()


def test_killed(project: Project) -> None:
    project.suite(SLOW)
    process = project.start("-m", "network", "--lab=opco-ru")
    wait_for(project, "test-finished")
    process.kill()
    process.communicate()
    (folder,) = (project.folder / "reports").glob("2*")
    command = [sys.executable, "-m", "nfvcert.cli"]
    report = subprocess.run(
        [*command, "report", folder], env=project.environment, capture_output=True, text=True, check=True
    )
    assert "opco-ru: INCONCLUSIVE" in report.stdout
    assert (folder / "acceptance.html").exists()
    swept = subprocess.run(
        [*command, "lab", "sweep"], env=project.environment, capture_output=True, text=True, check=True
    )
    assert "opco-ru" in swept.stdout


def test_a_full_disk_ends_the_run_and_is_told(project: Project) -> None:
    place = project.folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", place], check=True)
    try:
        project.suite(f"""
        def test_a(kpi):
            kpi.measure("network.test.speed", 200.0)
        def test_b(kpi):
            import os
            free = os.statvfs({str(place)!r})
            with open({str(place / "filler")!r}, "wb") as file:
                file.write(bytes(free.f_bavail * free.f_frsize))
            for _ in range(5000):
                kpi.note(filler="x" * 1000)
            kpi.measure("network.test.speed", 200.0)
        def test_c(kpi):
            kpi.measure("network.test.speed", 200.0)
        """)
        process = project.start("-m", "network", "--lab=opco-ru", f"--reports={place}/reports")
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 10, output
        assert "No space left on device" in output
        assert "INCONCLUSIVE" in output
        assert "Traceback" not in output
        assert "INTERNALERROR" not in output
        (folder,) = (place / "reports").glob("2*")
        assert "No space left" in (folder / "acceptance.html").read_text()
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_hung_test_is_a_doubt_and_not_a_fault_of_the_release(project: Project) -> None:
    project.suite("""
    import time
    @pytest.mark.timeout(1, func_only=True)
    def test_hangs(kpi): time.sleep(30)
    """)
    run = project.run("--override-ini=timeout=0")
    assert run.verdicts == {"test_hangs": "INCONCLUSIVE"}
    assert "Timeout" in run.sentence("test_hangs")
    assert run.status == 10


def test_stop_at_the_first_failure(project: Project) -> None:
    project.suite("""
    def test_a(kpi): kpi.measure("network.test.speed", 1.0)
    def test_b(kpi): kpi.measure("network.test.speed", 200.0)
    """)
    run = project.run("-x")
    assert run.verdicts == {"test_a": "FAIL", "test_b": "NOT_RUN"}
    assert run.stream.judgement.decision == "REJECTED"


def test_pytest_html_and_allure_on_request(project: Project) -> None:
    project.suite("def test_a(kpi): kpi.measure('network.test.speed', 200.0)")
    run = project.run("--also=html", "--also=allure")
    assert run.status == 0, run.output
    assert run.folder is not None
    assert "test_a[opco-ru]" in (run.folder / "pytest.html").read_text()
    assert list((run.folder / "allure-results").glob("*-result.json"))


def test_two_labs_one_after_the_other(project: Project) -> None:
    second = (project.folder / "lab_inventory/opco-ru.yaml").read_text().replace("opco-ru", "opco-kz")
    project.write("lab_inventory/opco-kz.yaml", second)
    project.suite("""
    def test_a(kpi, lab): kpi.measure("network.test.speed", 200.0 if lab.lab == "opco-ru" else 1.0)
    """)
    run = project.run("--lab=opco-kz")
    decisions = {stream.plan.stream: stream.judgement.decision.value for stream in run.record.streams}
    assert decisions == {"opco-ru": "ACCEPTED", "opco-kz": "REJECTED"}
    assert run.status == 1
