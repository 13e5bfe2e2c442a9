"""What tests of embedded labs look at: inventories, commands on hosts, what is left on the machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko

from nfvcert.embedded import EmbeddedLab
from nfvcert.embedded.rundir import Process
from nfvcert.embedded.wiring import Site
from nfvcert.files import read_lab
from nfvcert.lab import Lab

KINDS = ("opco-ru", "opco-kz", "vendor-a")


def inventory(name: str) -> Lab:
    return read_lab(Path(__file__).parents[2] / "lab_inventory" / f"{name}.yaml")


def run(lab: EmbeddedLab, host: str, command: str) -> tuple[int, str]:
    """A command on a host over SSH: its status and what it said."""
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(lab.known_hosts))
        connection = lab.connect(host, 5.0)
        try:
            client.connect(
                host,
                username=lab.user,
                key_filename=str(lab.client_key),
                sock=connection,
                allow_agent=False,
                look_for_keys=False,
                timeout=10,
            )
            _, out, _ = client.exec_command(f"({command}) 2>&1", timeout=20)
            said = out.read().decode()
            return out.channel.recv_exit_status(), said
        finally:
            connection.close()


@contextmanager
def another_process(work: Callable[[], object]) -> Iterator[int]:
    """The pid of a process that does ``work`` and exits; killed at the end of the block if it still runs."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    try:
        yield pid
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def set_link(lab: EmbeddedLab, host: str, interface: str, state: str) -> None:
    with Site(lab.namespace(host)) as site:
        site.link(interface, state=state)


def mounts_below(folder: Path) -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {folder}/" in line]


def processes_of(text: str) -> list[int]:
    """Processes that run, and have a text in their command line: a run directory's path, say."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if text in (entry / "cmdline").read_text(errors="replace") and Process.of(int(entry.name)):
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def own_interfaces() -> set[str]:
    with Site("/proc/self/ns/net") as site:
        return set(site.interfaces())


@contextmanager
def leaves_nothing(run_dir: Path) -> Iterator[None]:
    """Fails when, after the block, a lab of the run directory has left anything on the machine."""
    before = own_interfaces()
    yield
    assert own_interfaces() == before
    assert mounts_below(run_dir) == []
    assert processes_of(str(run_dir)) == []
    left = run_dir.iterdir() if run_dir.exists() else ()
    assert [path.name for path in left if path.suffix != ".lock"] == []
