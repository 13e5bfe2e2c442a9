"""The last lines of a run in the terminal."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from nfvcert.record import Record
from nfvcert.render import terminal, words
from tests.render import sample
from tests.render.conftest import RECORDS


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_too_wide(records: dict[str, Record], name: str, width: int) -> None:
    told = terminal.summary(records[name], width=width, colour=False)
    assert told.endswith("\n")
    assert max(cell_len(line) for line in told.splitlines()) <= width
    assert "\x1b" not in told


def test_it_ends_with_the_decision_after_the_findings(records: dict[str, Record]) -> None:
    told = terminal.summary(records["rejected"], width=80, colour=False)
    (stream,) = records["rejected"].streams
    last = told.index("✕ REJECTED  opco-ru")
    assert plain(words.sentence(stream.judgement.summary)) in plain(told[last:])
    for finding in stream.judgement.findings:
        assert told.index(plain(finding.subject if "{" in finding.subject else finding.sentence)[:20]) < last


def test_of_several_streams_the_worst_stand_first_and_the_count_last(records: dict[str, Record]) -> None:
    told = terminal.summary(records["two_streams"], width=80, colour=False)
    rows = [line.split() for line in told.splitlines() if " of 15 " in line]
    assert [row[:3] for row in rows] == [["✕", "REJECTED", "opco-kz"], ["✓", "ACCEPTED", "opco-ru"]]
    assert told.splitlines()[-1] == "✕ 1 REJECTED, ✓ 1 ACCEPTED"
    assert "network.isolation.leaked: 12 frames" in told


def test_conditions_are_all_told_with_the_decision_and_the_scope_in_a_line(records: dict[str, Record]) -> None:
    told = plain(terminal.summary(records["released"], width=100, colour=False))
    scope = "nic-firmware@opco-ru: small, minor; 6 components affected (radius 1), 12 of 13 tests, untested: "
    assert f"{scope}driver-guest, guest-os" in told
    last = told.partition("✓ ACCEPTED WITH CONDITIONS")[2]
    assert "on condition: network.failover.outage: 330 ms" in last
    assert "until 2026-12-31" in last.partition("on condition: network.failover")[2]
    assert "on condition" not in terminal.summary(records["accepted"], width=100, colour=False)


def test_a_stream_that_is_not_accepted_tells_no_condition(records: dict[str, Record]) -> None:
    (stream,) = records["rejected"].streams
    judgement = stream.judgement.model_copy(update={"conditions": ("somebody answers",)})
    record = records["rejected"].model_copy(update={"streams": (stream.model_copy(update={"judgement": judgement}),)})
    assert "somebody answers" not in terminal.summary(record, width=100, colour=False)


def test_advisory_and_waived_criteria_are_marked(records: dict[str, Record]) -> None:
    told = plain(terminal.summary(records["released"], width=160, colour=False))
    assert re.search(r"Back-to-back frames, 64 B frames \(advisory\)", told)
    assert "Failover outage (waived)" in told


def test_twenty_streams_fit_on_a_screen(records: dict[str, Record]) -> None:
    told = terminal.summary(records["campaign"], width=100, colour=False)
    assert len(told.splitlines()) < 55
    assert "✕ 2 REJECTED, ? 1 INCONCLUSIVE, ✓ 17 ACCEPTED" in told
    assert "1 test was begun more than once" in told
    assert "It went on at" in told


def test_many_streams_are_cut_and_counted(records: dict[str, Record]) -> None:
    record = records["campaign"]
    told = terminal.summary(record.model_copy(update={"streams": record.streams * 3}), width=100, colour=False)
    assert "and 20 more: 20 ACCEPTED" in told
    assert "✕ 6 REJECTED, ? 3 INCONCLUSIVE, ✓ 51 ACCEPTED" in told


def test_what_never_ran_for_one_reason_is_told_once(records: dict[str, Record]) -> None:
    told = plain(terminal.summary(records["killed"], width=80, colour=False))
    findings = records["killed"].streams[0].judgement.findings
    assert len(findings) == 16
    assert "8 criteria: not measured" in told
    assert "7 tests: planned, but never reported" in told
    assert "more" not in told.partition("NOT RUN 8 criteria")[2]
    assert "killed before its end" in told


def test_many_findings_are_cut_and_counted(records: dict[str, Record]) -> None:
    (stream,) = records["rejected"].streams
    findings = stream.judgement.findings * 5
    judgement = stream.judgement.model_copy(update={"findings": findings})
    record = records["rejected"].model_copy(update={"streams": (stream.model_copy(update={"judgement": judgement}),)})
    assert f"and {len(findings) - 8} more" in terminal.summary(record, width=80, colour=False)


def test_the_lab_is_blamed_in_words(records: dict[str, Record]) -> None:
    told = terminal.summary(records["inconclusive"], width=80, colour=False)
    assert "[lab]" in told
    assert "[release]" not in told


def test_colour_only_when_asked_and_never_from_the_record(records: dict[str, Record]) -> None:
    told = terminal.summary(records["hostile"], width=80, colour=True)
    assert "\x1b[" in told
    assert set(re.findall(r"\x1b\[([\d;]*)m", told)) <= {"0", "1", "2", "1;31", "31", "32", "33", "34"}
    bare = re.sub(r"\x1b\[[\d;]*m", "", told)
    assert not words.CONTROL.search(bare)
    assert "[red]" in bare, "text that looks like markup is text"


def test_hidden_rows_are_the_best_ones() -> None:
    record = sample.rejected()
    (stream,) = record.streams
    judgement = stream.judgement.model_copy(update={"criteria": stream.judgement.criteria * 3})
    many = record.model_copy(update={"streams": (stream.model_copy(update={"judgement": judgement}),)})
    told = terminal.summary(many, width=80, colour=False)
    assert told.count("✕ FAIL") - len([f for f in judgement.findings if f.verdict == "FAIL"]) == 9  # three, thrice
    assert "and 21 more: 21 met" in told


def test_nothing_planned_is_nothing_decided() -> None:
    told = terminal.summary(sample.record_of([], ending=[]), width=80, colour=False)
    assert "nothing is decided" in told
    assert "ACCEPTED" not in told
