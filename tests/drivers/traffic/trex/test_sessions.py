"""What a TRex server says when something is wrong, and what we make of it: sessions of a real server.

Live, they need a device that can be told to misbehave: a Linux bridge with the interfaces p0 and p1, in which
``NFVCERT_TREX_DEVICE`` runs commands (``ip netns exec NAME``), and the server's own interfaces t0 and t1 here.
They were recorded with TRex v3.08 in software mode: four af_packet ports, two at the bridge, two at one another.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from nfvcert.drivers.traffic.trex import session as sessions
from nfvcert.drivers.traffic.trex.generator import TrexGenerator, TrexPort
from nfvcert.drivers.traffic.trex.session import Session
from nfvcert.drivers.traffic.trex.wire import Wire
from nfvcert.errors import LabError, Unreachable
from nfvcert.protocols import Stream
from tests.drivers.traffic.contracts import undisturbed
from tests.drivers.traffic.trex.conftest import Gear, Open

STREAM = Stream("tg0", "tg1", 64, 4000, 0.25)
FASTER_THAN_SEQUENCED = Stream("tg0", "tg1", 64, 25_000, 0.4)
Tell = Callable[[str], str]


@pytest.fixture
def device(gear: Gear | None) -> Iterator[Tell]:
    """Runs a command line in the device of a live lab; a recorded one did it when it was recorded."""
    prefix = os.environ.get("NFVCERT_TREX_DEVICE")
    if gear is not None and not prefix:
        pytest.skip("NFVCERT_TREX_DEVICE does not say how the device is told to misbehave")

    def tell(command: str) -> str:
        return "" if gear is None else _run([*shlex.split(prefix or ""), "sh", "-ec", command])

    yield tell
    tell("nft flush ruleset; ip link set p0 up; ip link set p1 up")
    if gear is not None:
        _run(["sh", "-ec", "ip link set t0 up; ip link set t1 up"])
        time.sleep(1.5)  # a server looks at its links once a second


def _run(line: list[str]) -> str:
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, f"{shlex.join(line)}: {done.stderr}"
    return done.stdout


def drop(device: Tell, rule: str) -> None:
    """Let the bridge drop frames that match an nft expression."""
    device(
        "nft add table bridge t;"
        " nft 'add chain bridge t c { type filter hook forward priority 0; }';"
        f" nft 'add rule bridge t c {rule} drop'"
    )


@contextlib.contextmanager
def owned_by(generator: TrexGenerator, user: str) -> Iterator[None]:
    """The first two ports belong to another session meanwhile."""
    host, port = generator.endpoint
    other = Session(Wire(host, port), user=user)
    other.claim([0, 1])
    try:
        yield
    finally:
        other.release()


class TestOwners:
    def test_a_port_of_somebody_else_is_told_with_its_owner(self, generator: TrexGenerator) -> None:
        with owned_by(generator, "anna@noc"), pytest.raises(LabError, match="belongs to anna@noc") as caught:
            generator.run([STREAM])
        assert "port 0 of TRex at " in str(caught.value)
        assert "force: true" in caught.value.hint
        assert undisturbed(generator, [STREAM])[0].received == 1000  # released: it is ours

    def test_the_owner_is_told_without_disturbing_him(self, generator: TrexGenerator) -> None:
        with owned_by(generator, "anna@noc"):
            assert "owned by anna@noc" in generator.describe()[1]

    def test_force_takes_it_away(self, open_generator: Open) -> None:
        generator = open_generator(force=True)
        with owned_by(generator, "anna@noc"):
            assert undisturbed(generator, [STREAM])[0].received == 1000

    def test_what_a_killed_run_left_is_taken_back(self, generator: TrexGenerator) -> None:
        """The lease of the lab says that it is dead: this one would not be here."""
        with owned_by(generator, generator.user):
            assert undisturbed(generator, [STREAM])[0].received == 1000

    def test_a_port_that_is_taken_away_in_mid_run_ends_it(self, generator: TrexGenerator) -> None:
        def steal() -> None:
            host, port = generator.endpoint
            thief = Session(Wire(host, port), user="anna@noc", force=True)
            thief.claim([0])
            thief.release()

        with pytest.raises(LabError, match="were taken away from this run"):
            generator.run([STREAM], during=steal)


class TestServers:
    def test_another_interface_is_refused_in_its_words(
        self, generator: TrexGenerator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sessions.API, "major", 9)
        with pytest.raises(LabError, match=r"does not speak the interface STL 9\.1: .*[Vv]ersion") as caught:
            generator.describe()
        assert "stateless" in caught.value.hint

    def test_a_port_that_the_server_does_not_have_is_told(self, open_generator: Open) -> None:
        generator = open_generator(ports={"tg0": TrexPort("tg0", 0, 10e9), "tg1": TrexPort("tg1", 9, 10e9)})
        with pytest.raises(LabError, match="has no port 9, which tg1 is to be; it has 0, 1, 2, 3"):
            generator.run([STREAM])

    def test_a_server_that_began_anew_is_taken_anew(self, generator: TrexGenerator, gear: Gear | None) -> None:
        """It knows neither our session nor our ports any more. `NFVCERT_TREX_RESTART` is the command that does it."""
        command = os.environ.get("NFVCERT_TREX_RESTART")
        if gear is not None and not command:
            pytest.skip("NFVCERT_TREX_RESTART does not say how to start the server anew")
        assert undisturbed(generator, [STREAM])[0].received == 1000
        if gear is not None:
            subprocess.run(shlex.split(command or ""), check=True, timeout=60)
        assert undisturbed(generator, [STREAM])[0].received == 1000


class TestLinks:
    def test_a_port_without_a_link_is_told_before_anything_is_sent(
        self, generator: TrexGenerator, device: Tell, gear: Gear | None
    ) -> None:
        device("ip link set p0 down")
        time.sleep(1.5 if gear else 0)
        with pytest.raises(Unreachable, match=r"port tg0 \(port 0 of TRex at .*\) has no link"):
            generator.run([STREAM])


class TestLoss:
    @pytest.mark.parametrize(("every", "lost"), [(10, 100), (1000, 1)])
    def test_each_lost_frame_is_counted(self, generator: TrexGenerator, device: Tell, every: int, lost: int) -> None:
        drop(device, f"udp dport 9 numgen inc mod {every} == 0")
        (result,) = undisturbed(generator, [STREAM])
        assert (result.sent, result.lost, result.duplicates, result.reordered, result.invalid) == (1000, lost, 0, 0, ())

    def test_loss_is_counted_too_where_few_frames_are_numbered(self, generator: TrexGenerator, device: Tell) -> None:
        drop(device, "udp dport 9 numgen inc mod 100 == 0")
        (result,) = undisturbed(generator, [FASTER_THAN_SEQUENCED])
        assert (result.sent, result.lost, result.invalid) == (10_000, 100, ())
        assert result.latency is not None
        assert 380 <= sum(frames for _, frames in result.latency.histogram) <= 400

    def test_an_outage_is_a_gap(self, generator: TrexGenerator, device: Tell, gear: Gear | None) -> None:
        def cut() -> None:
            if gear is not None:
                time.sleep(0.2)
                drop(device, "udp dport 9")
                time.sleep(0.3)
                device("nft flush ruleset")

        (result,) = undisturbed(generator, [Stream("tg0", "tg1", 64, 2000, 1.0)], cut)
        assert result.invalid == ()
        assert result.longest_gap_s == pytest.approx(result.lost / 2000, abs=0.02)
        assert 0.28 < result.longest_gap_s < 0.45

    def test_loss_of_one_flow_is_of_that_flow(self, generator: TrexGenerator, device: Tell) -> None:
        """So the field engine does take the source ports in turn."""
        drop(device, "udp sport 4097")
        (result,) = undisturbed(generator, [Stream("tg0", "tg1", 64, 4000, 0.25, flows=5)])
        assert (result.sent, result.lost, result.invalid) == (1000, 200, ())


class TestOverload:
    def test_a_server_shows_what_its_ports_need_and_no_more(self, open_generator: Open) -> None:
        """It could send far more than it can receive: what it reaches then would say nothing."""
        ports = {name: TrexPort(name, number, 10e6) for number, name in enumerate(("tg0", "tg1"))}
        found = open_generator(ports=ports).calibrate()
        assert found.problems == ()
        for ceiling in found.ceiling_fps.values():
            assert 1.1 < ceiling / ports["tg0"].line_rate_fps(64) < 1.6

    def test_more_than_the_server_can_is_no_result(self, generator: TrexGenerator) -> None:
        """It would send all of it, later: the counters alone would show no loss, at a rate that never was."""
        asked = Stream("tg0", "tg1", 64, 1_000_000, 0.3)
        (result,) = generator.run([asked])
        assert result.offered_fps < 0.95 * asked.rate_fps
        reasons = "; ".join(result.invalid)
        assert "could not send" in reasons
        assert "at 1,000,000 pps in time, and was stopped" in reasons


class TestFrames:
    @pytest.mark.parametrize(
        ("vlan", "ip_version", "seen"),
        [(None, 4, "ip saddr 198.18.0.1"), (None, 6, "ip6 saddr 2001:2::0:1"), (100, 4, "vlan id 100")],
        ids=["ipv4", "ipv6", "vlan"],
    )
    def test_the_device_sees_what_was_meant(
        self, open_generator: Open, device: Tell, gear: Gear | None, vlan: int | None, ip_version: int, seen: str
    ) -> None:
        device(
            "nft add table bridge t;"
            " nft 'add chain bridge t c { type filter hook forward priority 0; }';"
            f" nft 'add rule bridge t c {seen} udp dport 9 counter'"
        )
        ports = {name: TrexPort(name, number, 10e9, vlan=vlan) for number, name in enumerate(("tg0", "tg1"))}
        generator = open_generator(ports=ports)
        stream = Stream("tg0", "tg1", 128, 2000, 0.25, ip_version=ip_version)  # type: ignore[arg-type]
        (result,) = undisturbed(generator, [stream])
        assert (result.sent, result.lost, result.invalid) == (500, 0, ())
        assert result.latency is not None
        if gear is not None:
            counted = int(device("nft list chain bridge t c").partition("packets ")[2].split()[0])
            assert counted >= 500

    def test_an_imix_is_streams_side_by_side(self, generator: TrexGenerator) -> None:
        """7 : 4 : 1 frames of 64, 570 and 1518 bytes."""
        imix = [Stream("tg0", "tg1", size, share * 200, 0.25) for size, share in ((64, 7), (570, 4), (1518, 1))]
        results = undisturbed(generator, imix)
        assert [(result.received, result.lost) for result in results] == [(350, 0), (200, 0), (50, 0)]

    def test_many_large_streams_travel_compressed(self, generator: TrexGenerator) -> None:
        streams = [Stream("tg0", "tg1", 1518, 200 + index, 0.25) for index in range(6)]
        results = undisturbed(generator, streams)
        assert [result.received for result in results] == [stream.frames for stream in streams]
        assert all(result.invalid == () for result in results)


class TestRouters:
    def test_a_gateway_is_asked_for_by_arp(self, open_generator: Open, device: Tell) -> None:
        device(
            "ip link set p0 nomaster; ip link set p1 nomaster; echo 1 > /proc/sys/net/ipv4/ip_forward;"
            " ip address replace 198.18.0.1/24 dev p0; ip address replace 198.18.1.1/24 dev p1"
        )
        ports = {
            f"tg{number}": TrexPort(
                f"tg{number}", number, 10e9, address=f"198.18.{number}.2/24", gateway=f"198.18.{number}.1"
            )
            for number in (0, 1)
        }
        try:
            (result,) = undisturbed(open_generator(ports=ports), [STREAM])
        finally:
            device(
                "ip address flush dev p0; ip address flush dev p1; ip link set p0 master br0; ip link set p1 master br0"
            )
        assert (result.sent, result.lost, result.invalid) == (1000, 0, ())

    def test_a_gateway_that_does_not_answer_is_told(self, open_generator: Open) -> None:
        ports = {
            "tg0": TrexPort("tg0", 0, 10e9, address="198.18.0.2/24", gateway="198.18.0.77"),
            "tg1": TrexPort("tg1", 1, 10e9),
        }
        with pytest.raises(LabError, match=r"router 198\.18\.0\.77 does not answer the ARP requests of TRex port 0"):
            open_generator(ports=ports).run([STREAM])
