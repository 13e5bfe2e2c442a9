"""From counts to results: who lost a frame, and what makes a result invalid. No network."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.drivers.traffic.interface import InterfaceState
from nfvcert.drivers.traffic.latency import latency_summary
from nfvcert.drivers.traffic.machine import MachineState
from nfvcert.drivers.traffic.messages import Done, Pause, Ready, Report, Seen, Sent
from nfvcert.drivers.traffic.results import Gate, stream_results
from nfvcert.drivers.traffic.runs import Outcome
from nfvcert.protocols import Stream, StreamResult

STREAM = Stream("tg0", "tg1", 64, 1000, 1.0)
IDLE = InterfaceState(
    index=2,
    up=True,
    carrier=True,
    carrier_changes=1,
    mtu=1500,
    tx_frames=0,
    tx_dropped=0,
    queue_drops=0,
    queue_delays=0,
    queue_length=0,
    backlog_drops=0,
)
AT_REST = MachineState(at_s=100.0, processors_s=200.0, stolen_s=3.0, interrupts_s=5.0)
T0 = 1_700_000_000_000_000_000
MS = 1_000_000


class Case:
    """A run of one stream in which all went well, to be spoilt by a test."""

    def __init__(self, stream: Stream = STREAM) -> None:
        frames = stream.frames
        self.stream = stream
        last_ns = T0 + round((frames - 1) / stream.rate_fps * 1e9)
        self.sent = Sent(0, frames, 0, 0, 0, 0, T0, last_ns, (), (), ())
        latency = np.full(frames, 10, dtype=np.float32)
        self.seen = Seen(0, frames, 0, 0, T0 + 10_000, last_ns + 10_000, MS, latency)
        self.before = dict.fromkeys(("tg0", "tg1", "tg2"), IDLE)
        self.after = self.before | {"tg0": dataclasses.replace(IDLE, tx_frames=frames + 3)}
        self.reports: dict[str, dict[str, Any]] = {port: {} for port in self.before}
        self.strays = {"tg0": 0, "tg2": 0}
        self.machine_before = AT_REST
        self.machine = dataclasses.replace(AT_REST, at_s=101.0, processors_s=202.0)

    def lose(self, count: int) -> None:
        """The last frames do not arrive."""
        latency = np.array(self.seen.latency_us)
        latency[len(latency) - count :] = np.nan
        self.seen = dataclasses.replace(self.seen, arrived=len(latency) - count, latency_us=latency)

    def change(self, **values: Any) -> None:
        self.sent = dataclasses.replace(self.sent, **values)

    def grow(self, port: str, **counters: Any) -> None:
        self.after[port] = dataclasses.replace(self.after[port], **counters)

    def result(self, ceilings: dict[int, float] | None = None) -> StreamResult:
        reports = {}
        for port, after in self.after.items():
            seen = self.seen if port == "tg1" else Seen(0, self.strays[port])
            plain: dict[str, Any] = {"socket_drops": 0, "went_down": False, "clock_step_s": 0.0}
            reports[port] = Report((seen,), state=after, machine=self.machine, **{**plain, **self.reports[port]})
        ready = {port: Ready(state, 0, self.machine_before) for port, state in self.before.items()}
        outcome = Outcome(ready, {"tg0": Done((self.sent,), IDLE)}, reports)
        (result,) = stream_results([self.stream], outcome, gate=Gate(), ceilings=ceilings or {})
        return result


def test_a_good_run() -> None:
    result = Case().result()
    assert (result.sent, result.unsent, result.received, result.lost, result.invalid) == (1000, 0, 1000, 0, ())
    assert result.offered_fps == pytest.approx(1000)
    assert result.longest_gap_s == 0.001


def test_lost_frames_are_the_devices() -> None:
    case = Case()
    case.lose(7)
    result = case.result()
    assert (result.lost, result.invalid) == (7, ())


def test_frames_that_a_burst_may_have_cost_are_nobodys() -> None:
    """The last seven are missing: all of them left just after the sender had been held up, or three of them."""
    case = Case()
    case.lose(7)
    case.change(bunches=((100, 150), (990, 1190)))
    assert any("of 7 frames that are missing, 7 were sent in or after a burst" in why for why in case.result().invalid)
    case.change(bunches=((100, 150), (997, 1197)))
    assert case.result().invalid == ()
    whole = Case()
    whole.change(bunches=((0, 1000),))
    assert whole.result().invalid == ()


class TestWhoLostAFrame:
    def refused(self, **grown: int) -> StreamResult:
        """300 frames came back with ENOBUFS, and did not arrive."""
        case = Case()
        case.change(handed=700, refused=300)
        case.lose(300)
        case.grow("tg0", **grown)
        return case.result()

    def test_the_far_end_refused_them(self) -> None:
        result = self.refused(tx_dropped=300)
        assert (result.sent, result.unsent, result.lost, result.invalid) == (1000, 0, 300, ())

    def test_the_ports_own_queue_dropped_them(self) -> None:
        result = self.refused(queue_drops=300)
        assert (result.sent, result.unsent, result.lost) == (700, 300, 0)
        assert any("dropped 300 frames" in reason for reason in result.invalid)

    def test_nobody_admits_it(self) -> None:
        """A packet filter on our own port: not in any counter that we read, so not the device's."""
        result = self.refused()
        assert (result.sent, result.unsent, result.lost) == (700, 300, 0)
        assert any("could not send 300 of 1,000" in reason for reason in result.invalid)

    def test_both(self) -> None:
        assert self.refused(queue_drops=10, tx_dropped=300).unsent == 300

    def test_they_still_wait_in_the_ports_own_queue(self) -> None:
        case = Case()
        case.lose(300)
        case.grow("tg0", queue_length=280, queue_delays=900)
        result = case.result()
        assert (result.sent, result.unsent, result.lost) == (720, 280, 20)
        assert any("held frames back 900 times" in reason for reason in result.invalid)

    def test_the_port_does_not_put_on_the_cable_what_it_was_handed(self) -> None:
        case = Case()
        case.lose(300)
        case.grow("tg0", tx_frames=700)
        assert case.result().invalid == ("its own port tg0 put 300 frames fewer on the cable than it was handed",)

    @pytest.mark.parametrize("cable", [{"carrier_changes": 3}, {"queue_length": 300}, {"queue_drops": 300}])
    def test_what_the_far_end_did_not_take_or_a_queue_has_is_not_missing(self, cable: dict[str, int]) -> None:
        case = Case()
        case.lose(300)
        case.grow("tg0", tx_frames=700, **cable)
        assert not any("fewer on the cable" in reason for reason in case.result().invalid)

    def test_what_arrived_was_sent(self) -> None:
        case = Case()
        case.lose(100)
        case.grow("tg0", queue_length=280, queue_delays=900)
        result = case.result()
        assert (result.sent, result.unsent, result.received, result.lost) == (900, 100, 900, 0)


