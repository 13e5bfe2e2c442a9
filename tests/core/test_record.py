"""The record is made of events alone, decided anew, and has canonical bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.gathering import from_events
from nfvcert.judge import Decision, Finding, TestResult, Verdict
from nfvcert.record import (
    EVENT,
    Event,
    LabFingerprinted,
    Measured,
    Record,
    RunFinished,
    RunResumed,
    RunStarted,
    TestFinished,
    TestStarted,
    Trouble,
    canonical,
)
from tests.core.builders import TEST, accepted_run, events_of, measurement, result, resumed, run_of


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


def events_of_without_a_beginning_are_no_run() -> None:
    with pytest.raises(ValueError, match="run-started"):
        from_events(accepted_run()[1:])


def events_of_survive_the_disk() -> None:
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


# ── runs that go on ──

ONE, TWO = "t.py::test_one[opco-ru]", "t.py::test_two[opco-ru]"
PASSES = {ONE: Verdict.PASS, TWO: Verdict.PASS}


def verdicts(events: list[Event]) -> dict[str, Verdict]:
    (stream,) = from_events(events).streams
    return {test.test: test.verdict for test in stream.tests}


def trouble(subject: str, sentence: str, stream: str | None = None) -> Trouble:
    finding = Finding(verdict=Verdict.INCONCLUSIVE, subject=subject, sentence=sentence)
    return Trouble(stream=stream, finding=finding)


def test_a_test_that_began_and_never_ended_is_inconclusive() -> None:
    events = run_of(PASSES)[:-2]
    assert isinstance(events[-1], Measured)
    (stream,) = from_events(events).streams
    broken = stream.tests[-1]
    assert (broken.test, broken.verdict, broken.broke_off) == (TWO, Verdict.INCONCLUSIVE, True)
    assert broken.sentence == f"{TWO}: it began, and was killed with the run before its end"
    assert (broken.started, broken.worker) == ("2026-11-25T10:00:02+00:00", "w1")


def test_a_killed_run_goes_on_and_shows_both_parts() -> None:
    events = [*run_of(PASSES)[:-2], resumed(), *events_of(TWO), RunFinished(at="later")]
    record = from_events(events)
    (stream,) = record.streams
    assert stream.judgement.decision is Decision.ACCEPTED
    assert (record.finished, record.interrupted) == ("later", False)
    (resumption,) = record.resumptions
    assert resumption.because == "the run was killed before its end; it went on later"
    assert (resumption.command, resumption.user) == ("pytest --resume=latest", "tester")
    (attempt,) = stream.attempts
    assert (attempt.test, attempt.broke_off) == (TWO, True)
    assert [test.test for test in stream.tests] == [ONE, TWO]


def test_a_stopped_run_goes_on_and_says_what_had_stopped_it() -> None:
    stopped = result(TWO, Verdict.INCONCLUSIVE).model_copy(update={"broke_off": True})
    events = [
        *run_of(PASSES)[:-2],
        TestFinished(stream="opco-ru", result=stopped),
        trouble("run", "the run was stopped before its end"),
        RunFinished(at="t", interrupted=True),
    ]
    assert decision(events) is Decision.INCONCLUSIVE
    events += [resumed(), *events_of(TWO), RunFinished(at="later")]
    record = from_events(events)
    assert decision(events) is Decision.ACCEPTED
    assert record.resumptions[0].because == "the run was stopped before its end"
    assert record.streams[0].attempts == (stopped,)


def test_a_run_that_lacks_a_test_after_it_went_on_is_not_accepted() -> None:
    events = [*run_of(PASSES)[:-3], resumed(), RunFinished(at="later")]
    assert verdicts(events) == {ONE: Verdict.PASS, TWO: Verdict.INCONCLUSIVE}
    assert decision(events) is Decision.INCONCLUSIVE


def test_a_run_that_is_killed_again_says_so() -> None:
    events = [*run_of(PASSES)[:-2], resumed(), *events_of(TWO)]
    record = from_events(events)
    assert record.finished is None
    assert decision(events) is Decision.INCONCLUSIVE


def test_trouble_of_the_run_is_over_when_it_goes_on_and_trouble_of_a_lab_is_not() -> None:
    lab = trouble("lab", "a host is gone", stream="opco-ru")
    suites = trouble("suites", "the suites were collected in part")
    for kept, expected in (([], Decision.ACCEPTED), ([lab], Decision.INCONCLUSIVE), ([suites], Decision.INCONCLUSIVE)):
        start = [*run_of(PASSES)[:-2], *kept, trouble("results", "the disk is full"), trouble("run", "stopped")]
        events = [*start, resumed(), *events_of(TWO), RunFinished(at="later")]
        assert decision(events) is expected
        assert from_events(events).resumptions[0].because == "the disk is full"


def test_a_lab_that_is_another_one_when_it_is_opened_again_is_in_doubt() -> None:
    def opened(kernel: str) -> LabFingerprinted:
        return LabFingerprinted(stream="opco-ru", fingerprint={"leaf-1": {"kernel": kernel}})

    begun, planned, *rest, end = accepted_run()
    assert decision([begun, planned, opened("6.1"), *rest, opened("6.1"), end]) is Decision.ACCEPTED
    events = [begun, planned, opened("6.1"), *rest, opened("6.2"), end]
    assert decision(events) is Decision.INCONCLUSIVE
    (finding,) = from_events(events).streams[0].judgement.findings
    assert finding.sentence == "leaf-1: kernel was 6.1 and is 6.2: the lab changed during the run"
    assert finding.blame == "lab"


def test_a_lab_that_was_not_asked_again_after_the_last_test_is_in_doubt() -> None:
    """All tests had passed when the run was killed, and it went on with nothing left to test."""
    told = LabFingerprinted(stream="opco-ru", fingerprint={"leaf-1": {"kernel": "6.1"}})
    begun, planned, *rest, _ = accepted_run()
    events = [begun, planned, told, *rest, resumed(), RunFinished(at="later")]
    assert decision(events) is Decision.INCONCLUSIVE
    (finding,) = from_events(events).streams[0].judgement.findings
    assert finding.sentence == "nobody asked lab opco-ru after the last test whether it had changed meanwhile"
    assert decision([*events[:-1], told, events[-1]]) is Decision.ACCEPTED


def test_what_an_earlier_attempt_measured_still_counts() -> None:
    """A release that missed its bound once is not accepted because its test was killed and then met it."""
    start = [*run_of(PASSES)[:-3], Measured(stream="opco-ru", measurement=measurement(500.0, TWO))]
    events = [*start, resumed(), *events_of(TWO), RunFinished(at="later")]
    assert verdicts(events) == PASSES
    assert decision(events) is Decision.REJECTED


def test_a_test_that_failed_and_passes_later_is_not_accepted() -> None:
    whole = run_of(PASSES)
    start = [*whole[:-2], TestFinished(stream="opco-ru", result=result(TWO, Verdict.FAIL)), whole[-1]]
    events = [*start, resumed(), *events_of(TWO), RunFinished(at="later")]
    assert decision(start) is Decision.REJECTED
    assert decision(events) is Decision.REJECTED


def missing(events: list[Event]) -> list[str]:
    """What a resumed run has to run: planned tests without an end."""
    ended = {event.result.test for event in events if isinstance(event, TestFinished) and not event.result.broke_off}
    return [test for test in MANY if test not in ended]


MANY = [f"t.py::test_{n}[opco-ru]" for n in range(4)]


@given(
    outcomes=st.fixed_dictionaries(dict.fromkeys(MANY, st.sampled_from([*Verdict][:3]))),
    side_by_side=st.booleans(),
    ends=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["killed", "stopped"])), min_size=1, max_size=3),
)
def test_resume_after_crash_is_uninterrupted(
    outcomes: dict[str, Verdict], side_by_side: bool, ends: list[tuple[int, str]]
) -> None:
    """Wherever a run ends, and however often: what is missing, run later, gives the same decision."""
    whole = run_of(outcomes, side_by_side=side_by_side)
    events = whole
    for after, how in ends:
        cut = 2 + after % (len(events) - 1)
        events = events[:cut]
        if how == "stopped" and not isinstance(events[-1], RunFinished):
            began = {event.test for event in events if isinstance(event, TestStarted)}
            for test in sorted(began & set(missing(events))):
                broken = TestResult(test=test, title="t", verdict=Verdict.INCONCLUSIVE, sentence="s", broke_off=True)
                events = [*events, TestFinished(stream="opco-ru", result=broken)]
            events = [*events, trouble("run", "the run was stopped"), RunFinished(at="t", interrupted=True)]
        left = {test: outcomes[test] for test in missing(events)}
        events = [*events, resumed(), *run_of(left, side_by_side=side_by_side)[2:-1], RunFinished(at="later")]
    assert isinstance(events[0], RunStarted)
    assert verdicts(events) == verdicts(whole) == outcomes
    assert decision(events) is decision(whole)
    (stream,), (uninterrupted,) = from_events(events).streams, from_events(whole).streams
    assert [each.verdict for each in stream.judgement.criteria] == [
        each.verdict for each in uninterrupted.judgement.criteria
    ]
    assert uninterrupted.attempts == ()
    assert all(attempt.broke_off for attempt in stream.attempts)
    assert sum(isinstance(event, RunResumed) for event in events) == len(from_events(events).resumptions)
