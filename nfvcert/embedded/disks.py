"""Disks of embedded hosts: files of this machine, served by nbdkit and mounted by nbdfuse as one file each.

A host finds its disks below /mnt. They need FUSE, and no loop device: an ordinary user has them too. What happens to an
operation on its way (a rate, a delay, an error) is a filter of nbdkit, so a disk that breaks is served anew in another
way (`disk_faults`), and keeps what is on it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from nfvcert.embedded.namespaces import in_namespace, share, unmount
from nfvcert.embedded.programs import environment, program
from nfvcert.embedded.rundir import FABRIC, Process, end, namespace_file
from nfvcert.errors import LabError
from nfvcert.lab import EmulatedDisk, Lab

__all__ = ["MOUNTED_AT", "PROGRAMS", "contents", "disks_of", "mounts", "prepare", "remove", "role", "serve", "served"]

MOUNTED_AT = Path("/mnt")
"""Where a host finds its disks."""
PROGRAMS = ("nbdkit", "nbdfuse")
START_TIMEOUT_S = 10.0
_FUSE = Path("/dev/fuse")


def disks_of(lab: Lab, host: str) -> dict[str, EmulatedDisk]:
    """Name → disk of a host."""
    emulates = lab.hosts[host].emulates
    return dict(emulates.disks) if emulates else {}


def role(host: str, disk: str) -> str:
    """What the process of a disk is called in the state of its lab."""
    return f"disk {host}/{disk}"


def mounts(folder: Path, host: str) -> Path:
    """The folder that a host sees as `MOUNTED_AT`."""
    return folder / "disks" / host / "mnt"


def contents(folder: Path, host: str, disk: str) -> Path:
    """The file of this machine that holds what is on a disk."""
    return folder / "disks" / host / f"{disk}.img"


def prepare(lab: Lab, folder: Path) -> None:
    """Make the folders in which disks will appear, before the hosts' sshd starts. Raises OSError."""
    for host in lab.hosts:
        if disks_of(lab, host):
            mounts(folder, host).mkdir(mode=0o700, parents=True)
            share(mounts(folder, host))


def serve(lab: Lab, folder: Path, host: str, disk: str, how: Sequence[str] | None = None) -> Process:
    """Let a host have a disk, empty where it never had it; ``how``: arguments of nbdkit, if not as it is declared.

    Raises: LabError, MissingPackage.
    """
    declared = disks_of(lab, host)[disk]
    if not os.access(_FUSE, os.R_OK | os.W_OK):
        raise LabError(
            f"the disks of {host} need {_FUSE}, which {'this user may not open' if _FUSE.exists() else 'is not there'}",
            what=host,
            hint="sudo chmod 666 /dev/fuse" if _FUSE.exists() else "sudo modprobe fuse",
        )
    image = contents(folder, host, disk)
    if not image.exists():
        with image.open("xb") as file:
            file.truncate(declared.size)
    place, log, pid_file = mounts(folder, host) / disk, image.with_suffix(".log"), image.with_suffix(".pid")
    place.touch(mode=0o600)
    pid_file.unlink(missing_ok=True)
    # Over a pipe: with a socket between them, each disk that is killed would leave a folder in /tmp.
    kit = [program("nbdkit"), "--single", *(served(declared, image) if how is None else how)]
    command = ["setsid", "--fork", program("nbdfuse"), "--pidfile", str(pid_file), str(place), "--command", *kit]

    def launch() -> None:
        with log.open("wb") as output:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment(), cwd="/", check=True
            )

    # It is hardware: none of its processes is the host's.
    in_namespace(str(namespace_file(folder, FABRIC)), launch)
    return _ready(host, place, pid_file, log)


def served(disk: EmulatedDisk, image: Path) -> list[str]:
    """How nbdkit serves a disk as it is declared."""
    rate = ["--filter=rate"] if disk.rate else []
    # As little as possible in advance, so that short measurements find the same rate as long ones.
    return [*rate, "file", f"file={image}", *([f"rate={disk.rate:.0f}", "burstiness=0.1"] if disk.rate else [])]


def remove(folder: Path, host: str, disk: str, process: Process | None) -> None:
    """Take a disk away from its host; what is on it stays. Raises OSError."""
    place = mounts(folder, host) / disk
    unmount(place)
    if process is not None:
        end(process)
    # Else the host would find an empty file of its memory in place of the disk, and could write there.
    place.unlink(missing_ok=True)


def _ready(host: str, place: Path, pid_file: Path, log: Path) -> Process:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and not (said := _last_words(log)):
        text = pid_file.read_text(encoding="ascii") if pid_file.exists() else ""
        if place.stat().st_dev != place.parent.stat().st_dev and text and (process := Process.of(int(text))):
            return process
        time.sleep(0.005)
    raise LabError(f"disk {place.name} of {host} does not start: {said or 'it says nothing'}", what=host)


def _last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-300:] if log.exists() else ""
