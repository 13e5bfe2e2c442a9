"""A campaign as data: which release units are certified in which labs under which test models, and in what order.

An entry names one or several units, labs and models, and stands for each combination of them: a stream.

    unit: ovs-3.3.2,  lab: opco-kz                              ovs-3.3.2@opco-kz
    lab: opco-kz                                                opco-kz
    unit: ovs-3.3.2,  lab: opco-kz,  model: [network, compute]  ovs-3.3.2@opco-kz:network, ovs-3.3.2@opco-kz:compute

The model is in the name only where a campaign has several of them for one unit in one lab.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import product
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from nfvcert.parts import Contradiction, KeyPath, Name, Part, Text
from nfvcert.release import UnitName

__all__ = ["Campaign", "CampaignEntry", "CampaignStream", "Deadline", "stream_name"]

MAX_STREAMS = 1000
"""More than any campaign has; a product of three long lists would fill the memory."""
LISTED = 8
"""Names listed in one sentence."""
MOMENT = r"\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
OFFSET = r"(Z|[+-]\d{2}:\d{2})"


def _deadline(value: object) -> datetime:
    """A moment, its offset kept as it was written."""
    text = value.isoformat() if isinstance(value, datetime) else value
    if not isinstance(text, str) or not re.fullmatch(f"{MOMENT}{OFFSET}?", text, re.ASCII):
        raise ValueError("a deadline is a day and a time with its offset, like 2026-11-27T18:00:00+03:00")
    if not re.search(f"{OFFSET}$", text):
        raise ValueError("a deadline needs its offset from UTC, like +03:00 or Z: labs are in several time zones")
    try:
        moment = datetime.fromisoformat(text)
        moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"there is no such moment ({error})") from None
    return moment


Deadline = Annotated[
    datetime,
    BeforeValidator(_deadline),
    WithJsonSchema(
        {
            "type": "string",
            "examples": ["2026-11-27T18:00:00+03:00"],
            "pattern": f"^{MOMENT}{OFFSET}$",
            "description": "A moment, with its offset from UTC.",
        }
    ),
]
Item = TypeVar("Item")
OneOrMore: TypeAlias = Item | Annotated[tuple[Item, ...], Field(min_length=1)]
"""One name, or a list of them."""


class CampaignEntry(Part):
    """What a person writes for one or several streams."""

    unit: OneOrMore[UnitName] | None = None
    """Release units; without one, the labs are certified as they are."""
    lab: OneOrMore[Name]
    """Labs, by name."""
    model: OneOrMore[Name] | None = None
    """Test models, by name; without one, that of the tests' domain."""
    priority: int = 0
    """Of two streams that could run, the one with the higher priority does."""
    deadline: Deadline | None = None
    """When the streams must be decided."""
    after: Text | tuple[Text, ...] = ()
    """Names of streams that must have ended before these begin."""


@dataclass(frozen=True)
class CampaignStream:
    """One release unit in one lab under one test model."""

    name: str
    """Unique in its campaign."""
    unit: str | None
    """None: the lab as it is."""
    lab: str
    model: str | None
    """None: the model of the tests' domain."""
    priority: int
    """Higher first."""
    deadline: datetime | None
    """With its offset from UTC."""
    after: tuple[str, ...]
    """Names of streams that must have ended before."""
    entry: int
    """Index of the entry of the file that it comes from, counted from 0."""
    named_at: Mapping[str, KeyPath] = field(repr=False, compare=False)
    """Where the file names the unit, the lab and the model; `key` tells it of every key."""

    def key(self, key: Literal["unit", "lab", "model", "priority", "deadline", "after"]) -> KeyPath:
        """Where the campaign's file says that of the stream."""
        return self.named_at.get(key, ("streams", self.entry, key))


def stream_name(unit: str | None, lab: str, model: str | None = None) -> str:
    """`UNIT@LAB`, or `LAB` without a unit; with ``:MODEL`` where a model is given."""
    name = f"{unit}@{lab}" if unit else lab
    return f"{name}:{model}" if model else name


class Campaign(Part):
    """The streams of one run."""

    campaign: Annotated[Name, Field(examples=["2026-w48"])]
    """Its name."""
    title: str = ""
    """One line for people."""
    entries: tuple[CampaignEntry, ...] = Field(min_length=1, alias="streams")

    @model_validator(mode="after")
    def _cross_checks(self) -> Campaign:
        if found := tuple(_contradictions(self)):
            raise found[0].followed_by(found[1:])
        return self

    @cached_property
    def streams(self) -> tuple[CampaignStream, ...]:
        """Every stream, in the order of the file. Their names are unique, and ``after`` leads in no circle."""
        return tuple(_expand(self.entries))

    def unknown_names(
        self, *, units: Iterable[str], labs: Iterable[str], models: Iterable[str]
    ) -> tuple[Contradiction, ...]:
        """A contradiction for each place where the campaign names a unit, a lab or a model that is not known."""
        known: Mapping[Literal["unit", "lab", "model"], tuple[str, list[str]]] = {
            "unit": ("release unit", sorted(units)),
            "lab": ("lab", sorted(labs)),
            "model": ("test model", sorted(models)),
        }
        found: dict[KeyPath, Contradiction] = {}
        for stream in self.streams:
            for kind, (words, names) in known.items():
                name = getattr(stream, kind)
                if name is not None and name not in names:
                    found.setdefault(stream.key(kind), _unknown(stream.key(kind), name, names, words))
        return tuple(found.values())


