"""Placement: every server accounted once, with what its flavor says, and none after its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import CloudSession, KpiRecorder

if TYPE_CHECKING:
    from suites.vim.conftest import Basics

SETTLE_S = 15.0
ENDED = ("completed", "confirmed", "reverted", "error", "failed", "cancelled", "done")
"""States in which a migration has no claim on resources any more."""

pytestmark = [pytest.mark.vim, pytest.mark.small, pytest.mark.covers("placement", "nova", "compute-agent")]


@pytest.mark.measures("vim.placement.misaccounted_servers")
@pytest.mark.expected_seconds(10)
def test_servers_are_accounted_once(cloud: CloudSession, basics: Basics, kpi: KpiRecorder) -> None:
    """Allocations of a server are those of its flavor, on one provider; they end with the server."""
    servers = [basics.server(cloud) for _ in range(2)]
    wanted = {"VCPU": basics.flavor.vcpus, "MEMORY_MB": basics.flavor.ram, "DISK_GB": basics.flavor.disk}
    wrong = [server.id for server in servers if _allocated(cloud, server.id) != [wanted]]
    for server in servers:
        cloud.delete(server)
        deadline = time.monotonic() + SETTLE_S
        while (left := _allocated(cloud, server.id)) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not left, f"server {server.id} is deleted, and still accounted {SETTLE_S:g} s later"
    kpi.note(wrong=wrong)
    kpi.measure("vim.placement.misaccounted_servers", len(wrong))


@pytest.mark.measures("vim.placement.orphaned_allocations")
@pytest.mark.expected_seconds(4)
def test_no_allocation_is_an_orphan(cloud: CloudSession, kpi: KpiRecorder) -> None:
    """Every consumer in Placement is a server, or a migration, that Compute knows."""
    # Looked at again and again: what is made or deleted at this moment is known to one service before the other.
    orphans = _unknown(cloud)
    deadline = time.monotonic() + SETTLE_S
    while orphans and time.monotonic() < deadline:
        time.sleep(1.0)
        orphans &= _unknown(cloud)
    kpi.note(orphans=sorted(orphans))
    kpi.measure("vim.placement.orphaned_allocations", len(orphans))


def _unknown(cloud: CloudSession) -> set[str]:
    """Consumers in Placement that are no server, and no migration that is under way."""
    providers = list(cloud.sdk.placement.resource_providers())
    assert providers, "Placement has no resource provider"
    consumers: set[str] = set()
    for provider in providers:
        answer = cloud.sdk.placement.get(f"/resource_providers/{provider.id}/allocations")
        assert answer.status_code == 200, f"Placement answers with status {answer.status_code}"
        consumers |= set(answer.json()["allocations"])
    known = {server.id for server in cloud.sdk.compute.servers(all_projects=True)}
    known |= {each.uuid for each in cloud.sdk.compute.migrations() if each.status not in ENDED}
    return consumers - known


def _allocated(cloud: CloudSession, consumer: str) -> list[dict[str, int]]:
    """What a consumer has, by provider."""
    answer = cloud.sdk.placement.get(f"/allocations/{consumer}", microversion="1.28")
    assert answer.status_code == 200, f"Placement answers with status {answer.status_code}"
    return [dict(each["resources"]) for each in answer.json()["allocations"].values()]
