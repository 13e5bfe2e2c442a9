"""The device under test made of Linux bridges: one bridge a tenant in each switch, trunks between switches.

A kernel without VLANs carries one tenant on a trunk: the first one that has ports at both its ends.
Other tenants end at their switch.

Two trunks between the same bridges are a loop, and a spanning tree heals in seconds. So the second one
is the first one's backup port (IFLA_BRPORT_BACKUP_PORT): the bridge sends to it what it would send to the
first, as soon as that has no carrier, and keeps what it learned. The backup itself neither floods, else
frames would circle, nor learns, else addresses would stay on it when the first one is back.
During a failure, known addresses are reached; frames to all, or to unknown addresses, do not cross.
"""

from __future__ import annotations

from nfvcert.embedded.sites import Sites
from nfvcert.embedded.wiring import short_name
from nfvcert.errors import LabError
from nfvcert.lab import Lab

__all__ = ["bridge_name", "build", "carried_tenant", "refuse_loops"]

AGEING_TIME_CS = 3600 * 100
"""Addresses do not move here, and while a backup carries the traffic nothing refreshes them."""


def bridge_name(lab: Lab, tenant: str) -> str:
    """The name of a tenant's bridge in every switch."""
    ports = lab.traffic.ports if lab.traffic else {}
    return short_name(tenant, frozenset({*lab.links, *ports, *lab.networks}))


def carried_tenant(lab: Lab, link: str) -> str:
    """The tenant that a link carries."""
    ports = list(lab.traffic.ports.values()) if lab.traffic else []
    here, there = ([port.tenant for port in ports if port.attached_to == end] for end in _ends(lab, link))
    shared = [tenant for tenant in here if tenant in there]
    return (shared or here or there or ["default"])[0]


def build(sites: Sites) -> None:
    """Make the switches' bridges and join them. Raises LabError where links form a loop; NetlinkError."""
    lab, redundancy = sites.lab, sites.redundancy
    refuse_loops(sites)
    for host in sites.devices():
        site = sites.hosts[host]
        tenants: dict[str, list[str]] = {}
        for name in sites.ports_of(host):
            assert lab.traffic is not None
            tenants.setdefault(lab.traffic.ports[name].tenant, []).append(name)
        for name in sites.links_of(host):
            tenants.setdefault(carried_tenant(lab, name), []).append(name)
        for tenant, interfaces in tenants.items():
            bridge = bridge_name(lab, tenant)
            site.bridge(bridge, mtu=lab.dut.mtu, br_ageing_time=AGEING_TIME_CS)
            site.attach(bridge, *interfaces)
        if redundancy and redundancy.backup in sites.links_of(host):
            site.bridge_port(redundancy.backup, unicast_flood=0, mcast_flood=0, bcast_flood=0, learning=0)
            if redundancy.primary in sites.links_of(host):
                site.bridge_port(redundancy.primary, backup_port=site.index(redundancy.backup))


def refuse_loops(sites: Sites) -> None:
    """Without a spanning tree, a second way between two switches is only safe as a declared backup."""
    redundancy = sites.redundancy
    if redundancy and set(_ends(sites.lab, redundancy.primary)) != set(_ends(sites.lab, redundancy.backup)):
        raise LabError(
            f"lab {sites.lab.lab}: {redundancy.backup} cannot stand in for {redundancy.primary}",
            what=redundancy.backup,
            hint="in an embedded lab, both must join the same two hosts",
        )
    group = {host: host for host in sites.lab.hosts}
    for name in sites.lab.links:
        if redundancy and name == redundancy.backup:
            continue
        near, far = (group[end] for end in _ends(sites.lab, name))
        if near == far:
            raise LabError(
                f"lab {sites.lab.lab}: link {name} closes a loop between switches",
                what=name,
                hint="name it as network.dut.redundancy.backup, or remove it",
            )
        group = {host: near if its == far else its for host, its in group.items()}


def _ends(lab: Lab, link: str) -> tuple[str, str]:
    return lab.links[link].a, lab.links[link].b
