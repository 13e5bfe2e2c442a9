"""Two runs that want one lab, or what labs share: they take turns, and each is told who the other is."""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nfvcert.archive import read_record
from nfvcert.record import Record
from tests.plugin.conftest import Project, soon

WAITS = """
import os, time
def begin():
    with open("begun", "a") as file: file.write(f"{os.getpid()}\\n")
@pytest.mark.expected_seconds(9)
@pytest.mark.claims("lab", exclusive=True)
def test_a(kpi, shell):
    begin()
    assert "10.99.0.1" not in shell("leaf-1").run("ip addr show lo").stdout
    shell("leaf-1").run("ip addr add 10.99.0.1/32 dev lo")
    while not os.path.exists("go"): time.sleep(0.02)
    shell("leaf-1").run("ip addr del 10.99.0.1/32 dev lo")
    ok(kpi)
@pytest.mark.claims("lab", exclusive=True)
def test_b(kpi): ok(kpi)
"""
MODES = pytest.mark.parametrize("mode", [[], ["-n", "2"]], ids=["one by one", "in workers"])


class Talking:
    """A run whose lines are read while it goes."""

    def __init__(self, process: subprocess.Popen[str], reports: Path) -> None:
        self.process = process
        self._reports = reports
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)

    def says(self, text: str) -> str:
        """Wait for a line that has this text."""
        soon(lambda: any(text in line for line in self.said))
        return next(line for line in self.said if text in line)

    def ends(self, within_s: float = 60) -> tuple[int, dict[str, str]]:
        """Its exit status, and test → verdict."""
        status = self.process.wait(timeout=within_s)
        self._reader.join(timeout=10)
        tests = [test for stream in self.record.streams for test in stream.tests]
        return status, {test.test.split("::")[-1].split("[")[0]: test.verdict.value for test in tests}

    @property
    def record(self) -> Record:
        (folder,) = self._reports.glob("2*")
        return read_record(folder)


