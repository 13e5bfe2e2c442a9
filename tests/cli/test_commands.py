"""The commands, as a person types them: what they print, how they end, and no traceback for any mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_dir() -> Iterator[str]:
    """Labs of this test live here."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as folder:
        yield folder


def nfvcert(*arguments: str | Path, run_dir: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder."""
    environment = os.environ | ({"NFVCERT_RUN_DIR": run_dir} if run_dir else {}) | {"COLUMNS": "100"}
    command = [sys.executable, "-m", "nfvcert.cli", *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def test_help_and_version() -> None:
    assert "pytest -m network --lab=opco-ru" in nfvcert("--help").stdout
    assert nfvcert("--version").stdout.startswith("nfvcert 0.")


def test_labs_are_listed() -> None:
    listed = nfvcert("lab", "list").stdout
    shipped = {"opco-ru", "opco-kz", "vendor-a", "vendor-b", "physical-pod"}
    assert {line.split()[0] for line in listed.splitlines()} == shipped


def test_a_lab_is_drawn() -> None:
    drawn = nfvcert("lab", "show", "opco-ru").stdout
    for name in ("leaf-1", "leaf-2", "tg0", "tg1", "trunk-1", "compute-1"):
        assert name in drawn


def test_the_schema_is_json() -> None:
    schema = json.loads(nfvcert("lab", "schema").stdout)
    assert "hosts" in schema["properties"]


def test_up_check_down(run_dir: str) -> None:
    up = nfvcert("lab", "up", "--without-cloud", "opco-ru", run_dir=run_dir)
    assert up.returncode == 0, up.stderr
    assert "lab opco-ru is up after" in up.stdout
    assert "lab opco-ru was up" in nfvcert("lab", "up", "--without-cloud", "opco-ru", run_dir=run_dir).stdout
    check = nfvcert("lab", "check", "opco-ru", run_dir=run_dir)
    assert check.returncode == 0, check.stdout + check.stderr
    assert "leaf-1" in check.stdout
    assert "pps at 64 B" in check.stdout
    assert "is down" in nfvcert("lab", "down", "opco-ru", run_dir=run_dir).stdout
    assert "was not up" in nfvcert("lab", "down", "opco-ru", run_dir=run_dir).stdout
    assert nfvcert("lab", "sweep", run_dir=run_dir).stdout == "nothing was left\n"


def test_import_pharos_makes_an_inventory_that_loads(tmp_path: Path) -> None:
    for number, pdf in enumerate(sorted((ROOT / "tests/data/pharos").glob("*.yaml"))):
        if pdf.stem.startswith("idf"):
            continue
        made = tmp_path / f"pod-{number}.yaml"
        ended = nfvcert("import", "pharos", pdf, "-o", made)
        assert ended.returncode == 0, ended.stderr
        assert "not carried over: " in ended.stderr
        assert nfvcert("lab", "show", made).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("lab", "show", "opco-ro"), 4, "did you mean opco-ru"),
        (("lab", "up", "physical-pod"), 4, "is no embedded lab"),
        (("import", "pharos", "nothing.yaml"), 4, "nothing.yaml"),
        (("import", "pharos", "pyproject.toml"), 4, "pyproject.toml"),
        (("report", "nowhere"), 4, "no run can be read there"),
        (("lab",), 2, "usage"),
        (("frobnicate",), 2, "usage"),
    ],
)
def test_mistakes_end_in_a_sentence(arguments: tuple[str, ...], status: int, said: str) -> None:
    ended = nfvcert(*arguments)
    assert ended.returncode == status
    assert said in ended.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    ended = subprocess.run(
        f"{sys.executable} -m nfvcert.cli lab schema | head -n 1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "{\n"
    assert ended.stderr == ""
