"""Counting arrivals, chunk by chunk, against a count frame by frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.drivers.traffic.arrivals import Arrivals
from nfvcert.drivers.traffic.messages import Seen

T0 = 1_700_000_000_000_000_000


def column(values: list[int]) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def seen_of(frames: int, *chunks: list[tuple[int, int, int]]) -> Seen:
    """What is seen of chunks of (sequence, sent, received), in ns after T0."""
    arrivals = Arrivals(0, frames)
    for chunk in chunks:
        sequence, sent, received = zip(*chunk, strict=True) if chunk else ((), (), ())
        arrivals.add(column(list(sequence)), T0 + column(list(sent)), T0 + column(list(received)))
    return arrivals.seen()


def in_order(*sequence: int) -> list[tuple[int, int, int]]:
    return [(number, number * 1000, number * 1000 + 500) for number in sequence]


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=8))
def test_counts_are_those_of_a_plain_loop(chunks: list[list[int]]) -> None:
    known: set[int] = set()
    duplicates = reordered = 0
    highest = -1
    for number in (number for chunk in chunks for number in chunk if number < 30):
        if number in known:
            duplicates += 1
        elif number < highest:
            reordered += 1
        known.add(number)
        highest = max(highest, number)
    seen = seen_of(30, *(in_order(*chunk) for chunk in chunks))
    assert seen.latency_us is not None
    assert set(np.flatnonzero(~np.isnan(seen.latency_us)).tolist()) == known
    assert (seen.duplicates, seen.reordered) == (duplicates, reordered)
    assert seen.arrived == len(known) + duplicates


def test_latency_is_kept_by_sequence_and_of_the_first_arrival() -> None:
    seen = seen_of(4, [(0, 0, 1500), (2, 2000, 4000)], [(2, 2000, 9000), (1, 1000, 9500)])
    assert seen.latency_us is not None
    np.testing.assert_array_equal(seen.latency_us, np.array([1.5, 8.5, 2.0, np.nan], dtype=np.float32))


def test_the_longest_gap_spans_chunks() -> None:
    seen = seen_of(10, in_order(0, 1), [], in_order(6, 7))
    assert (seen.first_ns - T0, seen.last_ns - T0, seen.longest_ns) == (500, 7500, 5000)


def test_stamps_of_two_cpus_that_cross_make_no_negative_gap() -> None:
    seen = seen_of(3, [(0, 0, 1000), (1, 10, 900)], [(2, 20, 950)])
    assert (seen.last_ns - T0, seen.longest_ns, seen.reordered) == (1000, 0, 0)


def test_a_latency_of_a_second_is_exact_to_a_tenth_of_a_microsecond() -> None:
    seen = seen_of(1, [(0, 0, 1_000_000_123)])
    assert seen.latency_us is not None
    assert abs(float(seen.latency_us[0]) - 1_000_000.123) < 0.1


def test_sequence_numbers_that_were_never_asked_for_are_ignored() -> None:
    assert seen_of(2, in_order(0, 5, 1, 4_000_000_000)).arrived == 2


@given(st.lists(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 9)), max_size=20), max_size=6))
def test_a_gap_is_of_the_window_of_the_frame_that_ended_it(chunks: list[list[tuple[int, int]]]) -> None:
    windows = ((0, 10), (10, 20), (20, 30))
    arrivals = Arrivals(0, 30, windows)
    now_ns, longest = 0, [0, 0, 0]
    for chunk in chunks:
        received = []
        for number, wait_ns in chunk:
            longest[number // 10] = max(longest[number // 10], wait_ns if now_ns else 0)
            now_ns += wait_ns or int(not now_ns)
            received.append(now_ns)
        numbers = column([number for number, _ in chunk])
        arrivals.add(numbers, T0 + 0 * numbers, T0 + column(received))
    assert arrivals.seen().longest_by_window_ns == tuple(longest)
