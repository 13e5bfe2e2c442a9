"""Whether storage is what is declared, and keeps what it is given."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import DeviceFault, KpiRecorder, Parameters, durability, fio

if TYPE_CHECKING:
    from suites.storage.conftest import Target

pytestmark = [pytest.mark.storage, pytest.mark.small]

MIB = 1024 * 1024
VERIFIED_BLOCK_BYTES = 65536
VERIFIED_AT_MOST = 256 * MIB


@pytest.mark.covers("disk-drive", "disk-controller", "storage-firmware", "storage", "host-os")
@pytest.mark.measures("storage.inventory.deviations")
@pytest.mark.expected_seconds(1)
def test_targets_are_as_declared(targets: list[Target], kpi: KpiRecorder) -> None:
    """Each target has the declared size at least, and turns or not as declared."""
    for target in targets:
        for aspect, declared, found, deviates in fio.deviations(target.declared, target.inspect()):
            told = {"aspect": aspect, "declared": declared, "found": found}
            kpi.measure("storage.inventory.deviations", int(deviates), **target.conditions, **told)


@pytest.mark.covers("disk-drive", "disk-controller", "storage-firmware", "storage", "driver-host", "host-os")
@pytest.mark.measures("storage.integrity.corrupt_blocks")
@pytest.mark.expected_seconds(8)
def test_data_reads_as_it_was_written(targets: list[Target], kpi: KpiRecorder) -> None:
    """Blocks that were written in random order, all read back and compared (fio verify)."""
    for target in targets:
        span, nonce = target.span(VERIFIED_AT_MOST), secrets.token_hex(4)
        written = target.run(fio.Job("randwrite", VERIFIED_BLOCK_BYTES, 8, span, nonce=nonce))
        read = target.run(fio.Job("read", VERIFIED_BLOCK_BYTES, 8, span, nonce=nonce, goes_on=True))
        compared = read.operations
        assert compared == written.operations, f"{written.operations} blocks were written, and {compared} could be read"
        blocks = {"blocks": compared, "block_bytes": VERIFIED_BLOCK_BYTES}
        kpi.measure("storage.integrity.corrupt_blocks", read.errors, **target.conditions, **blocks)


@pytest.mark.covers("disk-drive", "disk-controller", "storage-firmware", "storage", "host-os")
@pytest.mark.measures("storage.integrity.lost_writes")
@pytest.mark.expected_seconds(8)
def test_what_was_confirmed_outlives_its_writer(
    targets: list[Target], parameters: Parameters, kpi: KpiRecorder
) -> None:
    """A writer that syncs each block is killed with -9: each block that was confirmed is there (POSIX fsync)."""
    for target in targets:
        size, nonce = target.span(VERIFIED_AT_MOST), secrets.token_hex(8)
        found = durability.run_killed_writer(target.shell, target.path, nonce, parameters.storage_writer_seconds, size)
        kpi.note(**target.conditions, lost_blocks=found.lost[:100])
        kpi.measure(
            "storage.integrity.lost_writes", len(found.lost), **target.conditions, confirmed_writes=found.confirmed
        )


@pytest.mark.covers("disk-drive", "disk-controller", "storage-firmware", "storage")
@pytest.mark.measures("storage.capacity.writable_ratio")
@pytest.mark.expected_seconds(10)
def test_all_of_its_space_can_be_written(targets: list[Target], parameters: Parameters, kpi: KpiRecorder) -> None:
    """Filled to the last byte; more is refused and harms nothing; all is there, and the space can be used again."""
    for target in targets:
        span, nonce = target.span(parameters.fio_fill_bytes_max), secrets.token_hex(4)
        filled = target.run(fio.Job("write", MIB, 4, span, nonce=nonce, goes_on=True))
        ratio = max(0.0, (filled.bytes - filled.errors * MIB) / span)
        kpi.measure("storage.capacity.writable_ratio", ratio, **target.conditions, asked_bytes=span)
        if ratio < 1:
            continue  # the rest of the test is about a target that is full
        _more_is_refused(target, kpi)
        target.run(fio.Job("read", MIB, 4, span, nonce=nonce))
        again = secrets.token_hex(4)
        for pattern in ("write", "read"):
            target.run(fio.Job(pattern, MIB, 4, MIB, nonce=again))


def _more_is_refused(target: Target, kpi: KpiRecorder) -> None:
    found = target.inspect()
    if found.grows:  # it would take space of its filesystem, which is nobody's scratch
        kpi.note(**target.conditions, beyond_the_end="not tried: a file has no end of its own")
        return
    printed = target.shell.run(durability.overrun_command(target.path, found.size_bytes), check=False).stdout
    if durability.overrun(printed, f"{target.path} of {target.shell.host}"):
        raise DeviceFault(f"{target.path} of {target.shell.host} accepts data beyond its {found.size_bytes} bytes")
