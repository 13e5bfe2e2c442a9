"""A release unit made of units that were accepted before: may it build on their acceptance, and what is left to test?

A part counts only as what was accepted: the same products at the same versions, in a lab of the same profile, not too
long ago, in a record that nobody altered or revoked. One part that does not count refuses the whole composition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from nfvcert.judge import Decision
from nfvcert.parts import Part, Text
from nfvcert.release import BuiltOn, Change, ReleaseUnit, Sha256, UnitName

__all__ = [
    "Candidate",
    "CertifiedStream",
    "ComposedPart",
    "Composition",
    "Judge",
    "NotComposed",
    "Revocation",
    "compose",
]

USABLE = frozenset({Decision.ACCEPTED, Decision.ACCEPTED_WITH_CONDITIONS})
CLOCKS_DIFFER = timedelta(minutes=5)
"""A record may be so much newer than now: it may come from another machine."""


class Revocation(Part):
    """A record of acceptance that no longer counts."""

    record: Sha256
    """Digest of its canonical bytes."""
    unit: UnitName
    reason: Text
    owner: Text
    """Who revoked it."""
    on: date


class Judge(Part):
    """A test model, as it judges now or as it judged a part."""

    model: str
    """Name and version."""
    sha256: str
    based_on: str = ""
    """Name and version of what it lies over, where it is an overlay."""
    base_sha256: str = ""
    members: tuple[Judge, ...] = ()
    """The models that judge together, one a domain; none for one that judges alone."""

    def is_as_strict_as(self, other: Judge) -> bool:
        """Whether it is the other one, an overlay on it, which may only tighten, or several of which one is that."""
        if any(member.is_as_strict_as(other) for member in self.members):
            return True
        return (other.model, other.sha256) in {(self.model, self.sha256), (self.based_on, self.base_sha256)}


class CertifiedStream(Part):
    """What a record says of one stream."""

    unit: ReleaseUnit | None
    lab: str
    profile: str
    decision: Decision
    judge: Judge
    tested: tuple[str, ...] = ()
    """Components that it could break, and that a test covered."""
    passed: tuple[str, ...] = ()
    """Tests that passed, by their names in every lab."""
    met: tuple[str, ...] = ()
    """Criteria that decided and were met: subject and bound."""
    conditions: tuple[str, ...] = ()
    expires: date | None = None
    """The last day on which its conditions hold, where one of them has such."""
    within: tuple[str, ...] = ()
    """Digests of all records that it builds on itself, directly or through others."""


class Candidate(Part):
    """A part that the unit names, and what was found of it."""

    built_on: BuiltOn
    problem: str = ""
    """Why its record cannot be used at all; everything below is empty then."""
    digest: str = ""
    """Of the record that was found, computed from its content."""
    finished: str | None = None
    """When its run ended, ISO 8601 with offset; None: it never did."""
    streams: tuple[CertifiedStream, ...] = ()


class ComposedPart(Part):
    """An accepted unit that another one builds on."""

    unit: str
    record: str
    """Digest of its record."""
    age_days: int
    """Whole days since its run ended."""
    decision: Decision
    """The lesser one, where several labs of the profile accepted it."""
    labs: tuple[str, ...]
    components: tuple[str, ...]
    """Components that it changes, and that need no test of their own any more."""
    tested: tuple[str, ...] = ()
    """Components that it could break, and that a test covered in each of the labs."""
    passed: tuple[str, ...] = ()
    """Tests that passed in each of them."""
    met: tuple[str, ...] = ()
    """Criteria that decided and were met in each of them: subject and bound."""
    conditions: tuple[str, ...] = ()
    """Under which it was accepted."""
    within: tuple[str, ...] = ()
    """Digests of all records that it builds on itself, directly or through others."""


class Composition(Part):
    """What a unit builds on."""

    parts: tuple[ComposedPart, ...]
    covered: tuple[str, ...]
    """Components of which every change was accepted as a part: only their integration is left to test."""
    whole: tuple[str, ...]
    """Components that no part covers, or not in every change: they are certified as if there were no parts."""


class NotComposed(Part):
    """The unit cannot build on what it names."""

    because: tuple[str, ...]
    """Sentences, one a reason."""


def compose(
    unit: ReleaseUnit,
    candidates: Sequence[Candidate],
    *,
    profile: str,
    now: datetime,
    valid_days: int,
    revoked: Sequence[Revocation],
    judge: Judge | None = None,
) -> Composition | NotComposed:
    """Build a unit on its parts, for a lab of ``profile``; None of ``judge``: by which model is not known yet.

    ``candidates`` is one for each of the unit's ``builds_on``; ``now`` has an offset; ``valid_days`` is how long the
    test model lets an acceptance count.
    """
    refusals = [
        f"{built_on.unit}: its record was not looked at"
        for built_on in unit.builds_on or ()
        if built_on not in [candidate.built_on for candidate in candidates]
    ]
    parts: list[tuple[Candidate, list[CertifiedStream]]] = []
    covering = set()
    for candidate in candidates:
        streams = [stream for stream in candidate.streams if _is_of(stream, candidate, profile)]
        found = list(_refusals(unit, candidate, streams, profile, now, valid_days, revoked))
        found += _of_judge(streams, judge)
        refusals += [f"{candidate.built_on.unit}: {why}" for why in found]
        if not found:
            parts.append((candidate, streams))
            covering |= {_identity(change) for stream in streams for change in _changes(stream)}
    if refusals:
        return NotComposed(because=tuple(refusals))
    components = dict.fromkeys(change.component for change in unit.changes)
    open_ones = {change.component for change in unit.changes if _identity(change) not in covering}
    return Composition(
        parts=tuple(_part(candidate, streams, now, open_ones) for candidate, streams in parts),
        covered=tuple(name for name in components if name not in open_ones),
        whole=tuple(name for name in components if name in open_ones),
    )


def _refusals(
    unit: ReleaseUnit,
    candidate: Candidate,
    streams: Sequence[CertifiedStream],
    profile: str,
    now: datetime,
    valid_days: int,
    revoked: Sequence[Revocation],
) -> Iterator[str]:
    """Why a part does not count; ``streams`` are those of its record that are of the unit and the profile."""
    named = candidate.built_on
    # Also where the record is gone or altered: the digest that the unit names is what was revoked.
    yield from _revoked({named.sha256, candidate.digest}, "its record", revoked)
    if candidate.problem:
        yield candidate.problem
        return
    if candidate.digest != named.sha256:
        yield f"the digest of its record is {candidate.digest}, and this unit names {named.sha256}"
    yield from _of_age(candidate.finished, now, valid_days)
    yield from _not_of(candidate, streams, profile)
    for stream in streams:
        if stream.decision not in USABLE:
            yield f"it was not accepted in lab {stream.lab}: {stream.decision}"
        if stream.unit is not None:
            yield from _unlike(unit, stream.unit)
            inner = {*(each.sha256 for each in stream.unit.builds_on or ()), *stream.within}
            yield from _revoked(inner, "it builds on a record that", revoked)
        if stream.expires is not None and now.date() > stream.expires:
            yield f"a waiver under which it was accepted in lab {stream.lab} expired on {stream.expires}"


def _of_judge(streams: Sequence[CertifiedStream], judge: Judge | None) -> Iterator[str]:
    """A part is worth what it was judged by."""
    for stream in streams:
        if judge is not None and not stream.judge.is_as_strict_as(judge):
            theirs = f"{stream.judge.model} (sha256 {stream.judge.sha256[:12]})"
            ours = f"{judge.model} as it is now (sha256 {judge.sha256[:12]})"
            yield f"it was judged in lab {stream.lab} by {theirs}, which is neither {ours} nor an overlay on it"


def _of_age(finished: str | None, now: datetime, valid_days: int) -> Iterator[str]:
    if finished is None:
        yield "its run never ended"
        return
    ended = _moment(finished)
    if ended is None:
        yield f"its record does not tell when it ended: {finished!r} is no time with its offset"
    elif ended > now + CLOCKS_DIFFER:
        yield f"it was accepted in the future ({finished}): a clock is wrong"
    elif now - ended > timedelta(days=valid_days):
        age = (now - ended).days
        yield f"its acceptance is {age} days old, and the test model lets it count for {valid_days}"


def _not_of(candidate: Candidate, streams: Sequence[CertifiedStream], profile: str) -> Iterator[str]:
    if streams:
        return
    name = candidate.built_on.unit
    certified = sorted({each.unit.unit if each.unit else f"lab {each.lab} as it is" for each in candidate.streams})
    if name not in certified:
        yield f"its record is about {', '.join(certified) or 'nothing'}"
    else:
        profiles = sorted({each.profile for each in candidate.streams if each.unit and each.unit.unit == name})
        yield f"it was certified for the lab profile {', '.join(profiles)}, and this lab has {profile}"


def _unlike(unit: ReleaseUnit, part: ReleaseUnit) -> Iterator[str]:
    """Where a part is not what the unit contains of it."""
    if part.type == "latest" and unit.type != "latest":
        yield f"it is a latest unit, and nothing of type {unit.type} builds on such a one"
    contained = {_identity(change): change for change in unit.changes}
    for change in part.changes:
        what = f"{change.component} {change.product}"
        here = contained.get(_identity(change))
        if here is None:
            yield f"it changes {what}, which {unit.unit} does not list among its changes"
        elif here.to_version != change.to_version:
            yield f"it was accepted with {what} {change.to_version}, and {unit.unit} brings {here.to_version}"
        elif _artefact(here) != _artefact(change):
            yield f"it was accepted with another artefact of {what} {change.to_version} than {unit.unit} has, or none"


def _revoked(digests: Iterable[str], what: str, revoked: Sequence[Revocation]) -> Iterator[str]:
    for each in revoked:
        if each.record in digests:
            yield f"{what} was revoked on {each.on.isoformat()} by {each.owner}: {each.reason}"


def _is_of(stream: CertifiedStream, candidate: Candidate, profile: str) -> bool:
    return stream.unit is not None and stream.unit.unit == candidate.built_on.unit and stream.profile == profile


def _part(
    candidate: Candidate, streams: Sequence[CertifiedStream], now: datetime, open_ones: Collection[str]
) -> ComposedPart:
    ended = _moment(candidate.finished or "") or now
    conditional = any(stream.decision is Decision.ACCEPTED_WITH_CONDITIONS for stream in streams)
    return ComposedPart(
        unit=candidate.built_on.unit,
        record=candidate.digest,
        age_days=max(0, (now - ended).days),
        decision=Decision.ACCEPTED_WITH_CONDITIONS if conditional else Decision.ACCEPTED,
        labs=tuple(dict.fromkeys(stream.lab for stream in streams)),
        components=tuple(
            dict.fromkeys(
                change.component
                for stream in streams
                for change in _changes(stream)
                if change.component not in open_ones
            )
        ),
        tested=_in_each(stream.tested for stream in streams),
        passed=_in_each(stream.passed for stream in streams),
        met=_in_each(stream.met for stream in streams),
        conditions=tuple(dict.fromkeys(each for stream in streams for each in stream.conditions)),
        within=tuple(dict.fromkeys(each for stream in streams for each in stream.within)),
    )


def _changes(stream: CertifiedStream) -> tuple[Change, ...]:
    return stream.unit.changes if stream.unit else ()


def _identity(change: Change) -> tuple[str, str, str]:
    return change.component, change.vendor.casefold(), change.product.casefold()


def _artefact(change: Change) -> str:
    return change.artefact.sha256 if change.artefact else ""


def _in_each(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """What all of some lists have, in the order of the first."""
    first, *others = (tuple(each) for each in lists)
    return tuple(name for name in dict.fromkeys(first) if all(name in other for other in others))


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
