"""A real sshd in each host's namespace: key authentication only, keys made per lab."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nfvcert.embedded import emulation
from nfvcert.embedded.namespaces import in_namespace, name_machine
from nfvcert.embedded.pop import SSH_PORT, login_user, management_address
from nfvcert.embedded.programs import environment, program
from nfvcert.embedded.rundir import Process, namespace_file
from nfvcert.errors import LabError
from nfvcert.lab import Lab

__all__ = ["Starting", "another_key", "host_key", "prepare", "start"]

START_TIMEOUT_S = 10.0


def prepare(lab: Lab, folder: Path) -> None:
    """Write the client's key, a key for each host, and known_hosts. Raises OSError."""
    (folder / "ssh").mkdir(mode=0o700)
    public = _new_key(folder / "ssh" / "client")
    (folder / "ssh" / "authorized_keys").write_text(public + "\n", encoding="ascii")
    known = []
    for host in lab.hosts:
        (folder / "ssh" / host).mkdir(mode=0o700)
        known.append(f"{host},{management_address(lab, host)} {_new_key(host_key(folder, host))}\n")
    (folder / "ssh" / "known_hosts").write_text("".join(known), encoding="ascii")


def host_key(folder: Path, host: str) -> Path:
    """The file of a host's private key."""
    return folder / "ssh" / host / "host_key"


def another_key(folder: Path, host: str) -> Path:
    """The file of a new key that is not the host's, in place of an earlier one. Raises OSError."""
    path = folder / "ssh" / host / "another_key"
    path.unlink(missing_ok=True)
    _new_key(path)
    return path


@dataclass(frozen=True)
class Starting:
    """An sshd that is on its way."""

    host: str
    launcher: subprocess.Popen[bytes]
    log: Path
    pid_file: Path

    def settle(self) -> None:
        """Leave no child of this process behind, whether it started or not."""
        self.launcher.kill()  # does nothing to one that has ended
        self.launcher.wait()

    def ready(self) -> Process:
        """Wait until it listens. Raises: LabError with the end of its log when it does not."""
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            status = self.launcher.wait(timeout=START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            status = None
        # It detaches first and listens then; its pid file is the last that it writes.
        while status == 0 and time.monotonic() < deadline:
            if self.pid_file.exists() and (text := self.pid_file.read_text(encoding="ascii")).endswith("\n"):
                if process := Process.of(int(text)):
                    return process
                break
            time.sleep(0.002)
        said = self.log.read_text(encoding="utf-8", errors="replace").strip() if self.log.exists() else ""
        raise LabError(
            f"the sshd of host {self.host} does not start: {said[-500:] or f'status {status}'}", what=self.host
        )


def start(
    lab: Lab,
    folder: Path,
    host: str,
    *,
    key: Path | None = None,
    cpus: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> Starting:
    """Start the sshd of a host; it outlives this process. ``key``: another host key than the host's own.

    It, and all that it starts, runs on as many processors as the host emulates, or on ``cpus``. ``variables``: what a
    command on the host finds in its environment besides the host's own.
    """
    place = folder / "ssh" / host
    pid_file = place / "pid"
    pid_file.unlink(missing_ok=True)
    (place / "sshd_config").write_text(_configuration(lab, folder, host, key, variables or {}), encoding="utf-8")
    sshd = program("sshd")
    _privilege_separation_folder()
    processors = _processors(lab, host, cpus)

    def launch() -> subprocess.Popen[bytes]:
        name_machine(host)  # `hostname` on a host says its name
        emulation.appear(lab, folder, host)
        if processors:
            os.sched_setaffinity(0, processors)  # of this thread, and of what it starts
        return subprocess.Popen(
            [sshd, "-f", str(place / "sshd_config"), "-E", str(place / "log")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
            cwd="/",
            start_new_session=True,
        )

    launcher = in_namespace(str(namespace_file(folder, host)), launch)
    return Starting(host, launcher, place / "log", pid_file)


def _processors(lab: Lab, host: str, cpus: int | None) -> set[int]:
    """Those of this machine that a host runs on; empty: all that we may use. Raises LabError."""
    emulates = lab.hosts[host].emulates
    wanted = cpus or (emulates.cpus if emulates else None)
    if wanted is None:
        return set()
    usable = sorted(os.sched_getaffinity(0))
    if wanted > len(usable):
        raise LabError(f"host {host} emulates {wanted} processors, and this machine has {len(usable)}", what=host)
    return set(usable[:wanted])


def _configuration(lab: Lab, folder: Path, host: str, key: Path | None, more: Mapping[str, str]) -> str:
    settings = {
        "ListenAddress": management_address(lab, host),
        "Port": SSH_PORT,
        "HostKey": _quoted(key or host_key(folder, host)),
        "PidFile": _quoted(folder / "ssh" / host / "pid"),
        "AuthorizedKeysFile": _quoted(folder / "ssh" / "authorized_keys"),
        "AllowUsers": login_user(),
        "AuthenticationMethods": "publickey",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        # We made these files; a run directory below /tmp is no reason to refuse them.
        "StrictModes": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        "MaxStartups": 200,
        "MaxSessions": 200,
        "PrintMotd": "no",
        "PrintLastLog": "no",
        "LogLevel": "VERBOSE",
        "Subsystem": "sftp internal-sftp",
        "PermitUserRC": "no",
    }
    if _has_penalties():
        # A test that is refused on purpose must not lock the next one out.
        settings["PerSourcePenalties"] = "no"
    variables = {**session_environment(folder, host), **more}
    settings["SetEnv"] = " ".join(f'"{name}={value}"' for name, value in variables.items())
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def _quoted(path: Path) -> str:
    return f'"{path}"'


def session_environment(folder: Path, host: str) -> dict[str, str]:
    """What a command on a host finds in its environment, besides the usual."""
    # As a nested shell, bash does not read the .bashrc of the person whose machine this is.
    return environment() | {"SHLVL": "1", "OVS_RUNDIR": str(folder / "ovs" / host)}


@functools.cache
def _has_penalties() -> bool:
    """Whether this OpenSSH knows PerSourcePenalties (9.8 and later); an older one refuses to start with it."""
    said = subprocess.run(
        [program("sshd"), "-V"], capture_output=True, text=True, check=False, env=environment(), timeout=START_TIMEOUT_S
    )
    version = re.search(r"OpenSSH_(\d+)\.(\d+)", said.stderr + said.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= (9, 8)


def _privilege_separation_folder() -> None:
    """Debian's sshd wants /run/sshd when it runs as root; its service makes it, and here no service runs."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


def _new_key(path: Path) -> str:
    """Write a new private key, readable by its user only; returns the public one as a line without comment."""
    key = Ed25519PrivateKey.generate()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
