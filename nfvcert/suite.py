"""The names that suites use, and no others: what a test can be given, what it can raise, what it can hand over."""

from nfvcert.claims import claims
from nfvcert.engines import rally, tempest
from nfvcert.engines.rally import Scenario
from nfvcert.engines.tempest import Admin as TempestAdmin
from nfvcert.engines.tempest import Parts as TempestParts
from nfvcert.errors import (
    ApiFault,
    CriterionFailed,
    DeviceFault,
    DeviceSuspected,
    InvalidMeasurement,
    LabError,
    Undeclared,
    Unreachable,
)
from nfvcert.judge import Verdict
from nfvcert.lab import Lab, StorageTarget
from nfvcert.measure import durability, fio
from nfvcert.measure.counter import FrameCounter
from nfvcert.measure.host import (
    PLATFORM_COMMAND,
    ClockReading,
    HostLoad,
    clock_offsets,
    deviations,
    host_load,
    kernel_errors,
    load,
    memory_command,
    platform_facts,
    undeclared,
    wakeup_command,
    wakeup_latency_p99,
)
from nfvcert.measure.outage import Probe, outage
from nfvcert.measure.recovery import A_DAY_S, recovery
from nfvcert.measure.response import response_to
from nfvcert.measure.screening import OutlierRule, warm_up
from nfvcert.measure.stats import (
    Estimate,
    estimate_median,
    estimate_quantile,
    estimate_rate,
    estimate_ratio,
    estimate_share,
)
from nfvcert.measure.throughput import Counts, NotConverged, Throughput, Trial, search
from nfvcert.measure.trial import TrafficPath, Trials
from nfvcert.protocols import Bmc, CloudSession, Completed, LatencySummary, Shell, Stream, StreamResult, Window
from nfvcert.recorder import KpiRecorder, Progress
from nfvcert.testmodel import Parameters

__all__ = [
    "A_DAY_S",
    "PLATFORM_COMMAND",
    "ApiFault",
    "Bmc",
    "ClockReading",
    "CloudSession",
    "Completed",
    "Counts",
    "CriterionFailed",
    "DeviceFault",
    "DeviceSuspected",
    "Estimate",
    "FrameCounter",
    "HostLoad",
    "InvalidMeasurement",
    "KpiRecorder",
    "Lab",
    "LabError",
    "LatencySummary",
    "NotConverged",
    "OutlierRule",
    "Parameters",
    "Probe",
    "Progress",
    "Scenario",
    "Shell",
    "StorageTarget",
    "Stream",
    "StreamResult",
    "TempestAdmin",
    "TempestParts",
    "Throughput",
    "TrafficPath",
    "Trial",
    "Trials",
    "Undeclared",
    "Unreachable",
    "Verdict",
    "Window",
    "claims",
    "clock_offsets",
    "deviations",
    "durability",
    "estimate_median",
    "estimate_quantile",
    "estimate_rate",
    "estimate_ratio",
    "estimate_share",
    "fio",
    "host_load",
    "kernel_errors",
    "load",
    "memory_command",
    "outage",
    "platform_facts",
    "rally",
    "recovery",
    "response_to",
    "search",
    "tempest",
    "undeclared",
    "wakeup_command",
    "wakeup_latency_p99",
    "warm_up",
]
