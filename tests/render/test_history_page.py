"""The trend of a lab as tables and as a page, and baselines in an acceptance report."""

from __future__ import annotations

import html
import re

from nfvcert.gathering import from_events
from nfvcert.history import MUST_BE_EQUAL, Circumstances, History, LeftOutRun, PastMeasurement, PastRun, trends
from nfvcert.record import Measured, Record, RunFinished, RunStarted, StreamPlanned, TestFinished
from nfvcert.render import acceptance, history_page, terminal
from nfvcert.testmodel import Criterion, Parameters
from tests.core.builders import KPI, TEST, measurement, plan, result, run_facts, small_lab
from tests.render.sample import HOSTILE

CASE = TEST.replace("[opco-ru-", "[")


def past(number: int, value: float, **facts: str) -> PastRun:
    return PastRun(
        run=f"run-{number}",
        record=f"{number:064}",
        finished=f"2026-11-{number:02}T10:00:00+00:00",
        stream="opco-ru",
        release_class="major" if number == 2 else None,
        circumstances=Circumstances.of(small_lab(), Parameters(), {"leaf-1": facts} if facts else {}),
        measurements=(
            PastMeasurement(kpi=KPI, case=CASE, conditions={}, unit="pps", value=value, low=value - 1, high=value + 1),
        ),
    )


RUNS = (past(1, 14000.0), past(2, 14880.0), past(3, 14100.0, kernel=HOSTILE))


def record(value: float, *, runs: tuple[PastRun, ...] = (), left_out: tuple[LeftOutRun, ...] = ()) -> Record:
    """A run of one test, whose criterion compares."""
    compares = Criterion(
        kpi=KPI,
        not_worse_than_baseline_by=0.05,
        better="higher",
        unit="pps",
        as_written="at most 5 % worse",
        source="the group",
    )
    planned = plan()
    history = History(folder="reports", last=3, accepted=len(runs), left_out=left_out, runs=runs)
    planned = planned.model_copy(update={"criteria": (*planned.criteria, compares), "history": history})
    return from_events(
        [
            RunStarted(facts=run_facts()),
            StreamPlanned(plan=planned),
            Measured(stream="opco-ru", measurement=measurement(value)),
            TestFinished(stream="opco-ru", result=result()),
            RunFinished(at="2026-11-25T10:01:00+00:00"),
        ]
    )


def words(page: str) -> str:
    return re.sub(r"(<[^>]+>|\s)+", " ", page).replace("\N{NO-BREAK SPACE}", " ")


def test_a_sparkline_spans_its_values() -> None:
    assert history_page.sparkline([1, 2, 3]) == "▁▅█"
    assert history_page.sparkline([7, 7]) == "▄▄"
    assert len(history_page.sparkline(list(range(99)))) == 24


def test_all_kpis_in_a_line_each() -> None:
    told = history_page.text(trends(RUNS), whole=False, width=120, colour=False).replace("\N{NO-BREAK SPACE}", " ")
    (line,) = [line for line in told.splitlines() if KPI in line]
    assert re.search(rf"{KPI} +3 +▁█▂ +14\.1 kpps +.5\.2 %", line), line


def test_one_kpi_record_by_record() -> None:
    told = history_page.text(trends(RUNS, KPI), whole=True, width=160, colour=False).replace("\N{NO-BREAK SPACE}", " ")
    assert "run-2" in told
    assert "opco-ru, a major release" in told
    assert "+6.3 %" in told
    assert "kernel of leaf-1 was not told and is" in told
    assert "3 accepted records, 14 kpps … 14.88 kpps" in told
    assert "\x1b" not in told


def test_the_page_has_a_picture_a_trend_and_escapes_what_a_lab_says() -> None:
    page = history_page.html("opco-ru", trends(RUNS))
    assert page.count('<svg xmlns="http://www.w3.org/2000/svg"') == 1
    assert "3 points" in page
    assert "<script>alert" not in page
    assert all(run.record in page for run in RUNS)


def test_the_report_shows_the_baseline_so_that_a_reader_can_recompute() -> None:
    compared = record(13000.0, runs=RUNS[1::-1])
    assert compared.streams[0].judgement.decision == "REJECTED"
    told = html.unescape(words(acceptance.html(compared)))
    assert "Baselines" in told
    assert "run-2 opco-ru, 2 Nov 2026, 10:00 UTC: 14880 (14879 … 14881) pps" in told
    assert RUNS[1].record in told
    assert RUNS[0].record not in told  # it was before the major release
    assert "87.37 % (87.36 % … 87.37 %) of the baseline" in told
    assert "at most 5 % worse than 14.88 kpps" in told
    assert all(each.what in told for each in MUST_BE_EQUAL)
    assert "8 % below" in told  # the bar has the bound in the KPI's unit
    last = terminal.summary(compared, width=120, colour=False)
    assert "at most 5 % worse than 14.88 kpps" in last.replace("\N{NO-BREAK SPACE}", " ")


def test_the_report_says_that_there_is_none_and_what_was_left_out() -> None:
    none = record(13000.0, left_out=(LeftOutRun(folder=HOSTILE, why="torn"),))
    page = acceptance.html(none)
    assert none.streams[0].judgement.decision == "ACCEPTED WITH CONDITIONS"
    assert "1 without a baseline, 1 met" in page
    assert "at most 5 % worse, and no baseline yet" in words(page)
    assert "Left out" in page
    assert "<script>alert" not in page
    last = terminal.summary(none, width=120, colour=False)
    assert "on condition: no baseline yet for network.throughput.ndr: there is no accepted record of lab" in last
