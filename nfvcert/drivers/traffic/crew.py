"""The workers of a generator's ports, seen from the generator: started, told, listened to, ended.

Where they are is their launcher's business: processes of this machine (`Here`), or of a host (`remote`).
No multiprocessing.Process: its spawn would run the parent's main module (pytest) again in each worker.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol, TypeVar

from nfvcert.drivers.traffic.messages import Failed, Opened, understood
from nfvcert.drivers.traffic.ports import GeneratorPort
from nfvcert.errors import LabError, NotPermitted, Unreachable

__all__ = ["NO_THREADS", "Crew", "Here", "Launcher", "WorkerProcess"]

_START_S = 30.0
"""A start takes 0.3 s; a machine may be very busy."""
_END_S = 2.0
_MOST_BYTES = 1 << 28
"""Of a message: less than any four printed characters say as a length."""
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy would start a thread a CPU for linear algebra, of which there is none; it starts 0.1 s earlier so."""
_ERRORS: dict[str, type[LabError]] = {"gone": Unreachable, "forbidden": NotPermitted, "unsuitable": LabError}
_HINTS = {"forbidden": "raw sockets need root, or a user namespace in which the lab was made"}
T = TypeVar("T")


class WorkerProcess(Protocol):
    """A worker that was started, wherever it is."""

    connection: Connection

    def status(self, within_s: float) -> int | None:
        """The status that it ended with, negative for a signal; None where it did not end within the time."""
        ...

    def last_words(self) -> str:
        """What it wrote on standard error."""
        ...

    def end(self) -> None:
        """Close the connection, and end the process, at once if it must be."""
        ...


class Launcher(Protocol):
    """Starts workers: here, or on another machine."""

    elsewhere: bool
    """Whether the machine of the workers has another clock than ours."""

    def start(self, port: GeneratorPort) -> WorkerProcess:
        """Raises: Unreachable, LabError where none can be started."""
        ...

    def close(self) -> None:
        """After the last of them ended; the next start opens what is needed again."""
        ...


class Here:
    """Workers are processes of this machine."""

    elsewhere = False

    def start(self, port: GeneratorPort) -> WorkerProcess:
        """See Launcher."""
        del port
        return _Process()

    def close(self) -> None:
        """Nothing is left."""


class _Process:
    def __init__(self) -> None:
        self.connection: Connection
        self.connection, theirs = Pipe()
        with theirs:
            descriptor = theirs.fileno()
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "nfvcert.drivers.traffic.worker", str(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=[descriptor],
                env={**os.environ, "PYTHONPATH": _python_path(), **NO_THREADS},
                start_new_session=True,  # Ctrl-C is for the generator, which then ends us
            )

    def status(self, within_s: float) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        return self._process.poll()

    def last_words(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def end(self) -> None:
        self.connection.close()
        if self.status(_END_S / 10) is None:
            self._process.kill()  # it holds nothing that outlives it
            self._process.wait()
        self._stderr.close()


class _Member:
    """One worker of the crew."""

    def __init__(self, port: GeneratorPort, process: WorkerProcess) -> None:
        self.port = port
        self.inbox: deque[object] = deque()
        self.process = process
        self.connection = process.connection
        self.tell(port)

    def tell(self, message: object) -> None:
        """Send a message. Raises: LabError when the process is dead, with its last words."""
        try:
            self.connection.send(message)
        except ConnectionError:
            while True:  # ends by an exception: the connection is closed at the other end
                self.listen()

    def listen(self) -> None:
        """Receive one message into the inbox. Raises: LabError when it is a failure, or the process is dead."""
        try:
            message = understood(self.connection.recv_bytes(_MOST_BYTES))
        except (EOFError, ConnectionError):
            raise self._died() from None
        except (OSError, pickle.UnpicklingError) as error:
            raise LabError(
                f"the worker of generator port {self.port.name} was not understood: {error}",
                what=self.port.name,
                hint="on a host, a login shell that prints something speaks between the two: let it print nothing",
            ) from error
        if isinstance(message, Failed):
            raise _ERRORS[message.kind](message.sentence, what=self.port.name, hint=_HINTS.get(message.kind, ""))
        self.inbox.append(message)

    def _died(self) -> Unreachable:
        status = self.process.status(_END_S)
        if status is None:
            how = "closed its connection"
        else:
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        last_words = self.process.last_words().strip().rpartition("\n")[2]
        said = f": {last_words}" if last_words else ""
        return Unreachable(f"the worker of generator port {self.port.name} {how}{said}", what=self.port.name)


def _python_path() -> str:
    """So that the worker finds this very nfvcert, installed or not."""
    home = str(Path(__file__).parents[3])
    return os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])


class Crew:
    """The workers of some ports. They start when first told something."""

    def __init__(self, ports: Mapping[str, GeneratorPort], launcher: Launcher | None = None) -> None:
        self.ports = dict(ports)
        self._launcher = launcher or Here()
        self._members: dict[str, _Member] = {}

    @property
    def elsewhere(self) -> bool:
        """Whether the workers' machine has another clock than ours."""
        return self._launcher.elsewhere

    def tell(self, messages: Mapping[str, object]) -> None:
        """Send a message to each of some ports' workers. Raises: Unreachable, NotPermitted, LabError."""
        if not self._members:
            for name, port in self.ports.items():
                self._members[name] = _Member(port, self._launcher.start(port))
            # All are open before the first sends: until then, its kernel would answer test frames.
            self.hear(self._members, Opened, within_s=_START_S)
        for name, message in messages.items():
            self._members[name].tell(message)

    def hear(self, names: Iterable[str], kind: type[T], *, within_s: float) -> dict[str, T]:
        """The next message of each of some workers, which is of a kind.

        All workers are watched meanwhile, so the death of any ends the wait.
        Raises: Unreachable when one is dead, lost its interface, or is silent; NotPermitted; LabError.
        """
        deadline = time.monotonic() + within_s
        missing = {name: self._members[name] for name in names}
        heard: dict[str, T] = {}
        while True:
            for name in [name for name, member in missing.items() if member.inbox]:
                message = missing.pop(name).inbox.popleft()
                if not isinstance(message, kind):
                    raise TypeError(f"the worker of {name} said {message!r} instead of a {kind.__name__}")
                heard[name] = message
            if not missing:
                return heard
            patience_s = deadline - time.monotonic()
            ready = wait([member.connection for member in self._members.values()], max(0.0, patience_s))
            if not ready:
                name = next(iter(missing))
                raise Unreachable(
                    f"the worker of generator port {name} did not answer within {within_s:.1f} s", what=name
                )
            for member in self._members.values():
                if member.connection in ready:
                    member.listen()

    def end(self) -> None:
        """End all workers; the next message starts new ones."""
        members, self._members = self._members, {}
        for member in members.values():
            member.connection.close()
        for member in members.values():
            member.process.end()
        self._launcher.close()
