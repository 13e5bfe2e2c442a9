"""Tests side by side in workers: the same verdicts as one by one, whatever becomes of a worker."""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import signal
import socket
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugin.conftest import Project, Run, soon


def junit(run: Run) -> list[tuple[str, str]]:
    """Each test case of junit.xml with what became of it; the count that the file tells is theirs."""
    assert run.folder is not None
    (suite,) = ET.parse(run.folder / "junit.xml").getroot().iter("testsuite")  # noqa: S314 - our own file
    return sorted((case.get("name", ""), "+".join(child.tag for child in case)) for case in suite.iter("testcase"))


ALL_KINDS = """
import pathlib, subprocess, sys, warnings
def say(text):
    with open("log", "a") as file: file.write(text + "\\n")
@pytest.fixture(scope="session")
def traffic(stream, shell):
    say(f"up {stream.plan.stream}")
    yield
    shell("leaf-1").run("true")  # the lab is still there
    say(f"down {stream.plan.stream}")
@pytest.fixture(scope="module")
def local(tmp_path_factory): return tmp_path_factory.mktemp("local")
@pytest.fixture
def broken(stream): raise OSError("no such part")
def test_shared_1(traffic, kpi): ok(kpi)
def test_shared_2(traffic, kpi, local, tmp_path):
    (local / "x").touch(); (tmp_path / "x").touch(); ok(kpi)
def test_shared_3(traffic, kpi): ok(kpi)
def test_slow(kpi): kpi.measure("network.test.speed", 1.0)
def test_wrong(kpi):
    print("what it printed"); ok(kpi); assert 1 == 2
def test_skipped(kpi): pytest.skip("not today")
def test_setup(broken, kpi): ok(kpi)
def test_exits(kpi): sys.exit(3)
def test_property(kpi, record_property):
    record_property("odd", lambda: 1); ok(kpi)
def test_warns(kpi):
    warnings.warn("old ways"); ok(kpi)
def test_of_no_lab(): pass
def test_of_no_lab_fails(): assert "apples" == "pears"
"""


def test_the_same_as_one_by_one(project: Project) -> None:
    labs = project.add_labs("opco-ru", "opco-kz")
    project.suite(ALL_KINDS)
    serial = project.ended(project.certify(*labs, "-m", ""))
    first = project.lines("log")
    (project.folder / "log").unlink()
    parallel = project.ended(project.certify(*labs, "-m", "", "-n", "3"))
    assert parallel.folder != serial.folder
    assert serial.all_verdicts["test_shared_3[opco-kz]"] == "PASS", serial.output
    assert parallel.all_verdicts == serial.all_verdicts, parallel.output
    assert {found.sentence for found in parallel.results.values()} == {
        found.sentence for found in serial.results.values()
    }
    assert parallel.decisions == serial.decisions == {"opco-ru": "REJECTED", "opco-kz": "REJECTED"}
    assert parallel.status == serial.status == 1
    assert junit(parallel) == junit(serial)
    assert len(junit(parallel)) == 22
    for text in ("what it printed", "old ways", "'apples' == 'pears'"):
        assert text in parallel.output, parallel.output
        assert text in serial.output, serial.output
    # What several tests of a lab have in common is set up once for each lab, and torn down before the lab is.
    for lines in (first, project.lines("log")):
        assert sorted(lines) == ["down opco-kz", "down opco-ru", "up opco-kz", "up opco-ru"]
    assert {found.worker for found in parallel.results.values()} >= {"gw0", "gw1"}
    assert {found.worker for found in serial.results.values()} == {""}


