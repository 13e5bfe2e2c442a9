"""The median's interval: known coverages, and truth within it as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nfvcert.measure.screening import OutlierRule
from nfvcert.measure.stats import (
    Estimate,
    estimate_median,
    estimate_quantile,
    estimate_rate,
    estimate_ratio,
    estimate_share,
)

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(samples=st.lists(finite, min_size=1, max_size=40))
def test_the_interval_holds_the_value(samples: list[float]) -> None:
    found = estimate_median(samples)
    assert min(samples) <= found.low <= found.value <= found.high <= max(samples)
    assert found.samples == tuple(samples)


@pytest.mark.parametrize(
    ("n", "rank", "confidence"),
    # Conover, table of quantiles of the binomial distribution with p = ½
    [(2, 1, 0.5), (5, 1, 0.9375), (6, 1, 0.96875), (9, 2, 0.9609375), (12, 3, 0.96142578125)],
)
def test_coverage_of_small_samples(n: int, rank: int, confidence: float) -> None:
    found = estimate_median(range(n))
    assert (found.low, found.high) == (rank - 1, n - rank)
    assert found.confidence == pytest.approx(confidence)


@pytest.mark.parametrize("draw", ["normal", "exponential", "bimodal"])
def test_the_true_median_is_within_as_often_as_promised(draw: str) -> None:
    random = np.random.default_rng(20261125)
    truth = {"normal": 0.0, "exponential": float(np.log(2)), "bimodal": 0.0}[draw]

    def samples() -> list[float]:
        if draw == "normal":
            return list(random.normal(size=9))
        if draw == "exponential":
            return list(random.exponential(size=9))
        return list(random.choice([-1.0, 1.0], size=9) + random.normal(scale=0.1, size=9))

    within = sum(found.low <= truth <= found.high for found in (estimate_median(samples()) for _ in range(2000)))
    assert within / 2000 > 0.94  # promised: 0.961


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_no_estimate_of_nothing(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="sample"):
        estimate_median(samples)


def test_one_sample_promises_nothing() -> None:
    assert estimate_median([3.0]) == Estimate(3.0, 3.0, 3.0, None, (3.0,))


@given(samples=st.lists(finite, min_size=1, max_size=60), share=st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.99]))
def test_a_quantile_is_a_sample_within_its_interval(samples: list[float], share: float) -> None:
    found = estimate_quantile(samples, share)
    assert {found.low, found.value, found.high} <= set(samples)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(
    ("n", "share", "low", "high"),
    # Where each end misses with 2.5 % at most: scipy.stats.binom says the same below.
    [(9, 0.5, 2, 8), (100, 0.9, 84, 96), (1000, 0.99, 983, 997), (20, 0.99, 19, 20)],
)
def test_the_ranks_of_a_quantile(n: int, share: float, low: int, high: int) -> None:
    found = estimate_quantile(range(1, n + 1), share)
    assert (found.low, found.high) == (low, high)
    below = stats.binom(n, share)
    assert below.cdf(low - 1) <= 0.025 < below.cdf(low)
    assert high == n or below.sf(high - 1) <= 0.025 < below.sf(high - 2)
    assert found.confidence == pytest.approx(below.cdf(high - 1) - below.cdf(low - 1))


def test_the_quantile_of_a_half_is_the_median() -> None:
    samples = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.0]
    one, other = estimate_quantile(samples, 0.5), estimate_median(samples)
    assert (one.value, one.low, one.high, one.confidence) == (other.value, other.low, other.high, other.confidence)


@pytest.mark.parametrize(("events", "trials"), [(0, 1000), (1, 1000), (3, 1000), (1000, 1000), (5, 10)])
def test_a_share_has_the_exact_interval(events: int, trials: int) -> None:
    found = estimate_share(events, trials)
    expected = stats.binomtest(events, trials).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.value == events / trials


@pytest.mark.parametrize(
    ("events", "low", "high"),
    # Garwood 1936, as in every table of Poisson limits
    [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (2, 0.2422, 7.2247), (10, 4.7954, 18.3904)],
)
def test_a_rate_has_the_exact_interval(events: int, low: float, high: float) -> None:
    found = estimate_rate(events, 2.0)
    assert (found.low, found.high) == pytest.approx((low / 2, high / 2), abs=1e-4)


def test_a_ratio_is_the_same_in_everybodys_hands() -> None:
    now, then = [95.0, 97, 96, 98, 94, 96, 97], [100.0, 99, 101, 102, 98, 100, 101]
    found = estimate_ratio(now, then)
    assert found == estimate_ratio(now, then)
    assert found.value == pytest.approx(0.96)
    assert 0.93 < found.low < 0.96 < found.high < 0.99


@pytest.mark.parametrize(
    ("now", "then", "message"),
    [
        ([1.0] * 4, [1.0] * 9, "the samples of a ratio are 5 at least, not 4"),
        ([1.0] * 9, [1.0] * 4, "the reference of a ratio are 5 at least, not 4"),
        ([1.0] * 5, [1.0, 1, 0, 1, 1], "above 0, and 0 is not"),
    ],
)
def test_no_ratio_without_a_sound_reference(now: list[float], then: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimate_ratio(now, then)


@pytest.mark.parametrize(("events", "trials"), [(-1, 10), (11, 10), (0, 0)])
def test_no_share_of_counts_that_contradict(events: int, trials: int) -> None:
    with pytest.raises(ValueError, match="of"):
        estimate_share(events, trials)


@pytest.mark.parametrize(("events", "exposure"), [(-1, 1.0), (1, 0.0), (1, float("inf"))])
def test_no_rate_without_exposure(events: int, exposure: float) -> None:
    with pytest.raises(ValueError, match="events in"):
        estimate_rate(events, exposure)


def test_outliers_are_left_out_by_rule_only_and_stay_in_the_samples() -> None:
    samples = [10, 11, 10.5, 9.5, 90, 10.2, 9.9]
    assert estimate_median(samples).high == 90
    found = estimate_median(samples, outliers=OutlierRule.HAMPEL)
    assert found.high == 11
    assert found.samples == tuple(samples)
    assert "left out 1 of 7 samples" in found.note
