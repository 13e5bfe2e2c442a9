"""From two states to the release unit that leads from one to the other.

A state is a release unit, a bill of materials (CycloneDX), or the facts of a lab. Facts are told of hosts; the
component catalogue, and the inventory of the lab where it is known, say of which component a fact is the version.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from nfvcert.campaign_files import read_release
from nfvcert.catalogue import Catalogue, FactSource
from nfvcert.errors import FileError, UsageError
from nfvcert.files import digest, lab_files, load, read_lab
from nfvcert.parts import Part
from nfvcert.release import Change, ReleaseUnit
from nfvcert.release_draft import Draft, DraftChange
from nfvcert.sbom import Sbom, SbomPart, read_sbom

__all__ = ["LabFacts", "diff"]

FACTS_SHOWN = 20


class LabFacts(Part):
    """A file of facts, as `nfvcert lab facts NAME -o FILE` writes it."""

    lab: str
    taken: str = ""
    facts: dict[str, dict[str, str]]
    """Host → fact → value."""
    sha256: str = ""


State: TypeAlias = ReleaseUnit | Sbom | LabFacts
KINDS = {ReleaseUnit: "a release unit", Sbom: "an SBOM", LabFacts: "facts of a lab"}


def diff(a: Path, b: Path, catalogue: Catalogue, *, unit: str, folder: Path, inventories: Sequence[Path]) -> str:
    """The file of release unit ``unit`` that leads from state ``a`` to state ``b``, to be written into ``folder``.

    Raises: FileError for a state that cannot be read; UsageError for two of different kinds, or without difference.
    """
    before, after = _read(a), _read(b)
    made_from = f"Made by nfvcert release diff of {a.name} and {b.name}."
    if isinstance(before, ReleaseUnit) and isinstance(after, ReleaseUnit):
        draft = _of_units(
            before, after, unit, made_from, sbom=_relative(b.parent / after.sbom.path, folder) if after.sbom else ""
        )
    elif isinstance(before, Sbom) and isinstance(after, Sbom):
        draft = _of_sboms(before, after, catalogue, unit, made_from, sbom=(_relative(b, folder), digest(b)))
    elif isinstance(before, LabFacts) and isinstance(after, LabFacts):
        named = lab_files(inventories)
        lab = read_lab(named[after.lab]) if after.lab in named else None
        on_hosts = {name: host.components for name, host in lab.hosts.items()} if lab else None
        draft = _of_facts(before, after, catalogue, unit, made_from, on_hosts)
    else:
        raise UsageError(
            f"{a} is {KINDS[type(before)]} and {b} is {KINDS[type(after)]}: two of one kind are needed to compare"
        )
    if not draft.changes:
        told = f" ({'; '.join(draft.notes[:3])})" if draft.notes else ""
        raise UsageError(f"from {a} to {b} no component changes: there is nothing to certify{told}")
    return draft.text()


def _read(path: Path) -> State:
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        raise FileError(path, problem=f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return read_sbom(path)
    try:
        plain = json.loads(raw)
    except (ValueError, RecursionError):
        return read_release(str(path))[0]
    if isinstance(plain, dict) and "bomFormat" in plain:
        return read_sbom(path)
    if isinstance(plain, dict) and "facts" in plain:
        return load(LabFacts, path)
    raise FileError(path, problem=f"it is neither {', '.join(KINDS.values())}")


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())


# two release units


def _of_units(before: ReleaseUnit, after: ReleaseUnit, unit: str, made_from: str, sbom: str) -> Draft:
    old = {_identity(change): change for change in before.changes}
    new = {_identity(change): change for change in after.changes}
    changes = []
    for identity, change in new.items():
        earlier = old.get(identity)
        if earlier is None or earlier.to_version != change.to_version:
            changes.append(_since(earlier, change))
    gone = [
        f"only in {before.unit}: {change.component} {change.product}" for key, change in old.items() if key not in new
    ]
    raised = {"class_at_least": after.class_at_least, "size_at_least": after.size_at_least}
    return Draft(
        unit=unit,
        made_from=made_from,
        changes=changes,
        title=after.title,
        type=after.type,
        maintains=after.maintains,
        vendor=after.vendor or "",
        raised=[(key, value) for key, value in raised.items() if value],
        known_issues=after.known_issues,
        sbom=(sbom, after.sbom.sha256) if after.sbom else None,
        notes=gone,
    )


def _since(earlier: Change | None, change: Change) -> DraftChange:
    """The change as the later unit has it, but from the version that the earlier one brought."""
    start = earlier.to_version if earlier else change.from_version
    return DraftChange(
        component=change.component,
        vendor=change.vendor,
        product=change.product,
        from_version=start or "",
        to_version=change.to_version,
        trigger=None if change.trigger == "new-vnf" and start else change.trigger,
        scheme=change.version_scheme,
        artefact=change.artefact,
        present_if=change.present_if,
    )


def _identity(change: Change) -> tuple[str, str]:
    return change.component, change.product.casefold()


# two bills of materials


def _of_sboms(
    before: Sbom, after: Sbom, catalogue: Catalogue, unit: str, made_from: str, sbom: tuple[str, str]
) -> Draft:
    changes, notes = [], []
    if before.product and after.product:
        if before.product.name.casefold() != after.product.name.casefold():
            raise UsageError(f"one is the SBOM of {before.product.name}, the other of {after.product.name}")
        if before.product.version != after.product.version:
            changes.append(_of_part(before.product.version, after.product, catalogue))
    about = after.product or SbomPart("", "")
    old, new = _versions(before.parts), _versions(after.parts)
    named = {part.name: part for part in after.parts}
    for name in sorted(old.keys() | new.keys()):
        was, becomes = old.get(name, []), new.get(name, [])
        if was == becomes:
            continue
        known = _components_of_package(name, catalogue)
        if known and len(was) == len(becomes) == 1 and name != about.name:
            changes.append(_of_part(was[0], named[name], catalogue))
        else:
            told = [
                ", ".join(each or "without a version" for each in versions) or "absent" for versions in (was, becomes)
            ]
            notes.append(f"within it: {name} {told[0]} → {told[1]}")
    return Draft(
        unit=unit,
        made_from=made_from,
        changes=changes,
        title=f"{about.name} {about.version}".strip(),
        vendor=about.supplier,
        sbom=sbom if after.product else None,
        notes=notes,
    )


def _of_part(before: str, after: SbomPart, catalogue: Catalogue) -> DraftChange:
    known = _components_of_package(after.name, catalogue)
    return DraftChange(
        component=known[0] if len(known) == 1 else "",
        components=known,
        vendor=after.supplier,
        product=after.name,
        from_version=_version(before),
        to_version=_version(after.version),
    )


def _versions(parts: Iterable[SbomPart]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for part in parts:
        found.setdefault(part.name, set()).add(part.version)
    return {name: sorted(versions) for name, versions in found.items()}


def _components_of_package(name: str, catalogue: Catalogue) -> list[str]:
    short = name.rpartition("/")[2]
    return [
        component
        for component, known in catalogue.components.items()
        if component == short or any(source.package == short for source in known.facts)
    ]


# facts of labs


def _of_facts(
    before: LabFacts,
    after: LabFacts,
    catalogue: Catalogue,
    unit: str,
    made_from: str,
    on_hosts: Mapping[str, Sequence[str]] | None,
) -> Draft:
    """``on_hosts``: host → its components, where the inventory is known; else any component may be on any host."""
    steps: dict[tuple[tuple[str, ...], FactSource], dict[tuple[str, str], list[str]]] = {}
    notes = []
    for host in sorted(before.facts.keys() | after.facts.keys()):
        was, becomes = before.facts.get(host, {}), after.facts.get(host, {})
        if not was or not becomes:
            notes.append(f"host {host} is only in the {'later' if becomes else 'earlier'} of the two")
            continue
        differing = {fact for fact in was.keys() | becomes.keys() if was.get(fact) != becomes.get(fact)}
        components = catalogue.components if on_hosts is None else on_hosts.get(host, ())
        explained = _explained(components, catalogue, was.keys() | becomes.keys(), differing)
        for source, of in explained.items():
            step = (was.get(source.fact, ""), becomes.get(source.fact, ""))
            steps.setdefault((tuple(of), source), {}).setdefault(step, []).append(host)
        notes += [
            f"of no component: {fact} on {host}: {was.get(fact, 'not told')} → {becomes.get(fact, 'not told')}"
            for fact in sorted(differing - {source.fact for source in explained})
        ]
    if len(notes) > FACTS_SHOWN:
        notes = [*notes[:FACTS_SHOWN], f"and {len(notes) - FACTS_SHOWN} more facts"]
    changes = [_of_fact(of, source, found, catalogue) for (of, source), found in steps.items()]
    return Draft(unit=unit, made_from=made_from, changes=changes, title=f"What changed in lab {after.lab}", notes=notes)


def _explained(
    components: Iterable[str], catalogue: Catalogue, told: Iterable[str], differing: Iterable[str]
) -> dict[FactSource, list[str]]:
    """Source of a fact that differs → the components whose version it is: of each, the best source that is told."""
    told, differing = set(told), set(differing)
    found: dict[FactSource, list[str]] = {}
    for name in components:
        known = catalogue.components.get(name)
        source = next((each for each in known.facts if each.fact in told), None) if known else None
        if source is not None and source.fact in differing:
            found.setdefault(source, []).append(name)
    return found


def _of_fact(
    components: Sequence[str],
    source: FactSource,
    steps: Mapping[tuple[str, str], Sequence[str]],
    catalogue: Catalogue,
) -> DraftChange:
    notes = [
        f"{source.fact}: {before or 'not told'} → {after or 'not told'} on {', '.join(hosts)}"
        for (before, after), hosts in steps.items()
    ]
    only = {before for before, _ in steps}, {after for _, after in steps}
    return DraftChange(
        component=components[0] if len(components) == 1 else "",
        components=components,
        product=source.package or (catalogue[components[0]].title if len(components) == 1 else ""),
        from_version=_version(next(iter(only[0]))) if len(only[0]) == 1 else "",
        to_version=_version(next(iter(only[1]))) if len(only[1]) == 1 else "",
        trigger="firmware" if source.redfish else None,
        present_if=source,
        notes=tuple(notes),
    )


def _version(text: str) -> str:
    """A version, or nothing where the text is more than one."""
    return text if re.fullmatch(r"\S+", text) else ""
