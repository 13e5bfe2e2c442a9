"""Run a command with the rights of a user namespace: ``python entering.py new|PID COMMAND…``.

`new` makes a user, a mount and a network namespace, PID joins those of a process. The command runs as the
same user as before, with all capabilities in the user namespace, and so does whatever it starts. The network
namespace is empty; without it a process that entered a lab's could not come back, since the machine's own is
not the user namespace's to enter.

This file is run by its path, in an interpreter of its own that has no threads, as the kernel demands of
a process that changes its user namespace. So it imports nothing of nfvcert.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

__all__ = ["REFUSED"]

REFUSED = 77
"""Exit status when this machine does not permit it; the reason is on standard error."""

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _make() -> None:
    user, group = os.geteuid(), os.getegid()
    _checked(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWNET))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _join(pid: int) -> None:
    here = Path.cwd()
    handles = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("user", "mnt", "net")]
    for handle, kind in zip(handles, (_CLONE_NEWUSER, _CLONE_NEWNS, _CLONE_NEWNET), strict=True):
        _checked(_libc.setns(handle, kind))
    os.chdir(here)  # a mount namespace is entered at its root


def _keep_capabilities() -> None:
    """Let the capabilities survive the start of a program, by any user (capabilities(7), ambient set)."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    _checked(_libc.capget(header, data))
    effective, permitted, _, effective_high, permitted_high, _ = struct.unpack("6I", data.raw)
    inheritable = struct.pack("6I", effective, permitted, permitted, effective_high, permitted_high, permitted_high)
    _checked(_libc.capset(header, inheritable))
    for capability in range(64):
        if (permitted | permitted_high << 32) >> capability & 1:
            _checked(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _main(where: str, command: list[str]) -> None:
    try:
        if where == "new":
            _make()
        else:
            _join(int(where))
        _keep_capabilities()
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        sys.exit(REFUSED)
    os.execvp(command[0], command)  # the command line is this process's own


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
