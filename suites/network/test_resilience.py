"""What happens when a part fails, the device restarts, or more comes than it can carry."""

import contextlib
import math
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import pytest

from nfvcert.suite import (
    A_DAY_S,
    DeviceSuspected,
    Estimate,
    FrameCounter,
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
    Unreachable,
    estimate_share,
    recovery,
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
"""How long traffic may take to be back when all has been given back, before that is a failure too."""
ATTEMPTS = 4
"""Each takes a link away, or restarts the device."""
GENTLE_ATTEMPTS = 6
WINDOW_S = 0.01
"""How exactly the end of a loss is told."""
PAUSE_S = 0.1
"""Of a stream whose last so long nothing came of, the outage goes on."""
SOON_S = 0.05
"""When frames flow at the first look, it began no later than this; and as exactly an outage has to be known."""
AT_ONCE_S = 0.0005
"""Frames of so long must have been lost at a fail-over that nobody counts: a few are lost at any time."""
ON_PRIMARY = 0.5
"""Share of the frames that the primary link must carry before it is taken away: some may be hashed to the other one."""
T = TypeVar("T")


@pytest.mark.measures("network.failover.outage")
@pytest.mark.expected_seconds(15)
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
    carried = FrameCounter(switch, redundancy.counted_by) if redundancy.counted_by else None

    def give_back() -> None:
        switch.run(redundancy.up)

    def outage() -> Estimate:
        if carried is not None:
            _see_that_it_carries(carried, redundancy.primary, trials, rate)
        found, lost = _outage(trials, rate, AFTER_S, lambda: switch.run(redundancy.down), give_back)
        if carried is None and lost < max(1.0, rate * AT_ONCE_S):
            raise Undeclared(
                f"{lost:,} frames were lost while {redundancy.host} ran {redundancy.down!r}: nothing shows that "
                f"{redundancy.primary} had carried any",
                what=redundancy.host,
                hint="network.dut.redundancy.counted_by: a command that prints how many frames the primary carried",
            )
        return found

    samples: list[Estimate] = []
    try:
        for _ in range(parameters.failover_repeats):
            samples.append(_of_the_first_valid(outage, ATTEMPTS))  # noqa: PERF401 - those before an error stay
    finally:  # what was too long stays so, whatever keeps the others from being measured
        kpi.note(outages_s=[(each.low, each.high) for each in samples])
        if samples:
            # The longest counts: a fail-over that works two times out of three does not work.
            low, high = max(each.low for each in samples), max(each.high for each in samples)
            longest = max(each.value for each in samples)
            kpi.measure("network.failover.outage", Estimate(longest, low, high, None), links=2)


def _see_that_it_carries(carried: FrameCounter, primary: str, trials: Trials, rate: float) -> None:
    """Wait until a link carries the traffic, again after it was away. Raises Undeclared where it does not."""
    end = time.monotonic() + PATIENCE_S
    while True:
        before = carried.read()
        sent = trials.run(FRAME_BYTES, rate, BEFORE_S).sent
        if (came := carried.gained(before, math.ceil(ON_PRIMARY * sent))) >= ON_PRIMARY * sent:
            return
        if time.monotonic() > end:
            raise Undeclared(
                f"{primary} carried {max(0, came):,} of {sent:,} frames: to take it away would show nothing",
                what=primary,
                hint="network.dut.redundancy: traffic must be back on primary within 10 s after `up`",
            )


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

    def restart() -> None:
        device.run(reset.command, timeout_s=reset.seconds + PATIENCE_S)

    outage, lost = _of_the_first_valid(lambda: _outage(trials, rate, reset.seconds, restart), ATTEMPTS)
    if not lost:
        raise InvalidMeasurement(
            f"no frame was lost while {reset.host} ran {reset.command!r}: nothing shows that the device restarted",
            what=reset.host,
            hint="network.dut.reset.command must stop and start all that forwards",
        )
    kpi.measure("network.reset.planned_time", outage)


@pytest.mark.measures("network.overload.recovery_time")
@pytest.mark.expected_seconds(8)
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

    # What a device loses at any time is not what the overload leaves behind. (The later half: other tests load it too.)
    calm = trials.run(frame_bytes, lasting, parameters.after_overload_seconds, window_s=WINDOW_S)
    late = [window for window in calm.windows[len(calm.windows) // 2 :] if not window.invalid]
    lost, sent = sum(window.lost for window in late), sum(window.sent for window in late)
    if not sent or lost > parameters.pdr_loss_ratio * sent:
        raise InvalidMeasurement(f"of {sent:,} frames {lost:,} were lost before the overload")

    def recovered() -> Estimate:
        result = trials.run_streams([steady, surge])[0]
        return recovery(
            result.windows,
            parameters.overload_seconds,
            estimate_share(lost, sent),
            max(calm.window_error, result.window_error),
        )

    kpi.measure(
        "network.overload.recovery_time",
        _of_the_first_valid(recovered),
        frame_bytes=frame_bytes,
        load=parameters.overload_load,
        load_after=parameters.after_overload_load,
    )


def _of_the_first_valid(measure: Callable[[], T], attempts: int = GENTLE_ATTEMPTS) -> T:
    """What the generator vouches for, of a few attempts; what the device may have spoilt is not tried again."""
    for _ in range(attempts - 1):
        try:
            return measure()
        except DeviceSuspected:
            raise
        except InvalidMeasurement:
            continue
    return measure()


def _outage(
    trials: Trials,
    rate: float,
    after_s: float,
    interrupt: Callable[[], object],
    give_back: Callable[[], object] | None = None,
) -> tuple[Estimate, int]:
    """How long nothing came to a stream that is interrupted, in s, until frames flow again, and how many were lost.

    Frames that were lost here and there count as one outage. Raises InvalidMeasurement where the generator does not
    vouch for it, and only when frames flow again: a device that does not come back has failed, whoever looked on.
    """
    flowing_at = 0.0

    def during() -> None:
        nonlocal flowing_at
        flowing_at = time.monotonic()
        time.sleep(BEFORE_S)
        interrupt()

    spoilt = None
    try:
        result = trials.run(FRAME_BYTES, rate, BEFORE_S + after_s, window_s=PAUSE_S, during=during, attempts=1)
    except InvalidMeasurement as error:
        spoilt = error
    finally:
        if give_back is not None:
            give_back()
    looked_at = time.monotonic()
    back = _flows_again(trials, rate)
    if back is None:
        out_s = after_s + PATIENCE_S
        unseen = f"it had not come back when nobody looked any more, after {out_s:g} s"
        return Estimate(out_s, out_s, A_DAY_S, None, note=unseen), round(rate * out_s)
    if spoilt is not None:
        raise spoilt
    least_s, most_s = _seen_out_s(result, rate)
    # It went on when the stream had ended; or it began so late that only what was sent after that shows it, where
    # nothing was given back in between that could cost frames too.
    if not result.windows[-1].received or (give_back is None and back.latest > looked_at + SOON_S):
        if back.latest - back.earliest > SOON_S:
            raise InvalidMeasurement(
                "when frames flowed again is not known: the generator does not vouch for what it saw meanwhile",
                what="traffic generator",
            )
        still_s = max(0.0, back.latest - (flowing_at + BEFORE_S + after_s))
        least_s = max(least_s, result.windows[-1].longest_gap_s + still_s)
        most_s = max(least_s, most_s)
    return Estimate(most_s, least_s, most_s, None), result.lost


def _seen_out_s(result: StreamResult, rate: float) -> tuple[float, float]:
    """How long a stream was seen to be interrupted, at least and at most.

    While the generator sends nothing, a device may be out unseen: that is no longer than the gap it makes. Raises
    InvalidMeasurement where that is long, or where it may have lost frames itself.
    """
    seen_s = max(result.longest_gap_s, result.lost / rate)
    spoilt = [window for window in result.windows if window.invalid]
    if not spoilt:
        return seen_s, seen_s
    sound_s = [window.longest_gap_s for window in result.windows if not window.invalid]
    least_s, most_s = max([result.lost / rate, *sound_s]), max(seen_s, (result.lost + result.unsent) / rate)
    if any(window.lost for window in spoilt) or most_s - least_s > SOON_S:
        reasons = dict.fromkeys(reason for window in spoilt for reason in window.invalid)
        raise InvalidMeasurement("; ".join(reasons), what="traffic generator")
    return least_s, most_s


class Back(NamedTuple):
    """Between when and when frames began to flow again, by `time.monotonic`."""

    earliest: float
    latest: float


def _flows_again(trials: Trials, rate: float) -> Back | None:
    """When frames flow again: without loss, or most of them where there is always some; None when they do not.

    Of the time in which the generator does not vouch for what it sees nothing is known, and it does not count.
    """
    end, most = time.monotonic() + PATIENCE_S, None
    while (began := time.monotonic()) < end:
        looks: list[float] = []
        with contextlib.suppress(Unreachable):
            result = trials.run(FRAME_BYTES, rate, 0.2, during=lambda: looks.append(time.monotonic()))  # noqa: B023
            back = Back(began, looks[-1] if len(looks) > 1 else began)
            if not result.lost:
                return back
            if most is None and 2 * result.lost < result.sent:
                most = back
            end += back.latest - back.earliest
    return most
