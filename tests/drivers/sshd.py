"""A real OpenSSH server on loopback, for tests of what speaks to one."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nfvcert.drivers.known_hosts import known_as
from nfvcert.drivers.ssh import SshShell, tcp
from nfvcert.protocols import Completed

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "/usr/sbin/sshd"


def make_key(path: Path, passphrase: str = "", kind: str = "ed25519") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", path], check=True)
    return path


def public(key: Path) -> str:
    return key.with_name(key.name + ".pub").read_text().strip()


def until(happened: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def kill_all(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    until(lambda: not [process for process in processes if lives(process)])


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Sshd:
    """An OpenSSH server of our own: keys, configuration and log in one folder, a free port, ended by pid."""

    folder: Path
    host_keys: list[Path]
    settings: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.user_key = make_key(self.folder / "user")
        (self.folder / "authorized_keys").write_text(public(self.user_key) + "\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.name = known_as("127.0.0.1", self.port)
        self.known_hosts = self.folder / "known_hosts"
        self.known_hosts.write_text("".join(f"{self.name} {public(key)}\n" for key in self.host_keys))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists, and only an init script would make it

    def start(self) -> None:
        lines = [
            "ListenAddress 127.0.0.1",
            f"Port {self.port}",
            f"PidFile {self.folder / 'pid'}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            *(f"HostKey {key}" for key in self.host_keys),
            "UsePAM no",
            "StrictModes no",
            "PermitRootLogin prohibit-password",
            f"SetEnv HOME={self.folder}",  # bash reads ~/.bashrc under sshd: not that of who runs the tests
            *self.settings,
        ]
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen([SSHD, "-D", "-f", config, "-E", self.folder / "log"])
        until(self._listens)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def connections(self) -> list[psutil.Process]:
        """The processes of its open connections, with what runs on them."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def sshd_of_connections(self) -> list[psutil.Process]:
        return [process for process in self.connections() if process.name().startswith("sshd")]

    def cut_connections(self) -> None:
        kill_all(self.sshd_of_connections())

    def stop(self) -> None:
        """End the server, its connections and whatever runs on them."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGSTOP)  # while its connections are listed, it accepts no other one
        kill_all(self.connections())
        self.process.kill()
        self.process.wait()
        self.process = None

    def shell(
        self,
        *,
        key_file: Path | None = None,
        connect: Callable[[float], socket.socket] | None = None,
        connect_timeout_s: float = 10.0,
        on_completed: Callable[[Completed], None] | None = None,
    ) -> SshShell:
        return SshShell(
            "compute-1",
            connect=connect or tcp("127.0.0.1", self.port),
            user=getpass.getuser(),
            key_file=key_file or self.user_key,
            known_hosts=self.known_hosts,
            host_key_name=self.name,
            connect_timeout_s=connect_timeout_s,
            on_completed=on_completed,
        )
