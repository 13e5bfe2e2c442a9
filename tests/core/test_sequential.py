"""Sampling until a verdict is sure: the budget's allowance of error, its looks, and what depends on one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.judge import Verdict
from nfvcert.measure.sequential import ERROR, Budget, sample_until_decided, share_until_decided
from nfvcert.measure.stats import Estimate

DEFAULT = Budget(3, 9)
budgets = st.builds(lambda least, more: Budget(least, least + more), st.integers(1, 12), st.integers(0, 30))


def at_most(bound: float) -> Callable[[Sequence[Estimate]], set[Verdict]]:
    """As the judge has it, for a criterion on each KPI."""

    def verdict(found: Estimate) -> Verdict:
        if found.high <= bound:
            return Verdict.PASS
        return Verdict.FAIL if found.low > bound else Verdict.INCONCLUSIVE

    return lambda estimates: {verdict(found) for found in estimates}


def sampled(
    values: Sequence[float], budget: Budget = DEFAULT, bound: float = 10.0, first: int | None = None
) -> Estimate:
    coming = iter(values)
    (found,) = sample_until_decided(lambda: [next(coming)], at_most(bound), budget, first=first)
    return found


@pytest.mark.parametrize(
    ("budget", "looks"),
    [
        (Budget(3, 6), {6: 0}),
        (DEFAULT, {7: 0, 8: 0, 9: 1}),
        (Budget(5, 15), {8: 0, 9: 0, 10: 0, 11: 1, 12: 1, 13: 2, 14: 2, 15: 3}),
        (Budget(3, 5), {}),
        (Budget(1, 1), {}),
    ],
)
def test_the_looks_of_a_budget(budget: Budget, looks: dict[int, int]) -> None:
    assert {n: most for n, most in enumerate(budget.tolerated, start=1) if most is not None} == looks


@pytest.mark.parametrize("budget", [Budget(3, 6), DEFAULT, Budget(1, 12), Budget(5, 15)])
def test_no_more_error_than_allowed_over_all_outcomes_of_fair_coins(budget: Budget) -> None:
    """By counting: every sequence of good and bad samples is equally likely with the truth at the bound."""

    def is_wrong(outcome: Sequence[int]) -> bool:
        return any(most is not None and sum(outcome[:n]) <= most for n, most in enumerate(budget.tolerated, start=1))

    wrong = sum(map(is_wrong, product((0, 1), repeat=budget.repeats_max))) / 2**budget.repeats_max
    assert 0.5 * ERROR < wrong <= ERROR


@given(budget=budgets)
def test_no_look_comes_before_the_repeats_nor_tolerates_half(budget: Budget) -> None:
    for n, most in enumerate(budget.tolerated, start=1):
        assert most is None or (n >= budget.repeats and most < n / 2)


@given(budget=budgets, samples=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=42))
def test_the_interval_holds_the_value_and_all_samples_are_kept(budget: Budget, samples: list[float]) -> None:
    taken = samples[: budget.repeats_max]
    found = budget.estimate(taken)
    assert found.low <= found.value <= found.high
    assert found.samples == tuple(taken)
    assert found.confidence is None or 0 <= found.confidence <= 1


def test_seven_samples_that_agree_are_enough() -> None:
    found = sampled([1, 3, 2, 3, 1, 2, 1, 99, 99])
    assert (found.samples, found.high) == ((1, 3, 2, 3, 1, 2, 1), 3)
    assert found.confidence == pytest.approx(1 - 2 * 11 / 512)


def test_three_samples_that_agree_are_not() -> None:
    assert len(sampled([1, 3, 2, 11, 1, 12, 1, 2, 1]).samples) == 9


def test_one_of_nine_may_be_on_the_other_side() -> None:
    found = sampled([1, 3, 99, 3, 1, 2, 1, 2, 1])
    assert len(found.samples) == 9
    assert at_most(10)([found]) == {Verdict.PASS}


def test_two_of_nine_leave_it_open() -> None:
    assert at_most(10)([sampled([1, 3, 99, 3, 1, 2, 98, 2, 1])]) == {Verdict.INCONCLUSIVE}


def test_without_a_criterion_the_repeats_are_enough() -> None:
    coming = iter([4.0, 6.0, 5.0, 7.0])
    (found,) = sample_until_decided(lambda: [next(coming)], lambda _: set(), DEFAULT)
    assert (found.samples, found.low, found.high, found.confidence) == ((4.0, 6.0, 5.0), 4.0, 6.0, 0.75)


def test_a_budget_too_small_for_the_allowance_says_how_sure_it_is() -> None:
    found = sampled([1, 3, 2, 4], Budget(3, 4))
    assert (found.samples, found.confidence) == ((1, 3, 2, 4), 0.875)


def test_several_kpis_go_on_until_the_last_is_decided() -> None:
    rows = iter([(1.0, good) for good in (1.0, 2.0, 99.0, 1.0, 2.0, 1.0, 2.0, 1.0, 3.0)])
    found = sample_until_decided(lambda: next(rows), at_most(10), DEFAULT)
    assert [len(each.samples) for each in found] == [9, 9]
    assert at_most(10)(found) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ([8.0], 1),  # passes by more than a tenth of itself
        ([0.0], 1),
        ([9.5, 8, 9, 8, 9, 8, 9], 7),  # passes, and not clear of the bound
        ([12.0, 8, 9, 7, 9, 8, 9, 8, 9], 9),  # a bad one is confirmed or refuted
        ([12.0, 13, 12, 14, 13, 15, 12], 7),
    ],
)
def test_one_sample_is_enough_when_it_is_clear_of_the_bound(values: list[float], taken: int) -> None:
    assert len(sampled(values, first=1).samples) == taken


@pytest.mark.parametrize(
    ("lost", "frames", "looks", "verdict"),
    [
        ([0], 4500, 1, Verdict.PASS),
        ([0, 0, 0], 3000, 3, Verdict.PASS),  # 6,000 are not enough for a second look, 9,000 are
        ([2, 0, 0], 4500, 3, Verdict.PASS),
        ([0] * 9, 160, 9, Verdict.INCONCLUSIVE),  # 1,440 frames show nothing of 0.1 %
        ([400, 0, 0], 4500, 3, Verdict.FAIL),  # what was lost stays lost
        ([4500, 4500, 4500], 4500, 3, Verdict.FAIL),  # and is looked at three times
        ([4, 5, 4, 5, 4, 5, 4, 5, 4], 4500, 9, Verdict.INCONCLUSIVE),  # at the bound
    ],
)
def test_a_share_is_counted_until_it_is_decided(lost: list[int], frames: int, looks: int, verdict: Verdict) -> None:
    coming = iter(lost)
    taken = []

    def take() -> tuple[int, int]:
        taken.append(next(coming))
        return taken[-1], frames

    found = share_until_decided(take, lambda estimate: at_most(0.001)([estimate]), DEFAULT)
    assert (len(taken), at_most(0.001)([found])) == (looks, {verdict})
    assert found.value == sum(taken) / (frames * looks)


def test_a_share_that_nothing_is_asked_of_is_counted_once() -> None:
    assert share_until_decided(lambda: (1, 10), lambda _: set(), DEFAULT).value == 0.1


@pytest.mark.parametrize("bound", [0.001, 0.01])
@pytest.mark.parametrize("off", [1.0, 1.05, 0.95])
def test_a_share_at_its_bound_is_seldom_misjudged(bound: float, off: float) -> None:
    """Frames that are lost by chance: at most 2.5 % false PASS, and as much false FAIL."""
    import numpy as np

    random, told = np.random.default_rng(int(bound * 1e6 + off * 100)), Counter[Verdict]()
    for _ in range(400):
        found = share_until_decided(
            lambda: (int(random.binomial(4500, bound * off)), 4500), lambda each: at_most(bound)([each]), DEFAULT
        )
        told.update(at_most(bound)([found]))
    limit = 400 * 0.025 + 3 * (400 * 0.025) ** 0.5
    assert off < 1 or told[Verdict.PASS] <= limit
    assert off > 1 or told[Verdict.FAIL] <= limit


def test_a_drift_towards_the_bound_is_not_passed() -> None:
    found = sampled([1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert len(found.samples) == 9
    assert at_most(10)([found]) == {Verdict.INCONCLUSIVE}
    assert "the 9 samples drift or depend on one another" in found.note


def test_a_drift_far_from_the_bound_is_judged_and_told() -> None:
    found = sampled([1, 2, 3, 4, 5, 6, 7], bound=100)
    assert (found.low, found.high, len(found.samples)) == (0, 13, 7)
    assert found.note


@given(samples=st.lists(st.floats(-1e6, 1e6), min_size=9, max_size=9))
def test_dependence_only_ever_widens(samples: list[float]) -> None:
    found, ordered = DEFAULT.estimate(samples), sorted(samples)
    assert found.low <= ordered[1]
    assert found.high >= ordered[-2]
