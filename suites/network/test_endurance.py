"""Whether it stays so."""

import pytest

from nfvcert.suite import KpiRecorder, Parameters, Progress, TrafficPath, Trials, estimate_share

pytestmark = [
    pytest.mark.network,
    pytest.mark.medium,
    pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host", "host-os"),
]


@pytest.mark.measures("network.sustained.loss_ratio", "network.sustained.longest_gap", "network.sustained.latency_p999")
@pytest.mark.expected_seconds(25)
def test_sustained_load(
    trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder, progress: Progress
) -> None:
    """Loss, gaps and the worst latencies over time (ETSI GS NFV-TST 009 §11.6, soak; VSPERF LTD packet delay soak)."""
    frame_bytes = min(parameters.frame_bytes)
    rate = path.line_rate_fps(frame_bytes) * parameters.soak_load
    sent = lost = 0
    longest_gap_s = seconds = 0.0
    curve, tails = [], []
    while seconds < parameters.soak_seconds:
        progress(seconds, parameters.soak_seconds, f"sustained load of {rate:.0f} pps")
        slice_seconds = min(parameters.soak_slice_seconds, parameters.soak_seconds - seconds)
        result = trials.run(frame_bytes, rate, slice_seconds, flows=parameters.flows)
        seconds += slice_seconds
        sent, lost = sent + result.sent, lost + result.lost
        longest_gap_s = max(longest_gap_s, result.longest_gap_s)
        curve.append((seconds, result.loss_ratio * 100))
        if result.latency:
            tails.append((seconds, result.latency.p999_us))
    conditions = {"frame_bytes": frame_bytes, "load": parameters.soak_load, "seconds": parameters.soak_seconds}
    kpi.series("Frames lost under sustained load", curve, x="time [s]", y="frames lost [%]")
    kpi.measure("network.sustained.loss_ratio", estimate_share(lost, sent), **conditions)
    kpi.measure("network.sustained.longest_gap", longest_gap_s, **conditions)
    if tails:
        kpi.series("99.9th percentile of latency under sustained load", tails, x="time [s]", y="latency [µs]")
        # Of the worst window: what comes once in a while is not to be diluted by a longer test.
        kpi.measure("network.sustained.latency_p999", max(tail_us for _, tail_us in tails) * 1e-6, **conditions)
