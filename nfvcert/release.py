"""A release unit as data: what a vendor or the group delivers, as changes that are certified together (ITIL).

Size and class are derived from the changes (`sizing`); a person may raise them and, as there is no key for it, never
lower them. A unit of type `latest` is tested like any other, yet its acceptance is never one for production.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from nfvcert.catalogue import FactSource
from nfvcert.parts import Contradiction, Name, Part, Text
from nfvcert.versions import CHARACTERS, Scheme, compare

__all__ = [
    "Artefact",
    "BuiltOn",
    "Change",
    "KnownIssue",
    "RelativePath",
    "ReleaseUnit",
    "SbomFile",
    "Sha256",
    "Trigger",
    "UnitName",
    "Version",
]

UNIT = r"[a-z0-9]+([.-][a-z0-9]+)*"
UNIT_CHARACTERS = 60
NO_SPACE = r"\S+"
SHA256 = r"[0-9a-fA-F]{64}"


def _unit_name(value: str) -> str:
    if not re.fullmatch(UNIT, value, re.ASCII) or len(value) > UNIT_CHARACTERS:
        raise ValueError(
            "a release unit's name has lower-case letters, digits and single inner dots and dashes, "
            f"{UNIT_CHARACTERS} characters at most"
        )
    return value


def _version(value: str) -> str:
    if not re.fullmatch(NO_SPACE, value):
        raise ValueError("a version has no spaces, and is not empty")
    if len(value) > CHARACTERS:
        raise ValueError(f"a version has {CHARACTERS} characters at most")
    return value


def _sha256(value: str) -> str:
    if not re.fullmatch(SHA256, value):
        raise ValueError("a SHA-256 digest has 64 hexadecimal digits, as sha256sum prints them")
    return value.lower()


def _uri(value: str) -> str:
    if not re.fullmatch(NO_SPACE, value):
        raise ValueError("a URI has no spaces, and is not empty")
    if re.match(r"[^/?#]*//[^/?#]*@", value):
        # A Contradiction, since its sentence does not repeat the value.
        raise Contradiction((), "a URI with a user or a password in it: secrets are never written here")
    return value


def _relative_path(value: str) -> str:
    if value.startswith(("/", "~")) or value != value.strip() or not value or "\0" in value:
        raise ValueError("a path relative to this file is needed, with / between folders")
    return value


UnitName = Annotated[
    str,
    AfterValidator(_unit_name),
    WithJsonSchema(
        {"type": "string", "examples": ["nic-fw-8.30"], "pattern": f"^{UNIT}$", "maxLength": UNIT_CHARACTERS}
    ),
]
Version = Annotated[
    str,
    AfterValidator(_version),
    # Without an example, so that an error about the number 8.20 ends with: quote it.
    WithJsonSchema({"type": "string", "minLength": 1, "pattern": f"^{NO_SPACE}$"}),
]
RelativePath = Annotated[
    str,
    AfterValidator(_relative_path),
    WithJsonSchema({"type": "string", "examples": ["files/nvm-8.30.bin"], "pattern": r"^[^/~\s]"}),
]
Sha256 = Annotated[
    str,
    AfterValidator(_sha256),
    WithJsonSchema({"type": "string", "examples": ["the 64 digits of sha256sum"], "pattern": f"^{SHA256}$"}),
]
Uri = Annotated[
    str,
    AfterValidator(_uri),
    WithJsonSchema(
        {"type": "string", "examples": ["https://downloads.example/nic-8.30.bin"], "pattern": f"^{NO_SPACE}$"}
    ),
]

Trigger: TypeAlias = Literal[
    "hotfix",
    "service-pack",
    "feature",
    "management-model",
    "hardware",
    "driver",
    "firmware",
    "host-os",
    "libvirt",
    "agent",
    "update",
    "upgrade",
    "new-vnf",
    "customisation",
    "swap",
]
"""Why a change is verified. `update` and `upgrade` are those of a VIM, an SDN controller, a VNF or its manager;
`hardware` is an upgrade of equipment, `swap` its routine replacement by a very similar alternative.
"""
OF_TWO_PRODUCTS: frozenset[Trigger] = frozenset({"hardware", "swap"})
"""Changes from one piece of equipment to another: their versions are of two products, so none goes up or down."""


class Artefact(Part):
    """What is installed, so that it can be told from anything else of the same version."""

    uri: Uri
    """Where it is, without user or password."""
    sha256: Sha256
    """Digest of its bytes."""
    path: RelativePath | None = None
    """The file itself, where it is at hand; relative to the unit's file."""


class SbomFile(Part):
    """The vendor's bill of materials of what is delivered (CycloneDX, as JSON or XML)."""

    path: RelativePath
    """Relative to the unit's file."""
    sha256: Sha256
    """Digest of its bytes."""


class KnownIssue(Part):
    """A fault that the vendor tells of himself."""

    id: Text
    """As the vendor calls it."""
    title: Text
    component: Name | None = None
    """Where it is, if it is in one component."""


class BuiltOn(Part):
    """A unit that was accepted by itself, and that this one contains."""

    unit: UnitName
    record: RelativePath
    """Its record.json, relative to the unit's file."""
    sha256: Sha256
    """Digest of the record's canonical bytes."""


