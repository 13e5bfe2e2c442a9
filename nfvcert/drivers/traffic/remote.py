"""Workers on a host of the lab, over SSH: where the generator's ports are in a server of the lab, not in this machine.

Nothing is installed there. The host needs Python 3.10 and numpy; the modules that a worker is made of are sent to it,
and stay in its memory. All ports are on one host, since one-way latencies want one clock.
"""

from __future__ import annotations

import contextlib
import functools
import io
import shlex
import socket
import threading
import zipfile
from collections.abc import Callable
from importlib.resources import files
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from nfvcert.drivers.ssh import SshShell
from nfvcert.drivers.ssh_wire import BROKEN
from nfvcert.drivers.traffic.crew import NO_THREADS, WorkerProcess
from nfvcert.drivers.traffic.ports import GeneratorPort
from nfvcert.errors import LabError

if TYPE_CHECKING:
    from paramiko import Channel

__all__ = ["OnHost"]

_PACKAGES = ("nfvcert", "nfvcert.drivers", "nfvcert.drivers.traffic")
_MODULES = (
    "arrivals",
    "awake",
    "capture",
    "frames",
    "interface",
    "machine",
    "messages",
    "pacing",
    "ports",
    "sender",
    "worker",
)
"""Of the last of these packages: what a worker imports."""
_BEGIN = """
import os, sys
def read(size):
    data = b""
    while len(data) < size:
        data += os.read(0, size - len(data)) or sys.exit("the generator hung up")
    return data
there = os.memfd_create("nfvcert")
os.write(there, read(int.from_bytes(read(8), "big")))
sys.path.insert(0, f"/proc/self/fd/{there}")
from nfvcert.drivers.traffic.worker import answer
answer()
"""
_VERSIONS = "import platform, numpy; print(f'Python {platform.python_version()}, numpy {numpy.__version__}')"
_CHUNK = 1 << 16
_END_S = 0.2


class OnHost:
    """A `nfvcert.drivers.traffic.crew.Launcher` whose workers are processes of a host.

    ``shell`` is used for nothing else, and is closed with the last worker; ``python`` runs there.
    """

    elsewhere = True

    def __init__(self, shell: SshShell, python: str = "python3") -> None:
        self._shell = shell
        self._python = python
        self._started: list[_Remote] = []

    @property
    def name(self) -> str:
        """The host's."""
        return self._shell.host

    def describe(self) -> str:
        """What the workers are run by, in one line. Raises: Unreachable, LabError with what is missing."""
        found = self._shell.run(f"{self._python} -c {shlex.quote(_VERSIONS)}", check=False)
        if found.status:
            why = found.stderr.strip().rpartition("\n")[2]
            raise LabError(
                f"{self._shell.host} cannot run the traffic generator: {why}",
                what=self._shell.host,
                hint="it needs Python 3.10 or later with numpy (packages python3, python3-numpy)",
            )
        return f"software, on {self._shell.host}: {found.stdout.strip()}"

    def start(self, port: GeneratorPort) -> WorkerProcess:
        """See Launcher."""
        del port
        variables = " ".join(f"{name}={value}" for name, value in NO_THREADS.items())
        channel = self._shell.start(f"exec env {variables} {self._python} -c {shlex.quote(_BEGIN)}")
        started = _Remote(channel, _bundle())
        self._started.append(started)
        return started

    def close(self) -> None:
        """See Launcher."""
        started, self._started = self._started, []
        if any(each.status(0) is None for each in started):
            self._shell.end_started()
        self._shell.close()


class _Remote:
    """The near end of one worker: a socket, whose bytes go to the host and come from there."""

    def __init__(self, channel: Channel, bundle: bytes) -> None:
        self._channel = channel
        mine, theirs = socket.socketpair()
        self.connection = Connection(mine.detach())
        self._theirs = theirs
        self._said = b""
        for carry in (functools.partial(self._send, bundle), self._receive):
            threading.Thread(target=carry, daemon=True).start()

    def _send(self, bundle: bytes) -> None:
        _carry(lambda: bundle, self._channel.sendall, times=1)
        _carry(lambda: self._theirs.recv(_CHUNK), self._channel.sendall)
        with contextlib.suppress(*BROKEN):
            self._channel.shutdown_write()  # it ends by that

    def _receive(self) -> None:
        _carry(lambda: self._channel.recv(_CHUNK), self._theirs.sendall)
        with contextlib.suppress(OSError):
            self._theirs.shutdown(socket.SHUT_WR)

    def status(self, within_s: float) -> int | None:
        """See WorkerProcess."""
        self._channel.status_event.wait(within_s)
        status = self._channel.exit_status
        return None if status < 0 else 128 - status if status > 128 else status

    def last_words(self) -> str:
        """See WorkerProcess."""
        with contextlib.suppress(*BROKEN):
            while self._channel.recv_stderr_ready():
                self._said += self._channel.recv_stderr(_CHUNK)
        return self._said.decode(errors="replace")

    def end(self) -> None:
        """See WorkerProcess. One that does not hear that its input ended is ended by `OnHost.close`."""
        self.connection.close()
        self._channel.status_event.wait(_END_S)
        self._theirs.close()


def _carry(take: Callable[[], bytes], give: Callable[[bytes], object], times: int = -1) -> None:
    """Until either end is closed."""
    with contextlib.suppress(*BROKEN):
        while times and (data := take()):
            give(data)
            times -= 1


@functools.cache
def _bundle() -> bytes:
    """The modules of a worker as a zip file, after its length."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        for package in _PACKAGES:
            bundle.writestr(f"{package.replace('.', '/')}/__init__.py", "")
        for module in _MODULES:
            source = files(_PACKAGES[-1]) / f"{module}.py"
            bundle.writestr(f"{_PACKAGES[-1].replace('.', '/')}/{module}.py", source.read_bytes())
    return len(archive.getvalue()).to_bytes(8, "big") + archive.getvalue()
