"""Compute hosts have the hardware that they emulate; each of their faults is there while seeded, and gone after."""

from __future__ import annotations

import time

import pytest

from nfvcert.embedded import EmbeddedLab, bmc
from nfvcert.embedded.faults import seeded
from nfvcert.errors import LabError
from tests.embedded.machine import run

MEMORY = "grep MemTotal /proc/meminfo"
HUGEPAGES = "cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"


def printed(lab: EmbeddedLab, command: str, host: str = "compute-2") -> str:
    return run(lab, host, command)[1].strip()


def test_a_host_has_what_it_emulates(opco_ru: EmbeddedLab) -> None:
    assert printed(opco_ru, "nproc") == "2"
    assert printed(opco_ru, MEMORY).split() == ["MemTotal:", "264000000", "kB"]
    assert printed(opco_ru, HUGEPAGES) == "65536"
    assert len(printed(opco_ru, "cat /dev/kmsg").splitlines()) == 1


@pytest.mark.parametrize(
    ("fault", "command", "during", "healthy"),
    [
        ("fewer-cpus", "nproc", "1", "2"),
        ("less-memory", f"{MEMORY} | tr -dc 0-9", "256000000", "264000000"),
        ("no-hugepages", HUGEPAGES, "0", "65536"),
        ("kernel-error", "grep -c 'Hardware Error' /dev/kmsg", "1", "0"),
    ],
)
def test_a_fault_is_there_and_gone(opco_ru: EmbeddedLab, fault: str, command: str, during: str, healthy: str) -> None:
    assert printed(opco_ru, command) == healthy
    with seeded(opco_ru, fault, host="compute-2"):
        assert printed(opco_ru, command) == during
        assert printed(opco_ru, command, "compute-1") == healthy, "of one host only"
    assert printed(opco_ru, command) == healthy


def test_a_hog_takes_time_and_ends(opco_ru: EmbeddedLab) -> None:
    hogs = "ps -o args= -C sh | grep -c '[w]hile :; do'"
    with seeded(opco_ru, "cpu-hog", host="compute-2"):
        assert printed(opco_ru, hogs) == "2"
    assert printed(opco_ru, hogs) == "0"


def test_a_bmc_flaps_and_is_left_in_order(opco_ru: EmbeddedLab) -> None:
    with seeded(opco_ru, "flapping-bmc", host="compute-2", every_s=0.2, down_s=0.1):
        seen = set()
        for _ in range(50):
            seen.add(bmc.told_firmware(opco_ru.run_dir)["compute-2"] is None)
            time.sleep(0.02)
        assert seen == {True, False}
    assert bmc.told_firmware(opco_ru.run_dir)["compute-2"]


@pytest.mark.parametrize("fault", ["fewer-cpus", "less-memory", "no-hugepages", "kernel-error", "flapping-bmc"])
def test_what_a_host_does_not_emulate_cannot_break(opco_ru: EmbeddedLab, fault: str) -> None:
    with pytest.raises(LabError, match="does not emulate"), seeded(opco_ru, fault, host="leaf-1"):
        pass
    with pytest.raises(LookupError, match="no host 'compute-9'"), seeded(opco_ru, fault, host="compute-9"):
        pass


@pytest.mark.parametrize(("fault", "more"), [("fewer-cpus", {"cpus": 2}), ("less-memory", {"memory_kib": 264000000})])
def test_a_fault_that_changes_nothing_is_refused(opco_ru: EmbeddedLab, fault: str, more: dict[str, int]) -> None:
    with pytest.raises(LookupError, match="name a smaller number"), seeded(opco_ru, fault, host="compute-2", **more):
        pass