def _named(index: int, key: str, written: str | Sequence[str] | None) -> list[tuple[KeyPath, Any]]:
    """(where it stands, name) of each name that a key of an entry gives, a repeated one once."""
    at: KeyPath = ("streams", index, key)
    if written is None or isinstance(written, str):
        return [(at, written)]
    return [((*at, written.index(name)), name) for name in dict.fromkeys(written)]


def _expand(entries: Sequence[CampaignEntry]) -> Iterator[CampaignStream]:
    combined = [
        (index, entry, combination)
        for index, entry in enumerate(entries)
        for combination in product(
            _named(index, "unit", entry.unit), _named(index, "lab", entry.lab), _named(index, "model", entry.model)
        )
    ]
    models = Counter((unit, lab) for *_, ((_, unit), (_, lab), _) in combined)
    for index, entry, ((at_unit, unit), (at_lab, lab), (at_model, model)) in combined:
        yield CampaignStream(
            name=stream_name(unit, lab, model if models[unit, lab] > 1 else None),
            unit=unit,
            lab=lab,
            model=model,
            priority=entry.priority,
            deadline=entry.deadline,
            after=(entry.after,) if isinstance(entry.after, str) else entry.after,
            entry=index,
            named_at={"unit": at_unit, "lab": at_lab, "model": at_model},
        )


def _contradictions(campaign: Campaign) -> Iterable[Contradiction]:
    """Yields each contradiction; those of the order come last, since they speak of streams by name."""
    yield from _repetitions(campaign.entries)
    lists = [(entry.unit, entry.lab, entry.model) for entry in campaign.entries]
    number = sum(math.prod(len(each) if isinstance(each, tuple) else 1 for each in names) for names in lists)
    if number > MAX_STREAMS:
        yield Contradiction(("streams",), f"{number} streams; a campaign has {MAX_STREAMS} at most")
        return
    ambiguous = list(_ambiguities(campaign.streams))
    yield from ambiguous
    if not ambiguous:
        yield from _order_contradictions(campaign)


def _repetitions(entries: Sequence[CampaignEntry]) -> Iterable[Contradiction]:
    for index, entry in enumerate(entries):
        for key in ("unit", "lab", "model", "after"):
            written = getattr(entry, key)
            seen: set[str] = set()
            for place, name in enumerate(written if isinstance(written, tuple) else ()):
                if name in seen:
                    yield Contradiction(("streams", index, key, place), f"{name[:60]!r} is in this list already")
                seen.add(name)


def _ambiguities(streams: Sequence[CampaignStream]) -> Iterable[Contradiction]:
    """The same stream twice, or perhaps so: a model that is not named may be the one that is."""
    first: dict[tuple[str | None, str], CampaignStream] = {}
    seen: dict[tuple[str | None, str, str | None], CampaignStream] = {}
    for stream in streams:
        earlier = first.setdefault((stream.unit, stream.lab), stream)
        same = seen.setdefault((stream.unit, stream.lab, stream.model), stream)
        if same is not stream:
            yield Contradiction(stream.key("lab"), f"stream {stream.name} is in streams[{same.entry}] already")
        elif (earlier.model is None) != (stream.model is None):
            name = stream_name(stream.unit, stream.lab)
            how = "with a model" if stream.model is None else "without a model"
            problem = f"{name} is in streams[{earlier.entry}] too, {how}; where there are two, each names its model"
            yield Contradiction(stream.key("model"), problem)


def _order_contradictions(campaign: Campaign) -> Iterable[Contradiction]:
    streams = {stream.name: stream for stream in campaign.streams}
    for index, entry in enumerate(campaign.entries):
        for at, name in _named(index, "after", entry.after):
            if name not in streams:
                yield _unknown(at, name, list(streams), "stream")
            elif streams[name].entry == index:
                yield Contradiction(at, f"{name} would wait for itself")
    if circle := _circle(streams):
        first, second = (*circle, circle[0])[:2]
        index = streams[first].entry
        at = next(at for at, name in _named(index, "after", campaign.entries[index].after) if name == second)
        yield Contradiction(at, f"these streams could never begin: {_in_words(circle)}")


def _circle(streams: Mapping[str, CampaignStream]) -> list[str]:
    """Streams of which each waits for the next one and the last for the first, if there are any."""
    # Who waits for itself is told apart.
    waits_for = {
        name: [each for each in stream.after if each in streams and each != name] for name, stream in streams.items()
    }
    try:
        TopologicalSorter(waits_for).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1][:0:-1]  # graphlib's begins and ends with the same, what must be first before
        start = min(range(len(circle)), key=lambda place: list(streams).index(circle[place]))
        return [*circle[start:], *circle[:start]]
    return []


def _in_words(circle: Sequence[str]) -> str:
    steps = [f"{name} waits for {after}" for name, after in zip(circle, [*circle[1:], circle[0]], strict=True)]
    if len(steps) > LISTED:
        steps[LISTED - 1 : -1] = [f"and so on over {len(steps) - LISTED} more"]
    return ", ".join(steps)


def _unknown(at: KeyPath, name: str, known: Sequence[str], kind: str) -> Contradiction:
    more = f", and {len(known) - LISTED} more" if len(known) > LISTED else ""
    problem = f"no {kind} is named {name[:60]!r} (there are: {', '.join(known[:LISTED]) or 'none'}{more})"
    return Contradiction(at, problem, found=name, choices=known)
