"""What the generator can do on a loop without the device, found out before it is trusted.

A port's ceiling is the highest rate that was sent and received whole. It is searched downwards from what a burst at
full speed reaches, in trials of a fifth of a second, so that a calibration takes 3 s on a machine that is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from nfvcert.measure.patience import pause_s
from nfvcert.protocols import Calibration, Stream, StreamResult

__all__ = ["GENERATOR", "calibrate", "without_loop"]

GENERATOR = "software (AF_PACKET)"
_SIZES = (64, 1518)
_TRIAL_S = 0.2
_MORE_THAN_ANY_FPS = 2_000_000
_STEPS_DOWN = (0.9, 0.8, 0.65, 0.5, 0.3)
_MODERATE_FPS = 1000.0
_MODERATE_S = 0.4
_LEAST_CEILING_FPS = 1000
_ATTEMPTS = 5

Run = Callable[[Sequence[Stream]], Sequence[StreamResult]]
"""Runs streams on the loop."""


def calibrate(
    run: Run,
    tx: str,
    rx: str,
    *,
    generator: str = GENERATOR,
    flat_out_fps: Callable[[int], float] = lambda _: _MORE_THAN_ANY_FPS,
    steps_down: Sequence[float] = _STEPS_DOWN,
) -> Calibration:
    """Measure ceiling and own latency between two looped ports.

    ``flat_out_fps``: frame size in bytes → the rate in fps to begin with; ``steps_down``: the shares of what it
    reached then that are tried. Raises: what ``run`` raises.
    """
    gentle = _gentle(run, Stream(tx, rx, _SIZES[0], _MODERATE_FPS, _MODERATE_S))
    problems = [f"on its loop, at {_MODERATE_FPS:,.0f} pps, it {reason}" for reason in gentle.invalid]
    if gentle.lost:
        problems.append(f"lost {gentle.lost:,} of {gentle.sent:,} frames on its own loop at {_MODERATE_FPS:,.0f} pps")
    ceilings = {}
    for size in () if problems else _SIZES:
        ceilings[size], failed = _ceiling(run, Stream(tx, rx, size, flat_out_fps(size), _TRIAL_S), steps_down)
        if ceilings[size] < _LEAST_CEILING_FPS:
            problems.append(
                f"reaches {ceilings[size]:,.0f} pps only with frames of {size} bytes, {_LEAST_CEILING_FPS:,} are needed"
                + (f": on its loop {failed}" if failed else "")
            )
    return Calibration(
        generator=generator,
        ceiling_fps=ceilings,
        latency_p50_us=gentle.latency.p50_us if gentle.latency else 0.0,
        latency_p99_us=gentle.latency.p99_us if gentle.latency else 0.0,
        problems=tuple(problems),
    )


def without_loop(generator: str = GENERATOR) -> Calibration:
    """The calibration of a generator that has no loop to prove itself on."""
    problem = "has no loop between two of its ports, so it cannot be told whether it loses frames itself"
    return Calibration(generator, {}, 0.0, 0.0, (problem,))


def _gentle(run: Run, stream: Stream) -> StreamResult:
    """A result at a rate that any machine should hold; a stall of the machine may spoil some."""
    result = run([stream])[0]
    for failures in range(1, _ATTEMPTS):
        if _whole(result):
            break
        time.sleep(pause_s(failures, [result]))
        result = run([stream])[0]
    return result


def _ceiling(run: Run, flat_out: Stream, steps_down: Sequence[float]) -> tuple[float, str]:
    """The highest rate that was sent and received whole, in fps; 0 when none was, and then why the lowest was not."""
    result = _highest(run, flat_out, steps_down)
    for failures in range(1, _ATTEMPTS):
        if _whole(result) and result.offered_fps >= _LEAST_CEILING_FPS:
            break
        time.sleep(pause_s(failures, [result]))
        result = _highest(run, flat_out, steps_down)
    if _whole(result):
        return result.offered_fps, ""
    return 0.0, "; ".join(result.invalid) or f"{result.lost:,} of {result.sent:,} frames were lost"


def _highest(run: Run, flat_out: Stream, steps_down: Sequence[float]) -> StreamResult:
    """The first on the way down that is whole, or the last."""
    reached = run([flat_out])[0].offered_fps
    for share in steps_down:
        result = run([replace(flat_out, rate_fps=max(1.0, share * reached))])[0]
        if _whole(result):
            break
    return result


def _whole(result: StreamResult) -> bool:
    return not result.invalid and not result.lost
