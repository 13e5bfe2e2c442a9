"""How much the device carries."""

from collections.abc import Callable

import pytest

from nfvcert.suite import KpiRecorder, Parameters, Throughput, TrafficPath, Trials

pytestmark = [
    pytest.mark.network,
    pytest.mark.small,
    pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host", "host-os"),
]


@pytest.mark.measures("network.throughput.ndr", "network.throughput.pdr")
@pytest.mark.expected_seconds(6)
def test_throughput(
    throughput: Callable[[int], Throughput], parameters: Parameters, kpi: KpiRecorder, frame_bytes: int
) -> None:
    """Non-drop rate and partial-drop rate (RFC 2544 §26.1; ETSI GS NFV-TST 009 §11.2; search by RFC 9971)."""
    found = throughput(frame_bytes)
    steps = [(float(step), trial.load_fps) for step, trial in enumerate(found.trials, start=1)]
    kpi.series(f"Search for the non-drop rate, {frame_bytes} B", steps, x="trial", y="load [pps]", kind="steps")
    kpi.note(trials=[vars(trial) for trial in found.trials])
    kpi.measure("network.throughput.ndr", found.ndr, frame_bytes=frame_bytes, flows=parameters.flows)
    kpi.measure("network.throughput.pdr", found.pdr, frame_bytes=frame_bytes, flows=parameters.flows)


@pytest.mark.measures("network.frame_loss.ratio")
@pytest.mark.expected_seconds(8)
def test_frame_loss_rate(
    trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder, frame_bytes: int
) -> None:
    """Frame loss rate from the line rate downwards (RFC 2544 §26.3; ETSI GS NFV-TST 009 §11.5)."""
    curve = []
    for load in parameters.loss_curve:
        rate = path.line_rate_fps(frame_bytes) * load
        losses: list[float] = []

        def trial(rate: float = rate, losses: list[float] = losses) -> float:
            losses.append(trials.run(frame_bytes, rate, parameters.trial_seconds, flows=parameters.flows).loss_ratio)
            return losses[-1]

        kpi.sample("network.frame_loss.ratio", trial, first=1, frame_bytes=frame_bytes, load=load)
        curve.append((load * 100, sorted(losses)[len(losses) // 2] * 100))
    kpi.series(f"Frame loss rate, {frame_bytes} B", reversed(curve), x="load [% of line rate]", y="frames lost [%]")


@pytest.mark.measures("network.back_to_back.frames")
@pytest.mark.expected_seconds(8)
def test_back_to_back_frames(
    trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder, frame_bytes: int
) -> None:
    """The longest burst at line rate without loss (RFC 2544 §26.4; RFC 9004)."""
    line_rate = path.line_rate_fps(frame_bytes)

    def passes(frames: int) -> bool:
        return trials.run(frame_bytes, line_rate, frames / line_rate, flows=parameters.flows).lost == 0

    def longest_burst() -> float:
        longest = int(line_rate * parameters.burst_seconds)
        if passes(longest):
            return longest
        low, high = 0, longest
        while high - low > max(1, longest // 50):
            middle = (low + high) // 2
            low, high = (middle, high) if passes(middle) else (low, middle)
        return low

    kpi.sample("network.back_to_back.frames", longest_burst, frame_bytes=frame_bytes)
