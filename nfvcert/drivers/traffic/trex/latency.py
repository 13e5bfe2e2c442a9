"""What the server tells of latencies, to their summary. Pure arithmetic."""

from __future__ import annotations

from nfvcert.drivers.traffic.trex.counters import Count
from nfvcert.protocols import LatencySummary

__all__ = ["latency_summary", "latency_untold"]

_SMALLEST_BUCKET_US = 10
"""What takes less than this is in the histogram's bucket 0."""


def latency_untold(count: Count) -> bool:
    """Whether latencies are missing that the server tells half a second later: those of less than 10 µs."""
    told = count.latency
    if told is None:
        return False
    short = int(told["histogram"].get("0", 0))
    counted = sum(int(frames) for frames in told["histogram"].values())
    return counted < sum(count.received.values()) or bool(short and not told.get("total_min"))


def latency_summary(count: Count) -> LatencySummary | None:
    """What is known of the latencies of a `latency` group: None when no frame came.

    The server counts them in buckets whose edges have one digit (10, 20 … 90, 100, 200 … µs), so a percentile is the
    upper edge of its bucket: never less than the truth, and up to twice as much. The shortest and the longest that it
    tells are of whole half seconds and leave out a stream's first frames: they are believed as far as the histogram
    agrees, and its edges else.
    """
    told = count.latency
    if told is None:
        return None
    buckets = sorted((int(key), int(frames)) for key, frames in told["histogram"].items() if int(frames))
    frames = sum(number for _, number in buckets)
    if not frames:
        return None
    first, last = buckets[0][0], buckets[-1][0]
    shortest, longest = float(told.get("total_min") or first), float(told.get("total_max") or 0)
    if not first <= shortest <= _upper_edge_us(first):
        shortest = float(first)
    if not max(last, shortest) <= longest <= _upper_edge_us(last):
        longest = _upper_edge_us(last)
    edges = [min(_upper_edge_us(key), longest) for key, _ in buckets]

    def percentile(share: float) -> float:
        passed = 0
        for edge, (_, number) in zip(edges, buckets, strict=True):
            passed += number
            if passed >= share * frames:
                return edge
        return edges[-1]

    return LatencySummary(
        min_us=shortest,
        p50_us=percentile(0.5),
        p90_us=percentile(0.9),
        p99_us=percentile(0.99),
        p999_us=percentile(0.999),
        max_us=longest,
        ipdv_p99_us=None,
        histogram=tuple((_upper_edge_us(key), number) for key, number in buckets),
    )


def _upper_edge_us(key: int) -> float:
    """The upper edge of the bucket that begins at ``key``: 10 → 20, 90 → 100, 100 → 200."""
    if key < _SMALLEST_BUCKET_US:
        return float(_SMALLEST_BUCKET_US)
    return float(key + 10 ** (len(str(key)) - 1))
