"""How much storage does in its steady state, how soon, and how it bears a load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import KpiRecorder, Parameters, fio

if TYPE_CHECKING:
    from suites.storage.conftest import Steady, Target

pytestmark = [
    pytest.mark.storage,
    pytest.mark.small,
    pytest.mark.covers("disk-drive", "disk-controller", "storage-firmware", "storage", "driver-host"),
    # The disks of an embedded lab are served by the processors of this machine, on which other tests measure.
    pytest.mark.claims("shares", exclusive=True, every=True),
]
MIB = 1024 * 1024
READ_LATENCIES = tuple(f"storage.target.read_latency_{name}" for name in ("p50", "p99", "p999"))
WRITE_LATENCIES = tuple(f"storage.target.write_latency_{name}" for name in ("p50", "p99", "p999"))


@pytest.mark.measures("storage.target.read_iops", *READ_LATENCIES)
@pytest.mark.expected_seconds(10)
def test_random_reads(parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Operations per second and their latency, in the steady state (SNIA SSS PTS, IOPS and latency tests)."""
    figures = {
        "storage.target.read_iops": lambda done: done.directions["read"].iops,
        "storage.target.read_latency_p50": lambda done: done.directions["read"].latency_s["p50"],
        "storage.target.read_latency_p99": lambda done: done.directions["read"].latency_s["p99"],
        "storage.target.read_latency_p999": lambda done: done.directions["read"].latency_s["p99.9"],
    }
    steady.sample(kpi, figures, "randread", parameters.fio_block_bytes)


@pytest.mark.measures("storage.target.write_iops", *WRITE_LATENCIES)
@pytest.mark.expected_seconds(7)
def test_random_writes(parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Operations per second and their latency, in the steady state (SNIA SSS PTS, IOPS and latency tests)."""
    figures = {
        "storage.target.write_iops": lambda done: done.directions["write"].iops,
        "storage.target.write_latency_p50": lambda done: done.directions["write"].latency_s["p50"],
        "storage.target.write_latency_p99": lambda done: done.directions["write"].latency_s["p99"],
        "storage.target.write_latency_p999": lambda done: done.directions["write"].latency_s["p99.9"],
    }
    steady.sample(kpi, figures, "randwrite", parameters.fio_block_bytes)


@pytest.mark.measures("storage.target.read_iops", "storage.target.write_iops")
@pytest.mark.expected_seconds(7)
def test_mixed_reads_and_writes(parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Operations per second of 70 % reads and 30 % writes at random places, in the steady state."""
    figures = {
        "storage.target.read_iops": lambda done: done.directions["read"].iops,
        "storage.target.write_iops": lambda done: done.directions["write"].iops,
    }
    steady.sample(kpi, figures, "randrw", parameters.fio_block_bytes)


@pytest.mark.measures("storage.target.read_bandwidth")
@pytest.mark.expected_seconds(7)
def test_sequential_reads(parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Bytes per second from the start to the end, in the steady state (SNIA SSS PTS, throughput test)."""
    figures = {"storage.target.read_bandwidth": lambda done: done.directions["read"].bytes_per_s}
    steady.sample(kpi, figures, "read", parameters.fio_stream_block_bytes)


@pytest.mark.measures("storage.target.write_bandwidth")
@pytest.mark.expected_seconds(7)
def test_sequential_writes(parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Bytes per second from the start to the end, in the steady state (SNIA SSS PTS, throughput test)."""
    figures = {"storage.target.write_bandwidth": lambda done: done.directions["write"].bytes_per_s}
    steady.sample(kpi, figures, "write", parameters.fio_stream_block_bytes)


@pytest.mark.measures("storage.target.stall_duration", "storage.target.error_ratio")
@pytest.mark.expected_seconds(12)
def test_a_load_is_borne(targets: list[Target], parameters: Parameters, kpi: KpiRecorder) -> None:
    """Filled, then 70 % reads and 30 % writes for some time: none fails, and none has to wait too long."""
    block_bytes, depth = min(parameters.fio_block_bytes), max(parameters.fio_depths)
    for target in targets:
        span = target.span(parameters.fio_fill_bytes_max)
        filled = target.run(fio.Job("write", MIB, 4, span, goes_on=True))
        mixed = fio.Job("randrw", block_bytes, depth, span, seconds=parameters.fio_load_seconds, goes_on=True)
        borne = target.run(mixed)
        conditions = {**target.conditions, "pattern": "randrw", "block_bytes": block_bytes, "depth": depth}
        done = filled.operations + borne.operations
        errors = filled.errors + borne.errors + (0 if filled.errors else (span - filled.bytes) // MIB)
        kpi.measure("storage.target.error_ratio", errors / max(done, errors), **conditions, operations=done)
        waits = [each.latency_s["max"] for each in borne.directions.values()]
        if waits:  # else no operation at all was completed, of which the ratio tells
            kpi.measure("storage.target.stall_duration", max(waits), **conditions)
