"""What a release unit's file points to: artefacts and the bill of materials. (Components: `catalogue_files`.)

Each check refuses what contradicts the unit, at the line of the unit's file that says otherwise; what is not at hand
is told, and never taken for checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nfvcert.parts import KeyPath
from nfvcert.release import ReleaseUnit
from nfvcert.sbom import Sbom, SbomPart, read_sbom
from nfvcert.testmodel_files import problem_in

__all__ = ["ArtefactState", "SbomState", "check_artefacts", "check_sbom"]


@dataclass(frozen=True)
class ArtefactState:
    """What is known of a change's artefact."""

    component: str
    product: str
    uri: str
    file: Path | None
    """Whose digest is the declared one; None: not at hand, so nothing was checked."""


@dataclass(frozen=True)
class SbomState:
    """What the bill of materials says of the unit."""

    file: Path
    product: SbomPart
    """What it is about."""
    parts: int
    differing: tuple[str, ...]
    """Sentences: products of the unit that it lists at another version."""


def check_artefacts(path: Path, unit: ReleaseUnit) -> tuple[ArtefactState, ...]:
    """Compare the artefacts that are at hand with their digests.

    Raises: FileError for one whose path is given and where no file is, and for one with other bytes.
    """
    states = []
    for index, change in enumerate(unit.changes):
        if (artefact := change.artefact) is None:
            continue
        file = None
        if artefact.path is not None:
            file = path.parent / artefact.path
            _check_digest(path, ("changes", index, "artefact"), file, artefact.sha256)
        states.append(ArtefactState(change.component, change.product, artefact.uri, file))
    return tuple(states)


def check_sbom(path: Path, unit: ReleaseUnit) -> SbomState | None:
    """Read the unit's bill of materials; None where it names none.

    Raises: FileError for a file that is missing, has other bytes, is no CycloneDX, or is about another product.
    """
    if unit.sbom is None:
        return None
    file = path.parent / unit.sbom.path
    _check_digest(path, ("sbom",), file, unit.sbom.sha256)
    sbom = read_sbom(file)
    if sbom.product is None:
        raise problem_in(
            path,
            ("sbom", "path"),
            found=f"{unit.sbom.path}, which does not say what it is about (metadata.component)",
            expected="the SBOM of what this unit delivers",
        )
    wanted = dict.fromkeys(_names(unit))
    if (_plain(sbom.product.name), sbom.product.version) not in {(_plain(name), version) for name, version in wanted}:
        raise problem_in(
            path,
            ("sbom", "path"),
            found=f"the SBOM of {sbom.product.name} {sbom.product.version}".rstrip(),
            expected="that of " + " or ".join(f"{name} {version}" for name, version in list(wanted)[:6]),
        )
    return SbomState(file, sbom.product, len(sbom.parts), tuple(_differing(unit, sbom)))


def _check_digest(path: Path, key: KeyPath, file: Path, sha256: str) -> None:
    if not file.is_file():
        expected = "a file" if not file.exists() else "a file, not a folder or device"
        raise problem_in(path, (*key, "path"), found=f"no file at {file}", expected=expected)
    try:
        with file.open("rb") as opened:  # piece by piece: an image may be larger than the memory
            actual = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        problem = f"{file}, which cannot be read: {error.strerror}"
        raise problem_in(path, (*key, "path"), found=problem, expected="a file") from error
    if actual != sha256:
        found = f"{sha256}, and the bytes of {file} have {actual}"
        raise problem_in(path, (*key, "sha256"), found=found, expected="the digest of the file")


def _names(unit: ReleaseUnit) -> Iterator[tuple[str, str]]:
    """(name, version) that a bill of materials of this unit may have.

    A product only with the version that the unit brings of that product, not with one that it brings of another.
    """
    for change in unit.changes:
        yield change.product, change.to_version
        yield f"{change.vendor} {change.product}", change.to_version
    for name in filter(None, (unit.unit, unit.title, unit.vendor)):
        for change in unit.changes:
            yield name, change.to_version
    stem, dash, version = unit.unit.rpartition("-")
    if dash:
        yield stem, version  # network-pack 2026.11 of unit network-pack-2026.11


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("/", " ").split())


def _differing(unit: ReleaseUnit, sbom: Sbom) -> Iterator[str]:
    for change in unit.changes:
        names = {_plain(change.product), _plain(f"{change.vendor} {change.product}")}
        versions = {part.version for part in sbom.parts if _plain(part.name) in names}
        if others := sorted(versions - {change.to_version}):
            told = ", ".join(version or "without a version" for version in others)
            yield f"{change.product} is in it as {told}, and the unit brings {change.to_version}"
