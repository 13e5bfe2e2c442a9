"""Faults of disks, which are found by the storage suite, and of the hosts that have them.

`disk-rate-cap`, `slow-disk`, `disk-errors`, `disk-corrupts`, `disk-full`, `small-disk`, `disk-stalls`, `disk-forgets`:
a disk is served anew by another filter or plugin of nbdkit, and keeps what is on it. `no-program`, `no-disk`: a host
has no fio, or does not find its disks; these are faults of the lab.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

from nfvcert.embedded import disks
from nfvcert.embedded.fault import Fault
from nfvcert.embedded.programs import environment
from nfvcert.embedded.rundir import Process, locked, read_state, write_state
from nfvcert.embedded.sites import Sites
from nfvcert.errors import LabError
from nfvcert.lab import EmulatedDisk

__all__ = [
    "DISK_FAULTS",
    "DiskCorrupts",
    "DiskErrors",
    "DiskForgets",
    "DiskFull",
    "DiskRateCap",
    "DiskStalls",
    "NoDisk",
    "NoProgram",
    "SlowDisk",
    "SmallDisk",
]


@dataclass
class _OfDisk(Fault):
    """Base of faults of one disk."""

    name: ClassVar[str]

    host: str
    disk: str

    def check(self, sites: Sites) -> None:
        """The host must have the disk."""
        having = _disks(sites, self.host)
        if self.disk not in having:
            raise LookupError(f"{self.host} has no disk {self.disk!r} (it has {', '.join(having)})")

    def serve(self, sites: Sites, how: list[str] | None) -> Process:
        """Serve the disk anew, as nbdkit is told, or as it is declared."""
        role = disks.role(self.host, self.disk)
        with locked(sites.folder):
            state = read_state(sites.folder)
            if state is None:
                raise LabError(f"lab {sites.lab.lab} is not up", what=self.host)
            disks.remove(sites.folder, self.host, self.disk, state.daemons.get(role))
            process = disks.serve(sites.lab, sites.folder, self.host, self.disk, how)
            write_state(sites.folder, state.model_copy(update={"daemons": state.daemons | {role: process}}))
        return process

    def image(self, sites: Sites) -> Path:
        """What is on the disk."""
        return disks.contents(sites.folder, self.host, self.disk)

    def declared(self, sites: Sites) -> list[str]:
        """How the healthy disk is served."""
        return disks.served(_disks(sites, self.host)[self.disk], self.image(sites))

    def clear(self, sites: Sites) -> None:
        """Serve it as it is declared."""
        self.serve(sites, None)


@dataclass
class _Served(_OfDisk):
    """Base of those that are a matter of how nbdkit serves it."""

    @abstractmethod
    def how(self, sites: Sites) -> list[str]:
        """Arguments of nbdkit."""

    def seed(self, sites: Sites) -> None:
        """Serve it so."""
        self.serve(sites, self.how(sites))


@dataclass
class DiskRateCap(_Served):
    """A disk is slower than it is declared, as one behind a cap for another class of customers."""

    name = "disk-rate-cap"

    bits_per_s: int = 16_000_000

    def how(self, sites: Sites) -> list[str]:
        """With another rate; what comes at once must have room for the largest operation."""
        return ["--filter=rate", "file", f"file={self.image(sites)}", f"rate={self.bits_per_s}", "burstiness=0.5"]


@dataclass
class SlowDisk(_Served):
    """Each operation takes longer, however few there are."""

    name = "slow-disk"

    delay_s: float = 0.03

    def how(self, sites: Sites) -> list[str]:
        """With a delay."""
        delay_ms = f"{self.delay_s * 1000:.0f}ms"
        return ["--filter=delay", *self.declared(sites), f"rdelay={delay_ms}", f"wdelay={delay_ms}"]


@dataclass
class DiskErrors(_Served):
    """One operation in so many fails with an I/O error."""

    name = "disk-errors"

    one_in: int = 100

    def how(self, sites: Sites) -> list[str]:
        """With errors of reads and writes."""
        rate = f"{1 / self.one_in:g}"
        return ["--filter=error", *self.declared(sites), f"error-pread-rate={rate}", f"error-pwrite-rate={rate}"]


@dataclass
class SmallDisk(_Served):
    """A disk is smaller than it is declared."""

    name = "small-disk"

    bytes: int = 8 * 1024 * 1024

    def how(self, sites: Sites) -> list[str]:
        """Cut off."""
        return ["--filter=truncate", *self.declared(sites), f"truncate={self.bytes}"]


@dataclass
class _InShell(_Served):
    """Base of those that no filter of nbdkit has: what a read and a write do is a line for a shell (plugin eval).

    In the lines, ``$3`` is how many bytes, ``$4`` is where; ``$file`` is what is on the disk, ``$n`` counts operations.
    """

    READ: ClassVar[str] = 'dd if="$file" skip=$4 count=$3 iflag=skip_bytes,count_bytes,fullblock bs=1M status=none'
    WRITE: ClassVar[str] = 'dd of="$file" seek=$4 oflag=seek_bytes iflag=fullblock bs=1M conv=notrunc status=none'

    def read(self) -> str:
        """What a read does."""
        return self.READ

    def write(self) -> str:
        """What a write does."""
        return self.WRITE

    def how(self, sites: Sites) -> list[str]:
        """With the two lines, one operation at a time."""
        image = self.image(sites)
        count = "n=$(($(cat $tmpdir/n 2>/dev/null || echo 0) + 1)); echo $n >$tmpdir/n; "
        head = f"file={shlex.quote(str(image))}; {count}"
        size = _disks(sites, self.host)[self.disk].size
        return [
            "eval",
            f"get_size=echo {size}",
            "thread_model=echo serialize_all_requests",
            f"pread={head}{self.read()}",
            f"pwrite={head}{self.write()}",
            "can_flush=exit 0",
            "flush=exit 0",
        ]


@dataclass
class DiskCorrupts(_InShell):
    """One read in so many gives back other bytes than are there, and says that all is well."""

    name = "disk-corrupts"

    one_in: int = 20

    def read(self) -> str:
        """Each byte one higher, now and then."""
        other = f"{self.READ} | tr '\\000-\\377' '\\001-\\377\\000'"
        return f"if [ $((n % {self.one_in})) = 0 ]; then {other}; else {self.READ}; fi"


@dataclass
class DiskForgets(_InShell):
    """One write in so many is confirmed, synced even, and never done."""

    name = "disk-forgets"

    one_in: int = 20

    def write(self) -> str:
        """Taken, and thrown away, now and then."""
        return f"if [ $((n % {self.one_in})) = 0 ]; then cat >/dev/null; else {self.WRITE}; fi"


@dataclass
class DiskFull(_InShell):
    """Behind some place there is no space left, as in a pool that is overcommitted."""

    name = "disk-full"

    bytes: int = 4 * 1024 * 1024

    def write(self) -> str:
        """Refused behind that place."""
        return f"if [ $4 -ge {self.bytes} ]; then echo ENOSPC no space >&2; exit 1; fi; {self.WRITE}"


@dataclass
class DiskStalls(_OfDisk):
    """Again and again, nothing is answered for a while; in between, the disk is as fast as ever."""

    name: ClassVar[str] = "disk-stalls"

    every_s: float = 3.0
    stalled_s: float = 2.4
    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def seed(self, sites: Sites) -> None:
        """Stop and continue its process, from a thread."""
        process = self.serve(sites, None)
        self._stop.clear()
        self._thread = Thread(target=self._toggle, args=(process,), name=self.name, daemon=True)
        self._thread.start()

    def clear(self, sites: Sites) -> None:
        """No more of it."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self.serve(sites, None)

    def _toggle(self, process: Process) -> None:
        while not self._stop.wait(self.every_s - self.stalled_s) and process.alive:
            os.kill(process.pid, signal.SIGSTOP)
            self._stop.wait(self.stalled_s)
            os.kill(process.pid, signal.SIGCONT)


