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

from pydantic import ValidationError

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
LOOKED_BACK = 50
"""Accepted records of a lab that are looked at, the last ones."""


class _Indexed(Part):
    """What one record says, as the index keeps it."""

    folder: str
    size: int
    modified_ns: int
    why: str = ""
    """Why nothing of it counts; empty for a record that is whole."""
    others: tuple[str, ...] = ()
    """Labs of its streams that do not count."""
    streams: tuple[PastRun, ...] = ()


@dataclass(frozen=True)
class _OnDisk:
    """A record as the file system tells of it."""

    folder: Path
    size: int
    modified_ns: int


class Histories:
    """The accepted records of a folder of runs, for each lab. Read once, when first asked."""

    def __init__(self, folder: Path, *, named: str = "", without: str = "") -> None:
        self._folder = folder
        self._named = named or str(folder)
        """What people call it."""
        self._without = without
        """The id of the run that asks: it is never its own history."""
        self._runs: dict[str, _Indexed] | None = None

    @classmethod
    def there(cls, folder: Path, *, named: str, without: str) -> Histories:
        """Those of a folder that somebody named. Raises UsageError where there is none."""
        if not folder.is_dir():
            raise UsageError(
                f"--history={named}: there is no such folder", hint="name a folder of runs, as reports/ is"
            )
        return cls(folder, named=named, without=without)

    def of(self, lab: str, kpis: Collection[str], last: int, brought: Collection[Place] = ()) -> History:
        """What the last ``last`` accepted records of a lab found of some KPIs, under each of the circumstances.

        ``brought``: facts that the release changes, which tell no two circumstances apart.
        """
        while True:
            runs = self._all()
            accepted = self._accepted(lab)
            needed = tuple(_needed(accepted[:LOOKED_BACK], kpis, last, brought))
            if not [run for run in needed if self._read_again(run.run)]:
                break
        return History(
            folder=self._named,
            last=last,
            accepted=len(accepted),
            others=sum(each.others.count(lab) for each in runs.values()),
            left_out=tuple(self._left_out()),
            runs=needed,
        )

    def trend(self, lab: str) -> tuple[PastRun, ...]:
        """All accepted records of a lab, the oldest first."""
        return tuple(reversed(self._accepted(lab)))

    @property
    def labs(self) -> tuple[str, ...]:
        """The labs of which there is an accepted record."""
        return tuple(sorted({run.circumstances.lab for each in self._all().values() for run in each.streams}))

    def left_out(self) -> tuple[LeftOutRun, ...]:
        """Records that are torn, altered, or another's, each with what is wrong."""
        return tuple(self._left_out())

    def _accepted(self, lab: str) -> list[PastRun]:
        """The newest first."""
        found = [run for each in self._all().values() for run in each.streams if run.circumstances.lab == lab]
        return sorted((run for run in found if _has_been(run)), key=lambda run: (run.finished, run.run), reverse=True)

    def _left_out(self) -> Iterator[LeftOutRun]:
        for name, each in sorted(self._all().items()):
            if each.why:
                yield LeftOutRun(folder=name, why=each.why)
            elif any(not _has_been(run) for run in each.streams):
                yield LeftOutRun(folder=name, why=f"it ended at {each.streams[0].finished}, which is yet to come")

    # ── the index ──

    def _all(self) -> dict[str, _Indexed]:
        """Folder → what its record says."""
        if self._runs is None:
            known = self._index()
            self._runs, new = {}, []
            for each in _on_disk(self._folder):
                name = each.folder.name
                found = known.get(name)
                if found is None or (found.size, found.modified_ns) != (each.size, each.modified_ns):
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
                    indexed = _Indexed.model_validate_json(line)
                    found[indexed.folder] = indexed
        return found

    def _keep(self, new: Iterable[_Indexed]) -> None:
        """Two runs may append at once; where nobody may write, the next one reads the records again."""
        lines = "".join(f"{each.model_dump_json(exclude_defaults=True)}\n" for each in new)
        if lines:
            with contextlib.suppress(OSError), (self._folder / INDEX).open("ab", buffering=0) as file:
                file.write(lines.encode())

    def _read_again(self, name: str) -> bool:
        """Read a record whole; whether it says anything else than the index."""
        runs = self._all()
        before = runs[name]
        found = _read(_OnDisk(self._folder / name, before.size, before.modified_ns), with_events=True)
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


def _has_been(run: PastRun) -> bool:
    return datetime.fromisoformat(run.finished) <= datetime.now(UTC) + CLOCKS_DIFFER


def _read(record: _OnDisk, *, with_events: bool = False) -> _Indexed:
    """What the record of a folder adds to the history of its labs; ``with_events``: as far as its events say so too."""

    def without(why: str) -> _Indexed:
        return _Indexed(folder=record.folder.name, size=record.size, modified_ns=record.modified_ns, why=why)

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
    return _Indexed(
        folder=record.folder.name,
        size=record.size,
        modified_ns=record.modified_ns,
        others=tuple(stream.plan.lab.lab for stream in read.streams if stream not in counting),
        streams=tuple(_past_run(read, stream, hashlib.sha256(content).hexdigest()) for stream in counting),
    )


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
