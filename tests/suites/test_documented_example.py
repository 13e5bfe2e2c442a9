"""The examples of docs/suite-author.md, taken from the page: they pass in a healthy lab, and find their fault."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfvcert import embedded
from nfvcert.embedded.faults import seeded
from nfvcert.files import read_lab
from tests.certify import ROOT, Certified, gathered
from tests.faults.catalogue import MTU, Case

PAGE = (ROOT / "docs/suite-author.md").read_text()
KPI = "network.broadcast.reach_ratio"


def block(language: str, start: str) -> str:
    """The fenced block of the page that begins with ``start``."""
    texts: list[str] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = [text for text in texts if text.startswith(start)]
    return found


@pytest.fixture
def lab() -> Iterator[embedded.EmbeddedLab]:
    """opco-ru, up, in a run directory of its own, as `nfvcert lab up` brings it up."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as run_dir, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFVCERT_RUN_DIR", run_dir)
        up = embedded.up(read_lab(ROOT / "lab_inventory/opco-ru.yaml"))
        yield up
        up.down()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of the page's KPI, criterion and test, with the shipped labs and fixtures."""
    suites, models = tmp_path / "suites", tmp_path / "testmodels"
    shutil.copytree(ROOT / "lab_inventory", tmp_path / "lab_inventory")
    suites.mkdir()
    models.mkdir()
    shutil.copy(ROOT / "suites/network/conftest.py", suites)
    (suites / "test_broadcast.py").write_text(block("python", '"""Who should hear'))
    (models / "kpis.yaml").write_text(block("yaml", KPI))
    head = (ROOT / "testmodels/network.yaml").read_text().partition("# How long and how often")[0]
    (models / "network.yaml").write_text(head + block("yaml", f"criteria:\n  - kpi: {KPI}"))
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    return tmp_path


def certified(project: Path, reports: str, *more: str) -> Certified:
    """Run the documented test as the page says."""
    asked = [sys.executable, "-m", "pytest", "-m", "network", "--lab=opco-ru", f"--reports={reports}", *more]
    ended = subprocess.run(
        [*asked, "-p", "no:cacheprovider"], cwd=project, capture_output=True, text=True, timeout=120, check=False
    )
    return gathered(ended.returncode, ended.stdout + ended.stderr, project / reports)


def test_the_documented_example_passes_and_finds_its_fault(lab: embedded.EmbeddedLab, project: Path) -> None:
    healthy = certified(project, "healthy")
    assert healthy.stream.judgement.decision == "ACCEPTED", healthy.output
    assert healthy.verdicts(KPI) == {"PASS"}
    assert [series.title for series in healthy.stream.series] == ["Broadcast frames heard"]

    case = eval(block("python", "Case("), {"Case": Case, "MTU": MTU})  # noqa: S307 - our own page
    assert case.fault is not None
    with seeded(lab, case.fault, **case.seeded):
        faulty = certified(project, "faulty")
    assert faulty.stream.judgement.decision == "REJECTED", faulty.output
    assert case.fails == KPI
    assert faulty.verdicts(KPI) == {"FAIL"}


@pytest.mark.usefixtures("lab")
def test_the_documented_claims_are_taken_and_the_chain_stays_in_one_worker(project: Path) -> None:
    (project / "suites/test_files.py").write_text(block("python", '"""A storage host'))
    stream = certified(project, "claims", "-n2", "-ka_file").stream
    planned = [test for test in stream.plan.planned if "a_file" in test.test]
    assert [{str(need) for need in test.needs} for test in planned] == [
        {"opco-ru (shared)", "machine (shared)", "opco-ru/storage-1 (exclusive)"},
        {"opco-ru (shared)", "machine (shared)", "opco-ru/storage-1 (exclusive)", "opco-ru/compute-1 (shared)"},
    ]
    ran = [test for test in stream.tests if "a_file" in test.test]
    assert [test.verdict for test in ran] == ["PASS", "PASS"]
    assert len({test.worker for test in ran}) == 1
