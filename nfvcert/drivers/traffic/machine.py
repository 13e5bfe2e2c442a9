"""How the measuring machine fared: whether its processors were taken away, busy with interrupts, or slowed down.

Read from /proc and /sys, since a worker on a host has nothing but Python and numpy. What a machine does not tell
(a guest no temperature) is left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MachineState", "read_machine", "strain"]


@dataclass(frozen=True)
class MachineState:
    """One look at a machine. Times are seconds of all its processors together, since it started."""

    at_s: float
    """CLOCK_MONOTONIC."""
    processors_s: float
    stolen_s: float
    """Of which a hypervisor gave the processors to others (`steal` of proc_stat(5))."""
    interrupts_s: float
    """Of which they served interrupts, hard and soft ones."""
    waited_s: float | None = None
    """Time in which this thread waited for a processor (run delay of /proc/self/schedstat)."""
    throttles: int | None = None
    """How often processors were slowed down since they were too hot (`core_throttle_count`)."""
    slowest_mhz: float | None = None
    """Frequency of the slowest processor now (`scaling_cur_freq`)."""
    hottest_celsius: float | None = None
    """Of all thermal zones, now."""


def read_machine(root: Path = Path("/")) -> MachineState:
    """Look at this machine, whose /proc and /sys are below ``root``."""
    ticks = [int(word) for word in (root / "proc/stat").read_text(encoding="ascii").split(maxsplit=11)[1:11]]
    second = os.sysconf("SC_CLK_TCK")
    cpus = root / "sys/devices/system/cpu"
    throttles = [*_numbers(cpus, "cpu[0-9]*/thermal_throttle/core_throttle_count")]
    frequencies = [*_numbers(cpus, "cpu[0-9]*/cpufreq/scaling_cur_freq")]
    zones = [*_numbers(root / "sys/class/thermal", "thermal_zone*/temp")]
    return MachineState(
        at_s=time.monotonic(),
        # Time of guests is in that of users already.
        processors_s=sum(ticks[:8]) / second,
        stolen_s=ticks[7] / second,
        interrupts_s=(ticks[5] + ticks[6]) / second,
        waited_s=_waited_s(root / "proc/self/schedstat"),
        throttles=sum(throttles) if throttles else None,
        slowest_mhz=min(frequencies) / 1e3 if frequencies else None,
        hottest_celsius=max(zones) / 1e3 if zones else None,
    )


def _numbers(folder: Path, pattern: str) -> Iterator[int]:
    for path in folder.glob(pattern):
        try:
            yield int(path.read_text(encoding="ascii"))
        except (OSError, ValueError):  # a sensor that is switched off
            continue


def _waited_s(path: Path) -> float | None:
    try:
        _ran_ns, waited_ns, _turns = path.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # a kernel without CONFIG_SCHED_INFO
        return None
    return int(waited_ns) / 1e9


def strain(before: MachineState, after: MachineState) -> Mapping[str, float]:
    """What happened between two looks: `stolen` and `interrupts` as shares of all processors' time, `waited` as share
    of the time; `throttles`, and the worse of both looks of `slowest_mhz` and `hottest_celsius`.
    """
    processors_s = max(after.processors_s - before.processors_s, 1e-9)
    told = {
        "stolen": (after.stolen_s - before.stolen_s) / processors_s,
        "interrupts": (after.interrupts_s - before.interrupts_s) / processors_s,
    }
    if before.waited_s is not None and after.waited_s is not None:
        told["waited"] = (after.waited_s - before.waited_s) / max(after.at_s - before.at_s, 1e-9)
    if before.throttles is not None and after.throttles is not None:
        told["throttles"] = after.throttles - before.throttles
    if before.slowest_mhz is not None and after.slowest_mhz is not None:
        told["slowest_mhz"] = min(before.slowest_mhz, after.slowest_mhz)
    if before.hottest_celsius is not None and after.hottest_celsius is not None:
        told["hottest_celsius"] = max(before.hottest_celsius, after.hottest_celsius)
    return {name: round(value, 4) for name, value in told.items()}
