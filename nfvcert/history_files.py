"""Reading what was accepted before: the records of a folder of runs, found by an index and read anew where they count.

    reports/
        .history-1.jsonl     the index: a line a record, what it adds to baselines, or why it adds nothing
        20261125-101804-opco-ru/record.json

The index saves reading a thousand records for the three that are needed. It decides nothing: every record of which a
value is compared is read whole, and what the index said otherwise of it is forgotten. It may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from nfvcert.archive import EVENTS, RECORD, read_record
from nfvcert.errors import FileError, UsageError
from nfvcert.gathering import follows
from nfvcert.history import Circumstances, History, LeftOutRun, PastRun, Place, past
from nfvcert.judge import Decision, Verdict
from nfvcert.measure.kpi import Measurement
from nfvcert.parts import Part
from nfvcert.record import Record, StreamRecord, canonical

__all__ = ["INDEX", "Histories"]

INDEX = ".history-1.jsonl"
"""Its number grows with every change of what is taken from a record."""
USABLE = frozenset({Decision.ACCEPTED, Decision.ACCEPTED_WITH_CONDITIONS})
CLOCKS_DIFFER = timedelta(minutes=5)
"""A record may be so much newer than now: it may come from another machine."""
PAST_RUNS = TypeAdapter(tuple[PastRun, ...])
LOOKED_BACK = 200
"""Accepted records of a lab that are looked at, the last ones."""


class _Head(Part):
    """What is known of a record without reading what it measured."""

    folder: str
    size: int
    modified_ns: int
    why: str = ""
    """Why nothing of it counts; empty for a record that is whole."""
    ended: str = ""
    labs: tuple[str, ...] = ()
    """Of its streams that count."""
    others: tuple[str, ...] = ()
    """Of those that do not."""

    @property
    def has_been(self) -> bool:
        """Whether it ended before now."""
        return not self.ended or datetime.fromisoformat(self.ended) <= datetime.now(UTC) + CLOCKS_DIFFER


@dataclass(frozen=True)
class _Indexed:
    """What one record says, as a line of the index keeps it: two pieces of JSON with a tabulator between them."""

    head: _Head
    body: bytes
    """Its streams that count, not parsed: a lab has hundreds, of which a few are needed."""

    @classmethod
    def of(cls, line: bytes) -> _Indexed:
        """Raises ValidationError."""
        head, _, body = line.partition(b"\t")
        return cls(_Head.model_validate_json(head), body.rstrip(b"\n"))

    @property
    def line(self) -> bytes:
        """As `of` reads it."""
        return self.head.model_dump_json(exclude_defaults=True).encode() + b"\t" + self.body + b"\n"


@dataclass(frozen=True)
class _OnDisk:
    """A record as the file system tells of it."""

    folder: Path
    size: int
    modified_ns: int


class Histories:
    """The accepted records of a folder of runs, for each lab. Read once, when first asked."""

    def __init__(self, folder: Path, *, named: str = "", without: str = "", revoked: Collection[str] = ()) -> None:
        """``revoked``: digests of records that no longer count."""
        self._folder = folder
        self._revoked = frozenset(revoked)
        self._named = named or str(folder)
        """What people call it."""
        self._without = without
        """The id of the run that asks: it is never its own history."""
        self._runs: dict[str, _Indexed] | None = None

    @classmethod
    def there(cls, folder: Path, *, named: str, without: str, revoked: Collection[str] = ()) -> Histories:
        """Those of a folder that somebody named. Raises UsageError where there is none."""
        if not folder.is_dir():
            raise UsageError(
                f"--history={named}: there is no such folder", hint="name a folder of runs, as reports/ is"
            )
        return cls(folder, named=named, without=without, revoked=revoked)

    def of(self, lab: str, kpis: Collection[str], last: int, brought: Collection[Place] = ()) -> History:
        """What the last ``last`` accepted records of a lab found of some KPIs, under each of the circumstances.

        ``brought``: facts that the release changes, which tell no two circumstances apart.
        """
        while True:
            accepted = self._accepted(lab)
            found = [run for each in accepted[:LOOKED_BACK] for run in self._runs_of(each, lab)]
            looked_at = [run for run in found if run.record not in self._revoked]
            needed = tuple(_needed(looked_at, kpis, last, brought))
            if not [run for run in needed if self._read_again(run.run)]:
                break
        return History(
            folder=self._named,
            last=last,
            accepted=sum(each.head.labs.count(lab) for each in accepted) - (len(found) - len(looked_at)),
            looked_at=len(looked_at),
            others=sum(each.head.others.count(lab) for each in self._all().values()),
            left_out=(
                *self.left_out(),
                *(LeftOutRun(folder=run.run, why="it was revoked") for run in found if run.record in self._revoked),
            ),
            runs=needed,
        )

    def trend(self, lab: str) -> tuple[PastRun, ...]:
        """All accepted records of a lab, the oldest first."""
        return tuple(run for each in reversed(self._accepted(lab)) for run in self._runs_of(each, lab))

    @property
    def labs(self) -> tuple[str, ...]:
        """The labs of which there is an accepted record."""
        return tuple(sorted({lab for each in self._all().values() for lab in each.head.labs}))

    def left_out(self) -> tuple[LeftOutRun, ...]:
        """Records that are torn, altered, or another's, each with what is wrong."""
        found = []
        for name, each in sorted(self._all().items()):
            why = each.head.why
            if not each.head.has_been:
                why = f"it ended at {each.head.ended}, which is yet to come"
            if why:
                found.append(LeftOutRun(folder=name, why=why))
        return tuple(found)

    def _accepted(self, lab: str) -> list[_Indexed]:
        """The newest first."""
        found = [each for each in self._all().values() if lab in each.head.labs and each.head.has_been]
        return sorted(found, key=lambda each: (each.head.ended, each.head.folder), reverse=True)

    def _runs_of(self, indexed: _Indexed, lab: str) -> Iterator[PastRun]:
        """What a record adds to the history of a lab; where the index cannot be read, it is asked itself."""
        try:
            streams = PAST_RUNS.validate_json(indexed.body)
        except ValidationError:
            self._read_again(indexed.head.folder)
            streams = PAST_RUNS.validate_json(self._all()[indexed.head.folder].body)
        yield from (run for run in streams if run.circumstances.lab == lab)

    # ── the index ──

    def _all(self) -> dict[str, _Indexed]:
        """Folder → what its record says."""
        if self._runs is None:
            known = self._index()
            self._runs, new = {}, []
            for each in _on_disk(self._folder):
                name = each.folder.name
                found = known.get(name)
                if found is None or (found.head.size, found.head.modified_ns) != (each.size, each.modified_ns):
                    found = _read(each)
                    new.append(found)
                self._runs[name] = found
            self._keep(new)
            self._runs.pop(self._without, None)
        return self._runs

    def _index(self) -> dict[str, _Indexed]:
        """Folder → what the index says of it; the later line counts, and one that cannot be read is passed over."""
        found: dict[str, _Indexed] = {}
        with contextlib.suppress(OSError), (self._folder / INDEX).open("rb") as lines:
            for line in lines:
                with contextlib.suppress(ValidationError):
                    indexed = _Indexed.of(line)
                    found[indexed.head.folder] = indexed
        return found

    def _keep(self, new: Iterable[_Indexed]) -> None:
        """Two runs may append at once; where nobody may write, the next one reads the records again."""
        lines = b"".join(each.line for each in new)
        if lines:
            with contextlib.suppress(OSError), (self._folder / INDEX).open("ab", buffering=0) as file:
                file.write(lines)

    def _read_again(self, name: str) -> bool:
        """Read a record whole; whether it says anything else than the index."""
        runs = self._all()
        before = runs[name]
        known = _OnDisk(self._folder / name, before.head.size, before.head.modified_ns)
        found = _read(known, with_events=True)
        if found == before:
            return False
        runs[name] = found
        self._keep([found])
        return True


