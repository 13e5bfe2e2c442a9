"""Interfaces, cables and routes of network namespaces, by netlink (pyroute2)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from types import TracebackType
from typing import Any, Self

from pyroute2 import IPRoute
from pyroute2.ethtool.ioctl import IoctlEthtool
from pyroute2.netlink.exceptions import NetlinkError

from nfvcert.embedded.namespaces import entered, in_namespace
from nfvcert.errors import LabError

__all__ = ["Site", "cable", "explained", "short_name"]

INTERFACE_NAME_MAX = 15
_TC_ROOT = 0xFFFFFFFF


def short_name(name: str, taken: frozenset[str] = frozenset()) -> str:
    """``name`` where an interface may be called so, else a shortened one that is always the same."""
    if len(name) <= INTERFACE_NAME_MAX and name not in taken | {"all", "default", "lo"}:
        return name
    return f"{name[:10].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:4]}"


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an error of the kernel into a LabError that says what could not be done."""
    try:
        yield
    except NetlinkError as error:
        lacks = " (this kernel lacks it)" if error.code in {95, 93, 97} else ""
        raise LabError(f"{what}: {os.strerror(error.code)}{lacks}", what=what) from error
    except OSError as error:
        raise LabError(f"{what}: {error.strerror or error}", what=what) from error


class Site:
    """One network namespace, as the place where interfaces are made. Close it, or use it in a ``with``.

    It belongs to the thread that opened it. pyroute2 opens another socket in every thread, and that one
    would be in the thread's namespace: it would work on the machine's own interfaces.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._thread = get_ident()
        with entered(path):
            self._opened: Any = IPRoute(groups=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the netlink socket."""
        self._netlink.close()

    @property
    def _netlink(self) -> Any:
        if get_ident() != self._thread:
            raise RuntimeError(f"the site {self.path} was opened in another thread")
        return self._opened

    def index(self, interface: str) -> int:
        """The number of an interface. Raises LookupError where there is none of that name."""
        found = self._netlink.link_lookup(ifname=interface)
        if not found:
            raise LookupError(f"no interface {interface} in {self.path}")
        return int(found[0])

    def interfaces(self) -> dict[str, dict[str, Any]]:
        """All interfaces by name: ``up``, ``carrier``, ``mtu``, ``mac``."""
        return {
            message.get("ifname"): {
                "up": bool(message["flags"] & 0x1),
                "carrier": bool(message.get("carrier")),
                "mtu": message.get("mtu"),
                "mac": message.get("address"),
            }
            for message in self._netlink.get_links()
        }

    def frames_sent(self) -> dict[str, int]:
        """How many frames each interface has sent since it was made."""
        return {message.get("ifname"): message.get("stats64")["tx_packets"] for message in self._netlink.get_links()}

    def link(self, interface: str, **attributes: Any) -> None:
        """Set attributes of an interface, in pyroute2's words (``state="down"``, ``mtu=1500``)."""
        self._netlink.link("set", index=self.index(interface), **attributes)

    def up(self, *interfaces: str) -> None:
        """Switch interfaces on."""
        for interface in interfaces:
            self.link(interface, state="up")

    def address(self, interface: str, address: str) -> None:
        """Give an interface an IPv4 address, written with its prefix (`10.0.0.1/24`)."""
        ip, _, prefix = address.partition("/")
        self._netlink.addr("add", index=self.index(interface), address=ip, prefixlen=int(prefix))

    def bridge(self, name: str, *, mtu: int, **attributes: Any) -> None:
        """Make a bridge without spanning tree and multicast snooping: it sends no frame of its own."""
        self._netlink.link("add", kind="bridge", ifname=name, br_stp_state=0, br_mcast_snooping=0, **attributes)
        self.link(name, mtu=mtu, state="up")

    def attach(self, bridge: str, *interfaces: str) -> None:
        """Make interfaces ports of a bridge."""
        number = self.index(bridge)
        for interface in interfaces:
            self.link(interface, master=number)

    def bridge_port(self, interface: str, **attributes: Any) -> None:
        """Set attributes of a bridge's port (``unicast_flood=0``)."""
        self._netlink.brport("set", index=self.index(interface), **attributes)

    def remove(self, interface: str) -> None:
        """Remove an interface (of a cable: with its other end); one that is gone already is left alone."""
        with suppress(LookupError):
            self._netlink.link("del", index=self.index(interface))

    def route(self, **attributes: Any) -> None:
        """Add a route, in pyroute2's words."""
        self._netlink.route("add", **attributes)

    def neighbour(self, interface: str, ip: str, mac: str) -> None:
        """Know a neighbour's MAC address for good, without asking for it by ARP."""
        self._netlink.neigh("replace", index=self.index(interface), dst=ip, lladdr=mac, state=0x80)  # NUD_PERMANENT

    def permanent_neighbours(self) -> set[str]:
        """The IPv4 addresses of the neighbours that are known for good."""
        return {message.get("dst") for message in self._netlink.get_neighbours(family=2) if message["state"] & 0x80}

    def compute_checksums(self, interface: str) -> None:
        """Let the kernel fill in the checksums of what it sends; else a switch in userspace gets them empty."""

        def switch_off() -> None:
            card = IoctlEthtool(interface)
            card.set_offload_flag("tx-checksumming", False)
            card.close()

        in_namespace(self.path, switch_off)

    def queue(self, interface: str, kind: str, **attributes: Any) -> None:
        """Replace the queueing discipline at an interface's root."""
        self._netlink.tc("replace", kind=kind, index=self.index(interface), parent=_TC_ROOT, **attributes)

    def unqueue(self, interface: str) -> None:
        """Put the interface's own queueing discipline back; one that has it is left alone."""
        with suppress(NetlinkError):  # the only thing to refuse is that there is nothing to remove
            self._netlink.tc("del", index=self.index(interface), parent=_TC_ROOT)

    def sysctl(self, **values: int) -> None:
        """Set `net.ipv4` settings of the namespace (dots as double underscores: ``conf__all__rp_filter=0``)."""

        def write() -> None:
            for name, value in values.items():
                Path("/proc/sys/net/ipv4", *name.split("__")).write_text(str(value), encoding="ascii")

        in_namespace(self.path, write)


def cable(
    a: Site,
    a_name: str,
    b: Site,
    b_name: str,
    *,
    a_mtu: int,
    b_mtu: int,
    a_mac: str = "",
    b_mac: str = "",
    a_index: int | None = None,
) -> None:
    """Lay a cable (veth) between two namespaces and switch both ends on.

    ``a_index``: the number that the interface gets at ``a``, for cables whose failure must be seen at once.
    The kernel tells a loss of carrier without delay only where the two ends of a veth have different
    numbers; where they happen to be equal, it takes up to 1 s (linkwatch_urgent_event in net/core).
    """
    handle = os.open(b.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        peer: dict[str, Any] = {"ifname": b_name, "net_ns_fd": handle, "mtu": b_mtu}
        own: dict[str, Any] = {"ifname": a_name, "mtu": a_mtu}
        if a_index is not None:
            own["index"] = a_index
        if a_mac:
            own["address"] = a_mac
        if b_mac:
            peer["address"] = b_mac
        a._netlink.link("add", kind="veth", peer=peer, **own)  # noqa: SLF001  # the cable belongs to both
    finally:
        os.close(handle)
    a.up(a_name)
    b.up(b_name)
