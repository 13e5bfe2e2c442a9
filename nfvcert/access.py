"""Opening a lab: an embedded one is brought up, an existing one is connected to.

Drivers are named, not imported: one whose library is missing hurts only the lab that uses it.
"""

from __future__ import annotations

import functools
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from nfvcert.errors import LabError
from nfvcert.lab import Host, Lab, StorageTarget, Traffic, TrafficPort
from nfvcert.protocols import Bmc, Cloud, Completed, LabAccess, Shell, TrafficGenerator

if TYPE_CHECKING:
    from nfvcert.drivers.ssh import SshShell
    from nfvcert.drivers.traffic.remote import OnHost
    from nfvcert.embedded import EmbeddedLab, EmbeddedPort

__all__ = ["has_bmc", "has_shell", "open_lab", "take_down"]

OnCompleted = Callable[[Completed], None]
_LOOP_MACS = ("02:4e:46:00:00:00", "02:4e:46:00:00:01")
"""Of frames on the cable by which the software generator proves itself; its ports hear whatever comes."""


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


def has_bmc(lab: Lab, host: Host) -> bool:
    """Whether a host's firmware can be asked for by Redfish."""
    if lab.provider == "embedded":
        return host.emulates is not None and bool(host.emulates.firmware)
    return host.bmc is not None and host.bmc.protocol == "redfish"


def has_shell(host: Host, lab: Lab) -> bool:
    """Whether commands can be run on a host."""
    return lab.provider == "embedded" or host.ssh is not None


class _Access(ABC):
    """What both kinds of lab share: one shell a host, one generator."""

    def __init__(self, lab: Lab, on_completed: OnCompleted) -> None:
        self.lab = lab
        self.created = False
        self._on_completed = on_completed
        self._shells: dict[str, Shell] = {}
        self._bmcs: dict[str, Bmc] = {}
        self._generator: TrafficGenerator | None = None
        self._cloud: Cloud | None = None
        # Hosts are asked side by side, and pytest rewrites a module as it is imported for the first time: that two
        # threads do so at once ends in a SystemError of the compiler (CPython 3.11).
        self._opening = Lock()

    def shell(self, host: str) -> Shell:
        """See LabAccess."""
        if host not in self.lab.hosts:
            raise LookupError(f"lab {self.lab.lab} has no host {host!r} (it has: {', '.join(self.lab.hosts)})")
        with self._opening:
            if host not in self._shells:
                self._shells[host] = self._open_shell(host)
        return self._shells[host]

    def bmc(self, host: str) -> Bmc:
        """See LabAccess."""
        if host not in self.lab.hosts:
            raise LookupError(f"lab {self.lab.lab} has no host {host!r} (it has: {', '.join(self.lab.hosts)})")
        if not has_bmc(self.lab, self.lab.hosts[host]):
            raise LabError(f"host {host} of lab {self.lab.lab} has no BMC that speaks Redfish", what=host)
        with self._opening:
            if host not in self._bmcs:
                self._bmcs[host] = self._open_bmc(host)
        return self._bmcs[host]

    def storage(self, host: str) -> Mapping[str, StorageTarget]:
        """See LabAccess."""
        if host not in self.lab.hosts:
            raise LookupError(f"lab {self.lab.lab} has no host {host!r} (it has: {', '.join(self.lab.hosts)})")
        if not self.lab.hosts[host].storage:
            raise LabError(f"host {host} of lab {self.lab.lab} declares no storage", what=host)
        self._prepare_storage(host)
        return self.lab.hosts[host].storage

    def cloud(self, tell: Callable[[str], None] = lambda _: None) -> Cloud:
        """See LabAccess."""
        if self.lab.cloud is None:
            raise LabError(f"lab {self.lab.lab} declares no cloud", what="cloud")
        if self._cloud is None:
            opened = self._open_cloud(tell)
            opened.check()
            self._cloud = opened
        return self._cloud

    def generator(self) -> TrafficGenerator:
        """See LabAccess."""
        if self.lab.traffic is None:
            raise LabError(f"lab {self.lab.lab} declares no traffic generator", what="traffic")
        if self._generator is None:
            trex = self.lab.traffic.generator == "trex"
            self._generator = self._counted(_trex(self.lab.traffic) if trex else self._open_generator())
        return self._generator

    def _counted(self, generator: TrafficGenerator) -> TrafficGenerator:
        """A generator whose frames are counted at the other end of its cables too, where the inventory says how."""
        ports = self.lab.traffic.ports if self.lab.traffic else {}
        told = {name: (port.attached_to, port.counted_by) for name, port in ports.items() if port.counted_by}
        if not told:
            return generator
        from nfvcert.drivers.traffic.cable import CountedByDevice
        from nfvcert.measure.counter import FrameCounter

        return CountedByDevice(
            generator, {name: FrameCounter(self.shell(host), command) for name, (host, command) in told.items()}
        )

    def close(self) -> None:
        """See LabAccess."""
        if self._generator is not None:
            self._generator.close()
            self._generator = None
        for shell in self._shells.values():
            shell.close()
        self._shells.clear()
        for bmc in self._bmcs.values():
            bmc.close()
        self._bmcs.clear()
        if self._cloud is not None:
            self._cloud.close()
            self._cloud = None

    @abstractmethod
    def _open_shell(self, host: str) -> SshShell: ...

    @abstractmethod
    def _open_bmc(self, host: str) -> Bmc: ...

    def _prepare_storage(self, host: str) -> None:
        """Make what an embedded host declares."""
        del host  # real targets are there, or they are not

    @abstractmethod
    def _open_cloud(self, tell: Callable[[str], None]) -> Cloud: ...

    def _workers_host(self, python: str) -> OnHost | None:
        """The host that the software generator's ports are on, if it is one."""
        if self.lab.traffic is None or self.lab.traffic.host is None:
            return None
        from nfvcert.drivers.traffic.remote import OnHost

        return OnHost(self._open_shell(self.lab.traffic.host), python)

    @abstractmethod
    def _open_generator(self) -> TrafficGenerator: ...


