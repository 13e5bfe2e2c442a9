"""Faults to seed in an embedded lab, for real: what a certification must find, it must be shown to find.

    with seeded(lab, "loss", one_in=1000, towards="tg1"):
        ...                                   # the device loses every 1000th frame on its way to tg1

Faults of the device: `mtu`, `flap`, `flood`, `leak`, `no-failover`, `unplugged`. Faults of the lab, which must never
be blamed on a release: `no-sshd`, `unreachable`, `host-key`, `no-bmc`, and hosts that are at another version than the
lab's inventory says: `wrong-firmware`, `wrong-package`.

What happens to frames, in the device or in the generator, is in `nfvcert.embedded.traffic_faults`. Faults of compute
hosts are in `nfvcert.embedded.host_faults`, those of disks in `nfvcert.embedded.disk_faults`.
Faults of the lab's cloud, which must run, are in `nfvcert.embedded.cloud.faults` and `object_faults` beside it.

A seeded fault is marked in the lab's folder. If the process that seeded it is killed, the next `up`
makes the lab anew: a fault that nobody cleared would fail the next release.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, ClassVar

from nfvcert.embedded import bmc, bridges, emulation, routers, sshd
from nfvcert.embedded.cabling import device_mtu, fabric_interface
from nfvcert.embedded.cloud.faults import CLOUD_FAULTS
from nfvcert.embedded.cloud.object_faults import OBJECT_FAULTS
from nfvcert.embedded.disk_faults import DISK_FAULTS
from nfvcert.embedded.fault import Fault
from nfvcert.embedded.faultmarks import mark, unmark
from nfvcert.embedded.host_faults import HOST_FAULTS
from nfvcert.embedded.logins import end_sshd, start_sshd
from nfvcert.embedded.nftables import nft, remove_table
from nfvcert.embedded.pop import EmbeddedLab
from nfvcert.embedded.sites import Sites, opened
from nfvcert.embedded.traffic_faults import TRAFFIC_FAULTS, known_port
from nfvcert.embedded.wiring import Site, cable, explained
from nfvcert.errors import LabError
from nfvcert.lab import Lab

__all__ = [
    "FAULTS",
    "ChangedHostKey",
    "DeadBackup",
    "Fault",
    "Flapping",
    "Flooding",
    "Leak",
    "MtuTooSmall",
    "NoBmc",
    "NoSshd",
    "SpanningTree",
    "Unplugged",
    "Unreachable",
    "WrongFirmware",
    "WrongPackage",
    "seeded",
]


@contextmanager
def seeded(lab: EmbeddedLab, name: str, **parameters: Any) -> Iterator[Fault]:
    """Have a fault of `FAULTS` in a lab for a ``with`` block. Raises: LookupError, TypeError, LabError."""
    if name not in FAULTS:
        raise LookupError(f"no fault is named {name!r} (there are: {', '.join(FAULTS)})")
    fault = FAULTS[name](**parameters)
    with _at_work(lab, name) as sites:
        fault.check(sites)
    mark(lab.run_dir, name)
    try:
        with _at_work(lab, name) as sites:
            fault.seed(sites)
        yield fault
    finally:
        fault.stop()
        if lab.run_dir.exists():  # else it went down meanwhile, with the fault
            with _at_work(lab, name) as sites:
                fault.clear(sites)
            unmark(lab.run_dir, name)


@contextmanager
def _at_work(lab: EmbeddedLab, name: str) -> Iterator[Sites]:
    with explained(f"fault {name} in lab {lab.lab.lab}"), opened(lab.lab, lab.run_dir) as sites:
        yield sites


@dataclass
class MtuTooSmall(Fault):
    """The links between the device's hosts carry shorter frames than promised."""

    name: ClassVar[str] = "mtu"

    mtu: int = 1400
    """Bytes of payload of an Ethernet frame. The kernel tolerates 4 more, for a VLAN tag."""

    def check(self, sites: Sites) -> None:
        """There must be links."""
        _require(sites, bool(sites.lab.links), "links between its hosts")

    def seed(self, sites: Sites) -> None:
        """Lower the MTU at both ends of each link."""
        self._set(sites, self.mtu)

    def clear(self, sites: Sites) -> None:
        """Set it as the inventory says."""
        self._set(sites, device_mtu(sites.lab))

    def _set(self, sites: Sites, mtu: int) -> None:
        for host, site in sites.hosts.items():
            for link in sites.links_of(host):
                site.link(link, mtu=mtu)