@dataclass
class _Hidden(Fault):
    """Base of faults in which a host does not find something: something else is mounted over it, for this host only."""

    name: ClassVar[str]

    host: str

    def check(self, sites: Sites) -> None:
        """The host must see files of its own."""
        _disks(sites, self.host)

    @property
    @abstractmethod
    def path(self) -> Path:
        """What it does not find."""

    @abstractmethod
    def instead(self, sites: Sites) -> Path:
        """What is there instead."""

    def seed(self, sites: Sites) -> None:
        """Mount it over."""
        _on_host(sites, self.host, "mount", "--bind", str(self.instead(sites)), str(self.path))

    def clear(self, sites: Sites) -> None:
        """Unmount it."""
        _on_host(sites, self.host, "umount", str(self.path))


@dataclass
class NoProgram(_Hidden):
    """A host lacks a program that tests need."""

    name: ClassVar[str] = "no-program"

    program: str = "/usr/bin/fio"

    @property
    def path(self) -> Path:
        """The program."""
        return Path(self.program).resolve()

    def instead(self, sites: Sites) -> Path:
        """A file that nobody can run."""
        del sites
        return Path(os.devnull)


@dataclass
class NoDisk(_Hidden):
    """A host does not find its disks, as after a cable was pulled or a driver does not load."""

    name: ClassVar[str] = "no-disk"

    @property
    def path(self) -> Path:
        """Where they are."""
        return disks.MOUNTED_AT

    def instead(self, sites: Sites) -> Path:
        """A folder without any."""
        empty = sites.folder / "disks" / self.host / "none"
        empty.mkdir(exist_ok=True)
        return empty


def _disks(sites: Sites, host: str) -> dict[str, EmulatedDisk]:
    """Raises: LookupError for an unknown host; LabError where it has no disks."""
    if host not in sites.lab.hosts:
        raise LookupError(f"lab {sites.lab.lab} has no host {host!r} (it has {', '.join(sites.lab.hosts)})")
    if not (having := disks.disks_of(sites.lab, host)):
        raise LabError(f"{host} of lab {sites.lab.lab} does not emulate disks", what=host)
    return having


def _on_host(sites: Sites, host: str, *command: str) -> None:
    """Run a command in the mount namespace of a host's sshd. Raises LabError."""
    state = read_state(sites.folder)
    sshd = state.daemons.get(f"sshd {host}") if state else None
    if sshd is None or not sshd.alive:
        raise LabError(f"the sshd of host {host} is gone", what=host)
    where = f"/proc/{sshd.pid}/ns/mnt"
    if Path(where).stat() == Path("/proc/self/ns/mnt").stat():  # it would be mounted over this machine's
        raise LabError(f"host {host} of lab {sites.lab.lab} has no files of its own", what=host)
    ended = subprocess.run(
        ["nsenter", f"--mount={where}", *command], capture_output=True, text=True, check=False, env=environment()
    )
    if ended.returncode != 0:
        raise LabError(f"{command[0]} on host {host}: {ended.stderr.strip()}", what=host)


DISK_FAULTS: tuple[type[Fault], ...] = (
    *(DiskRateCap, SlowDisk, DiskErrors, SmallDisk, DiskCorrupts, DiskForgets, DiskFull, DiskStalls),
    *(NoProgram, NoDisk),
)
"""Those of this module."""
