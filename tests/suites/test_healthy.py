"""Every shipped embedded lab, healthy, is accepted by the whole network suite."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from nfvcert import embedded
from tests.certify import HEALTHY, certify, quick_model


@pytest.mark.parametrize("lab", ["opco-kz", "vendor-a"])
def test_a_healthy_lab_is_accepted(lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as run_dir:
        monkeypatch.setenv("NFVCERT_RUN_DIR", run_dir)
        run = certify(lab, quick_model(tmp_path, None, **HEALTHY), tmp_path / "reports")
        assert run.stream.judgement.decision == "ACCEPTED", run.output
        assert run.status == 0
        assert embedded.find(lab) is None, "the run left its lab up"
        assert run.stream.calibration is not None
        assert run.stream.calibration.ceiling_fps[64] > 5000
