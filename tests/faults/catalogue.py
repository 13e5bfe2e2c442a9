"""Which seeded fault must be found by which KPI, and what must be decided: the table of docs/faults.md.

`python -m tests.faults.catalogue` prints the table; a test compares it with the committed page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["CASES", "Case", "rows", "table"]


@dataclass(frozen=True)
class Case:
    """One fault on the whole path."""

    name: str
    title: str
    fault: str | None
    """Name in `nfvcert.embedded.faults.FAULTS`; None: the test seeds it itself."""
    seeded: Mapping[str, object]
    required: tuple[str, ...]
    """KPIs that the run's test model asks for, with the bounds of testmodels/network.yaml."""
    fails: str | None
    """The KPI that must FAIL; None for a fault of the lab."""
    passes: tuple[str, ...] = ()
    """KPIs that must PASS all the same: the fault is found where it is, not everywhere."""
    blames: str = "release"
    says: str = ""
    """What the finding says of the lab."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    components: tuple[str, ...] = ("rack-switch", "vswitch")
    """Of a fault of the system under test: the components that could have it."""
    how: str = ""
    """What the test does, where it seeds the fault itself."""
    release: str = ""
    """The release unit that is certified; empty: the lab as it is."""


NDR, PDR = "network.throughput.ndr", "network.throughput.pdr"
REACHABLE = "network.reachability.unreachable_pairs"
LOSS = "network.frame_loss.ratio"
DUPLICATES = "network.both_ways.duplicate_ratio"
BOTH_WAYS = "network.both_ways.loss_ratio"
REORDERED = "network.both_ways.reordered_ratio"
FLOWS = "network.many_flows.loss_ratio"
MEDIAN, P99 = "network.latency.p50", "network.latency.p99"
SOAK, TAIL = "network.sustained.loss_ratio", "network.sustained.latency_p999"
MTU = "network.mtu.largest_packet"
FLOODED, UNKNOWN = "network.learning.flooded_frames", "network.learning.unknown_reach_ratio"
LEAKED = "network.isolation.leaked_frames"
OUTAGE = "network.failover.outage"
RESET, RECOVERY = "network.reset.planned_time", "network.overload.recovery_time"

CASES = (
    Case(
        "loss-1000",
        "The device loses 1 frame in 1,000",
        "loss",
        {"one_in": 1000, "towards": "tg1"},
        (NDR, MTU),
        NDR,
        (MTU,),
    ),
    Case("loss-10", "The device loses 1 frame in 10", "loss", {"one_in": 10}, (LOSS, REACHABLE), LOSS, (REACHABLE,)),
    Case(
        "rate-cap",
        "The device forwards 6,000 pps instead of line rate",
        "rate-cap",
        {"fps": 6000},
        (NDR, DUPLICATES),
        NDR,
        (DUPLICATES,),
    ),
    Case(
        "one-way",
        "Loss in one direction only",
        "loss",
        {"one_in": 20, "towards": "tg0"},
        (BOTH_WAYS, MTU),
        BOTH_WAYS,
        (MTU,),
    ),
    Case(
        "half-duplex",
        "One port of two is slower than the other",
        "rate-cap",
        {"fps": 3000, "towards": "tg0"},
        (BOTH_WAYS, NDR),
        BOTH_WAYS,
        (NDR,),
    ),
    Case(
        "above-70",
        "Loss above 70 % of the load only",
        "rate-cap",
        {"fps": 10_416},
        (NDR, LOSS),
        NDR,
        (LOSS,),
    ),
    Case(
        "one-size",
        "Loss of frames of one size only",
        "loss",
        {"one_in": 10, "frame_bytes": 128},
        (LOSS, BOTH_WAYS),
        LOSS,
        (BOTH_WAYS,),
        parameters={"frame_bytes": [64, 128]},
    ),
    Case(
        "flap",
        "A port flaps",
        "flap",
        {"port": "tg1", "every_s": 0.5, "down_s": 0.1},
        (SOAK, REACHABLE),
        SOAK,
        (REACHABLE,),
    ),
    Case(
        "worn",
        "Loss after 40 s of load only",
        "loss",
        {"one_in": 10, "after_bytes": 25_000_000, "towards": "tg1"},
        (SOAK, TAIL),
        SOAK,
        (TAIL,),
        parameters={"soak_seconds": 44.0},
    ),
    Case(
        "flow-table",
        "Loss beyond 1,000 flows only",
        "flow-table",
        {"flows": 1000},
        (FLOWS, BOTH_WAYS),
        FLOWS,
        (BOTH_WAYS,),
    ),
    Case(
        "late-frames",
        "Latency has two modes: 3 frames of 10 take 40 ms more",
        "late-frames",
        {"frames": 3, "of": 10, "late_s": 0.04},
        (P99, MEDIAN),
        P99,
        (MEDIAN,),
    ),
    Case(
        "late-above-70",
        "Latency grows above 70 % of the load only: frames that exceed it take 60 ms more",
        "late-frames",
        {"above_fps": 10_416, "late_s": 0.06},
        (P99, NDR),
        P99,
        (NDR,),
        parameters={"latency_curve": [0.9]},
    ),
    Case(
        "latency-spikes",
        "Every 10 s all frames of 50 ms take 0.4 s more",
        "latency-spikes",
        {},
        (TAIL, SOAK),
        TAIL,
        (SOAK,),
        parameters={"soak_seconds": 12.0},
    ),
    Case(
        "reordering",
        "1 frame in 50 is overtaken",
        "late-frames",
        {"frames": 1, "of": 50, "late_s": 0.003},
        (REORDERED, BOTH_WAYS),
        REORDERED,
        (BOTH_WAYS,),
    ),
    Case(
        "mtu",
        "The links between the switches carry short frames only",
        "mtu",
        {"mtu": 1500},
        (MTU, DUPLICATES),
        MTU,
        (DUPLICATES,),
    ),
    Case(
        "large-frames",
        "1 frame in 10 of 9,018 bytes is lost, and none of other sizes",
        "loss",
        {"one_in": 10, "frame_bytes": 9018},
        (MTU, DUPLICATES),
        MTU,
        (DUPLICATES,),
    ),
    Case("flood", "The switch floods: it learns no address", "flood", {}, (FLOODED, UNKNOWN), FLOODED, (UNKNOWN,)),
    Case("leak", "Two tenants are joined", "leak", {}, (LEAKED, MTU), LEAKED, (MTU,)),
    Case("no-failover", "The backup link is dead", "no-failover", {}, (OUTAGE, DUPLICATES), OUTAGE, (DUPLICATES,)),
    Case(
        "slow-recovery",
        "Every other frame is lost until 0.6 s after an overload",
        "slow-recovery",
        {},
        (RECOVERY, BOTH_WAYS),
        RECOVERY,
        (BOTH_WAYS,),
    ),
    Case(
        "slow-recovery-little",
        "1 frame in 100 is lost until 1.4 s after an overload",
        "slow-recovery",
        {"one_in": 100, "for_s": 1.4},
        (RECOVERY, BOTH_WAYS),
        RECOVERY,
        (BOTH_WAYS,),
    ),
    Case(
        "spanning-tree",
        "The ports of a switch that has restarted wait for the spanning tree",
        "spanning-tree",
        {"host": "leaf-1"},
        (RESET, DUPLICATES),
        RESET,
        (DUPLICATES,),
    ),
    Case(
        "duplicates",
        "The device sends 1 frame in 10 twice",
        "duplicates",
        {"one_in": 10},
        (DUPLICATES, BOTH_WAYS),
        DUPLICATES,
        (BOTH_WAYS,),
    ),
    Case(
        "unplugged",
        "A host's cable to the storage network is pulled",
        "unplugged",
        {"host": "storage-1", "network": "storage"},
        (REACHABLE, MTU),
        REACHABLE,
        (MTU,),
        components=("rack-switch", "nic"),
    ),
    Case(
        "slow-generator",
        "The generator's own port is slow",
        "slow-generator",
        {"port": "tg0", "bits_per_s": 1_000_000},
        (BOTH_WAYS, REACHABLE),
        None,
        (REACHABLE,),
        "lab",
        "could not send",
    ),
    Case(
        "lying-generator",
        "The generator's own port loses 1 frame in 100 that it counted as sent",
        "lying-generator",
        {"port": "tg0", "one_in": 100},
        (BOTH_WAYS, REACHABLE),
        None,
        (REACHABLE,),
        "lab",
        "fewer on the cable than it was handed",
    ),
    Case(
        "starved-generator",
        "The measuring host's processors are taken for 60 ms four times a second",
        "starved-generator",
        {},
        (BOTH_WAYS,),
        None,
        (),
        "lab",
        "between two frames",
    ),
    Case(
        "clock-jumps",
        "The measuring host's clock is set again and again, by 20 ms",
        "clock-jumps",
        {},
        (BOTH_WAYS,),
        None,
        (),
        "lab",
        "the clock was set by",
    ),
    Case(
        "no-sshd", "A host's sshd is gone", "no-sshd", {"host": "compute-1"}, (REACHABLE,), None, (), "lab", "compute-1"
    ),
    Case(
        "host-key",
        "A host answers with another SSH key",
        "host-key",
        {"host": "compute-1"},
        (REACHABLE,),
        None,
        (),
        "lab",
        "compute-1",
    ),
    Case(
        "unreachable",
        "A host does not answer at all",
        "unreachable",
        {"host": "compute-2"},
        (REACHABLE,),
        None,
        (),
        "lab",
        "compute-2",
    ),
    Case(
        "wrong-firmware",
        "The adapters of one host are not at the firmware that is released",
        "wrong-firmware",
        {"host": "compute-2", "component": "nic", "version": "8.20"},
        (REACHABLE,),
        None,
        (),
        "lab",
        "compute-2 has nic 8.20, and the unit brings 8.30",
        release="nic-fw-8.30",
    ),
    Case(
        "wrong-package",
        "One host has an older package than the one that is released",
        "wrong-package",
        {"host": "compute-1", "package": "openvswitch-switch", "version": "3.3.1-1"},
        (REACHABLE,),
        None,
        (),
        "lab",
        "compute-1 has vswitch 3.3.1-1, and the unit brings 3.3.2",
        release="releases/examples/network-pack.yaml",
    ),
    Case(
        "no-bmc",
        "A BMC tells nothing of the firmware that is released",
        "no-bmc",
        {"host": "compute-1"},
        (REACHABLE,),
        None,
        (),
        "lab",
        "the BMC of compute-1 tells nothing",
        release="nic-fw-8.30",
    ),
    Case(
        "disk-full",
        "The disk where results are written is full",
        None,
        {},
        (REACHABLE, SOAK),
        None,
        (),
        "storage",
        "No space left on device",
        how="the results' disk is filled",
    ),
)


def table() -> str:
    """The cases as a Markdown table."""
    return rows(CASES)


def rows(cases: Iterable[Case], tested: str = "the device") -> str:
    """A Markdown table of cases; ``tested`` is what a fault of a release is in."""
    lines = [
        "| fault | seeded as | who is at fault | what must find it | decision |",
        "|---|---|---|---|---|",
    ]
    for case in cases:
        seeded = (
            f"`{case.fault}` " + ", ".join(f"{key}={value}" for key, value in case.seeded.items())
            if case.fault
            else case.how
        )
        if case.release:
            seeded = f"{seeded.strip()}, under `--release={case.release}`"
        found = f"`{case.fails}` is FAIL" if case.fails else f"INCONCLUSIVE, the finding says: “{case.says}”"
        decision = "REJECTED" if case.fails else "INCONCLUSIVE"
        blamed = tested if case.fails else {"lab": "the lab", "storage": "the results' disk"}[case.blames]
        lines.append(f"| {case.title} | {seeded.strip()} | {blamed} | {found} | {decision} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201
