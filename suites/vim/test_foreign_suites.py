"""Suites that others wrote, as parts of this one: tempest for the interoperability guideline, rally for load."""

from __future__ import annotations

import secrets
import struct
from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import (
    CloudSession,
    Estimate,
    KpiRecorder,
    Lab,
    Parameters,
    Progress,
    Scenario,
    TempestAdmin,
    TempestParts,
    Verdict,
    estimate_median,
    rally,
    tempest,
)

if TYPE_CHECKING:
    from suites.vim.conftest import Basics

pytestmark = [pytest.mark.vim, pytest.mark.small]

SCENARIOS = {
    "KeystoneBasic.authenticate_user_and_validate_token": {},
    "NovaFlavors.list_flavors": {},
    "NeutronNetworks.create_and_list_networks": {},
    "CinderVolumes.create_and_delete_volume": {"size": 1},
}
"""Scenario of rally → its arguments."""
CLUSTER = 1 << 16
EMPTY_QCOW2 = struct.pack(
    # Magic, version; backing file; bits of a cluster, size, encryption; entries and place of the L1 table; place and
    # clusters of the refcounts; snapshots; features; refcount order, length of this header (QEMU, docs/interop/qcow2).
    ">4sI QI IQI IQ QI IQ QQQ II".replace(" ", ""),
    *(b"QFI\xfb", 3, 0, 0, 16, 1 << 20, 0, 1, 3 * CLUSTER, CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104),
).ljust(4 * CLUSTER, b"\0")
"""An image of 1 MiB that holds nothing."""


@pytest.mark.covers("keystone", "nova", "neutron", "glance", "cinder")
@pytest.mark.measures("vim.capability_tests.passed_ratio")
@pytest.mark.expected_seconds(45, at_most="interop_seconds_max")
def test_the_interoperability_guideline(
    cloud: CloudSession, basics: Basics, lab: Lab, kpi: KpiRecorder, parameters: Parameters, progress: Progress
) -> None:
    """The required tests of tempest pass, each of them (OpenStack interoperability guideline 2020.06)."""
    other_image = cloud.create("image.image", data=b"other", container_format="bare", disk_format="raw")
    other_flavor = cloud.create("compute.flavor", ram=128, vcpus=1, disk=1)
    public = cloud.create("network.network", is_router_external=True)
    cloud.create("network.subnet", network_id=public.id, ip_version=4, cidr="10.99.0.0/24", is_dhcp_enabled=False)
    checked = _images_are_checked(cloud)
    excused = dict.fromkeys(tempest.NEED_UNCHECKED_IMAGES, "the cloud refuses what is no image") if checked else {}
    if lab.provider == "embedded":
        excused |= dict.fromkeys(tempest.NEED_GUESTS, "guests of simulated hypervisors do not run")
        excused |= dict.fromkeys(tempest.NEED_VOLUMES, "simulated volumes keep no data")
    results = tempest.prove(
        cloud,
        parameters.interop_capabilities,
        TempestParts(
            images=(basics.image.id, other_image.id),
            flavors=(basics.flavor.id, other_flavor.id),
            public_network=public.id,
            admin=_administrator(cloud),
            images_are_checked=checked,
        ),
        timeout_s=parameters.interop_seconds_max,
        excused=excused,
        tell=lambda what: progress(0.0, 0.0, what),
    )
    kpi.tested_by_others(results)
    verdicts = [result.verdict for result in results if result.required]
    if Verdict.NOT_RUN not in verdicts:  # nothing is known of what did not run: no share of it is the release's
        kpi.measure("vim.capability_tests.passed_ratio", verdicts.count(Verdict.PASS) / len(verdicts))


def _administrator(cloud: CloudSession) -> TempestAdmin:
    """One in a domain of its own, which goes with the test, and all that is in it."""
    domain, password = cloud.create("identity.domain"), secrets.token_urlsafe(18)
    project = cloud.create("identity.project", domain_id=domain.id)
    user = cloud.create("identity.user", domain_id=domain.id, password=password)
    role = cloud.sdk.identity.find_role("admin", ignore_missing=False)
    cloud.sdk.identity.assign_project_role_to_user(project, user, role)
    return TempestAdmin(user.name, password, project.name, domain.name)


def _images_are_checked(cloud: CloudSession) -> bool:
    """Whether the image service looks into what it is given, and refuses what is not what it is said to be.

    Nothing is excused by a service that refuses everything: what is an image must be taken.
    """
    refused = _answer_to(cloud, b"no image") >= 400
    if refused:
        status = _answer_to(cloud, EMPTY_QCOW2)
        assert status < 400, f"the upload of a sound image is answered with status {status}"
    return refused


def _answer_to(cloud: CloudSession, data: bytes) -> int:
    """The status of an upload that is said to be a qcow2 image."""
    made = cloud.sdk.image.create_image(cloud.name(), container_format="bare", disk_format="qcow2")
    cloud.track("image.image", made)
    content = {"Content-Type": "application/octet-stream"}
    answer = cloud.sdk.image.put(f"/images/{made.id}/file", data=data, headers=content)
    assert answer.status_code < 500, f"an upload is answered with status {answer.status_code}: {answer.text[:200]}"
    return int(answer.status_code)


@pytest.mark.covers("keystone", "nova", "neutron", "cinder")
@pytest.mark.measures(
    "vim.rally.failure_ratio",
    "vim.rally.action_time_p50",
    "vim.rally.action_time_p95",
    "vim.rally.action_time_p99",
    "vim.scenario.duration_max",
    "vim.scenario.duration_mean",
)
@pytest.mark.expected_seconds(30, at_most="interop_seconds_max")
def test_rally_scenarios_under_load(
    cloud: CloudSession, kpi: KpiRecorder, parameters: Parameters, progress: Progress
) -> None:
    """Scenarios of rally, two at once: none fails, and none takes too long (group.vim.001)."""
    workloads, results = rally.loaded(
        cloud,
        cloud.project(),
        [
            Scenario(name, parameters.rally_iterations, 2, SCENARIOS[name], ("group.vim.001",))
            for name in parameters.rally_scenarios
        ],
        timeout_s=parameters.interop_seconds_max,
        tell=lambda what: progress(0.0, 0.0, what),
    )
    kpi.tested_by_others(results)
    for load in workloads:
        if not load.data:
            continue
        kpi.measure("vim.rally.failure_ratio", len(load.failed) / len(load.data), scenario=load.name)
        if not load.durations:
            continue
        kpi.measure("vim.scenario.duration_max", load.durations[-1], scenario=load.name)
        mean = sum(load.durations) / len(load.durations)
        kpi.measure("vim.scenario.duration_mean", Estimate.exact(mean), scenario=load.name)
        for action, seconds in load.actions.items():
            of = {"scenario": load.name, "action": action}
            kpi.measure("vim.rally.action_time_p50", estimate_median(seconds), **of)
            kpi.measure("vim.rally.action_time_p95", rally.percentile(seconds, 0.95), **of)
            kpi.measure("vim.rally.action_time_p99", rally.percentile(seconds, 0.99), **of)
