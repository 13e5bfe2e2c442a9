"""A release unit as data: what a vendor or the group delivers, as changes that are certified together (ITIL).

Size and class will be derived from the changes; nothing of that is typed by hand, so no key for it exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from nfvcert.parts import Contradiction, Name, Part, Text

__all__ = ["Artefact", "Change", "ReleaseUnit", "Trigger", "UnitName", "Version"]

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
]
"""Why a change is verified. `update` and `upgrade` are those of a VIM, an SDN controller, a VNF or its manager."""


class Artefact(Part):
    """What is installed, so that it can be told from anything else of the same version."""

    uri: Uri
    """Where it is, without user or password."""
    sha256: Sha256
    """Digest of its bytes."""


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
    present_if: Annotated[dict[Name, Text], Field(min_length=1)] | None = None
    """Kind of fact → which fact of the lab tells the version. Not asked of a lab yet."""


class ReleaseUnit(Part):
    """Changes that are certified together, or not at all."""

    unit: UnitName
    """Its name; the file is called the same."""
    title: str = ""
    """One line for people."""
    type: Literal["GA", "maintenance", "latest"]
    """`GA` a vendor's supported release, `maintenance` corrections to one, `latest` whatever is newest."""
    vendor: Text | None = None
    """Who delivers the unit."""
    changes: tuple[Change, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _cross_checks(self) -> ReleaseUnit:
        if found := tuple(_contradictions(self)):
            raise found[0].followed_by(found[1:])
        return self


def _contradictions(unit: ReleaseUnit) -> Iterable[Contradiction]:
    seen: dict[tuple[str, str], int] = {}
    for index, change in enumerate(unit.changes):
        at = ("changes", index)
        same = (change.component, change.product.casefold())
        if same in seen:
            problem = f"{change.component} {change.product} changes twice, first in changes[{seen[same]}]"
            yield Contradiction((*at, "product"), problem)
        seen.setdefault(same, index)
        if change.trigger == "new-vnf":
            if change.from_version is not None:
                problem = f"trigger new-vnf, and yet there was a version {change.from_version} before"
                yield Contradiction((*at, "from"), problem)
        elif change.from_version is None:
            yield Contradiction(at, "a change needs the version that it comes from; only a new VNF has none")
        elif change.from_version == change.to_version:
            yield Contradiction((*at, "to"), f"from {change.from_version} to {change.to_version} is no change")
