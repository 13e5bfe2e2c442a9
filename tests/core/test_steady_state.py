"""The steady state is never seen where there is none: by SNIA's rule, and for any curve."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.measure.steady_state import RANGE_AT_MOST, ROUNDS_AT_LEAST, SLOPE_AT_MOST, Window

rounds = st.lists(st.floats(min_value=0, max_value=1e9), min_size=ROUNDS_AT_LEAST, max_size=30)


@pytest.mark.parametrize(
    ("curve", "steady"),
    [
        ([100, 100, 100, 100, 100], True),
        ([95, 105, 98, 103, 99], True),
        ([89, 100, 111, 100, 100], False),  # a range of 22 %
        ([94, 97, 100, 103, 106], False),  # a rise of 12 %, within a range of 12 %
        ([106, 103, 100, 97, 94], False),
        ([100, 100, 100, 100, 0], False),
        ([0, 0, 0, 0, 0], False),
    ],
)
def test_the_rule_by_examples(curve: list[float], steady: bool) -> None:
    assert Window.of(curve).is_steady is steady


def test_the_limits_are_those_of_the_standard_and_belong_to_the_steady_state() -> None:
    assert (RANGE_AT_MOST, SLOPE_AT_MOST) == (0.20, 0.10)
    window = Window.of([90, 110, 100, 90, 110])  # 20 % exactly
    assert window.range_ratio == pytest.approx(0.20)
    assert window.is_steady
    assert Window.of([95, 97.5, 100, 102.5, 105]).slope_ratio == pytest.approx(0.10)


@pytest.mark.parametrize("curve", [[], [1.0] * 4, [1.0] * 4 + [math.nan], [1.0] * 4 + [math.inf], [1.0] * 4 + [-1.0]])
def test_what_is_no_window_is_refused(curve: list[float]) -> None:
    with pytest.raises(ValueError, match=r"window|round"):
        Window.of(curve)


@given(rounds)
def test_a_curve_that_is_steady_has_no_round_far_from_its_average(curve: list[float]) -> None:
    window = Window.of(curve)
    if window.is_steady:
        assert window.average > 0
        assert all(abs(each - window.average) <= 0.2001 * window.average for each in curve)


@given(rounds)
def test_a_dead_round_is_never_steady(curve: list[float]) -> None:
    assert not Window.of([*curve, 0.0]).is_steady


@given(rounds, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_and_the_direction_of_time_do_not_matter(curve: list[float], factor: float) -> None:
    window, scaled, back = Window.of(curve), Window.of([each * factor for each in curve]), Window.of(curve[::-1])
    if window.average > 1e-3:
        assert scaled.range_ratio == pytest.approx(window.range_ratio)
        assert scaled.slope_ratio == pytest.approx(window.slope_ratio)
        assert back.slope_ratio == pytest.approx(window.slope_ratio, abs=1e-6)


@given(st.floats(min_value=1, max_value=1e6), st.floats(min_value=0.15, max_value=0.9), st.integers(5, 30))
def test_what_still_falls_is_not_steady(start: float, fall: float, count: int) -> None:
    curve = [start * (1 - fall * index / (count - 1)) for index in range(count)]
    assert not Window.of(curve).is_steady
