"""The report in a real browser: a desk, a phone, and paper."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from nfvcert.record import Record

WIDTHS = {1280: 800, 400: 800}
"""Width → height of the window."""


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def page(window: Page, files: dict[str, Path]) -> Page:
    """The rejected sample at a desk."""
    return shown(window, files["rejected"])


def shown(window: Page, file: Path, width: int = 1280) -> Page:
    window.set_viewport_size({"width": width, "height": WIDTHS[width]})
    window.emulate_media(media="screen", color_scheme="light")
    window.goto(file.as_uri())
    return window


def column(page: Page, table: str, index: int, attribute: str = "") -> list[str]:
    """Values of a column in the order in which the rows stand, hidden ones left out."""
    found: list[str] = page.evaluate(
        """([table, index, attribute]) => [...document.getElementById(table).tBodies[0].rows]
            .filter((row) => row.offsetParent !== null)
            .map((row) => attribute ? row.cells[index].dataset[attribute] : row.cells[index].innerText)""",
        [table, index, attribute],
    )
    return found


@pytest.mark.parametrize(
    "name",
    ["accepted", "rejected", "inconclusive", "killed", "two_streams", "campaign", "hostile", "released", "absent"],
)
def test_it_is_quiet_and_fits_at_every_width(
    browser: Browser, files: dict[str, Path], records: dict[str, Record], name: str
) -> None:
    asked: list[str] = []
    said: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(files[name].as_uri())
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        first, *others = page.locator(".decision .word").all_inner_texts()
        decisions = [stream.judgement.decision for stream in records[name].streams]
        assert all(decision in first for decision in decisions)
        for word, decision in zip(others or [first], decisions, strict=True):
            assert word.splitlines()[-1].removeprefix("✓").strip() == decision
        box = page.locator(".decision .word").first.bounding_box()
        summary = page.locator(".decision .summary").first.bounding_box()
        assert box is not None
        assert summary is not None
        assert summary["y"] + summary["height"] <= height
    assert said == []
    assert asked == [files[name].as_uri()]
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_are_seen(window: Page, files: dict[str, Path], records: dict[str, Record], width: int) -> None:
    page = shown(window, files["accepted"], width)
    charts = page.locator("figure svg[role=img]")
    series = records["accepted"].streams[0].series
    assert charts.count() == len(series) == 8
    for number, curve in enumerate(series):
        box = charts.nth(number).bounding_box()
        assert box is not None
        assert box["width"] > 280
        assert box["height"] > 150
        data = charts.nth(number).locator("[style*='--chart']").first.bounding_box()
        assert data is not None, f"nothing is drawn of {curve.title}"
        assert data["width"] > 0 or data["height"] > 0
    colour = page.evaluate("getComputedStyle(document.querySelector('figure svg [style*=\"--chart\"]')).stroke")
    assert re.fullmatch(r"rgb\(\d+, \d+, \d+\)", colour)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_picture_of_a_scope_is_seen_and_its_text_lies_in_its_boxes(
    window: Page, files: dict[str, Path], width: int, scheme: Literal["light", "dark"]
) -> None:
    page = shown(window, files["released"], width)
    page.emulate_media(media="screen", color_scheme=scheme)
    boxes = page.locator(".scope g")
    assert boxes.count() == 6
    for number in range(boxes.count()):
        box = boxes.nth(number).locator(".box").bounding_box()
        assert box is not None
        assert box["height"] > 24, "a text of 11 px is not made smaller than can be read"
        for text in boxes.nth(number).locator("text").all():
            found = text.bounding_box()
            assert found is not None
            assert box["x"] <= found["x"]
            assert found["x"] + found["width"] <= box["x"] + box["width"] + 1
    untested = page.evaluate("getComputedStyle(document.querySelector('.scope .inconclusive .box')).fill")
    tested = page.evaluate("getComputedStyle(document.querySelector('.scope .pass .box')).fill")
    assert untested != tested
    page.emulate_media(media="print")
    picture = page.locator(".scope").bounding_box()
    assert picture is not None
    assert picture["width"] <= width


def test_a_click_sorts_and_another_one_reverses(page: Page) -> None:
    table = "s1-kpis-table"
    head = page.locator(f"#{table} thead th").nth(1)
    before = column(page, table, 1, "value")
    head.get_by_role("button").click()
    rising = [float(value) for value in column(page, table, 1, "value")]
    assert rising == sorted(float(value) for value in before)
    assert column(page, table, 1, "value") != before
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert [float(value) for value in column(page, table, 1, "value")] == sorted(rising, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_verdicts_sort_by_gravity_with_the_keyboard(page: Page) -> None:
    table = "s1-tests-table"
    button = page.locator(f"#{table} thead th").nth(1).get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    found = [text.split()[-1] for text in column(page, table, 1)]
    assert found == ["FAIL"] * 2 + ["INCONCLUSIVE"] + ["PASS"] * 9
    page.keyboard.press("Space")
    assert [text.split()[-1] for text in column(page, table, 1)] == found[::-1]


def test_every_table_with_buttons_sorts_by_every_column(page: Page) -> None:
    buttons = page.locator("button.sort")
    assert buttons.count() > 10
    for number in range(buttons.count()):
        buttons.nth(number).click()
        assert buttons.nth(number).locator("..").get_attribute("aria-sort") == "ascending"


def test_a_filter_shows_one_verdict_and_says_so(page: Page) -> None:
    table = "s1-tests-table"
    bar = page.locator(f".filter[data-table={table}]")
    bar.get_by_role("button", name="FAIL").click()
    assert [text.split()[-1] for text in column(page, table, 1)] == ["FAIL", "FAIL"]
    assert bar.get_by_role("status").inner_text() == "2 of 12 shown"
    assert bar.get_by_role("button", name="FAIL").get_attribute("aria-pressed") == "true"
    bar.get_by_role("button", name="All").click()
    assert len(column(page, table, 1)) == 12


def test_on_a_phone_sorting_and_filtering_work_too(window: Page, files: dict[str, Path]) -> None:
    page = shown(window, files["rejected"], 400)
    page.locator(".filter[data-table=s1-kpis-table]").get_by_role("button", name="FAIL").click()
    assert len(column(page, "s1-kpis-table", 0)) == 3
    page.locator("#s1-kpis-table thead th").nth(0).get_by_role("button").click()
    titles = column(page, "s1-kpis-table", 0, "value")
    assert titles == sorted(titles)


def test_paper_hides_no_row_and_is_never_dark(page: Page) -> None:
    page.locator(".filter[data-table=s1-tests-table]").get_by_role("button", name="PASS").click()
    assert len(column(page, "s1-tests-table", 1)) == 9
    page.emulate_media(media="print", color_scheme="dark")
    assert len(column(page, "s1-tests-table", 1)) == 12
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    page.emulate_media(media="screen", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground


@pytest.mark.parametrize(("name", "least", "most"), [("accepted", 4, 9), ("two_streams", 8, 17)])
def test_it_prints(window: Page, files: dict[str, Path], tmp_path: Path, name: str, least: int, most: int) -> None:
    page = shown(window, files[name])
    page.emulate_media(media="null")
    target = tmp_path / "report.pdf"
    page.pdf(path=target, prefer_css_page_size=True)
    content = target.read_bytes()
    assert content.startswith(b"%PDF-")
    assert least <= len(re.findall(rb"/Type /Page\b(?!s)", content)) <= most
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert box is not None
    assert (round(float(box[1])), round(float(box[2]))) == (595, 842), "A4"


def test_a_script_that_slipped_in_would_not_run(browser: Browser, files: dict[str, Path], tmp_path: Path) -> None:
    """The second wall behind the escaping."""
    broken = tmp_path / "broken.html"
    text = files["accepted"].read_text(encoding="utf-8")
    evil = "<script>document.title = 'pwned'</script><img src=x onerror=\"document.title = 'pwned'\"><main>"
    broken.write_text(text.replace("<main>", evil, 1), encoding="utf-8")
    page = browser.new_page()
    refused: list[Any] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(broken.as_uri())
    assert page.title().startswith("ACCEPTED")
    assert any("Content Security Policy" in text for text in refused)
    page.locator("button.sort").first.click()
    page.close()


def test_it_is_whole_without_scripts(browser: Browser, files: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files["rejected"].as_uri())
    assert page.locator("#s1-tests-table tbody tr").count() == 12
    assert page.locator(".filter:visible").count() == 0
    assert page.locator("figure svg[role=img]:visible").count() == 8
    context.close()


def test_the_document_outline_has_no_gaps(page: Page) -> None:
    levels = [
        int(name[1]) for name in page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName)")
    ]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
