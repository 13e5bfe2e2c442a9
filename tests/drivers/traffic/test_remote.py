"""The software generator on a host, over SSH: what any generator must do, and what becomes of a host that fails."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psutil
import pytest

from nfvcert.drivers.traffic.awake import _command
from nfvcert.drivers.traffic.interface import InterfaceState
from nfvcert.drivers.traffic.machine import MachineState
from nfvcert.drivers.traffic.messages import Report, Seen, understood
from nfvcert.drivers.traffic.remote import OnHost
from nfvcert.drivers.traffic.software import SoftwareGenerator
from nfvcert.errors import LabError, Unreachable
from nfvcert.protocols import Stream
from tests.drivers.sshd import Sshd, make_key, until
from tests.drivers.traffic.bench import Bench
from tests.drivers.traffic.contracts import Ends, TrafficGeneratorContract, undisturbed

STREAM = Stream("tg0", "tg1", 64, 2000, 0.4)
LONG = replace(STREAM, duration_s=30)


@pytest.fixture(scope="module")
def tester(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A host that the ports of the bench are on."""
    folder = tmp_path_factory.mktemp("tester")
    server = Sshd(folder, [make_key(folder / "host")])
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared(tester: Sshd, shared_bench: Bench) -> Iterator[SoftwareGenerator]:
    host = OnHost(tester.shell(), sys.executable)
    generator = SoftwareGenerator(shared_bench.ports, shared_bench.loop, host=host)
    yield generator
    generator.close()


@pytest.fixture
def generator(bench: Bench, shared: SoftwareGenerator) -> SoftwareGenerator:  # noqa: ARG001 - healed after
    return shared


