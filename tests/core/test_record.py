"""The record is made of events alone, decided anew, and has canonical bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.judge import Decision, Finding, Verdict
from nfvcert.record import EVENT, Event, Record, RunFinished, Trouble, canonical, from_events
from tests.core.builders import TEST, accepted_run


def decision(events: list[Event]) -> Decision:
    (stream,) = from_events(events).streams
    return stream.judgement.decision


def test_a_whole_run_is_accepted() -> None:
    record = from_events(accepted_run())
    assert decision(accepted_run()) is Decision.ACCEPTED
    assert record.finished == "2026-11-25T10:01:00+00:00"
    assert not record.interrupted


@pytest.mark.parametrize("missing", range(2, 5))
def test_without_any_one_of_its_events_it_is_not(missing: int) -> None:
    events = accepted_run()
    del events[missing]
    assert decision(events) is Decision.INCONCLUSIVE


@pytest.mark.parametrize("kept", range(2, 5))
def test_a_run_killed_after_any_event_has_a_record_that_says_so(kept: int) -> None:
    record = from_events(accepted_run()[:kept])
    assert record.interrupted
    assert record.finished is None
    judgement = record.streams[0].judgement
    assert judgement.decision is Decision.INCONCLUSIVE
    assert any("killed" in finding.sentence for finding in judgement.findings)


def test_a_planned_test_that_never_reported_is_shown_as_not_run() -> None:
    events = [event for event in accepted_run() if event.event != "test-finished"]
    (test,) = from_events(events).streams[0].tests
    assert (test.test, test.verdict) == (TEST, Verdict.NOT_RUN)


def test_an_interrupted_run_is_not_accepted_even_when_all_was_measured() -> None:
    finding = Finding(verdict=Verdict.INCONCLUSIVE, subject="run", sentence="the run was stopped before its end")
    events = [*accepted_run()[:-1], Trouble(finding=finding), RunFinished(at="t", interrupted=True)]
    assert decision(events) is Decision.INCONCLUSIVE


def test_events_without_a_beginning_are_no_run() -> None:
    with pytest.raises(ValueError, match="run-started"):
        from_events(accepted_run()[1:])


def test_events_survive_the_disk() -> None:
    events = accepted_run()
    assert [EVENT.validate_json(event.model_dump_json(by_alias=True)) for event in events] == events


def test_canonical_bytes_round_trip_and_tell_contents_apart() -> None:
    record = from_events(accepted_run())
    again = Record.model_validate_json(record.canonical())
    assert again == record
    assert again.digest == record.digest
    shorter = from_events(accepted_run()[:-1])
    assert shorter.digest != record.digest


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)))
def test_canonical_bytes_do_not_depend_on_order(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    try:
        assert canonical(backwards) == canonical(value)
    except UnicodeEncodeError:  # lone surrogates are no text
        return
    assert json.loads(canonical(value)) == value


def test_not_a_number_has_no_canonical_bytes() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical({"value": float("nan")})
