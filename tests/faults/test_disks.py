"""Each fault of a disk, seeded for real, down the whole path: suite, judge, record, decision, exit status."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.embedded.disk_faults import DISK_FAULTS
from nfvcert.embedded.faults import FAULTS, seeded
from tests.certify import ROOT, Certified, certify
from tests.faults.catalogue import Case
from tests.faults.disk_catalogue import DISK_CASES, table
from tests.faults.test_whole_path import check


def storage_model(where: Path, kpis: Iterable[str], parameters: Mapping[str, object]) -> Path:
    """The shipped storage model, reduced to some KPIs; its bounds stay."""
    model = YAML(typ="safe").load((ROOT / "testmodels/storage.yaml").read_text())
    model["version"] += "-quick"
    wanted = set(kpis)
    model["criteria"] = [rule for rule in model["criteria"] if rule["kpi"] in wanted]
    model["parameters"] |= parameters
    del model["sizes"]
    text = io.StringIO()
    YAML().dump(model, text)
    path = where / "quick.yaml"
    path.write_text(text.getvalue())
    return path


def certify_storage(model: Path, reports: Path) -> Certified:
    """The storage suite on opco-ru."""
    return certify("opco-ru", model, reports, domain="storage")


@pytest.mark.parametrize("case", DISK_CASES, ids=lambda case: case.name)
def test_a_fault_of_a_disk_is_found(case: Case, lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    assert case.fault is not None
    with seeded(lab, case.fault, **case.seeded):
        run = certify_storage(storage_model(tmp_path, case.required, case.parameters), tmp_path / "reports")
    check(case, run)


def test_healthy_disks_are_accepted(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    """By the shipped model, after all faults, too: each was taken out again."""
    assert lab.run_dir.exists()
    run = certify_storage(ROOT / "testmodels/storage.yaml", tmp_path / "reports")
    assert run.stream.judgement.decision == "ACCEPTED", run.output
    assert run.status == 0


def test_every_fault_of_disks_is_in_the_table_and_the_table_in_the_docs() -> None:
    assert {fault.name for fault in DISK_FAULTS} <= {case.fault for case in DISK_CASES} <= set(FAULTS)
    assert table() in (ROOT / "docs/faults.md").read_text()
