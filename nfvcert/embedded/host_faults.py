"""Faults of compute hosts.

`fewer-cpus`, `less-memory`, `no-hugepages`, `cpu-hog`, `kernel-error`, `flapping-bmc`, `clock-skew`.

Of the processors, what is taken is really taken; memory, huge pages and kernel messages are made up in a lab, and so
are their faults (`emulation`).
"""

from __future__ import annotations

import os
import subprocess
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

from nfvcert.embedded import bmc, emulation
from nfvcert.embedded.fault import Fault
from nfvcert.embedded.logins import end_sshd, start_sshd
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.programs import environment, require
from nfvcert.embedded.sites import Sites
from nfvcert.errors import LabError
from nfvcert.lab import Emulated

__all__ = ["HOST_FAULTS", "ClockSkew", "CpuHog", "FewerCpus", "FlappingBmc", "KernelError", "LessMemory", "NoHugepages"]


def _emulated(sites: Sites, host: str, what: str) -> Emulated:
    """What a host emulates. Raises: LookupError for an unknown host; LabError where it does not emulate that."""
    if host not in sites.lab.hosts:
        raise LookupError(f"lab {sites.lab.lab} has no host {host!r} (it has {', '.join(sites.lab.hosts)})")
    emulates = sites.lab.hosts[host].emulates
    if emulates is None or not getattr(emulates, what):
        raise LabError(f"{host} of lab {sites.lab.lab} does not emulate {what}", what=host)
    return emulates


@dataclass
class FewerCpus(Fault):
    """A host has fewer processors than declared, as after a firmware that disables some."""

    name: ClassVar[str] = "fewer-cpus"

    host: str
    cpus: int = 1

    def check(self, sites: Sites) -> None:
        """The host must have more."""
        if self.cpus >= (_emulated(sites, self.host, "cpus").cpus or 0):
            raise LookupError(f"{self.host} has no more than {self.cpus} processors: name a smaller number")

    def seed(self, sites: Sites) -> None:
        """Start its sshd anew on fewer of them."""
        end_sshd(sites, self.host)
        start_sshd(sites, self.host, cpus=self.cpus)

    def clear(self, sites: Sites) -> None:
        """Start it anew on all."""
        end_sshd(sites, self.host)
        start_sshd(sites, self.host)


@dataclass
class ClockSkew(Fault):
    """The clock of a host is ahead of the others."""

    name: ClassVar[str] = "clock-skew"

    host: str
    ahead_s: float = 2.0

    def check(self, sites: Sites) -> None:
        """This machine must have what shows another time."""
        if self.host not in sites.lab.hosts:
            raise LookupError(f"lab {sites.lab.lab} has no host {self.host!r} (it has {', '.join(sites.lab.hosts)})")
        require(["faketime"])

    def seed(self, sites: Sites) -> None:
        """All hosts have this machine's one clock: so each command on the host is shown another one."""
        end_sshd(sites, self.host)
        # The loader puts this machine's folder of libraries in the place of $LIB.
        shown = {"LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1", "FAKETIME": f"{self.ahead_s:+g}s"}
        start_sshd(sites, self.host, variables=shown)

    def clear(self, sites: Sites) -> None:
        """Start it anew without."""
        end_sshd(sites, self.host)
        start_sshd(sites, self.host)


@dataclass
class CpuHog(Fault):
    """A process of the host, on each of its processors, takes what time it can get."""

    name: ClassVar[str] = "cpu-hog"

    host: str
    _hogs: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False)

    def check(self, sites: Sites) -> None:
        """The host must have processors of its own."""
        _emulated(sites, self.host, "cpus")

    def seed(self, sites: Sites) -> None:
        """Start them."""
        processors = sorted(os.sched_getaffinity(0))[: _emulated(sites, self.host, "cpus").cpus]

        def start(processor: int) -> subprocess.Popen[bytes]:
            os.sched_setaffinity(0, {processor})
            return subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"], env=environment(), cwd="/")

        for processor in processors:
            self._hogs.append(in_namespace(sites.hosts[self.host].path, lambda on=processor: start(on)))  # type: ignore[misc]

    def clear(self, sites: Sites) -> None:
        """End them."""
        del sites  # they are ours
        for hog in self._hogs:
            hog.kill()
            hog.wait()
        self._hogs.clear()


