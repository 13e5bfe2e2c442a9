"""The networks of a pod: described by its IDF, else learnt from the addresses of its interfaces."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from nfvcert.parts import KeyPath
from nfvcert.pharos.descriptor import NO_PLACE, Part, Report

__all__ = ["Networks", "named", "slug"]

ANYWHERE = ipaddress.IPv4Network("0.0.0.0/0")


@dataclass
class _Network:
    subnet: ipaddress.IPv4Network
    gateway: str | None = None
    taken: set[str] = field(default_factory=set)


class Networks:
    """Networks by name, with the addresses that machines have on them."""

    def __init__(self, report: Report, comments: dict[KeyPath, str]) -> None:
        self._report = report
        self._comments = comments
        self._networks: dict[str, _Network] = {}

    def describe(self, net_config: Part) -> None:
        """Take the networks of an IDF."""
        for name, part in net_config.named_parts().items():
            network, mask, span = part.text("network"), part.text("mask"), part.text("ip-range")
            if span and network:
                part.lost("ip-range", NO_PLACE)
            about = [f"{key} {text}" for key in ("vlan", "interface") for text in part.comment(key)]
            subnet = _subnet(network or (span or "").partition("-")[0], mask)
            gateway = part.text("gateway")
            if subnet is None:
                self._report.lost(part.key, "left out, as network or mask is missing or wrong")
            elif added := self._add(part.key, name, subnet, ", ".join(about)):
                if gateway and _usable(gateway, subnet):
                    added.gateway = gateway
                    added.taken.add(gateway)
                elif gateway:
                    part.lost("gateway", f"{gateway} is no address of {subnet}")
            part.close()

    def learn(self, pod: Part) -> None:
        """Take the networks of interface addresses that carry their prefix, where they are not known yet."""
        for key, address in pod.every("address"):
            if "interfaces" in key and isinstance(address, str) and "/" in address:
                subnet = _subnet(*address.split("/", 1))
                if subnet and subnet not in [known.subnet for known in self._networks.values()]:
                    name = f"net-{str(subnet.network_address).replace('.', '-')}"
                    self._add(key, name, subnet, "from the addresses of interfaces")

    def place(self, interface: Part, addresses: dict[str, str], elsewhere: list[str]) -> None:
        """Put an interface's address on the network that holds it; ``elsewhere``, if none does."""
        text = interface.text("address")
        if text is None:
            return
        address = text.partition("/")[0]
        name = next((name for name, each in self._networks.items() if _usable(address, each.subnet)), None)
        if name is None and _usable(address, ANYWHERE):
            elsewhere.append(address)
            interface.lost("address", "no network is known that holds it")
        elif name is None:
            interface.lost("address", f"{address!r:.40} is no address of a machine")
        elif name in addresses:
            interface.lost("address", f"a machine has one address on network {name}")
        elif address in self._networks[name].taken:
            interface.lost("address", f"on network {name}, {address} is another machine's or the gateway's")
        else:
            addresses[name] = address
            self._networks[name].taken.add(address)

    def inventory(self) -> Mapping[str, Any]:
        """The networks as an inventory says them."""
        return {
            name: {"subnet": str(each.subnet)} | ({"gateway": each.gateway} if each.gateway else {})
            for name, each in self._networks.items()
        }

    def _add(self, key: KeyPath, name: str, subnet: ipaddress.IPv4Network, about: str) -> _Network | None:
        for other, known in self._networks.items():
            if subnet.overlaps(known.subnet):
                self._report.lost(key, f"left out, as {subnet} overlaps with network {other}")
                return None
        called = named(self._report, key, name, "network", self._networks)
        self._networks[called] = _Network(subnet)
        self._comments[("networks", called)] = about
        return self._networks[called]


def slug(text: str) -> str:
    """A text as a name of an inventory: `CI-POD1-HOST` → `ci-pod1-host`; empty where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")


def named(report: Report, key: KeyPath, name: str, otherwise: str, taken: Container[str]) -> str:
    """A name of an inventory that nothing has yet; reported where it is not the descriptor's."""
    called = base = slug(name) or otherwise
    number = 2
    while called in taken:
        called = f"{base[:36].rstrip('-')}-{number}"
        number += 1
    if called != name:
        report.lost(key, f"{name!r:.60} is called {called}" if name else f"without a name; called {called}")
    return called


def _subnet(address: str, prefix: str | None) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(f"{address.strip()}/{(prefix or '').strip()}", strict=False)
    except ValueError:
        return None


def _usable(address: str, subnet: ipaddress.IPv4Network) -> bool:
    """Whether a machine of a subnet can have an address."""
    try:
        ip = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    ends = (subnet.network_address, subnet.broadcast_address) if subnet.prefixlen < 31 else ()
    return ip in subnet and ip not in ends
