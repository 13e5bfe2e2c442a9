"""When the lab is at fault, the software generator says so: invalid or a LabError, never a loss, never a hang."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nfvcert.drivers.traffic.crew import _Process
from nfvcert.drivers.traffic.software import SoftwareGenerator
from nfvcert.errors import LabError, Unreachable
from nfvcert.protocols import Stream, StreamResult
from tests.drivers.traffic.bench import Bench
from tests.drivers.traffic.contracts import undisturbed

STREAM = Stream("tg0", "tg1", 64, 2000, 0.4)
LONG = dataclasses.replace(STREAM, duration_s=30)


def workers() -> set[psutil.Process]:
    """The worker processes that this process has."""
    return {child for child in psutil.Process().children() if "nfvcert.drivers.traffic.worker" in child.cmdline()}


@pytest.fixture
def fresh(bench: Bench) -> Iterator[SoftwareGenerator]:
    """A generator of its own, whose workers may come to harm."""
    generator = SoftwareGenerator(bench.ports, bench.loop)
    yield generator
    generator.close()


@pytest.fixture
def doomed() -> Iterator[Bench]:
    """A bench that may come to harm."""
    bench = Bench(2)
    yield bench
    bench.remove()


class TestOwnPort:
    @pytest.mark.parametrize(("queue", "rate"), [("limit 3000", "400kbit"), ("limit 10mb", "60kbit")])
    def test_a_slowed_port_is_not_a_loss_of_the_device(
        self, generator: SoftwareGenerator, bench: Bench, queue: str, rate: str
    ) -> None:
        """A short queue refuses frames, a long one keeps them beyond the end of the run."""
        bench.do("tg0", f"tc qdisc add dev tg0 root tbf rate {rate} burst 2000 {queue}")
        (result,) = generator.run([STREAM])
        assert any("queue of its own port tg0" in reason for reason in result.invalid)
        assert any("could not send" in reason for reason in result.invalid)
        assert result.lost == 0
        assert result.unsent > 200
        assert result.sent + result.unsent == 800

    def test_a_port_slowed_a_little_spoils_the_latencies(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.do("tg0", "tc qdisc add dev tg0 root tbf rate 800kbit burst 2000 limit 10mb")
        (result,) = generator.run([STREAM])
        assert any("queue of its own port tg0 held frames back" in reason for reason in result.invalid)
        assert (result.sent + result.unsent, result.lost) == (800, 0)

    def test_a_port_that_loses_what_it_took_is_not_the_device(self, generator: SoftwareGenerator, bench: Bench) -> None:
        """Nobody refuses a frame: a filter of our own machine takes it away before the cable."""
        rules = 'type filter hook egress device "tg0" priority 0; numgen inc mod 100 == 0 fwd to "lo";'
        bench.do("tg0", f"nft 'add table netdev lies; add chain netdev lies out {{ {rules} }}'")
        try:
            (result,) = generator.run([STREAM])
        finally:
            bench.do("tg0", "nft delete table netdev lies")
        assert any("own port tg0 put" in reason and "fewer on the cable" in reason for reason in result.invalid)

    def test_a_queue_that_is_never_full_does_no_harm(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.do("tg0", "tc qdisc add dev tg0 root tbf rate 1gbit burst 100000 limit 100000")
        (result,) = undisturbed(generator, [STREAM])
        assert (result.lost, result.invalid) == (0, ())

    @pytest.mark.parametrize("port", ["tg0", "tg1"])
    def test_a_small_mtu_of_its_own_is_no_loss_of_the_device(
        self, generator: SoftwareGenerator, bench: Bench, port: str
    ) -> None:
        bench.set_link(port, port, mtu=1400)
        (result,) = generator.run([dataclasses.replace(STREAM, frame_bytes=1518)])
        assert any(f"own port {port}" in reason and "1,418" in reason for reason in result.invalid)

    @pytest.mark.parametrize("port", ["tg0", "tg1", "tg2"])
    def test_a_port_that_was_set_down_spoils_the_result(
        self, generator: SoftwareGenerator, bench: Bench, port: str
    ) -> None:
        """Sender, receiver, or only a witness of strays."""

        def flap() -> None:
            bench.set_link(port, port, state="down")
            time.sleep(0.05)
            bench.set_link(port, port, state="up")

        (result,) = generator.run([STREAM], during=flap)
        assert any(f"own port {port} was set down" in reason for reason in result.invalid)
        if port == "tg0":
            assert result.unsent > 20
            assert any("Network is down" in reason for reason in result.invalid)

    def test_a_port_that_is_down_from_the_start_is_named(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.set_link("tg1", "tg1", state="down")
        with pytest.raises(Unreachable, match=r"tg1 .*is down") as caught:
            generator.run([STREAM])
        assert caught.value.what == "tg1"

    def test_a_witness_without_a_link_is_no_witness(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.set_link("dut", "p2", state="down")
        (result,) = generator.run([dataclasses.replace(STREAM, destination="broadcast")])
        assert dict(result.stray) == {}
        assert any("port tg2 had no link" in reason for reason in result.invalid)

    @pytest.mark.parametrize("port", ["tg0", "tg1"])
    def test_a_port_that_vanishes_is_unreachable(self, doomed: Bench, port: str) -> None:
        generator = SoftwareGenerator(doomed.ports, None)
        started = time.monotonic()
        with pytest.raises(Unreachable, match=f"generator port {port} is gone") as caught:
            generator.run(
                [dataclasses.replace(STREAM, duration_s=1)],
                during=lambda: doomed.do(port, f"ip link del {port}"),
            )
        assert caught.value.what == port
        assert time.monotonic() - started < 5
        with pytest.raises(Unreachable, match="gone"):
            generator.run([STREAM])
        generator.close()

    def test_another_interface_of_the_same_name_is_not_taken_for_the_port(self, doomed: Bench) -> None:
        generator = SoftwareGenerator(doomed.ports, None)
        assert undisturbed(generator, [STREAM])[0].lost == 0
        doomed.do("tg1", "ip link del tg1; ip link add tg1 type veth peer name other; ip link set tg1 up")
        with pytest.raises(LabError, match="tg1"):
            generator.run([STREAM])
        generator.close()


class TestPortsThatCannotBeUsed:
    def test_a_namespace_that_is_not_there(self, bench: Bench) -> None:
        nowhere = dataclasses.replace(bench.ports["tg1"], namespace="/run/netns/nfvtest-nowhere")
        generator = SoftwareGenerator({**bench.ports, "tg1": nowhere}, None)
        with pytest.raises(Unreachable, match="gone with its namespace"):
            generator.run([STREAM])

    def test_an_address_that_is_not_there(self, bench: Bench) -> None:
        """The router behind would ask for it in vain, and lose every frame."""
        port = dataclasses.replace(bench.ports["tg1"], address="198.18.9.2/24", next_hop_mac="02:00:00:00:00:99")
        generator = SoftwareGenerator({**bench.ports, "tg1": port}, None)
        with pytest.raises(LabError, match=r"lacks its address 198\.18\.9\.2"):
            generator.run([STREAM])

    def test_without_rights_it_says_what_is_needed(self, tmp_path: Path) -> None:
        script = tmp_path / "unprivileged.py"
        script.write_text(
            "from nfvcert.drivers.traffic.software import GeneratorPort, SoftwareGenerator\n"
            "from nfvcert.errors import NotPermitted\n"
            "from nfvcert.protocols import Stream\n"
            "ports = {n: GeneratorPort(n, 'lo', None, '02:00:00:00:00:01', None, None, 1e9) for n in ('a', 'b')}\n"
            "try:\n    SoftwareGenerator(ports, None).run([Stream('a', 'b', 64, 100, 0.1)])\n"
            "except NotPermitted as error:\n    print(error)\n"
        )
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment(), timeout=30)
        assert "may not use interface lo" in done.stdout
        assert "need root" in done.stdout


class TestOverload:
    def test_beyond_its_ceiling_it_admits_what_it_did_not_send(self, generator: SoftwareGenerator) -> None:
        ceiling = generator.calibrate().ceiling_fps[64]
        asked = dataclasses.replace(STREAM, rate_fps=min(20 * ceiling, 14e6), duration_s=0.2)
        (result,) = generator.run([asked])
        assert result.sent + result.unsent == asked.frames
        assert result.unsent > asked.frames / 2
        assert any("could not send" in reason and "its ceiling is" in reason for reason in result.invalid)
        assert result.seconds < 0.4
        assert result.offered_fps < 5 * ceiling


def process_of(generator: SoftwareGenerator, port: str) -> subprocess.Popen[bytes]:
    started = generator._crew._members[port].process
    assert isinstance(started, _Process)
    return started._process


class TestWorkers:
    @pytest.mark.parametrize("victim", ["tg0", "tg2"])
    def test_a_worker_that_is_killed_ends_the_run(self, fresh: SoftwareGenerator, victim: str) -> None:
        def kill() -> None:
            os.kill(process_of(fresh, victim).pid, signal.SIGKILL)

        started = time.monotonic()
        with pytest.raises(Unreachable, match=f"worker of generator port {victim} was killed by signal 9") as caught:
            fresh.run([LONG], during=kill)
        assert caught.value.what == victim
        assert time.monotonic() - started < 5
        assert undisturbed(fresh, [STREAM])[0].lost == 0

    def test_a_worker_that_hangs_is_given_up(self, fresh: SoftwareGenerator) -> None:
        fresh.run([STREAM])
        process = process_of(fresh, "tg1")
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(Unreachable, match="tg1 did not answer within"):
            fresh._crew.hear(["tg1"], str, within_s=0.2)
        fresh.close()
        assert process.poll() is not None

    def test_close_ends_them(self, fresh: SoftwareGenerator) -> None:
        before = workers()
        fresh.run([STREAM])
        mine = workers() - before
        assert len(mine) == 3
        fresh.close()
        assert not any(worker.is_running() for worker in mine)

    def test_they_outlive_the_thread_that_started_them(self, fresh: SoftwareGenerator) -> None:
        results: list[StreamResult] = []
        thread = threading.Thread(target=lambda: results.extend(undisturbed(fresh, [STREAM])))
        thread.start()
        thread.join()
        results.extend(undisturbed(fresh, [STREAM]))
        assert [(result.received, result.lost) for result in results] == [(800, 0), (800, 0)]

    @pytest.mark.parametrize("moment", ["sending", "idle"])
    def test_they_die_with_the_generator(self, bench: Bench, tmp_path: Path, moment: str) -> None:
        """Even when it is killed, and (the idle ones) when a forked child of it keeps the connections open."""
        script = tmp_path / "generator.py"
        script.write_text(
            "import os, signal, time\n"
            "from nfvcert.drivers.traffic.software import GeneratorPort, SoftwareGenerator\n"
            "from nfvcert.protocols import Stream\n"
            f"ports = {dict(list(bench.ports.items())[:2])!r}\n"
            "generator = SoftwareGenerator(ports, None)\n"
            "def die():\n"
            "    print(*[member.process._process.pid for member in generator._crew._members.values()], flush=True)\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "def leak_and_die():\n"
            "    if child := os.fork():\n"
            "        print(child)\n"
            "        die()\n"
            "    os.close(1); os.close(2); time.sleep(20); os._exit(0)\n"
            f"if {moment!r} == 'sending':\n"
            "    generator.run([Stream('tg0', 'tg1', 64, 2000, 30)], during=die)\n"
            "generator.run([Stream('tg0', 'tg1', 64, 2000, 0.1)])\n"
            "leak_and_die()\n"
        )
        command = [sys.executable, str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(), timeout=30)
        assert done.returncode == -signal.SIGKILL, done.stderr
        pids = [int(pid) for pid in done.stdout.split()]
        child = pids.pop(0) if moment == "idle" else None
        alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        _, left = psutil.wait_procs(alive, timeout=5)
        if child is not None:
            os.kill(child, signal.SIGKILL)
        assert len(pids) == 2
        assert not left

    def test_a_failing_calibration_leaves_no_workers(self, bench: Bench) -> None:
        before = workers()
        near, far = bench.loop
        generator = SoftwareGenerator(bench.ports, (near, dataclasses.replace(far, interface="nowhere")))
        with pytest.raises(Unreachable, match="nowhere"):
            generator.calibrate()
        assert workers() == before


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
