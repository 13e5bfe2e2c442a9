"""What an embedded host tells of itself: versions that its inventory makes up, in the files where one looks for them.

Its sshd, and all that it starts, find them in a mount namespace of their own. The firmware is told by a BMC (`bmc`).
Made up are the amounts of memory and of huge pages, and the kernel's messages; the processors are real (`sshd`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nfvcert.embedded.disks import MOUNTED_AT, disks_of, mounts
from nfvcert.embedded.namespaces import replace_files
from nfvcert.lab import Emulated, Lab

__all__ = ["appear", "prepare", "rewrite_hardware", "rewrite_packages"]

OS_RELEASE = Path("/etc/os-release")
DEBIAN_VERSION = Path("/etc/debian_version")
DPKG_STATUS = Path("/var/lib/dpkg/status")
MEMINFO = Path("/proc/meminfo")
HUGEPAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
KERNEL_LOG = Path("/dev/kmsg")
BOOTED = "6,0,0,-;Linux version (emulated): host booted\n"
STANZA = """\
Package: {name}
Status: install ok installed
Priority: optional
Section: net
Maintainer: nfvcert
Architecture: all
Version: {version}
Description: emulated in an embedded lab

"""


def prepare(lab: Lab, folder: Path) -> None:
    """Write the files of all hosts that emulate something. Raises OSError."""
    for host, described in lab.hosts.items():
        if (emulates := described.emulates) is not None:
            place = _place(folder, host)
            place.mkdir(mode=0o755, parents=True)
            for name, text in _files(emulates).items():
                (place / name.name).write_text(text, encoding="utf-8")


def appear(lab: Lab, folder: Path, host: str) -> None:
    """Let the calling thread, and what it starts, see the files and the disks of a host. Raises OSError."""
    emulates = lab.hosts[host].emulates
    replaced = {name: _place(folder, host) / name.name for name in (_files(emulates) if emulates else ())}
    if disks_of(lab, host):
        replaced[MOUNTED_AT] = mounts(folder, host)
    if replaced:
        replace_files(replaced)


def rewrite_packages(folder: Path, host: str, packages: Mapping[str, str]) -> None:
    """Let a host that is up have other packages from now on. Raises OSError."""
    # In place: what is mounted is the file, not its name.
    (_place(folder, host) / DPKG_STATUS.name).write_text(_status(packages), encoding="utf-8")


def rewrite_hardware(
    folder: Path, host: str, emulates: Emulated, *, memory_kib: int = 0, hugepages: int = -1, messages: str = ""
) -> None:
    """Let a host that is up tell of other memory, huge pages, or more kernel messages; else of what it emulates."""
    changes: dict[str, object] = {"memory_kib": memory_kib} if memory_kib else {}
    if hugepages >= 0:
        changes["hugepages"] = hugepages
    for name, text in _files(emulates.model_copy(update=changes)).items():
        if name in {MEMINFO, HUGEPAGES, KERNEL_LOG}:
            more = messages if name == KERNEL_LOG else ""
            (_place(folder, host) / name.name).write_text(text + more, encoding="utf-8")


def _place(folder: Path, host: str) -> Path:
    return folder / "emulated" / host


def _files(emulates: Emulated) -> dict[Path, str]:
    found = {}
    if emulates.os is not None:
        name, version = emulates.os.id, emulates.os.version
        found[OS_RELEASE] = f'ID={name}\nVERSION_ID="{version}"\nPRETTY_NAME="{name} {version} (emulated)"\n'
        found[DEBIAN_VERSION] = f"{version}\n"
    if emulates.packages:
        found[DPKG_STATUS] = _status(emulates.packages)
    if emulates.memory_kib is not None:
        found[MEMINFO] = _meminfo(emulates.memory_kib)
    if emulates.hugepages is not None:
        found[HUGEPAGES] = f"{emulates.hugepages}\n"
    if emulates.kernel_log:
        found[KERNEL_LOG] = BOOTED
    return found


def _meminfo(total_kib: int) -> str:
    """This machine's, with another amount in all."""
    lines = MEMINFO.read_text(encoding="ascii").splitlines(keepends=True)
    return "".join(f"MemTotal: {total_kib:14} kB\n" if line.startswith("MemTotal:") else line for line in lines)


def _status(packages: Mapping[str, str]) -> str:
    return "".join(STANZA.format(name=name, version=version) for name, version in packages.items())
