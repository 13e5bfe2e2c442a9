"""The documentation names only what exists: links, commands, options, KPIs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nfvcert.cli import main
from nfvcert.testmodel_files import read_kpis

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in re.findall(
        r"nfvcert ((?:lab|import|report)(?: (?:show|check|up|down|list|sweep|schema|pharos))?)\b", page.read_text()
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words.split(), "--help"])
        assert ended.value.code == 0, f"{page.name}: nfvcert {words}"
        assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_kpis_are_in_the_catalogue(page: Path) -> None:
    catalogue = read_kpis(ROOT / "testmodels")
    for name in re.findall(r"`(network\.[a-z_]+\.[a-z0-9_]+)`", page.read_text()):
        assert name in catalogue, f"{page.name}: {name}"


def test_every_marker_and_fixture_of_the_plugin_is_documented() -> None:
    from nfvcert import plugin

    page = (ROOT / "docs/suite-author.md").read_text()
    for marker in plugin.MARKERS:
        name = re.split(r"[(:]", marker)[0]
        assert name in page or name in {"compute", "storage", "vim", "vnf"}, name
    for fixture in ("lab", "shell", "trials", "parameters", "kpi", "progress", "stream"):
        assert f"`{fixture}" in page
