"""How long a device still loses frames after an overload: known windows, and simulated ones."""

from __future__ import annotations

import numpy as np
import pytest

from nfvcert.errors import InvalidMeasurement
from nfvcert.measure.recovery import A_DAY_S, recovery
from nfvcert.measure.stats import Estimate, estimate_share
from nfvcert.protocols import Window

WINDOW_S, FRAMES, OVERLOAD_S = 0.01, 45, 1.0
NONE = Estimate.exact(0.0)
"""The device is known to lose nothing."""
CALM = 4500
"""Frames that were sent before the overload."""


def windows(lost: dict[int, int], invalid: tuple[int, ...] = (), seconds: float = 3.0) -> list[Window]:
    """A stream of 10 ms windows, of which some lost frames and some are not vouched for."""
    return [
        Window(
            number * WINDOW_S,
            WINDOW_S,
            FRAMES,
            FRAMES - lost.get(number, 0),
            0.0,
            None,
            ("held up",) if number in invalid else (),
        )
        for number in range(round(seconds / WINDOW_S))
    ]


def until(seconds: float, every: int = 2) -> dict[int, int]:
    """A frame of every other window is lost until so long after the overload."""
    return dict.fromkeys(range(0, 100 + round(seconds / WINDOW_S), every), 1)


@pytest.mark.parametrize("seconds", [0.2, 0.9, 1.2, 1.4, 1.7])
def test_the_last_lost_frame_counts_however_late_it_is(seconds: float) -> None:
    found = recovery(windows(until(seconds)), OVERLOAD_S, NONE)
    assert seconds - 0.03 <= found.low <= found.value <= found.high <= seconds + 0.01


def test_a_device_that_loses_nothing_has_recovered_at_once() -> None:
    found = recovery(windows({50: 3}), OVERLOAD_S, NONE)
    assert found.low == 0.0
    assert found.high == pytest.approx(WINDOW_S)


@pytest.mark.parametrize("seconds", [1.9, 2.0])
def test_a_loss_up_to_the_end_may_go_on(seconds: float) -> None:
    found = recovery(windows(until(seconds)), OVERLOAD_S, NONE)
    assert found.low == pytest.approx(seconds - 0.02, abs=0.02)
    assert found.high == A_DAY_S


@pytest.mark.parametrize(
    ("invalid", "lost", "told"),
    [((130,), {}, True), ((130,), {130: 2}, False), ((115,), {110: 1}, False), ((135,), {110: 1}, True)],
    ids=["nothing was lost there", "lost by whom", "soon after the last loss", "long after it"],
)
def test_windows_that_nobody_vouches_for(invalid: tuple[int, ...], lost: dict[int, int], *, told: bool) -> None:
    if told:
        assert recovery(windows(lost, invalid), OVERLOAD_S, NONE).high <= 0.12
    else:
        with pytest.raises(InvalidMeasurement, match="s after the overload: held up"):
            recovery(windows(lost, invalid), OVERLOAD_S, NONE)


def test_nothing_sent_after_the_overload_is_no_recovery() -> None:
    with pytest.raises(InvalidMeasurement, match="nothing was sent"):
        recovery(windows({}, seconds=0.9), OVERLOAD_S, NONE)


def test_a_frame_that_is_lost_by_chance_is_no_failure() -> None:
    """None was lost before: that shows less than one in 1,200, and so nothing of a single frame."""
    found = recovery(windows({250: 1}), OVERLOAD_S, estimate_share(0, CALM))
    assert found.low == 0.0
    assert found.high > 1.5


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("seconds", [0.5, 0.6, 0.9])
def test_few_frames_that_an_overload_costs_are_never_taken_for_none(before: int, seconds: float) -> None:
    """One in a hundred, while one by chance was lost before, or none."""
    found = recovery(windows(until(seconds)), OVERLOAD_S, estimate_share(before, CALM))
    assert found.high >= seconds - 0.1
    assert found.low >= (0.2 if seconds == 0.9 else 0.0)


@pytest.mark.parametrize("resolution", [2, 5])
def test_frames_whose_window_is_not_known_are_not_placed(resolution: int) -> None:
    displaced = dict.fromkeys((150, 200, 250, 260, 270)[:resolution], 1)
    assert recovery(windows(displaced), OVERLOAD_S, NONE, resolution).high <= 0.02
    assert recovery(windows(displaced | {230: 1}), OVERLOAD_S, NONE, resolution).high > 0.4


@pytest.mark.parametrize("share", [0.0005, 0.004])
def test_what_a_device_always_loses_is_not_laid_to_the_overload(share: float) -> None:
    random = np.random.default_rng(7)
    failed, quick, slow, passed = 0, 0, 0, 0
    for _ in range(200):
        calm = estimate_share(int(random.binomial(CALM, share)), CALM)
        usual = dict(enumerate(random.binomial(FRAMES, share, 300).tolist()))
        found = recovery(windows(usual), OVERLOAD_S, calm)
        failed += found.low > 0.2
        quick += found.high <= 0.2
        more = {number: usual[number] + (5 if 100 <= number < 160 else 0) for number in usual}
        found = recovery(windows(more), OVERLOAD_S, calm)
        slow += found.low > 0.45
        passed += found.high <= 0.45
    assert failed <= 2
    assert quick >= 60
    assert slow >= 198
    assert passed == 0
