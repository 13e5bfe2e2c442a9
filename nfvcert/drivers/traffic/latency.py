"""Latencies of single frames to their summary. Pure arithmetic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nfvcert.protocols import LatencySummary

__all__ = ["latency_summary"]

_BUCKETS_PER_DECADE = 8
_HISTOGRAM_EDGES_US = 10 ** (np.arange(7 * _BUCKETS_PER_DECADE + 1) / _BUCKETS_PER_DECADE)
"""1 µs … 10 s: 57 edges, and one bucket beyond."""


def latency_summary(latency_us: npt.NDArray[np.float32]) -> LatencySummary | None:
    """Percentiles, delay variation and histogram of latencies by sequence, NaN where none; None without any.

    A percentile is a latency that occurred (nearest rank, as in RFC 2330 §11.3).
    """
    variation = np.abs(np.diff(latency_us))
    variation = variation[~np.isnan(variation)]
    known = latency_us[~np.isnan(latency_us)]
    if not len(known):
        return None
    p50, p90, p99, p999 = np.percentile(known, [50, 90, 99, 99.9], method="inverted_cdf")
    edges = np.append(_HISTOGRAM_EDGES_US, max(float(known.max()), float(_HISTOGRAM_EDGES_US[-1])))
    counts = np.bincount(np.searchsorted(edges, known), minlength=len(edges))
    return LatencySummary(
        min_us=_us(known.min()),
        p50_us=_us(p50),
        p90_us=_us(p90),
        p99_us=_us(p99),
        p999_us=_us(p999),
        max_us=_us(known.max()),
        ipdv_p99_us=_us(np.percentile(variation, 99, method="inverted_cdf")) if len(variation) else 0.0,
        histogram=tuple((_us(edges[at]), int(counts[at])) for at in np.flatnonzero(counts)),
    )


def _us(value: np.floating) -> float:
    return round(float(value), 3)
