"""Each fault of a compute host, seeded for real, down the whole path: suite, judge, record, decision, exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcert import embedded
from nfvcert.embedded.faults import FAULTS, seeded
from nfvcert.embedded.host_faults import HOST_FAULTS
from tests.certify import ROOT, Certified, certify, reduced_model
from tests.faults.catalogue import Case
from tests.faults.host_catalogue import HOST_CASES, table
from tests.faults.test_whole_path import check
from tests.long import first_of_each_kind


def certify_compute(model: Path, reports: Path) -> Certified:
    """The compute suite on opco-ru."""
    return certify("opco-ru", model, reports, domain="compute")


@pytest.mark.parametrize("case", first_of_each_kind(HOST_CASES))
def test_a_fault_of_a_host_is_found(case: Case, lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    assert case.fault is not None
    with seeded(lab, case.fault, **case.seeded):
        run = certify_compute(reduced_model("compute", tmp_path, case.required), tmp_path / "reports")
    check(case, run)


def test_healthy_hosts_are_accepted(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    """After all faults, too: each was taken out again."""
    assert lab.run_dir.exists()
    run = certify_compute(reduced_model("compute", tmp_path), tmp_path / "reports")
    assert run.stream.judgement.decision == "ACCEPTED", run.output
    assert run.status == 0


def test_every_fault_of_hosts_is_in_the_table_and_the_table_in_the_docs() -> None:
    assert {fault.name for fault in HOST_FAULTS} <= {case.fault for case in HOST_CASES} <= set(FAULTS)
    assert table() in (ROOT / "docs/faults.md").read_text()