@dataclass
class Flapping(Fault):
    """A port of the device goes down for a moment, again and again."""

    name: ClassVar[str] = "flap"

    port: str = "tg1"
    """A port of the generator (its end at the device flaps), or a link (its end at the inventory's `a`)."""
    every_s: float = 0.3
    down_s: float = 0.05
    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def check(self, sites: Sites) -> None:
        """The port or link must be there."""
        self._host(sites)

    def seed(self, sites: Sites) -> None:
        """Start to toggle it, in a thread."""
        path = sites.hosts[self._host(sites)].path
        self._stop.clear()
        self._thread = Thread(target=self._toggle, args=(sites.lab, path), name=f"flapping {self.port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Toggle it no more."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def clear(self, sites: Sites) -> None:
        """Leave it up."""
        self._up(sites.lab, sites.hosts[self._host(sites)])

    def _host(self, sites: Sites) -> str:
        if self.port in sites.lab.links:
            return sites.lab.links[self.port].a
        return known_port(sites, self.port)

    def _toggle(self, lab: Lab, path: str) -> None:
        with Site(path) as site:
            while True:
                site.link(self.port, state="down")
                stop = self._stop.wait(self.down_s)
                self._up(lab, site)
                if stop or self._stop.wait(self.every_s - self.down_s):
                    return

    def _up(self, lab: Lab, site: Site) -> None:
        site.up(self.port)
        if lab.dut.forwards == "l3" and self.port not in lab.links:
            routers.meet_generator(lab, site, self.port)  # an interface that goes down forgets


@dataclass
class Flooding(Fault):
    """The switch learns no address, so it sends every frame to all ports of the tenant."""

    name: ClassVar[str] = "flood"

    def check(self, sites: Sites) -> None:
        """The device must be made of bridges."""
        _require(sites, _kind(sites) == "linux-bridge", "Linux bridges")

    def seed(self, sites: Sites) -> None:
        """Switch learning off and forget what was learned."""
        self._set(sites, learning=0, flush=True)

    def clear(self, sites: Sites) -> None:
        """Switch learning on, where it was."""
        self._set(sites, learning=1)

    def _set(self, sites: Sites, **attributes: Any) -> None:
        for host in sites.devices():
            for interface in (*sites.ports_of(host), *sites.links_of(host)):
                if not (sites.redundancy and interface == sites.redundancy.backup):
                    sites.hosts[host].bridge_port(interface, **attributes)


@dataclass
class Leak(Fault):
    """Tenants hear each other: two bridges of a switch are patched, or routers forward between all."""

    name: ClassVar[str] = "leak"

    host: str | None = None
    """Routers: only this one."""

    def check(self, sites: Sites) -> None:
        """There must be two tenants to mix up."""
        _require(sites, _kind(sites) in {"linux-bridge", "router"}, "Linux bridges or routers")
        if _kind(sites) == "linux-bridge":
            _require(sites, bool(self._shared_switches(sites)), "a switch with two tenants")

    def seed(self, sites: Sites) -> None:
        """Join two tenants of a switch by a cable, or remove the routers' rules."""
        if _kind(sites) == "router":
            for router in sites.devices():
                if self.host in (None, router):
                    routers.let_leak(sites.hosts[router])
            return
        host, tenants = self._shared_switches(sites)[0]
        site, mtu = sites.hosts[host], device_mtu(sites.lab)
        cable(site, _PATCH[0], site, _PATCH[1], a_mtu=mtu, b_mtu=mtu)
        for plug, tenant in zip(_PATCH, tenants, strict=False):
            site.attach(bridges.bridge_name(sites.lab, tenant), plug)

    def clear(self, sites: Sites) -> None:
        """Cut the cable, or set the routers' rules anew."""
        for host in sites.devices():
            if _kind(sites) == "router":
                routers.isolate(sites.lab, sites.hosts[host])
            else:
                sites.hosts[host].remove(_PATCH[0])

    def _shared_switches(self, sites: Sites) -> list[tuple[str, list[str]]]:
        ports = sites.lab.traffic.ports if sites.lab.traffic else {}
        tenants = {
            host: list(dict.fromkeys(ports[name].tenant for name in sites.ports_of(host))) for host in sites.devices()
        }
        return [(host, its) for host, its in tenants.items() if len(its) > 1]


_PATCH = ("leak0", "leak1")


@dataclass
class SpanningTree(Fault):
    """A switch runs the spanning tree on all its ports, so each waits for it whenever the switch has restarted."""

    name: ClassVar[str] = "spanning-tree"

    host: str = "leaf-1"
    forward_delay_s: float = 2.0
    """What a port listens, and again learns, before it forwards; the kernel takes no less."""

    def check(self, sites: Sites) -> None:
        """The host must be there, and made of bridges."""
        _known_host(sites, self.host)
        _require(sites, _kind(sites) == "linux-bridge", "Linux bridges")

    def seed(self, sites: Sites) -> None:
        """Switch it on, and wait until its ports forward."""
        self._set(sites, br_forward_delay=round(self.forward_delay_s * 100), br_stp_state=1)
        time.sleep(2 * self.forward_delay_s + 0.5)

    def clear(self, sites: Sites) -> None:
        """Switch it off: its ports forward at once."""
        self._set(sites, br_stp_state=0)

    def _set(self, sites: Sites, **attributes: int) -> None:
        ports = sites.lab.traffic.ports if sites.lab.traffic else {}
        for tenant in {ports[name].tenant for name in sites.ports_of(self.host)}:
            sites.hosts[self.host].link(bridges.bridge_name(sites.lab, tenant), kind="bridge", **attributes)


@dataclass
class DeadBackup(Fault):
    """The backup link is dead already when the primary fails: there is no failover."""

    name: ClassVar[str] = "no-failover"

    def check(self, sites: Sites) -> None:
        """There must be a backup."""
        _require(sites, sites.redundancy is not None, "redundant links")

    def seed(self, sites: Sites) -> None:
        """Switch the backup off, at the end where the primary is not switched off."""
        site, backup = self._far_end(sites)
        site.link(backup, state="down")

    def clear(self, sites: Sites) -> None:
        """Switch it on."""
        site, backup = self._far_end(sites)
        site.up(backup)

    def _far_end(self, sites: Sites) -> tuple[Site, str]:
        redundancy = sites.redundancy
        assert redundancy is not None  # check said so
        link = sites.lab.links[redundancy.backup]
        return sites.hosts[link.b if link.a == redundancy.host else link.a], redundancy.backup


@dataclass
class NoSshd(Fault):
    """A host's sshd is gone, with all its sessions: a fault of the lab."""

    name: ClassVar[str] = "no-sshd"

    host: str

    def check(self, sites: Sites) -> None:
        """The host must be there."""
        _known_host(sites, self.host)

    def seed(self, sites: Sites) -> None:
        """End it."""
        end_sshd(sites, self.host)

    def clear(self, sites: Sites) -> None:
        """Start it again."""
        start_sshd(sites, self.host, key=None)


@dataclass
class ChangedHostKey(Fault):
    """A host answers with another key than the known one, as a stranger in its place would."""

    name: ClassVar[str] = "host-key"

    host: str

    def check(self, sites: Sites) -> None:
        """The host must be there."""
        _known_host(sites, self.host)

    def seed(self, sites: Sites) -> None:
        """Start its sshd anew with the key that another one would have made."""
        end_sshd(sites, self.host)
        start_sshd(sites, self.host, key=sshd.another_key(sites.folder, self.host))

    def clear(self, sites: Sites) -> None:
        """Start it anew with its own key."""
        end_sshd(sites, self.host)
        start_sshd(sites, self.host, key=None)


@dataclass
class Unreachable(Fault):
    """A host neither hears nor says anything, on any network: packets vanish, connections hang."""

    name: ClassVar[str] = "unreachable"

    host: str

    def check(self, sites: Sites) -> None:
        """The host must be there."""
        _known_host(sites, self.host)

    def seed(self, sites: Sites) -> None:
        """Drop all packets to and from the host."""
        nft(
            sites.hosts[self.host].path,
            """
            table inet nfvcert-unreachable {
                chain in { type filter hook input priority -300; policy drop; }
                chain out { type filter hook output priority -300; policy drop; }
            }
            """,
        )

    def clear(self, sites: Sites) -> None:
        """Let them through."""
        remove_table(sites.hosts[self.host].path, "inet", "nfvcert-unreachable")


@dataclass
class Unplugged(Fault):
    """A host's cable to one inventory network is pulled."""

    name: ClassVar[str] = "unplugged"

    host: str
    network: str

    def check(self, sites: Sites) -> None:
        """The host must be there, and on that network."""
        _known_host(sites, self.host)
        addresses = sites.lab.hosts[self.host].addresses
        _require(sites, self.network in addresses, f"an address of {self.host} on network {self.network}")

    def seed(self, sites: Sites) -> None:
        """Switch off its other end."""
        sites.fabric.link(fabric_interface(sites.lab, self.network, self.host), state="down")

    def clear(self, sites: Sites) -> None:
        """Switch it on."""
        sites.fabric.up(fabric_interface(sites.lab, self.network, self.host))


@dataclass
class WrongFirmware(Fault):
    """The BMC of a host tells another version of a component than the inventory has it emulate.

    Nothing is restarted: the service reads what it tells anew for each answer.
    """

    name: ClassVar[str] = "wrong-firmware"

    host: str
    component: str
    """As in the inventory's `emulates.firmware`."""
    version: str
    """Of several parts of this kind: "8.30, 8.20"."""

    def check(self, sites: Sites) -> None:
        """The host must be there, and tell firmware of that name."""
        _known_host(sites, self.host)
        _told(sites, self.host, _firmware_of(sites.lab, self.host), self.component, "firmware")
        _changes(self.version, _firmware_of(sites.lab, self.host)[self.component], self.component)

    def seed(self, sites: Sites) -> None:
        """Write the other version where the service looks."""
        _tell(sites, {self.host: _firmware_of(sites.lab, self.host) | {self.component: self.version}})

    def clear(self, sites: Sites) -> None:
        """Write the inventory's."""
        _tell(sites, {self.host: _firmware_of(sites.lab, self.host)})


@dataclass
class WrongPackage(Fault):
    """A host has another version of a package than the inventory has it emulate."""

    name: ClassVar[str] = "wrong-package"

    host: str
    package: str
    version: str

    def check(self, sites: Sites) -> None:
        """The host must be there, and have that package."""
        _known_host(sites, self.host)
        _told(sites, self.host, _packages_of(sites.lab, self.host), self.package, "package")
        _changes(self.version, _packages_of(sites.lab, self.host)[self.package], self.package)

    def seed(self, sites: Sites) -> None:
        """Write the other version into the host's list of packages."""
        packages = _packages_of(sites.lab, self.host) | {self.package: self.version}
        emulation.rewrite_packages(sites.folder, self.host, packages)

    def clear(self, sites: Sites) -> None:
        """Write the inventory's."""
        emulation.rewrite_packages(sites.folder, self.host, _packages_of(sites.lab, self.host))


@dataclass
class NoBmc(Fault):
    """The BMC of a host, or every one of the lab, answers no question: a fault of the lab."""

    name: ClassVar[str] = "no-bmc"

    host: str | None = None
    """None: all of them."""

    def check(self, sites: Sites) -> None:
        """There must be a BMC to silence."""
        if self.host is not None:
            _known_host(sites, self.host)
        _require(sites, bool(self._hosts(sites)), f"a BMC of {self.host}" if self.host else "hosts with a BMC")

    def seed(self, sites: Sites) -> None:
        """Let it answer "503 Service Unavailable", as one does that starts."""
        _tell(sites, dict.fromkeys(self._hosts(sites)))

    def clear(self, sites: Sites) -> None:
        """Let it tell the inventory's versions."""
        _tell(sites, {host: _firmware_of(sites.lab, host) for host in self._hosts(sites)})

    def _hosts(self, sites: Sites) -> list[str]:
        asked = [self.host] if self.host is not None else list(sites.lab.hosts)
        return [host for host in asked if _firmware_of(sites.lab, host)]


_OF_LAB: tuple[type[Fault], ...] = (
    MtuTooSmall,
    Flapping,
    Flooding,
    Leak,
    DeadBackup,
    SpanningTree,
    Unplugged,
    NoSshd,
    Unreachable,
    ChangedHostKey,
    WrongFirmware,
    WrongPackage,
    NoBmc,
)
FAULTS: Mapping[str, type[Fault]] = {
    fault.name: fault
    for fault in (*TRAFFIC_FAULTS, *_OF_LAB, *HOST_FAULTS, *DISK_FAULTS, *CLOUD_FAULTS, *OBJECT_FAULTS)
}
"""All faults by name."""


def _kind(sites: Sites) -> str:
    return sites.lab.network.dut.kind if sites.lab.network else ""


def _require(sites: Sites, holds: bool, what: str) -> None:
    if not holds:
        raise LabError(f"lab {sites.lab.lab} lacks {what}: this fault cannot be seeded in it", what=sites.lab.lab)


def _known_host(sites: Sites, host: str) -> None:
    if host not in sites.hosts:
        raise LookupError(f"lab {sites.lab.lab} has no host {host!r} (it has {', '.join(sites.hosts)})")


def _firmware_of(lab: Lab, host: str) -> dict[str, str]:
    emulates = lab.hosts[host].emulates
    return dict(emulates.firmware) if emulates else {}


def _packages_of(lab: Lab, host: str) -> dict[str, str]:
    emulates = lab.hosts[host].emulates
    return dict(emulates.packages) if emulates else {}


def _tell(sites: Sites, told: Mapping[str, dict[str, str] | None]) -> None:
    bmc.tell_firmware(sites.folder, {**bmc.told_firmware(sites.folder), **told})


def _told(sites: Sites, host: str, known: Mapping[str, str], name: str, kind: str) -> None:
    if name not in known:
        raise LookupError(
            f"{host} of lab {sites.lab.lab} emulates no {kind} {name!r} (it has {', '.join(known) or 'none'})"
        )


def _changes(version: str, before: str, name: str) -> None:
    """A fault that changes nothing would be found by nobody, and prove nothing."""
    if version == before:
        raise LookupError(f"{name} is at {version} already: name another version")
