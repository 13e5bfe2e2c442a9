"""A port of the software generator: an interface of this machine, and the namespace that it is in."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

__all__ = ["ETHERNET_OVERHEAD_BYTES", "GeneratorPort"]

ETHERNET_OVERHEAD_BYTES = 20
"""Preamble, start delimiter and inter-frame gap on the wire (IEEE 802.3; RFC 1242 §3.5)."""


@dataclass(frozen=True)
class GeneratorPort:
    """One port. It should be in a network namespace of its own, or have no address and no forwarding:
    the kernel behind it sees the test frames too, and must neither route nor answer them.
    """

    name: str
    """The name in the inventory, like ``tg0``."""
    interface: str
    namespace: str | None
    """Path of the network namespace (``/run/netns/x``, ``/proc/1/ns/net``); None: the one of this process."""
    mac: str
    address: str | None
    """IPv4 address with prefix; behind a router it must be on the interface, so that the kernel answers ARP,
    unless the port is ``known_to_router``."""
    next_hop_mac: str | None
    """The MAC of the router that frames go to; None: frames go to the MAC of the receiving port."""
    speed_bps: float
    """Line rate in bit/s: more than that is never sent."""
    known_to_router: bool = False
    """Whether the router has a permanent neighbour entry for this port, so that nobody need answer its ARP."""

    def line_rate_fps(self, frame_bytes: int) -> float:
        """Frames per second that the wire carries, at a frame size in bytes with FCS (RFC 1242 §3.5)."""
        return self.speed_bps / (8 * (frame_bytes + ETHERNET_OVERHEAD_BYTES))

    @property
    def ip(self) -> str | None:
        """The address without its prefix."""
        return None if self.address is None else str(ipaddress.IPv4Interface(self.address).ip)
