"""Which seeded fault of a disk must be found by which KPI: the disks' table of docs/faults.md.

`python -m tests.faults.disk_catalogue` prints the table; a test compares it with the committed page.
"""

from __future__ import annotations

from tests.faults.catalogue import Case, rows

__all__ = ["DISK_CASES", "table"]

DEVIATIONS, WRITABLE = "storage.inventory.deviations", "storage.capacity.writable_ratio"
CORRUPT, LOST = "storage.integrity.corrupt_blocks", "storage.integrity.lost_writes"
ERRORS, STALL = "storage.target.error_ratio", "storage.target.stall_duration"
READS, READ_RATE, MEDIAN = (
    "storage.target.read_iops",
    "storage.target.read_bandwidth",
    "storage.target.read_latency_p50",
)
DISK = {"host": "storage-1", "disk": "osd-2"}


def disk_fault(fault: str, title: str, fails: str, *passes: str, name: str = "", **seeded: object) -> Case:
    """A disk that is broken in one way, and well in others."""
    return Case(name or fault, title, fault, {**DISK, **seeded}, (fails, *passes), fails, passes)


def lab_fault(fault: str, title: str, kpi: str, says: str) -> Case:
    """A host that is not equipped shows nothing of a release."""
    return Case(fault, title, fault, {"host": "storage-1"}, (kpi,), None, (), "lab", says)


DISK_CASES = (
    disk_fault("disk-rate-cap", "A disk is slower than it must be", READS, DEVIATIONS),
    Case(
        "disk-rate-cap-unsteady",
        "A disk is so slow that no steady state is seen, and too slow at its best",
        "disk-rate-cap",
        DISK | {"bits_per_s": 8_000_000},
        (READ_RATE, DEVIATIONS),
        READ_RATE,
        (DEVIATIONS,),
        parameters={"fio_windows_max": 2},
    ),
    disk_fault("slow-disk", "Each operation of a disk takes 30 ms longer", MEDIAN, DEVIATIONS),
    disk_fault("disk-errors", "A disk fails 1 operation in 100", ERRORS, DEVIATIONS),
    disk_fault("disk-corrupts", "A disk gives back other bytes in 1 read of 20", CORRUPT, DEVIATIONS),
    disk_fault("disk-forgets", "A disk confirms 1 write in 20 and never does it", LOST, DEVIATIONS),
    disk_fault(
        "disk-forgets", "The same, found by reading all back", CORRUPT, DEVIATIONS, name="disk-forgets-verified"
    ),
    disk_fault("disk-full", "A disk has no space left after 4 MiB", WRITABLE, DEVIATIONS),
    disk_fault("small-disk", "A disk is smaller than declared", DEVIATIONS, CORRUPT),
    disk_fault("disk-stalls", "A disk answers nothing for 2.4 s, again and again", STALL, DEVIATIONS),
    lab_fault("no-program", "A storage host has no fio", CORRUPT, "fio is not installed"),
    lab_fault("no-disk", "A storage host does not find its disks", DEVIATIONS, "there is no such file or device"),
)


def table() -> str:
    """The cases as a Markdown table."""
    return rows(DISK_CASES, tested="the disk")


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201
