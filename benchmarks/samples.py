"""What it takes to summarise a million latency samples, beside numpy's own percentiles of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.figures import Figure, ratios, repeated, summed
from nfvcert.drivers.traffic.latency import latency_summary
from nfvcert.measure.histogram import Histogram

MANY = 1_000_000


def figures() -> Iterator[Figure]:
    """Percentiles, delay variation and histogram of latencies; the mergeable histogram."""
    latency_us = np.random.default_rng(20261129).lognormal(3, 1, MANY).astype(np.float32)
    summary = _seconds_of(lambda: latency_summary(latency_us))
    histogram = _seconds_of(lambda: Histogram.of(latency_us))
    plain = _seconds_of(lambda: np.percentile(latency_us, [50, 90, 99, 99.9], method="inverted_cdf"))
    how = f"{MANY:,} log-normal latencies, in one process"
    yield summed("summary of 1,000,000 latencies", repeated(summary, 7), "s", 1.0, how)
    beside = f"{how}, in turn with numpy.percentile of four percentiles"
    yield summed("the same over plain numpy", ratios(summary, plain, 7), "times", 10, beside)
    yield summed("mergeable histogram over plain numpy", ratios(histogram, plain, 7), "times", 5, beside)


def _seconds_of(work: Callable[[], object]) -> Callable[[], float]:
    def timed() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return timed
