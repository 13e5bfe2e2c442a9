"""Whether a lab that is up can be used as it is."""

from __future__ import annotations

from pathlib import Path

from nfvcert.embedded.cabling import device_mtu
from nfvcert.embedded.faultmarks import marks
from nfvcert.embedded.namespaces import is_pinned
from nfvcert.embedded.routers import estranged
from nfvcert.embedded.rundir import State, namespace_file
from nfvcert.embedded.sites import opened, places

__all__ = ["problems"]


def problems(state: State, folder: Path) -> list[str]:
    """What is wrong with the lab, in words; empty when nothing is.

    A link that a killed test left down, or a fault that it left seeded, would be blamed on the next release.
    Yet while the process that seeded a fault lives, the lab is broken on purpose, and is as it should be.
    """
    lab = state.lab
    if gone := [place for place in places(lab) if not is_pinned(namespace_file(folder, place))]:
        return [f"the namespace of {place} is gone" for place in gone]
    seeded = marks(folder)
    if any(process.alive for process in seeded.values()):
        return []
    found = [f"fault {name} was left seeded" for name in seeded]
    found += [f"{role} is gone" for role, process in state.daemons.items() if not process.alive]
    with opened(lab, folder) as sites:
        for host, site in sites.hosts.items():
            interfaces = site.interfaces()
            for name in (*sites.links_of(host), *sites.ports_of(host)):
                its = interfaces.get(name)
                if its is None or not its["carrier"]:
                    found.append(f"interface {name} of {host} is {'gone' if its is None else 'down'}")
                elif its["mtu"] != device_mtu(lab):
                    found.append(f"interface {name} of {host} has MTU {its['mtu']}")
            if lab.network and lab.network.dut.forwards == "l3":
                forgotten = estranged(lab, site, sites.ports_of(host))
                found += [f"{host} does not know the generator at {port} any more" for port in forgotten]
    return found
