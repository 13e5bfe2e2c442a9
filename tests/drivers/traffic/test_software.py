"""The software generator around a real bridge and a real router: it measures what the device does."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import time

import pytest

from nfvcert.drivers.traffic.frames import DATA, Route, build_frame
from nfvcert.drivers.traffic.sender import open_sender
from nfvcert.drivers.traffic.software import SoftwareGenerator
from nfvcert.embedded import delay_line
from nfvcert.errors import SuiteError
from nfvcert.protocols import Stream
from tests.drivers.traffic.bench import Bench, in_namespace
from tests.drivers.traffic.contracts import Ends, TrafficGeneratorContract, undisturbed

STREAM = Stream("tg0", "tg1", 64, 4000, 0.25)


class TestSoftwareGenerator(TrafficGeneratorContract):
    @pytest.fixture
    def ends(self) -> Ends:
        return "tg0", "tg1"


class TestThroughARouter:
    def test_no_frame_is_lost_to_the_routers_arp(self, routed_bench: Bench) -> None:
        """The learning frames have it resolved before the first frame that counts."""
        back = dataclasses.replace(STREAM, tx="tg1", rx="tg0", frame_bytes=1518)
        with contextlib.closing(SoftwareGenerator(routed_bench.ports, None)) as generator:
            for _ in range(3):
                routed_bench.device("ip neighbour flush all")
                results = undisturbed(generator, [STREAM, back])
                assert [(result.received, result.lost, result.invalid) for result in results] == [(1000, 0, ())] * 2

    def test_nobody_answers_the_test_frames(self, routed_bench: Bench) -> None:
        """Else each of them would come back as an ICMP error, and load the device."""
        routed_bench.device(
            "nft add table ip t;"
            " nft 'add chain ip t c { type filter hook prerouting priority -300; }';"
            " nft add rule ip t c ip protocol icmp counter"
        )
        with contextlib.closing(SoftwareGenerator(routed_bench.ports, None)) as generator:
            assert undisturbed(generator, [STREAM])[0].received == 1000
        assert "packets 0" in routed_bench.device("nft list chain ip t c")


class TestLossOfTheDevice:
    @pytest.mark.parametrize(("every", "lost"), [(10, 100), (1000, 1)])
    def test_each_lost_frame_is_counted(
        self, generator: SoftwareGenerator, bench: Bench, every: int, lost: int
    ) -> None:
        bench.drop(f"numgen inc mod {every} == 0")
        (result,) = undisturbed(generator, [STREAM])
        assert (result.sent, result.lost, result.invalid) == (1000, lost, ())
        assert result.loss_ratio == lost / 1000

    def test_loss_of_one_direction_is_of_that_direction(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.drop("iifname p0")
        there, back = undisturbed(generator, [STREAM, dataclasses.replace(STREAM, tx="tg1", rx="tg0")])
        assert (there.received, there.lost, there.latency, there.invalid) == (0, 1000, None, ())
        assert there.longest_gap_s == there.seconds
        assert (back.received, back.lost) == (1000, 0)

    def test_a_rate_cap_is_measured(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.drop("limit rate over 1000/second burst 20 packets")
        (result,) = undisturbed(generator, [dataclasses.replace(STREAM, rate_fps=3000)])
        assert result.invalid == ()
        assert result.received_fps == pytest.approx(1080, rel=0.08)  # the burst is 20 frames in a quarter of a second

    def test_loss_on_one_mac_is_not_blamed_on_other_flows(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.drop("udp sport 4097")
        (result,) = undisturbed(generator, [dataclasses.replace(STREAM, flows=5)])
        assert (result.sent, result.lost) == (1000, 200)

    def test_an_mtu_of_the_device_loses_what_is_larger(self, generator: SoftwareGenerator, bench: Bench) -> None:
        """A veth refuses it already while it is sent: still the device's doing."""
        bench.set_link("dut", "p0", mtu=1400)
        large, small = undisturbed(generator, [dataclasses.replace(STREAM, frame_bytes=1518), STREAM])
        assert (large.sent, large.unsent, large.lost, large.invalid) == (1000, 0, 1000, ())
        assert (small.lost, small.invalid) == (0, ())


