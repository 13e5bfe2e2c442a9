"""Storage under load and under test of its memory, by fio on the host that has it.

A `Job` says what fio does, `run` does it over a host's shell and reads its JSON. All of it goes around the page cache
(O_DIRECT): what memory answers says nothing of storage. Data that is verified is a pattern of the run's own in which
each block tells its place, so that a block that is old, or another one's, is as wrong as a changed one.

Who is to blame: an operation that the device fails, or does not end in time, is a `DeviceFault`. No fio, no target, or
an answer that cannot be understood is `InvalidMeasurement`.
"""

from __future__ import annotations

import errno
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nfvcert.errors import DeviceFault, InvalidMeasurement
from nfvcert.lab import StorageTarget
from nfvcert.measure.steady_state import ROUNDS_AT_LEAST, Window
from nfvcert.protocols import Completed, Shell

__all__ = [
    "Done",
    "Found",
    "Job",
    "Pattern",
    "Unsteady",
    "command",
    "deviations",
    "done",
    "find",
    "inspect_command",
    "run",
]

Pattern = Literal["read", "write", "randread", "randwrite", "randrw"]
SLOWEST_BYTES_PER_S = 1_000_000
"""What is slower than a floppy disk controller is taken for one that has stopped: then a deadline is exceeded."""
SPARE_S = 30.0
"""For fio itself to start and end, and for what is still on its way."""

_DIRECTIONS = {
    "read": ("read",),
    "randread": ("read",),
    "write": ("write",),
    "randwrite": ("write",),
    "randrw": ("read", "write"),
}
# What a device says when it cannot do what it must. All else is a mistake of the lab, or ours.
_OF_THE_DEVICE = {
    *(errno.EIO, errno.ENOSPC, errno.EILSEQ, errno.ENODATA, errno.ETIMEDOUT, errno.EREMOTEIO, errno.EROFS),
    *(errno.ENXIO, errno.ENODEV, errno.EBADMSG, errno.ENOMEDIUM, errno.EBADE, errno.ENOLINK, errno.EDQUOT),
}
_IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass(frozen=True)
class Job:
    """What fio does to a target, from its first byte on."""

    pattern: Pattern
    block_bytes: int
    depth: int
    """Operations at once."""
    span_bytes: int
    """On which part of the target."""
    seconds: float = 0.0
    """How long; 0: until every block of the span has had its turn, once."""
    rounds: int = 0
    """Into how many rounds of equal length the time is divided, each told by itself."""
    nonce: str = ""
    """Eight hexadecimal digits: written are blocks with this pattern and their place, and read ones must have it."""
    goes_on: bool = False
    """Whether errors are counted, and space that is missing is left out; else the first of it ends it."""

    def __post_init__(self) -> None:
        if self.nonce and (not re.fullmatch("[0-9a-f]{8}", self.nonce) or self.seconds):
            raise ValueError("a verified job has eight hexadecimal digits, and touches each block once")
        if self.rounds and (self.rounds < ROUNDS_AT_LEAST or not self.seconds):
            raise ValueError("rounds divide a time, and are as many as a window has")

    @property
    def deadline_s(self) -> float:
        """When it must have ended."""
        before_and_after_s = 1.5 * self.seconds / self.rounds if self.rounds else 0.0
        return (self.seconds or self.span_bytes / SLOWEST_BYTES_PER_S) + before_and_after_s + SPARE_S

    def __str__(self) -> str:
        return f"{self.pattern} of {self.block_bytes} B, {self.depth} at once"


@dataclass(frozen=True)
class Direction:
    """Reads, or writes, that were done."""

    operations: int
    bytes: int
    iops: float
    """Operations per second, on average."""
    latency_s: Mapping[str, float]
    """`p50`, `p99`, `p99.9`, `max`: from the submission of an operation to its completion."""

    @property
    def bytes_per_s(self) -> float:
        """On average."""
        return self.iops * self.bytes / self.operations


@dataclass(frozen=True)
class Done:
    """What fio really did."""

    job: Job
    version: str
    directions: Mapping[str, Direction]
    """`read`, `write`: those that the job has."""
    errors: int
    """Operations that failed, or that gave back something else."""
    error: int
    """The number of the first error; 0 for none."""
    window: Window | None = field(default=None)
    """Operations per second in each round, both directions together."""

    @property
    def operations(self) -> int:
        """Both directions together."""
        return sum(each.operations for each in self.directions.values())

    @property
    def bytes(self) -> int:
        """Both directions together."""
        return sum(each.bytes for each in self.directions.values())


class Unsteady(InvalidMeasurement):
    """Storage did not reach its steady state. ``windows`` are what was measured all the same."""

    def __init__(self, windows: Sequence[Done], where: str) -> None:
        rounds = len(windows[0].window.rounds) if windows[0].window else 0
        curves = "; ".join(str(each.window) for each in windows)
        super().__init__(
            f"{where}, {windows[0].job}: no steady state in {len(windows)} windows of {rounds} rounds of operations "
            f"per second: {curves}"
        )
        self.windows = tuple(windows)


