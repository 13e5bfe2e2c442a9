"""Removing what a lab holds, whole or half-built: processes first, then namespaces, then files."""

from __future__ import annotations

import shutil
from pathlib import Path

from nfvcert.embedded.namespaces import empty, identity, is_pinned, unmount, unpin
from nfvcert.embedded.privileges import let_go, require_privileges
from nfvcert.embedded.rundir import end, locked, read_state
from nfvcert.errors import LabError

__all__ = ["remove", "take_down"]


def take_down(folder: Path) -> bool:
    """Remove a lab when nobody else works on it; whether there was anything. Raises: LabError, NotPermitted."""
    require_privileges()
    with locked(folder):
        removed = remove(folder)
    let_go(folder.parent)
    return removed != ""


def remove(folder: Path) -> str:
    """Remove a lab's folder and all that it pins; says in words what there was, nothing if nothing.

    The caller holds the lab's lock. Raises: LabError when something cannot be removed.
    """
    if not folder.exists():
        return ""
    pins = sorted((folder / "ns").glob("*"))
    pinned = [path for path in pins if is_pinned(path)]
    state = read_state(folder)
    try:
        # Who is in a namespace of the lab is asked of the kernel: no recycled process number is in one.
        processes = empty({identity(path) for path in pinned})
        # What is left is in a namespace whose pin was lost. The start times tell that it is still the same.
        processes += sum(end(process) for process in (state.daemons.values() if state else ()))
        unmount(folder / "disks")
        for path in pins:
            unpin(path)
        shutil.rmtree(folder)
    except OSError as error:
        raise LabError(
            f"lab {folder.name} cannot be removed: {error.strerror or error}",
            what=folder.name,
            hint=f"what is left of it is in {folder}",
        ) from error
    return f"{_count(len(pinned), 'namespace')}, {_count(processes, 'process')}"


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number or 'no'} {noun if number == 1 else plural}"
