"""Opening a lab: an embedded one is brought up, an existing one is connected to.

Drivers are named, not imported: one whose library is missing hurts only the lab that uses it.
"""

from __future__ import annotations

import functools
import os
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from nfvcert.errors import CommandFailed, LabError
from nfvcert.lab import Host, Lab
from nfvcert.protocols import Completed, LabAccess, Shell, TrafficGenerator

if TYPE_CHECKING:
    from nfvcert.embedded import EmbeddedLab, EmbeddedPort

__all__ = ["fingerprint", "open_lab", "take_down"]

OnCompleted = Callable[[Completed], None]

FACTS = {
    "kernel": "uname -r",
    "architecture": "uname -m",
    "os": ". /etc/os-release && echo $PRETTY_NAME",
    "openssh": "dpkg-query -W -f '${Version}' openssh-server 2>/dev/null || ssh -V 2>&1",
    "openvswitch": "ovs-vswitchd --version 2>/dev/null | head -n 1",
    "nftables": "nft --version 2>/dev/null",
    "cpu": "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1",
    "cpus": "nproc",
    "memory": "sed -n 's/^MemTotal: *//p' /proc/meminfo",
}
"""Fact → the shell command that prints it. A fact that a host cannot tell is left out."""
MARK = "=nfvcert="


def open_lab(lab: Lab, *, on_completed: OnCompleted, owner: int | None = None, in_use: bool = False) -> LabAccess:
    """The ways into a lab; brings an embedded one up, for the process ``owner`` (None: this one). Raises LabError."""
    if lab.provider == "embedded":
        return EmbeddedAccess(lab, on_completed, os.getpid() if owner is None else owner, in_use=in_use)
    return ExistingAccess(lab, on_completed)


def take_down(lab: Lab) -> None:
    """Undo what `open_lab` made: an embedded lab is no more. Raises LabError."""
    if lab.provider == "embedded":
        from nfvcert import embedded

        embedded.down(lab.lab)


def fingerprint(access: LabAccess) -> dict[str, dict[str, str]]:
    """Facts of every host, asked side by side: host → fact → value. Raises LabError for one that does not answer."""
    script = "; ".join(f"echo {MARK}{name}; {command}" for name, command in FACTS.items())

    def ask(host: str) -> dict[str, str]:
        printed = access.shell(host).run(f"sh -c {shlex.quote(script)}", check=False).stdout
        if MARK not in printed:
            raise CommandFailed(f"{host} runs no shell commands: it printed {printed[:200]!r}", what=host)
        sections = (section.partition("\n") for section in printed.split(MARK)[1:])
        return {name: value.strip() for name, _, value in sections if value.strip()}

    hosts = [name for name, host in access.lab.hosts.items() if _has_shell(host, access.lab)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(hosts, pool.map(ask, hosts), strict=True))


def _has_shell(host: Host, lab: Lab) -> bool:
    return lab.provider == "embedded" or host.ssh is not None


class _Access(ABC):
    """What both kinds of lab share: one shell a host, one generator."""

    def __init__(self, lab: Lab, on_completed: OnCompleted) -> None:
        self.lab = lab
        self.created = False
        self._on_completed = on_completed
        self._shells: dict[str, Shell] = {}
        self._generator: TrafficGenerator | None = None

    def shell(self, host: str) -> Shell:
        """See LabAccess."""
        if host not in self.lab.hosts:
            raise LookupError(f"lab {self.lab.lab} has no host {host!r} (it has: {', '.join(self.lab.hosts)})")
        if host not in self._shells:
            self._shells[host] = self._open_shell(host)
        return self._shells[host]

    def generator(self) -> TrafficGenerator:
        """See LabAccess."""
        if self.lab.traffic is None:
            raise LabError(f"lab {self.lab.lab} declares no traffic generator", what="traffic")
        if self.lab.traffic.generator != "software":
            raise LabError(
                f"this version has no driver for the traffic generator {self.lab.traffic.generator}", what="traffic"
            )
        if self._generator is None:
            self._generator = self._open_generator()
        return self._generator

    def close(self) -> None:
        """See LabAccess."""
        if self._generator is not None:
            self._generator.close()
            self._generator = None
        for shell in self._shells.values():
            shell.close()
        self._shells.clear()

    @abstractmethod
    def _open_shell(self, host: str) -> Shell: ...

    @abstractmethod
    def _open_generator(self) -> TrafficGenerator: ...


class EmbeddedAccess(_Access):
    """An embedded lab; it is brought up if it is not up already."""

    def __init__(self, lab: Lab, on_completed: OnCompleted, owner: int, *, in_use: bool) -> None:
        super().__init__(lab, on_completed)
        from nfvcert import embedded

        self.embedded: EmbeddedLab = embedded.up(lab, owner=owner, in_use=in_use)
        self.created = self.embedded.created

    def _open_shell(self, host: str) -> Shell:
        from nfvcert.drivers.ssh import SshShell

        return SshShell(
            host,
            connect=functools.partial(self.embedded.connect, host),
            user=self.embedded.user,
            key_file=self.embedded.client_key,
            known_hosts=self.embedded.known_hosts,
            host_key_name=host,
            on_completed=self._on_completed,
        )

    def _open_generator(self) -> TrafficGenerator:
        from nfvcert.drivers.traffic.software import GeneratorPort, SoftwareGenerator

        def port(found: EmbeddedPort, speed_bps: float) -> GeneratorPort:
            return GeneratorPort(
                name=found.name,
                interface=found.interface,
                namespace=found.namespace,
                mac=found.mac,
                address=found.address,
                next_hop_mac=found.router_mac,
                speed_bps=speed_bps,
                known_to_router=found.router_mac is not None,
            )

        traffic = self.lab.traffic
        assert traffic is not None  # generator() looked
        ports = {name: port(found, traffic.ports[name].speed) for name, found in self.embedded.ports.items()}
        fastest = max(declared.speed for declared in traffic.ports.values())
        near, far = self.embedded.loop
        return SoftwareGenerator(ports, (port(near, fastest), port(far, fastest)))


class ExistingAccess(_Access):
    """A lab of real gear: hosts by SSH at their addresses, generator ports that are interfaces of this machine."""

    def _open_shell(self, host: str) -> Shell:
        from nfvcert.drivers.ssh import SshShell, tcp

        ssh = self.lab.hosts[host].ssh
        if ssh is None:
            raise LabError(f"host {host} of lab {self.lab.lab} declares no ssh", what=host)
        return SshShell(
            host,
            connect=tcp(ssh.address, ssh.port),
            user=ssh.user,
            key_file=Path(ssh.key_file).expanduser() if ssh.key_file else None,
            known_hosts=Path(ssh.known_hosts).expanduser(),
            host_key_name=ssh.address if ssh.port == 22 else f"[{ssh.address}]:{ssh.port}",
            on_completed=self._on_completed,
        )

    def _open_generator(self) -> TrafficGenerator:
        from nfvcert.drivers.traffic.software import GeneratorPort, SoftwareGenerator

        traffic = self.lab.traffic
        assert traffic is not None  # generator() looked
        ports = {}
        for name, declared in traffic.ports.items():
            if declared.interface is None or declared.mac is None:
                raise LabError(
                    f"traffic port {name} of lab {self.lab.lab} needs its interface and mac for the software generator",
                    what=name,
                )
            ports[name] = GeneratorPort(
                name=name,
                interface=declared.interface,
                namespace=None,
                mac=declared.mac,
                address=declared.address,
                next_hop_mac=declared.next_hop_mac,
                speed_bps=declared.speed,
            )
        return SoftwareGenerator(ports, None)
