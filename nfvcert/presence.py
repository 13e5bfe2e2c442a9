"""Is the release really in the lab? Declared versions against those that the lab tells. Pure.

A version counts only as a host tells it: a host that says nothing, or a component that no host of the lab has, is no
better than a wrong version. What is installed is asked, not what runs: a service that was not restarted after its
package was renewed is not found here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from nfvcert.catalogue import FactSource
from nfvcert.lab import Lab
from nfvcert.parts import Part
from nfvcert.release import Change, ReleaseUnit
from nfvcert.versions import same_version

__all__ = ["SEPARATOR", "Fingerprint", "PresenceRow", "check", "sources_of"]

Fingerprint = Mapping[str, Mapping[str, str]]
"""Host → fact → value."""
SEPARATOR = ", "
"""Between the values of a fact that a host has several times, such as the firmware of two adapters."""
REDFISH = "redfish"
"""The fact that tells why a BMC tells nothing."""


class PresenceRow(Part):
    """A change of a release unit on one host of the lab."""

    component: str
    product: str
    host: str
    """Empty where no host of the lab has the component."""
    declared: str
    """The version that the unit brings."""
    found: str = ""
    """What the host tells; empty where it tells nothing."""
    source: str = ""
    """The fact that told it, or those that were asked."""
    present: bool
    why: str = ""
    """Of a row that is not present: the reason, in words."""


def check(
    unit: ReleaseUnit, lab: Lab, fingerprint: Fingerprint, sources: Mapping[str, Sequence[FactSource]]
) -> tuple[PresenceRow, ...]:
    """A row for each change on each host that has its component, those that are not present first.

    ``sources``: component → how its version is read, the best way first; a change's own `present_if` comes before.
    """
    rows = [row for change in unit.changes for row in _rows(change, unit, lab, fingerprint, sources)]
    return tuple(sorted(rows, key=lambda row: row.present))


def sources_of(change: Change, sources: Mapping[str, Sequence[FactSource]]) -> tuple[FactSource, ...]:
    """How the version of a change is read: as the unit says, else as the catalogue does."""
    return (change.present_if,) if change.present_if else tuple(sources.get(change.component, ()))


def _rows(
    change: Change,
    unit: ReleaseUnit,
    lab: Lab,
    fingerprint: Fingerprint,
    sources: Mapping[str, Sequence[FactSource]],
) -> Iterable[PresenceRow]:
    asked = sources_of(change, sources)
    also = {each.to_version for each in unit.changes if each.component == change.component}
    hosts = [name for name, host in lab.hosts.items() if change.component in host.components]
    if not hosts:
        why = f"no host of lab {lab.lab} has this component: its inventory names none"
        yield _row(change, "", (), present=False, why=why)
    for host in hosts:
        yield _on_host(change, also, host, fingerprint.get(host, {}), asked)
    # Every host tells an operating system, but who tells this firmware has such a part.
    telling = [source for source in asked if source.redfish]
    for host in sorted(fingerprint.keys() - set(hosts)):
        if any(fingerprint[host].get(source.fact) for source in telling):
            row = _on_host(change, also, host, fingerprint[host], telling)
            if not row.present:
                why = f"{row.why}; its inventory does not say that it has {change.component}"
                yield row.model_copy(update={"why": why})


def _on_host(
    change: Change, also: Collection[str], host: str, facts: Mapping[str, str], asked: Sequence[FactSource]
) -> PresenceRow:
    told = [(source, facts[source.fact]) for source in asked if facts.get(source.fact)]
    if not told:
        return _row(change, host, asked, present=False, why=_silence(host, facts, asked))
    source, found = told[0]
    versions = found.split(SEPARATOR)

    def is_one(version: str, declared: str) -> bool:
        return same_version(declared, version, packaged=source.package is not None)

    # Of two products of a component, both brought by the unit, a host may tell both versions; any third one is wrong.
    mine = any(is_one(version, change.to_version) for version in versions)
    others = [version for version in versions if not any(is_one(version, declared) for declared in also)]
    if mine and not others:
        return _row(change, host, [source], found=found, present=True)
    why = f"{host} has {change.component} {found}, and the unit brings {change.to_version}"
    return _row(change, host, [source], found=found, present=False, why=why)


def _silence(host: str, facts: Mapping[str, str], asked: Sequence[FactSource]) -> str:
    if not asked:
        return "nothing says how its version is read: the catalogue has no facts of it, and the unit no present_if"
    if not facts:
        return f"{host} was not asked, since it has neither a shell nor a BMC"
    if any(source.redfish for source in asked) and REDFISH in facts:
        return f"the BMC of {host} tells nothing: {facts[REDFISH]}"
    return f"{host} does not tell it"


def _row(
    change: Change, host: str, asked: Sequence[FactSource], *, present: bool, found: str = "", why: str = ""
) -> PresenceRow:
    return PresenceRow(
        component=change.component,
        product=change.product,
        host=host,
        declared=change.to_version,
        found=found,
        source=", or ".join(source.fact for source in asked),
        present=present,
        why=why,
    )
