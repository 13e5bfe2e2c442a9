"""What killed runs left in a cloud: found by the names that nfvcert gives, deleted in an order that works."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from nfvcert.drivers.cloud import explained, names_of, short_names_of
from nfvcert.drivers.cloud_kinds import KINDS, Kind
from nfvcert.errors import ApiFault

__all__ = ["Leftover", "find", "remove"]


@dataclass(frozen=True)
class Leftover:
    """A resource that nobody needs any more."""

    kind: Kind
    resource: Any

    @property
    def name(self) -> str:
        """Its name, or what stands for it."""
        return str(getattr(self.resource, "name", None) or getattr(self.resource, "description", None) or "")


def find(sdk: Any, run: str = "", without: Collection[str] = ()) -> list[Leftover]:
    """What carries a name of nfvcert, or of one ``run``, or is in a project or domain that does; in deletion's order.

    ``without``: types of services that the cloud does not have. Raises ApiFault where a service does not tell.
    """
    beginning = (names_of(run), *((short_names_of(run),) if run else ()))
    with explained("the domains and projects cannot be listed"):
        domains = {domain.id for domain in sdk.identity.domains() if domain.name.startswith(beginning)}
        projects = {
            project.id
            for project in sdk.identity.projects()
            if project.name.startswith(beginning) or project.domain_id in domains
        }
    found = []
    for kind in KINDS.values():
        if kind.service in without:
            continue
        with explained(f"{kind.name} cannot be listed"):
            for each in kind.all(sdk, projects):
                left = Leftover(kind, each)
                owner = getattr(each, "project_id", None) or getattr(each, "owner_id", None)
                inside = owner in projects and not kind.name.startswith("identity.")
                inside = inside or getattr(each, "domain_id", None) in domains
                if left.name.startswith(beginning) or (inside and not _goes_with_its_project(kind, left)):
                    found.append(left)
    return found


def remove(sdk: Any, found: Sequence[Leftover], tell: Callable[[Leftover, str], None]) -> int:
    """Delete it; ``tell`` is told of each what became of it: empty for deleted. Returns how many could not be."""
    troubles = 0
    for left in found:
        try:
            with explained(f"{left.kind.name} cannot be deleted"):
                left.kind.delete(sdk, left.resource)
                left.kind.wait_gone(sdk, left.resource)
        except (ApiFault, TimeoutError) as error:
            troubles += 1
            tell(left, str(error))
        else:
            tell(left, "")
    return troubles


def _goes_with_its_project(kind: Kind, left: Leftover) -> bool:
    """Neutron's default group is made for a project, and cannot be deleted by its name."""
    return kind.name == "network.security_group" and left.name == "default"
