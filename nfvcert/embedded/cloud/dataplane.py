"""The data plane of an embedded cloud: an Open vSwitch, ruled by Neutron's own agent, between servers and the lab.

Only servers on the provider network that the inventory names (`cloud.guests`) have one. Such a server is a network
namespace with the port's addresses (plugins/nfvcert_hypervisor.py): its kernel answers as that of a guest would.

    a host of the lab ── the fabric's bridge ─┬─ provider-1 ── br-guests-1 ── br-int-1 ── a server's namespace
                                              └─ provider-2 ── br-guests-2 ── br-int-2 ── a server's namespace

Each hypervisor has an agent and a pair of bridges, all of one switch in the controller's namespace.
"""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nfvcert.embedded.cabling import fabric_bridge, network_interface
from nfvcert.embedded.cloud.configuration import LOOPBACK, Settings
from nfvcert.embedded.programs import environment, program, require
from nfvcert.embedded.sites import Sites
from nfvcert.embedded.wiring import cable, explained
from nfvcert.errors import LabError, MissingPackage
from nfvcert.lab import Guests, Lab

__all__ = ["agents", "commands", "connect", "network", "prepare", "subnet", "variables"]

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
PHYSICAL = "guests"
"""What Neutron calls the network below: `physical_network`."""
FIRST_OPENFLOW_PORT = 6633
TIMEOUT_S = 30.0


def _place(folder: Path) -> Path:
    return folder / "run" / "ovs"


def prepare(settings: Settings) -> None:
    """Make the switch's empty database. Raises: MissingPackage, LabError."""
    require(["ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl"])
    if not SCHEMA.exists():
        raise MissingPackage(
            f"this machine lacks {SCHEMA} (Debian package openvswitch-switch)",
            what="openvswitch-switch",
            hint="apt-get install --no-install-recommends openvswitch-switch",
        )
    _place(settings.folder).mkdir(mode=0o700, parents=True)
    made = subprocess.run(
        [program("ovsdb-tool"), "create", str(_place(settings.folder) / "conf.db"), str(SCHEMA)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=TIMEOUT_S,
    )
    if made.returncode:
        raise LabError(f"no database for the cloud's switch: {made.stderr.strip()[-300:]}", what="cloud")


def connect(sites: Sites, controller: str, hypervisors: Sequence[str]) -> None:
    """Lay a cable for each hypervisor between the fabric and the place of the switch. Raises LabError."""
    guests = sites.lab.cloud.guests if sites.lab.cloud else None
    if guests is None:
        return
    mtu = sites.lab.networks[guests.network].mtu
    with explained(f"network {guests.network} cannot be led into the cloud"):
        for number, _ in enumerate(hypervisors, 1):
            end = f"cloud-{number}"
            sites.fabric.remove(end)  # a start that failed may have left it
            cable(sites.fabric, end, sites.hosts[controller], f"provider-{number}", a_mtu=mtu, b_mtu=mtu)
            sites.fabric.attach(fabric_bridge(sites.lab, guests.network), end)
        for name, host in sites.lab.hosts.items():
            if guests.network in host.addresses:
                sites.hosts[name].compute_checksums(network_interface(sites.lab, guests.network))


def commands(folder: Path, hypervisors: Sequence[str]) -> list[dict[str, Any]]:
    """The switch's two daemons, for the supervisor."""
    place = _place(folder)
    told = {name: str(place) for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR")}
    bridges = "".join(
        f" -- --may-exist add-br br-guests-{number} -- set bridge br-guests-{number} datapath_type=netdev"
        f" -- --may-exist add-port br-guests-{number} provider-{number}"
        for number, _ in enumerate(hypervisors, 1)
    )
    vsctl = f"{program('ovs-vsctl')} --timeout=20 --retry --db=unix:{place}/db.sock --no-wait"
    database = [program("ovsdb-server"), f"{place}/conf.db", f"--remote=punix:{place}/db.sock"]
    switch = f"{program('ovs-vswitchd')} unix:{place}/db.sock -vconsole:warn --pidfile"
    configure = f"{vsctl} init{bridges}"
    return [
        {"name": "ovsdb-server", "command": [*database, "-vconsole:warn"], "environment": told},
        {"name": "ovs-vswitchd", "command": ["/bin/sh", "-c", f"{configure} && exec {switch}"], "environment": told},
    ]


def variables(settings: Settings) -> dict[str, str]:
    """What the agent and the hypervisors find in their environment."""
    return {"OVS_RUNDIR": str(_place(settings.folder)), "NFVCERT_GUESTS": str(settings.folder.parent / "ns")}


def agents(settings: Settings, hypervisors: Sequence[str]) -> dict[str, dict[str, dict[str, object]]]:
    """The configurations of Neutron's agents, by hypervisor."""
    return {host: _agent(settings, host, number) for number, host in enumerate(hypervisors, 1)}


def _agent(settings: Settings, host: str, number: int) -> dict[str, dict[str, object]]:
    return {
        # The first question that nobody listens to yet, of a cloud that starts, is asked again after so long.
        "DEFAULT": {"host": host, "rpc_response_timeout": 10},
        "ovs": {
            "integration_bridge": f"br-int-{number}",
            "bridge_mappings": f"{PHYSICAL}:br-guests-{number}",
            "datapath_type": "netdev",
            "ovsdb_connection": f"unix:{_place(settings.folder)}/db.sock",
            "of_listen_address": LOOPBACK,
            "of_listen_port": FIRST_OPENFLOW_PORT + number - 1,
        },
        "agent": {"tunnel_types": "", "report_interval": settings.report_s},
        "securitygroup": {"firewall_driver": "openvswitch", "enable_security_group": True},
    }


def network(lab: Lab, guests: Guests) -> dict[str, Any]:
    """The provider network, as Neutron's API wants it."""
    provider = {"provider:network_type": "flat", "provider:physical_network": PHYSICAL}
    return {"name": guests.network, "shared": True, "mtu": lab.networks[guests.network].mtu, **provider}


def subnet(lab: Lab, guests: Guests, network_id: str) -> dict[str, Any]:
    """Its subnet: servers have the upper half of the addresses, the lab's hosts the lower one."""
    whole = ipaddress.IPv4Network(lab.networks[guests.network].subnet)
    upper = list(whole.subnets())[1]
    pool = {"start": str(upper[0]), "end": str(upper[-2])}
    return {
        "network_id": network_id,
        "ip_version": 4,
        "cidr": str(whole),
        "gateway_ip": None,
        "enable_dhcp": False,
        "allocation_pools": [pool],
    }
