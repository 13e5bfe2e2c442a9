"""The names that suites use, and no others: what a test can be given, what it can raise, what it can hand over."""

from nfvcert.claims import claims
from nfvcert.errors import CriterionFailed, InvalidMeasurement, LabError
from nfvcert.lab import Lab
from nfvcert.measure.stats import Estimate, estimate_median
from nfvcert.measure.throughput import Counts, Throughput, search
from nfvcert.measure.trial import TrafficPath, Trials
from nfvcert.protocols import Completed, LatencySummary, Shell, Stream, StreamResult
from nfvcert.recorder import KpiRecorder, Progress
from nfvcert.testmodel import Parameters

__all__ = [
    "Completed",
    "Counts",
    "CriterionFailed",
    "Estimate",
    "InvalidMeasurement",
    "KpiRecorder",
    "Lab",
    "LabError",
    "LatencySummary",
    "Parameters",
    "Progress",
    "Shell",
    "Stream",
    "StreamResult",
    "Throughput",
    "TrafficPath",
    "Trials",
    "claims",
    "estimate_median",
    "search",
]
