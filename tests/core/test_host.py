"""What a host tells, understood: nothing passes on an answer that was not given."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.errors import InvalidMeasurement
from nfvcert.lab import Platform
from nfvcert.measure.host import (
    ASPECTS,
    ClockReading,
    HostLoad,
    Load,
    clock_offsets,
    deviations,
    kernel_errors,
    load,
    platform_facts,
    undeclared,
    usage,
    wakeup_latency_p99,
)

PRINTED = """\
threads=0-1,18-19
isolated_cpus=2-17
memory_kib=263000000
cpu_model=Some CPU
numa_nodes=2
kernel=6.1.0-28-amd64
microcode=0xd0003e7
hugepages 1048576kB=100
hugepages 2048kB=0
"""
FIRMWARE = {"bios": "2.19.1", "nic": "8.30"}
WHOLE = Platform(
    threads=20,
    memory_kib=263000000,
    cpu_model="Some CPU",
    numa_nodes=2,
    hugepages={"1048576kB": 100},
    isolated_cpus="2-17",
    kernel="6.1.0-28-amd64",
    microcode="0xd0003e7",
    firmware=FIRMWARE,
)


def deviating(platform: Platform, printed: str = PRINTED, firmware: dict[str, str] | None = FIRMWARE) -> list[str]:
    return [each.aspect for each in deviations(platform, platform_facts(printed, firmware)) if each.deviates]


def test_a_host_that_is_as_declared_deviates_in_nothing() -> None:
    assert deviating(WHOLE) == []
    assert undeclared(WHOLE) == []


@pytest.mark.parametrize(
    ("before", "after", "aspect"),
    [
        ("threads=0-1,18-19", "threads=0-1", "threads"),
        ("memory_kib=263000000", "memory_kib=262999999", "memory_kib"),
        ("cpu_model=Some CPU", "cpu_model=Some CPU 2", "cpu_model"),
        ("numa_nodes=2", "numa_nodes=1", "numa_nodes"),
        ("1048576kB=100", "1048576kB=99", "hugepages 1048576kB"),
        ("hugepages 2048kB=0", "hugepages 2048kB=5", "hugepages 2048kB"),
        ("isolated_cpus=2-17", "isolated_cpus=", "isolated_cpus"),
        ("kernel=6.1.0-28-amd64", "kernel=6.1.0-27-amd64", "kernel"),
        ("microcode=0xd0003e7", "microcode=0xd0003e7 0xd0003e6", "microcode"),
    ],
)
def test_each_deviation_is_found(before: str, after: str, aspect: str) -> None:
    assert aspect in deviating(WHOLE, PRINTED.replace(before, after))


def test_firmware_that_differs_or_is_not_told_deviates() -> None:
    assert deviating(WHOLE, firmware={"bios": "2.19.1", "nic": "8.30, 8.20"}) == ["firmware nic"]
    assert deviating(WHOLE, firmware={"nic": "8.30"}) == ["firmware bios"]
    assert deviating(WHOLE, firmware=None) == ["firmware bios", "firmware nic"]


def test_a_host_that_tells_nothing_deviates_in_all() -> None:
    compared = deviations(WHOLE, platform_facts("", None))
    assert all(each.deviates for each in compared)
    assert {each.aspect.partition(" ")[0] for each in compared} == set(ASPECTS)


def test_what_is_not_declared_is_counted_and_none_can_be_declared() -> None:
    least = Platform(threads=20, memory_kib=1)
    assert undeclared(least) == [aspect for aspect in ASPECTS if aspect not in {"threads", "memory_kib"}]
    none = Platform(threads=4, memory_kib=1, hugepages={}, isolated_cpus="")
    assert deviating(none, "threads=0-3\nisolated_cpus=\nmemory_kib=1\nhugepages 2048kB=0\n") == []
    assert deviating(none, "threads=0-3\nmemory_kib=1\n") == ["isolated_cpus"], "no such file is no answer"
    assert deviating(none, "threads=0-3\nisolated_cpus=\nmemory_kib=1\nhugepages 2048kB=1\n") == ["hugepages 2048kB"]


@given(st.text())
def test_whatever_a_host_prints_is_refused_or_deviates(printed: str) -> None:
    with suppress(InvalidMeasurement):
        assert deviating(WHOLE, printed, None)
    for understand in (load, usage, wakeup_latency_p99):
        with pytest.raises(InvalidMeasurement):
            understand(printed)


# ── load ──

SYSBENCH = "    total number of events:              4017\nprocessor time 0.900 0.100 of 2.000\n"


def test_a_load_is_told_by_processor_time() -> None:
    told = load(SYSBENCH)
    assert (told.events, told.cpu_seconds, told.seconds) == (4017, 1.0, 2.0)
    assert told.per_cpu_second == 4017


@pytest.mark.parametrize("broken", [SYSBENCH.replace("4017", "0"), SYSBENCH.replace("0.900 0.100", "0.000 0.000")])
def test_a_load_that_did_nothing_measures_nothing(broken: str) -> None:
    with pytest.raises(InvalidMeasurement, match="did nothing"):
        load(broken)


def stat(pid: int, seconds: float, started: int = 7, ended_children: int = 0) -> str:
    return f"{pid} S 1 1 1 0 -1 4 0 0 0 0 {seconds * 100:.0f} 0 {ended_children} 0 20 0 1 0 {started} 0 0"


def looked(uptime: float, *processes: str) -> str:
    return "\n".join([f"ticks 100 uptime {uptime}", *processes])


def test_time_that_others_take_is_counted_process_by_process() -> None:
    before = usage(looked(10.0, stat(1, 5.0), stat(2, 1.0)))
    # 1 used a second, 2 ended and its number is another's by now, 3 is new; children of 1 that ended are not its own.
    after = usage(looked(12.0, stat(1, 6.0, ended_children=900), stat(2, 0.5, started=1100), stat(3, 0.25)))
    assert after.taken_since(before) == pytest.approx(1.75)
    ratio = HostLoad(threads=2, load=Load(1, 2.0, 2.0), taken_s=1.75, span_s=2.0)
    assert ratio.taken_ratio == pytest.approx(0.4375)
    assert ratio.obtained_ratio == pytest.approx(0.5)


def test_a_host_that_shows_no_process_shows_nobody_innocent() -> None:
    with pytest.raises(InvalidMeasurement, match="no process"):
        usage(looked(10.0))


# ── how late a thread wakes ──


def cyclictest(*threads: dict[str, object]) -> str:
    return "# /dev/cpu_dma_latency set to 0us\n" + json.dumps({"thread": dict(enumerate(threads))})


def test_the_percentile_is_of_all_threads_together() -> None:
    quick = {"cycles": 100, "max": 9, "histogram": {"9": 100}}
    late = {"cycles": 100, "max": 5000, "histogram": {"9": 97, "5000": 3}}
    assert wakeup_latency_p99(cyclictest(quick, quick)) == pytest.approx(9e-6)
    assert wakeup_latency_p99(cyclictest(quick, late)) == pytest.approx(5000e-6)


def test_what_is_beyond_the_histogram_is_not_taken_for_good() -> None:
    beyond = {"cycles": 100, "max": 900_000, "histogram": {"9": 98}}
    assert wakeup_latency_p99(cyclictest(beyond)) == pytest.approx(0.9)


@pytest.mark.parametrize("threads", [(), ({"cycles": 0, "max": 0, "histogram": {}},), ({"cycles": 1, "max": 0},)])
def test_threads_that_never_woke_have_no_latency(threads: tuple[dict[str, object], ...]) -> None:
    with pytest.raises(InvalidMeasurement):
        wakeup_latency_p99(cyclictest(*threads))


# ── the kernel's messages ──


@pytest.mark.parametrize(
    "line",
    [
        "[1.0] mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: 8c00004000010092",
        "[1.0] Out of memory: Killed process 1234 (qemu-kvm)",
        "[1.0] BUG: unable to handle page fault for address: 0000",
        "[1.0] watchdog: BUG: soft lockup - CPU#3 stuck for 22s!",
        "[1.0] INFO: task kworker/1:2:99 blocked for more than 120 seconds.",
        "[1.0] EXT4-fs error: I/O error while writing superblock",
        "[1.0] EDAC MC0: 1 CE memory read error on CPU_SrcID#0",
        "[1.0] NETDEV WATCHDOG: eth0 (i40e): transmit queue 1 timed out",
    ],
)
def test_errors_are_found_among_what_is_usual(line: str) -> None:
    usual = "[0.0] Linux version 6.1.0\n[0.1] mce: CPU0: Thermal monitoring enabled (TM1)\n"
    assert kernel_errors(usual + line) == [line]


def test_boot_messages_of_a_healthy_host_are_none() -> None:
    usual = """[0.0] Linux version 6.1.0
