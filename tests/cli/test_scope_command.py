"""`nfvcert scope` and `impact`, as a person types them; and the pages of the docs that they make."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NIC = "releases/examples/nic-firmware.yaml"
PAGE, PICTURE = "docs/scope-nic-firmware.md", "docs/images/scope-nic-firmware.svg"
UNIT = """\
unit: pack
type: GA
vendor: V
changes:
  - {component: nic, vendor: V, product: X710, from: "8.20", to: "8.30", trigger: firmware}
"""


def nfvcert(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder."""
    command = [sys.executable, "-m", "nfvcert.cli", *map(str, arguments)]
    environment = os.environ | {"COLUMNS": "110", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_it_tells_size_class_reach_tests_and_risk() -> None:
    ended = nfvcert("scope", NIC)
    assert ended.returncode == 0, ended.stderr
    told = plain(ended.stdout)
    for said in (
        "size small one component changes: nic",
        "class minor nic X710: minor, 8.20 → 8.30",
        "guest-os guest-os runs-on nic ? untested",
        "nic changes ✓",
        "network/test_latency.py::test_latency it covers nic, which changes",
        "network/test_resilience.py::test_failover it covers rack-switch, and is for medium releases",
        "criteria out of scope",
        "network.failover.outage",
        "It can be accepted, if the release is in the lab",
    ):
        assert said in told
    assert max(map(len, ended.stdout.splitlines())) <= 110


def test_what_cannot_be_accepted_says_so_and_why() -> None:
    told = plain(nfvcert("scope", "releases/examples/nfvi-vim.yaml", "--lab", "opco-ru").stdout)
    conclusion = told.partition("As things stand it cannot be accepted, however the tests end")[2]
    assert "horizon changes, and no planned test covers it: nothing is known of it" in conclusion
    assert "in lab opco-ru" in told


def test_output_is_what_its_name_says(tmp_path: Path) -> None:
    files = [tmp_path / f"scope.{suffix}" for suffix in ("svg", "html", "md")]
    ended = nfvcert("scope", NIC, *(each for file in files for each in ("-o", file)))
    assert ended.returncode == 0, ended.stderr
    svg, html, markdown = (file.read_text(encoding="utf-8") for file in files)
    picture = ET.fromstring(svg)  # noqa: S314 - we made it ourselves
    assert picture.attrib["aria-label"].startswith("nic changes.")
    assert html.startswith("<!doctype html>")
    assert "default-src 'none'" in html
    assert not re.findall(r'(?:src|href)="(?!#|data:)', html)
    HTMLParser().feed(html)
    assert "](scope.svg)" in markdown
    assert "| `guest-os` | Guest operating system | guest-os runs-on nic | ? untested |" in markdown.splitlines()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("no-such-unit",), 4, "no release unit is named 'no-such-unit'"),
        ((NIC, "--lab", "nowhere"), 4, "nowhere"),
        ((NIC, "--test-model", "netwrk"), 4, "network"),
        ((NIC, "-o", "scope.pdf"), 4, "so it ends in .svg, .html, .md"),
        ((NIC, "-o", "no/such/folder/scope.svg"), 4, "cannot be written"),
        ((NIC, "--models", "nowhere"), 4, "nowhere"),
    ],
)
def test_what_is_wrong_is_told(arguments: tuple[str, ...], status: int, said: str) -> None:
    ended = nfvcert("scope", *arguments)
    assert ended.returncode == status, ended.stdout
    assert said in ended.stderr
    assert ended.stdout == ""


def test_an_unknown_component_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "pack.yaml"
    path.write_text(UNIT.replace("nic,", "nicc,"))
    ended = nfvcert("scope", path)
    assert ended.returncode == 4
    assert "pack.yaml:5" in ended.stderr
    assert "changes[0].component" in ended.stderr
    assert "nic" in ended.stderr


