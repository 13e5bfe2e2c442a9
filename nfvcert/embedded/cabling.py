"""What is plugged into what: inventory networks, links between hosts, the generator's ports."""

from __future__ import annotations

import ipaddress
import itertools

from nfvcert.embedded.ports import LOOP_NAMES, mac_of
from nfvcert.embedded.sites import Sites
from nfvcert.embedded.wiring import cable, short_name
from nfvcert.lab import Lab

__all__ = ["cable_all", "device_mtu", "fabric_bridge", "fabric_interface", "network_interface"]

GENERATOR_MTU = 9216
"""The generator may send longer frames than the device carries: to refuse them is the device's part."""

# The numbers of the first ends of cables: far from those that the kernel gives by itself (see `cable`).
LINK_INDEX = 1001
PORT_INDEX = 2001
NETWORK_INDEX = 3001


def network_interface(lab: Lab, network: str) -> str:
    """The name that a host's interface on an inventory network has."""
    ports = lab.traffic.ports if lab.traffic else {}
    return short_name(network, frozenset({*lab.links, *ports}))


def fabric_interface(lab: Lab, network: str, host: str) -> str:
    """The name of the other end of a host's cable to an inventory network, in the fabric's namespace."""
    return f"{fabric_bridge(lab, network)}-{list(lab.hosts).index(host)}"


def device_mtu(lab: Lab) -> int:
    """The MTU in bytes of links between hosts, and of the ports that the generator is plugged into."""
    return lab.network.dut.mtu if lab.network else 1500


def cable_all(sites: Sites) -> None:
    """Lay every cable of the lab. Raises NetlinkError."""
    for site in (*sites.hosts.values(), sites.fabric, sites.generator):
        site.up("lo")
        # What the machine itself has set (a container host forwards, say) is no business of the lab.
        site.sysctl(ip_forward=0, conf__all__rp_filter=0, conf__default__rp_filter=0)
    _cable_networks(sites)
    _cable_links(sites)
    _cable_generator(sites)


def _cable_networks(sites: Sites) -> None:
    lab, fabric = sites.lab, sites.fabric
    numbers = itertools.count(NETWORK_INDEX)
    for name, network in lab.networks.items():
        bridge, mtu = fabric_bridge(lab, name), network.mtu
        fabric.bridge(bridge, mtu=mtu)
        prefix = ipaddress.IPv4Network(network.subnet).prefixlen
        if network.gateway:
            fabric.address(bridge, f"{network.gateway}/{prefix}")
        interface = network_interface(lab, name)
        for host_name, host in lab.hosts.items():
            if name in host.addresses:
                site, end = sites.hosts[host_name], fabric_interface(lab, name, host_name)
                mac = mac_of(lab.lab, host_name, interface)
                cable(fabric, end, site, interface, a_mtu=mtu, b_mtu=mtu, b_mac=mac, a_index=next(numbers))
                fabric.attach(bridge, end)
                site.address(interface, f"{host.addresses[name]}/{prefix}")


def fabric_bridge(lab: Lab, network: str) -> str:
    """The name of the bridge that is an inventory network, in the fabric's namespace."""
    return f"net{list(lab.networks).index(network)}"


def _cable_links(sites: Sites) -> None:
    lab = sites.lab
    mtu = device_mtu(lab)
    for number, (name, link) in enumerate(lab.links.items()):
        cable(
            sites.hosts[link.a],
            name,
            sites.hosts[link.b],
            name,
            a_mtu=mtu,
            b_mtu=mtu,
            a_mac=mac_of(lab.lab, link.a, name),
            b_mac=mac_of(lab.lab, link.b, name),
            a_index=LINK_INDEX + number,
        )


def _cable_generator(sites: Sites) -> None:
    lab, generator = sites.lab, sites.generator
    near, far = LOOP_NAMES
    cable(
        generator,
        near,
        generator,
        far,
        a_mtu=GENERATOR_MTU,
        b_mtu=GENERATOR_MTU,
        a_mac=mac_of(lab.lab, near),
        b_mac=mac_of(lab.lab, far),
    )
    for number, (name, port) in enumerate((lab.traffic.ports if lab.traffic else {}).items()):
        cable(
            generator,
            name,
            sites.hosts[port.attached_to],
            name,
            a_mtu=GENERATOR_MTU,
            b_mtu=device_mtu(lab),
            a_mac=mac_of(lab.lab, name),
            b_mac=mac_of(lab.lab, port.attached_to, name),
            a_index=PORT_INDEX + number,
        )
