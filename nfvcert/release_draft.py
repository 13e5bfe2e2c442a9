"""A release unit's file that is written for a person: what is known is there, what is not is marked to be filled.

A place to fill is left empty, never guessed, so that `nfvcert release check` refuses the file until somebody fills it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

from nfvcert.catalogue import FactSource
from nfvcert.release import Artefact, KnownIssue, Trigger
from nfvcert.versions import Scheme, compare

__all__ = ["Draft", "DraftChange"]

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./(-][A-Za-z0-9_./()-]*)*", re.ASCII)
NOT_PLAIN = frozenset({"true", "false", "null"})
ONE_OF_TRIGGERS = f"one of {', '.join(get_args(Trigger))}"


@dataclass(frozen=True)
class DraftChange:
    """A change of which a part is known; what is empty is left to fill."""

    component: str = ""
    vendor: str = ""
    product: str = ""
    from_version: str = ""
    to_version: str = ""
    trigger: Trigger | None = None
    scheme: Scheme | None = None
    artefact: Artefact | None = None
    present_if: FactSource | None = None
    notes: tuple[str, ...] = ()
    """Comments above it."""
    components: Sequence[str] = ()
    """Of which components it is one, where that is all that is known."""


@dataclass(frozen=True)
class Draft:
    """A release unit of which a part is known."""

    unit: str
    made_from: str
    """For people: what was compared."""
    changes: Sequence[DraftChange]
    title: str = ""
    type: str = ""
    maintains: str | None = None
    vendor: str = ""
    raised: Iterable[tuple[str, str]] = ()
    """Key and value of class_at_least and size_at_least."""
    known_issues: Sequence[KnownIssue] = ()
    sbom: tuple[str, str] | None = None
    """Path, relative to the file, and digest."""
    notes: Sequence[str] = field(default=())
    """Comments at the end: what also differs, and is no change by itself."""

    def text(self) -> str:
        """The file, as YAML."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# yaml-language-server: $schema=schema/release.schema.json"
        yield f"# {_comment(self.made_from)}"
        yield '# What could not be told is empty, and marked "to fill".'
        yield f"unit: {_scalar(self.unit)}"
        if self.title:
            yield f"title: {_scalar(self.title)}"
        yield _line("type", self.type, "GA, maintenance (then also maintains: the GA that it corrects) or latest")
        if self.maintains:
            yield f"maintains: {_scalar(self.maintains)}"
        if self.vendor or not self.type:  # a unit whose type is known may well have none
            yield _line("vendor", self.vendor, "who delivers it")
        for key, value in self.raised:
            yield f"{key}: {value}"
        yield "changes:"
        for change in self.changes:
            yield from _change(change)
        if self.known_issues:
            yield "known_issues:"
            for issue in self.known_issues:
                yield f"  - id: {_scalar(issue.id)}"
                yield f"    title: {_scalar(issue.title)}"
                if issue.component:
                    yield f"    component: {issue.component}"
        if self.sbom:
            yield f"sbom:\n  path: {_scalar(self.sbom[0])}\n  sha256: {_scalar(self.sbom[1])}"
        for note in self.notes:
            yield f"# {_comment(note)}"


def _change(change: DraftChange) -> Iterator[str]:
    for note in change.notes:
        yield f"  # {_comment(note)}"
    one_of = f"one of {', '.join(change.components)}" if change.components else "its name in components.yaml"
    yield "  - " + _line("component", change.component, one_of)
    yield "    " + _line("vendor", change.vendor, "who makes the product")
    yield "    " + _line("product", change.product, "the vendor's name of it")
    if change.trigger != "new-vnf":
        yield "    " + _line("from", change.from_version, "the version in use today")
    yield "    " + _line("to", change.to_version, "the version that is certified")
    yield "    " + _line("trigger", change.trigger or "", ONE_OF_TRIGGERS)
    if change.from_version and change.to_version:
        order = compare(change.from_version, change.to_version, change.scheme).order
        if order == "older":
            yield "    rollback: true  # the version goes down"
    if change.scheme:
        yield f"    version_scheme: {change.scheme}"
    if change.artefact:
        yield f"    artefact: {{uri: {json.dumps(change.artefact.uri)}, sha256: {json.dumps(change.artefact.sha256)}}}"
    if change.present_if:
        told = change.present_if.model_dump(exclude_none=True)
        yield f"    present_if: {{{', '.join(f'{key}: {_flow(value)}' for key, value in told.items())}}}"


def _line(key: str, value: str, what: str) -> str:
    return f"{key}: {_scalar(value)}" if value else f"{key}:  # to fill: {what}"


def _scalar(text: str) -> str:
    plain = PLAIN.fullmatch(text) and text.casefold() not in NOT_PLAIN
    return text if plain else json.dumps(text, ensure_ascii=False)


def _flow(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[a-z][a-z0-9-]*", text) else json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
