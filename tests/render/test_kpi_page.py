"""The page of the KPI catalogue: what is committed is what the catalogue says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nfvcert.measure.kpi import Kpi
from nfvcert.render.kpi_page import page
from nfvcert.testmodel_files import read_kpis

ROOT = Path(__file__).parents[2]
COMMAND = "python -m nfvcert.render.kpi_page > docs/kpis.md"


def kpi(**changes: object) -> Kpi:
    base = {"title": "t", "definition": "d", "unit": "s", "better": "lower", "method": "m", "source": "RFC 1"}
    return Kpi.model_validate(base | changes)


def make_page(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nfvcert.render.kpi_page"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_the_committed_page_is_the_catalogue() -> None:
    committed = (ROOT / "docs/kpis.md").read_text(encoding="utf-8")
    assert committed == page(read_kpis(ROOT / "testmodels")), f"make it anew: {COMMAND}"


def test_the_command_on_the_page_makes_the_page() -> None:
    committed = (ROOT / "docs/kpis.md").read_text(encoding="utf-8")
    assert COMMAND in committed
    made = make_page(ROOT)
    assert (made.returncode, made.stdout, made.stderr) == (0, committed, "")


def test_elsewhere_the_command_says_what_it_misses(tmp_path: Path) -> None:
    made = make_page(tmp_path)
    assert made.returncode == 4
    assert made.stdout == ""
    assert made.stderr.startswith("testmodels/kpis.yaml")
    assert "Traceback" not in made.stderr


def test_a_domain_is_a_table_and_a_kpi_a_row() -> None:
    text = page({"compute.a.b": kpi(), "vim.a.b": kpi(unit="ratio", better="higher"), "vim.c.d": kpi()})
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Compute", "## VIM"]
    assert "| `vim.a.b` | **t**: d | `ratio` | higher | m | RFC 1 |" in text.splitlines()
    assert "3 KPIs" in text


def test_a_text_cannot_break_the_table() -> None:
    text = page({"vnf.a.b": kpi(title="a|b", method="two\nlines", source="pod_delete, <b>*x*")})
    assert text.splitlines()[-1] == (r"| `vnf.a.b` | **a\|b**: d | `s` | lower | two lines | pod\_delete, \<b>\*x\* |")
