"""The median's interval: known coverages, and truth within it as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.measure.stats import Estimate, estimate_median

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
