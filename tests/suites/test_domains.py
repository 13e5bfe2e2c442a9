"""A run that needs a cloud starts it, and leaves nothing of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from nfvcert import embedded
from tests.certify import certify, left_of, reduced_model

FEW = ("storage.inventory.deviations", "storage.object.corrupt_reads", "storage.volume.failures")


def test_a_run_starts_its_cloud_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With disks, an object store and volumes. All suites are run on a cloud that is up: tests/faults/test_cloud.py."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as run_dir:
        monkeypatch.setenv("NFVCERT_RUN_DIR", run_dir)
        model = reduced_model("storage", tmp_path, FEW)
        run = certify("opco-ru", model, tmp_path / "reports", domain="storage", timeout_s=600)
        assert run.stream.judgement.decision == "ACCEPTED", run.output
        assert embedded.find("opco-ru") is None, "the run left its lab up"
        assert not [entry for entry in Path(run_dir).iterdir() if entry.is_dir()], "the run left files of its lab"
        assert not left_of(run_dir), "the run left processes of its cloud"
