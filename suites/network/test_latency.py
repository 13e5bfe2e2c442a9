"""How long frames take, and how evenly."""

from collections import Counter
from collections.abc import Callable
from statistics import median

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
    """One-way latency and delay variation under load (RFC 2544 §26.2; TST 009 §11.3; RFC 5481)."""
    most = throughput(frame_bytes).ndr.low
    if most <= 0:
        raise InvalidMeasurement(
            f"the device has no non-drop rate at {frame_bytes} B, so there is no load for its latency"
        )
    told = (*KPIS, BETWEEN_FRAMES) if trials.tells_delay_variation else KPIS
    curve: list[tuple[float, float]] = []
    for load in sorted({parameters.latency_load, *parameters.latency_curve}):
        p99_us: list[float] = []
        histogram: Counter[float] = Counter()

        def take(
            load: float = load, p99_us: list[float] = p99_us, histogram: Counter[float] = histogram
        ) -> tuple[float, ...]:
            latency = trials.run(frame_bytes, most * load, parameters.latency_seconds, flows=parameters.flows).latency
            if latency is None:
                raise InvalidMeasurement(
                    f"no frame of {frame_bytes} B arrived at {most * load:.0f} pps, so there is no latency"
                )
            histogram.update(dict(latency.histogram))
            p99_us.append(latency.p99_us)
            values_us = (latency.p50_us, latency.p99_us, latency.p99_us - latency.min_us, latency.ipdv_p99_us)
            return tuple(value_us * 1e-6 for value_us in values_us if value_us is not None)

        kpi.sample(told, take, frame_bytes=frame_bytes, load=load)
        curve.append((load * 100, median(p99_us)))
        points = [(edge, float(frames)) for edge, frames in sorted(histogram.items())]
        at = f"{frame_bytes} B at {load:.0%} of the non-drop rate"
        kpi.series(f"One-way latency, {at}", points, x="latency [µs]", y="frames", kind="histogram")
    if not trials.tells_delay_variation:
        kpi.cannot_tell(BETWEEN_FRAMES, "the generator of this lab keeps no latencies of single frames")
    if len(curve) > 1:
        title = f"99th percentile of the latency, {frame_bytes} B"
        kpi.series(title, curve, x="load [% of the non-drop rate]", y="latency [µs]")
