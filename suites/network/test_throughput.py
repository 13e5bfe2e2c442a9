"""How much the device carries."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from nfvcert.suite import (
    Counts,
    Estimate,
    InvalidMeasurement,
    KpiRecorder,
    NotConverged,
    Parameters,
    Stream,
    Throughput,
    TrafficPath,
    Trial,
    Trials,
    estimate_median,
    search,
)

pytestmark = [
    pytest.mark.network,
    pytest.mark.small,
    pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host", "host-os"),
]


ETHERNET_OVERHEAD_BYTES = 20
"""Preamble, start delimiter and inter-frame gap (RFC 1242 §3.5)."""
FRAMES = 4500
"""Of fewer, not even none lost shows at once that less than 0.1 % are (`measure.sequential.share_until_decided`)."""


@pytest.mark.measures("network.throughput.ndr", "network.throughput.pdr", "network.throughput.within_loss")
@pytest.mark.expected_seconds(6)
def test_throughput(
    throughput: Callable[[int], Throughput], parameters: Parameters, kpi: KpiRecorder, frame_bytes: int
) -> None:
    """Non-drop rate and partial-drop rate (RFC 2544 §26.1; ETSI GS NFV-TST 009 §11.2; search by RFC 9971)."""
    with _drawn(kpi, f"Search for the non-drop rate, {frame_bytes} B") as draw:
        found = throughput(frame_bytes)
        draw(found.trials)
    kpi.measure("network.throughput.ndr", found.ndr, frame_bytes=frame_bytes, flows=parameters.flows)
    kpi.measure("network.throughput.pdr", found.pdr, frame_bytes=frame_bytes, flows=parameters.flows)
    for goal in parameters.loss_goals:
        conditions = {"frame_bytes": frame_bytes, "flows": parameters.flows, "loss_ratio": goal}
        kpi.measure("network.throughput.within_loss", found.within[goal], **conditions)
    if not parameters.loss_goals:
        kpi.cannot_tell("network.throughput.within_loss", "the test model sets no loss_goals")


@pytest.mark.measures("network.imix.ndr")
@pytest.mark.expected_seconds(6)
def test_throughput_of_a_mix(trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder) -> None:
    """Non-drop rate of frames of several sizes side by side (IMIX, RFC 6985; RFC 2544 §26.1)."""
    frames = sum(parameters.imix.values())
    wire_bytes = sum(number * (size + ETHERNET_OVERHEAD_BYTES) for size, number in parameters.imix.items()) / frames

    def measure(load_fps: float, seconds: float) -> Counts:
        results = trials.run_streams(
            [
                Stream(path.tx, path.rx, size, load_fps * number / frames, seconds, parameters.flows)
                for size, number in parameters.imix.items()
            ]
        )
        longest_s = max(result.seconds for result in results)
        return Counts(sum(result.sent for result in results), sum(result.lost for result in results), longest_s)

    with _drawn(kpi, "Search for the non-drop rate, mixed sizes") as draw:
        found = search(measure, path.line_rate_bps / (8 * wire_bytes), parameters)
        draw(found.trials)
    mix = ", ".join(f"{number}x{size}" for size, number in parameters.imix.items())
    kpi.measure("network.imix.ndr", found.ndr, mix=mix, flows=parameters.flows)


@contextmanager
def _drawn(kpi: KpiRecorder, title: str) -> Iterator[Callable[[Sequence[Trial]], None]]:
    """Gives what draws the trials of a search; those of one that does not end are drawn too."""

    def draw(trials: Sequence[Trial]) -> None:
        steps = [(float(step), trial.load_fps) for step, trial in enumerate(trials, start=1)]
        kpi.series(title, steps, x="trial", y="load [pps]", kind="steps")
        kpi.note(trials=[vars(trial) for trial in trials])

    try:
        yield draw
    except NotConverged as unfinished:
        draw(unfinished.trials)
        raise


@pytest.mark.measures("network.frame_loss.ratio")
@pytest.mark.expected_seconds(8)
def test_frame_loss_rate(
    trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder, frame_bytes: int
) -> None:
    """Frame loss rate from the line rate downwards (RFC 2544 §26.3; ETSI GS NFV-TST 009 §11.5)."""
    curve = []
    for load in parameters.loss_curve:
        rate = path.line_rate_fps(frame_bytes) * load
        # Several, and not one that is long: what disturbs the generator for a moment costs no more than one of them.
        number = math.ceil(FRAMES / (rate * parameters.trial_seconds))
        counts: list[tuple[int, int]] = []

        def trial(rate: float = rate, number: int = number, counts: list[tuple[int, int]] = counts) -> tuple[int, int]:
            results = [
                trials.run(frame_bytes, rate, parameters.trial_seconds, flows=parameters.flows) for _ in range(number)
            ]
            counts.append((sum(result.lost for result in results), sum(result.sent for result in results)))
            return counts[-1]

        kpi.sample_share("network.frame_loss.ratio", trial, frame_bytes=frame_bytes, load=load)
        lost, sent = map(sum, zip(*counts, strict=True))
        curve.append((load * 100, lost / sent * 100))
    kpi.series(f"Frame loss rate, {frame_bytes} B", reversed(curve), x="load [% of line rate]", y="frames lost [%]")


@pytest.mark.measures("network.back_to_back.frames", "network.back_to_back.buffer_time")
@pytest.mark.expected_seconds(8)
def test_back_to_back_frames(
    trials: Trials,
    path: TrafficPath,
    throughput: Callable[[int], Throughput],
    parameters: Parameters,
    kpi: KpiRecorder,
    frame_bytes: int,
) -> None:
    """The longest burst at line rate without loss, and the buffer that it fills (RFC 2544 §26.4; RFC 9004)."""
    line_rate = path.line_rate_fps(frame_bytes)
    longest = int(line_rate * parameters.burst_seconds)
    bursts: list[int] = []

    def passes(frames: int) -> bool:
        return trials.run(frame_bytes, line_rate, frames / line_rate, flows=parameters.flows).lost == 0

    def longest_burst() -> float:
        low, high = (longest, longest) if passes(longest) else (0, longest)
        while high - low > max(1, low // 1000):  # what is reported is what passed, and hardly less than would
            middle = (low + high) // 2
            low, high = (middle, high) if passes(middle) else (low, middle)
        bursts.append(low)
        return low

    kpi.sample("network.back_to_back.frames", longest_burst, frame_bytes=frame_bytes)
    if longest in bursts:
        whole = f"bursts of {parameters.burst_seconds:g} s (burst_seconds) are forwarded whole: no buffer is ever full"
        kpi.cannot_tell("network.back_to_back.buffer_time", whole, frame_bytes=frame_bytes)
        return
    try:
        ndr = throughput(frame_bytes).ndr
    except InvalidMeasurement as error:  # which is no matter to those who ask for the burst only
        kpi.cannot_tell("network.back_to_back.buffer_time", str(error), frame_bytes=frame_bytes)
        return
    if ndr.low <= 0:
        none = f"the device has no non-drop rate at {frame_bytes} B: it loses frames though its buffer is not full"
        kpi.cannot_tell("network.back_to_back.buffer_time", none, frame_bytes=frame_bytes)
        return
    # What leaves the buffer while it fills has made the burst longer (RFC 9004 §6.4).
    burst_s = estimate_median([frames / line_rate for frames in bursts])
    buffer_time = Estimate(
        burst_s.value * (1 - ndr.value / line_rate),
        burst_s.low * (1 - ndr.high / line_rate),
        burst_s.high * (1 - ndr.low / line_rate),
        burst_s.confidence,
    )
    kpi.measure("network.back_to_back.buffer_time", buffer_time, frame_bytes=frame_bytes)