def _on_disk(folder: Path) -> Iterator[_OnDisk]:
    """Every record; a run that still goes on, or was killed, has none."""
    try:
        entries = [each for each in os.scandir(folder) if not each.name.startswith(".")]
    except OSError:  # the first run makes it
        return
    for each in sorted(entries, key=lambda entry: entry.name):
        if not each.is_symlink():  # such as latest
            with contextlib.suppress(OSError):
                status = (Path(each.path) / RECORD).stat()
                yield _OnDisk(Path(each.path), status.st_size, status.st_mtime_ns)


def _read(record: _OnDisk, *, with_events: bool = False) -> _Indexed:
    """What the record of a folder adds to the history of its labs; ``with_events``: as far as its events say so too."""

    def without(why: str) -> _Indexed:
        head = _Head(folder=record.folder.name, size=record.size, modified_ns=record.modified_ns, why=why)
        return _Indexed(head, b"[]")

    try:
        content = (record.folder / RECORD).read_bytes()
        whole = canonical(json.loads(content)) == content
        read = Record.model_validate_json(content)
    except OSError as error:
        return without(f"{RECORD} cannot be read: {error.strerror}")
    except (ValidationError, ValueError, RecursionError):
        return without(f"{RECORD} is no record of a run, or not all of it")
    if not whole:
        return without(f"{RECORD} has other bytes than nfvcert writes")
    if read.run.run != record.folder.name:
        return without(f"it holds run {read.run.run}: a copy")
    for stream in read.streams:
        if not follows(stream):
            return without(f"its decision {stream.judgement.decision} does not follow from its results")
    if with_events and not _is_of_its_events(read, record.folder):
        return without("its measurements are not those of its events")
    counting = [stream for stream in read.streams if read.finished and not read.interrupted and _counts(stream)]
    streams = tuple(_past_run(read, stream, hashlib.sha256(content).hexdigest()) for stream in counting)
    head = _Head(
        folder=record.folder.name,
        size=record.size,
        modified_ns=record.modified_ns,
        ended=read.finished or "",
        labs=tuple(run.circumstances.lab for run in streams),
        others=tuple(stream.plan.lab.lab for stream in read.streams if stream not in counting),
    )
    return _Indexed(head, PAST_RUNS.dump_json(streams))