class TestGate:
    def test_too_many_unsent_with_the_ceiling(self) -> None:
        case = Case(dataclasses.replace(STREAM, rate_fps=14_880))
        case.change(handed=12_540, given_up=2_340)
        case.lose(2_340)
        (reason,) = case.result({64: 9000.4, 1518: 8000}).invalid
        assert reason == (
            "could not send 2,340 of 14,880 frames (15.7%) at 14,880 pps;"
            " its ceiling is 9,000 pps with 64 bytes on a loop"
        )

    @pytest.mark.parametrize(
        ("frames", "unsent", "valid"),
        [(1, 1, False), (49, 1, False), (100, 1, True), (100, 2, False), (1000, 2, True), (1000, 3, False)],
    )
    def test_some_unsent_frames_are_tolerated(self, frames: int, unsent: int, *, valid: bool) -> None:
        case = Case(dataclasses.replace(STREAM, duration_s=frames / 1000))
        case.change(handed=frames - unsent, given_up=unsent)
        case.lose(unsent)
        result = case.result()
        assert (result.unsent, result.lost) == (unsent, 0)
        assert (result.invalid == ()) == valid

    def test_nothing_sent_is_never_valid(self) -> None:
        case = Case()
        case.change(handed=0, blocked=1000, first_ns=0, last_ns=0, errors=("Network is down",))
        case.lose(1000)
        case.seen = dataclasses.replace(case.seen, first_ns=0, last_ns=0, longest_ns=0)
        result = case.result()
        assert (result.sent, result.lost, result.seconds, result.longest_gap_s) == (0, 0, 0, 0)
        assert any("Network is down" in reason for reason in result.invalid)

    @pytest.mark.parametrize(("late", "valid"), [(50, True), (51, False)])
    def test_late_frames(self, late: int, *, valid: bool) -> None:
        case = Case()
        case.change(late=late)
        assert (case.result().invalid == ()) == valid

    @pytest.mark.parametrize(("share", "valid"), [(1.04, True), (1.06, False), (0.94, False)])
    def test_stretched_time(self, share: float, *, valid: bool) -> None:
        case = Case()
        case.change(last_ns=T0 + round(share * 999 * MS))
        result = case.result()
        assert (result.invalid == ()) == valid
        assert result.offered_fps == pytest.approx(1000 / share)

    @pytest.mark.parametrize(("pause_ms", "valid"), [(21, True), (23, False)])
    def test_a_pause_of_the_sender(self, pause_ms: int, *, valid: bool) -> None:
        case = Case()
        case.change(pauses=(Pause(500, pause_ms * MS, 0),))
        assert (case.result().invalid == ()) == valid

    @pytest.mark.parametrize("port", ["tg0", "tg1", "tg2"])
    @pytest.mark.parametrize(
        ("spoilt", "said"), [({"socket_drops": 5}, "no room for 5 frames"), ({"went_down": True}, "was set down")]
    )
    def test_any_port_that_did_not_hear_all(self, port: str, spoilt: dict[str, Any], said: str) -> None:
        case = Case()
        case.reports[port] = spoilt
        assert any(port in reason and said in reason for reason in case.result().invalid)

    @pytest.mark.parametrize(
        ("port", "duplicates", "strays", "suspect"),
        [("tg1", 0, 0, False), ("tg1", 3, 0, True), ("tg2", 3, 0, False), ("tg2", 0, 9, True)],
    )
    def test_a_device_that_sends_too_much_may_have_filled_a_socket(
        self, port: str, duplicates: int, strays: int, *, suspect: bool
    ) -> None:
        case = Case()
        case.reports[port] = {"socket_drops": 5}
        case.seen = dataclasses.replace(case.seen, duplicates=duplicates)
        case.strays["tg2"] = strays
        assert case.result().suspect == suspect

    @pytest.mark.parametrize(("port", "valid"), [("tg0", True), ("tg1", True), ("tg2", False)])
    def test_a_link_that_is_down(self, port: str, *, valid: bool) -> None:
        """At the stream's ends it is the device's failure; a witness without a link is no witness."""
        case = Case()
        case.grow(port, carrier=False)
        assert (case.result().invalid == ()) == valid

    @pytest.mark.parametrize(("lost", "valid"), [(0, True), (1, False)])
    def test_overflows_of_this_machine_matter_when_frames_were_lost(self, lost: int, *, valid: bool) -> None:
        case = Case()
        case.lose(lost)
        case.grow("tg0", backlog_drops=3)
        assert (case.result().invalid == ()) == valid

    @pytest.mark.parametrize(("step_s", "valid"), [(0.001, True), (0.003, False), (-0.003, False)])
    def test_a_clock_that_was_set(self, step_s: float, *, valid: bool) -> None:
        case = Case()
        case.reports["tg1"] = {"clock_step_s": step_s}
        assert (case.result().invalid == ()) == valid

    @pytest.mark.parametrize(("stolen_s", "valid"), [(0.4, True), (0.42, False)])
    def test_processors_that_were_taken_away(self, stolen_s: float, *, valid: bool) -> None:
        case = Case()
        case.machine = dataclasses.replace(case.machine, stolen_s=3 + stolen_s)
        result = case.result()
        assert result.machine["stolen"] == pytest.approx(stolen_s / 2)
        assert (result.invalid == ()) == valid
        case.stream = dataclasses.replace(STREAM, window_s=0.1)
        case.seen = dataclasses.replace(case.seen, longest_by_window_ns=(MS,) * 10)
        assert case.result().invalid == ()

    def test_processors_that_were_too_hot(self) -> None:
        case = Case()
        case.machine = dataclasses.replace(case.machine, throttles=7)
        assert case.result().invalid == ()  # it was not known how often before
        case.machine_before = dataclasses.replace(AT_REST, throttles=6)
        (reason,) = case.result().invalid
        assert reason == "its machine's processors were slowed down 1 times since they were too hot"

    def test_frames_that_arrive_before_they_are_sent(self) -> None:
        case = Case()
        assert case.seen.latency_us is not None
        case.seen.latency_us[3] = -1
        assert any("1 frames arrived before" in reason for reason in case.result().invalid)

    @pytest.mark.parametrize("port", ["tg0", "tg1"])
    def test_a_port_with_a_small_mtu(self, port: str) -> None:
        case = Case(dataclasses.replace(STREAM, frame_bytes=1519))
        assert len(case.result().invalid) == 2
        case.before = {**dict.fromkeys(case.before, dataclasses.replace(IDLE, mtu=9000)), port: IDLE}
        assert [port in reason for reason in case.result().invalid] == [True]