class Change(Part):
    """One component that goes from one version to another."""

    component: Name
    """The kind of thing, as the inventories' `components` call it."""
    vendor: Text
    """Who makes the product."""
    product: Text
    """The vendor's name of it."""
    from_version: Version | None = Field(default=None, alias="from")
    """The version in use today; a new VNF has none."""
    to_version: Version = Field(alias="to")
    """The version that is certified."""
    trigger: Trigger
    """Why it is verified."""
    artefact: Artefact | None = None
    rollback: bool = False
    """Whether the version is meant to go down."""
    version_scheme: Scheme | None = None
    """How the product's versions are ordered, where the two do not show it."""
    present_if: FactSource | None = None
    """Which fact of the lab tells the version, where the component catalogue does not know the product."""


class ReleaseUnit(Part):
    """Changes that are certified together, or not at all."""

    unit: UnitName
    """Its name; the file is called the same."""
    title: str = ""
    """One line for people."""
    type: Literal["GA", "maintenance", "latest"]
    """`GA` a vendor's supported release, `maintenance` corrections to one, `latest` whatever is newest.

    What is certified as `latest` is never certified for production.
    """
    maintains: UnitName | None = None
    """Of a maintenance unit: the GA that it corrects."""
    vendor: Text | None = None
    """Who delivers the unit; of a GA, who supports it."""
    class_at_least: Literal["major"] | None = None
    """A person's will that it counts as more than its changes say."""
    size_at_least: Literal["medium", "large"] | None = None
    """Likewise."""
    changes: tuple[Change, ...] = Field(min_length=1)
    known_issues: tuple[KnownIssue, ...] = ()
    sbom: SbomFile | None = None
    builds_on: Annotated[tuple[BuiltOn, ...], Field(min_length=1)] | None = None
    """Units within this one that hold valid acceptance reports."""

    @model_validator(mode="after")
    def _cross_checks(self) -> ReleaseUnit:
        if found := tuple(_contradictions(self)):
            raise found[0].followed_by(found[1:])
        return self


def _contradictions(unit: ReleaseUnit) -> Iterable[Contradiction]:
    yield from _of_the_type(unit)
    seen: dict[tuple[str, str], int] = {}
    for index, change in enumerate(unit.changes):
        at = ("changes", index)
        same = (change.component, change.product.casefold())
        if same in seen:
            problem = f"{change.component} {change.product} changes twice, first in changes[{seen[same]}]"
            yield Contradiction((*at, "product"), problem)
        seen.setdefault(same, index)
        yield from _of_versions(change, at)
    yield from _repeated("known_issues", "id", [issue.id for issue in unit.known_issues])
    built_on = unit.builds_on or ()
    yield from _repeated("builds_on", "unit", [each.unit for each in built_on])
    yield from _repeated("builds_on", "sha256", [each.sha256 for each in built_on])
    for index, each in enumerate(built_on):
        if each.unit == unit.unit:
            yield Contradiction(("builds_on", index, "unit"), f"{unit.unit} builds on itself")


def _of_the_type(unit: ReleaseUnit) -> Iterable[Contradiction]:
    if unit.type == "maintenance" and unit.maintains is None:
        yield Contradiction(("type",), "a maintenance unit names the GA that it corrects: maintains: UNIT is missing")
    elif unit.type != "maintenance" and unit.maintains is not None:
        yield Contradiction(("maintains",), f"only a maintenance unit maintains another, and this one is {unit.type}")
    if unit.maintains == unit.unit:
        yield Contradiction(("maintains",), f"{unit.unit} maintains itself")
    if unit.type == "GA" and unit.vendor is None:
        yield Contradiction(("type",), "a GA unit names the vendor that supports it: vendor is missing")


def _of_versions(change: Change, at: tuple[str, int]) -> Iterable[Contradiction]:
    if change.trigger == "new-vnf":
        if change.from_version is not None:
            problem = f"trigger new-vnf, and yet there was a version {change.from_version} before"
            yield Contradiction((*at, "from"), problem)
        if change.rollback:
            yield Contradiction((*at, "rollback"), "a new VNF has no version to go back to")
        return
    if change.from_version is None:
        yield Contradiction(at, "a change needs the version that it comes from; only a new VNF has none")
        return
    step = f"from {change.from_version} to {change.to_version}"
    if change.from_version == change.to_version:
        yield Contradiction((*at, "to"), f"{step} is no change")
        return
    order = compare(change.from_version, change.to_version, change.version_scheme).order
    if change.rollback and order in ("newer", "same"):
        yield Contradiction((*at, "rollback"), f"a rollback goes to an earlier version, and {step} does not")
    elif change.trigger in OF_TWO_PRODUCTS:
        return
    elif order == "same":
        yield Contradiction((*at, "to"), f"{step} is no change: it is the same version, written differently")
    elif order == "older" and not change.rollback:
        problem = f"{step} goes down: say rollback: true if that is meant, or name the version_scheme that orders them"
        yield Contradiction((*at, "to"), problem)


def _repeated(key: str, name: str, values: Sequence[str]) -> Iterable[Contradiction]:
    for index, value in enumerate(values):
        if value in values[:index]:
            problem = f"{value} is given twice, first in {key}[{values.index(value)}]"
            yield Contradiction((key, index, name), problem)
