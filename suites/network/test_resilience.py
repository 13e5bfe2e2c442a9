"""What happens when a part fails, the device restarts, or more comes than it can carry."""

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from nfvcert.suite import (
    Estimate,
    InvalidMeasurement,
    KpiRecorder,
    Lab,
    Parameters,
    Shell,
    Stream,
    StreamResult,
    TrafficPath,
    Trials,
    Undeclared,
)

pytestmark = [
    pytest.mark.network,
    pytest.mark.medium,
    pytest.mark.covers("rack-switch", "vswitch", "sdn-controller", "network-gateway-router"),
]

FRAME_BYTES = 128
BEFORE_S = 0.5
AFTER_S = 2.0
"""Traffic flows so long before and after the link is taken away."""
PATIENCE_S = 10.0
WINDOW_S = 0.01
"""How exactly the end of a loss is told."""
T = TypeVar("T")


@pytest.mark.measures("network.failover.outage")
@pytest.mark.expected_seconds(12)
def test_failover(
    lab: Lab,
    trials: Trials,
    path: TrafficPath,
    shell: Callable[[str], Shell],
    parameters: Parameters,
    kpi: KpiRecorder,
) -> None:
    """How long traffic stops when one of two redundant links is taken away (RFC 6201 §1.2; ETSI GS NFV-REL 001 §10)."""
    redundancy = lab.dut.redundancy
    if redundancy is None:
        raise InvalidMeasurement(f"lab {lab.lab} declares no network.dut.redundancy to fail over to")
    switch = shell(redundancy.host)
    rate = path.line_rate_fps(FRAME_BYTES) * parameters.failover_rate

    def outage() -> float:
        try:
            result = _interrupted(trials, rate, AFTER_S, lambda: switch.run(redundancy.down))
        finally:
            switch.run(redundancy.up)
        _wait_for_traffic(trials, rate, "the link was given back")
        return _out_s(result)

    samples = [_valid(outage) for _ in range(parameters.failover_repeats)]
    kpi.note(outages_s=samples)
    # The longest counts: a fail-over that works two times out of three does not work.
    kpi.measure("network.failover.outage", max(samples), links=2)


@pytest.mark.measures("network.reset.planned_time")
@pytest.mark.expected_seconds(5)
def test_reset(
    lab: Lab,
    trials: Trials,
    path: TrafficPath,
    shell: Callable[[str], Shell],
    parameters: Parameters,
    kpi: KpiRecorder,
) -> None:
    """How long the device is out of operation when it is restarted (RFC 6201 §4; RFC 2544 §26.6)."""
    reset = lab.dut.reset
    if reset is None:
        raise Undeclared(f"lab {lab.lab} declares no network.dut.reset by which its device restarts", what="reset")
    device = shell(reset.host)
    rate = path.line_rate_fps(FRAME_BYTES) * parameters.failover_rate

    def out_of_operation() -> float:
        result = _interrupted(
            trials, rate, reset.seconds, lambda: device.run(reset.command, timeout_s=reset.seconds + PATIENCE_S)
        )
        _wait_for_traffic(trials, rate, "the device was restarted")
        if not result.lost:
            raise InvalidMeasurement(
                f"no frame was lost while {reset.host} ran {reset.command!r}: nothing shows that the device restarted",
                what=reset.host,
                hint="network.dut.reset.command must stop and start all that forwards",
            )
        return _out_s(result)

    kpi.measure("network.reset.planned_time", _valid(out_of_operation))


@pytest.mark.measures("network.overload.recovery_time")
@pytest.mark.expected_seconds(5)
def test_recovery_from_overload(trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder) -> None:
    """How long after an overload frames are still lost (RFC 2544 §26.5, system recovery)."""
    frame_bytes = min(parameters.frame_bytes)
    line_rate = path.line_rate_fps(frame_bytes)
    lasting = line_rate * parameters.after_overload_load
    # One stream before and after; another one beside it makes the overload, and ends.
    seconds = parameters.overload_seconds + parameters.after_overload_seconds
    steady = Stream(path.tx, path.rx, frame_bytes, lasting, seconds, window_s=WINDOW_S)
    surge = Stream(
        path.tx, path.rx, frame_bytes, line_rate * parameters.overload_load - lasting, parameters.overload_seconds
    )

    def recovery() -> Estimate:
        windows = trials.run_streams([steady, surge])[0].windows
        lossy = [each for each in windows if each.start_s >= parameters.overload_seconds and each.lost]
        if not lossy:
            return Estimate(0.0, 0.0, WINDOW_S, None)
        last = lossy[-1]
        if last.invalid:
            raise InvalidMeasurement(f"when frames were lost last, {'; '.join(last.invalid)}", what="traffic generator")
        after_s = last.start_s - parameters.overload_seconds
        return Estimate(after_s + last.seconds, after_s, after_s + last.seconds, None)

    kpi.measure(
        "network.overload.recovery_time",
        _valid(recovery),
        frame_bytes=frame_bytes,
        load=parameters.overload_load,
        load_after=parameters.after_overload_load,
    )


def _interrupted(trials: Trials, rate: float, after_s: float, interrupt: Callable[[], object]) -> StreamResult:
    """A stream that is interrupted when it has flowed for a moment, and watched for a time from then on."""

    def during() -> None:
        time.sleep(BEFORE_S)
        interrupt()

    return trials.run(FRAME_BYTES, rate, BEFORE_S + after_s, during=during, attempts=1)


def _out_s(result: StreamResult) -> float:
    """How long nothing came; frames that were lost here and there count as one outage."""
    return max(result.longest_gap_s, result.lost / result.stream.rate_fps)


def _valid(measure: Callable[[], T], attempts: int = 4) -> T:
    """What the generator vouches for. `Trials` cannot repeat it: the lab must be as before in between."""
    for _ in range(attempts - 1):
        with contextlib.suppress(InvalidMeasurement):
            return measure()
    return measure()


def _wait_for_traffic(trials: Trials, rate: float, since: str, seconds: float = PATIENCE_S) -> None:
    """Until frames flow without loss again. Raises InvalidMeasurement when they do not."""
    end = time.monotonic() + seconds
    while trials.run(FRAME_BYTES, rate, 0.2).lost:
        if time.monotonic() > end:
            raise InvalidMeasurement(f"{seconds:.0f} s after {since}, frames were still lost")
