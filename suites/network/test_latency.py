"""How long frames take, and how evenly."""

from collections.abc import Callable

import pytest

from nfvcert.suite import InvalidMeasurement, KpiRecorder, Parameters, Throughput, Trials

pytestmark = [
    pytest.mark.network,
    pytest.mark.small,
    pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host", "host-os"),
]

KPIS = ("network.latency.p50", "network.latency.p99", "network.delay_variation.pdv_p99")
BETWEEN_FRAMES = "network.delay_variation.p99"
"""Of latencies of single frames, which not every generator keeps."""


@pytest.mark.measures(*KPIS, BETWEEN_FRAMES)
@pytest.mark.expected_seconds(16)
def test_latency(
    trials: Trials,
    throughput: Callable[[int], Throughput],
    parameters: Parameters,
    kpi: KpiRecorder,
    frame_bytes: int,
) -> None:
    """One-way latency and delay variation at half of the non-drop rate (RFC 2544 §26.2; TST 009 §11.3; RFC 5481)."""
    rate = throughput(frame_bytes).ndr.low * parameters.latency_load
    if rate <= 0:
        raise InvalidMeasurement(
            f"the device has no non-drop rate at {frame_bytes} B, so there is no load for its latency"
        )
    histogram: dict[float, int] = {}

    def take() -> tuple[float, ...]:
        latency = trials.run(frame_bytes, rate, parameters.latency_seconds, flows=parameters.flows).latency
        if latency is None:
            raise InvalidMeasurement(f"no frame of {frame_bytes} B arrived at {rate:.0f} pps, so there is no latency")
        for edge_us, frames in latency.histogram:
            histogram[edge_us] = histogram.get(edge_us, 0) + frames
        told_us = (latency.p50_us, latency.p99_us, latency.p99_us - latency.min_us, latency.ipdv_p99_us)
        return tuple(value_us * 1e-6 for value_us in told_us if value_us is not None)

    if trials.tells_delay_variation:
        kpi.sample((*KPIS, BETWEEN_FRAMES), take, frame_bytes=frame_bytes, load=parameters.latency_load)
    else:
        kpi.sample(KPIS, take, frame_bytes=frame_bytes, load=parameters.latency_load)
        kpi.cannot_tell(BETWEEN_FRAMES, "the generator of this lab keeps no latencies of single frames")
    points = [(edge, float(frames)) for edge, frames in sorted(histogram.items())]
    kpi.series(f"One-way latency, {frame_bytes} B", points, x="latency [µs]", y="frames", kind="histogram")