class EmbeddedAccess(_Access):
    """An embedded lab; it is brought up if it is not up already."""

    def __init__(self, lab: Lab, on_completed: OnCompleted, owner: int, *, in_use: bool) -> None:
        super().__init__(lab, on_completed)
        from nfvcert import embedded

        self.embedded: EmbeddedLab = embedded.up(lab, owner=owner, in_use=in_use)
        self.created = self.embedded.created

    def _open_shell(self, host: str) -> SshShell:
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

    def _open_bmc(self, host: str) -> Bmc:
        from nfvcert.drivers.redfish import RedfishBmc
        from nfvcert.embedded import bmc

        return RedfishBmc(
            host,
            url=f"http://{host}",
            user=bmc.USER,
            password=lambda: bmc.password(self.embedded.run_dir),
            system=host,
            connect=functools.partial(bmc.connect, self.embedded),
        )

    def _prepare_storage(self, host: str) -> None:
        from nfvcert import embedded

        embedded.start_disks(self.embedded, host)

    def _open_cloud(self, tell: Callable[[str], None]) -> Cloud:
        from nfvcert import embedded
        from nfvcert.drivers.cloud import OpenStackCloud

        assert self.lab.cloud is not None  # cloud() looked
        found = embedded.start_cloud(self.embedded, tell)
        return OpenStackCloud(
            self.lab.cloud.name,
            config_file=found.clouds_yaml,
            connect=found.connect,
            command_prefix=found.command_prefix,
            control_plane=found.control_plane,
            upgrade_checks=found.upgrade_checks,
            without=self.lab.cloud.without,
            logged=found.logged,
        )

    def _open_generator(self) -> TrafficGenerator:
        from nfvcert.drivers.traffic.software import GeneratorPort, SoftwareGenerator

        # Its hosts share this machine's programs; ours has what a worker needs.
        host = self._workers_host(sys.executable)

        def port(found: EmbeddedPort, speed_bps: float) -> GeneratorPort:
            return GeneratorPort(
                name=found.name,
                interface=found.interface,
                namespace=None if host else found.namespace,
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
        return SoftwareGenerator(ports, (port(near, fastest), port(far, fastest)), host=host)


class ExistingAccess(_Access):
    """A lab of real gear: hosts by SSH at their addresses, generator ports that are interfaces of this machine."""

    def _open_shell(self, host: str) -> SshShell:
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

    def _open_bmc(self, host: str) -> Bmc:
        from nfvcert.drivers.redfish import RedfishBmc, secret

        declared = self.lab.hosts[host].bmc
        assert declared is not None  # bmc() looked
        return RedfishBmc(
            host,
            url=f"https://{declared.address}",
            user=declared.user,
            password=lambda: secret(declared.password) if declared.password else None,
            verify_tls=declared.verify_tls,
        )

    def _open_cloud(self, tell: Callable[[str], None]) -> Cloud:
        from nfvcert.drivers.cloud import OpenStackCloud

        del tell  # it runs, or it does not
        assert self.lab.cloud is not None  # cloud() looked
        told = os.environ.get("OS_CLIENT_CONFIG_FILE")
        return OpenStackCloud(
            self.lab.cloud.name,
            config_file=Path(told) if told else None,
            control_plane=self.lab.cloud.control_plane,
            upgrade_checks=self.lab.cloud.upgrade_checks,
            without=self.lab.cloud.without,
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
        fastest = max(declared.speed for declared in traffic.ports.values())
        ends = [
            GeneratorPort(f"loop{end}", str(interface), None, mac, None, None, fastest)
            for end, (interface, mac) in enumerate(zip(traffic.loop or (), _LOOP_MACS, strict=False))
        ]
        loop = (ends[0], ends[1]) if ends else None
        return SoftwareGenerator(ports, loop, host=self._workers_host(traffic.python or "python3"))


def _trex(traffic: Traffic) -> TrafficGenerator:
    """The TRex server of an inventory; it is not asked anything yet."""
    from nfvcert.drivers.traffic.trex.generator import TrexGenerator, TrexPort
    from nfvcert.drivers.traffic.trex.wire import RPC_PORT

    def port(name: str, declared: TrafficPort) -> TrexPort:
        assert declared.port is not None  # the inventory was checked
        return TrexPort(
            name=name,
            number=declared.port,
            speed_bps=declared.speed,
            mac=declared.mac,
            address=declared.address,
            gateway=declared.gateway,
            next_hop_mac=declared.next_hop_mac,
            vlan=declared.vlan,
        )

    assert traffic.address is not None  # likewise
    return TrexGenerator(
        traffic.address,
        {name: port(name, declared) for name, declared in traffic.ports.items()},
        rpc_port=traffic.rpc_port or RPC_PORT,
        loop=(int(traffic.loop[0]), int(traffic.loop[1])) if traffic.loop else None,
        force=traffic.force,
    )
