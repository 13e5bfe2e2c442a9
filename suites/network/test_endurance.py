"""Whether it stays so."""

import pytest

from nfvcert.suite import (
    DeviceSuspected,
    InvalidMeasurement,
    KpiRecorder,
    Parameters,
    Progress,
    TrafficPath,
    Trials,
    Window,
    estimate_share,
)

pytestmark = [
    pytest.mark.network,
    pytest.mark.medium,
    pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host", "host-os"),
]

PIECE_SECONDS = 60.0
"""Sent without a break. Between two pieces nobody listens for some 0.2 s."""
SPARE_WINDOWS = 10
"""So many may be of no use in however short a test."""


@pytest.mark.measures("network.sustained.loss_ratio", "network.sustained.longest_gap", "network.sustained.latency_p999")
@pytest.mark.expected_seconds(25)
def test_sustained_load(
    trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder, progress: Progress
) -> None:
    """Loss, gaps and the worst latencies over time (ETSI GS NFV-TST 009 §11.6, soak; VSPERF LTD packet delay soak)."""
    frame_bytes = min(parameters.frame_bytes)
    rate = path.line_rate_fps(frame_bytes) * parameters.soak_load
    good: list[tuple[float, Window]] = []
    unusable: list[dict[str, object]] = []
    began_s = useful_s = useless_s = 0.0
    suspected: DeviceSuspected | None = None
    while parameters.soak_seconds - useful_s > parameters.soak_slice_seconds / 2 or not good:
        if useless_s > parameters.soak_seconds + SPARE_WINDOWS * parameters.soak_slice_seconds:
            raise InvalidMeasurement(
                f"of {began_s:.0f} s of load {useless_s:.0f} s were of no use, the last ones since: "
                f"{unusable[-1]['reasons']}",
                what="traffic generator",
            )
        progress(useful_s, parameters.soak_seconds, f"sustained load of {rate:.0f} pps")
        piece_s = max(min(parameters.soak_seconds - useful_s, PIECE_SECONDS), parameters.soak_slice_seconds)
        try:
            windows = trials.run(
                frame_bytes, rate, piece_s, flows=parameters.flows, window_s=parameters.soak_slice_seconds, attempts=1
            ).windows
        except InvalidMeasurement as error:
            # Made up for only while it is rare: a device that spoils each third minute would pass in the others.
            suspected = error if isinstance(error, DeviceSuspected) else suspected
            windows = ()
            useless_s += piece_s
            unusable.append({"from_s": began_s, "seconds": piece_s, "reasons": str(error)})
        for window in windows:
            from_s = began_s + window.start_s
            if window.invalid:
                useless_s += window.seconds
                unusable.append({"from_s": from_s, "seconds": window.seconds, "reasons": "; ".join(window.invalid)})
            else:
                useful_s += window.seconds
                good.append((from_s + window.seconds, window))
        began_s += piece_s
    kpi.note(unusable=unusable)
    conditions = {"frame_bytes": frame_bytes, "load": parameters.soak_load, "seconds": parameters.soak_seconds}
    curve = [(until_s, window.lost / window.sent * 100) for until_s, window in good]
    kpi.series("Frames lost under sustained load", curve, x="time [s]", y="frames lost [%]")
    sent, lost = sum(window.sent for _, window in good), sum(window.lost for _, window in good)
    kpi.measure("network.sustained.loss_ratio", estimate_share(lost, sent), **conditions)
    kpi.measure("network.sustained.longest_gap", max(window.longest_gap_s for _, window in good), **conditions)
    tails = [(until_s, window.latency.p999_us) for until_s, window in good if window.latency]
    if tails:
        kpi.series("99.9th percentile of latency under sustained load", tails, x="time [s]", y="latency [µs]")
        # Of the worst window: what comes once in a while is not to be diluted by a longer test.
        kpi.measure("network.sustained.latency_p999", max(tail_us for _, tail_us in tails) * 1e-6, **conditions)
    if suspected is not None and trials.suspects_device:
        raise suspected
