"""A lab's fingerprint: the facts of all its hosts, as bytes that depend on them alone, and what differs between two."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import model_validator

from nfvcert.parts import Part, Text

__all__ = ["Difference", "LabFacts", "differences", "digest"]

Facts = Mapping[str, Mapping[str, str]]


class LabFacts(Part):
    """The facts of a lab at one moment, as a file."""

    lab: Text
    taken: str
    """UTC, ISO 8601."""
    facts: dict[str, dict[str, str]]
    """Host → fact → value."""
    sha256: str
    """Digest of the facts."""

    @model_validator(mode="after")
    def _unaltered(self) -> LabFacts:
        if self.sha256 != digest(self.facts):
            raise ValueError(f"the digest of these facts is {digest(self.facts)}: they were altered")
        return self


class Difference(NamedTuple):
    """A fact that is not the same in two fingerprints; empty where one does not tell it."""

    host: str
    fact: str
    before: str
    after: str


def digest(facts: Facts) -> str:
    """SHA-256, in hex, of the facts as canonical JSON (sorted keys, no spaces)."""
    plain = {host: dict(told) for host, told in facts.items()}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(before: Facts, after: Facts) -> Iterator[Difference]:
    """What differs, by host and fact."""
    for host in sorted(before.keys() | after.keys()):
        was, is_now = before.get(host, {}), after.get(host, {})
        for fact in sorted(was.keys() | is_now.keys()):
            if was.get(fact) != is_now.get(fact):
                yield Difference(host, fact, was.get(fact, ""), is_now.get(fact, ""))
