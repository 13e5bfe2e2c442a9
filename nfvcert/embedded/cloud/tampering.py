"""What faults do to a cloud that runs: its processes, its database, its load balancer. The faults are beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

from nfvcert.embedded.cloud import proxy, readiness, running
from nfvcert.embedded.fault import Fault
from nfvcert.embedded.pop import management_address
from nfvcert.embedded.programs import environment, program
from nfvcert.embedded.rundir import Process
from nfvcert.embedded.sites import Sites
from nfvcert.errors import LabError

__all__ = [
    "CACHE_S",
    "SETTLE_S",
    "OfCloud",
    "Stuttering",
    "address_of",
    "await_whole",
    "hold_down",
    "let_up",
    "pid_of",
    "place_of",
    "reload_proxy",
    "sql",
]

WAIT_S = 60.0
SETTLE_S = 3.0
"""A worker has no port to be asked at: from its start until it takes messages."""
CACHE_S = 6.0
"""Keystone keeps what it read for so long."""


@dataclass
class OfCloud(Fault):
    """Base of faults of a cloud."""

    def check(self, sites: Sites) -> None:
        """The cloud must run."""
        if not (place_of(sites) / "services.json").exists():
            raise LabError(f"lab {sites.lab.lab} runs no cloud that could break", what="cloud")


@dataclass
class Stuttering(OfCloud):
    """Base of faults in which a service stands still for most of the time."""

    service: ClassVar[str]

    still_s: float = 3.5
    """How long it stands still at a time."""
    runs_s: float = 0.3
    """And how long it runs between."""
    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def seed(self, sites: Sites) -> None:
        """Stop and go, in a thread."""
        pid = pid_of(sites, self.service)
        self._stop.clear()
        self._thread = Thread(target=self._stutter, args=(pid,), name=self.name, daemon=True)
        self._thread.start()

    def clear(self, sites: Sites) -> None:
        """Let it run."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        with suppress(ProcessLookupError):
            os.kill(pid_of(sites, self.service), signal.SIGCONT)

    def _stutter(self, pid: int) -> None:
        while not self._stop.is_set():
            os.kill(pid, signal.SIGSTOP)
            self._stop.wait(self.still_s)
            os.kill(pid, signal.SIGCONT)
            self._stop.wait(self.runs_s)


def place_of(sites: Sites) -> Path:
    """The folder of the cloud."""
    return sites.folder / "cloud"


def address_of(sites: Sites) -> str:
    """Where its public endpoints are."""
    return management_address(sites.lab, running.controller(sites.lab))


def pid_of(sites: Sites, service: str) -> int:
    """The process of a service."""
    return int((place_of(sites) / "run" / "pids" / service).read_text(encoding="ascii"))


def hold_down(sites: Sites, service: str) -> None:
    """Let a service that ends stay ended."""
    (place_of(sites) / "stopped" / service).touch()


def let_up(sites: Sites, service: str) -> None:
    """Let a service be started again, and wait until it runs and the cloud answers as a whole."""
    (place_of(sites) / "stopped" / service).unlink(missing_ok=True)
    deadline = time.monotonic() + WAIT_S
    while Process.of(pid_of(sites, service)) is None:
        if time.monotonic() > deadline:
            raise LabError(f"{service} does not start again", what="cloud")
        time.sleep(0.1)
    time.sleep(SETTLE_S)
    await_whole(sites)


def await_whole(sites: Sites) -> None:
    """Wait until the cloud answers as a whole."""
    readiness.await_all(running.EmbeddedCloud(sites.lab, sites.folder), lambda: True)


def reload_proxy(sites: Sites, rules: dict[str, str]) -> None:
    """Let the proxy read its configuration again: a new process takes over, and the old one ends its connections."""
    place = place_of(sites)
    text = proxy.configuration(place, address_of(sites), running.apis(sites.lab), rules)
    (place / "etc" / "haproxy.cfg").write_text(text, encoding="utf-8")
    checked = subprocess.run(
        [program("haproxy"), "-c", "-f", str(place / "etc" / "haproxy.cfg")],
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode:
        raise LabError(f"the proxy refuses its configuration: {checked.stderr.strip()[-300:]}", what="cloud")
    os.kill(pid_of(sites, "api-load-balancer"), signal.SIGUSR2)
    time.sleep(1.5)


def sql(sites: Sites, statements: str) -> None:
    """Let the database carry out statements, as its root. Raises LabError."""
    done = subprocess.run(
        [program("mariadb"), "--no-defaults", f"--socket={place_of(sites) / 'run' / 'mysql.sock'}", "--user=root"],
        input=statements,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=WAIT_S,
    )
    if done.returncode:
        raise LabError(f"the database of the cloud refuses: {done.stderr.strip()[-300:]}", what="cloud")