@dataclass
class _Told(Fault):
    """Base of faults in what a host tells of itself."""

    name: ClassVar[str]
    what: ClassVar[str]

    host: str

    def check(self, sites: Sites) -> None:
        """The host must emulate it."""
        _emulated(sites, self.host, self.what)

    @abstractmethod
    def seed(self, sites: Sites) -> None:
        """Write the other contents."""

    def clear(self, sites: Sites) -> None:
        """Write the inventory's."""
        emulation.rewrite_hardware(sites.folder, self.host, _emulated(sites, self.host, self.what))


@dataclass
class LessMemory(_Told):
    """A host has less memory than declared, as with a module that is not found any more."""

    name = "less-memory"
    what = "memory_kib"

    memory_kib: int = 256_000_000

    def check(self, sites: Sites) -> None:
        """It must be less."""
        if self.memory_kib >= (_emulated(sites, self.host, self.what).memory_kib or 0):
            raise LookupError(f"{self.host} has no more than {self.memory_kib} KiB: name a smaller number")

    def seed(self, sites: Sites) -> None:
        """Write it where /proc/meminfo is read."""
        emulates = _emulated(sites, self.host, self.what)
        emulation.rewrite_hardware(sites.folder, self.host, emulates, memory_kib=self.memory_kib)


@dataclass
class NoHugepages(_Told):
    """A host has no huge pages, as after a boot without the kernel's parameters."""

    name = "no-hugepages"
    what = "hugepages"

    def seed(self, sites: Sites) -> None:
        """Write 0 where their number is read."""
        emulation.rewrite_hardware(sites.folder, self.host, _emulated(sites, self.host, self.what), hugepages=0)


@dataclass
class KernelError(_Told):
    """A host's kernel tells of an error."""

    name = "kernel-error"
    what = "kernel_log"

    message: str = "mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: 8c00004000010092"

    def seed(self, sites: Sites) -> None:
        """Write its message behind the others."""
        emulates = _emulated(sites, self.host, self.what)
        emulation.rewrite_hardware(sites.folder, self.host, emulates, messages=f"2,1,1000000,-;{self.message}\n")


@dataclass
class FlappingBmc(Fault):
    """A host's management controller is out of order again and again, each time longer than who asks repeats."""

    name: ClassVar[str] = "flapping-bmc"

    host: str
    every_s: float = 4.0
    down_s: float = 2.0
    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def check(self, sites: Sites) -> None:
        """The host must have one."""
        _emulated(sites, self.host, "firmware")

    def seed(self, sites: Sites) -> None:
        """Start to toggle it, in a thread."""
        firmware = dict(_emulated(sites, self.host, "firmware").firmware)
        self._stop.clear()
        self._thread = Thread(target=self._toggle, args=(sites.folder, firmware), name=self.name, daemon=True)
        self._thread.start()

    def clear(self, sites: Sites) -> None:
        """Stop, and leave it in order."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._tell(sites.folder, dict(_emulated(sites, self.host, "firmware").firmware))

    def _toggle(self, folder: Path, firmware: dict[str, str]) -> None:
        while not self._stop.wait(self.every_s - self.down_s):
            self._tell(folder, None)
            self._stop.wait(self.down_s)
            self._tell(folder, firmware)

    def _tell(self, folder: Path, told: dict[str, str] | None) -> None:
        bmc.tell_firmware(folder, {**bmc.told_firmware(folder), self.host: told})


HOST_FAULTS: tuple[type[Fault], ...] = (
    FewerCpus,
    CpuHog,
    LessMemory,
    NoHugepages,
    KernelError,
    FlappingBmc,
    ClockSkew,
)
"""Those of this module."""