def test_what_is_exclusive_never_overlaps(project: Project) -> None:
    labs = project.add_labs("opco-ru", "opco-kz", more="shares: [machine]\n")
    project.suite("""
    import time
    def work(kpi, lab, what):
        begun = time.monotonic(); time.sleep(0.1); ended = time.monotonic()
        with open("intervals", "a") as file: file.write(f"{begun} {ended} {lab.lab} {what}\\n")
        kpi.measure("network.test.speed", 200.0)
    @pytest.mark.claims("host", exclusive=True, name="leaf-1")
    @pytest.mark.parametrize("n", range(3))
    def test_host(kpi, lab, n): work(kpi, lab, "host")
    @pytest.mark.claims("lab", exclusive=True)
    def test_lab(kpi, lab): work(kpi, lab, "lab")
    @pytest.mark.claims("shares", exclusive=True)
    def test_machine(kpi, lab): work(kpi, lab, "machine")
    @pytest.mark.parametrize("n", range(3))
    def test_free(kpi, lab, n): work(kpi, lab, "free")
    """)
    run = project.ended(project.certify(*labs, "-n", "4", "--also=html", "--also=allure"))
    assert set(run.all_verdicts.values()) == {"PASS"}, run.output
    assert run.status == 0
    intervals = [
        (float(begun), float(ended), lab, what)
        for begun, ended, lab, what in map(str.split, project.lines("intervals"))
    ]
    assert len(intervals) == 16
    overlaps = set()
    for one, other in itertools.combinations(sorted(intervals), 2):
        if other[0] < one[1]:
            overlaps.add((one[2] == other[2], frozenset((one[3], other[3]))))
    assert overlaps, "nothing ran side by side"
    for same_lab, kinds in overlaps:
        assert "machine" not in kinds
        assert not (same_lab and ("lab" in kinds or kinds == {"host"}))
    assert run.folder is not None
    page = (run.folder / "pytest.html").read_text()
    assert all(name in page for name in run.all_verdicts)
    assert len(list((run.folder / "allure-results").glob("*-result.json"))) == 16
    assert len(junit(run)) == 16


def test_pytests_own_options(project: Project) -> None:
    labs = project.add_labs("opco-ru", "opco-kz")
    project.write("pytest.ini", (project.folder / "pytest.ini").read_text().replace("-p no:cacheprovider", ""))
    project.suite("""
    import os
    def test_a(kpi):
        print("said aloud")
        kpi.measure("network.test.speed", 200.0)
    def test_b(kpi): kpi.measure("network.test.speed", 1.0 if not os.path.exists("fast") else 200.0)
    """)
    found = project.ended(project.certify(*labs, "-n", "2", "--collect-only", "-q"))
    assert "test_b[opco-kz]" in found.output
    assert found.folder is None
    run = project.ended(project.certify(*labs, "-n", "2", "-v", "-s"))
    assert "said aloud" in run.output
    assert "test_a[opco-kz] PASSED" in run.output
    assert run.status == 1
    (project.folder / "fast").touch()
    run = project.ended(project.certify(*labs, "-n", "2", "--lf", "-q"))
    assert run.all_verdicts == {"test_b[opco-ru]": "PASS", "test_b[opco-kz]": "PASS"}, run.output
    assert set(run.decisions.values()) == {"INCONCLUSIVE"}  # what passed last time is not even collected
    run = project.ended(project.certify(*labs, "-n", "2", "-k", "test_a", "suites/test_it.py::test_a[opco-kz]"))
    assert run.all_verdicts == {"test_a[opco-kz]": "PASS"}, run.output


