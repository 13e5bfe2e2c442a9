"""What the server tells of latencies, to their summary. Pure arithmetic."""

from __future__ import annotations

from nfvcert.drivers.traffic.trex.counters import Count
from nfvcert.protocols import LatencySummary

__all__ = ["BEYOND_US", "latency_summary", "latency_untold", "some_below", "some_beyond", "unsorted"]

_SMALLEST_BUCKET_US = 10
BEYOND_US = 1_000_000
"""What takes less than the one, or as long as the other, is in none of the histogram's buckets."""
_MOST_US = 10_000_000.0
"""No run waits so long for a frame."""


def latency_untold(count: Count, lasted_s: float) -> bool:
    """Whether the server has yet to tell, half a second later, how long those frames took that are in no bucket.

    In a run that ``lasted_s`` it is known of them that they took less than that.
    """
    told = count.latency
    if told is None or not unsorted(count):
        return False
    return not told.get("total_min") or lasted_s * 1e6 >= BEYOND_US


def latency_summary(count: Count) -> LatencySummary | None:
    """What is known of the latencies of a `latency` group: None when no frame came.

    The server counts them in buckets whose edges have one digit (10, 20 … 90, 100, 200 … µs), so a percentile is the
    upper edge of its bucket: never less than the truth, and up to twice as much. The shortest and the longest that it
    tells are of whole half seconds and leave out a stream's first frames: they are believed as far as the histogram
    agrees, and its edges else.
    """
    told, buckets = count.latency, _buckets(count)
    if told is None or not buckets:
        return None
    frames = sum(number for _, number in buckets)
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


def _buckets(count: Count) -> list[tuple[int, int]]:
    """Lower edge in µs, and frames, of each bucket that has some.

    What the server tells of bucket 0 is not believed: it never forgets those of an earlier stream in the same place
    (`m_short_latency` of its time_histogram.cpp). What came is timed, so what is in no other bucket took less than the
    smallest; or longer than the largest, where the extremes say so.
    """
    buckets = _sorted(count)
    if rest := unsorted(count):
        buckets[BEYOND_US if some_beyond(count) else 0] = rest
    return sorted(buckets.items())


def _sorted(count: Count) -> dict[int, int]:
    """The server's own buckets but for 0: lower edge in µs → frames."""
    told = (count.latency or {}).get("histogram") or {}
    return {int(key): int(frames) for key, frames in told.items() if int(key) and int(frames)}


def unsorted(count: Count) -> int:
    """How many frames that came are in none of them."""
    return max(0, sum(count.received.values()) - sum(_sorted(count).values()))


def some_beyond(count: Count) -> bool:
    """Whether a frame took longer than the largest bucket is."""
    told = count.latency or {}
    return max(float(told.get("total_min") or 0), float(told.get("total_max") or 0)) >= BEYOND_US


def some_below(count: Count) -> bool:
    """Whether a frame took less than the smallest bucket is."""
    return float((count.latency or {}).get("total_min") or 0) < _SMALLEST_BUCKET_US


def _upper_edge_us(key: int) -> float:
    """The upper edge of the bucket that begins at ``key``: 10 → 20, 90 → 100, 100 → 200."""
    if key < _SMALLEST_BUCKET_US:
        return float(_SMALLEST_BUCKET_US)
    if key >= BEYOND_US:
        return _MOST_US
    return float(key + 10 ** (len(str(key)) - 1))
