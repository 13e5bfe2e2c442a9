"""One folder a run: events appended while it goes, the record and the report written at its end.

reports/20261125-101804-opco-ru/
    plan.json         what is going to be done; plan.html shows it
    events.jsonl      every fact, on disk before the next test starts
    evidence/         per test: commands, trials, raw samples
    record.json       made of the events; canonical bytes
    acceptance.html   the record, for people
    junit.xml         the record, for CI
reports/latest        → the last run
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nfvcert.errors import FileError, StorageError, UsageError
from nfvcert.gathering import from_events
from nfvcert.record import EVENT, Event, LabFingerprinted, Record
from nfvcert.testcase import case_of

__all__ = [
    "Archive",
    "Durations",
    "Evidence",
    "find_newest",
    "find_run",
    "goes_on",
    "read_events",
    "read_record",
    "rewrite",
    "undisturbed",
]

EVENTS = "events.jsonl"
RECORD = "record.json"
REPORT = "acceptance.html"
JUNIT = "junit.xml"
PLAN = "plan.json"
PLAN_PAGE = "plan.html"
LOOKED = b'"event":"lab-fingerprinted"'
GOING_ON = ".going-on"
"""Locked by every process of a run, so that nobody resumes it while one of them still writes."""
RESERVE_BYTES = 4 << 20
"""Kept aside in each open run, so that a full disk can still be told of, in a report."""


class Archive:
    """The folder of a run that is going on. Raises StorageError when something cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._going_on = _hold(folder)
        self._events = self._open_events()
        self._reserve = folder / ".reserve"
        self._set_aside()

    @classmethod
    def open_again(cls, folder: Path) -> Archive:
        """The folder of a run that ended before its time. Raises UsageError when it still goes on, StorageError."""
        try:
            archive = cls(folder)
        except BlockingIOError:
            raise UsageError(f"run {folder.name} still goes on: see `nfvcert status {folder}`") from None
        archive.mend()
        return archive

    def in_worker(self) -> None:
        """After a fork: have files of one's own, so that lines of two processes do not mix."""
        os.close(self._events)
        self._events = self._open_events()

    def _open_events(self) -> int:
        return os.open(self.folder / EVENTS, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def mend(self) -> None:
        """Cut off a last line that was torn by a kill: the next event would be glued to it. Raises StorageError."""
        with self._storing(EVENTS):
            _end_of_lines(self._events)

    @classmethod
    def create(cls, reports: Path, what: str) -> Archive:
        """Make the folder of a new run; ``what`` is the readable part of its name.

        Raises UsageError when ``reports`` cannot be written: nothing was measured yet.
        """
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{re.sub(r'[^a-z0-9-]+', '-', what.lower())[:60]}"
        try:
            reports.mkdir(parents=True, exist_ok=True)
            folder = _fresh(reports, name)
            archive = cls(folder)
            for changed in (folder, reports):  # a file is safe from a power cut when its name is
                _sync(changed)
            return archive  # noqa: TRY300 - what fails here is told below
        except StorageError as error:
            raise UsageError(f"results cannot be kept in {reports}: {error.sentence}") from error
        except OSError as error:
            raise UsageError(
                f"results cannot be kept in {reports}: {error.strerror}",
                hint="name a folder that can be written with --reports DIR",
            ) from error

    @property
    def run(self) -> str:
        """The run's id: the name of its folder."""
        return self.folder.name

    @property
    def has_events(self) -> bool:
        """Whether anything was told of this run."""
        return os.fstat(self._events).st_size > 0

    def append(self, event: Event, *, durable: bool = True) -> None:
        """Put an event on disk; when this returns, a power cut cannot lose it (unless not ``durable``)."""
        line = json.dumps(event.model_dump(mode="json", by_alias=True), separators=(",", ":"), allow_nan=False) + "\n"
        with self._storing(EVENTS), undisturbed():
            fcntl.flock(self._events, fcntl.LOCK_EX)  # other workers append too
            try:
                before = _end_of_lines(self._events)
                try:
                    _write_whole(self._events, line.encode())
                except OSError:
                    os.ftruncate(self._events, before)  # half a line would spoil the next one
                    raise
            finally:
                fcntl.flock(self._events, fcntl.LOCK_UN)
            if durable:
                os.fsync(self._events)

    def evidence(self, test: str) -> Evidence:
        """The evidence file of a test, opened at its first entry."""
        short = test.rsplit("/", 1)[-1]
        name = re.sub(r"[^A-Za-z0-9_.@-]+", "-", short).strip("-")[:120]
        if "@" in name or len(short) > 120:  # a@b-c and a-b@c, or two long ones, must not share a file
            name = f"{name[:110]}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"
        return Evidence(self, Path("evidence") / f"{name}.jsonl")

    def events(self) -> list[Event]:
        """All events so far."""
        return list(read_events(self.folder))

    def fingerprint(self, stream: str) -> dict[str, dict[str, str]]:
        """What the lab of a stream told when it was first asked, whichever process of the run asked; empty before."""
        with (self.folder / EVENTS).open("rb") as lines:
            for line in lines:
                if LOOKED in line and line.endswith(b"\n"):
                    event = EVENT.validate_json(line)
                    if isinstance(event, LabFingerprinted) and event.stream == stream:
                        return event.fingerprint
        return {}

    def write(self, name: str, content: bytes) -> Path:
        """Write a file of the run, atomically: whole or not at all."""
        return _write_atomically(self.folder, name, content)

    def free_reserve(self) -> None:
        """Give back the space set aside: the run is about to write its last words."""
        self._reserve.unlink(missing_ok=True)

    def point_latest(self) -> None:
        """Let ``latest`` beside the folder point at this run."""
        with self._storing("latest"):
            temporary = self.folder.parent / f".latest.{os.getpid()}"
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.folder.name)
            temporary.replace(self.folder.parent / "latest")

    def close(self) -> None:
        """Close the files. The folder stays."""
        self.free_reserve()
        if self._events >= 0:
            os.close(self._events)
            os.close(self._going_on)
            self._events = -1

    def discard(self) -> None:
        """Remove the folder of a run that never began."""
        self.close()
        for name in (EVENTS, JUNIT, GOING_ON):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else was put there: keep it
            self.folder.rmdir()

    def _set_aside(self) -> None:
        with self._storing(self._reserve.name), self._reserve.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)

    def _storing(self, name: str) -> contextlib.AbstractContextManager[None]:
        return _storing(self.folder / name)


