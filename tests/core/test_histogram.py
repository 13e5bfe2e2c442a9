"""Counts of latencies: nothing lost, added without loss, percentiles within the stated precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.measure.histogram import PRECISION, Histogram

values = st.lists(st.floats(0, 1e12, allow_subnormal=False), min_size=1, max_size=200)


@given(one=values, other=values)
def test_adding_is_the_same_as_counting_together(one: list[float], other: list[float]) -> None:
    both = Histogram.of(one) + Histogram.of(other)
    assert both == Histogram.of(one + other)
    assert list(both.counts) == sorted(both.counts)
    assert both.total == len(one) + len(other)


@given(samples=values, percent=st.sampled_from([0.1, 1, 50, 90, 99, 99.9, 100]))
def test_percentiles_are_within_the_precision_and_never_better(samples: list[float], percent: float) -> None:
    ordered = sorted(samples)
    rank = max(int(np.ceil(len(ordered) * percent / 100 - 1e-9)), 1)
    truth = ordered[rank - 1]
    assert truth <= Histogram.of(samples).percentile(percent) <= truth * (1 + PRECISION)


@pytest.mark.parametrize("sample", [-1.0, float("nan"), float("inf")])
def test_what_is_no_latency_is_refused(sample: float) -> None:
    with pytest.raises(ValueError, match="≥ 0"):
        Histogram.of([1.0, sample])


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_no_percentile_of_nothing(samples: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        Histogram.of(samples).percentile(percent)
