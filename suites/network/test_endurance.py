"""Whether it stays so."""

import pytest

from nfvcert.suite import KpiRecorder, Parameters, Progress, TrafficPath, Trials

pytestmark = [
    pytest.mark.network,
    pytest.mark.medium,
    pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host", "host-os"),
]


@pytest.mark.measures("network.sustained.loss_ratio", "network.sustained.longest_gap")
@pytest.mark.expected_seconds(25)
def test_sustained_load(
    trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder, progress: Progress
) -> None:
    """Loss and gaps under load over time (ETSI GS NFV-TST 009 §11.6, soak; VSPERF LTD packet delay soak)."""
    frame_bytes = min(parameters.frame_bytes)
    rate = path.line_rate_fps(frame_bytes) * parameters.soak_load
    sent = lost = 0
    longest_gap_s = seconds = 0.0
    curve = []
    while seconds < parameters.soak_seconds:
        progress(seconds, parameters.soak_seconds, f"sustained load of {rate:.0f} pps")
        slice_seconds = min(parameters.soak_slice_seconds, parameters.soak_seconds - seconds)
        result = trials.run(frame_bytes, rate, slice_seconds, flows=parameters.flows)
        seconds += slice_seconds
        sent, lost = sent + result.sent, lost + result.lost
        longest_gap_s = max(longest_gap_s, result.longest_gap_s)
        curve.append((seconds, result.loss_ratio * 100))
    conditions = {"frame_bytes": frame_bytes, "load": parameters.soak_load, "seconds": parameters.soak_seconds}
    kpi.series("Frames lost under sustained load", curve, x="time [s]", y="frames lost [%]")
    kpi.measure("network.sustained.loss_ratio", lost / sent, **conditions)
    kpi.measure("network.sustained.longest_gap", longest_gap_s, **conditions)