class TestWindows:
    """A stream of one second that is told by tenths of it."""

    def case(self) -> Case:
        case = Case(dataclasses.replace(STREAM, window_s=0.1))
        case.seen = dataclasses.replace(case.seen, longest_by_window_ns=(MS,) * 10)
        return case

    def test_all_that_was_sent_is_in_one_of_them(self) -> None:
        case = self.case()
        case.lose(130)
        case.change(handed=980, given_up=20, pauses=(Pause(480, 30 * MS, 20),))
        result = case.result()
        assert [window.sent for window in result.windows] == [100] * 9 + [80]
        assert sum(window.received for window in result.windows) == result.received == 870
        # The 20 that were given up had their time, before that of the frames that follow.
        starts_s = [n / 10 + (0.02 if n > 4 else 0) for n in range(10)]
        assert [window.start_s for window in result.windows] == pytest.approx(starts_s)
        assert sum(window.seconds for window in result.windows) == pytest.approx(0.98)

    def test_what_held_the_sender_up_spoils_its_own_window_only(self) -> None:
        case = self.case()
        case.change(handed=980, given_up=20, pauses=(Pause(480, 30 * MS, 20), Pause(700, 21 * MS, 0)))
        case.lose(20)
        result = case.result()
        assert result.invalid == ()
        assert {number: window.invalid for number, window in enumerate(result.windows) if window.invalid} == {
            4: ("paused for 30 ms between two frames", "could not send 20 frames of 120 in time")
        }

    def test_a_burst_may_have_cost_the_frames_of_its_window_and_no_other(self) -> None:
        case = self.case()
        assert case.seen.latency_us is not None
        case.seen.latency_us[[110, 111, 350]] = np.nan
        case.change(bunches=((105, 125),))
        assert case.result().invalid == ()
        assert [number for number, window in enumerate(case.result().windows) if window.invalid] == [1]

    def test_what_is_wrong_with_the_whole_run_is_told_of_the_whole(self) -> None:
        case = self.case()
        case.change(handed=970, given_up=30)
        case.lose(30)
        assert any("could not send 30 of 1,000" in reason for reason in case.result().invalid)

    def test_an_outage_is_in_the_window_in_which_it_ended(self) -> None:
        case = self.case()
        case.seen = dataclasses.replace(
            case.seen,
            longest_by_window_ns=(MS, MS, MS, 150 * MS, *(MS,) * 6),
            first_ns=T0 + 40 * MS,
            last_ns=case.sent.last_ns - 70 * MS,
        )
        assert case.seen.latency_us is not None
        case.seen.latency_us[200:300] = np.nan
        gaps_s = [window.longest_gap_s for window in case.result().windows]
        assert gaps_s == pytest.approx([0.04, 0.001, 0.1, 0.15, *[0.001] * 5, 0.07])

    def test_a_window_in_which_nothing_came_has_no_latency(self) -> None:
        case = self.case()
        assert case.seen.latency_us is not None
        case.seen.latency_us[200:300] = np.nan
        case.seen.latency_us[300:400] = 500
        told = [window.latency.p99_us if window.latency else None for window in case.result().windows]
        assert told == [10, 10, None, 500, *[10] * 6]


