"""Hosts have the disks that they emulate; each fault of a disk is there while it is seeded, and gone after."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from nfvcert import embedded
from nfvcert.embedded import EmbeddedLab, disks
from nfvcert.embedded.faults import seeded
from nfvcert.embedded.rundir import end, read_state
from nfvcert.errors import LabError
from tests.embedded.machine import inventory, run

HOST, DISK = "storage-1", "osd-2"
WHERE = f"/mnt/{DISK}"
SIZE = 12 * 1024 * 1024


@pytest.fixture
def lab(opco_ru: EmbeddedLab) -> EmbeddedLab:
    embedded.start_disks(opco_ru, HOST)
    return opco_ru


def on_host(lab: EmbeddedLab, command: str, host: str = HOST) -> str:
    return run(lab, host, command)[1].strip()


def mounted(folder: Path) -> list[str]:
    return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]


def served(folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder / "disks") in word for word in process.info["cmdline"] or ())
    ]


def test_disks_are_made_when_they_are_asked_for_and_leave_nothing(run_dir: Path) -> None:
    up = embedded.up(inventory("opco-ru"))
    folder = up.run_dir
    assert not served(folder), "a lab whose tests use no disk does not pay for one"
    assert on_host(up, "ls /mnt") == ""
    started = time.monotonic()
    embedded.start_disks(up, HOST)
    assert time.monotonic() - started < 5
    assert on_host(up, f"stat -c %s {WHERE}") == str(SIZE)
    assert len(served(folder)) == 4, "nbdfuse and nbdkit of two disks"
    assert on_host(up, "ls /mnt | wc -l", "compute-1") != "2", "they are of one host only"
    up.down()
    assert not served(folder)
    assert not mounted(folder)
    assert not folder.exists()
    assert run_dir.exists()


def test_a_lab_that_was_killed_is_swept_with_its_disks(run_dir: Path) -> None:
    up = embedded.up(inventory("opco-ru"))
    embedded.start_disks(up, HOST)
    state = read_state(up.run_dir)
    assert state is not None
    end(state.daemons[disks.role(HOST, DISK)])  # its mount stays, and answers nothing
    with pytest.raises(LabError, match="disk osd-2 of storage-1 of lab opco-ru is gone"):
        embedded.start_disks(up, HOST)
    assert embedded.up(inventory("opco-ru")).created, "a lab with a dead disk is made anew"
    embedded.down("opco-ru")
    assert not mounted(run_dir)


def test_what_is_written_is_kept_and_seen_by_the_next_session(lab: EmbeddedLab) -> None:
    on_host(lab, f"yes kept | head -c 4096 | dd of={WHERE} bs=4096 seek=5 oflag=direct conv=notrunc status=none")
    assert on_host(lab, f"dd if={WHERE} bs=4096 skip=5 count=1 iflag=direct status=none | head -c 4") == "kept"
    with seeded(lab, "no-sshd", host=HOST):
        pass
    assert on_host(lab, f"dd if={WHERE} bs=4096 skip=5 count=1 iflag=direct status=none | head -c 4") == "kept"


def read_error(lab: EmbeddedLab, times: int = 200) -> bool:
    line = f"for i in $(seq {times}); do dd if={WHERE} of=/dev/null bs=4096 count=1 iflag=direct || exit 1; done"
    return run(lab, HOST, line)[0] != 0


def seconds(lab: EmbeddedLab, command: str) -> float:
    started = time.monotonic()
    assert run(lab, HOST, command)[0] == 0
    return time.monotonic() - started


ONE_READ = f"dd if={WHERE} of=/dev/null bs=4096 count=1 iflag=direct status=none"


def test_errors(lab: EmbeddedLab) -> None:
    with seeded(lab, "disk-errors", host=HOST, disk=DISK, one_in=10):
        assert read_error(lab)
    assert not read_error(lab)


def test_a_delay(lab: EmbeddedLab) -> None:
    with seeded(lab, "slow-disk", host=HOST, disk=DISK, delay_s=1.0):
        assert seconds(lab, ONE_READ) >= 1.0


def test_a_rate(lab: EmbeddedLab) -> None:
    with seeded(lab, "disk-rate-cap", host=HOST, disk=DISK, bits_per_s=8_000_000):
        assert seconds(lab, f"dd if={WHERE} of=/dev/null bs=1M count=2 iflag=direct status=none") > 0.7


def test_a_stall(lab: EmbeddedLab) -> None:
    with seeded(lab, "disk-stalls", host=HOST, disk=DISK, every_s=1.5, stalled_s=1.2):
        time.sleep(0.5)
        assert seconds(lab, ONE_READ) > 0.3
    assert seconds(lab, ONE_READ) < 5


def test_a_smaller_disk_keeps_what_is_on_it(lab: EmbeddedLab) -> None:
    on_host(lab, f"yes kept | head -c 4096 | dd of={WHERE} bs=4096 oflag=direct conv=notrunc status=none")
    with seeded(lab, "small-disk", host=HOST, disk=DISK):
        assert on_host(lab, f"stat -c %s {WHERE}") == str(8 * 1024 * 1024)
        assert on_host(lab, f"head -c 4 {WHERE}") == "kept"
    assert on_host(lab, f"stat -c %s {WHERE}") == str(SIZE)


def test_bytes_that_change(lab: EmbeddedLab) -> None:
    on_host(lab, f"yes a | head -c 4096 | dd of={WHERE} bs=4096 oflag=direct conv=notrunc status=none")
    line = f"for i in 1 2 3 4; do dd if={WHERE} bs=4096 count=1 iflag=direct status=none | head -c 1; done"
    with seeded(lab, "disk-corrupts", host=HOST, disk=DISK, one_in=2):
        assert set(on_host(lab, line)) == {"a", "b"}
    assert on_host(lab, line) == "aaaa"


def test_writes_that_are_forgotten(lab: EmbeddedLab) -> None:
    def write(letter: str) -> str:
        one = f"yes {letter} | head -c 4096 | dd of={WHERE} bs=4096 seek=$i oflag=direct conv=notrunc,fsync status=none"
        return on_host(lab, f"for i in 0 1 2 3; do {one}; done")

    line = f"for i in 0 1 2 3; do dd if={WHERE} bs=4096 count=1 skip=$i iflag=direct status=none | head -c 1; done"
    write("a")
    with seeded(lab, "disk-forgets", host=HOST, disk=DISK, one_in=2):
        assert write("b") == "", "it says that all was done"
        assert sorted(on_host(lab, line)) == ["a", "a", "b", "b"]


def test_no_space(lab: EmbeddedLab) -> None:
    line = f"dd if=/dev/zero of={WHERE} bs=4096 seek={{}} count=1 oflag=direct conv=notrunc"
    with seeded(lab, "disk-full", host=HOST, disk=DISK):
        assert "No space left on device" in on_host(lab, line.format(2000))
        assert "1+0 records out" in on_host(lab, line.format(1))


def test_what_a_host_does_not_find(lab: EmbeddedLab) -> None:
    with seeded(lab, "no-program", host=HOST):
        assert run(lab, HOST, "command -v fio && fio --version")[0] != 0
        assert run(lab, "leaf-1", "fio --version")[0] == 0, "of one host only"
    assert run(lab, HOST, "fio --version")[0] == 0
    assert os.access("/usr/bin/fio", os.X_OK)
    with seeded(lab, "no-disk", host=HOST):
        assert on_host(lab, "ls /mnt") == ""
    assert on_host(lab, "ls /mnt").split() == ["osd-1", "osd-2"]


def test_a_fault_of_what_is_not_there_is_refused(lab: EmbeddedLab) -> None:
    with pytest.raises(LookupError, match="has no disk 'osd-9'"), seeded(lab, "slow-disk", host=HOST, disk="osd-9"):
        pass
    for fault, more in (("slow-disk", {"disk": DISK}), ("no-program", {})):
        with pytest.raises(LabError, match="does not emulate disks"), seeded(lab, fault, host="leaf-1", **more):
            pass
        with pytest.raises(LookupError, match="no host 'storage-9'"), seeded(lab, fault, host="storage-9", **more):
            pass


def test_a_machine_without_fuse_says_so(lab: EmbeddedLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(disks, "_FUSE", tmp_path / "fuse")
    with pytest.raises(LabError, match=r"the disks of storage-1 need .*, which is not there") as caught:
        disks.serve(lab.lab, lab.run_dir, HOST, DISK)
    assert "modprobe fuse" in caught.value.hint
