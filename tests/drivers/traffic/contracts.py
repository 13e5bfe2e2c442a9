"""What any traffic generator must do, whatever it is made of. A driver's tests inherit the class.

They give ``generator``, and ``ends``: two ports with a device between them that loses nothing at 2,000 pps.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from nfvcert.errors import NfvcertError
from nfvcert.protocols import Stream, StreamResult, TrafficGenerator

Ends = tuple[str, str]


def undisturbed(
    generator: TrafficGenerator, streams: Sequence[Stream], during: Callable[[], None] | None = None
) -> tuple[StreamResult, ...]:
    """A run in which a busy machine did not keep the generator from sending: the first of five, or the last."""
    for _ in range(4):
        results = generator.run(streams, during=during)
        if not any(result.unsent or result.invalid for result in results):
            return results
    return generator.run(streams, during=during)


class Interruption(Exception):
    """Raised by a test inside ``during``."""


class TrafficGeneratorContract:
    """The contract of `nfvcert.protocols.TrafficGenerator`."""

    def stream(self, ends: Ends, rate_fps: float = 2000, duration_s: float = 0.25, frame_bytes: int = 64) -> Stream:
        return Stream(*ends, frame_bytes, rate_fps, duration_s)

    def test_it_is_a_traffic_generator(self, generator: TrafficGenerator) -> None:
        assert isinstance(generator, TrafficGenerator)

    def test_it_describes_itself_in_lines(self, generator: TrafficGenerator) -> None:
        lines = generator.describe()
        assert all(line and "\n" not in line for line in lines)
        assert generator.describe() == lines

    def test_it_calibrates_once(self, generator: TrafficGenerator) -> None:
        first = generator.calibrate()
        assert first.problems == ()
        assert first.generator
        assert min(first.ceiling_fps.values()) > 2000
        assert 0 < first.latency_p50_us <= first.latency_p99_us
        started = time.monotonic()
        assert generator.calibrate() == first
        assert time.monotonic() - started < 0.1

    @pytest.mark.parametrize("frame_bytes", [64, 512, 1518])
    def test_it_counts_every_frame_of_a_healthy_device(
        self, generator: TrafficGenerator, ends: Ends, frame_bytes: int
    ) -> None:
        stream = self.stream(ends, frame_bytes=frame_bytes)
        (result,) = undisturbed(generator, [stream])
        assert result.stream == stream
        assert result.invalid == ()
        assert result.sent + result.unsent == stream.frames == 500
        assert result.received == result.sent
        assert (result.duplicates, result.reordered, dict(result.stray)) == (0, 0, {})

    def test_the_offered_rate_is_the_asked_one(self, generator: TrafficGenerator, ends: Ends) -> None:
        (result,) = undisturbed(generator, [self.stream(ends, rate_fps=1500)])
        assert result.offered_fps == pytest.approx(1500, rel=0.05)
        assert result.seconds == pytest.approx(374 / 1500, rel=0.05)
        assert 0.95 / 1500 <= result.longest_gap_s < 0.05

    def test_latencies_are_ordered_and_all_there(self, generator: TrafficGenerator, ends: Ends) -> None:
        (result,) = undisturbed(generator, [self.stream(ends)])
        latency = result.latency
        assert latency is not None
        percentiles = [latency.min_us, latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us]
        assert percentiles == sorted(percentiles)
        assert latency.min_us > 0
        assert sum(count for _, count in latency.histogram) == result.received
        edges = [edge for edge, _ in latency.histogram]
        assert edges == sorted(set(edges))
        assert len(edges) <= 60

    def test_streams_run_side_by_side_and_results_keep_their_order(
        self, generator: TrafficGenerator, ends: Ends
    ) -> None:
        streams = [self.stream(ends, 1000), self.stream((ends[1], ends[0]), 500), self.stream(ends, 200, 0.15)]
        results = undisturbed(generator, streams)
        assert [result.stream for result in results] == streams
        assert [(result.received, result.lost) for result in results] == [(250, 0), (125, 0), (30, 0)]

    def test_during_is_called_once_while_frames_flow(self, generator: TrafficGenerator, ends: Ends) -> None:
        calls = []
        started = time.monotonic()
        generator.run(
            [self.stream(ends, duration_s=0.6)],
            during=lambda: calls.append((threading.current_thread(), time.monotonic())),
        )
        ((thread, called),) = calls
        assert thread is threading.current_thread()
        assert started < called < time.monotonic() - 0.3

    def test_what_during_raises_comes_out_and_the_next_run_is_whole(
        self, generator: TrafficGenerator, ends: Ends
    ) -> None:
        def interrupt() -> None:
            raise Interruption

        started = time.monotonic()
        with pytest.raises(Interruption):
            generator.run([self.stream(ends, duration_s=20)], during=interrupt)
        assert time.monotonic() - started < 5
        (result,) = undisturbed(generator, [self.stream(ends)])
        assert (result.received, result.lost, result.duplicates) == (500, 0, 0)

    def test_windows_tell_all_that_was_sent(self, generator: TrafficGenerator, ends: Ends) -> None:
        stream = dataclasses.replace(self.stream(ends, duration_s=0.6), window_s=0.2)
        (result,) = undisturbed(generator, [stream])
        assert len(result.windows) == 3
        for measured in ("sent", "received", "lost"):
            assert sum(getattr(window, measured) for window in result.windows) == getattr(result, measured)
        assert [window.start_s for window in result.windows] == pytest.approx([0, 0.2, 0.4], abs=0.03)
        assert sum(window.seconds for window in result.windows) == pytest.approx(0.6, abs=0.03)
        assert all(window.latency for window in result.windows)
        assert all(0 < window.longest_gap_s <= result.longest_gap_s + 0.02 for window in result.windows)

    def test_a_single_frame_is_a_stream(self, generator: TrafficGenerator, ends: Ends) -> None:
        (result,) = undisturbed(generator, [self.stream(ends, rate_fps=10, duration_s=0.01)])
        assert (result.sent, result.received, result.seconds) == (1, 1, 0.0)

    def test_an_unknown_port_is_named(self, generator: TrafficGenerator, ends: Ends) -> None:
        with pytest.raises(NfvcertError, match="nowhere"):
            generator.run([self.stream((ends[0], "nowhere"))])

    def test_it_works_again_after_close(self, generator: TrafficGenerator, ends: Ends) -> None:
        generator.close()
        generator.close()
        (result,) = undisturbed(generator, [self.stream(ends, duration_s=0.1)])
        assert result.received == 200
