"""What the device counts at the far end of the generator's cable, on a real bench."""

from __future__ import annotations

import dataclasses
import re

import pytest

from nfvcert.drivers.traffic.cable import CountedByDevice
from nfvcert.drivers.traffic.software import SoftwareGenerator
from nfvcert.errors import LabError
from nfvcert.measure.counter import FrameCounter
from nfvcert.protocols import Completed, Stream
from tests.drivers.traffic.bench import Bench
from tests.drivers.traffic.contracts import undisturbed

STREAM = Stream("tg0", "tg1", 64, 2000, 0.4)
COUNTER = "ip -json -stats link show p0 | python3 -c 'import json, sys; {}'".format(
    'print(json.load(sys.stdin)[0]["stats64"]["rx"]["packets"])'
)


class OnTheDevice:
    """Commands in the namespace of the bench's device."""

    host = "dut"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.asked = 0

    def run(self, command: str, *, timeout_s: float = 30.0, check: bool = True, stdin: str = "") -> Completed:
        del timeout_s, check, stdin
        self.asked += 1
        return Completed(self.host, command, 0, self._bench.device(command), "", 0.0)

    def close(self) -> None:
        pass


@pytest.fixture
def device(bench: Bench) -> OnTheDevice:
    return OnTheDevice(bench)


def counted(generator: SoftwareGenerator, device: OnTheDevice, command: str = COUNTER) -> CountedByDevice:
    return CountedByDevice(generator, {"tg0": FrameCounter(device, command, late_s=0.5)})


def test_what_reached_the_device_is_vouched_for(generator: SoftwareGenerator, device: OnTheDevice) -> None:
    with_counter = counted(generator, device)
    result = undisturbed(with_counter, [STREAM])[0]
    assert result.lost == 0
    assert result.invalid == ()
    assert with_counter.calibrate() is generator.calibrate()
    (told,) = with_counter.describe()
    assert re.fullmatch(r"tg0: [1-9][\d,]* frames came in so far", told)


def test_a_loss_of_the_device_stays_one(generator: SoftwareGenerator, bench: Bench, device: OnTheDevice) -> None:
    bench.drop("numgen inc mod 10 == 0")
    result = undisturbed(counted(generator, device), [STREAM])[0]
    assert result.lost == pytest.approx(80, abs=2)
    assert result.invalid == ()


def test_what_is_lost_before_the_device_is_not_its_loss(
    generator: SoftwareGenerator, bench: Bench, device: OnTheDevice
) -> None:
    bench.do(
        "tg0",
        "nft add table netdev lie;"
        """ nft 'add chain netdev lie c { type filter hook egress device "tg0" priority 0; }';"""
        """ nft 'add rule netdev lie c numgen inc mod 10 == 0 fwd to "lo"'""",
    )
    other = dataclasses.replace(STREAM, tx="tg1", rx="tg0")
    try:
        lying, healthy = counted(generator, device).run([STREAM, other])
    finally:
        bench.do("tg0", "nft delete table netdev lie")
    (told,) = (reason for reason in lying.invalid if "at the device's end of tg0" in reason)
    found = re.fullmatch(r"sent (\d+) frames by its own count, and (\d+) came in at the device's end of tg0", told)
    assert found is not None
    assert int(found[1]) == lying.sent
    assert int(found[2]) == pytest.approx(0.9 * lying.sent, abs=5)  # with those by which the device learns
    assert not any("device's end" in reason for reason in healthy.invalid)


def test_a_counter_that_lags_behind_is_waited_for(generator: SoftwareGenerator, device: OnTheDevice) -> None:
    behind = iter([0, 0, 100, 100_000])
    late = counted(generator, device)
    late._counters["tg0"].read = lambda: next(behind)  # type: ignore[method-assign]
    (result,) = late.run([STREAM])
    assert not any("device's end" in reason for reason in result.invalid)
    assert next(behind, None) is None


def test_a_counter_that_begins_anew_tells_nothing(generator: SoftwareGenerator, device: OnTheDevice) -> None:
    behind = iter([10_000, *[0] * 10])
    anew = counted(generator, device)
    anew._counters["tg0"].read = lambda: next(behind)  # type: ignore[method-assign]
    (result,) = anew.run([STREAM])
    assert "sent frames at tg0 while the device began to count anew there" in result.invalid


def test_a_device_that_is_disturbed_meanwhile_is_not_asked(generator: SoftwareGenerator, device: OnTheDevice) -> None:
    counted(generator, device).run([STREAM], during=lambda: None)
    assert device.asked == 0


def test_a_port_that_nobody_counts_is_not_asked_about(generator: SoftwareGenerator, device: OnTheDevice) -> None:
    counted(generator, device).run([dataclasses.replace(STREAM, tx="tg1", rx="tg0")])
    assert device.asked == 0


def test_a_command_that_prints_no_number_is_named(generator: SoftwareGenerator, device: OnTheDevice) -> None:
    with pytest.raises(LabError) as error:
        counted(generator, device, "echo many").run([STREAM])
    assert "must print a number, and prints 'many' on dut" in str(error.value)
    assert "see counted_by in the inventory: echo many" in str(error.value)