class Evidence:
    """What a test did and saw, line by line: commands, trials, samples."""

    def __init__(self, archive: Archive, path: Path) -> None:
        self.path = path
        """Relative to the run's folder."""
        self._archive = archive
        self.is_empty = True

    def add(self, kind: str, entry: Mapping[str, Any]) -> None:
        """Append one entry. Raises StorageError."""
        target = self._archive.folder / self.path
        with _storing(target):
            target.parent.mkdir(exist_ok=True)
            with target.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, **entry}, separators=(",", ":"), default=str) + "\n")
        self.is_empty = False


def read_events(folder: Path) -> Iterator[Event]:
    """The events of a run. A last line that was torn by a kill is passed over; other damage is a FileError."""
    path = folder / EVENTS
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FileError(path, problem=f"no run can be read there: {error.strerror}") from error
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield EVENT.validate_json(line)
        except ValidationError as error:
            raise FileError(path, line=number, problem=f"this is no event ({error.error_count()} problems)") from error


def read_record(folder: Path) -> Record:
    """The record of a run, made anew from its events. Raises FileError."""
    try:
        return from_events(read_events(folder))
    except (ValueError, KeyError) as error:
        raise FileError(folder / EVENTS, problem=f"the events make no record: {error}") from error


def rewrite(folder: Path) -> tuple[Record, Path]:
    """Write record and report of a run anew from its events, as after a kill. Raises FileError, StorageError."""
    record = read_record(folder)
    from nfvcert.render.acceptance import html

    _write_atomically(folder, RECORD, record.canonical())
    return record, _write_atomically(folder, REPORT, html(record).encode())


def goes_on(folder: Path) -> bool:
    """Whether some process of a run is still there."""
    try:
        os.close(_hold(folder))
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def find_run(named: str, reports: Path) -> Path:
    """The folder of a run, given as a path, as an id, or as `latest`. Raises UsageError."""
    if named == "latest":
        return find_newest(reports)
    for folder in (Path(named), reports / named):
        if (folder / EVENTS).is_file():
            return folder.resolve()
    known = sorted((path.parent.name for path in reports.glob(f"2*/{EVENTS}")), reverse=True)[:5]
    raise UsageError(
        f"there is no run {named!r}, neither as a folder nor in {reports}",
        hint=f"the last ones are: {', '.join(known)}" if known else "",
    )


def find_newest(reports: Path) -> Path:
    """The folder of the run that was begun last. Raises UsageError where there is none."""
    folders = sorted(path.parent for path in reports.glob(f"2*/{EVENTS}"))
    if not folders:
        raise UsageError(f"there is no run in {reports}")
    return folders[-1]


class Durations:
    """How long tests took when they last ran: in the same lab, else in any."""

    def __init__(self, reports: Path, labs: Iterable[str]) -> None:
        self._of: dict[str, dict[str, float]] = {}
        self._anywhere: dict[str, float] = {}
        wanted = set(labs)
        for path in sorted(reports.glob(f"*/{RECORD}"), reverse=True)[:20]:
            if wanted <= set(self._of):
                break
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # an estimate is not worth an error
                self._learn(json.loads(path.read_bytes()))

    def of(self, lab: str) -> Mapping[str, float]:
        """Case → seconds."""
        return {**self._anywhere, **self._of.get(lab, {})}

    def _learn(self, record: Mapping[str, Any]) -> None:
        for found in record["streams"]:
            stream, lab = found["plan"]["stream"], found["plan"]["lab"]["lab"]
            for test in found["tests"]:
                if test["verdict"] in {"PASS", "FAIL"}:  # others broke off, or never began
                    case = case_of(test["test"], stream)
                    self._of.setdefault(lab, {}).setdefault(case, float(test["seconds"]))
                    self._anywhere.setdefault(case, float(test["seconds"]))


def _hold(folder: Path) -> int:
    """A lock that lasts until the last process that inherited it is gone. Raises BlockingIOError."""
    lock = os.open(folder / GOING_ON, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    return lock


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error


def _write_atomically(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    with _storing(path):
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return path


def _fresh(reports: Path, name: str) -> Path:
    for attempt in range(1, 1000):
        folder = reports / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise UsageError(f"{reports} has a thousand runs named {name}")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and time limits wait: what is written must not be torn by the error that they raise."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        # A handler that is due runs within this call, which may raise: hence the look before.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGALRM})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_of_lines(descriptor: int) -> int:
    """The size of a file of lines, after cutting off what a writer that was killed has left of its last one."""
    size = os.fstat(descriptor).st_size
    end = size
    while end and os.pread(descriptor, 1, end - 1) != b"\n":
        block = max(0, end - 4096)
        end = block + os.pread(descriptor, end - block, block).rfind(b"\n") + 1
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
