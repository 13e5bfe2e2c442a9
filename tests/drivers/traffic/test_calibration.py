"""The search for the generator's ceiling, on loops that behave as a test wants. No network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from nfvcert.drivers.traffic.calibration import calibrate
from nfvcert.drivers.traffic.software import SoftwareGenerator
from nfvcert.protocols import LatencySummary, Stream, StreamResult

LATENCY = LatencySummary(2, 3, 4, 9, 10, 11, 1)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("nfvcert.drivers.traffic.calibration.time.sleep", slept.append)
    return slept


class Loop:
    """A loop on which so many frames a second can be sent, and fewer are received whole."""

    def __init__(self, most_fps: Callable[[Stream], float], whole_fps: float = 1e9) -> None:
        self._most_fps = most_fps
        self._whole_fps = whole_fps
        self.asked: list[Stream] = []
        self.stalls = 0
        """Runs, from now on, that are spoilt by the machine."""
        self.machine: dict[str, float] = {}

    def run(self, streams: Sequence[Stream]) -> list[StreamResult]:
        (stream,) = streams
        self.asked.append(stream)
        rate = min(stream.rate_fps, self._most_fps(stream))
        sent = max(1, round(rate * stream.duration_s))
        lost = sent // 10 if rate > self._whole_fps else 0
        invalid = ("could not send",) if rate < stream.rate_fps else ()
        if self.stalls:
            self.stalls -= 1
            invalid = ("paused for 30 ms between two frames",)
        return [
            StreamResult(
                stream=stream,
                sent=sent,
                unsent=stream.frames - sent,
                received=sent - lost,
                duplicates=0,
                reordered=0,
                seconds=(sent - 1) / rate,
                longest_gap_s=1 / rate,
                latency=LATENCY,
                machine=self.machine,
                invalid=invalid,
            )
        ]


def test_the_ceiling_is_what_was_sent_and_received_whole() -> None:
    loop = Loop(lambda stream: 100_000 if stream.frame_bytes == 64 else 50_000)
    found = calibrate(loop.run, "a", "b")
    assert found.problems == ()
    assert found.ceiling_fps == pytest.approx({64: 90_000, 1518: 45_000})
    assert (found.latency_p50_us, found.latency_p99_us) == (3, 9)
    assert {(stream.tx, stream.rx) for stream in loop.asked} == {("a", "b")}
    assert sum(stream.duration_s for stream in loop.asked) < 1.5


def test_a_receiver_that_is_slower_lowers_the_ceiling() -> None:
    found = calibrate(Loop(lambda _: 100_000, whole_fps=70_000).run, "a", "b")
    assert found.ceiling_fps == pytest.approx({64: 65_000, 1518: 65_000})


def test_a_loop_that_loses_frames_is_a_problem() -> None:
    found = calibrate(Loop(lambda _: 100_000, whole_fps=500).run, "a", "b")
    assert found.problems == ("lost 40 of 400 frames on its own loop at 1,000 pps",)
    assert found.ceiling_fps == {}


@pytest.mark.parametrize(("most_fps", "said"), [(900, "could not send"), (1050, "1,000 are needed")])
def test_a_generator_that_is_too_slow_is_a_problem(most_fps: float, said: str) -> None:
    found = calibrate(Loop(lambda _: most_fps).run, "a", "b")
    assert said in found.problems[0]


def test_a_generator_that_never_gets_all_across_has_no_ceiling() -> None:
    found = calibrate(Loop(lambda _: 1e6, whole_fps=2000).run, "a", "b")
    assert found.ceiling_fps == {64: 0, 1518: 0}
    assert len(found.problems) == 2


def test_a_stall_of_the_machine_is_no_problem_of_the_generator() -> None:
    loop = Loop(lambda _: 100_000)
    loop.stalls = 2
    assert calibrate(loop.run, "a", "b").problems == ()


def test_a_stall_that_spoils_a_whole_search_is_waited_for(pauses: list[float]) -> None:
    loop = Loop(lambda _: 100_000)
    runs = iter(range(100))

    def run(streams: Sequence[Stream]) -> list[StreamResult]:
        loop.stalls = int(1 <= next(runs) < 1 + 2 * 6)  # after the gentle one: two searches of six trials
        return loop.run(streams)

    found = calibrate(run, "a", "b")
    assert found.problems == ()
    assert found.ceiling_fps[64] == pytest.approx(90_000)
    assert pauses == [0.0, 0.25]


def test_a_machine_that_is_held_back_is_waited_for_longer(pauses: list[float]) -> None:
    loop = Loop(lambda _: 100_000)
    loop.stalls = 4
    loop.machine = {"stolen": 0.3}
    assert calibrate(loop.run, "a", "b").problems == ()
    assert pauses == [0, 2, 4, 8]


def test_a_machine_that_always_stalls_is_one() -> None:
    loop = Loop(lambda _: 100_000)
    loop.stalls = 100
    assert "paused for 30 ms" in calibrate(loop.run, "a", "b").problems[0]


def test_without_a_loop_it_is_not_trusted() -> None:
    calibration = SoftwareGenerator({}, None).calibrate()
    assert "no loop" in calibration.problems[0]
    assert dict(calibration.ceiling_fps) == {}
