"""The documentation names only what exists: links, files, commands, options, KPIs, markers; its examples can be read.

That the example of docs/suite-author.md also works is shown in tests/suites/test_documented_example.py.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from nfvcert import plugin
from nfvcert.campaign import Campaign
from nfvcert.cli import _parser, _split
from nfvcert.document import Document, Plain, parse_document
from nfvcert.files import build
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi
from nfvcert.release import ReleaseUnit
from nfvcert.run import EXIT_INCONCLUSIVE
from nfvcert.testmodel import Rule
from nfvcert.testmodel_files import read_kpis
from nfvcert.units import convert

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = (
    *("benchmarks", "campaigns", "docs", "lab_inventory", "nfvcert", "releases"),
    *("suites", "testmodels", "tests", "tools"),
)
TO_BE_WRITTEN = {"lab_inventory/my-lab.yaml", "suites/network/test_broadcast.py", "suites/network/test_files.py"}
"""Files that the reader makes."""
OPTIONS = re.findall(r'"(--[a-z-]+)"', (ROOT / "nfvcert/plugin.py").read_text())
"""The plugin's own; pytest knows its own, and those of other plugins."""
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def code(page: Path) -> Iterator[str]:
    """All that is set as code: blocks by line, and spans within a line."""
    fenced = False
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def parsed(page: Path) -> list[tuple[Document, dict[str, Plain]]]:
    """The YAML of a page: each block, and its keys with their values."""
    found = []
    for number, block in enumerate(blocks(page, "yaml")):
        document = parse_document(Path(f"{page.name}-{number}.yaml"), block.encode())
        assert isinstance(document.data, dict)
        found.append((document, document.data))
    return found


@cache
def catalogue() -> dict[str, Kpi]:
    """The KPI catalogue."""
    return read_kpis(ROOT / "testmodels")


def kpis(page: Path) -> dict[str, Kpi]:
    """The KPIs of the catalogue, and those that the page itself adds."""
    added = {key: build(Kpi, document, (key,)) for document, keys in parsed(page) for key in keys if "." in key}
    return catalogue() | added


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have where Markdown is shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


@each_page
def test_files_exist(page: Path) -> None:
    for span in re.findall(r"`([^`\s]+)`", page.read_text()):
        if span in TO_BE_WRITTEN or any(sign in span for sign in "*()=:"):
            continue
        if "/" in span and span.split("/")[0] in FOLDERS:
            assert (ROOT / span).exists(), f"{page.name}: {span}"
        elif span.endswith(".py"):
            assert any((ROOT / "nfvcert").rglob(span)), f"{page.name}: {span}"


@each_page
def test_commands_of_nfvcert_exist(page: Path) -> None:
    for line in code(page):
        program, *words = line.removeprefix("$ ").partition(" #")[0].split() or [""]
        if program not in {"nfvcert", ".venv/bin/nfvcert"}:
            continue
        parser, rest = _parser(), _split(words)[0]  # what follows `plan` is pytest's
        while subcommands := next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None):
            if not rest or rest[0].startswith("-"):
                break
            assert rest[0] in subcommands.choices, f"{page.name}: {line}"
            parser, rest = subcommands.choices[rest[0]], rest[1:]
        for word in rest:
            known = not word.startswith("-") or word.partition("=")[0] in parser._option_string_actions
            assert known, f"{page.name}: {line}"


@each_page
def test_options_of_pytest_exist(page: Path, pytestconfig: pytest.Config) -> None:
    for line in code(page):
        if re.match(r"(\$ )?((\S*python -m |\.venv/bin/)?pytest|nfvcert plan) |--[a-z]", line):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line.partition(" # ")[0]):
                if option not in OPTIONS:
                    pytestconfig.getoption(option)  # ValueError: pytest has none of that name


@each_page
def test_kpis_are_in_the_catalogue(page: Path) -> None:
    text = "\n".join(code(page))
    named = set(re.findall(r"\b(?:network|compute|storage|vim|vnf)\.[a-z_0-9]+\.[a-z_0-9]+\b", text))
    assert named <= set(kpis(page)), f"{page.name}: {sorted(named - set(kpis(page)))}"


@each_page
def test_no_place_of_a_machine_is_named(page: Path) -> None:
    assert not re.findall(r"/(?:home|root|work|Users|tmp)/", page.read_text())


@each_page
def test_python_can_be_parsed_and_its_imports_exist(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                assert node.module is not None
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), f"{page.name}: {ast.unparse(node)}"


@each_page
def test_yaml_is_what_our_readers_read(page: Path) -> None:
    known = kpis(page)
    for document, keys in parsed(page):
        if "lab" in keys:
            build(Lab, document)
        if "streams" in keys:
            build(Campaign, document)
        if "changes" in keys:
            build(ReleaseUnit, document)
        for rule in build(tuple[Rule, ...], document, ("criteria",)) if "criteria" in keys else ():
            for bound in (rule.at_least, rule.at_most):
                for written in bound.values() if isinstance(bound, dict) else [bound]:
                    assert written is None or convert(written, known[rule.kpi].unit) >= 0


def test_every_marker_fixture_and_option_of_the_plugin_is_documented() -> None:
    page = (ROOT / "docs/suite-author.md").read_text()
    for marker in plugin.MARKERS:
        name = re.split(r"[(:]", marker)[0]
        assert re.search(rf"`{name}\b", page), name
    for fixture in ("lab", "shell", "trials", "parameters", "kpi", "progress", "stream", "frame_bytes"):
        assert f"`{fixture}" in page, fixture
    written = list(code(ROOT / "docs/test-manager.md"))
    for option in OPTIONS:
        assert any(re.search(rf"(?<!\S){option}(?![\w-])", line) for line in written), option


@pytest.mark.parametrize(
    ("decision", "status"), [("ACCEPTED", 0), ("REJECTED", 1), ("INCONCLUSIVE", EXIT_INCONCLUSIVE)]
)
def test_every_exit_status_is_documented(decision: str, status: int) -> None:
    assert re.search(rf"^\| {decision} \|.*\| {status} \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