@pytest.mark.parametrize(
    ("duration_s", "window_s", "windows"),
    [
        (1.0, None, ()),
        (1.0, 5.0, ((0, 1000),)),
        (1.0, 0.5, ((0, 500), (500, 1000))),
        (1.2, 0.5, ((0, 500), (500, 1200))),
        (1.3, 0.5, ((0, 500), (500, 1000), (1000, 1300))),
        (0.001, 0.0001, ((0, 1),)),
    ],
)
def test_the_last_window_takes_a_short_rest(
    duration_s: float, window_s: float | None, windows: tuple[tuple[int, int], ...]
) -> None:
    assert dataclasses.replace(STREAM, duration_s=duration_s, window_s=window_s).windows == windows


class TestGaps:
    def test_an_outage_to_the_end(self) -> None:
        case = Case()
        case.seen = dataclasses.replace(case.seen, last_ns=case.sent.last_ns - 400 * MS)
        assert case.result().longest_gap_s == pytest.approx(0.4)

    def test_an_outage_from_the_start(self) -> None:
        case = Case()
        case.seen = dataclasses.replace(case.seen, first_ns=T0 + 300 * MS)
        assert case.result().longest_gap_s == pytest.approx(0.3)

    def test_nothing_arrives(self) -> None:
        case = Case()
        case.lose(1000)
        result = case.result()
        assert result.longest_gap_s == result.seconds == pytest.approx(0.999)
        assert result.latency is None