@contextmanager
def certifying(project: Project, name: str, *arguments: str) -> Iterator[Talking]:
    """A run with a folder for results of its own."""
    process = project.certify(*arguments, f"--reports={project.folder / name}")
    talking = Talking(process, project.folder / name)
    try:
        yield talking
    finally:
        process.kill()
        process.wait()
        talking._reader.join(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


@MODES
def test_the_second_waits_says_for_whom_and_then_runs(project: Project, mode: list[str]) -> None:
    project.suite(WAITS)
    with certifying(project, "one", "--lab=opco-ru", *mode) as one:
        soon(lambda: project.lines("begun"))
        with certifying(project, "two", "--lab=opco-ru", *mode) as two:
            line = two.says("waiting for lab opco-ru")
            (run,) = (path.name for path in (project.folder / "one").glob("2*"))
            assert f"(run {run})" in line
            assert "since" in line
            assert "@" in line
            assert run in project.command("lab", "leases")
            (project.folder / "go").touch()
            for each in (one, two):
                assert each.ends() == (0, {"test_a": "PASS", "test_b": "PASS"}), each.said
            lines = [lease.what for lease in two.record.leases if lease.resource == "opco-ru"]
            assert lines == ["waiting", "taken", "released"]


@MODES
def test_ctrl_c_while_waiting_ends_at_once(project: Project, mode: list[str]) -> None:
    project.suite(WAITS)
    with certifying(project, "one", "--lab=opco-ru", *mode) as one:
        soon(lambda: project.lines("begun"))
        with certifying(project, "two", "--lab=opco-ru", *mode) as two:
            two.says("waiting for lab opco-ru")
            begun = time.monotonic()
            two.process.send_signal(signal.SIGINT)
            status, verdicts = two.ends(within_s=20)
            assert time.monotonic() - begun < 10
            assert status == 2, two.said
            assert set(verdicts.values()) == {"NOT_RUN"}
        (project.folder / "go").touch()
        assert one.ends() == (0, {"test_a": "PASS", "test_b": "PASS"}), one.said


@MODES
def test_the_first_is_killed(project: Project, mode: list[str]) -> None:
    project.suite(WAITS)
    with certifying(project, "one", "--lab=opco-ru", *mode) as one:
        soon(lambda: project.lines("begun"))
        with certifying(project, "two", "--lab=opco-ru", *mode) as two:
            two.says("waiting for lab opco-ru")
            one.process.kill()
            (project.folder / "go").touch()
            # test_a sees nothing of what the killed one had changed: the lab was made anew.
            assert two.ends() == (0, {"test_a": "PASS", "test_b": "PASS"}), two.said


@MODES
def test_the_lab_is_taken_away_by_force(project: Project, mode: list[str]) -> None:
    project.suite(WAITS)
    with certifying(project, "one", "--lab=opco-ru", *mode) as one:
        soon(lambda: project.lines("begun"))
        with certifying(project, "two", "--lab=opco-ru", *mode) as two:
            two.says("waiting for lab opco-ru")
            assert "is held by" in project.command("lab", "release", "opco-ru")
            assert "is taken away from" in project.command("lab", "release", "opco-ru", "--force")
            soon(lambda: len(project.lines("begun")) == 2)  # the second one's test has begun
            (project.folder / "go").touch()
            status, verdicts = one.ends()
            assert status == 10, one.said
            assert verdicts == {"test_a": "INCONCLUSIVE", "test_b": "NOT_RUN"}
            (stream,) = one.record.streams
            # It sees that its lease is lost, or, if the other one is quicker, that its lab is gone.
            assert "not run: the lab is broken: " in stream.tests[1].sentence
            assert two.ends() == (0, {"test_a": "PASS", "test_b": "PASS"}), two.said


SHARES = """
import time
@pytest.mark.claims("shares", exclusive=True)
@pytest.mark.parametrize("n", range(2))
def test_loaded(kpi, n): work(kpi, "exclusive")
@pytest.mark.parametrize("n", range(3))
def test_light(kpi, n): work(kpi, "shared")
def work(kpi, how):
    begun = time.monotonic(); time.sleep(0.1); ended = time.monotonic()
    with open("intervals", "a") as file: file.write(f"{begun} {ended} {how}\\n")
    ok(kpi)
"""


def test_what_two_labs_share_is_shared_by_two_runs(project: Project) -> None:
    project.add_labs("opco-ru", more="shares: [machine, rack]\n")
    project.add_labs("opco-kz", "opco-us", more="shares: [rack, machine]\n")  # the order says nothing
    project.suite(SHARES)
    with (
        certifying(project, "one", "--lab=opco-ru", "-n", "2") as one,
        certifying(project, "two", "--lab=opco-kz", "-n", "2") as two,
        certifying(project, "three", "--lab=opco-us") as three,
    ):
        for each in (one, two, three):
            assert each.ends()[0] == 0, each.said
    intervals = sorted(
        (float(begun), float(ended), how) for begun, ended, how in map(str.split, project.lines("intervals"))
    )
    assert len(intervals) == 15
    for first, other in itertools.combinations(intervals, 2):
        if other[0] < first[1]:
            assert (first[2], other[2]) == ("shared", "shared")


def test_two_labs_in_opposite_order(project: Project) -> None:
    """Neither keeps the lab that it has done with while it waits for the other's."""
    project.add_labs("opco-ru", "opco-kz")
    project.suite("""
    import os, time
    def test_a(kpi, lab):
        with open(lab.lab, "w"): pass
        while not (os.path.exists("opco-ru") and os.path.exists("opco-kz")): time.sleep(0.02)
        ok(kpi)
    """)
    with (
        certifying(project, "one", "--lab=opco-ru", "--lab=opco-kz") as one,
        certifying(project, "two", "--lab=opco-kz", "--lab=opco-ru") as two,
    ):
        assert one.ends()[0] == 0, one.said
        assert two.ends()[0] == 0, two.said
