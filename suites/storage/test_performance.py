"""How much storage does in its steady state, how soon, and how it bears a load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import KpiRecorder, Parameters, fio

if TYPE_CHECKING:
    from suites.storage.conftest import Target

pytestmark = [
    pytest.mark.storage,
    pytest.mark.small,
    pytest.mark.covers("disk-drive", "disk-controller", "storage-firmware", "storage", "driver-host"),
    # The disks of an embedded lab are served by the processors of this machine, on which other tests measure.
    pytest.mark.claims("shares", exclusive=True, every=True),
]
Steady = Callable[..., fio.Done]
LATENCIES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}


def _cases(parameters: Parameters, blocks: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    for block_bytes in blocks:
        for depth in parameters.fio_depths:
            yield block_bytes, depth


def _random(
    direction: str, pattern: str, targets: list[Target], parameters: Parameters, steady: Steady, kpi: KpiRecorder
) -> None:
    """Operations and latencies of reads, or of writes, alone."""
    names = [f"storage.target.{direction}_iops", *(f"storage.target.{direction}_latency_{name}" for name in LATENCIES)]
    for target in targets:
        for block_bytes, depth in _cases(parameters, parameters.fio_block_bytes):

            def take(target: Target = target, block_bytes: int = block_bytes, depth: int = depth) -> list[float]:
                done = steady(target, pattern, block_bytes, depth)
                kpi.note(**target.conditions, pattern=pattern, window=str(done.window), fio=done.version)
                found = done.directions[direction]
                return [found.iops, *(found.latency_s[name] for name in LATENCIES.values())]

            conditions: dict[str, str | int] = {"pattern": pattern, "block_bytes": block_bytes, "depth": depth}
            kpi.sample(names, take, first=1, **target.conditions, **conditions)


@pytest.mark.measures(
    "storage.target.read_iops",
    *(f"storage.target.read_latency_{name}" for name in LATENCIES),
)
@pytest.mark.expected_seconds(12)
def test_random_reads(targets: list[Target], parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Operations per second and their latency, in the steady state (SNIA SSS PTS, IOPS and latency tests)."""
    _random("read", "randread", targets, parameters, steady, kpi)


@pytest.mark.measures(
    "storage.target.write_iops",
    *(f"storage.target.write_latency_{name}" for name in LATENCIES),
)
@pytest.mark.expected_seconds(10)
def test_random_writes(targets: list[Target], parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Operations per second and their latency, in the steady state (SNIA SSS PTS, IOPS and latency tests)."""
    _random("write", "randwrite", targets, parameters, steady, kpi)


@pytest.mark.measures("storage.target.read_iops", "storage.target.write_iops")
@pytest.mark.expected_seconds(8)
def test_mixed_reads_and_writes(
    targets: list[Target], parameters: Parameters, steady: Steady, kpi: KpiRecorder
) -> None:
    """Operations per second of 70 % reads and 30 % writes at random places, in the steady state."""
    for target in targets:
        for block_bytes, depth in _cases(parameters, parameters.fio_block_bytes):

            def take(target: Target = target, block_bytes: int = block_bytes, depth: int = depth) -> list[float]:
                done = steady(target, "randrw", block_bytes, depth)
                return [done.directions[each].iops for each in ("read", "write")]

            conditions: dict[str, str | int] = {"pattern": "randrw", "block_bytes": block_bytes, "depth": depth}
            names = ["storage.target.read_iops", "storage.target.write_iops"]
            kpi.sample(names, take, first=1, **target.conditions, **conditions)


def _sequential(
    direction: str, targets: list[Target], parameters: Parameters, steady: Steady, kpi: KpiRecorder
) -> None:
    for target in targets:
        for block_bytes, depth in _cases(parameters, parameters.fio_stream_block_bytes):

            def take(target: Target = target, block_bytes: int = block_bytes, depth: int = depth) -> float:
                return steady(target, direction, block_bytes, depth).directions[direction].bytes_per_s

            conditions: dict[str, str | int] = {"pattern": direction, "block_bytes": block_bytes, "depth": depth}
            kpi.sample(f"storage.target.{direction}_bandwidth", take, first=1, **target.conditions, **conditions)


@pytest.mark.measures("storage.target.read_bandwidth")
@pytest.mark.expected_seconds(8)
def test_sequential_reads(targets: list[Target], parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Bytes per second from the start to the end, in the steady state (SNIA SSS PTS, throughput test)."""
    _sequential("read", targets, parameters, steady, kpi)


@pytest.mark.measures("storage.target.write_bandwidth")
@pytest.mark.expected_seconds(8)
def test_sequential_writes(targets: list[Target], parameters: Parameters, steady: Steady, kpi: KpiRecorder) -> None:
    """Bytes per second from the start to the end, in the steady state (SNIA SSS PTS, throughput test)."""
    _sequential("write", targets, parameters, steady, kpi)


@pytest.mark.measures("storage.target.stall_duration", "storage.target.error_ratio")
@pytest.mark.expected_seconds(12)
def test_a_load_is_borne(
    targets: list[Target], filled: Callable[[Target], int], parameters: Parameters, kpi: KpiRecorder
) -> None:
    """70 % reads and 30 % writes for some time: none fails, and none has to wait too long."""
    for target in targets:
        span, depth = filled(target), max(parameters.fio_depths)
        block_bytes = min(parameters.fio_block_bytes)
        done = target.run(
            fio.Job("randrw", block_bytes, depth, span, seconds=parameters.fio_load_seconds, goes_on=True)
        )
        conditions = {**target.conditions, "pattern": "randrw", "block_bytes": block_bytes, "depth": depth}
        kpi.measure("storage.target.error_ratio", done.error_ratio, **conditions, operations=done.operations)
        if done.directions:  # else no operation at all was completed, and the ratio says so
            waits = [each.latency_s["max"] for each in done.directions.values()]
            kpi.measure("storage.target.stall_duration", max(waits), **conditions)
