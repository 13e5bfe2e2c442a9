"""A healthy lab is accepted by the suites of all domains besides the network, in one stream, by the shipped models."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nfvcert import embedded
from tests.certify import ROOT, gathered, left_of
from tests.long import LONG


@LONG
def test_the_cloud_and_the_hosts_of_a_healthy_lab_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three domains in one stream, by the shipped models; the run starts the cloud, and leaves nothing of it."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as run_dir:
        monkeypatch.setenv("NFVCERT_RUN_DIR", run_dir)
        reports = tmp_path / "reports"
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-m",
                "vim or compute or storage",
                "--lab=opco-ru",
                f"--reports={reports}",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        run = gathered(ended.returncode, ended.stdout + ended.stderr, reports)
        assert run.stream.judgement.decision == "ACCEPTED", run.output
        assert run.stream.plan.model.startswith("compute+storage+vim ")
        assert {each.verdict.value for each in run.stream.tests} == {"PASS"}
        assert not run.stream.plan.left_out
        assert embedded.find("opco-ru") is None, "the run left its lab up"
        assert not [entry for entry in Path(run_dir).iterdir() if entry.is_dir()], "the run left files of its lab"
        assert not left_of(run_dir), "the run left processes of its cloud"
