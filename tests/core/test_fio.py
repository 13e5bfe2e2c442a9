"""What fio and a killed writer tell: nothing passes on work that was not done, and blame is not mixed up."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.errors import DeviceFault, InvalidMeasurement
from nfvcert.lab import StorageTarget
from nfvcert.measure import durability, fio
from nfvcert.measure.steady_state import Window
from nfvcert.protocols import Completed

READS = fio.Job("randread", 4096, 8, 1 << 20, seconds=2.0)
ROUNDS = fio.Job("randrw", 4096, 8, 1 << 20, seconds=2.0, rounds=5)
VERIFY = fio.Job("read", 4096, 8, 1 << 20, nonce="0badcafe", goes_on=True)
WHERE = "/dev/sdx"


def direction(operations: int = 256, **changes: Any) -> dict[str, Any]:
    percentile = {"50.000000": 1000, "99.000000": 2000, "99.900000": 3000}
    latency = {"max": 9000, "percentile": percentile}
    return {"total_ios": operations, "io_bytes": operations * 4096, "iops": 128.0, "clat_ns": latency, **changes}


def told(error: int = 0, *, status: int = 0, log: str = "", stderr: str = "", **parts: Any) -> Completed:
    nothing = {"total_ios": 0, "io_bytes": 0, "iops": 0.0, "clat_ns": {"max": 0}}
    only = {"error": error, "read": direction(), "write": nothing, **parts}
    printed = f"{json.dumps({'fio version': 'fio-3.33', 'jobs': [only]}, indent=2)}\n-----\n{log}"
    return Completed("storage-1", "fio", status, printed, stderr, 1.0)


def log(*lines: tuple[int, float, int]) -> str:
    return "".join(f"{ms}, {iops:.0f}, {way}, 0, 0\n" for ms, iops, way in lines)


def test_what_was_done_is_told_in_si_units() -> None:
    found = fio.done(told(), READS, WHERE)
    assert (found.operations, found.errors) == (256, 0)
    assert found.directions["read"].latency_s == pytest.approx({"p50": 1e-6, "p99": 2e-6, "p99.9": 3e-6, "max": 9e-6})
    assert found.directions["read"].bytes_per_s == pytest.approx(128.0 * 4096)


def test_both_directions_of_a_round_add_up_and_a_round_that_is_not_told_is_dead() -> None:
    whole = log(*((ms, 70, 0) for ms in (400, 799, 1200, 1601, 2000)), *((ms, 30, 1) for ms in (400, 800, 1200, 1600)))
    found = fio.done(told(log=whole, write=direction()), ROUNDS, WHERE)
    assert found.window == Window((100, 100, 100, 100, 70))
    dead = fio.done(told(log=log((400, 70, 0)), write=direction()), ROUNDS, WHERE)
    assert dead.window == Window((70, 0, 0, 0, 0))
    assert not dead.window.is_steady


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EILSEQ, errno.ETIMEDOUT, errno.EROFS])
def test_an_error_of_the_device_is_the_releases(number: int) -> None:
    with pytest.raises(DeviceFault):
        fio.done(told(number, status=1), READS, WHERE)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EINVAL, errno.ENOTCONN])
def test_an_error_of_the_set_up_is_the_labs_also_where_errors_are_counted(number: int) -> None:
    for job in (READS, VERIFY):
        with pytest.raises(InvalidMeasurement, match="cannot work there"):
            fio.done(told(number, status=1, total_err=1), job, WHERE)


@pytest.mark.parametrize("status", [124, 137])
def test_a_device_that_does_not_end_its_work_has_failed(status: int) -> None:
    with pytest.raises(DeviceFault, match="not ended"):
        fio.done(Completed("storage-1", "fio", status, "", "", 1.0), READS, WHERE)


@pytest.mark.parametrize(
    "ended",
    [
        Completed("storage-1", "fio", 127, "\n-----\n", "fio is not installed", 0.1),
        Completed("storage-1", "fio", 0, "", "", 0.1),
        told(read=direction(0)),
        told(read={"total_ios": 5}),
        told(read=direction(clat_ns={"max": 1, "percentile": {}})),
        told(status=1),
    ],
    ids=["no fio", "silence", "no reads", "half an answer", "no percentiles", "status"],
)
def test_no_result_is_no_measurement(ended: Completed) -> None:
    with pytest.raises(InvalidMeasurement):
        fio.done(ended, READS, WHERE)


def test_a_block_that_was_left_out_is_not_taken_for_verified() -> None:
    assert fio.done(told(), VERIFY, WHERE).operations == 256
    with pytest.raises(InvalidMeasurement, match="touched"):
        fio.done(told(read=direction(255)), VERIFY, WHERE)


def test_a_device_without_space_left_is_not_taken_for_a_whole_one() -> None:
    ended = told(read=direction(0), write=direction(100))
    with pytest.raises(DeviceFault, match="took 409600 of 1048576 bytes"):
        fio.done(ended, fio.Job("write", 4096, 8, 1 << 20), WHERE)
    assert fio.done(ended, fio.Job("write", 4096, 8, 1 << 20, goes_on=True), WHERE).bytes == 409600


def test_errors_are_counted_where_that_is_asked_for() -> None:
    some = fio.done(told(errno.EILSEQ, total_err=3), VERIFY, WHERE)
    assert (some.errors, some.operations) == (3, 256)
    none_left = fio.done(told(errno.EIO, total_err=256, read=direction(0)), VERIFY, WHERE)
    assert (none_left.errors, none_left.operations) == (256, 0)


@given(st.text(), st.text(), st.integers(0, 255))
def test_whatever_is_printed_passes_for_nothing(stdout: str, stderr: str, status: int) -> None:
    ended = Completed("storage-1", "fio", status, stdout, stderr, 1.0)
    for job in (READS, ROUNDS, VERIFY):
        with pytest.raises((InvalidMeasurement, DeviceFault)):
            fio.done(ended, job, WHERE)
    with pytest.raises((InvalidMeasurement, DeviceFault)):
        durability.confirmed(stdout, WHERE)
    with suppress(InvalidMeasurement):
        assert not fio.find(stdout, "storage-1", WHERE).size_bytes


def test_every_job_goes_around_the_page_cache_and_makes_no_file() -> None:
    for job in (READS, ROUNDS, VERIFY):
        line = fio.command(job, "/dev/disk/by-path/pci-0000:00:1f.2")
        assert "--direct=1" in line
        assert "--allow_file_create=0" in line
        assert r"by-path/pci-0000\:00\:1f.2" in line, "fio takes a colon for the end of a name"


def test_jobs_that_make_no_sense_are_refused() -> None:
    for wrong in ({"nonce": "no hex"}, {"nonce": "0badcafe", "seconds": 1.0}, {"rounds": 4, "seconds": 1.0}):
        with pytest.raises(ValueError, match=r"job|rounds"):
            fio.Job("read", 4096, 1, 1 << 20, **wrong)


# ── the target ──


BLOCK = "kind=block special file\nfilesystem=devtmpfs\nsize=1000\nrotational=0\nused=\n"


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("kind=nothing\n", "no such file"),
        ("kind=directory\nfilesystem=ext4\nsize=4096\n", "directory"),
        ("kind=regular empty file\nfilesystem=ext4\nsize=0\n", "empty"),
        ("kind=regular file\nfilesystem=tmpfs\nsize=4096\n", "memory"),
        (BLOCK.replace("used=", "used=/var"), "mounted at /var"),
        (BLOCK.replace("1000", ""), "size"),
        ("", "untold"),
    ],
)
def test_what_must_not_be_written_over_is_not(printed: str, says: str) -> None:
    with pytest.raises(InvalidMeasurement, match=says):
        fio.find(printed, "storage-1", WHERE)


def test_a_target_that_is_not_as_declared_deviates() -> None:
    def deviating(size: int, rotational: bool | None, printed: str = BLOCK) -> list[str]:
        declared = StorageTarget(path=WHERE, size=size, rotational=rotational, scratch=True)
        return [each[0] for each in fio.deviations(declared, fio.find(printed, "storage-1", WHERE)) if each[3]]

    assert deviating(1000, False) == []
    assert deviating(900, None) == []
    assert deviating(1001, None) == ["size"]
    assert deviating(1000, True) == ["rotational"]
    assert deviating(1000, False, BLOCK.replace("rotational=0", "rotational=")) == ["rotational"]


# ── a killed writer ──


def test_blocks_that_were_confirmed_are_told_apart() -> None:
    found = durability.confirmed("kept 0\nlost 1\nkept 2\nconfirmed 3\n", WHERE)
    assert (found.confirmed, found.lost) == (3, (1,))


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("confirmed 0\n", "no block"),
        ("kept 0\nconfirmed 2\n", "looked at"),
        ("ended 5\nkept 0\nconfirmed 1\n", "had ended"),
        ("failed 0 dd: failed to open: No such file or directory\nconfirmed 0\n", "cannot be written"),
        ("kept 0\n", "tells nothing"),
    ],
)
def test_a_writer_that_shows_nothing_shows_no_durability(printed: str, says: str) -> None:
    with pytest.raises(InvalidMeasurement, match=says):
        durability.confirmed(printed, WHERE)


@pytest.mark.parametrize("line", ["failed 7 dd: error writing: No space left on device", "unread 7 Input/output error"])
def test_a_block_that_cannot_be_written_or_read_is_the_devices_fault(line: str) -> None:
    with pytest.raises(DeviceFault, match="block 7"):
        durability.confirmed(f"{line}\nkept 0\nconfirmed 1\n", WHERE)


def test_a_write_beyond_the_end_is_refused_or_not() -> None:
    assert not durability.overrun("dd: error writing: No space left on device\n1+0 records in\n0+0 records out\n", "")
    assert durability.overrun("1+0 records in\n1+0 records out\n", "")
    with pytest.raises(InvalidMeasurement):
        durability.overrun("dd: failed to open: Permission denied", "")


def test_storage_that_is_never_steady_shows_its_curves() -> None:
    dead = fio.done(told(log=log((400, 70, 0)), write=direction()), ROUNDS, WHERE)
    unsteady = fio.Unsteady([dead, dead], "/dev/sdx of storage-1")
    assert isinstance(unsteady, InvalidMeasurement)
    assert len(unsteady.windows) == 2
    assert "no steady state in 2 windows of 5 rounds" in unsteady.sentence
    assert "(70 0 0 0 0)" in unsteady.sentence
