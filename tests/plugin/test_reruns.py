"""Whoever runs failed tests again (pytest-rerunfailures) gets no PASS by that: the first attempt stays what counts."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Project

FLAKY = """
from pathlib import Path

def test_flaky(kpi):
    tries = Path(__file__).with_suffix(".tries")
    done = len(tries.read_text()) if tries.exists() else 0
    tries.write_text("x" * (done + 1))
    kpi.measure("network.test.speed", 50.0 if not done else 200.0)

def test_breaks(kpi):
    tries = Path(__file__).with_suffix(".breaks")
    if not tries.exists():
        tries.write_text("x")
        raise ConnectionError("gone")
    kpi.measure("network.test.speed", 200.0)
"""


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
def test_what_passes_when_it_is_run_again_does_not_pass(project: Project, workers: tuple[str, ...]) -> None:
    project.suite(FLAKY)
    run = project.run("--reruns=2", *workers)
    assert "3 rerun" in run.output
    assert run.verdicts == {"test_flaky": "FAIL", "test_breaks": "INCONCLUSIVE"}
    assert run.decisions == {"opco-ru": "REJECTED"}
    assert run.status == 1