def test_stop_at_the_first_failure(project: Project) -> None:
    project.suite("""
    @pytest.mark.expected_seconds(100)
    @pytest.mark.claims("lab", exclusive=True)
    def test_a(kpi): kpi.measure("network.test.speed", 1.0)
    @pytest.mark.claims("lab", exclusive=True)
    def test_b(kpi): kpi.measure("network.test.speed", 200.0)
    """)
    run = project.run("-x", "-n", "2")
    assert run.verdicts == {"test_a": "FAIL", "test_b": "NOT_RUN"}, run.output
    assert run.stream.judgement.decision == "REJECTED"
    assert run.status == 1
    assert "stopping after 1 failures" in run.output


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("pytest.exit('enough', returncode=7)", 7, "enough"),
        ("raise KeyboardInterrupt", 2, "KeyboardInterrupt"),
    ],
)
def test_a_test_that_ends_the_session(project: Project, what: str, status: int, said: str) -> None:
    labs = project.add_labs("opco-ru", "opco-kz")
    project.suite(f"""
    import time
    @pytest.mark.expected_seconds(100)
    def test_a(kpi, lab):
        if lab.lab == "opco-ru":
            time.sleep(1.5)
            {what}
        time.sleep(30)
    @pytest.mark.claims("lab", exclusive=True)
    def test_b(kpi): pass
    """)
    run = project.ended(project.certify(*labs, "-n", "2"))
    assert run.status == status, run.output
    assert said in run.output
    expected = {"test_a[opco-ru]": "INCONCLUSIVE", "test_a[opco-kz]": "INCONCLUSIVE"}
    assert run.all_verdicts == expected | {"test_b[opco-ru]": "NOT_RUN", "test_b[opco-kz]": "NOT_RUN"}
    assert said in run.results["test_a[opco-kz]"].sentence  # what broke it off
    assert set(run.decisions.values()) == {"INCONCLUSIVE"}


def test_a_plugin_that_fails_ends_the_run_with_its_traceback(project: Project) -> None:
    project.write(
        "suites/conftest.py", "def pytest_runtest_logreport(report):\n    if 'test_b' in report.nodeid: 1 / 0\n"
    )
    project.suite("def test_a(kpi): ok(kpi)\ndef test_b(kpi): ok(kpi)\n")
    run = project.run("-n", "2")
    assert run.status == 3, run.output
    assert "ZeroDivisionError" in run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"


DIES = """
import os, subprocess, time
def changed(shell): return "10.99.0.1" in shell("leaf-1").run("ip addr show lo").stdout
@pytest.fixture
def part(stream, shell):
    assert not changed(shell)
    shell("leaf-1").run("ip addr add 10.99.0.1/32 dev lo")
    assert changed(shell)
    if WHEN == "setup": die()
    yield
    if WHEN == "teardown": die()
def die():
    subprocess.Popen(["sleep", "1000"])
    os.kill(os.getpid(), 9)
@pytest.mark.expected_seconds(100)
@pytest.mark.claims("lab", exclusive=True)
def test_dies(part, kpi):
    ok(kpi)
    if WHEN == "call": die()
@pytest.mark.parametrize("n", range(3))
def test_after(kpi, shell, n):
    assert not changed(shell)
    ok(kpi)
def test_of_no_lab(): pass
"""


def test_a_worker_that_is_killed_while_the_lab_comes_up_for_the_only_test(project: Project) -> None:
    project.write(
        "suites/conftest.py",
        "import os\nfrom nfvcert import open_stream\nopen_stream.fingerprint = lambda *_: os.abort()\n",
    )
    project.suite("def test_a(kpi): ok(kpi)")
    run = project.run("-n", "1")
    assert run.verdicts == {"test_a": "INCONCLUSIVE"}, run.output
    assert "was killed by SIGABRT in its set-up" in run.sentence("test_a")


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_a_worker_that_is_killed(project: Project, when: str) -> None:
    project.suite(f"WHEN = {when!r}" + DIES)
    run = project.run("-n", "2", "-m", "")
    results = run.results
    assert run.all_verdicts == {
        "test_dies[opco-ru]": "INCONCLUSIVE",
        **{f"test_after[opco-ru-{n}]": "PASS" for n in range(3)},
    }, run.output
    killed = results["test_dies[opco-ru]"]
    where = {"setup": "set-up"}.get(when, when)
    assert f"worker {killed.worker} was killed by SIGKILL in its {where}" in killed.sentence
    assert killed.worker
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert run.status == 10
    assert len(junit(run)) == 5
    told = [told["event"] for told in project.events()]
    # The lab was made anew, and so is known anew; and it is looked at once more at the end.
    assert told.count("lab-fingerprinted") == 3