def test_a_part_that_does_not_count_is_refused_where_a_lab_says_for_what(tmp_path: Path) -> None:
    path = tmp_path / "pack.yaml"
    path.write_text(UNIT + f"builds_on:\n  - {{unit: nic-8, record: nowhere.json, sha256: '{'0' * 64}'}}\n")
    assert nfvcert("scope", path).returncode == 0, "in any lab, it is tested as if nothing had been certified"
    ended = nfvcert("scope", path, "--lab", "opco-ru")
    assert ended.returncode == 4
    assert "builds_on" in ended.stderr


def test_who_answers_for_an_untested_change_is_told_until_it_expires(tmp_path: Path) -> None:
    unit = tmp_path / "pack.yaml"
    unit.write_text(UNIT.replace("component: nic", "component: horizon"))
    waiver = "waivers: [{untested: horizon, release: pack, owner: J. Doe, reason: by hand, expires: %s}]\n"
    folder = tmp_path / "waivers"
    folder.mkdir()
    (folder / "w.yaml").write_text(waiver % "2999-12-31")
    told = plain(nfvcert("scope", unit, "--waivers", folder).stdout)
    assert "It can be accepted with conditions (horizon stays untested, J. Doe, until 2999-12-31: by hand)" in told
    (folder / "w.yaml").write_text(waiver % "2020-12-31")
    assert "As things stand it cannot be accepted" in plain(nfvcert("scope", unit, "--waivers", folder).stdout)


def test_impact_tells_every_component() -> None:
    told = plain(nfvcert("impact").stdout)
    assert re.search(r" nic \d+ of \d+ \d+ % \d+ \d+ yes", told)
    assert re.search(r" horizon \d+ of \d+ \d+ % \d+ \d+ no: no test covers it", told)


def test_the_committed_impact_is_what_its_command_makes() -> None:
    committed = (ROOT / "docs/impact.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^```sh\n(.+)\n```$", committed, re.MULTILINE)
    assert command == "python -m nfvcert.cli impact --markdown > docs/impact.md"
    assert nfvcert("impact", "--markdown").stdout == committed, f"make it anew: {command}"


def test_the_committed_scope_is_what_its_command_makes(tmp_path: Path) -> None:
    committed = (ROOT / PAGE).read_text(encoding="utf-8")
    (command,) = re.findall(r"^```sh\n(.+)\n```$", committed, re.MULTILINE)
    assert command == f"nfvcert scope {NIC} -o {PAGE} -o {PICTURE}"
    before = (ROOT / PICTURE).read_text(encoding="utf-8")
    folder = tmp_path / "docs"
    (folder / "images").mkdir(parents=True)
    page, picture = folder / Path(PAGE).name, folder / "images" / Path(PICTURE).name
    ended = nfvcert("scope", NIC, "-o", page, "-o", picture)
    assert ended.returncode == 0, ended.stderr
    made = page.read_text(encoding="utf-8").replace(page.as_posix(), PAGE).replace(picture.as_posix(), PICTURE)
    assert made == committed, f"make it anew: {command}"
    assert picture.read_text(encoding="utf-8") == before, f"make it anew: {command}"


@pytest.mark.parametrize("name", ["nic-firmware", "network-pack"])
def test_what_is_foreseen_is_what_is_planned(tmp_path: Path, name: str) -> None:
    """A scope that promised a test that then does not run would be believed."""
    unit, plan, page = f"releases/examples/{name}.yaml", tmp_path / "plan.json", tmp_path / "scope.md"
    ended = nfvcert("plan", "-o", plan, "--release", unit, "--lab", "opco-ru")
    assert plan.exists(), ended.stdout
    planned = {bar["test"].partition("[")[0] for bar in json.loads(plan.read_text())["bars"]}
    assert nfvcert("scope", unit, "--lab", "opco-ru", "-o", page).returncode == 0
    tests = page.read_text(encoding="utf-8").partition("## Tests\n")[2].partition("## Tests left out")[0]
    foreseen = {f"suites/{case}" for case in re.findall(r"^\| `(\S+::\S+)`", tests, re.MULTILINE)}
    assert foreseen == planned
