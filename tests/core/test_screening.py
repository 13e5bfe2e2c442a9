"""What is left out, when the warm-up ends, and whether samples depend on one another."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.measure.screening import OutlierRule, dependence, leave_out, warm_up

finite = st.floats(-1e9, 1e9)


@given(samples=st.lists(finite, min_size=1, max_size=40))
def test_nothing_is_left_out_unless_asked_for(samples: list[float]) -> None:
    kept = leave_out(samples)
    assert (kept.samples, kept.note) == (tuple(samples), "")


@given(samples=st.lists(finite, min_size=1, max_size=40), rule=st.sampled_from(OutlierRule))
def test_what_is_left_out_is_said(samples: list[float], rule: OutlierRule) -> None:
    kept = leave_out(samples, rule)
    gone = len(samples) - len(kept.samples)
    assert kept.samples
    assert bool(kept.note) == bool(gone)
    assert not gone or kept.note.startswith(f"left out {gone} of {len(samples)} samples, beyond ")


@pytest.mark.parametrize("rule", [OutlierRule.HAMPEL, OutlierRule.TUKEY])
def test_a_wild_sample_is_found(rule: OutlierRule) -> None:
    kept = leave_out([10, 11, 10.5, 9.5, 90, 10.2, 9.9], rule)
    assert 90 not in kept.samples
    assert len(kept.samples) == 6
    assert kept.note.endswith(": 90")


@pytest.mark.parametrize("samples", [[], [math.nan], [1, math.inf]])
def test_what_is_no_sample_is_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="sample"):
        leave_out(samples)


def test_the_warm_up_is_cut() -> None:
    chance = np.random.default_rng(5)
    steady = 100 + chance.normal(size=400)
    steady[:60] += np.linspace(50, 0, 60)
    cut = warm_up(steady.tolist())
    assert cut is not None
    assert 40 <= cut <= 75


def test_what_is_steady_from_the_start_keeps_nearly_all() -> None:
    cuts = [warm_up(np.random.default_rng(seed).normal(size=400).tolist()) for seed in range(50)]
    assert sum(cut is not None and cut <= 100 for cut in cuts) >= 45


def test_what_still_rises_has_no_steady_state() -> None:
    assert warm_up([float(at) for at in range(200)]) is None


def test_too_little_says_nothing_about_warm_up() -> None:
    with pytest.raises(ValueError, match="50 samples at least, not 49"):
        warm_up([1.0] * 49)


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5, 6), (2, 1, 3, 4, 6, 5), (1, 4, 2, 6, 3, 5), (6, 5, 4, 1, 3, 2)])
def test_the_p_value_is_that_of_all_orders(order: tuple[int, ...]) -> None:
    def steps(values: tuple[int, ...]) -> int:
        return sum((a - b) ** 2 for a, b in pairwise(values))

    exact = sum(steps(other) <= steps(order) for other in permutations(order)) / math.factorial(len(order))
    assert dependence(order) == pytest.approx(exact, abs=0.025)


def test_chance_is_seldom_taken_for_dependence() -> None:
    chance = np.random.default_rng(7)
    found = sum(dependence(chance.normal(size=9).tolist()) <= 0.05 for _ in range(1000))
    assert 25 <= found <= 75


@pytest.mark.parametrize("samples", [[1, 2, 3, 4], [0.0] * 9])
def test_no_dependence_is_seen_in_too_few_or_equal_samples(samples: list[float]) -> None:
    assert dependence(samples) == 1