# ── the command ──


def command(job: Job, path: str) -> str:
    """A line for a POSIX shell that prints fio's JSON and, behind a line of dashes, its log of rounds."""
    options = {
        "name": "nfvcert",
        "filename": path.replace(":", "\\:"),
        "ioengine": "libaio",
        "direct": 1,
        "rw": job.pattern,
        "bs": job.block_bytes,
        "iodepth": job.depth,
        "size": job.span_bytes,
        "allow_file_create": 0,
        "fallocate": "none",
        "lat_percentiles": 0,
        "clat_percentiles": 1,
        "percentile_list": "50:99:99.9",
        "output-format": "json",
        "output": "told",
    }
    if job.pattern == "randrw":
        options |= {"rwmixread": 70}
    if job.pattern == "write" or job.nonce:
        options |= {"end_fsync": 1}
    if job.seconds:
        options |= {"time_based": 1, "runtime": f"{job.seconds * 1000:.0f}ms", "norandommap": 1}
    if job.rounds:
        # One round before they count, in which queues and buckets fill; half a one after, since fio tells of a round
        # when it is over.
        round_ms = round(job.seconds * 1000 / job.rounds)
        options |= {"ramp_time": f"{round_ms}ms", "runtime": f"{round_ms * (job.rounds + 0.5):.0f}ms"}
        options |= {"write_iops_log": "rounds", "log_avg_msec": round_ms, "per_job_logs": 0}
    if job.nonce:
        options |= {"verify": "pattern", "verify_pattern": f"0x{job.nonce}%o", "do_verify": 0, "verify_state_save": 0}
    if job.goes_on:
        options |= {"continue_on_error": "all"}
    asked = " ".join(shlex.quote(f"--{name}={value}") for name, value in options.items())
    target = shlex.quote(path)
    return (
        "export LC_ALL=C; fio --version >/dev/null 2>&1 || { echo 'fio is not installed' >&2; exit 127; }; "
        f"[ -e {target} ] || {{ echo 'there is no '{target} >&2; exit 66; }}; "
        'd=$(mktemp -d) && cd "$d" || exit 73; '
        f"timeout --kill-after=2 {job.deadline_s:.0f} fio {asked} >said 2>&1; s=$?; "
        "cat told 2>/dev/null; echo; echo -----; cat rounds_iops.log 2>/dev/null; head -c 4000 said >&2; "
        'cd / && rm -r "$d"; exit $s'
    )


def run(shell: Shell, path: str, job: Job) -> Done:
    """Let fio do a job on a host. Raises DeviceFault, InvalidMeasurement, LabError."""
    ended = shell.run(command(job, path), timeout_s=job.deadline_s + SPARE_S, check=False)
    return done(ended, job, path)


def done(ended: Completed, job: Job, path: str) -> Done:
    """What a command of `command` told. Raises DeviceFault, InvalidMeasurement."""
    where = f"{path} of {ended.host}, {job}"
    if ended.status in (124, 137):
        raise DeviceFault(f"{where}: not ended after {job.deadline_s:.0f} s")
    told, _, log = ended.stdout.partition("\n-----\n")
    try:
        # What fio says of single operations stands before its JSON.
        whole = json.loads(told[told.index("{\n") :])
        (only,) = whole["jobs"]
        error = int(only["error"])
        counted = int(only.get("total_err", 1 if error else 0))
        directions = {name: _direction(only[name]) for name in _DIRECTIONS[job.pattern] if only[name]["total_ios"]}
        version = str(whole["fio version"])
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        said = " ".join((ended.stderr.strip() or ended.stdout.strip() or "nothing").split())
        raise InvalidMeasurement(f"{where}: fio tells no result, but {said[:300]!r}") from problem
    if error and error not in _OF_THE_DEVICE:
        raise InvalidMeasurement(f"{where}: fio cannot work there ({_named(error)})")
    result = Done(job, version, directions, counted, error, _window(log, job) if job.rounds and not error else None)
    if (error or counted) and not job.goes_on:
        raise DeviceFault(f"{where}: {_named(error)} after {result.operations} operations")
    if not error and ended.status != 0:
        raise InvalidMeasurement(f"{where}: fio ended with status {ended.status}: {ended.stderr.strip()[-300:]!r}")
    _was_done(result, where)
    return result


def _direction(told: Mapping[str, Any]) -> Direction:
    latency = told["clat_ns"]
    percentiles = {f"p{float(share):g}": float(ns) * 1e-9 for share, ns in latency["percentile"].items()}
    if not {"p50", "p99", "p99.9"} <= set(percentiles):
        raise LookupError("percentiles are missing")
    return Direction(
        operations=int(told["total_ios"]),
        bytes=int(told["io_bytes"]),
        iops=float(told["iops"]),
        latency_s=percentiles | {"max": float(latency["max"]) * 1e-9},
    )


