"""All places of one lab that is being built: its hosts, the fabric between them, the generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from nfvcert.embedded.namespaces import pin
from nfvcert.embedded.ports import generator_place
from nfvcert.embedded.rundir import FABRIC, GENERATOR, namespace_file
from nfvcert.embedded.wiring import Site
from nfvcert.lab import Lab, Redundancy

__all__ = ["Sites", "opened", "pin_all", "places"]


@dataclass(frozen=True)
class Sites:
    """The places, open for work."""

    lab: Lab
    folder: Path
    hosts: dict[str, Site]
    fabric: Site
    generator: Site

    @property
    def redundancy(self) -> Redundancy | None:
        """The lab's redundant links, where it has a device with some."""
        return self.lab.network.dut.redundancy if self.lab.network else None

    def links_of(self, host: str) -> list[str]:
        """The links that end at a host: the primary first and the backup last, else as in the inventory."""
        redundancy = self.redundancy
        order = {redundancy.primary: -1, redundancy.backup: 1} if redundancy else {}
        mine = [name for name, link in self.lab.links.items() if host in {link.a, link.b}]
        return sorted(mine, key=lambda name: order.get(name, 0))

    def ports_of(self, host: str) -> list[str]:
        """The generator's ports that are plugged into a host."""
        ports = self.lab.traffic.ports if self.lab.traffic else {}
        return [name for name, port in ports.items() if port.attached_to == host]

    def devices(self) -> list[str]:
        """The hosts that make up the device under test: whatever a port or a switch's link ends at."""
        return [
            name
            for name, host in self.lab.hosts.items()
            if self.ports_of(name) or {"switch", "router"} & set(host.roles)
        ]


def places(lab: Lab) -> list[str]:
    """The names of all namespaces of a lab."""
    return [FABRIC, GENERATOR, *lab.hosts]


def pin_all(lab: Lab, folder: Path) -> None:
    """Make and pin a network namespace for each place. Raises OSError."""
    (folder / "ns").mkdir(mode=0o700)
    pin([namespace_file(folder, place) for place in places(lab)])


@contextmanager
def opened(lab: Lab, folder: Path) -> Iterator[Sites]:
    """The places of a lab whose namespaces are there. Raises OSError where one is not."""
    with ExitStack() as stack:
        site = {place: stack.enter_context(Site(str(namespace_file(folder, place)))) for place in places(lab)}
        yield Sites(
            lab=lab,
            folder=folder,
            hosts={name: site[name] for name in lab.hosts},
            fabric=site[FABRIC],
            generator=site[generator_place(lab)],
        )
