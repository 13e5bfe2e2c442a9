"""Every fault is really there while it is seeded, and really gone afterwards."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nfvcert import embedded
from nfvcert.embedded import EmbeddedLab
from nfvcert.embedded.faultmarks import marks
from nfvcert.embedded.faults import FAULTS, seeded
from nfvcert.embedded.traffic_faults import LateFrames
from nfvcert.embedded.wiring import Site
from nfvcert.errors import LabError, Unreachable
from tests.embedded import frames
from tests.embedded.machine import another_process, inventory, run, set_link, until

HELLO_TIMEOUT_S = 5.0


def lost(lab: EmbeddedLab, tx: str = "tg0", rx: str = "tg1", *, count: int = 200, length: int = 128) -> int:
    return frames.run(lab, tx, rx, frames=count, fps=5000, length=length, listen=[rx]).lost(rx)


@pytest.fixture
def introduced(any_lab: EmbeddedLab) -> EmbeddedLab:
    frames.introduce(any_lab)
    return any_lab


@pytest.mark.parametrize("one_in", [10, 100])
def test_loss(introduced: EmbeddedLab, one_in: int) -> None:
    with seeded(introduced, "loss", one_in=one_in):
        assert lost(introduced) == 200 // one_in
        assert lost(introduced, "tg1", "tg0") == 200 // one_in
    assert lost(introduced) == 0


def test_loss_in_one_direction(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "loss", one_in=1, towards="tg1"):
        assert lost(introduced) == 200
        assert lost(introduced, "tg1", "tg0") == 0
    assert lost(introduced) == 0


def test_loss_of_one_frame_size(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "loss", one_in=2, frame_bytes=516):
        assert lost(introduced, length=512) == 100
        assert (lost(introduced, length=128), lost(introduced, length=1000)) == (0, 0)
    assert lost(introduced, length=512) == 0


def test_loss_that_comes_with_time(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "loss", one_in=1, after_bytes=100 * 128, towards="tg1"):
        seen = frames.run(introduced, "tg0", "tg1", frames=200, listen=["tg1"]).seen["tg1"]
        assert seen.numbers == list(range(len(seen.numbers)))
        assert 90 <= seen.distinct <= 100  # what else is said on the link counts too
        assert lost(introduced) == 200
    assert lost(introduced) == 0


def test_a_full_table_of_flows(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "flow-table", flows=100):
        seen = frames.run(introduced, "tg0", "tg1", frames=400, flows=200, listen=["tg1"]).seen["tg1"]
        assert seen.distinct == 200
        assert {number % 200 for number in seen.numbers} == set(range(100))
    assert frames.run(introduced, "tg0", "tg1", frames=400, flows=200, listen=["tg1"]).lost("tg1") == 0


def late_s(seen: frames.Run, port: str = "tg1") -> list[float]:
    """How long each frame that arrived took, by number."""
    return [at - seen.sent[number] for at, number in sorted(seen.seen[port].at, key=lambda each: each[1])]


def test_late_frames(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "late-frames", frames=3, of=10, late_s=0.05) as fault:
        seen = frames.run(introduced, "tg0", "tg1", frames=200, listen=["tg1"], settle_s=0.2)
        assert (seen.lost("tg1"), len(seen.seen["tg1"].at)) == (0, 200)
        late = [took for took in late_s(seen) if took > 0.045]
        assert len(late) == 60
        assert max(late) < 0.1
        assert seen.seen["tg1"].numbers != sorted(seen.seen["tg1"].numbers)
        assert max(late_s(frames.run(introduced, "tg1", "tg0", frames=200, listen=["tg0"]), "tg0")) < 0.045
    seen = frames.run(introduced, "tg0", "tg1", frames=200, listen=["tg1"])
    assert (seen.lost("tg1"), [took for took in late_s(seen) if took > 0.045]) == (0, [])
    assert isinstance(fault, LateFrames)
    assert 0.05 <= fault.latest_s < 0.1


def test_latency_spikes(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "latency-spikes", every_s=0.5, for_s=0.05, late_s=0.2):
        seen = frames.run(introduced, "tg0", "tg1", frames=1500, fps=1000, listen=["tg1"], settle_s=0.3)
    took = late_s(seen)
    assert seen.lost("tg1") == 0
    assert 80 < len([each for each in took if each > 0.19]) < 400
    assert sorted(took)[len(took) // 2] < 0.05
    assert lost(introduced) == 0


def test_rate_cap(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "rate-cap", fps=500, burst=20):
        seen = frames.run(introduced, "tg0", "tg1", frames=500, fps=2000, listen=["tg1"])
        duration_s = seen.sent[-1] - seen.sent[0]
        expected = 500 * duration_s + 20
        assert 0.7 * expected < seen.seen["tg1"].distinct < 1.3 * expected
        assert frames.run(introduced, "tg0", "tg1", frames=50, fps=250, listen=["tg1"]).lost("tg1") < 10
    assert lost(introduced) == 0


def test_slow_recovery(introduced: EmbeddedLab) -> None:
    """Half of the frames until 0.5 s after the last one that was too much, and all from then on."""
    with seeded(introduced, "slow-recovery", fps=500, for_s=0.5):
        assert frames.run(introduced, "tg0", "tg1", frames=100, fps=250, listen=["tg1"]).lost("tg1") == 0
        frames.run(introduced, "tg0", "tg1", frames=1000, fps=4000, listen=["tg1"])
        seen = frames.run(introduced, "tg0", "tg1", frames=300, fps=250, listen=["tg1"])
        late = sorted(set(range(300)) - set(seen.seen["tg1"].numbers))
        assert 10 < len(late) < 70
        assert max(late) < 150
    assert frames.run(introduced, "tg0", "tg1", frames=50, fps=250, listen=["tg1"]).lost("tg1") == 0


def test_a_spanning_tree_holds_a_switch_up_that_was_restarted(opco_ru: EmbeddedLab) -> None:
    reset = opco_ru.lab.dut.reset
    assert reset is not None
    frames.introduce(opco_ru)
    with seeded(opco_ru, "spanning-tree", host=reset.host):
        assert lost(opco_ru) == 0
        assert run(opco_ru, reset.host, reset.command) == (0, "")
        assert lost(opco_ru) == 200
        until(lambda: lost(opco_ru, count=20) == 0)
    assert run(opco_ru, reset.host, reset.command) == (0, "")
    frames.introduce(opco_ru)
    assert lost(opco_ru) == 0


def test_mtu_too_small(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "mtu", mtu=1400):
        assert lost(introduced, length=1414, count=50) == 0
        assert lost(introduced, length=1514, count=50) == 50
    assert lost(introduced, length=9014, count=20) == 0


def test_flapping_port(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "flap", port="tg1", every_s=0.2, down_s=0.1):
        seen = frames.run(introduced, "tg0", "tg1", frames=1200, fps=2000, listen=["tg1"])
        assert 0.2 < seen.lost("tg1") / 1200 < 0.8
        assert seen.outage_s("tg1") > 0.08
    frames.introduce(introduced)
    assert lost(introduced) == 0


def test_flapping_link_costs_little_where_there_is_a_backup(opco_ru: EmbeddedLab) -> None:
    frames.introduce(opco_ru)
    with seeded(opco_ru, "flap", port="trunk-1", every_s=0.2, down_s=0.1):
        seen = frames.run(opco_ru, "tg0", "tg1", frames=800, fps=1000, listen=["tg1"])
        assert seen.lost("tg1") < 100
        with Site(opco_ru.namespace("leaf-1")) as site:
            assert site.frames_sent()["trunk-2"] > 100
    assert lost(opco_ru) == 0


def test_flooding(opco_ru: EmbeddedLab) -> None:
    frames.introduce(opco_ru)
    with seeded(opco_ru, "flood"):
        frames.introduce(opco_ru)  # in vain
        seen = frames.run(opco_ru, "tg0", "tg1", frames=100)
        assert {name: its.distinct for name, its in seen.seen.items()} == {"tg1": 100, "tg2": 100, "tg3": 0, "tg4": 0}
    frames.introduce(opco_ru)
    seen = frames.run(opco_ru, "tg0", "tg1", frames=100)
    assert {name: its.distinct for name, its in seen.seen.items()} == {"tg1": 100, "tg2": 0, "tg3": 0, "tg4": 0}


def test_leaking_bridges(opco_ru: EmbeddedLab) -> None:
    with seeded(opco_ru, "leak"):
        seen = frames.run(opco_ru, "tg0", "tg1", frames=50, destination=frames.BROADCAST)
        assert {name: its.distinct for name, its in seen.seen.items()} == dict.fromkeys(
            ("tg1", "tg2", "tg3", "tg4"), 50
        )
        frames.introduce(opco_ru)
        assert lost(opco_ru, "tg0", "tg3") == 0
    frames.introduce(opco_ru)
    assert lost(opco_ru, "tg0", "tg3") == 200
    assert lost(opco_ru, "tg3", "tg4") == 0


def test_leaking_routers(opco_kz: EmbeddedLab) -> None:
    with seeded(opco_kz, "leak"):
        assert lost(opco_kz, "tg0", "tg2") == 0
        assert lost(opco_kz, "tg0", "tg3") == 0
        assert lost(opco_kz) == 0
    assert lost(opco_kz, "tg0", "tg2") == 200
    assert lost(opco_kz) == 0


def test_dead_backup(introduced: EmbeddedLab) -> None:
    redundancy = introduced.lab.dut.redundancy
    assert redundancy is not None
    with seeded(introduced, "no-failover"):
        assert lost(introduced) == 0
        set_link(introduced, redundancy.host, redundancy.primary, "down")
        time.sleep(0.05)
        assert lost(introduced) == 200
        set_link(introduced, redundancy.host, redundancy.primary, "up")
    time.sleep(0.1)
    frames.introduce(introduced)
    assert lost(introduced) == 0


def test_duplicates(introduced: EmbeddedLab) -> None:
    with seeded(introduced, "duplicates", one_in=10, towards="tg1"):
        seen = frames.run(introduced, "tg0", "tg1", frames=200, listen=["tg1"]).seen["tg1"]
        assert seen.distinct == 200
        assert len(seen.at) == 220
    seen = frames.run(introduced, "tg0", "tg1", frames=200, listen=["tg1"]).seen["tg1"]
    assert len(seen.at) == 200


def test_every_frame_twice(opco_ru: EmbeddedLab) -> None:
    frames.introduce(opco_ru)
    with seeded(opco_ru, "duplicates", one_in=1):
        seen = frames.run(opco_ru, "tg0", "tg1", frames=200, listen=["tg1"]).seen["tg1"]
        assert (seen.distinct, len(seen.at)) == (200, 400)


def test_slow_generator(opco_ru: EmbeddedLab) -> None:
    frames.introduce(opco_ru)
    with seeded(opco_ru, "slow-generator", port="tg0", bits_per_s=100_000):
        seen = frames.run(opco_ru, "tg0", "tg1", frames=500, fps=1000, length=1000, listen=["tg1"])
        assert seen.seen["tg1"].distinct < 100
        assert lost(opco_ru, "tg1", "tg0") == 0
    assert lost(opco_ru) == 0


def test_no_sshd(any_lab: EmbeddedLab) -> None:
    host = next(iter(any_lab.lab.hosts))
    with seeded(any_lab, "no-sshd", host=host):
        with pytest.raises(Unreachable, match=f"host {host} .* does not answer"):
            any_lab.connect(host, HELLO_TIMEOUT_S)
        assert not embedded.up(any_lab.lab).created, "broken on purpose: it is left as it is"
        assert lost(any_lab, "loop0", "loop1") == 0
    assert run(any_lab, host, "hostname") == (0, f"{host}\n")


def test_unreachable_host(opco_ru: EmbeddedLab) -> None:
    with seeded(opco_ru, "unreachable", host="compute-1"):
        begin = time.monotonic()
        with pytest.raises(Unreachable, match=r"does not answer in 0\.5 s"):
            opco_ru.connect("compute-1", 0.5)
        assert 0.4 < time.monotonic() - begin < 3
        assert run(opco_ru, "compute-2", "ping -c 1 -W 1 10.20.0.11 >/dev/null; echo $?") == (0, "1\n")
    assert run(opco_ru, "compute-2", "ping -c 1 -W 5 10.20.0.11 >/dev/null; echo $?") == (0, "0\n")


def test_unplugged_host(opco_ru: EmbeddedLab) -> None:
    with seeded(opco_ru, "unplugged", host="compute-1", network="storage"):
        assert run(opco_ru, "compute-2", "ping -c 1 -W 1 10.20.1.11 >/dev/null; echo $?") == (0, "1\n")
        assert run(opco_ru, "compute-2", "ping -c 1 -W 5 10.20.0.11 >/dev/null; echo $?") == (0, "0\n")
        assert "NO-CARRIER" in run(opco_ru, "compute-1", "ip link show storage")[1]
    assert run(opco_ru, "compute-2", "ping -c 1 -W 5 10.20.1.11 >/dev/null; echo $?") == (0, "0\n")


def test_changed_host_key(opco_ru: EmbeddedLab) -> None:
    import paramiko

    with seeded(opco_ru, "host-key", host="leaf-1"), pytest.raises(paramiko.BadHostKeyException):
        run(opco_ru, "leaf-1", "hostname")
    assert run(opco_ru, "leaf-1", "hostname") == (0, "leaf-1\n")


def test_a_fault_of_a_killed_process_is_not_blamed_on_the_next_release(opco_ru: EmbeddedLab) -> None:
    def seed_and_die() -> None:
        with seeded(opco_ru, "loss", one_in=2):
            os._exit(0)

    with another_process(seed_and_die) as pid:
        os.waitpid(pid, 0)
    assert lost(opco_ru) == 100
    assert list(marks(opco_ru.run_dir)) == ["loss"]
    again = embedded.up(inventory("opco-ru"))
    assert again.created
    assert lost(again) == 0


def test_misuse_is_said_in_words(opco_ru: EmbeddedLab, vendor_a: EmbeddedLab) -> None:
    with pytest.raises(LookupError, match=r"no fault is named 'los' .there are: loss, "), seeded(opco_ru, "los"):
        pass
    with pytest.raises(LookupError, match=r"no port 'tg9' .it has tg0, "), seeded(opco_ru, "loss", towards="tg9"):
        pass
    with pytest.raises(LookupError, match="no host 'leaf-9'"), seeded(opco_ru, "no-sshd", host="leaf-9"):
        pass
    with pytest.raises(LabError, match="lab vendor-a lacks Linux bridges"), seeded(vendor_a, "flood"):
        pass
    with seeded(opco_ru, "loss"), pytest.raises(LabError, match=r"loss is seeded .* already"), seeded(opco_ru, "loss"):
        pass
    assert marks(opco_ru.run_dir) == {}
    assert marks(vendor_a.run_dir) == {}


def test_every_fault_has_a_test() -> None:
    here = Path(__file__).parent
    tests = [here / "test_faults.py", here / "test_emulated.py", *(here.parent / "faults").rglob("*catalogue.py")]
    named = "".join(test.read_text() for test in tests)
    assert [name for name in FAULTS if f'"{name}"' not in named] == []
