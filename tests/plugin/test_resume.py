"""A run that ended before its time, however it did, goes on with what is missing; the end is that of a whole run."""

from __future__ import annotations

import os
import random
import signal
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.plugin.conftest import Project, Run, soon

STEPS = """
import os, time
def step(kpi, name):
    with open("log", "a") as file: file.write(name + "\\n")
    ok(kpi)
def wait():
    with open("pids", "a") as file: file.write(f"{os.getpid()}\\n")
    if not os.path.exists("go"): time.sleep(60)
"""
THREE = (
    STEPS
    + """
@pytest.mark.expected_seconds(3)
@pytest.mark.claims("host", exclusive=True)
def test_a(kpi): step(kpi, "a")
@pytest.mark.expected_seconds(2)
@pytest.mark.claims("host", exclusive=True)
def test_b(kpi):
    wait()
    step(kpi, "b")
@pytest.mark.expected_seconds(1)
@pytest.mark.claims("host", exclusive=True)
def test_c(kpi): step(kpi, "c")
"""
)
ALL_PASS = {"test_a": "PASS", "test_b": "PASS", "test_c": "PASS"}


def killed(project: Project, *arguments: str) -> Path:
    """Start to certify, kill the controller in the middle of test_b, wait until all of the run is gone."""
    process = project.certify("--lab=opco-ru", *arguments)
    soon(lambda: project.lines("pids"))
    process.kill()
    process.communicate(timeout=20)  # the workers have its output, too
    soon(lambda: not project.processes(), within_s=10)
    *_, folder = sorted((project.folder / "reports").glob("2*"))
    return folder


def resume(project: Project, what: str | Path = "latest", *more: str) -> Run:
    return project.ended(project.start(f"--resume={what}", *more))


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one by one", "in workers"])
def test_the_controller_is_killed(project: Project, workers: list[str]) -> None:
    project.suite(THREE)
    folder = killed(project, *workers)
    assert "opco-ru: INCONCLUSIVE" in project.command("report", str(folder))
    (project.folder / "go").touch()
    run = resume(project)
    assert run.folder == folder
    assert run.verdicts == ALL_PASS, run.output
    assert project.lines("log") == ["a", "b", "c"]  # a is not run again
    assert run.stream.judgement.decision == "ACCEPTED"
    assert run.status == 0
    (resumption,) = run.record.resumptions
    assert "killed" in resumption.because
    (broken_off,) = run.stream.attempts
    assert broken_off.test.endswith("test_b[opco-ru]")
    assert broken_off.broke_off
    assert "1 of 3 tests have their result, 2 are run now" in run.output
    # Of a run that is at its end, nothing is missing.
    before = project.lines("log")
    again = resume(project, folder)
    assert again.status == 0, again.output
    assert again.stream.judgement.decision == "ACCEPTED"
    assert project.lines("log") == before
    assert again.record == run.record


def test_killed_twice_and_torn_by_a_power_cut(project: Project) -> None:
    project.suite(THREE)
    folder = killed(project, "-n", "2")
    (project.folder / "pids").unlink()
    process = project.start("--resume=latest", "-n", "0")
    soon(lambda: project.lines("pids"))
    refused = resume(project, folder)  # the run goes on at this moment
    assert refused.status == 4, refused.output
    assert "still goes on" in refused.output
    process.kill()
    process.communicate(timeout=20)
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"event": "test-finished", "stream": "opco-ru", "resu\0\0\0')
    (project.folder / "go").touch()
    run = resume(project)
    assert run.verdicts == ALL_PASS, run.output
    assert project.lines("log") == ["a", "b", "c"]
    assert run.stream.judgement.decision == "ACCEPTED"
    assert len(run.record.resumptions) == 2
    assert len(run.stream.attempts) == 2