[0.1] MCE: In-kernel MCE decoding enabled.
[0.2] mce: CPU supports 32 MCE banks
[0.3] EDAC MC: Ver: 3.0.0
[0.4] pcieport 0000:00:01.0: AER: enabled with IRQ 24
[0.5] RAS: Correctable Errors collector initialized.
[0.6] mce: Using 32 MCE banks
[0.7] rcu: Hierarchical RCU implementation."""
    assert kernel_errors(usual) == []


@pytest.mark.parametrize("empty", ["", "\n \n"])
def test_an_empty_log_tells_of_no_health(empty: str) -> None:
    with pytest.raises(InvalidMeasurement, match="empty"):
        kernel_errors(empty)


# ── clocks ──


def reading(offset: float, round_trip: float = 0.002) -> list[ClockReading]:
    return [ClockReading(1000.0 + offset + round_trip / 2, 1000.0, 1000.0 + round_trip)]


def test_the_one_clock_that_is_off_is_found() -> None:
    found = clock_offsets({"a": reading(0.0), "b": reading(2.0), "c": reading(0.001)}, 0.05)
    assert found["b"].offset_s == pytest.approx(2.0, abs=0.002)
    assert found["a"].offset_s < 0.002
    assert found["b"].estimate.low > 1.9


@pytest.mark.parametrize("hosts", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_where_all_hosts_differ_from_us_nobody_is_right(hosts: list[str]) -> None:
    with pytest.raises(InvalidMeasurement, match="clock of this machine"):
        clock_offsets({host: reading(30.0) for host in hosts}, 0.05)


def test_the_only_host_is_compared_with_us_in_full() -> None:
    assert clock_offsets({"a": reading(0.04)}, 0.05)["a"].offset_s == pytest.approx(0.04)


def test_the_shortest_round_trip_counts_and_a_long_one_decides_nothing() -> None:
    both = [*reading(0.0, round_trip=3.0), *reading(0.0)]
    assert clock_offsets({"a": both, "b": both}, 0.05)["a"].uncertainty_s == pytest.approx(0.001)
    slow = clock_offsets({"a": reading(0.0, 3.0), "b": reading(0.0, 3.0)}, 0.05)["a"].estimate
    assert slow.high >= 1.5


def test_no_clock_is_no_measurement() -> None:
    with pytest.raises(InvalidMeasurement, match="no host told"):
        clock_offsets({}, 0.05)
    with pytest.raises(InvalidMeasurement, match="a did not tell"):
        clock_offsets({"a": []}, 0.05)
