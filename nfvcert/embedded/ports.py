"""The generator's ports of an embedded lab. All of it follows from the inventory, so no file needs to hold it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nfvcert.embedded.rundir import GENERATOR, namespace_file
from nfvcert.lab import Lab

__all__ = ["LOOP_NAMES", "EmbeddedPort", "generator_place", "loop_of", "mac_of", "ports_of"]

LOOP_NAMES = ("loop0", "loop1")


@dataclass(frozen=True)
class EmbeddedPort:
    """A port of the traffic generator."""

    name: str
    """As in the inventory (`tg0`); `loop0` and `loop1` are the self-test's."""
    interface: str
    """Its interface in ``namespace``."""
    namespace: str
    """Path of the generator's network namespace: for `namespaces.enter`."""
    mac: str
    """Its MAC address: locally administered, the same at every `up` of the same lab."""
    address: str | None = None
    """Its IPv4 address with prefix (`198.18.1.2/24`), where the inventory gives one; no interface holds it."""
    gateway: str | None = None
    """The IPv4 address of its router, where there is one."""
    router_mac: str | None = None
    """The MAC address of its router; None where the device forwards by MAC address."""

    def next_hop_mac(self, destination: EmbeddedPort) -> str:
        """The MAC address to send to, so that the device carries a frame to ``destination``."""
        return self.router_mac or destination.mac


def mac_of(*names: str) -> str:
    """A locally administered unicast MAC address that is always the same for the same names."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def generator_place(lab: Lab) -> str:
    """Whose namespace holds the generator's ports: a host's, or one of its own."""
    return (lab.traffic.host if lab.traffic else None) or GENERATOR


def ports_of(lab: Lab, folder: Path) -> dict[str, EmbeddedPort]:
    """The generator's ports of a lab in ``folder``; they follow from the inventory."""
    if lab.traffic is None or lab.network is None:
        return {}
    routed = lab.network.dut.forwards == "l3"
    return {
        name: EmbeddedPort(
            name=name,
            interface=name,
            namespace=str(namespace_file(folder, generator_place(lab))),
            mac=mac_of(lab.lab, name),
            address=port.address,
            gateway=port.gateway,
            router_mac=mac_of(lab.lab, port.attached_to, name) if routed else None,
        )
        for name, port in lab.traffic.ports.items()
    }


def loop_of(lab: Lab, folder: Path) -> tuple[EmbeddedPort, EmbeddedPort]:
    """The two ports of the generator's self-test."""
    near, far = (
        EmbeddedPort(
            name=name,
            interface=name,
            namespace=str(namespace_file(folder, generator_place(lab))),
            mac=mac_of(lab.lab, name),
        )
        for name in LOOP_NAMES
    )
    return near, far
