"""The plan as people see it: its picture, its page in a real browser, and its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Browser
from rich.cells import cell_len

from nfvcert.record import PlannedTest, StreamPlan
from nfvcert.render import gantt, plan_page
from nfvcert.streams import RunPlan, plan_run
from tests.render import sample

STARTED = sample.CAMPAIGN_START.isoformat()
SVG = "{http://www.w3.org/2000/svg}"


def planned(plans: Sequence[StreamPlan], workers: int = 8) -> RunPlan:
    return plan_run(plans, workers, now=sample.CAMPAIGN_START)


@pytest.fixture(scope="module")
def plans() -> list[StreamPlan]:
    return sample.campaign_plans(20)


@pytest.fixture(scope="module")
def page(plans: list[StreamPlan]) -> str:
    return plan_page.html(planned(plans), plans, run="20261125-102204-weekly", started=STARTED)


def picture(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - of our own making


def bars(root: ET.Element, kind: str = "") -> list[ET.Element]:
    kinds = {kind} if kind else {*plan_page.KINDS}
    return [e for e in root.iter(f"{SVG}path") if e.get("class") in kinds]


def test_every_test_has_a_bar_where_the_plan_puts_it(plans: list[StreamPlan]) -> None:
    plan = planned(plans)
    drawn = bars(picture(plan_page.svg(plan, plans, started=STARTED)))
    assert len(drawn) == len(plan.bars) == 240
    starts = sorted(int(re.match(r"M(\d+)", e.get("d") or "")[1]) for e in drawn)  # type: ignore[index]
    expected = sorted(bar.start / plan.seconds / 1.004 * gantt.UNITS for bar in plan.bars)
    assert starts == pytest.approx(expected, abs=1)


def test_a_bar_says_what_it_is_and_needs(plans: list[StreamPlan]) -> None:
    root = picture(plan_page.svg(planned(plans), plans, started=STARTED))
    titles = [title.text or "" for e in bars(root) for title in e]
    (one,) = [t for t in titles if "throughput_zero_loss[64]" in t and "opco-07/" in t]
    assert "machine (exclusive)" in one
    assert "opco-07/generator (exclusive)" in one
    assert any("waits for machine" in title for title in titles)
    assert len(bars(root, "common")) == 3 * 20, "the throughput tests take the machine"
    assert len(bars(root, "whole-lab")) == 20, "the failover tests take the lab"


def test_deadlines_are_marks_and_red_when_late(plans: list[StreamPlan]) -> None:
    root = picture(plan_page.svg(planned(plans), plans, started=STARTED))
    marks = [e.get("class") for e in root.iter(f"{SVG}line") if "deadline" in (e.get("class") or "")]
    assert sorted(marks) == ["deadline", "deadline late"]  # type: ignore[type-var]


def test_a_picture_of_very_many_tests_stays_small() -> None:
    large = sample.large_plans(30, 120)
    text = plan_page.svg(planned(large, 20), large, started=STARTED)
    root = picture(text)
    shapes = sum((e.get("d") or "").count("M") for e in bars(root))
    assert shapes == 3600, "each is drawn"
    assert len(bars(root)) <= 60, "bars of a kind in a lane are one path"
    assert len(text) < 60 * 3600


def test_bars_of_a_lane_do_not_hide_each_other() -> None:
    overlapping = [gantt.Bar(0, 10, "shared"), gantt.Bar(5, 8, "shared"), gantt.Bar(10, 12, "shared")]
    lane = gantt.Lane("s", "", overlapping)
    root = picture(gantt.picture([lane], seconds=12, alternative="a"))
    paths = [re.findall(r"M\d+ ([\d.]+)h", e.get("d") or "") for e in root.iter(f"{SVG}path")]
    assert [len(set(path)) for path in paths] == [2], "the second bar is below the first, the third beside it"


@pytest.mark.parametrize("seconds", [0.5, 7, 59, 601, 5000, 40_000, 200_000, 3e6])
def test_an_axis_has_a_few_round_figures(seconds: float) -> None:
    for began in (None, datetime(2026, 11, 25, 23, 22, 4, tzinfo=UTC)):
        found = gantt.ticks(seconds, began)
        assert len(found) <= 8
        assert len(set(found)) == len(found)
        assert all(0 <= at <= seconds for at, _ in found)
        if seconds > 5:
            assert found


def test_the_axis_tells_the_time_of_day() -> None:
    began = datetime(2026, 11, 25, 23, 22, 4, tzinfo=UTC)
    found = gantt.ticks(7200, began)
    assert [text for _, text in found] == ["23:30", "Thu 00:00", "00:30", "01:00"]
    assert began + timedelta(seconds=found[0][0]) == began.replace(minute=30, second=0)


def test_the_page_says_all_of_the_plan(page: str, plans: list[StreamPlan]) -> None:
    text = re.sub(r"\s+", " ", page)
    plan = planned(plans)
    assert "Ends at 10:5" in text
    assert plan.bound_why in text
    assert "1 deadline will be missed" in text
    assert "ovs-3.3.2@opco-02 will miss its deadline 10:40 by 14 min" in text
    for each in plans:
        assert each.stream in text
    for test in plans[0].planned:
        assert test.title in text
        assert test.reason in text
    assert plans[0].left_out[0].reason in text
    assert "the whole lab (exclusive)" in text
    assert "after nic-fw-8.30@opco-00" in text


def test_tests_that_are_alike_in_all_streams_stand_once(page: str) -> None:
    table = page.partition('id="tests"')[2]
    assert table.count("Jumbo frames pass whole") == 1
    assert ">all<" in table


def test_deselected_tests_are_told(plans: list[StreamPlan]) -> None:
    without = {test.test for test in plans[0].planned}
    plan = plan_run(plans, 8, now=sample.CAMPAIGN_START, without=without)
    text = re.sub(r"\s+", " ", plan_page.html(plan, plans, run="r", started=STARTED))
    assert "12 planned tests will not run" in text
    assert "12 planned tests will not run: deselected" in plan_page.text(plan, plans, 100, started=STARTED)


def test_hostile_text_stays_text(plans: list[StreamPlan]) -> None:
    test = PlannedTest(test=sample.HOSTILE, title=sample.HOSTILE, measures=(), reason=sample.HOSTILE)
    plan = plans[0].model_copy(update={"planned": (test,), "model": sample.HOSTILE})
    page = plan_page.html(planned([plan]), [plan], run=sample.HOSTILE, started=STARTED)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("<script>") == 1
    told = plan_page.text(planned([plan]), [plan], 80, started=STARTED)
    assert "\x1b" not in told


def test_a_plan_of_nothing_is_a_page_too() -> None:
    page = plan_page.html(planned([]), [], run="r", started=STARTED)
    assert "Nothing to run" in page
    assert plan_page.text(planned([]), [], 80, started=STARTED).startswith("Stream")


@pytest.mark.parametrize("width", [40, 80, 160])
def test_its_text_fits(plans: list[StreamPlan], width: int) -> None:
    told = plan_page.text(planned(plans), plans, width, started=STARTED)
    assert max(cell_len(line) for line in told.splitlines()) <= width
    plain = re.sub(r"\s+", " ", told)
    assert "20 streams, 240 tests, 8 side by side: expected to end at 10:5" in plain
    assert "no order could end before 10:5" in plain
    assert "warning: ovs-3.3.2@opco-02 will miss its deadline" in plain
    assert re.search(r"… \d+ tests …", told)
    many = plan_page.text(planned(plans), plans, width, started=STARTED, streams_max=5)
    assert "and 15 streams more" in re.sub(r"\s+", " ", many)


def test_in_a_browser_it_is_quiet_and_fits(browser: Browser, page: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.html"
    file.write_text(page, encoding="utf-8")
    asked: list[str] = []
    said: list[str] = []
    window = browser.new_page(viewport={"width": 1280, "height": 800})
    window.on("request", lambda request: asked.append(request.url))
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.goto(file.as_uri())
    for width in (1280, 400):
        window.set_viewport_size({"width": width, "height": 800})
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        lane = window.locator(".gantt .bed").first.bounding_box()
        name = window.locator(".gantt .name").first.bounding_box()
        assert lane is not None
        assert name is not None
        assert lane["width"] > width * 0.8, "the lanes take the width of the page"
        assert 12 <= name["height"] <= 24, "the text is not scaled with it"
        shapes = window.locator(".gantt path.common")
        assert shapes.count() == 60
        assert (shapes.nth(30).bounding_box() or {"width": 0})["width"] > 1
    window.locator("#streams-table thead th").nth(3).get_by_role("button").click()
    assert window.locator("#streams-table tbody tr th").first.inner_text().startswith("network-pack-2026.11@opco-03")
    window.emulate_media(media="null")
    pdf = tmp_path / "plan.pdf"
    window.pdf(path=pdf, prefer_css_page_size=True)
    assert 2 <= len(re.findall(rb"/Type /Page\b(?!s)", pdf.read_bytes())) <= 10
    assert said == []
    assert asked == [file.as_uri()]
    window.close()


def test_a_stream_of_a_release_tells_its_scope_in_a_line(plans: list[StreamPlan], page: str) -> None:
    line = "small, minor; 6 components affected (radius 1), 12 of 13 tests, untested: driver-guest, guest-os"
    assert page.count(f"<div>{line}</div>") == sum(
        plan.unit is not None and plan.unit.unit == "nic-fw-8.30" for plan in plans
    )
    told = re.sub(r"\s+", " ", plan_page.text(planned(plans), plans, 100, started=STARTED))
    assert f"nic-fw-8.30@opco-00: {line}" in told
    alone = [sample.plan_of("opco-ru")]
    assert "affected" not in plan_page.text(planned(alone), alone, 100, started=STARTED)
    assert "affected" not in plan_page.html(planned(alone), alone, run="r", started=STARTED)
