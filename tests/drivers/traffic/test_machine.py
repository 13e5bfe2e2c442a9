"""What a machine tells of itself: this one, and made ones that have sensors."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from nfvcert.drivers.traffic.machine import MachineState, read_machine, strain


def made(root: Path, files: dict[str, str]) -> Path:
    """A machine with one line of /proc/stat and other files."""
    for name, text in {"proc/stat": "cpu  100 20 30 400 50 6 4 90 7 8\ncpu0 1 2 3\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_this_machine_tells_of_its_processors() -> None:
    before = read_machine()
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass
    told = strain(before, read_machine())
    assert 0 <= told["stolen"] < 1
    assert 0 <= told["interrupts"] < 1
    assert told.get("waited", 0) <= 1.1


def test_a_machine_with_sensors(tmp_path: Path) -> None:
    root = made(
        tmp_path,
        {
            "proc/self/schedstat": "9500000000 2500000000 1234\n",
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
            "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "4\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1200000\n",
            "sys/class/thermal/thermal_zone0/temp": "45000\n",
            "sys/class/thermal/thermal_zone1/temp": "61500\n",
            "sys/class/thermal/thermal_zone2/temp": "off\n",
        },
    )
    found = read_machine(root)
    assert (found.processors_s, found.stolen_s, found.interrupts_s) == pytest.approx((7.0, 0.9, 0.1))
    assert (found.waited_s, found.throttles, found.slowest_mhz, found.hottest_celsius) == (2.5, 7, 1200, 61.5)


def test_what_a_machine_does_not_tell_is_left_out(tmp_path: Path) -> None:
    found = read_machine(made(tmp_path, {}))
    assert (found.waited_s, found.throttles, found.slowest_mhz, found.hottest_celsius) == (None, None, None, None)
    assert set(strain(found, found)) == {"stolen", "interrupts"}


def test_strain_is_what_happened_between_two_looks() -> None:
    before = MachineState(10.0, 20.0, 1.0, 2.0, 3.0, 5, 2400.0, 60.0)
    after = MachineState(12.0, 24.0, 1.4, 2.2, 3.5, 6, 2000.0, 58.0)
    assert strain(before, after) == pytest.approx(
        {
            "stolen": 0.1,
            "interrupts": 0.05,
            "waited": 0.25,
            "throttles": 1,
            "slowest_mhz": 2000,
            "hottest_celsius": 60,
        }
    )
    assert "waited" not in strain(dataclasses.replace(before, waited_s=None), after)