def _was_done(result: Done, where: str) -> None:
    """Nothing passes on work that was not done."""
    job = result.job
    for name in _DIRECTIONS[job.pattern]:
        if name not in result.directions and not result.errors:
            raise InvalidMeasurement(f"{where}: fio did no single {name}")
    if job.seconds or result.errors or result.bytes == job.span_bytes:
        return
    # fio takes a device without space left for one that is done, and tells of no error.
    if "write" in _DIRECTIONS[job.pattern]:
        if not job.goes_on:
            raise DeviceFault(f"{where}: took {result.bytes} of {job.span_bytes} bytes")
    else:
        raise InvalidMeasurement(f"{where}: fio touched {result.bytes} of {job.span_bytes} bytes")


def _window(log: str, job: Job) -> Window:
    """From lines of `milliseconds, operations per second, direction, …`; one line a round and direction."""
    step = job.seconds * 1000 / job.rounds
    rounds = [0.0] * job.rounds
    seen: set[tuple[int, str]] = set()
    for line in log.strip().splitlines():
        fields = [each.strip() for each in line.split(",")]
        try:
            index = round(int(fields[0]) / step) - 1
            value = float(fields[1])
        except (ValueError, IndexError) as problem:
            raise InvalidMeasurement(f"fio's log of rounds cannot be understood: {line[:100]!r}") from problem
        if 0 <= index < job.rounds and (index, fields[2]) not in seen:
            seen.add((index, fields[2]))
            rounds[index] += value
    # A round without a line is one in which nothing was completed: it counts as that, and is far from steady.
    return Window.of(rounds)


def _named(number: int) -> str:
    words = {
        errno.EILSEQ: "what was read is not what was written",
        errno.EIO: "an I/O error",
        errno.ENOSPC: "no space left",
        errno.ENOTCONN: "nobody serves it any more",
    }
    return words.get(number) or errno.errorcode.get(number, f"error {number}")


# ── the target ──


def inspect_command(path: str) -> str:
    """A line for a POSIX shell that tells what is at a path."""
    return f"""
export LC_ALL=C; p={shlex.quote(path)}
[ -e "$p" ] || {{ echo kind=nothing; exit 0; }}
echo "kind=$(stat -L -c %F "$p")"
echo "filesystem=$(stat -L -f -c %T "$p")"
if [ -b "$p" ]; then
  echo "size=$(blockdev --getsize64 "$p")"
  echo "rotational=$(lsblk -dno ROTA "$p" | tr -d ' ')"
  echo "used=$(lsblk -nro MOUNTPOINT "$p" | tr -d '\\n')"
else
  echo "size=$(stat -L -c %s "$p")"
fi
"""


@dataclass(frozen=True)
class Found:
    """What is at the path of a target."""

    kind: str
    size_bytes: int
    rotational: bool | None

    @property
    def grows(self) -> bool:
        """Whether it ends where its filesystem is full, and not where it is told to."""
        return self.kind == "regular file"


def find(printed: str, host: str, path: str) -> Found:
    """From what `inspect_command` printed. Raises InvalidMeasurement for what must not, or cannot, be written over."""
    told = dict(line.partition("=")[::2] for line in printed.splitlines() if "=" in line)
    kind, filesystem, where = told.get("kind", ""), told.get("filesystem", ""), f"{path} of {host}"
    if kind == "nothing":
        raise InvalidMeasurement(f"{where}: there is no such file or device")
    if kind not in ("block special file", "regular file"):
        raise InvalidMeasurement(f"{where} is no block device and no file with contents, but {kind or 'untold'!r}")
    if used := told.get("used"):
        raise InvalidMeasurement(f"{where} is in use, mounted at {used}: it is not written over")
    if kind == "regular file" and filesystem in _IN_MEMORY:
        raise InvalidMeasurement(f"{where} is in the memory of the host ({filesystem}), which is no storage")
    size = told.get("size", "")
    if not size.isdigit() or int(size) == 0:
        raise InvalidMeasurement(f"{where} does not tell its size: {size!r}")
    if kind == "regular file" and filesystem.startswith("fuse"):
        kind = "fixed file"
    return Found(kind, int(size), {"0": False, "1": True}.get(told.get("rotational", "")))


def deviations(declared: StorageTarget, found: Found) -> list[tuple[str, str, str, bool]]:
    """(aspect, declared, found, whether it deviates) of each aspect that is declared."""
    told = {None: "untold", True: "turns", False: "does not turn"}
    compared = [("size", str(declared.size), str(found.size_bytes), found.size_bytes < declared.size)]
    if declared.rotational is not None:
        differs = found.rotational is not declared.rotational
        compared.append(("rotational", told[declared.rotational], told[found.rotational], differs))
    return compared
