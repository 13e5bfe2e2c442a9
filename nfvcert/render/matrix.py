"""The matrix of requirements and tests, for a terminal and as docs/requirements.md."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table

from nfvcert.render import page
from nfvcert.render.words import plain
from nfvcert.requirements import Matrix, Requirements

__all__ = ["markdown", "text"]

INTRODUCTION = """\
<!-- Made from testmodels/requirements.yaml and suites/ by: nfvcert model matrix --markdown > docs/requirements.md -->

# Requirements and tests

Which test verifies which requirement, and the other way round. A requirement is verified by KPIs
([testmodels/requirements.yaml](../testmodels/requirements.yaml)), and a KPI by the tests that measure it.

{verified} of {count} requirements are verified by a test. A **gap** is a requirement that none verifies: nothing is
known of it, whatever a report says.
"""
OF_TESTS = """\
## Tests

What each test verifies. One that verifies no requirement is marked: either a requirement is missing, or the test is
not needed.
"""


def markdown(requirements: Requirements, matrix: Matrix, titles: Mapping[str, str]) -> str:
    """The page, with a last newline. ``titles``: test → what it is called for people."""
    verified = len(requirements.all) - len(matrix.unverified)
    parts = [INTRODUCTION.format(verified=verified, count=len(requirements.all))]
    for heading, names in (
        ("## Requirements", [name for name in requirements.all if matrix.tests[name]]),
        ("## Gaps", list(matrix.unverified)),
    ):
        if names:
            rows = [*_requirement_rows(requirements, matrix, names)]
            head = ["| Id | Requirement | Source | KPIs | Tests |", "| --- | --- | --- | --- | --- |"]
            parts.append("\n".join([heading, "", *head, *rows]) + "\n")
    rows = [
        f"| `{_cell(_short(test))}` | {_cell(titles.get(test, ''))} | {', '.join(names) or '**none**'} |"
        for test, names in matrix.requirements.items()
    ]
    parts.append("\n".join([OF_TESTS, "| Test | Title | Requirements |", "| --- | --- | --- |", *rows]) + "\n")
    return "\n".join(parts)


def _requirement_rows(requirements: Requirements, matrix: Matrix, names: list[str]) -> Iterator[str]:
    for name in names:
        requirement = requirements.all[name]
        tests = ", ".join(f"`{_cell(_short(test))}`" for test in matrix.tests[name])
        kpis = ", ".join(f"`{kpi}`" for kpi in requirement.kpis)
        cells = [name, _cell(requirement.title), _cell(requirement.source), kpis or "none"]
        yield f"| {' | '.join([*cells, tests or '**none**'])} |"


def _short(test: str) -> str:
    """A node id without the folder of the suites."""
    return test.removeprefix("suites/")


def _cell(told: str) -> str:
    return " ".join(told.split()).replace("|", "\\|")


def text(requirements: Requirements, matrix: Matrix, *, width: int, colour: bool) -> str:
    """Both directions as tables, gaps last."""
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)
    table = _table("Requirement", "Title", "Tests")
    for name, tests in sorted(matrix.tests.items(), key=lambda each: not each[1]):
        title = plain(requirements.all[name].title)
        table.add_row(name, title, "\n".join(map(_short, tests)) or "none: a gap", style=None if tests else "yellow")
    console.print(table)
    console.print()
    table = _table("Test", "Requirements")
    for test, names in sorted(matrix.requirements.items(), key=lambda each: not each[1]):
        table.add_row(_short(test), "\n".join(names) or "none", style=None if names else "yellow")
    console.print(table)
    verified = len(matrix.tests) - len(matrix.unverified)
    without = len(matrix.purposeless)
    console.print(f"\n{verified} of {len(matrix.tests)} requirements are verified; {without} tests verify none")
    return target.getvalue()


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "Requirement")
    return table
