"""The rights that an embedded lab needs, and a user namespace where they are lacking.

An ordinary user becomes master of a user namespace: in it, network namespaces, mounts and port 22 are
free to use, and nothing outside of it changes. A lab that is up there is seen from there only, so the
next process must join the same one: a process that sleeps, the anchor, holds it open as long as labs are
up, and the run directory says which process that is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from nfvcert.embedded import entering
from nfvcert.embedded.rundir import Process, end, lab_names, locked, run_root
from nfvcert.errors import NotPermitted
from nfvcert.lab import Lab

__all__ = ["ensure_privileges", "hold", "let_go", "require_privileges"]

_CAP_NET_ADMIN = 12
_CAP_SYS_ADMIN = 21
_ENTERED = "NFVCERT_USER_NAMESPACE"
_TUN = Path("/dev/net/tun")
_FORBIDDING = {
    # What distributions forbid user namespaces with → the value that forbids, the command that allows.
    "kernel/unprivileged_userns_clone": ("0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    "kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    "user/max_user_namespaces": ("0", "sudo sysctl user.max_user_namespaces=10000"),
}


def ensure_privileges(argv: Sequence[str]) -> None:
    """Return if this process may make network namespaces; else run ``argv`` anew where it may.

    ``argv`` is the whole command line, its program first. In the second case this process becomes that
    program and the call does not return: call it before anything has been done.
    Raises: NotPermitted when this machine allows this user no namespace.
    """
    if _privileged():
        return
    if os.geteuid() == 0 or _ENTERED in os.environ:
        # In a user namespace of its own, root could not become the user that sshd separates privileges with.
        raise _not_permitted("this is root without CAP_SYS_ADMIN and CAP_NET_ADMIN, as in a container")
    anchor = _anchor(run_root())
    head = [sys.executable, "-I", "-S", entering.__file__, str(anchor.pid) if anchor else "new"]
    trial = subprocess.run([*head, "true"], capture_output=True, text=True, check=False)
    if trial.returncode == entering.REFUSED:
        raise _not_permitted(f"this machine lets no ordinary user make namespaces ({trial.stderr.strip()})")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(head[0], [*head, *argv], os.environ | {_ENTERED: "1"})  # ditto


def require_privileges(lab: Lab | None = None) -> None:
    """Check that this process may bring labs up and down, or this ``lab``. Raises: NotPermitted."""
    if not _privileged():
        raise _not_permitted("an embedded lab needs CAP_NET_ADMIN and CAP_SYS_ADMIN")
    kind = lab.network.dut.kind if lab and lab.network else None
    if kind == "openvswitch" and not os.access(_TUN, os.R_OK | os.W_OK):
        raise NotPermitted(
            f"Open vSwitch needs {_TUN}, which {'this user may not open' if _TUN.exists() else 'is not there'}",
            what=str(_TUN),
            hint="sudo chmod 666 /dev/net/tun" if _TUN.exists() else "sudo modprobe tun",
        )


def hold(root: Path) -> None:
    """Keep this user namespace open after the end of this process; nothing to do outside of one.

    Call it when the lab's folder is there. Raises: NotPermitted when there is another one already.
    """
    if _ENTERED not in os.environ:
        return
    with locked(root / "_anchor"):
        anchor = _anchor(root)
        if anchor is None:
            sleep = shutil.which("sleep") or "/bin/sleep"
            devnull = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
            pid = os.posix_spawn(sleep, ["sleep", "infinity"], {}, file_actions=devnull, setsid=True)
            if anchor := Process.of(pid):
                (root / "_anchor.new").write_text(anchor.model_dump_json(), encoding="ascii")
                (root / "_anchor.new").replace(root / "_anchor.json")
        elif Path(f"/proc/{anchor.pid}/ns/user").stat() != Path("/proc/self/ns/user").stat():
            raise NotPermitted("another process has opened another user namespace meanwhile", hint="run this again")


def let_go(root: Path) -> None:
    """End the anchor where no lab is up any more."""
    if _ENTERED not in os.environ:
        return
    with locked(root / "_anchor"):
        if not lab_names(root) and (anchor := _anchor(root)):
            end(anchor)
            with suppress(ChildProcessError):
                os.waitpid(anchor.pid, 0)
            (root / "_anchor.json").unlink()


def _privileged() -> bool:
    """Whether this process may make network namespaces and mount them. Root may lack it, a user may have it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return bool(effective >> _CAP_NET_ADMIN & effective >> _CAP_SYS_ADMIN & 1)
    return False


def _anchor(root: Path) -> Process | None:
    try:
        anchor = Process.model_validate_json((root / "_anchor.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return anchor if anchor.alive else None


def _not_permitted(sentence: str) -> NotPermitted:
    commands = [
        command
        for name, (forbids, command) in _FORBIDDING.items()
        if (path := Path("/proc/sys", name)).exists() and path.read_text(encoding="ascii").strip() == forbids
    ]
    allow = f"or allow user namespaces: {'; '.join(commands)}" if commands else ""
    return NotPermitted(
        sentence, what="privileges", hint=" ".join(filter(None, ["run it with sudo,", allow])).rstrip(",")
    )
