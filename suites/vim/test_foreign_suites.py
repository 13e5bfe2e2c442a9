"""Suites that others wrote, as parts of this one: tempest for the interoperability guideline, rally for load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import (
    CloudSession,
    Estimate,
    KpiRecorder,
    Parameters,
    Progress,
    Scenario,
    TempestParts,
    Verdict,
    estimate_median,
    rally,
    tempest,
)

if TYPE_CHECKING:
    from suites.vim.conftest import Basics

pytestmark = [pytest.mark.vim, pytest.mark.small]


@pytest.mark.covers("keystone", "nova", "neutron", "glance", "cinder")
@pytest.mark.measures("vim.capability_tests.passed_ratio")
@pytest.mark.expected_seconds(90)
def test_the_interoperability_guideline(
    cloud: CloudSession, basics: Basics, kpi: KpiRecorder, parameters: Parameters, progress: Progress
) -> None:
    """The required tests of tempest pass, each of them (OpenStack interoperability guideline 2020.06)."""
    other_image = cloud.create("image.image", data=b"other", container_format="bare", disk_format="raw")
    other_flavor = cloud.create("compute.flavor", ram=128, vcpus=1, disk=1)
    public = cloud.create("network.network", is_router_external=True)
    cloud.create("network.subnet", network_id=public.id, ip_version=4, cidr="10.99.0.0/24", is_dhcp_enabled=False)
    results = tempest.prove(
        cloud,
        parameters.interop_capabilities,
        TempestParts(
            images=(basics.image.id, other_image.id),
            flavors=(basics.flavor.id, other_flavor.id),
            public_network=public.id,
        ),
        timeout_s=parameters.interop_seconds_max,
        tell=lambda what: progress(0.0, 0.0, what),
    )
    kpi.tested_by_others(results)
    passed = sum(result.verdict is Verdict.PASS for result in results)
    kpi.measure("vim.capability_tests.passed_ratio", passed / len(results))


@pytest.mark.covers("keystone", "nova", "neutron", "glance", "cinder")
@pytest.mark.measures("vim.scenario.duration_max", "vim.scenario.duration_mean", "vim.api.response_p50")
@pytest.mark.expected_seconds(90)
def test_rally_scenarios_under_load(
    cloud: CloudSession, kpi: KpiRecorder, parameters: Parameters, progress: Progress
) -> None:
    """Scenarios of rally, two at once: none fails, and none takes too long."""
    times = parameters.rally_iterations
    workloads, results = rally.loaded(
        cloud,
        [
            Scenario("KeystoneBasic.authenticate_user_and_validate_token", times, 2, {}),
            Scenario("NovaFlavors.list_flavors", times, 2, {}),
            Scenario("NeutronNetworks.create_and_list_networks", times, 2, {}),
            Scenario("CinderVolumes.create_and_delete_volume", times, 2, {"size": 1}),
        ],
        timeout_s=parameters.interop_seconds_max,
        tell=lambda what: progress(0.0, 0.0, what),
    )
    kpi.tested_by_others(results)
    for load in workloads:
        if not load.durations:
            continue
        kpi.measure("vim.scenario.duration_max", load.durations[-1], scenario=load.name)
        mean = sum(load.durations) / len(load.durations)
        kpi.measure("vim.scenario.duration_mean", Estimate.exact(mean), scenario=load.name)
        for action, seconds in load.actions.items():
            kpi.measure("vim.api.response_p50", estimate_median(seconds), engine="rally", action=action)