class TestWhatDevicesDoToFrames:
    def test_duplicates(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.device(
            "nft add table netdev t;"
            " nft 'add chain netdev t c { type filter hook ingress device p0 priority 0; }';"
            " nft add rule netdev t c udp dport 9 numgen inc mod 4 == 0 dup to p1"
        )
        (result,) = undisturbed(generator, [STREAM])
        assert (result.received, result.lost, result.duplicates, result.invalid) == (1000, 0, 250, ())

    def test_an_end_that_is_held_back_is_waited_for(self, generator: SoftwareGenerator, bench: Bench) -> None:
        """The last 200 frames take 0.4 s: nothing comes meanwhile, and none of them is lost."""
        bench.device(
            "ip link add late0 mtu 9200 type veth peer late1 mtu 9200; ip link set late0 up; ip link set late1 up;"
            " nft add table netdev t; nft 'add chain netdev t c { type filter hook egress device p1 priority 0; }';"
            f" nft add rule netdev t c meta mark != {delay_line.MARK} udp dport 9 quota over 48000 bytes fwd to late0"
        )
        asked = [sys.executable, delay_line.__file__, "late1", "p1", "0.4"]
        with subprocess.Popen(["nsenter", f"--net={bench.path('dut')}", *asked], stdout=subprocess.PIPE) as line:
            try:
                assert line.stdout is not None
                assert line.stdout.readline()
                (result,) = undisturbed(generator, [STREAM])
            finally:
                line.kill()
                bench.device("ip link del late0")
        assert (result.received, result.lost, result.invalid) == (1000, 0, ())
        assert result.latency is not None
        assert result.latency.max_us == pytest.approx(400e3, rel=0.1)

    @pytest.mark.parametrize("destination", ["broadcast", "unknown"])
    def test_flooded_frames_stray(self, generator: SoftwareGenerator, destination: str) -> None:
        (result,) = undisturbed(generator, [dataclasses.replace(STREAM, destination=destination)])  # type: ignore[arg-type]
        assert result.received == 1000
        assert result.stray == {"tg2": 1000}

    def test_a_learned_address_is_not_flooded(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.device("ip link set br0 type bridge fdb_flush")
        (result,) = undisturbed(generator, [STREAM])
        assert (result.received, dict(result.stray)) == (1000, {})

    def test_a_device_that_does_not_learn_floods(self, generator: SoftwareGenerator, bench: Bench) -> None:
        for port in ("p0", "p1", "p2"):
            bench.device(f"bridge link set dev {port} learning off")
        bench.device("ip link set br0 type bridge fdb_flush")
        try:
            (result,) = undisturbed(generator, [STREAM])
        finally:
            for port in ("p0", "p1", "p2"):
                bench.device(f"bridge link set dev {port} learning on")
        assert result.stray == {"tg2": 1000}

    @pytest.mark.parametrize(
        ("frame_bytes", "run_later", "received"),
        [(64, 1, 1), (80, 1, 0), (64, 0, 0)],
        ids=["as it was sent", "of another length", "of an earlier run"],
    )
    def test_a_frame_counts_only_as_it_was_sent(
        self, generator: SoftwareGenerator, bench: Bench, frame_bytes: int, run_later: int, received: int
    ) -> None:
        bench.drop("iifname p0")
        run = (generator._run_id + run_later) & 0xFFFF
        route = Route("02:00:00:00:00:00", "02:00:00:00:00:01", "198.18.0.1", "198.18.0.2")
        forged = build_frame(route, frame_bytes, run=run, kind=DATA, stream=0)
        with in_namespace(bench.path("dut"), lambda: open_sender("p1")) as device:

            def forge() -> None:
                device.send(forged)

            (result,) = generator.run([STREAM], during=forge)
        assert result.received == received

    def test_flows_are_distinct_udp_ports(self, generator: SoftwareGenerator, bench: Bench) -> None:
        bench.device(
            "nft add table bridge t;"
            " nft 'add chain bridge t c { type filter hook forward priority 0; }';"
            " nft 'add set bridge t seen { type inet_service; flags dynamic; }';"
            " nft 'add rule bridge t c udp dport 9 ether saddr 02:00:00:00:00:00 add @seen { udp sport }'"
        )
        (result,) = undisturbed(generator, [dataclasses.replace(STREAM, flows=40)])
        assert (result.received, result.lost) == (1000, 0)
        seen = bench.device("nft list set bridge t seen").partition("elements = {")[2].partition("}")[0]
        assert len(seen.split(",")) == 40


class TestOutages:
    DOWN_S = 0.3

    @pytest.mark.parametrize("port", ["p1", "p0"])
    def test_a_port_of_the_device_that_is_down_is_a_gap(
        self, generator: SoftwareGenerator, bench: Bench, port: str
    ) -> None:
        """Also at the sending side, where our own cable has no carrier meanwhile."""
        stream = dataclasses.replace(STREAM, rate_fps=2000, duration_s=1.2)

        def flap() -> None:
            time.sleep(0.3)
            bench.set_link("dut", port, state="down")
            down = time.monotonic()
            time.sleep(self.DOWN_S)
            bench.set_link("dut", port, state="up")
            outage.append(time.monotonic() - down)

        outage: list[float] = []
        (result,) = undisturbed(generator, [stream], flap)
        assert result.invalid == ()
        assert result.sent == stream.frames
        assert result.longest_gap_s == pytest.approx(outage[-1], abs=0.1)
        assert result.lost / stream.rate_fps == pytest.approx(result.longest_gap_s, abs=0.05)

    def test_a_port_that_stays_down_is_a_gap_to_the_end(self, generator: SoftwareGenerator, bench: Bench) -> None:
        def cut() -> None:
            time.sleep(0.1)
            bench.set_link("dut", "p1", state="down")

        for _ in range(5):  # see `undisturbed`
            bench.set_link("dut", "p1", state="up")
            (result,) = generator.run([dataclasses.replace(STREAM, duration_s=0.6)], during=cut)
            if not result.unsent:
                break
        assert result.invalid == ()
        assert 0.2 < result.longest_gap_s < 0.6
        assert result.lost / STREAM.rate_fps == pytest.approx(result.longest_gap_s, abs=0.01)


class TestQuality:
    def test_frames_of_an_earlier_run_do_not_count(self, generator: SoftwareGenerator) -> None:
        for _ in range(5):
            (result,) = undisturbed(generator, [dataclasses.replace(STREAM, duration_s=0.025)])
            assert (result.received, result.duplicates, dict(result.stray)) == (100, 0, {})

    def test_no_false_loss_at_the_rate_of_a_ten_megabit_port(self, generator: SoftwareGenerator) -> None:
        results = [generator.run([dataclasses.replace(STREAM, rate_fps=14_880, duration_s=1)])[0] for _ in range(2)]
        assert [result.lost for result in results] == [0, 0]
        assert any(not result.invalid for result in results)

    def test_a_run_costs_little_beyond_its_duration(self, generator: SoftwareGenerator) -> None:
        generator.run([STREAM])
        started = time.monotonic()
        generator.run([STREAM])
        assert time.monotonic() - started < STREAM.duration_s + 0.1 + 0.5  # 0.1: silence; measured: 0.03


class TestMisuse:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"rx": "tg11"}, "tg0, tg1, tg2"),
            ({"rx": "tg0"}, "to itself"),
            ({"frame_bytes": 63}, "64"),
            ({"frame_bytes": 9217}, "9216"),
            ({"rate_fps": 0}, "rate"),
            ({"duration_s": float("nan")}, "duration"),
            ({"flows": 0}, "flows"),
            ({"rate_fps": 15e6}, "line rate"),
        ],
    )
    def test_streams_that_cannot_be_are_the_suites_fault(
        self, generator: SoftwareGenerator, changes: dict[str, float], said: str
    ) -> None:
        with pytest.raises(SuiteError, match=said):
            generator.run([dataclasses.replace(STREAM, **changes)])  # type: ignore[arg-type]

    def test_a_run_without_streams_proves_nothing(self, generator: SoftwareGenerator) -> None:
        with pytest.raises(SuiteError, match="streams"):
            generator.run([])

    def test_a_mistyped_port_is_guessed(self, generator: SoftwareGenerator) -> None:
        with pytest.raises(SuiteError, match=r"did you mean tg1\?"):
            generator.run([dataclasses.replace(STREAM, rx="t1")])
