"""Which trials are repeated, and which are not: decided on made results. No network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest

from nfvcert.errors import DeviceSuspected, InvalidMeasurement
from nfvcert.measure.trial import TrafficPath, Trials
from nfvcert.protocols import Calibration, Stream, StreamResult

PATH = TrafficPath("tg0", "tg1", (), (), 10e6)


class Told:
    """A generator whose runs end as they are told to: well, held up, or with frames that the device damaged."""

    def __init__(self, ends: Iterable[str]) -> None:
        self._ends = iter(ends)

    def describe(self) -> tuple[str, ...]:
        return ()

    def calibrate(self) -> Calibration:
        return Calibration("told", {}, 1.0, 1.0)

    def run(self, streams: Sequence[Stream], *, during: Callable[[], None] | None = None) -> tuple[StreamResult, ...]:
        end = next(self._ends)
        if during is not None:
            during()
        invalid = () if end == "well" else (end,)
        suspect = end == "damaged"
        return tuple(
            StreamResult(stream, 100, 0, 100, 0, 0, 0.1, 0.001, invalid=invalid, suspect=suspect) for stream in streams
        )

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nfvcert.measure.trial.time.sleep", lambda _: None)


def trials(*ends: str) -> Trials:
    generator = Told(ends)
    return Trials(generator, generator.calibrate(), PATH)


def test_what_held_the_generator_up_is_repeated_as_often_as_there_are_attempts() -> None:
    assert trials(*["held up"] * 5, "well").run(64, 1000, 0.1).invalid == ()
    with pytest.raises(InvalidMeasurement, match="no valid trial in 6 at 1000 pps of 64 B: held up") as told:
        trials(*["held up"] * 6).run(64, 1000, 0.1)
    assert not isinstance(told.value, DeviceSuspected)


def test_what_the_device_may_have_done_is_repeated_where_it_is_rare() -> None:
    made = trials(*["well"] * 100, "damaged", "damaged", "well", "damaged", "well")
    for _ in range(102):
        assert made.run(64, 1000, 0.1).invalid == ()


def test_what_the_device_may_have_done_again_and_again_is_not_repeated_until_it_does_not() -> None:
    made = trials("damaged", "well", "damaged", "well", "well", "damaged", "well")
    for _ in range(3):
        assert made.run(64, 1000, 0.1).invalid == ()
    with pytest.raises(DeviceSuspected, match="no valid trial in 1 at 1000 pps of 64 B: damaged"):
        made.run(64, 1000, 0.1)


def test_while_something_is_done_to_the_device_that_is_no_wonder() -> None:
    made = trials(*["damaged"] * 5, "well", "damaged", "well")
    assert made.run(64, 1000, 0.1, during=lambda: None).invalid == ()
    assert made.run(64, 1000, 0.1).invalid == ()
