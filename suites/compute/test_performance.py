"""How much a host computes, and how soon."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nfvcert.suite import (
    HostLoad,
    KpiRecorder,
    Parameters,
    Shell,
    load,
    memory_command,
    wakeup_command,
    wakeup_latency_p99,
)

pytestmark = [
    pytest.mark.compute,
    pytest.mark.small,
    # What loads the processors of an embedded lab loads those of this machine, on which other tests measure.
    pytest.mark.claims("shares", exclusive=True, every=True),
]
BUFFER_BYTES = 64 * 1024 * 1024
Loads = Callable[[str], tuple[HostLoad, HostLoad]]


@pytest.mark.covers("cpu", "bios", "host-os", "motherboard")
@pytest.mark.measures(
    "compute.cpu.score", "compute.cpu.scaling_ratio", "compute.cpu.taken_ratio", "compute.cpu.obtained_ratio"
)
@pytest.mark.expected_seconds(10)
def test_processors(hosts: list[str], loads: Loads, kpi: KpiRecorder) -> None:
    """Work per second of processor time, alone and on all processors, and who else uses them.

    By processor time, since what the machine below gives to others says nothing of this host.
    """
    for host in hosts:
        one, every = loads(host)
        conditions: dict[str, str | int] = {"host": host, "threads": every.threads}
        kpi.note(host=host, one=vars(one.load), all=vars(every.load), taken_s=every.taken_s)
        kpi.measure("compute.cpu.score", one.load.per_cpu_second, host=host, threads=1)
        kpi.measure("compute.cpu.scaling_ratio", every.load.per_cpu_second / one.load.per_cpu_second, **conditions)
        kpi.measure("compute.cpu.taken_ratio", every.taken_ratio, **conditions)
        kpi.measure("compute.cpu.obtained_ratio", every.obtained_ratio, **conditions)


@pytest.mark.covers("cpu", "bios", "motherboard")
@pytest.mark.measures("compute.memory.write_bandwidth")
@pytest.mark.expected_seconds(6)
def test_memory(hosts: list[str], shell: Callable[[str], Shell], parameters: Parameters, kpi: KpiRecorder) -> None:
    """Bytes that one thread writes to memory in a second of processor time (sysbench memory)."""
    seconds = parameters.compute_load_seconds
    for host in hosts:
        ended = shell(host).run(memory_command(seconds), timeout_s=seconds * 5 + 30, check=False)
        done = load(ended.stdout + ended.stderr)
        kpi.measure("compute.memory.write_bandwidth", done.per_cpu_second * BUFFER_BYTES, host=host)


@pytest.mark.covers("host-os", "bios", "cpu")
@pytest.mark.measures("compute.scheduling.wakeup_latency")
@pytest.mark.expected_seconds(6)
def test_threads_wake_in_time(
    hosts: list[str], shell: Callable[[str], Shell], parameters: Parameters, kpi: KpiRecorder
) -> None:
    """How late threads of ordinary priority wake from a sleep of 1 ms, 99th percentile (cyclictest)."""
    for host in hosts:
        threads = int(shell(host).run("nproc").stdout)
        command = wakeup_command(threads, parameters.compute_wakeups)
        timeout_s = parameters.compute_wakeups * 0.01 + 30

        def take(host: str = host, command: str = command, timeout_s: float = timeout_s) -> float:
            ended = shell(host).run(command, timeout_s=timeout_s, check=False)
            return wakeup_latency_p99(ended.stdout + ended.stderr)

        kpi.sample("compute.scheduling.wakeup_latency", take, first=1, host=host, threads=threads)