def test_what_has_changed_is_not_mixed(project: Project) -> None:
    project.suite(THREE)
    folder = killed(project, "-n", "1")
    changes = {
        "lab_inventory/opco-ru.yaml": ("# other gear\n", "the inventory of stream opco-ru has changed"),
        "testmodels/network.yaml": ("# other bounds\n", "the model of stream opco-ru has changed"),
        "suites/test_it.py": ("# other tests\n", "the suites have changed"),
    }
    for name, (more, said) in changes.items():
        path = project.folder / name
        before = path.read_text()
        path.write_text(before + more)
        refused = resume(project, folder.name)
        path.write_text(before)
        assert refused.status == 4, refused.output
        assert said in refused.output
        assert "Traceback" not in refused.output
    events = folder / "events.jsonl"
    before = events.read_text()
    older = before.replace(f'"nfvcert":"{version("nfvcert")}"', '"nfvcert":"0.0.1"', 1)
    assert older != before
    events.write_text(older)
    refused = resume(project, folder.name)
    events.write_text(before)
    assert "it began with nfvcert 0.0.1, and this is" in refused.output
    missing = resume(project, "20200101-000000-nothing")
    assert missing.status == 4
    assert folder.name in missing.output  # what there is
    (project.folder / "go").touch()
    assert resume(project).stream.judgement.decision == "ACCEPTED"


STOPPED = (
    STEPS
    + """
@pytest.fixture
def part(stream):
    yield
    with open("torn", "a") as file: file.write("down\\n")
@pytest.mark.expected_seconds(3)
def test_a(kpi): step(kpi, "a")
@pytest.mark.expected_seconds(2)
def test_b(part, kpi):
    while len(open("log").readlines()) < 1: time.sleep(0.02)
    wait()
    step(kpi, "b")
@pytest.mark.expected_seconds(1)
@pytest.mark.claims("lab", exclusive=True)
def test_c(kpi): step(kpi, "c")
"""
)


@pytest.mark.parametrize(
    ("how", "group", "said"),
    [(signal.SIGINT, False, "Ctrl-C"), (signal.SIGINT, True, "Ctrl-C"), (signal.SIGTERM, False, "signal SIGTERM")],
    ids=["SIGINT", "SIGINT as of a terminal", "SIGTERM"],
)
def test_stopped(project: Project, how: signal.Signals, group: bool, said: str) -> None:
    project.suite(STOPPED)
    process = project.certify("--lab=opco-ru", "-n", "2")
    soon(lambda: project.lines("pids") and project.count("test-finished"))
    (os.killpg if group else os.kill)(process.pid, how)
    run = project.ended(process)
    assert run.status == 2, run.output
    assert run.verdicts == {"test_a": "PASS", "test_b": "INCONCLUSIVE", "test_c": "NOT_RUN"}, run.output
    assert run.sentence("test_b").endswith(f"stopped in mid-test by {said}")
    assert run.record.interrupted
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert project.lines("torn") == ["down"]
    if group:
        (project.folder / "go").touch()
        run = resume(project)
        assert run.verdicts == ALL_PASS, run.output
        assert run.stream.judgement.decision == "ACCEPTED"
        assert run.status == 0


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["one by one", "in workers"])
def test_ctrl_c_twice_waits_for_no_teardown(project: Project, workers: list[str]) -> None:
    project.suite("""
    import time
    @pytest.fixture
    def part(stream):
        yield
        open("tearing", "w").close()
        time.sleep(60)
    def test_a(part, kpi):
        open("begun", "w").close()
        time.sleep(60)
    """)
    process = project.certify("--lab=opco-ru", *workers)
    soon((project.folder / "begun").exists)
    process.send_signal(signal.SIGINT)
    soon((project.folder / "tearing").exists)
    process.send_signal(signal.SIGINT)
    run = project.ended(process, within_s=20)
    assert run.status == 2, run.output
    assert run.verdicts == {"test_a": "INCONCLUSIVE"}
    assert run.stream.judgement.decision == "INCONCLUSIVE"


