"""The schedule: constant rate, bounded bursts, every frame accounted for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nfvcert.drivers.traffic.pacing import Schedule

RATES = st.floats(0.5, 5e6)
STALLS_NS = st.lists(st.integers(0, 200_000_000), max_size=50)


def schedule(frames: int, rate: float) -> Schedule:
    return Schedule(frames, rate, catch_up_s=0.005, late_s=0.0025)


@given(frames=st.integers(1, 5000), rate=RATES, stalls_ns=STALLS_NS)
def test_every_frame_is_sent_or_given_up_and_in_time(frames: int, rate: float, stalls_ns: list[int]) -> None:
    plan = schedule(frames, rate)
    now = sent = given_up = 0
    stalls = iter(stalls_ns)
    while not plan.over:
        now = max(now + next(stalls, 0), plan.next_ns)
        due = plan.due(now)
        assert due.send <= max(1, 0.005 * rate + 1)
        assert 0 <= due.late <= due.send
        assert due.given_up >= 0
        sent, given_up = sent + due.send, given_up + due.given_up
    assert sent + given_up == frames
    assert sent >= 1


@given(frames=st.integers(1, 1000), rate=RATES)
def test_a_sender_that_is_never_late_sends_all(frames: int, rate: float) -> None:
    plan = schedule(frames, rate)
    last_ns = 0
    total = 0
    while not plan.over:
        last_ns = plan.next_ns
        due = plan.due(last_ns)
        assert (due.given_up, due.late) == (0, 0)
        assert due.send >= 1
        total += due.send
    assert total == frames
    assert last_ns <= frames / rate * 1e9 + 1


def test_a_stall_is_caught_up_by_the_bound_only() -> None:
    plan = schedule(10_000, 1000)
    assert plan.due(0).send == 1
    due = plan.due(100_000_000)  # 100 frames have become due, 5 ms of them may go
    assert (due.given_up, due.send, due.late) == (95, 5, 2)
    assert plan.next_ns == 101_000_000


def test_a_short_stall_loses_nothing() -> None:
    plan = schedule(10_000, 10_000)
    plan.due(0)
    due = plan.due(4_000_000)
    assert (due.given_up, due.send) == (0, 40)


def test_a_slow_stream_always_sends_its_newest_frame() -> None:
    plan = schedule(10, 1)
    plan.due(0)
    due = plan.due(3_500_000_000)
    assert (due.given_up, due.send, due.late) == (2, 1, 1)


def test_before_the_start_nothing_is_due() -> None:
    assert schedule(10, 1000).due(-1).send == 0


def test_a_burst_after_a_stall_is_noted_and_an_even_pace_is_not() -> None:
    plan = schedule(10_000, 10_000)
    assert not plan.due(0).bunched
    assert not plan.due(900_000).bunched  # nine frames, the first of them 0.8 ms late
    assert plan.due(4_000_000).bunched
    slow = schedule(100, 500)
    slow.due(0)
    assert not slow.due(5_000_000).bunched  # two frames are no burst
    assert plan.aftermath == 200
