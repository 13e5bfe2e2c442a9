"""The run's folder: durable at every event, honest about damage, and never half-written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfvcert.archive import EVENTS, Archive, Durations, read_events, read_record, rewrite
from nfvcert.errors import FileError, StorageError, UsageError
from nfvcert.judge import Decision
from nfvcert.record import Event
from nfvcert.testcase import case_of
from tests.core.builders import TEST, accepted_run


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive.create(tmp_path / "reports", "opco-ru")
    yield made
    made.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 MiB."""
    where = tmp_path / "small"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", where], check=True)
    yield where
    subprocess.run(["umount", where], check=True)


def test_an_event_is_on_disk_when_append_returns(archive: Archive) -> None:
    for count, event in enumerate(accepted_run(), start=1):
        archive.append(event)
        assert len(list(read_events(archive.folder))) == count
    assert read_record(archive.folder).streams[0].judgement.decision is Decision.ACCEPTED


def test_events_survive_kill_9(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from nfvcert.archive import Archive; from tests.core.builders import accepted_run\n"
        "archive = Archive.create(Path(sys.argv[1]), 'opco-ru')\n"
        "for event in accepted_run()[:3]: archive.append(event)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "r"], check=False, cwd=root, env=os.environ | {"PYTHONPATH": "."}
    )
    assert ended.returncode == -9
    (folder,) = (tmp_path / "r").glob("*-opco-ru")
    record, report = rewrite(folder)
    assert record.interrupted
    assert len(record.streams[0].measurements) == 1
    assert report.read_text().startswith("<!")


def test_a_torn_last_line_is_passed_over(archive: Archive) -> None:
    for event in accepted_run():
        archive.append(event)
    with (archive.folder / EVENTS).open("ab") as file:
        file.write(b'{"event":"measured","stre')
    assert len(list(read_events(archive.folder))) == 5


def test_a_damaged_line_is_an_error_with_its_number(archive: Archive) -> None:
    for event in accepted_run():
        archive.append(event)
    path = archive.folder / EVENTS
    path.write_bytes(path.read_bytes().replace(b'"event":"measured"', b'"event":"measurfd"'))
    with pytest.raises(FileError, match=r"events\.jsonl:3: this is no event"):
        list(read_events(archive.folder))


def test_a_full_disk_is_a_storage_error_and_leaves_room_for_last_words(small_disk: Path) -> None:
    archive = Archive.create(small_disk, "opco-ru")
    events = accepted_run()
    archive.append(events[0])
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"\0" * (free.f_bavail * free.f_frsize))
    with pytest.raises(StorageError, match="No space left"):
        _append_for_ever(archive, events[1])
    archive.free_reserve()
    before = len(archive.events())
    archive.append(events[-1])
    assert len(archive.events()) == before + 1
    assert archive.write("acceptance.html", b"x" * (1 << 20)).stat().st_size == 1 << 20
    archive.close()


def _append_for_ever(archive: Archive, event: Event) -> None:
    while True:
        archive.append(event)


def test_a_file_is_written_whole_or_not_at_all(small_disk: Path) -> None:
    archive = Archive.create(small_disk, "opco-ru")
    archive.write("record.json", b"first")
    with pytest.raises(StorageError, match="No space left"):
        archive.write("record.json", b"x" * (16 << 20))
    assert (archive.folder / "record.json").read_bytes() == b"first"
    assert not list(archive.folder.glob(".record*"))
    archive.close()


def test_reports_that_cannot_be_written_are_a_usage_error(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path], check=True)
    try:
        with pytest.raises(UsageError, match="Read-only file system") as caught:
            Archive.create(tmp_path / "reports", "opco-ru")
        assert "--reports" in str(caught.value)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_file_in_the_place_of_the_folder_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(UsageError, match="results cannot be kept"):
        Archive.create(tmp_path / "reports", "opco-ru")


def test_two_runs_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    archives = [Archive.create(tmp_path, "opco-ru") for _ in range(3)]
    assert len({archive.folder for archive in archives}) == 3
    for archive in archives:
        archive.close()


def test_latest_points_at_the_last_run(tmp_path: Path) -> None:
    for name in ("first", "second"):
        archive = Archive.create(tmp_path, name)
        archive.point_latest()
        archive.close()
    assert (tmp_path / "latest").resolve().name.endswith("-second")


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    Archive.create(tmp_path, "opco-ru").discard()
    assert list(tmp_path.iterdir()) == []


def test_files_can_be_read_by_others(archive: Archive) -> None:
    mode = archive.write("record.json", b"x").stat().st_mode
    assert stat.S_IMODE(mode) == 0o644


def test_durations_come_from_the_last_run_of_the_lab(archive: Archive) -> None:
    for event in accepted_run():
        archive.append(event)
    archive.write("record.json", read_record(archive.folder).canonical())
    took = Durations(archive.folder.parent, ["opco-ru", "opco-kz"])
    case = case_of(TEST, "opco-ru")
    assert took.of("opco-ru") == {case: 1.5}
    assert took.of("opco-kz") == {case: 1.5}, "a lab that never ran it: as long as elsewhere"


def test_no_run_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no run can be read there"):
        read_record(tmp_path)


def test_evidence_is_a_line_an_entry(archive: Archive) -> None:
    evidence = archive.evidence("suites/network/test_x.py::test_x[opco-ru-64B]")
    assert evidence.is_empty
    evidence.add("command", {"host": "leaf-1", "status": 0})
    (line,) = (archive.folder / evidence.path).read_text().splitlines()
    assert json.loads(line) == {"kind": "command", "host": "leaf-1", "status": 0}
    assert "[" not in evidence.path.name
