"""Which seeded fault of a compute host must be found by which KPI: the hosts' table of docs/faults.md.

`python -m tests.faults.host_catalogue` prints the table; a test compares it with the committed page.
"""

from __future__ import annotations

from tests.faults.catalogue import Case, rows

__all__ = ["HOST_CASES", "table"]

DEVIATIONS, KERNEL = "compute.inventory.deviations", "compute.kernel.errors"
BMC, TAKEN, SCALING = "compute.bmc.failed_requests", "compute.cpu.taken_ratio", "compute.cpu.scaling_ratio"
CLOCK = "compute.clock.error"


def deviates(name: str, title: str, **seeded: object) -> Case:
    """A host that is not as declared, and well all the same."""
    return Case(name, title, name, {"host": "compute-2", **seeded}, (DEVIATIONS, KERNEL), DEVIATIONS, (KERNEL,))


def lab_fault(fault: str, title: str, kpi: str, *passes: str, says: str = "compute-1") -> Case:
    """A host or BMC that is out of reach shows nothing of a release."""
    return Case(fault, title, fault, {"host": "compute-1"}, (kpi, *passes), None, passes, "lab", says)


HOST_CASES = (
    deviates("fewer-cpus", "A host has fewer processors than declared", cpus=1),
    deviates("less-memory", "A host has less memory than declared"),
    deviates("no-hugepages", "A host has no huge pages"),
    deviates("wrong-firmware", "A host's BIOS is not the declared one", component="bios", version="2.18.0"),
    Case("cpu-hog", "A host's processors are taken", "cpu-hog", {"host": "compute-2"}, (TAKEN, CLOCK), TAKEN, (CLOCK,)),
    Case(
        "kernel-error",
        "A host's kernel tells of a hardware error",
        "kernel-error",
        {"host": "compute-1"},
        (KERNEL, DEVIATIONS),
        KERNEL,
        (DEVIATIONS,),
    ),
    Case(
        "flapping-bmc",
        "A BMC answers only now and then",
        "flapping-bmc",
        {"host": "compute-1"},
        (BMC, KERNEL),
        BMC,
        (KERNEL,),
    ),
    Case(
        "clock-skew",
        "The clock of a host is 2 s ahead",
        "clock-skew",
        {"host": "compute-2"},
        (CLOCK, KERNEL),
        CLOCK,
        (KERNEL,),
    ),
    lab_fault("no-sshd", "A compute host's sshd is gone", DEVIATIONS),
    lab_fault("no-bmc", "A BMC answers nothing at all", BMC, KERNEL),
)


def table() -> str:
    """The cases as a Markdown table."""
    return rows(HOST_CASES, tested="the host")


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201
