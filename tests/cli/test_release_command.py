"""`nfvcert release`, as a person types it: what it explains, what it refuses, and what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nfvcert import files
from tests.core.test_composition import NIC, Composing, record_of

ROOT = Path(__file__).parents[2]
UNIT = """\
unit: pack-1
type: GA
vendor: V
changes:
  - {component: nic, vendor: V, product: X710, from: "8.20", to: "8.30", trigger: firmware}
"""


def release(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `nfvcert release …` in the project's folder."""
    command = [sys.executable, "-m", "nfvcert.cli", "release", *arguments]
    environment = os.environ | {"COLUMNS": "120"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def checked(folder: Path, text: str, name: str = "pack-1") -> subprocess.CompletedProcess[str]:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return release("check", path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("examples/nic-firmware", ("size small", "class minor", "keeps the leading release number", "3 parts", "NVM-")),
        ("examples/network-pack", ("size medium", "class major", "a feature changes functionality", "rack-switch")),
        ("examples/nfvi-vim", ("size large", "class major", "sdn-controller", "an upgrade changes functionality")),
        ("nic-fw-8.30", ("size small", "corrections to nic-fw-8.0", "not at hand, so its digest was not checked")),
    ],
)
def test_shipped_units_are_explained(name: str, said: tuple[str, ...]) -> None:
    ended = release("check", f"releases/{name}.yaml" if "/" in name else name)
    assert ended.returncode == 0, ended.stderr
    for each in said:
        assert each in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 120


def test_a_latest_unit_is_told_to_be_none_for_production(tmp_path: Path) -> None:
    ended = checked(tmp_path, UNIT.replace("type: GA", "type: latest"))
    assert ended.returncode == 0
    assert "latest: whatever is newest: tested like any other, and never certified for production" in ended.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("component: nic", "component: nicc", "pack-1.yaml:5: changes[0].component: no component of the catalogue is "),
        ('to: "8.30"', 'to: "8.10"', "pack-1.yaml:5: changes[0].to: from 8.20 to 8.10 goes down"),
        ("vendor: V\nchanges", "changes", "pack-1.yaml:2: type: a GA unit names the vendor"),
        ("changes:", "sbom: {path: a.json, sha256: " + "ab" * 32 + "}\nchanges:", ":4: sbom.path: found no file at"),
        (
            "changes:",
            "builds_on:\n  - {unit: a, record: r.json, sha256: " + "ab" * 32 + "}\nchanges:",
            "pack-1.yaml:4: builds_on: found a part that cannot be built on: a: its record ",
        ),
    ],
)
def test_bad_units_end_in_a_sentence_with_line_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert UNIT.count(old) == 1
    ended = checked(tmp_path, UNIT.replace(old, new))
    assert (ended.returncode, ended.stdout) == (4, "")
    assert said in ended.stderr


def test_an_unknown_unit_has_near_misses() -> None:
    ended = release("check", "nic-fw-8.31")
    assert ended.returncode == 4
    assert "did you mean nic-fw-8.30?" in ended.stderr
    assert "revoked" not in ended.stderr


def test_what_a_unit_builds_on_is_told_and_a_revoked_part_is_refused(tmp_path: Path) -> None:
    composing = Composing(tmp_path)
    record = record_of(NIC)
    composing.part(record)
    text = f"{UNIT}builds_on: {json.dumps(composing.named)}\n"
    ended = checked(tmp_path, text)
    assert ended.returncode == 0, ended.stderr
    assert "builds on, in labs of profile software-switch\n  nic-fw-8.30: ACCEPTED in opco-ru, " in ended.stdout
    entry = {"record": record.digest, "unit": "nic-fw-8.30", "reason": "it loses packets", "owner": "Board"}
    (tmp_path / "revoked.yaml").write_text(json.dumps([entry | {"on": "2026-12-01"}]))
    ended = checked(tmp_path, text)
    assert ended.returncode == 4
    assert "its record was revoked on 2026-12-01 by Board: it loses packets" in ended.stderr


def test_the_schema_is_the_committed_one() -> None:
    assert release("schema").stdout == (ROOT / "releases/schema/release.schema.json").read_text()
    assert release("schema").stdout == files.schema_text("release")


def test_diff_writes_a_file_and_never_over_one(tmp_path: Path) -> None:
    later = tmp_path / "pack-1.yaml"
    later.write_text(UNIT.replace('"8.30"', '"8.40"'))
    earlier = tmp_path / "pack-0.yaml"
    earlier.write_text(UNIT.replace("pack-1", "pack-0"))
    made = tmp_path / "new-1.yaml"
    ended = release("diff", earlier, later, "-o", made)
    assert ended.returncode == 0, ended.stderr
    assert "nfvcert release check" in ended.stdout
    assert release("check", made).returncode == 0
    before = made.read_text()
    assert 'from: "8.30"' in before
    ended = release("diff", earlier, later, "-o", made)
    assert (ended.returncode, made.read_text()) == (4, before)
    assert release("diff", earlier, later).stdout.startswith("# yaml-language-server: ")


def test_diff_of_lab_facts_is_refused_by_check_until_it_is_filled(tmp_path: Path) -> None:
    for name, version in (("a", "8.20"), ("b", "8.30")):
        told = {"lab": "opco-ru", "facts": {"compute-1": {"redfish nic": version}}}
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    made = tmp_path / "new-1.yaml"
    assert release("diff", tmp_path / "a.json", tmp_path / "b.json", "-o", made).returncode == 0
    assert "  - component: nic\n" in made.read_text()
    ended = release("check", made)
    assert ended.returncode == 4
    assert "type: found nothing, expected one of GA, maintenance, latest" in ended.stderr


def test_diff_of_two_kinds_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"lab": "x", "facts": {}}')
    ended = release("diff", tmp_path / "a.json", "releases/nic-fw-8.30.yaml")
    assert ended.returncode == 4
    assert "two of one kind are needed" in ended.stderr
