"""A cloud that was made independently of ours, Debian's own, is certified by the same suites: by inventory alone.

vendor-b differs from opco-ru in all that an inventory can say of a cloud: release, packaging, region, hypervisors,
services. Then the same cloud once more as an existing one, which is known by clouds.yaml and by SSH only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.access import EmbeddedAccess
from nfvcert.embedded.cloud.running import EmbeddedCloud
from nfvcert.embedded.faults import seeded
from nfvcert.judge import Verdict
from tests.certify import ROOT, Certified, certify, gathered, up_alone
from tests.long import LONG

TOKEN, ACTIVE = "test_tokens_end", "test_servers_are_active_in_time"
ALONE = (
    TOKEN,
    "test_a_role_allows_what_it_says_and_no_more",
    "test_an_image_is_imported",
    "test_a_tenant_builds_its_network",
    "test_a_volume_type_is_chosen",
    "test_a_server_becomes_an_image",
    "test_public_endpoints_are_protected",
    "test_nobody_is_let_in_without_a_token",
    "test_no_allocation_is_an_orphan",
)
"""Tests of each API that need no more of an inventory than where a controller is."""


@pytest.fixture(scope="module")
def lab() -> Iterator[embedded.EmbeddedLab]:
    """vendor-b, up for all tests, in a run directory of its own."""
    with up_alone(ROOT / "lab_inventory/vendor-b.yaml") as found:
        yield found


@pytest.fixture(scope="module")
def cloud(lab: embedded.EmbeddedLab) -> EmbeddedCloud:
    """Its cloud, started once."""
    return embedded.start_cloud(lab)


def verdict(run: Certified, test: str) -> Verdict:
    (found,) = (result for result in run.stream.tests if f"::{test}[" in result.test)
    return found.verdict


@LONG
def test_the_second_cloud_is_accepted_by_its_inventory_alone(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    """Both suites, by the shipped models; only what needs the service that it is without is left out, and told of."""
    reports = tmp_path / "reports"
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "vim or compute", f"--lab={lab.lab.lab}", f"--reports={reports}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    run = gathered(ended.returncode, ended.stdout + ended.stderr, reports)
    assert run.stream.judgement.decision == "ACCEPTED", run.output
    assert {each.verdict for each in run.stream.tests} == {Verdict.PASS}
    left_out = {each.test.partition("[")[0]: each.reason for each in run.stream.plan.left_out}
    assert {test.partition("::")[0] for test in left_out} == {
        "suites/vim/test_data_plane.py",
        "suites/vim/test_orchestration.py",
    }
    assert all("orchestration" in reason or "guests" in reason for reason in left_out.values())


def test_a_service_of_it_that_has_ended_is_found(
    lab: embedded.EmbeddedLab, cloud: EmbeddedCloud, tmp_path: Path
) -> None:
    assert cloud.clouds_yaml.exists()
    with seeded(lab, "service-stopped", service="nova-scheduler"):
        run = certify_some("vendor-b", tmp_path, TOKEN, ACTIVE)
    assert verdict(run, ACTIVE) is Verdict.FAIL, run.output
    assert verdict(run, TOKEN) is Verdict.PASS, run.output
    assert run.stream.judgement.decision == "REJECTED"


def test_it_is_certified_as_an_existing_cloud_too(
    lab: embedded.EmbeddedLab, cloud: EmbeddedCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By clouds.yaml and SSH, from where its endpoints can be reached; what the inventory does not tell is missed."""
    inventory = existing(lab, tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    run = certify_within(cloud, inventory, tmp_path, *ALONE, "test_apis_and_schedulers_come_back")
    for test in ALONE:
        assert verdict(run, test) is Verdict.PASS, run.output
    assert verdict(run, "test_apis_and_schedulers_come_back") is Verdict.INCONCLUSIVE, run.output
    told = [finding.sentence for finding in run.stream.judgement.findings if finding.blame == "lab"]
    assert any("names no process of the control plane" in sentence for sentence in told), told
    assert run.stream.judgement.decision != "ACCEPTED"


@pytest.mark.filterwarnings("ignore")  # of openstacksdk
def test_a_service_that_the_inventory_denies_is_not_left_out(
    lab: embedded.EmbeddedLab, cloud: EmbeddedCloud, tmp_path: Path
) -> None:
    """Else a service that users have could be kept from being tested, and its release be accepted."""
    assert cloud.clouds_yaml.exists()
    access = EmbeddedAccess(lab.lab, lambda _: None, os.getpid(), in_use=True)
    try:
        sdk: Any = access.cloud().session("", "denied").sdk
        service = sdk.identity.create_service(name="heat", type="orchestration")
        try:
            sdk.identity.create_endpoint(
                service_id=service.id, interface="public", url="https://192.0.2.1:8004", region_id="vendor-b-1"
            )
            run = certify_some("vendor-b", tmp_path, TOKEN)
        finally:
            sdk.identity.delete_service(service)
    finally:
        access.close()
    assert verdict(run, TOKEN) is not Verdict.PASS, run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert any("is without orchestration, and its catalogue has it" in each.sentence for each in run.stream.tests)


def certify_some(lab: str, folder: Path, *tests: str) -> Certified:
    """Some tests of the VIM suite, by the shipped model; those that are left out are NOT_RUN."""
    model = quick_vim(folder)
    return certify(lab, model, folder / "reports", "-k", " or ".join(tests), domain="vim", timeout_s=600)


def certify_within(cloud: EmbeddedCloud, inventory: Path, folder: Path, *tests: str) -> Certified:
    """Likewise, by a run within the network namespace in which the endpoints are reached."""
    reports = folder / "reports"
    asked = ["-m", "vim", f"--lab={inventory}", f"--test-model={quick_vim(folder)}", f"--reports={reports}"]
    ended = subprocess.run(
        ["nsenter", f"--net={cloud.namespace}", sys.executable, "-m", "pytest", *asked, "-k", " or ".join(tests)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return gathered(ended.returncode, ended.stdout + ended.stderr, reports)


def quick_vim(folder: Path) -> Path:
    """The shipped VIM model with a short time for what becomes never ready."""
    model = YAML(typ="safe").load((ROOT / "testmodels/vim.yaml").read_text())
    model["version"] += "-quick"
    model["parameters"] |= {"api_ready_seconds": 15, "api_servers": 1}
    model.pop("depths")
    model["sizes"] = {size: {k: v for k, v in rules.items() if k != "depth"} for size, rules in model["sizes"].items()}
    path = folder / "quick-vim.yaml"
    with path.open("w") as file:
        YAML().dump(model, file)
    return path


def existing(lab: embedded.EmbeddedLab, folder: Path) -> Path:
    """The inventory that an operator would write for the same hosts: addresses, SSH, an entry of clouds.yaml."""
    ssh = {"user": lab.user, "key_file": str(lab.client_key), "known_hosts": str(lab.known_hosts)}
    hosts = {
        name: {
            "roles": list(host.roles),
            "components": list(host.components),
            "addresses": dict(host.addresses),
            "ssh": {"address": host.addresses["management"], **ssh},
        }
        for name, host in lab.lab.hosts.items()
    }
    written = {
        "lab": "vendor-b-gear",
        "owner": {"organisation": "Vendor B", "role": "vendor"},
        "environment": "lab",
        "provider": "existing",
        "profile": "software-switch",
        "profiles": {"vim": "embedded"},
        "networks": {"management": {"subnet": lab.lab.networks["management"].subnet}},
        "hosts": hosts,
        "cloud": {"name": "vendor-b", "without": ["orchestration"]},
    }
    path = folder / "vendor-b-gear.yaml"
    with path.open("w") as file:
        YAML().dump(written, file)
    return path
