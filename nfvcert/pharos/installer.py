"""What an IDF says of machines, in the section of whichever installer says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nfvcert.pharos.descriptor import Part

__all__ = ["Installer", "Interface"]

ROLES = {"kube-master": "controller", "kube-node": "compute"} | {
    role: role for role in ("compute", "controller", "storage")
}


@dataclass(frozen=True)
class Interface:
    """What an operating system calls an interface, and on which bus it is."""

    name: str = ""
    bus: str = ""


class Installer:
    """An IDF; empty where there is none."""

    def __init__(self, document: Part | None) -> None:
        self._document = document
        self._idf = document.part("idf") if document else None

    def net_config(self) -> Part | None:
        """The description of the networks."""
        return self._idf.part("net_config") if self._idf else None

    def roles(self, names: tuple[object, ...]) -> list[str]:
        """The roles of the node that has one of some names, over all installers."""
        given: dict[str, None] = {}
        for roles in self._every("nodes_roles"):
            for name, words in roles.items() if isinstance(roles, dict) else ():
                if name in names and isinstance(words, list):
                    given |= {ROLES[word]: None for word in words if isinstance(word, str) and word in ROLES}
        return list(given)

    def interfaces(self) -> list[list[Interface]]:
        """The interfaces of each node, in the PDF's order; none where no installer names them."""
        for nodes in self._every("network", "node"):
            if isinstance(nodes, list):
                return [_interfaces(node) for node in nodes]
        return []

    def bridges(self) -> str:
        """The bridges of the jumphost, in words; empty where none is named."""
        for bridges in self._every("jumphost", "bridges"):
            if isinstance(bridges, dict):
                named = [f"{network} {bridge}" for network, bridge in bridges.items() if bridge]
                return f"bridges: {', '.join(named)}" if named else ""
        return ""

    def close(self) -> None:
        """Report the rest."""
        for part in (self._idf, self._document):
            if part:
                part.take("version")
                part.close("settings of an installer; of them, networks, roles, interface names and bridges are read")

    def _every(self, *names: str) -> list[Any]:
        found = self._document.every(names[-1]) if self._document else ()
        return [value for key, value in found if key[-len(names) :] == names]


def _interfaces(node: Any) -> list[Interface]:
    if not isinstance(node, dict):
        return []
    names, buses = (
        [str(each or "") for each in found] if isinstance(found := node.get(key), list) else []
        for key in ("interfaces", "busaddr")
    )
    buses += [""] * len(names)
    return [Interface(name, bus) for name, bus in zip(names, buses, strict=False)]
