"""Removing what a lab holds, whole or half-built: processes first, then namespaces, then files."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from nfvcert.embedded.namespaces import empty, identity, is_pinned, unpin
from nfvcert.embedded.rundir import read_state
from nfvcert.errors import LabError

__all__ = ["remove"]


def remove(folder: Path) -> str:
    """Remove a lab's folder and all that it pins; says in words what there was, nothing if nothing.

    The caller holds the lab's lock. Raises: LabError when something cannot be removed.
    """
    if not folder.exists():
        return ""
    pins = sorted((folder / "ns").glob("*"))
    pinned = [path for path in pins if is_pinned(path)]
    try:
        processes = empty({identity(path) for path in pinned} | _namespaces_of_daemons(folder))
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


def _namespaces_of_daemons(folder: Path) -> set[int]:
    """Where the lab's recorded processes are: somewhere else than in a pinned namespace if a pin was lost.

    Which processes to end is always asked of the kernel, by namespace: a recycled process number is in none.
    """
    found = set()
    state = read_state(folder)
    for process in state.daemons.values() if state else ():
        if process.alive:
            with suppress(OSError):
                found.add(identity(f"/proc/{process.pid}/ns/net"))
    return found - {identity("/proc/self/ns/net")}


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number or 'no'} {noun if number == 1 else plural}"