def test_strays_are_told_by_port() -> None:
    case = Case()
    case.strays = {"tg0": 0, "tg2": 12}
    assert case.result().stray == {"tg2": 12}


class TestLatency:
    def test_percentiles_are_latencies_that_occurred(self) -> None:
        summary = latency_summary(np.arange(1, 1501, dtype=np.float32))
        assert summary is not None
        assert (summary.min_us, summary.p50_us, summary.p90_us, summary.p99_us) == (1, 750, 1350, 1485)
        assert (summary.p999_us, summary.max_us, summary.ipdv_p99_us) == (1499, 1500, 1)

    def test_variation_skips_lost_frames(self) -> None:
        summary = latency_summary(np.array([10, np.nan, 500, 501, np.nan, 7], dtype=np.float32))
        assert summary is not None
        assert summary.ipdv_p99_us == 1

    def test_no_frame_no_latency(self) -> None:
        assert latency_summary(np.full(5, np.nan, dtype=np.float32)) is None

    @given(st.lists(st.floats(-10, 1e9, width=32), min_size=1, max_size=200))
    def test_the_histogram_holds_every_frame(self, latencies: list[float]) -> None:
        summary = latency_summary(np.array(latencies, dtype=np.float32))
        assert summary is not None
        edges = [edge for edge, _ in summary.histogram]
        assert sum(count for _, count in summary.histogram) == len(latencies)
        assert edges == sorted(set(edges))
        assert len(edges) <= 60
        assert max(latencies) <= edges[-1] * 1.001
