"""From counts to results: rates by the looks, gaps, percentiles, and every reason not to believe them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nfvcert.drivers.traffic.trex.counters import Count, Health, Look, read_counts
from nfvcert.drivers.traffic.trex.latency import latency_summary, latency_untold
from nfvcert.drivers.traffic.trex.results import Evidence, Gate, stream_results
from nfvcert.drivers.traffic.trex.streams import Group, groups
from nfvcert.drivers.traffic.trex.timeline import longest_gap_s, look_before_end, sending_times
from nfvcert.protocols import Stream, StreamResult

STREAM = Stream("tg0", "tg1", 64, 1000, 1.0)
FAST = Stream("tg0", "tg1", 64, 100_000, 1.0)
NUMBERS = {"tg0": 0, "tg1": 1, "tg2": 2}
HEALTHY = Health(0, 0, {0: 0, 1: 0, 2: 0}, {0: 0, 1: 0, 2: 0}, {0: True, 1: True, 2: True})
LATENCY: Mapping[str, Any] = {"histogram": {"10": 990, "200": 10}, "total_min": 12, "total_max": 250, "average": 20}


def look(at_s: float, sent: int, received: int | None = None, group: int = 1, **more: Any) -> Look:
    count = Count(sent={0: sent}, received={1: sent if received is None else received}, **more)
    return Look(at_s, 0.0001, {group: count}, {})


def looks(until_s: float = 1.2, every_s: float = 0.01, fps: float = 1000, frames: int = 1000) -> list[Look]:
    """A steady sender that begins at 0.1 s, of which nothing is lost."""
    times = [step * every_s for step in range(round(until_s / every_s) + 1)]
    return [look(at, max(0, min(frames, int((at - 0.1) * fps + 1 + 1e-6)) if at >= 0.1 else 0)) for at in times]


def evidence(**changes: Any) -> Evidence:
    last = look(1.5, 1000, latency=LATENCY)
    whole = Evidence((STREAM,), groups((STREAM,), 1), NUMBERS, looks(), last, HEALTHY, HEALTHY)
    return dataclasses.replace(whole, **changes)


def result(**changes: Any) -> StreamResult:
    return stream_results(evidence(**changes), Gate())[0]


class TestTimes:
    @pytest.mark.parametrize("fps", [500.0, 1000.0, 980.0])
    def test_the_rate_is_what_the_looks_saw(self, fps: float) -> None:
        times = sending_times(looks(3.0, fps=fps), Group(1, 0, 1000, 1000.0, sequenced=True))
        assert times is not None
        assert times[0] == pytest.approx(0.1, abs=0.002)
        assert times[1] - times[0] == pytest.approx(999 / fps, rel=0.003)

    def test_a_stretch_in_the_middle_is_seen(self) -> None:
        """The counters end at the asked number; only the clock tells."""
        seen = [look(0.0, 0), *(look(0.1 + n * 0.01, n * 10 + 1) for n in range(50))]
        seen += [look(1.1 + n * 0.01, 500 + n * 10) for n in range(51)]
        times = sending_times(seen, Group(1, 0, 1000, 1000.0, sequenced=True))
        assert times is not None
        assert times[1] - times[0] == pytest.approx(1.5, abs=0.02)

    def test_nothing_sent_has_no_times_and_one_frame_no_duration(self) -> None:
        group = Group(1, 0, 1, 1000.0, sequenced=True)
        assert sending_times([look(0, 0), look(1, 0)], group) is None
        assert sending_times([], group) is None
        assert sending_times([look(0, 0), look(1, 1), look(2, 1)], group) == (1, 1)

    @pytest.mark.parametrize(("end_s", "seconds"), [(0.02, 0.009), (0.005, 0.005)])
    def test_a_stream_within_two_looks_took_no_longer_than_they(self, end_s: float, seconds: float) -> None:
        group = Group(1, 0, 10, 1000.0, sequenced=True)
        times = sending_times([look(0.0, 0), look(end_s, 10), look(0.03, 10)], group)
        assert times is not None
        assert times[1] - times[0] == pytest.approx(seconds)


def test_what_was_seen_when_the_end_of_a_stream_had_yet_to_be_sent() -> None:
    assert look_before_end(looks(), 1, 0.01).at_s == pytest.approx(1.08)
    assert look_before_end(looks(), 1, 0.05).at_s == pytest.approx(1.04)
    assert look_before_end(looks()[:3], 1, 0.05).at_s == 0


class TestGaps:
    GROUP = Group(1, 0, 1000, 1000.0, sequenced=True)

    def seen(self, lost: Callable[[float], bool]) -> list[Look]:
        """The steady sender, with frames lost at some times since it began."""
        arrivals = [n / 1000 for n in range(1000) if not lost(n / 1000)]
        return [
            dataclasses.replace(
                each, counts={1: Count({0: each.sent(1)}, {1: sum(a + 0.1 <= each.at_s for a in arrivals)})}
            )
            for each in looks()
        ]

    @pytest.mark.parametrize(("begin", "end"), [(0.3, 0.5), (0.303, 0.347), (0.0, 0.25), (0.805, 1.0), (0.4, 0.4)])
    def test_an_outage_is_found_to_within_a_look(self, begin: float, end: float) -> None:
        gap = longest_gap_s(self.seen(lambda at: begin <= at < end), [self.GROUP], 1, (0.1, 1.099))
        assert gap == pytest.approx(max(end - begin, 0.001), abs=0.012)
        assert gap >= end - begin - 0.002

    def test_two_outages_are_two(self) -> None:
        gap = longest_gap_s(self.seen(lambda at: 0.2 <= at < 0.3 or 0.6 <= at < 0.75), [self.GROUP], 1, (0.1, 1.099))
        assert gap == pytest.approx(0.15, abs=0.012)

    def test_evenly_lost_frames_are_no_outage(self) -> None:
        assert longest_gap_s(self.seen(lambda at: round(at * 1000) % 2 == 0), [self.GROUP], 1, (0.1, 1.099)) < 0.02

    def test_nothing_that_came_is_a_gap_from_end_to_end(self) -> None:
        assert longest_gap_s(self.seen(lambda _: True), [self.GROUP], 1, (0.1, 1.099)) == pytest.approx(0.999, abs=0.01)


class TestLatency:
    def test_percentiles_are_upper_edges(self) -> None:
        summary = latency_summary(Count(latency=LATENCY))
        assert summary is not None
        assert (summary.min_us, summary.p50_us, summary.p90_us, summary.p99_us) == (12, 20, 20, 20)
        assert (summary.p999_us, summary.max_us, summary.ipdv_p99_us) == (250, 250, None)
        assert summary.histogram == ((20.0, 990), (300.0, 10))

    def test_what_the_server_has_not_folded_in_yet_comes_from_the_histogram(self) -> None:
        summary = latency_summary(Count(latency={"histogram": {"30": 5, "4000": 1}, "total_min": 0, "total_max": 35}))
        assert summary is not None
        assert (summary.min_us, summary.p50_us, summary.max_us) == (30, 40, 5000)

    def test_buckets_at_the_end_of_a_decade(self) -> None:
        told = {"histogram": {"0": 1, "90": 1, "100": 1, "900": 1}, "total_min": 3}
        summary = latency_summary(Count(received={1: 4}, latency=told))
        assert summary is not None
        assert summary.histogram == ((10.0, 1), (100.0, 1), (200.0, 1), (1000.0, 1))
        assert summary.min_us == 3

    def test_bucket_0_is_what_the_others_leave(self) -> None:
        """The server never forgets what was in it: 110 more came out of v3.08 than had come in."""
        told = {"histogram": {"0": 410, "10": 100, "20": 100}, "total_min": 5, "total_max": 27}
        summary = latency_summary(Count(received={1: 500}, latency=told))
        assert summary is not None
        assert summary.histogram == ((10.0, 300), (20.0, 100), (30.0, 100))
        whole = latency_summary(Count(received={1: 200}, latency=told))
        assert whole is not None
        assert (whole.histogram, whole.p50_us, whole.min_us) == (((20.0, 100), (30.0, 100)), 20, 10)

    def test_frames_that_were_all_fast_have_no_histogram(self) -> None:
        summary = latency_summary(Count(received={1: 500}, latency={"total_min": 3, "total_max": 8}))
        assert summary is not None
        assert (summary.min_us, summary.p50_us, summary.max_us, summary.histogram) == (3, 8, 8, ((10.0, 500),))

    def test_what_is_longer_than_the_largest_bucket_is_not_the_shortest(self) -> None:
        told = {"histogram": {"10": 970}, "total_min": 12, "total_max": 1_250_000}
        summary = latency_summary(Count(received={1: 1000}, latency=told))
        assert summary is not None
        assert (summary.min_us, summary.p90_us, summary.p99_us, summary.max_us) == (12, 20, 1_250_000, 1_250_000)

    def test_of_frames_in_no_bucket_it_must_be_known_which_they_are(self) -> None:
        told = {"histogram": {"10": 970}, "total_min": 5, "total_max": 1_250_000}
        last = look(1.5, 1000, latency=told)
        assert result(last=last).invalid == (
            "did not tell which of 30 frames took less than 10 µs, and which more than a second",
        )

    def test_a_latency_outside_the_histogram_is_waited_for(self) -> None:
        def untold(received: int, lasted_s: float = 0.5, **told: object) -> bool:
            return latency_untold(Count(received={0: 0, 1: received}, latency=told), lasted_s)

        assert untold(4, histogram={"10": 3}, total_min=0)
        assert untold(3, histogram={"0": 3}, total_min=0)
        assert untold(3, total_min=0)
        assert not untold(4, histogram={"10": 3}, total_min=4)
        assert untold(4, 1.2, histogram={"10": 3}, total_min=4), "one of them may have taken more than a second"
        assert not untold(3, 1.2, histogram={"10": 3}, total_min=0)
        assert not latency_untold(Count(received={1: 3}), 1.2)

    def test_no_frame_has_no_latency(self) -> None:
        assert latency_summary(Count()) is None
        assert latency_summary(Count(latency={"histogram": {}})) is None
        assert latency_summary(Count(latency={"histogram": {"10": 0}})) is None


class TestReading:
    def test_a_look_of_a_server(self) -> None:
        counted = {
            "flow_stats": {
                "7": {"rp": {"0": 0, "1": 95}, "tp": {"0": 100, "1": 0}, "rb": {"0": 0}},
                "g": {"rx_err": {"1": 3}},
            },
            "latency": {"7": {"er": {"drp": 6, "ooo": 2, "dup": 1}, "lat": LATENCY}, "g": {"old_flow": 4}},
            "ver_id": {"7": 1},
        }
        found = read_counts([{"ts": 10.0}, counted, {"ts": 10.2}])
        assert found.at_s == 10.1
        assert found.width_s == pytest.approx(0.2)
        assert found.sent(7) == 100
        assert found.received(7, 1) == 95
        assert found.counts[7] == Count({0: 100, 1: 0}, {0: 0, 1: 95}, LATENCY, dropped=6, reordered=2, duplicates=1)
        assert found.errors == {"old_flow": 4, "rx_err of port 1": 3}
        assert read_counts([{"ts": 0}, counted, {"ts": 0}], timed=False).counts[7].latency is None

    def test_before_anything_was_sent_there_is_nothing(self) -> None:
        assert read_counts([{"ts": 1}, {"flow_stats": None, "latency": {"g": None}}, {"ts": 1}]).counts == {}


class TestResults:
    def test_a_healthy_run(self) -> None:
        found = result()
        assert found.invalid == ()
        assert (found.sent, found.unsent, found.received, found.lost) == (1000, 0, 1000, 0)
        assert found.offered_fps == pytest.approx(1000, rel=0.005)
        assert dict(found.stray) == {}

    def test_loss_duplicates_order_and_strays(self) -> None:
        count = Count({0: 1000}, {1: 955}, LATENCY, dropped=50, reordered=7, duplicates=5)
        found = result(last=Look(1.5, 0.0, {1: count}, {}))
        assert (found.received, found.lost, found.duplicates, found.reordered) == (950, 50, 5, 7)
        assert found.invalid == ()

    def test_what_a_switch_floods_is_neither_lost_nor_a_duplicate(self) -> None:
        """v3.08 counts so what comes to two of its ports; no frame is missing."""
        count = Count({0: 4000}, {1: 4000, 2: 4000}, LATENCY, reordered=2470, duplicates=1530)
        stream = dataclasses.replace(STREAM, rate_fps=4000)
        seen = looks(fps=4000, frames=4000)
        last = Look(1.5, 0.0, {1: count}, {})
        found = result(streams=(stream,), groups=groups((stream,), 1), looks=seen, last=last)
        assert (found.received, found.lost, found.duplicates, found.reordered) == (4000, 0, 0, 0)
        assert found.stray == {"tg2": 4000}
        assert found.invalid == ()

    def test_a_duplicate_that_comes_after_others_is_none_too_late(self) -> None:
        count = Count({0: 1000}, {1: 1020}, LATENCY, reordered=25)
        found = result(last=Look(1.5, 0.0, {1: count}, {}))
        assert (found.received, found.lost, found.duplicates, found.reordered) == (1000, 0, 20, 5)

    def fast(self, load: Count, probes: Count) -> StreamResult:
        counts = {1: load, 2: probes}
        seen = [
            Look(each.at_s, 0.0, {1: Count({0: each.sent(1) * 99}), 2: Count({0: each.sent(1)})}, {})
            for each in looks()
        ]
        return result(streams=(FAST,), groups=groups((FAST,), 1), looks=seen, last=Look(1.5, 0.0, counts, {}))

    def test_load_and_probes_are_one_stream(self) -> None:
        found = self.fast(Count({0: 99_000}, {1: 98_900}), Count({0: 1000}, {1: 999}, LATENCY, dropped=1))
        assert (found.sent, found.received, found.lost, found.invalid) == (100_000, 99_899, 101, ())
        assert found.offered_fps == pytest.approx(100_000, rel=0.005)

    def test_duplicates_among_probes_put_the_load_in_doubt(self) -> None:
        found = self.fast(Count({0: 99_000}, {1: 99_000}), Count({0: 1000}, {1: 1010}, LATENCY, duplicates=10))
        assert found.invalid == (
            "got 10 of 1,010 probe frames more than once: it numbers no others, so duplicates could hide their loss",
        )

    def test_more_that_came_than_was_sent_are_duplicates(self) -> None:
        found = self.fast(Count({0: 99_000}, {1: 99_500}), Count({0: 1000}, {1: 1000}, LATENCY))
        assert (found.received, found.duplicates) == (100_000, 500)


class TestGates:
    def after(self, **changes: Any) -> Health:
        return dataclasses.replace(HEALTHY, **changes)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"queue_full": 51}, "waited 51 times for a full transmit queue"),
            ({"dropped": 1}, "gave up 1 frames before they left"),
            ({"receive_errors": {0: 0, 1: 4}}, "its own port tg1 had no room for, or got damaged, 4 frames"),
            ({"send_errors": {0: 4, 1: 0}}, "its own port tg0 could not send 4 frames"),
            ({"links_up": {0: False, 1: True, 2: True}}, "its own port tg0 lost its link"),
            ({"links_up": {0: True, 1: True, 2: False}}, "port tg2 had no link, so nobody listened for strays there"),
        ],
    )
    def test_what_the_server_did_wrong_is_told(self, changes: Mapping[str, Any], said: str) -> None:
        found = result(after=self.after(**changes))
        (reason,) = found.invalid
        assert reason.startswith(said)
        assert found.suspect == ("got damaged" in said or "tg0 lost its link" in said)

    @pytest.mark.parametrize(
        "changes",
        [{"queue_full": 50}, {"receive_errors": {0: 9, 1: 0}}, {"links_up": {0: True, 1: False, 2: True}}],
        ids=["few waits", "errors at a port that receives nothing", "the link that the device took away"],
    )
    def test_what_spoils_nothing_is_no_reason(self, changes: Mapping[str, Any]) -> None:
        assert result(after=self.after(**changes)).invalid == ()

    @pytest.mark.parametrize(("left", "valid"), [(1007, True), (1000, True), (999, False)])
    def test_what_an_adapter_did_not_send_is_no_loss_of_the_device(self, left: int, valid: bool) -> None:
        """It may send more: it answers ARP requests."""
        found = result(before=self.after(left={0: 50, 1: 3}), after=self.after(left={0: 50 + left, 1: 3}))
        assert found.invalid == (() if valid else ("its own port tg0 sent 999 of 1,000 frames that it was handed",))

    def test_a_link_that_came_back_was_lost_all_the_same(self) -> None:
        assert "tg0 lost its link" in result(lost_links=frozenset({0})).invalid[0]

    def test_frames_that_could_not_be_counted(self) -> None:
        last = dataclasses.replace(look(1.5, 1000, latency=LATENCY), errors={"rx_err of port 1": 3, "old_flow": 9})
        first = dataclasses.replace(looks()[0], errors={"old_flow": 9})
        assert result(last=last, looks=[first, *looks()[1:]]).invalid == (
            "could not count 3 frames (rx_err of port 1)",
        )

    @pytest.mark.parametrize(("sent", "valid"), [(998, True), (997, False)])
    def test_unsent_frames_at_the_threshold(self, sent: int, valid: bool) -> None:
        seen = looks(frames=sent)
        found = result(looks=seen, last=look(1.5, sent, latency=LATENCY))
        assert found.unsent == 1000 - sent
        assert found.lost == 0
        assert (found.invalid == ()) is valid

    @pytest.mark.parametrize(("fps", "valid"), [(992, True), (970, False), (1008, True), (1030, False)])
    def test_stretched_time_at_the_threshold(self, fps: float, valid: bool) -> None:
        found = result(looks=looks(2.0, fps=fps), last=look(2.5, 1000, latency=LATENCY))
        assert found.sent == 1000
        assert (found.invalid == ()) is valid
        assert valid or found.invalid[0].endswith("to send what was to take 0.999 s")

    def test_a_server_that_was_not_seen_for_a_while_is_not_believed(self) -> None:
        blind = [each for each in looks() if not 0.4 < each.at_s < 0.6]
        assert result(looks=blind).invalid == (
            "answered no question for 200 ms, so that nobody could see what it sent then",
        )

    def test_sequence_numbers_that_contradict_the_counters(self) -> None:
        count = Count({0: 1000}, {1: 1000}, LATENCY, dropped=3)
        assert result(last=Look(1.5, 0.0, {1: count}, {})).invalid == (
            "missed 3 sequence numbers, though it lacks 0 frames",
        )


class TestWindows:
    """The steady sender, told by tenths of a second; what its latencies are is told by every look."""

    STREAM = dataclasses.replace(STREAM, window_s=0.1)

    def looks(self, received: Callable[[float, int], int], late_from: int = 1001) -> list[Look]:
        """``received(time, sent)`` frames; the first ones took 10 to 20 µs, those from ``late_from`` on 500 to 600."""

        def told(each: Look) -> Look:
            sent = each.sent(1)
            came = received(each.at_s, sent)
            histogram = {"10": min(came, late_from), "500": max(0, came - late_from)}
            return look(each.at_s, sent, came, latency={"histogram": histogram})

        return [told(each) for each in looks()]

    def result(self, seen: list[Look], received: int) -> StreamResult:
        last = dataclasses.replace(seen[-1], at_s=1.5)
        found = result(streams=(self.STREAM,), groups=groups((self.STREAM,), 1), looks=seen, last=last)
        assert found.received == received
        assert sum(window.sent for window in found.windows) == 1000
        assert sum(window.received for window in found.windows) == received
        assert [window.start_s for window in found.windows] == pytest.approx([n / 10 for n in range(10)], abs=0.011)
        return found

    def test_frames_on_their_way_are_not_lost(self) -> None:
        found = self.result(self.looks(lambda at, sent: sent if at > 1.15 else max(0, sent - 15)), 1000)
        assert [window.lost for window in found.windows] == [0] * 10
        assert all(not window.invalid for window in found.windows)

    def test_loss_is_told_where_it_was(self) -> None:
        found = self.result(self.looks(lambda _, sent: sent - min(30, max(0, sent - 420))), 970)
        assert [window.lost for window in found.windows] == [0, 0, 0, 0, 30, 0, 0, 0, 0, 0]
        assert max(range(10), key=lambda n: found.windows[n].longest_gap_s) == 4
        assert found.windows[4].longest_gap_s == pytest.approx(0.03, abs=0.011)

    @pytest.mark.parametrize("on_the_way", [0, 5, 40])
    def test_frames_on_their_way_do_not_hide_when_others_were_lost(self, on_the_way: int) -> None:
        """One in 20 is lost of the frames that are sent until 0.7 s: 35, of which a look may miss more."""
        found = self.result(
            self.looks(
                lambda at, sent: (came := sent if at > 1.15 else max(0, sent - on_the_way)) - min(came, 700) // 20
            ),
            965,
        )
        lossy = [number for number, window in enumerate(found.windows) if window.lost]
        assert max(lossy) in ({6, 7} if on_the_way else {6})
        assert max(window.lost for window in found.windows) <= 6

    @pytest.mark.parametrize(("on_the_way", "error"), [((15,), 1), ((10, 17), 8), ((0, 40), 41)])
    def test_the_error_of_windows_is_how_far_those_on_their_way_differ(
        self, on_the_way: tuple[int, ...], error: int
    ) -> None:
        """From look to look by turns; 30 frames in a row are lost besides, of those that are sent before 0.55 s."""

        def came(at: float, sent: int) -> int:
            held = 0 if at > 1.15 else on_the_way[round(at * 100) % len(on_the_way)]
            return (arrived := max(0, sent - held)) - min(30, max(0, arrived - 420))

        found = self.result(self.looks(came), 970)
        assert found.window_error == error
        lost_before = [sum(window.lost for window in found.windows[:number]) for number in (4, 6)]
        assert lost_before == [pytest.approx(lost, abs=error) for lost in (0, 30)]

    @pytest.mark.parametrize("held_s", [0.05, 0.2])
    def test_a_server_that_holds_frames_back_spoils_its_window_only(self, held_s: float) -> None:
        """It sends nothing for a while, and then all that was due at once."""
        steady = looks(3.0, fps=400, frames=1000)
        seen = [
            look(each.at_s, sent, latency={"histogram": {"10": sent}})
            for each in steady
            for sent in [steady[round(0.9 / 0.01)].sent(1) if 0.9 <= each.at_s < 0.9 + held_s else each.sent(1)]
        ]
        slow = dataclasses.replace(self.STREAM, rate_fps=400, duration_s=2.5, window_s=0.25)
        found = result(
            streams=(slow,), groups=groups((slow,), 1), looks=seen, last=dataclasses.replace(seen[-1], at_s=3.2)
        )
        assert [number for number, window in enumerate(found.windows) if window.invalid] in ([], [3], [2, 3], [3, 4])
        assert bool([window for window in found.windows if window.invalid]) == (held_s > 0.1)

    def test_latencies_are_those_of_the_window(self) -> None:
        found = self.result(self.looks(lambda _, sent: sent, late_from=905), 1000)
        medians = [window.latency.p50_us if window.latency else None for window in found.windows]
        assert medians == [*[20.0] * 9, 600.0]

    def test_a_time_without_a_look_spoils_its_window_only(self) -> None:
        seen = [each for each in self.looks(lambda _, sent: sent) if not 0.52 < each.at_s < 0.58]
        found = self.result(seen, 1000)
        assert found.invalid == ()
        assert [number for number, window in enumerate(found.windows) if window.invalid] == [4]

    def test_nothing_sent_has_no_windows(self) -> None:
        nothing = [look(at / 100, 0) for at in range(100)]
        found = result(streams=(self.STREAM,), looks=nothing, last=look(1.5, 0))
        assert found.windows == ()
        assert any("could not send 1,000 of 1,000" in reason for reason in found.invalid)
