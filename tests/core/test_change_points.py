"""Changes of level in a history: found where they are, and not found where none is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.measure.change_points import FEWEST, change_points


def test_steps_are_found_where_they_are() -> None:
    chance = np.random.default_rng(3)
    levels = np.repeat([100.0, 98.0, 103.0], 15)
    found = change_points((levels + 0.3 * chance.normal(size=45)).tolist())
    assert [change.at for change in found] == [15, 30]
    assert [round(change.before) for change in found] == [100, 98]
    assert [round(change.after) for change in found] == [98, 103]
    assert all(change.p <= 0.01 for change in found)


def test_one_wild_value_is_no_change() -> None:
    assert change_points([10.0, 10.2, 9.9, 10.1, 10.0, 500.0, 9.8, 10.1, 9.9, 10.0, 10.2, 9.9]) == ()


@given(history=st.lists(st.floats(-1e6, 1e6), max_size=FEWEST - 1))
def test_too_short_a_history_says_nothing(history: list[float]) -> None:
    assert change_points(history) == ()


@given(value=st.floats(-1e6, 1e6), n=st.integers(0, 40))
def test_what_never_changes_has_no_change(value: float, n: int) -> None:
    assert change_points([value] * n) == ()


@given(history=st.lists(st.floats(-1e3, 1e3), max_size=40))
def test_only_the_order_of_the_values_counts(history: list[float]) -> None:
    ranks = {value: float(rank) for rank, value in enumerate(sorted(set(history)))}
    assert [(c.at, c.p) for c in change_points(history)] == [
        (c.at, c.p) for c in change_points([ranks[v] for v in history])
    ]


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        change_points([1.0, float("nan")])
