"""The device under test made of Open vSwitch: in each switch's namespace a daemon of its own.

The datapath is the one in userspace (`datapath_type=netdev`): it needs no kernel module. Each tenant is a
VLAN: access ports for the generator, trunks between switches. The two redundant links are an active-backup
bond; as both ends have the same primary, they agree on the link to use whatever came up first.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nfvcert.embedded.bridges import refuse_loops
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.programs import environment, program
from nfvcert.embedded.rundir import Process
from nfvcert.embedded.sites import Sites
from nfvcert.embedded.wiring import short_name
from nfvcert.errors import LabError, MissingPackage
from nfvcert.lab import Lab

__all__ = ["build", "vlan_of"]

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
FIRST_VLAN = 101
START_TIMEOUT_S = 30.0
PRIORITY = -15
"""What arrives while the daemon waits for the processor fills its sockets, and is lost when they are full."""
RECEIVE_BUFFER_BYTES = 2 << 20
"""The kernel doubles it: some 5,000 small frames, about 1 s at the rate of the wire; by default it is some 250."""

_SYS_PIDFD_GETFD = 438
_SO_RCVBUFFORCE = 33
_libc = ctypes.CDLL(None, use_errno=True)


def vlan_of(lab: Lab, tenant: str) -> int:
    """The VLAN of a tenant, the same in every switch."""
    ports = lab.traffic.ports.values() if lab.traffic else ()
    return FIRST_VLAN + list(dict.fromkeys(port.tenant for port in ports)).index(tenant)


def build(sites: Sites) -> dict[str, Process]:
    """Start the switches; returns their processes by role. Raises: LabError, MissingPackage."""
    refuse_loops(sites)
    if not SCHEMA.exists():
        raise MissingPackage(
            f"this machine lacks {SCHEMA} (Debian package openvswitch-switch)",
            what="openvswitch-switch",
            hint="apt-get install --no-install-recommends openvswitch-switch",
        )
    switches = [Switch(sites, host) for host in sites.devices()]
    # Each step takes a moment of waiting for a process: take it for all switches side by side.
    for step in (Switch.create_database, Switch.start_database, Switch.configure, Switch.start_forwarding):
        with ExitStack() as stack:  # it waits for all of them, even if one fails
            for switch in switches:
                stack.callback(step(switch).finish)
    daemons = {role: process for switch in switches for role, process in switch.daemons().items()}
    for role, process in daemons.items():
        if role.startswith("ovs-vswitchd"):
            _widen_receive_buffers(process.pid)
    return daemons


def _widen_receive_buffers(pid: int) -> None:
    """Let a switch's packet sockets hold RECEIVE_BUFFER_BYTES while it waits for the processor.

    It has no setting for that, and the default is one for the whole machine. So its sockets are set from
    here, by handles that the kernel duplicates (pidfd_getfd(2)). Where that is not allowed they stay as they are.
    """
    process = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208  # names, not paths
            handle = _libc.syscall(_SYS_PIDFD_GETFD, process, int(name), 0)
            if handle >= 0:
                _widen(handle)
    except OSError:
        return
    finally:
        os.close(process)


def _widen(handle: int) -> None:
    """Set the buffer of a packet socket, and close the handle of whatever it is."""
    if not stat.S_ISSOCK(os.fstat(handle).st_mode):
        os.close(handle)
        return
    with socket.socket(fileno=handle) as found:
        if found.family == socket.AF_PACKET:
            found.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)


@dataclass(frozen=True)
class Step:
    """A process that ends when what it starts is ready."""

    host: str
    process: subprocess.Popen[str]

    def finish(self) -> None:
        """Wait for its end. Raises: LabError when it fails."""
        try:
            _, said = self.process.communicate(timeout=START_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            self.process.communicate()
            raise LabError(
                f"Open vSwitch on host {self.host} does not start in {START_TIMEOUT_S:g} s", what=self.host
            ) from error
        if self.process.returncode != 0:
            raise LabError(f"Open vSwitch on host {self.host} does not start: {said.strip()[-500:]}", what=self.host)


@dataclass(frozen=True)
class Switch:
    """One switch: its folder, its database, its daemons."""

    sites: Sites
    host: str

    @property
    def folder(self) -> Path:
        """Database, sockets, pid files and logs of this switch."""
        return self.sites.folder / "ovs" / self.host

    def create_database(self) -> Step:
        """Make an empty database."""
        self.folder.mkdir(mode=0o700, parents=True)
        return self._step("ovsdb-tool", "create", "conf.db", str(SCHEMA))

    def start_database(self) -> Step:
        """Start the database's daemon."""
        return self._step("ovsdb-server", "conf.db", "--remote=punix:db.sock", *_DAEMON)

    def configure(self) -> Step:
        """Write the whole configuration, before anything forwards."""
        return self._step("ovs-vsctl", "--no-wait", f"--db=unix:{self.folder}/db.sock", *self._configuration())

    def start_forwarding(self) -> Step:
        """Start the switch; it is ready when it has taken its configuration."""
        return self._step("ovs-vswitchd", f"unix:{self.folder}/db.sock", *_DAEMON, priority=PRIORITY)

    def daemons(self) -> dict[str, Process]:
        """The processes that must run. Raises: LabError when one does not."""
        found = {}
        for name in ("ovsdb-server", "ovs-vswitchd"):
            process = Process.of(int((self.folder / f"{name}.pid").read_text(encoding="ascii")))
            if process is None:
                raise LabError(f"{name} on host {self.host} ended as soon as it had started", what=self.host)
            found[f"{name} {self.host}"] = process
        return found

    def _configuration(self) -> list[str]:
        sites, lab = self.sites, self.sites.lab
        links, ports = sites.links_of(self.host), sites.ports_of(self.host)
        taken = frozenset({*links, *ports, *lab.networks})
        bridge, bond = short_name("vswitch", taken), short_name("bond", taken)
        command = ["init", "--", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev"]
        redundancy = sites.redundancy
        if redundancy and redundancy.primary in links:
            pair = [redundancy.primary, redundancy.backup]
            command += ["--", "add-bond", bridge, bond, *pair, "bond_mode=active-backup"]
            command += ["--", "set", "port", bond, f"other_config:bond-primary={redundancy.primary}"]
            links = [name for name in links if name not in pair]
        for name in links:
            command += ["--", "add-port", bridge, name]
        for name in ports:
            assert lab.traffic is not None
            command += ["--", "add-port", bridge, name, f"tag={vlan_of(lab, lab.traffic.ports[name].tenant)}"]
        return command

    def _step(self, name: str, *arguments: str, priority: int = 0) -> Step:
        # `nice` goes on with a warning where this user may not raise a priority.
        prefix = ["nice", "-n", str(priority)] if priority else []
        command: Sequence[str] = [*prefix, program(name), *arguments]
        places = dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), str(self.folder))

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=environment() | places,
                cwd=self.folder,
                start_new_session=True,
            )

        return Step(self.host, in_namespace(self.sites.hosts[self.host].path, start))


_DAEMON = ("--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:emer")