def test_a_worker_that_is_killed_from_outside_beside_another_one(project: Project) -> None:
    project.suite("""
    import os, time
    @pytest.mark.expected_seconds(100)
    def test_killed(kpi):
        if os.fork() == 0:  # a child that has all that the worker has, also its end of the pipe
            time.sleep(100)
        with open("pid", "w") as file: file.write(f"{os.getpid()}\\n")
        time.sleep(100)
    @pytest.mark.expected_seconds(99)
    def test_beside(kpi):
        while not os.path.exists("killed"): time.sleep(0.02)
        time.sleep(0.3)
        ok(kpi)
    def test_after(kpi): ok(kpi)
    """)
    process = project.certify("--lab=opco-ru", "-n", "2")
    soon(lambda: project.lines("pid"))
    os.kill(int(project.lines("pid")[0]), signal.SIGKILL)
    (project.folder / "killed").touch()
    run = project.ended(process)
    assert run.verdicts == {"test_killed": "INCONCLUSIVE", "test_beside": "PASS", "test_after": "PASS"}, run.output
    assert "was killed by SIGKILL" in run.sentence("test_killed")


@pytest.fixture
def real_lab() -> Iterator[Callable[[Project], None]]:
    """Give a project the lab `real`, of one host: this machine, by its own sshd."""
    servers: list[subprocess.Popen[bytes]] = []

    def make(project: Project) -> None:
        folder = project.folder / "ssh"
        folder.mkdir()
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = {"HostKey": folder / "host", "AuthorizedKeysFile": folder / "user.pub", "StrictModes": "no"}
        options |= {"ListenAddress": f"127.0.0.1:{port}", "PidFile": "none", "UsePAM": "no", "PermitRootLogin": "yes"}
        (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        Path("/run/sshd").mkdir(exist_ok=True)
        sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or "/usr/sbin/sshd"
        servers.append(subprocess.Popen([sshd, "-D", "-f", folder / "config", "-E", folder / "log"], cwd="/"))
        soon(lambda: "listening" in (folder / "log").read_text() if (folder / "log").exists() else False)
        inventory = (project.folder / "lab_inventory/opco-ru.yaml").read_text()
        inventory = inventory.replace("opco-ru", "real").replace("embedded", "existing").rstrip().removesuffix("}")
        ssh = f"address: 127.0.0.1, port: {port}, user: {getpass.getuser()}, key_file: {folder / 'user'}"
        project.write("lab_inventory/real.yaml", f"{inventory}, ssh: {{{ssh}, known_hosts: {folder / 'known'}}}}}\n")

    yield make
    for server in servers:
        server.kill()
        server.wait()


def test_an_existing_lab_is_not_touched_after_a_worker_died_in_it(
    project: Project, real_lab: Callable[[Project], None]
) -> None:
    real_lab(project)
    project.suite("""
    import os
    @pytest.mark.expected_seconds(100)
    def test_dies(kpi): os.kill(os.getpid(), 9)
    def test_after(kpi): ok(kpi)
    def test_of_no_lab(): os._exit(0)
    """)
    run = project.run("-n", "1", "-m", "", lab="real")
    assert run.verdicts == {"test_dies": "INCONCLUSIVE", "test_after": "NOT_RUN"}, run.output
    assert "was killed by SIGKILL" in run.sentence("test_after")
    assert "lab real may not be as it was" in run.sentence("test_after")
    assert "ended with status 0" in run.output
    assert dict(junit(run))["test_of_no_lab"] == "failure"  # not lost, though it belongs to no stream


HANGS = """
import signal, time
pytestmark = [*pytestmark, pytest.mark.usefixtures("in_order")]
@pytest.fixture(scope="session")
def in_order(stream): pass
@pytest.fixture
def part(stream):
    yield
    with open("log", "a") as file: file.write("torn down\\n")
@pytest.fixture
def hanging(stream):
    yield
    time.sleep(60)
@pytest.mark.expected_seconds(5)
def test_first(kpi): ok(kpi)
@pytest.mark.expected_seconds(0.1)
def test_hangs(part, kpi, lab):
    if lab.lab == "opco-ru": time.sleep(60)
    ok(kpi)
@pytest.mark.expected_seconds(0.1)
def test_stuck(kpi, lab):
    if lab.lab == "opco-ru":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(60)
    ok(kpi)
@pytest.mark.expected_seconds(5)
def test_after(kpi): ok(kpi)
@pytest.mark.expected_seconds(0.1)
def test_teardown(request, kpi, lab):
    if lab.lab == "opco-kz": request.getfixturevalue("hanging")
    ok(kpi)
@pytest.mark.expected_seconds(5)
def test_last(kpi): ok(kpi)
"""


def test_a_hanging_test_is_broken_off_or_killed(project: Project) -> None:
    labs = project.add_labs("opco-ru", "opco-kz")
    project.suite(HANGS)
    run = project.ended(project.certify(*labs, "-n", "2", "--override-ini=nfvcert_time_limit=1"))
    verdicts = run.all_verdicts
    other = {name: verdict for name, verdict in verdicts.items() if verdict != "PASS"}
    assert other == {
        "test_hangs[opco-ru]": "INCONCLUSIVE",
        "test_stuck[opco-ru]": "INCONCLUSIVE",
        "test_teardown[opco-kz]": "INCONCLUSIVE",
        "test_last[opco-kz]": "NOT_RUN",
    }, run.output
    assert len(verdicts) == 12
    results = run.results
    assert "it hung, and was broken off after 1 s" in results["test_hangs[opco-ru]"].sentence
    assert "hung, did not tear down, and was killed by SIGKILL" in results["test_stuck[opco-ru]"].sentence
    assert "what it had changed may still be so" in results["test_last[opco-kz]"].sentence
    assert project.lines("log") == ["torn down", "torn down"]
    assert all(found.blame != "release" for found in results.values())


EXPECTED = """
import pytest
def pytest_collection_modifyitems(items):
    for number, item in enumerate(items):  # the longest are first: in the order of the file
        item.add_marker(pytest.mark.expected_seconds(0.2 - number / 100))
"""


def test_a_full_disk_ends_the_run_and_is_told(project: Project) -> None:
    place = project.folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", place], check=True)
    try:
        project.write("suites/conftest.py", EXPECTED)
        project.suite(f"""
        import os, time
        def test_a(kpi): ok(kpi)
        @pytest.mark.claims("lab", exclusive=True)
        def test_b(kpi):
            free = os.statvfs({str(place)!r})
            with open({str(place / "filler")!r}, "wb") as file:
                file.write(bytes(free.f_bavail * free.f_frsize))
            for _ in range(5000):
                kpi.note(filler="x" * 1000)
            ok(kpi)
        @pytest.mark.claims("lab", exclusive=True)
        def test_c(kpi): ok(kpi)
        """)
        process = project.certify("--lab=opco-ru", f"--reports={place}/reports", "-n", "2")
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


def test_a_line_that_was_torn_by_a_kill_spoils_no_other_one(project: Project) -> None:
    project.suite("""
    import glob, os
    @pytest.mark.expected_seconds(100)
    def test_dies(kpi):
        (events,) = glob.glob("reports/2*/events.jsonl")
        with open(events, "a") as file: file.write('{"event": "measured", "stream": "opco')
        os.kill(os.getpid(), 9)
    @pytest.mark.claims("lab", exclusive=True)
    def test_after(kpi): ok(kpi)
    """)
    run = project.run("-n", "2")
    assert run.verdicts == {"test_dies": "INCONCLUSIVE", "test_after": "PASS"}, run.output
