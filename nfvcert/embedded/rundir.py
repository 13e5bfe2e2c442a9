"""Where embedded labs live on this machine: the run directory, one folder and one lock a lab.

<run root>/                NFVCERT_RUN_DIR, else /run/nfvcert for root, else below XDG_RUNTIME_DIR
    opco-ru.lock           held while the lab goes up or down; it stays, since removing a lock is a race
    opco-ru/
        state.json         what is up, and who needs it; replaced atomically
        ns/                network namespaces, each pinned by a file (`nsenter --net=FILE` enters one)
        ssh/               the client's key, known_hosts; a folder a host with its key, configuration and log
        emulated/          what hosts tell of themselves: /etc/os-release and the like, a folder a host
        disks/              disks of hosts: what is on them, and where they are mounted
        bmc/               the Redfish service: its password, what it tells, its log
        faults/            which faults are seeded, and by whom
"""

from __future__ import annotations

import os
import select
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from nfvcert.errors import LabError, NotPermitted
from nfvcert.lab import Lab

__all__ = [
    "FABRIC",
    "GENERATOR",
    "Busy",
    "Process",
    "State",
    "end",
    "lab_names",
    "locked",
    "namespace_file",
    "read_state",
    "run_root",
    "write_state",
]

FABRIC = "_fabric"
GENERATOR = "_generator"
"""Namespaces that are no host's: a host's name has no underscore."""


class Busy(LabError):
    """Another process brings this lab up or down at this moment."""


class Process(BaseModel):
    """A process, told apart from a later one with the same number by when it started."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: int
    """Clock ticks since boot (proc_pid_stat(5), field 22)."""

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this number now; None when there is none, or only its exit status is left."""
        try:
            line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = line.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid=pid, started=int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return Process.of(self.pid) == self


def end(process: Process) -> bool:
    """Kill a process, through a handle that is taken before it is looked at; whether it was there to kill."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not process.alive:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], 5.0)  # readable once it has ended
        return True
    finally:
        os.close(handle)


class State(BaseModel):
    """What is known of one lab from one process to the next. All else follows from the inventory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    lab: Lab
    stage: Literal["building", "up"]
    builder: Process
    owner: Process | None
    """Who uses it; None when it stays until somebody takes it down."""
    daemons: dict[str, Process] = {}
    """What must run, by role: `sshd leaf-1`, `ovs-vswitchd vswitch-1`."""


def run_root() -> Path:
    """The run directory of this user, made if it is not there. Raises: NotPermitted."""
    told = os.environ.get("NFVCERT_RUN_DIR")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if told:
        root = Path(told).absolute()
    elif os.geteuid() == 0:
        root = Path("/run/nfvcert")
    elif runtime and Path(runtime).is_dir():
        root = Path(runtime) / "nfvcert"
    else:
        root = Path(tempfile.gettempdir()) / f"nfvcert-{os.geteuid()}"
    try:
        root.mkdir(mode=0o700, parents=bool(told), exist_ok=True)
        found = root.lstat()
    except OSError as error:
        raise NotPermitted(
            f"the run directory {root} cannot be made: {error.strerror}",
            what="run directory",
            hint="name another one in the environment: NFVCERT_RUN_DIR=/path",
        ) from error
    # The name in /tmp can be guessed: a folder that somebody else may write would hand them our keys.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise NotPermitted(
            f"the run directory {root} is not a folder that only this user can write",
            what="run directory",
            hint="name another one in the environment: NFVCERT_RUN_DIR=/path",
        )
    return root


def lab_names(root: Path) -> list[str]:
    """The names of all labs that have a folder in a run directory, half-built ones too."""
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir())


@contextmanager
def locked(folder: Path, *, timeout_s: float = 60.0) -> Iterator[None]:
    """Be the only one to bring the lab of this folder up or down. Raises: Busy when another one is for too long."""
    lock = FileLock(folder.with_suffix(".lock"), timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(
            f"lab {folder.name} is being brought up or down by another process for more than {timeout_s:g} s",
            what=folder.name,
        ) from error
    try:
        yield
    finally:
        lock.release()


def read_state(folder: Path) -> State | None:
    """The state in a lab's folder; None where it has none that makes sense."""
    try:
        return State.model_validate_json((folder / "state.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_state(folder: Path, state: State) -> None:
    """Replace the state in a lab's folder: a reader sees the old or the new one, never half of one."""
    new = folder / "state.new"
    new.write_text(state.model_dump_json(indent=2), encoding="utf-8")
    new.replace(folder / "state.json")


def namespace_file(folder: Path, place: str) -> Path:
    """The file that pins the namespace of a host, of FABRIC or of GENERATOR."""
    return folder / "ns" / place
