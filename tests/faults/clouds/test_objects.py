"""Each fault of the object store and of volumes, seeded for real in the cloud, down the whole path to the decision."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.embedded.cloud.object_faults import OBJECT_FAULTS
from nfvcert.embedded.faults import seeded
from tests.certify import ROOT, Certified, certify
from tests.faults.clouds.cloud_catalogue import CloudCase
from tests.faults.clouds.object_catalogue import OBJECT_CASES, table
from tests.faults.clouds.test_cloud import verdict
from tests.long import first_of_each_kind


def quick_storage(where: Path) -> Path:
    """The shipped storage model, with the shortest times in which a healthy store does what it must."""
    model = YAML(typ="safe").load((ROOT / "testmodels/storage.yaml").read_text())
    model["version"] += "-quick"
    model["parameters"] |= {
        "object_requests": 5,
        "object_bytes": [4096],
        "object_concurrency": [1],
        "object_listing_seconds_max": 10,
        "volume_at_once": 3,
        "volume_seconds_max": 15,
    }
    model.pop("depths")
    model["sizes"] = {size: {k: v for k, v in rules.items() if k != "depth"} for size, rules in model["sizes"].items()}
    path = where / "quick-storage.yaml"
    with path.open("w") as file:
        YAML().dump(model, file)
    return path


def certify_storage(reports: Path, *tests: str) -> Certified:
    """Some tests of the storage suite on opco-ru; those that are left out are NOT_RUN, so nothing can be ACCEPTED."""
    model = quick_storage(reports.parent)
    return certify("opco-ru", model, reports, "-k", " or ".join(tests), domain="storage", timeout_s=400)


@pytest.mark.parametrize("case", first_of_each_kind(OBJECT_CASES))
def test_a_fault_of_storage_in_the_cloud_is_found(case: CloudCase, lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    with seeded(lab, case.fault, **case.seeded):
        run = certify_storage(tmp_path / "reports", case.fails, *case.passes)
    assert verdict(run, case.fails) == "FAIL", run.output
    assert run.stream.judgement.decision == "REJECTED"
    assert any(case.says in found.sentence for found in run.stream.judgement.findings), run.output
    for test in case.passes:
        assert verdict(run, test) == "PASS", run.output


def test_the_store_is_whole_after_all_faults(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    """Each fault was taken out again: what fails above fails for its fault."""
    wanted = {case.fails for case in OBJECT_CASES}
    run = certify_storage(tmp_path / "reports", *wanted)
    assert lab.run_dir.exists()
    for test in sorted(wanted):
        assert verdict(run, test) == "PASS", run.output


def test_without_a_load_balancer_the_lab_is_blamed(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    """No endpoint of the cloud can be reached: nothing is said of its object store."""
    with seeded(lab, "service-stopped", service="api-load-balancer"):
        run = certify_storage(tmp_path / "reports", "test_objects_come_back_as_they_were_stored")
    assert run.stream.judgement.decision == "INCONCLUSIVE", run.output
    assert any(found.blame == "lab" for found in run.stream.judgement.findings), run.output


def test_every_fault_of_objects_is_in_the_table_and_the_table_in_the_docs() -> None:
    assert {fault.name for fault in OBJECT_FAULTS} <= {case.fault for case in OBJECT_CASES}
    assert table() in (ROOT / "docs/faults.md").read_text()
