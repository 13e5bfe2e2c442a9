"""Servers: their whole life, groups, migration (OpenStack Compute API v2.1)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nfvcert.suite import ApiFault, CloudSession, KpiRecorder, LabError, Parameters, estimate_median

if TYPE_CHECKING:
    from suites.vim.conftest import Basics

pytestmark = [pytest.mark.vim, pytest.mark.small]

VERIFY_RESIZE = "VERIFY_RESIZE"
SHELVED = "SHELVED SHELVED_OFFLOADED"
"""The second where nova.conf says so (shelved_offload_time)."""


@pytest.mark.covers("nova", "compute-agent", "placement", "neutron", "glance", "message-broker", "database")
@pytest.mark.expected_seconds(25)
def test_a_server_lives_its_life(cloud: CloudSession, basics: Basics) -> None:
    """Stop, start, reboot, pause, suspend, shelve, rebuild, resize: each ends in the status that it must."""
    server = basics.server(cloud, metadata={"certified": "yes"})
    compute = cloud.sdk.compute
    larger = cloud.create("compute.flavor", ram=128, vcpus=2, disk=1)
    steps: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: compute.stop_server(server), "SHUTOFF"),
        (lambda: compute.start_server(server), "ACTIVE"),
        (lambda: compute.reboot_server(server, "SOFT"), "ACTIVE"),
        (lambda: compute.reboot_server(server, "HARD"), "ACTIVE"),
        (lambda: compute.pause_server(server), "PAUSED"),
        (lambda: compute.unpause_server(server), "ACTIVE"),
        (lambda: compute.suspend_server(server), "SUSPENDED"),
        (lambda: compute.resume_server(server), "ACTIVE"),
        (lambda: compute.shelve_server(server), SHELVED),
        (lambda: compute.unshelve_server(server), "ACTIVE"),
        (lambda: compute.rebuild_server(server, image=basics.image.id), "ACTIVE"),
        (lambda: compute.resize_server(server, larger.id), VERIFY_RESIZE),
        (lambda: compute.confirm_server_resize(server), "ACTIVE"),
    )
    for action, status in steps:
        action()
        _settled(cloud, server, *status.split())
    told = compute.get_server(server.id)
    assert told.flavor.vcpus == 2, f"resized to 2 VCPUs, the server has {told.flavor.vcpus}"
    assert told.metadata == {"certified": "yes"}, f"its metadata came to be {told.metadata}"
    told_actions = list(compute.server_actions(server.id))
    actions = [each.action for each in told_actions]
    for wanted in ("create", "stop", "start", "reboot", "pause", "suspend", "shelve", "rebuild", "resize"):
        assert wanted in actions, f"the API does not tell of the action {wanted} (it tells of {', '.join(actions)})"
    for each in told_actions:
        for event in compute.get_server_action(each.request_id, server.id).events or ():
            assert event.result != "Error", f"the action {each.action} ended in an error ({event.event})"
    cloud.delete(server)
    assert not [each for each in compute.servers() if each.id == server.id], "a deleted server is still listed"


@pytest.mark.covers("nova", "glance")
@pytest.mark.expected_seconds(8)
def test_a_server_becomes_an_image(cloud: CloudSession, basics: Basics) -> None:
    """A snapshot is an image that is active, and knows its server."""
    server = basics.server(cloud)
    image = cloud.track("image.image", cloud.sdk.compute.create_server_image(server, cloud.name(), wait=False))
    made = cloud.wait(image, "active")
    assert made.instance_uuid == server.id, f"the image was made of server {made.instance_uuid}"


@pytest.mark.covers("nova")
@pytest.mark.expected_seconds(3)
def test_a_key_pair_is_kept_for_its_user(cloud: CloudSession) -> None:
    """What is told is what was made; another user has none of it."""
    one, other = cloud.project(), cloud.project()
    made = one.create("compute.keypair", public_key=PUBLIC_KEY)
    assert one.sdk.compute.get_keypair(made.name).public_key.strip() == PUBLIC_KEY
    assert not [each for each in other.sdk.compute.keypairs() if each.name == made.name], "another user sees the key"


@pytest.mark.covers("nova", "placement", "compute-agent")
@pytest.mark.expected_seconds(12)
def test_anti_affinity_is_kept(cloud: CloudSession, basics: Basics) -> None:
    """Servers of an anti-affinity group are on different hosts; one more than there are hosts finds none."""
    hosts = _hypervisors(cloud)
    group = cloud.create("compute.server_group", policy="anti-affinity")
    hints = {"scheduler_hints": {"group": group.id}}
    servers = [basics.server(cloud, **hints) for _ in hosts]
    placed = [cloud.sdk.compute.get_server(each.id).compute_host for each in servers]
    assert len(set(placed)) == len(placed), f"servers of an anti-affinity group are on {', '.join(sorted(placed))}"
    with pytest.raises(ApiFault, match="No valid host"):
        basics.server(cloud, **hints)


@pytest.mark.covers("nova", "placement", "compute-agent", "message-broker")
@pytest.mark.expected_seconds(12)
def test_a_server_migrates(cloud: CloudSession, basics: Basics) -> None:
    """Cold, then live, from one hypervisor to another, and it is ACTIVE after it."""
    _hypervisors(cloud)
    server = basics.server(cloud)
    compute = cloud.sdk.compute
    before = compute.get_server(server.id).compute_host
    compute.migrate_server(server)
    _settled(cloud, server, VERIFY_RESIZE)
    compute.confirm_server_resize(server)
    _settled(cloud, server, "ACTIVE")
    between = compute.get_server(server.id).compute_host
    assert between != before, f"cold migration left the server on {before}"
    compute.live_migrate_server(server, host=None, block_migration="auto")
    moved = _moved(cloud, server, between)
    assert moved != between, f"live migration left the server on {between}"
    _settled(cloud, server, "ACTIVE")


@pytest.mark.covers("nova", "placement", "neutron", "glance", "compute-agent", "message-broker", "database", "keystone")
@pytest.mark.measures("vim.vm.create_time")
@pytest.mark.expected_seconds(15)
def test_servers_are_active_in_time(
    cloud: CloudSession, basics: Basics, kpi: KpiRecorder, parameters: Parameters
) -> None:
    """From the request until the server is told to be ACTIVE (Anuket RM e.man-pm.001)."""
    assert basics.image, basics.flavor
    times = []
    for _ in range(parameters.api_servers):
        began = time.monotonic()
        server = basics.server(cloud)
        times.append(time.monotonic() - began)
        cloud.delete(server)
    kpi.series("Time to ACTIVE", enumerate(times, 1), x="server", y="seconds")
    kpi.measure("vim.vm.create_time", estimate_median(times))


PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl certified"


def _settled(cloud: CloudSession, server: Any, *statuses: str) -> None:
    """Wait for one of some statuses in which no task is under way any more: right after a request it is the old one."""
    deadline = time.monotonic() + 60
    while True:
        found = cloud.sdk.compute.get_server(server.id)
        if found.status in statuses and found.task_state is None:
            return
        assert found.status != "ERROR", f"the server went to ERROR: {found.fault}"
        told = f"the server is {found.status} (task {found.task_state}) after 60 s, not {' or '.join(statuses)}"
        assert time.monotonic() < deadline, told
        time.sleep(0.2)


def _moved(cloud: CloudSession, server: Any, before: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        found = cloud.sdk.compute.get_server(server.id)
        assert found.status != "ERROR", f"the server went to ERROR: {found.fault}"
        if (found.compute_host != before and found.task_state is None) or time.monotonic() > deadline:
            return str(found.compute_host)
        time.sleep(0.2)


def _hypervisors(cloud: CloudSession) -> list[str]:
    """Those that are enabled; two of them at least, or it is not the cloud that is in doubt."""
    found = [each.name for each in cloud.sdk.compute.hypervisors() if each.status == "enabled"]
    if 0 < len(found) < 2:
        raise LabError("the lab has a single hypervisor, and this test needs two", what="cloud")
    assert found, "the cloud has no hypervisor"
    return found