def workers(tester: Sshd) -> list[psutil.Process]:
    return [each for each in tester.connections() if any("answer()" in word for word in _words(each))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return []


class TestOnHost(TrafficGeneratorContract):
    @pytest.fixture
    def ends(self) -> Ends:
        return "tg0", "tg1"


def test_it_says_where_it_is(generator: SoftwareGenerator) -> None:
    (line,) = generator.describe()
    assert line.startswith("software, on compute-1: Python 3.")
    assert generator.calibrate().generator == "software (AF_PACKET) on compute-1"


def test_loss_and_what_arrived_elsewhere_are_counted_there(generator: SoftwareGenerator, bench: Bench) -> None:
    bench.drop("numgen inc mod 100 == 0")
    (result,) = undisturbed(generator, [STREAM])
    assert (result.sent, result.lost) == (800, 8)
    flooded = generator.run([replace(STREAM, destination="broadcast")])[0]
    assert flooded.stray["tg2"] > 700


def test_the_processors_of_the_host_are_kept_awake(generator: SoftwareGenerator, tester: Sshd) -> None:
    def loops() -> int:
        return sum(_words(each)[-1:] == ["while :; do :; done"] for each in tester.connections())

    seen: list[int] = []
    generator.run([STREAM], during=lambda: seen.append(loops()))
    assert seen == [min(8, len(os.sched_getaffinity(0)))] or not _command()
    assert loops() == 0


def test_frames_leave_when_they_are_due_though_the_clock_there_is_another(
    generator: SoftwareGenerator, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours is set back by an hour, so that theirs is ahead; what is due at once would leave in one burst."""
    assert bench.ports
    real = time.monotonic_ns
    monkeypatch.setattr("nfvcert.drivers.traffic.runs.time.monotonic_ns", lambda: real() - 3600 * 10**9)
    (result,) = undisturbed(generator, [STREAM])
    assert result.invalid == ()
    assert result.offered_fps == pytest.approx(2000, rel=0.02)
    assert result.seconds == pytest.approx(0.4, rel=0.05)


def test_close_ends_what_was_started_there(generator: SoftwareGenerator, tester: Sshd) -> None:
    generator.run([STREAM])
    assert len(workers(tester)) == 3
    generator.close()
    until(lambda: not workers(tester))
    until(lambda: not tester.connections())


def test_one_that_hangs_is_ended_there(generator: SoftwareGenerator, tester: Sshd) -> None:
    generator.run([STREAM])
    stuck = workers(tester)[0]
    stuck.suspend()
    generator.close()
    until(lambda: not stuck.is_running() or stuck.status() == psutil.STATUS_ZOMBIE)


def test_a_connection_that_breaks_ends_the_run_and_the_workers(generator: SoftwareGenerator, tester: Sshd) -> None:
    generator.run([STREAM])
    mine = workers(tester)
    cut = threading.Timer(0.3, tester.cut_connections)
    cut.start()
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"worker of generator port tg[0-2] closed its connection"):
        generator.run([LONG])
    cut.join()
    assert time.monotonic() - began < 10
    until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in mine))
    assert undisturbed(generator, [STREAM])[0].lost == 0


def test_a_worker_that_is_killed_there_is_named(generator: SoftwareGenerator, tester: Sshd) -> None:
    generator.run([STREAM])
    with pytest.raises(Unreachable, match=r"worker of generator port tg[0-2] was killed by signal 9"):
        generator.run([LONG], during=workers(tester)[0].kill)


def test_a_host_without_the_library_is_told_what_it_lacks(tester: Sshd, bench: Bench) -> None:
    host = OnHost(tester.shell(), f"{sys.executable} -S")  # without site-packages: no numpy
    generator = SoftwareGenerator(bench.ports, None, host=host)
    with pytest.raises(LabError, match=r"compute-1 cannot run the traffic generator: .*numpy") as caught:
        generator.describe()
    assert "python3-numpy" in caught.value.hint
    with pytest.raises(LabError, match=r"tg[0-2] ended with status 1: ModuleNotFoundError: No module named 'numpy'"):
        generator.run([STREAM])
    generator.close()


def test_a_host_that_prints_a_greeting_is_named(tester: Sshd, bench: Bench) -> None:
    greeting = "echo 0000 welcome to this host, which is watched"
    host = OnHost(tester.shell(), f"""sh -c '{greeting}; exec "$0" "$@"' {sys.executable}""")
    generator = SoftwareGenerator(bench.ports, None, host=host)
    with pytest.raises(LabError, match=r"worker of generator port tg[0-2] was not understood") as caught:
        generator.run([STREAM])
    assert "login shell" in caught.value.hint
    generator.close()


def test_a_host_that_does_not_answer_is_named(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("absent")
    absent = Sshd(folder, [make_key(folder / "host")])
    generator = SoftwareGenerator(bench.ports, None, host=OnHost(absent.shell()))
    with pytest.raises(Unreachable, match=r"compute-1 .*does not answer"):
        generator.run([STREAM])


class TestMessages:
    STATE = InterfaceState(1, True, True, 0, 1500, 0, 0, 0, 0, 0, 0)

    def test_a_report_arrives_as_it_was_said(self) -> None:
        seen = Seen(0, 3, latency_us=np.array([1.5, np.nan, 2.5], dtype=np.float32), first_ns=int(np.int64(7)))
        said = Report((seen,), 0, False, 0.0, self.STATE, MachineState(1.0, 2.0, 0.0, 0.1, throttles=3))
        heard = understood(pickle.dumps(said))
        assert isinstance(heard, Report)
        assert (heard.state, heard.machine) == (said.state, said.machine)
        latency_us = heard.seen[0].latency_us
        assert latency_us is not None
        np.testing.assert_array_equal(latency_us, seen.latency_us)

    def test_nothing_else_is_taken_from_a_host(self) -> None:
        class Evil:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return subprocess.getoutput, ("touch /tmp/never",)

        with pytest.raises(pickle.UnpicklingError, match=r"subprocess.getoutput, which is no message"):
            understood(pickle.dumps(Evil()))
