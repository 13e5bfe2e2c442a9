"""The management controllers of an embedded lab: one real Redfish service in a namespace of the lab, for all hosts."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nfvcert.embedded import bmc_server
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.pop import EmbeddedLab, management_address
from nfvcert.embedded.programs import environment
from nfvcert.embedded.rundir import Process, namespace_file, read_state
from nfvcert.errors import LabError, Unreachable
from nfvcert.lab import Lab

__all__ = [
    "PORT",
    "ROLE",
    "USER",
    "Starting",
    "connect",
    "host_of",
    "password",
    "prepare",
    "start",
    "tell_firmware",
    "told_firmware",
]

PORT = 8000
USER = "nfvcert"
ROLE = "bmc"
"""In the state of a lab, the process that serves Redfish."""
START_TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 5.0


def host_of(lab: Lab) -> str:
    """The host in whose namespace the service listens; empty where no host has firmware to tell."""
    return next((name for name, host in lab.hosts.items() if host.emulates and host.emulates.firmware), "")


def _firmware_file(folder: Path) -> Path:
    """What the service tells: host → name → version, as JSON; read anew for each answer."""
    return folder / "bmc" / "firmware.json"


def told_firmware(folder: Path) -> dict[str, dict[str, str] | None]:
    """What the service tells now: host → name → version; None for a BMC that is out of order. Raises OSError."""
    told: dict[str, dict[str, str] | None] = json.loads(_firmware_file(folder).read_text(encoding="utf-8"))
    return told


def tell_firmware(folder: Path, told: Mapping[str, Mapping[str, str] | None]) -> None:
    """Let the service tell this from now on, without a restart. Raises OSError."""
    new = _firmware_file(folder).with_suffix(".new")
    new.write_text(json.dumps(told), encoding="utf-8")
    new.replace(_firmware_file(folder))  # whoever reads at this moment reads one of both, whole


def password(folder: Path) -> str:
    """Whom the service lets in, besides `USER`. Raises OSError."""
    return (folder / "bmc" / "password").read_text(encoding="ascii")


def prepare(lab: Lab, folder: Path) -> None:
    """Write what the service needs, with a password of this lab. Raises OSError."""
    if not host_of(lab):
        return
    (folder / "bmc").mkdir(mode=0o700)
    (folder / "bmc" / "password").touch(mode=0o600)
    (folder / "bmc" / "password").write_text(secrets.token_urlsafe(24), encoding="ascii")
    told: Mapping[str, Mapping[str, str]] = {
        name: host.emulates.firmware for name, host in lab.hosts.items() if host.emulates and host.emulates.firmware
    }
    tell_firmware(folder, told)


def connect(lab: EmbeddedLab) -> socket.socket:
    """Open a connection to the service; the first one may have to wait for it. Raises Unreachable."""
    host = host_of(lab.lab)
    deadline = time.monotonic() + START_TIMEOUT_S
    state = read_state(lab.run_dir)
    server = state.daemons.get(ROLE) if state else None
    while True:
        was_ready = (lab.run_dir / "bmc" / "ready").exists()  # looked at first: it may become so meanwhile
        try:
            return _connected(lab.namespace(host), management_address(lab.lab, host))
        except OSError as error:
            if was_ready or server is None or not server.alive or time.monotonic() > deadline:
                reason = error.strerror or "in time" if server and server.alive else _last_words(lab.run_dir)
                raise Unreachable(f"the BMCs of lab {lab.lab.lab} do not answer ({reason})", what=ROLE) from error
            time.sleep(0.02)


def _connected(namespace: str, address: str) -> socket.socket:
    connection = in_namespace(namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    try:
        connection.settimeout(CONNECT_TIMEOUT_S)
        connection.connect((address, PORT))
    except BaseException:
        connection.close()
        raise
    return connection


def _last_words(folder: Path) -> str:
    log = folder / "bmc" / "log"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "their process has ended")


@dataclass(frozen=True)
class Starting:
    """The service on its way; it may be asked somewhat later than `launched`."""

    folder: Path
    launcher: subprocess.Popen[bytes]

    def settle(self) -> None:
        """Leave no child of this process behind."""
        self.launcher.kill()
        self.launcher.wait()

    def launched(self) -> Process:
        """The process that will serve. Raises LabError when there is none."""
        if self.launcher.wait(timeout=START_TIMEOUT_S) == 0:
            pid_file = self.folder / "bmc" / "pid"
            deadline = time.monotonic() + START_TIMEOUT_S
            while time.monotonic() < deadline:
                if pid_file.exists() and (text := pid_file.read_text(encoding="ascii")).endswith("\n"):
                    if process := Process.of(int(text)):
                        return process
                    break
                time.sleep(0.002)
        raise LabError("the BMCs of the lab do not start", what="bmc")


def start(lab: Lab, folder: Path) -> Starting | None:
    """Start the service, which outlives this process; None where no host has firmware to tell."""
    host = host_of(lab)
    if not host:
        return None
    for name in ("pid", "ready"):  # of an earlier one
        (folder / "bmc" / name).unlink(missing_ok=True)
    # -P: its own folder, full of modules with plain names, is no place to look for libraries.
    command = [sys.executable, "-P", bmc_server.__file__, str(folder / "bmc"), management_address(lab, host), str(PORT)]

    # Wherever this process, and its interpreter, find their libraries.
    libraries = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    libraries |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}

    def launch() -> subprocess.Popen[bytes]:
        with (folder / "bmc" / "log").open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment() | libraries,
                cwd="/",
            )

    return Starting(folder, in_namespace(str(namespace_file(folder, host)), launch))