def _is_of_its_events(record: Record, folder: Path) -> bool:
    """Whether the events beside a record tell of the same measurements; also where a record is kept alone."""
    if not (folder / EVENTS).exists():
        return True
    try:
        told = read_record(folder)
    except FileError:
        return False
    return [each.measurements for each in told.streams] == [each.measurements for each in record.streams]


def _counts(stream: StreamRecord) -> bool:
    """What is never certified for production sets no standard for it."""
    return stream.judgement.decision in USABLE and (stream.plan.unit is None or stream.plan.unit.type != "latest")


def _past_run(record: Record, stream: StreamRecord, digest: str) -> PastRun:
    plan = stream.plan
    missed = [result.criterion for result in stream.judgement.criteria if result.verdict is Verdict.FAIL]

    def met(measured: Measurement) -> bool:
        """Somebody answers for a miss that is waived, and nobody wants it again."""
        return not any(each.kpi == measured.kpi and measured.meets(each.where) for each in missed)

    return PastRun(
        run=record.run.run,
        record=digest,
        finished=record.finished or "",
        stream=plan.stream,
        release_class=plan.scope.release_class if plan.scope else None,
        circumstances=Circumstances.of(plan.lab, plan.parameters, stream.fingerprint),
        measurements=tuple(past(measured, plan.stream) for measured in stream.measurements if met(measured)),
    )


def _needed(
    accepted: Iterable[PastRun], kpis: Collection[str], last: int, brought: Collection[Place]
) -> Iterator[PastRun]:
    """Of each question under each of the circumstances the last so many, given the newest first."""
    seen: dict[tuple[object, ...], int] = {}
    for run in accepted:
        circumstances = _told_apart(run.circumstances, brought)
        kept = []
        for measured in run.measurements:
            if measured.kpi not in kpis:
                continue
            conditions = json.dumps(measured.conditions, sort_keys=True)
            key = (measured.kpi, measured.case, measured.unit, conditions, measured.generator, circumstances)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] <= last:
                kept.append(measured)
        if kept:
            yield run.model_copy(update={"measurements": tuple(kept)})


def _told_apart(circumstances: Circumstances, brought: Collection[Place]) -> str:
    told = circumstances.model_dump()
    told["facts"] = {
        host: {fact: value for fact, value in facts.items() if (host, fact) not in brought}
        for host, facts in circumstances.facts.items()
    }
    return json.dumps(told, sort_keys=True)
