"""Network namespaces: entering, pinning and emptying them.

A namespace belongs to a thread: entering one changes what the calling thread sees, and nothing else.
A namespace lives while a process, a socket or a mount holds it; here, the mount of it on a file.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TypeVar

__all__ = [
    "empty",
    "enter",
    "entered",
    "identity",
    "in_namespace",
    "is_pinned",
    "members",
    "name_machine",
    "pin",
    "replace_files",
    "share",
    "unmount",
    "unpin",
]

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWNS = 0x00020000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SLAVE = 0x80000
_MS_SHARED = 0x100000
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def enter(path: str) -> None:
    """Move the calling thread into the network namespace at ``path``, for good.

    Sockets that it opens and processes that it starts belong to that namespace. Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.setns(handle, _CLONE_NEWNET), path)
    finally:
        os.close(handle)


@contextmanager
def entered(path: str) -> Iterator[None]:
    """Be in the network namespace at ``path`` for a ``with`` block, in this thread only. Raises OSError."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(path)
        try:
            yield
        finally:
            _checked(_libc.setns(home, _CLONE_NEWNET), "the namespace before")
    finally:
        os.close(home)


def in_namespace(path: str, work: Callable[[], T]) -> T:
    """Call ``work`` in a thread of its own within the namespace at ``path``; its result, or its exception.

    The calling thread never leaves its namespace: other processes judge a process by its main thread.
    """

    def enter_and_work() -> T:
        enter(path)
        return work()

    return _in_thread(enter_and_work)


def name_machine(name: str) -> None:
    """Give the calling thread, and the processes that it starts, a host name of their own. Raises OSError."""
    _checked(_libc.unshare(_CLONE_NEWUTS), "a host name")
    socket.sethostname(name)


def replace_files(replaced: Mapping[Path, Path]) -> None:
    """Let the calling thread, and the processes that it starts, find other contents in some files or folders.

    ``replaced``: path → contents, with what is mounted in them.

    For good, in a mount namespace of its own, in which what is unmounted outside goes away too. Raises OSError.
    """
    _checked(_libc.unshare(_CLONE_NEWNS), "a mount namespace")
    _checked(_libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None), "/")
    for path, contents in replaced.items():
        if path.exists():  # through a symbolic link: the file that it leads to
            target = os.fsencode(path.resolve())
            _checked(_libc.mount(os.fsencode(contents), target, None, _MS_BIND | _MS_REC, None), str(path))


def share(folder: Path) -> None:
    """Let what is mounted below a folder from now on be seen in mount namespaces that were made before it.

    Only in those that are made after this call. Raises OSError.
    """
    name = os.fsencode(folder)
    _checked(_libc.mount(name, name, None, _MS_BIND, None), str(folder))
    _checked(_libc.mount(None, name, None, _MS_SHARED, None), str(folder))


def unmount(folder: Path) -> None:
    """Unmount whatever is mounted at a path, or below it, and how often it is. Raises OSError."""
    while found := [path for path in _mounted() if path == folder or folder in path.parents]:
        for path in reversed(found):  # what was mounted last
            _checked(_libc.umount2(os.fsencode(path), _MNT_DETACH), str(path))


def _mounted() -> list[Path]:
    """All mount points of this mount namespace, in the order in which they were mounted (proc_pid_mountinfo(5))."""
    lines = Path("/proc/thread-self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    escaped = (line.split()[4] for line in lines)
    return [Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)) for path in escaped]


def pin(paths: Iterable[Path]) -> None:
    """Make a network namespace for each path and mount it there. IPv6 is off in it.

    An interface with IPv6 sends router solicitations and multicast reports by itself: frames that
    no measurement of the device under test ordered. Raises OSError.
    """

    def make() -> None:
        for path in paths:
            path.touch(mode=0o400)
            _checked(_libc.unshare(_CLONE_NEWNET), "a network namespace")
            with suppress(FileNotFoundError):  # a kernel without IPv6
                Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
                Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
            _checked(_libc.mount(b"/proc/thread-self/ns/net", os.fsencode(path), None, _MS_BIND, None), str(path))

    _in_thread(make)


def unpin(path: Path) -> None:
    """Let go of the namespace at ``path`` and remove the file. Raises OSError."""
    while is_pinned(path):  # whatever was mounted twice
        _checked(_libc.umount2(os.fsencode(path), _MNT_DETACH), str(path))
    path.unlink(missing_ok=True)


def is_pinned(path: Path) -> bool:
    """Whether a namespace is mounted at ``path``."""
    try:
        return path.stat().st_dev == Path("/proc/self/ns/net").stat().st_dev
    except FileNotFoundError:
        return False


def identity(path: str | Path) -> int:
    """The number of the namespace at ``path``: no other one has it while this one lives. Raises OSError."""
    return Path(path).stat().st_ino


def members(identities: AbstractSet[int]) -> list[int]:
    """The pids of all processes whose main thread is in one of the namespaces."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()] if identities else []
    return [pid for pid in pids if _is_in(pid, identities)]


def empty(identities: AbstractSet[int], *, timeout_s: float = 10.0) -> int:
    """End every process in the namespaces, but for this one and its ancestors; how many it ended.

    Raises: TimeoutError when one does not go.
    """
    spared = set(_ancestry())
    ended: set[int] = set()
    deadline = time.monotonic() + timeout_s
    clean = 0
    # A daemon that starts at this moment forks and ends: one look may miss both parent and child.
    while clean < 3:
        remaining = [pid for pid in members(identities) if pid not in spared]
        clean = 0 if remaining else clean + 1
        for pid in remaining:
            _kill_if_in(pid, identities)
        ended.update(remaining)
        if remaining and time.monotonic() > deadline:
            raise TimeoutError(f"processes {remaining} do not end")
        time.sleep(0.001)
    return len(ended)


def _is_in(pid: int, identities: AbstractSet[int]) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino in identities
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False  # it ended meanwhile, or we may not look at it: then it is none of ours


def _kill_if_in(pid: int, identities: AbstractSet[int]) -> None:
    """Kill a process by a handle that is taken before we look again: its number may be another's by now."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if _is_in(pid, identities):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _ancestry() -> Iterator[int]:
    pid = os.getpid()
    while pid > 0:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _in_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  # it is raised again, in the thread that waits
            errors.append(error)

    thread = Thread(target=run, name="nfvcert-namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
