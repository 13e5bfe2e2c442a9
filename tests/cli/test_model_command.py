"""`nfvcert model`, as a person types it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nfvcert.files import schema_text
from nfvcert.testmodel_files import read_released

ROOT = Path(__file__).parents[2]


def model(*arguments: str | Path, width: int = 160) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nfvcert.cli", "model", *arguments]
    environment = os.environ | {"COLUMNS": str(width)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the shipped models, of which none is released."""
    for name in ("kpis.yaml", "network.yaml", "network-ru.yaml", "requirements.yaml"):
        shutil.copy(ROOT / "testmodels" / name, tmp_path)
    return tmp_path


def test_models_are_listed(models: Path) -> None:
    lines = model("list", "--models", models).stdout.splitlines()
    assert any(line.startswith("network-ru") and "network 2026.2" in line for line in lines)
    assert any(line.startswith("network ") and "33" in line for line in lines)


def test_a_model_is_shown_whole() -> None:
    shown = model("show", "network-ru").stdout
    for text in (
        "an overlay of network 2026.2",
        "an accepted part counts for 180 days",
        "software-router: a Linux router",
        "Untested components at most",
        "on certified parts",
        "thorough",
        "≤ 400 ms (software-switch)",
        "≤ 1500 ms (software-vswitch)",
        "l2 devices",
        "anuket.ra1.req.inf.ntw.07",
    ):
        assert text in shown, text


@pytest.mark.parametrize("width", [40, 80])
def test_it_is_shown_on_a_narrow_terminal_too(width: int) -> None:
    shown = model("show", "network", width=width)
    assert shown.returncode == 0
    assert max(map(len, shown.stdout.splitlines())) <= width


def test_a_model_is_checked(models: Path) -> None:
    assert "loosens nothing of network 2026.2" in model("check", models / "network-ru.yaml").stdout
    overlay = models / "network-ru.yaml"
    overlay.write_text(overlay.read_text().replace("400 ms", "900 ms"))
    refused = model("check", overlay, "--models", models)
    assert refused.returncode == 4
    assert "900 ms is looser than 500 ms for software-switch in network 2026.2" in refused.stderr
    assert f"{overlay}:19" in refused.stderr
    assert "did you mean network?" in model("check", "netwrk").stderr


def test_a_model_is_released_once_and_then_immutable(models: Path) -> None:
    released = model("release", "network", "--models", models)
    assert released.returncode == 0, released.stderr
    assert "network 2026.2 is released" in released.stdout
    assert list(read_released(models)) == ["network"]
    assert "released: immutable" in model("show", "network", "--models", models).stdout
    assert "is released already" in model("release", "network", "--models", models).stderr
    path = models / "network.yaml"
    path.write_text(path.read_text().replace("9000 B", "8000 B"))
    assert "what is released is immutable" in model("show", "network", "--models", models).stderr


def test_requirements_are_traced_to_tests_and_back() -> None:
    text = model("matrix").stdout
    assert "none: a gap" in text
    assert re.search(r"\d+ of 55 requirements are verified; \d+ tests verify none", text)


def test_the_page_of_requirements_is_that_of_the_suites() -> None:
    page = model("matrix", "--markdown").stdout
    committed = ROOT / "docs" / "requirements.md"
    assert committed.read_text() == page, f"run: nfvcert model matrix --markdown > {committed}"


def test_schemas_are_printed() -> None:
    assert model("schema").stdout == schema_text("model")
    assert model("schema", "--waivers").stdout == schema_text("waivers")