DESTRUCTIVE = (
    STEPS
    + """
@pytest.mark.expected_seconds(100)
@pytest.mark.destructive
def test_destroys(kpi):
    begun = time.monotonic(); wait(); time.sleep(0.2)
    with open("intervals", "a") as file: file.write(f"{begun} {time.monotonic()} destroys\\n")
    step(kpi, "destroys")
@pytest.mark.parametrize("n", range(3))
def test_other(kpi, n):
    begun = time.monotonic(); time.sleep(0.1)
    with open("intervals", "a") as file: file.write(f"{begun} {time.monotonic()} other\\n")
    step(kpi, "other")
"""
)


def test_what_destroys_has_consent_and_the_lab_to_itself_and_begins_once(project: Project) -> None:
    project.suite(DESTRUCTIVE)
    refused = project.run("-n", "2", "--allow-destructive")
    assert refused.status == 4
    assert "lab opco-ru does not allow that" in refused.output
    assert "whoever owns the lab" in refused.output
    labs = project.add_labs("opco-ru", more="destructive: true\n")
    refused = project.run("-n", "2")
    assert refused.status == 4
    assert "allow it with --allow-destructive" in refused.output
    folder = killed(project, *labs[1:], "-n", "2", "--allow-destructive")
    (project.folder / "go").touch()
    run = resume(project)
    assert run.folder == folder
    expected = {f"test_other[opco-ru-{n}]": "PASS" for n in range(3)}
    assert run.all_verdicts == expected | {"test_destroys[opco-ru]": "INCONCLUSIVE"}, run.output
    assert "is destructive and had begun: it is not begun again" in run.output
    assert "destroys" not in project.lines("log")
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    (project.folder / "intervals").unlink()
    run = project.run("-n", "3", "--allow-destructive")
    assert set(run.all_verdicts.values()) == {"PASS"}, run.output
    intervals = [line.split() for line in project.lines("intervals")]
    ((begun, ended, _),) = [each for each in intervals if each[2] == "destroys"]
    others = [each for each in intervals if each[2] == "other"]
    assert len(others) == 3
    assert all(float(each[1]) <= float(begun) or float(each[0]) >= float(ended) for each in others)


MANY = """
import time
@pytest.fixture(scope="session")
def link(stream, shell):
    shell("leaf-1").run("ip addr add 10.99.0.1/32 dev lo")
    yield
    shell("leaf-1").run("ip addr del 10.99.0.1/32 dev lo")
@pytest.mark.parametrize("n", range(3))
def test_together(link, kpi, n):
    time.sleep(0.1)
    kpi.measure("network.test.speed", 200.0)
@pytest.mark.claims("lab", exclusive=True)
@pytest.mark.parametrize("n", range(2))
def test_alone(kpi, n):
    time.sleep(0.1)
    kpi.measure("network.test.speed", 200.0)
def test_fails(kpi):
    kpi.measure("network.test.speed", 150.0)
    assert 1 == 2
"""


@pytest.mark.parametrize("seed", range(3))
def test_crash_and_resume_is_as_if_nothing_had_been(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    labs = project.add_labs("opco-ru", "opco-kz")
    project.suite(MANY)
    process = project.certify(*labs, "-n", "2")
    soon(lambda: project.count("stream-planned") == 2)
    for _ in range(2):
        time.sleep(chance.uniform(0, 1.5))
        process.kill()
        process.communicate(timeout=20)
        process = project.start("--resume=latest", "-n", str(chance.randint(0, 3)))
    run = project.ended(process)
    expected: dict[str, str] = {}
    for lab in ("opco-ru", "opco-kz"):
        expected |= {f"test_together[{lab}-{n}]": "PASS" for n in range(3)}
        expected |= {f"test_alone[{lab}-{n}]": "PASS" for n in range(2)} | {f"test_fails[{lab}]": "FAIL"}
    assert run.all_verdicts == expected, run.output
    assert run.decisions == {"opco-ru": "REJECTED", "opco-kz": "REJECTED"}
    assert run.status == 1
