"""A foreseen scope as text, Markdown and a page: the untested first, and no text that could do harm."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from rich.cells import cell_len

from nfvcert.impact import Impact, Preview, preview
from nfvcert.measure.kpi import Kpi
from nfvcert.render import impact_page, scope_page
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import TestModel
from tests.render import sample

HOSTILE = "<script>alert(1)</script>|`*_[x](y)"
MODEL = TestModel.model_validate(
    {
        "model": "network",
        "version": "1",
        "domain": "network",
        "title": "t",
        "profiles": {"p": "p"},
        "criteria": [{"kpi": "network.a.b", "at_most": 0, "source": "s"}],
    }
)
KPIS = {"network.a.b": Kpi(title="t", definition="d", unit="count", better="lower", method="m", source="s")}


def foreseen(title: str = "Throughput", covers: tuple[str, ...] = ("nic", "vswitch")) -> Preview:
    unit = sample.unit_of("examples/nic-firmware").model_copy(update={"title": title})
    tests = [
        CollectedTest(
            "suites/network/t.py::test_a", title, frozenset({"network"}), ("network.a.b",), covers=frozenset(covers)
        ),
        CollectedTest("suites/network/t.py::test_b", title, frozenset({"network"}), (), covers=frozenset({"storage"})),
    ]
    return preview(unit, sample.CATALOGUE, MODEL, KPIS, tests)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_too_wide_and_nothing_writes_on_the_terminal(width: int) -> None:
    told = scope_page.text(foreseen(f"\x1b[31m{HOSTILE}"), width=width, colour=False)
    assert max(cell_len(line) for line in told.splitlines()) <= width
    assert "\x1b" not in told


def test_the_untested_stand_first_and_what_stands_against_acceptance_last() -> None:
    told = scope_page.text(foreseen(covers=("vswitch",)), width=120, colour=False)
    rows = [line.split()[0] for line in told.splitlines() if re.search(r"[✓✕?] (\d+ tests?|untested)$", line)]
    assert rows == ["nic", "driver-guest", "guest-os", "host-os", "rack-switch", "vswitch"]
    conclusion = told.partition("As things stand it cannot be accepted")[2]
    assert "nic changes, and no planned test covers it" in conclusion
    assert "4 components that this release can break" in conclusion


def test_only_what_has_nothing_against_it_can_be_accepted() -> None:
    covers = ("nic", "vswitch", "host-os", "guest-os", "driver-guest", "rack-switch")
    assert "It can be accepted" in scope_page.text(foreseen(covers=covers), width=120, colour=False)
    for lacking in covers:
        seen = foreseen(covers=tuple(name for name in covers if name != lacking))
        for told in (scope_page.text(seen, width=120, colour=False), scope_page.html(seen)):
            assert "It can be accepted" not in told


def test_markdown_stays_a_table() -> None:
    text = scope_page.markdown(foreseen(HOSTILE), command="nfvcert scope x", picture="x.svg")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) in {3, 4, 5} for row in rows)
    assert "<script" not in text.replace("\\<script", "")
    assert "](x.svg)" in text
    assert "](y)" not in text.replace("\\[x](y)", "")


def test_a_page_is_quiet_fits_and_runs_nothing_of_what_it_shows(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "scope.html"
    file.write_text(scope_page.html(foreseen(HOSTILE)), encoding="utf-8")
    said: list[str] = []
    asked: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("svg.scope").is_visible()
    assert HOSTILE in page.locator("h2").inner_text()
    assert said == []
    assert asked == [file.as_uri()]
    page.close()


def impact(**changes: object) -> Impact:
    plain: dict[str, object] = {"component": "nic", "domain": "compute", "tests": 3, "of": 12, "breakable": 6}
    more: dict[str, object] = {"untested": 2, "untested_at_most": 10, "covered_by": 3, "against": ()}
    return Impact(**(plain | more | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "yes"),
        ({"against": ("nic changes",), "covered_by": 0}, "no: no test covers it"),
        ({"against": ("much",), "untested": 11}, "no: 11 untested, 10 accepted"),
        ({"against": ("network.a.b is required",)}, "no: network.a.b is required"),
    ],
)
def test_the_impact_says_why_a_release_could_not_be_accepted(changes: dict[str, object], said: str) -> None:
    text = impact_page.markdown([impact(**changes)], model="network 1")
    assert text.splitlines()[-1].endswith(f"| {said} |")
    assert "| `nic` | 3 of 12 | 25 % | 6 |" in text.splitlines()[-1]


def test_a_domain_is_a_table_in_the_order_of_the_catalogue() -> None:
    told = [impact(domain="vim", component="nova"), impact(), impact(domain="vim", component="neutron")]
    lines = impact_page.markdown(told, model="network 1").splitlines()
    assert [line for line in lines if line.startswith("## ")] == ["## Compute", "## VIM"]
    assert [line.split("`")[1] for line in lines if line.startswith("| `")] == ["nic", "nova", "neutron"]
