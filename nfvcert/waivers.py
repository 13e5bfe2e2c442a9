"""Waivers as data: who accepts that a release misses a criterion, or that a component stays untested, and until when.

A waiver is for one release unit, never for whatever is installed: the next release is judged anew. It changes no
verdict. A criterion that it speaks of and that is missed stays a FAIL, and no longer rejects the release; what is in
doubt or was not measured is never waived.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from nfvcert.parts import Contradiction, Name, Part, Text
from nfvcert.release import UnitName
from nfvcert.testmodel import AGAINST_BASELINE

__all__ = ["Day", "HeldWaiver", "Waiver", "WaiverFile", "held", "untested_waivers", "waiver_of"]

DAY = r"\d{4}-\d{2}-\d{2}"
SUBJECT = rf"[a-z0-9_]+(\.[a-z0-9_]+){{2,}}(\{{[^{{}}]+\}})?( {AGAINST_BASELINE})?"


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(DAY, value, re.ASCII):
        raise ValueError("a day is needed, like 2026-12-31")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such day") from None


def _subject(value: str) -> str:
    if not re.fullmatch(SUBJECT, value):
        raise ValueError(
            "a criterion is named as the report does: network.failover.outage, or network.latency.p99{frame_bytes=64}"
        )
    return value


Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-12-31"], "pattern": f"^{DAY}$"}),
]
Subject = Annotated[
    str,
    AfterValidator(_subject),
    WithJsonSchema({"type": "string", "examples": ["network.failover.outage"], "pattern": f"^{SUBJECT}$"}),
]


class Waiver(Part):
    """What somebody answers for, of one release unit."""

    criterion: Subject | None = None
    """What may be missed: one criterion, with its conditions, as the report names it."""
    untested: Name | None = None
    """Or: the component that may stay without a test."""
    release: UnitName
    """The release unit that it is for."""
    lab: Name | None = None
    """The lab that it is for; None: every lab."""
    owner: Text
    """Who answers for it."""
    reason: Text
    expires: Day
    """The last day on which it counts (UTC)."""
    ticket: Text | None = None
    """Where the cure is tracked."""

    @model_validator(mode="after")
    def _one_thing(self) -> Waiver:
        if self.criterion is None and self.untested is None:
            raise Contradiction((), "a waiver names a criterion, or a component that stays untested")
        if self.criterion is not None and self.untested is not None:
            raise Contradiction(("untested",), "a waiver is for one thing, and this one names a criterion too")
        return self

    @property
    def subject(self) -> str:
        """What it is for."""
        return self.criterion or self.untested or ""

    @property
    def who_why_until(self) -> str:
        """`J. Doe, until 2026-12-31: spare parts are on their way (OPS-17)`."""
        return f"{self.owner}, until {self.expires}: {self.reason}{f' ({self.ticket})' if self.ticket else ''}"


class WaiverFile(Part):
    """What a file of waivers holds."""

    waivers: tuple[Waiver, ...] = Field(min_length=1)


class HeldWaiver(Waiver):
    """A waiver that is for a stream, as it stands on the day of the run."""

    expired: bool
    file: str
    """Name of the file that it is from."""


def held(waivers: Iterable[tuple[Waiver, str]], *, unit: str | None, lab: str, day: date) -> tuple[HeldWaiver, ...]:
    """Those of some waivers (each with its file's name) that are for a stream of a release unit in a lab.

    None for a lab that is certified as it is: nobody can answer for a release that has no name.
    """
    return tuple(
        HeldWaiver(**dict(waiver), expired=day > waiver.expires, file=file)
        for waiver, file in waivers
        if unit is not None and waiver.release == unit and waiver.lab in (None, lab)
    )


def waiver_of(subject: str, waivers: Sequence[HeldWaiver]) -> HeldWaiver | None:
    """The waiver of a criterion: one that counts, else one that expired, else None."""
    its = [waiver for waiver in waivers if waiver.criterion == subject]
    return min(its, key=lambda waiver: waiver.expired, default=None)


def untested_waivers(waivers: Iterable[HeldWaiver]) -> dict[str, HeldWaiver]:
    """Component → the waiver that lets it stay untested, of those that count."""
    return {waiver.untested: waiver for waiver in waivers if waiver.untested is not None and not waiver.expired}
