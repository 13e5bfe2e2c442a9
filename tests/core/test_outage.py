"""Outages from probes: never shorter than what was seen, never longer than what could have been."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.measure.outage import Probe, outage


def probes(*oks: bool, every: float = 1.0, takes: float = 0.1) -> list[Probe]:
    return [Probe(number * every, number * every + takes, ok) for number, ok in enumerate(oks)]


def test_no_failure_is_no_outage_up_to_the_gap_between_two_answers() -> None:
    found = outage(probes(True, True, True))
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1.0)


def test_an_outage_is_from_the_last_good_answer_to_the_next() -> None:
    found = outage(probes(True, False, False, True))
    assert found.value == found.high == pytest.approx(3.0)
    assert found.low == pytest.approx(1.1)


def test_of_two_outages_the_longer_one_counts() -> None:
    assert outage(probes(True, False, True, False, False, False, True)).value == pytest.approx(4.0)


def test_an_outage_from_the_beginning_counts_from_the_first_question() -> None:
    assert outage(probes(False, True)).value == pytest.approx(1.1)


@pytest.mark.parametrize("seen", [(), (True, False)])
def test_an_outage_whose_end_was_not_seen_is_no_measurement(seen: tuple[bool, ...]) -> None:
    with pytest.raises(ValueError, match="probe"):
        outage(probes(*seen))


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_a_failed_probe_is_never_no_outage(oks: list[bool]) -> None:
    found = outage(probes(*oks, True))
    assert found.low <= found.value <= found.high
    assert (found.value > 0) == (False in oks)
