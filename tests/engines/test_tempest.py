"""What is read of tempest's results: a stream that is cut short or damaged makes no test pass."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from nfvcert import environments
from nfvcert.engines import command, tempest
from nfvcert.errors import EngineError
from nfvcert.foreign import ForeignTest, compared
from nfvcert.judge import Verdict

STREAM = """
import sys
from datetime import datetime, timezone
from subunit.v2 import StreamResultToBytes
out = StreamResultToBytes(sys.stdout.buffer)
for name in ("a.A.one[id-1,smoke]", "a.A.two[id-2]"):
    out.status(test_id=name, test_status="exists")
for name, end in (("a.A.one[id-1,smoke]", "success"), ("a.A.two[id-2]", "fail")):
    out.status(test_id=name, test_status="inprogress", timestamp=datetime.now(timezone.utc))
    out.status(test_id=name, file_name="traceback", file_bytes=b"ValueError: no", mime_type="text/plain;charset=utf8")
    out.status(test_id=name, test_status=end, timestamp=datetime.now(timezone.utc))
"""
TESTS = (ForeignTest(name="a.A.one", id="id-1"), ForeignTest(name="a.A.two", id="id-2"))


@pytest.fixture(scope="module")
def environment() -> Path:
    return environments.make("tempest", tempest.LOCK)


@pytest.fixture(scope="module")
def stream(environment: Path) -> bytes:
    python = [str(environment / "bin" / "python"), "-c", STREAM]
    return subprocess.run(python, capture_output=True, check=True).stdout


def verdicts(environment: Path, folder: Path, stream: bytes) -> list[Verdict]:
    (folder / "stream").write_bytes(stream)
    outcomes = tempest.read_stream(environment, folder / "stream", folder)
    return [result.verdict for result in compared("tempest", TESTS, outcomes)]


def test_a_whole_stream_tells_what_became_of_each(environment: Path, stream: bytes, tmp_path: Path) -> None:
    assert verdicts(environment, tmp_path, stream) == [Verdict.PASS, Verdict.FAIL]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9])
def test_a_stream_that_is_cut_short_passes_nothing_that_did_not_end(
    share: float, environment: Path, stream: bytes, tmp_path: Path
) -> None:
    cut = stream[: int(share * len(stream))]
    try:
        found = verdicts(environment, tmp_path, cut)
    except EngineError:
        return
    assert found[1] is Verdict.NOT_RUN
    assert found[0] is Verdict.NOT_RUN or share >= 0.5


def test_a_damaged_stream_is_an_error(environment: Path, stream: bytes, tmp_path: Path) -> None:
    middle = len(stream) // 2
    with pytest.raises(EngineError, match="damaged or cut short"):
        verdicts(environment, tmp_path, stream[:middle] + b"\xb3\xff\xff" + stream[middle + 3 :])


def test_a_command_that_cannot_be_started_or_does_not_end_is_told(tmp_path: Path) -> None:
    assert "No such file" in command.run(["/nowhere/tempest"], tmp_path, timeout_s=5).last
    ended = command.run(["sleep", "60"], tmp_path, timeout_s=0.3)
    assert (ended.well, ended.how) == (False, "did not end in time")


def test_what_a_command_started_ends_with_it(tmp_path: Path) -> None:
    command.run(["sh", "-c", "sleep 60 & echo $! > pid"], tmp_path, timeout_s=5)
    left = Path("/proc", (tmp_path / "pid").read_text().strip(), "cmdline")
    deadline = time.monotonic() + 5
    while left.exists() and left.read_bytes():  # one that is dead and not yet buried has no words
        assert time.monotonic() < deadline
        time.sleep(0.05)
