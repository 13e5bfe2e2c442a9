"""Each fault of a disk, seeded for real, down the whole path: suite, judge, record, decision, exit status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.embedded.disk_faults import DISK_FAULTS
from nfvcert.embedded.faults import FAULTS, seeded
from tests.certify import ROOT, Certified, certify, reduced_model, up_alone
from tests.faults.catalogue import Case
from tests.faults.disk_catalogue import DISK_CASES, table
from tests.faults.test_whole_path import check
from tests.long import first_of_each_kind


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """opco-ru without its cloud, whose object store and volumes are of the storage domain too."""
    shipped = YAML(typ="safe").load((ROOT / "lab_inventory/opco-ru.yaml").read_text())
    del shipped["cloud"]
    path = tmp_path_factory.mktemp("inventory") / "opco-ru.yaml"
    with path.open("w") as file:
        YAML().dump(shipped, file)
    return path


@pytest.fixture(scope="module")
def lab(inventory: Path) -> Iterator[embedded.EmbeddedLab]:
    """It, up for all cases."""
    with up_alone(inventory) as found:
        yield found


def certify_storage(inventory: Path, model: Path, reports: Path) -> Certified:
    """The storage suite, as far as it is of disks."""
    return certify(str(inventory), model, reports, domain="storage")


@pytest.mark.parametrize("case", first_of_each_kind(DISK_CASES))
def test_a_fault_of_a_disk_is_found(case: Case, inventory: Path, lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    assert case.fault is not None
    model = reduced_model("storage", tmp_path, case.required, case.parameters)
    with seeded(lab, case.fault, **case.seeded):
        run = certify_storage(inventory, model, tmp_path / "reports")
    check(case, run)


def test_healthy_disks_are_accepted(inventory: Path, lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    """By the shipped model, after all faults, too: each was taken out again."""
    assert lab.run_dir.exists()
    run = certify_storage(inventory, ROOT / "testmodels/storage.yaml", tmp_path / "reports")
    assert run.stream.judgement.decision == "ACCEPTED", run.output
    assert run.status == 0


def test_every_fault_of_disks_is_in_the_table_and_the_table_in_the_docs() -> None:
    assert {fault.name for fault in DISK_FAULTS} <= {case.fault for case in DISK_CASES} <= set(FAULTS)
    assert table() in (ROOT / "docs/faults.md").read_text()
