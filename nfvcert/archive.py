"""One folder a run: events appended while it goes, the record and the report written at its end.

reports/20261125-101804-opco-ru/
    events.jsonl      every fact, on disk before the next test starts
    evidence/         per test: commands, trials, raw samples
    record.json       made of the events; canonical bytes
    acceptance.html   the record, for people
    junit.xml         the record, for CI
reports/latest        → the last run
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nfvcert.errors import FileError, StorageError, UsageError
from nfvcert.record import EVENT, Event, Record, from_events

__all__ = ["Archive", "Evidence", "expected_seconds", "read_events", "read_record", "rewrite"]

EVENTS = "events.jsonl"
RECORD = "record.json"
REPORT = "acceptance.html"
JUNIT = "junit.xml"
RESERVE_BYTES = 4 << 20
"""Kept aside in each open run, so that a full disk can still be told of, in a report."""


class Archive:
    """The folder of a run that is going on. Raises StorageError when something cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._events = os.open(folder / EVENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._reserve = folder / ".reserve"
        self._set_aside()

    @classmethod
    def create(cls, reports: Path, what: str) -> Archive:
        """Make the folder of a new run; ``what`` is the readable part of its name.

        Raises UsageError when ``reports`` cannot be written: nothing was measured yet.
        """
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{re.sub(r'[^a-z0-9-]+', '-', what.lower())[:60]}"
        try:
            reports.mkdir(parents=True, exist_ok=True)
            folder = _fresh(reports, name)
            return cls(folder)
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

    def append(self, event: Event) -> None:
        """Put an event on disk; when this returns, a power cut cannot lose it."""
        line = json.dumps(event.model_dump(mode="json", by_alias=True), separators=(",", ":"), allow_nan=False) + "\n"
        with self._storing(EVENTS):
            before = os.fstat(self._events).st_size
            try:
                _write_whole(self._events, line.encode())
                os.fsync(self._events)
            except OSError:
                os.ftruncate(self._events, before)  # half a line would spoil the next one
                raise

    def evidence(self, test: str) -> Evidence:
        """The evidence file of a test, opened at its first entry."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", test.rsplit("/", 1)[-1]).strip("-")[:120]
        return Evidence(self, Path("evidence") / f"{name}.jsonl")

    def events(self) -> list[Event]:
        """All events so far."""
        return list(read_events(self.folder))

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
            self._events = -1

    def discard(self) -> None:
        """Remove the folder of a run that never began."""
        self.close()
        for name in (EVENTS, JUNIT):
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


def expected_seconds(reports: Path, stream: str) -> dict[str, float]:
    """Seconds that each test of a stream took when it last ran; empty when it never did."""
    for path in sorted(reports.glob(f"*/{RECORD}"), reverse=True)[:20]:
        try:
            record = json.loads(path.read_bytes())
            for found in record["streams"]:
                if found["plan"]["stream"] == stream:
                    ended = [test for test in found["tests"] if test["verdict"] in {"PASS", "FAIL"}]
                    return {test["test"]: float(test["seconds"]) for test in ended}  # others broke off, or never began
        except (OSError, ValueError, KeyError, TypeError):
            continue  # an estimate is not worth an error
    return {}


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


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
