"""Bringing labs up, finding them again, taking them down."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nfvcert.embedded.pop import EmbeddedLab, login_user
from nfvcert.embedded.ports import loop_of, ports_of
from nfvcert.embedded.privileges import hold, let_go, require_privileges
from nfvcert.embedded.programs import needed, require
from nfvcert.embedded.removal import remove, take_down
from nfvcert.embedded.rundir import Busy, Process, State, lab_names, locked, read_state, run_root, write_state
from nfvcert.errors import LabError
from nfvcert.lab import Lab

if TYPE_CHECKING:
    from nfvcert.embedded.cloud.running import EmbeddedCloud

__all__ = ["cloud_of", "down", "find", "start_cloud", "start_disks", "sweep", "up"]

CLOUD_TIMEOUT_S = 1200.0
"""How long another process may take to start a cloud for the first time."""


def up(lab: Lab, *, owner: int | None = None, in_use: bool = False) -> EmbeddedLab:
    """Bring a lab up; a lab that is up and healthy is returned as it is.

    ``owner`` is the pid of the process that uses it: when that is gone, `sweep` takes the lab down.
    None: the lab stays until `down`.
    Raises: MissingPackage, NotPermitted (before anything is made); LabError.
    """
    if lab.provider != "embedded":
        raise LabError(f"lab {lab.lab} is an existing one: there is nothing to bring up", what=lab.lab)
    require_privileges(lab)
    require(needed(lab))
    wanted_by = _process(owner) if owner is not None else None
    folder = run_root() / lab.lab
    with locked(folder):
        state = read_state(folder)
        if state and state.stage == "up":
            from nfvcert.embedded.health import problems

            wrong = problems(state, folder) if state.lab == lab else ["its inventory has changed"]
            if state.owner and not state.owner.alive:
                # A test that was killed may have taken a link away, which no look at the lab would show.
                wrong = [f"process {state.owner.pid}, which used it, was killed"]
            if not wrong or (in_use and state.lab == lab and state.owner == wanted_by):
                _adopt(folder, state, wanted_by)
                return _embedded(lab, folder, created=False)
            if state.owner and state.owner.alive and state.owner != wanted_by:
                raise LabError(
                    f"lab {lab.lab} cannot be used as it is ({'; '.join(wrong)}), "
                    f"nor made anew: process {state.owner.pid} uses it",
                    what=lab.lab,
                )
        remove(folder)
        _make(lab, folder, wanted_by)
    return _embedded(lab, folder, created=True)


def find(name: str) -> EmbeddedLab | None:
    """The lab of that name if it is up here, whichever process brought it up."""
    folder = run_root() / name
    state = read_state(folder)
    return _embedded(state.lab, folder, created=False) if state and state.stage == "up" else None


def cloud_of(found: EmbeddedLab) -> EmbeddedCloud | None:
    """The cloud of a lab that is up, where it was started."""
    from nfvcert.embedded.cloud import installation, running

    state = read_state(found.run_dir)
    started = state is not None and installation.ROLE in state.daemons
    return running.EmbeddedCloud(found.lab, found.run_dir) if started else None


def start_cloud(found: EmbeddedLab, tell: Callable[[str], None] = lambda _: None) -> EmbeddedCloud:
    """The cloud of a lab that is up; started where it does not run yet, of which ``tell`` is told in words.

    Raises: LabError, MissingPackage.
    """
    from nfvcert.embedded.cloud import installation, running

    require(installation.PROGRAMS)
    folder = found.run_dir
    with locked(folder, timeout_s=CLOUD_TIMEOUT_S):
        state = read_state(folder)
        if state is None or state.stage != "up":
            raise LabError(f"lab {found.lab.lab} is not up, so it can have no cloud", what="cloud")
        parent = state.daemons.get(installation.ROLE)
        if parent is None:
            parent = installation.start(found.lab, folder, tell)
            daemons = state.daemons | {installation.ROLE: parent}
            write_state(folder, state.model_copy(update={"daemons": daemons}))
        elif not parent.alive:
            raise LabError(f"the services of the cloud of lab {found.lab.lab} are gone", what="cloud")
    return running.EmbeddedCloud(found.lab, folder)


def start_disks(found: EmbeddedLab, host: str) -> None:
    """Let a host of a lab that is up have its disks, if it has none yet. Raises: LabError, MissingPackage."""
    from nfvcert.embedded import disks

    declared = disks.disks_of(found.lab, host)
    if declared:
        require(disks.PROGRAMS)
    folder = found.run_dir
    with locked(folder):
        state = read_state(folder)
        if state is None or state.stage != "up":
            raise LabError(f"lab {found.lab.lab} is not up, so its hosts have no disks", what=host)
        for name in declared:
            running = state.daemons.get(disks.role(host, name))
            if running is None:
                process = disks.serve(found.lab, folder, host, name)
                state = state.model_copy(update={"daemons": state.daemons | {disks.role(host, name): process}})
                write_state(folder, state)
            elif not running.alive:
                raise LabError(f"disk {name} of {host} of lab {found.lab.lab} is gone", what=host)


def down(name: str) -> bool:
    """Take the lab of that name down; whether there was anything to take down. Raises: LabError."""
    return take_down(run_root() / name)


def sweep() -> list[str]:
    """Remove labs that are half-built or whose owner is gone; says in words what it removed.

    A lab that some process is bringing up or down at this moment is left to that process.
    """
    require_privileges()
    root = run_root()
    removed = []
    for name in lab_names(root):
        folder = root / name
        try:
            with locked(folder, timeout_s=0):
                if reason := _orphaned(read_state(folder)):
                    removed.append(f"lab {name}, {reason}: {remove(folder)}")
        except Busy:
            continue
    let_go(root)
    return removed


def _make(lab: Lab, folder: Path, owner: Process | None) -> None:
    from nfvcert.embedded.build import build

    state = State(lab=lab, stage="building", builder=_process(os.getpid()), owner=owner)
    folder.mkdir(mode=0o700)
    try:
        write_state(folder, state)
        hold(folder.parent)
        write_state(folder, state.model_copy(update={"daemons": build(lab, folder), "stage": "up"}))
    except BaseException:
        remove(folder)
        raise


def _adopt(folder: Path, state: State, owner: Process | None) -> None:
    """A lab that somebody asked to stay does."""
    if state.owner is not None and owner is None:
        write_state(folder, state.model_copy(update={"owner": owner}))


def _orphaned(state: State | None) -> str:
    """Why nobody can need a lab of this state; empty when somebody may."""
    if state is None:
        return "which has no readable state"
    if state.stage == "building":
        return f"half-built by process {state.builder.pid}"
    if state.owner and not state.owner.alive:
        return f"whose process {state.owner.pid} is gone"
    return ""


def _process(pid: int) -> Process:
    process = Process.of(pid)
    if process is None:
        raise LabError(f"process {pid} is to own the lab, and there is no such process")
    return process


def _embedded(lab: Lab, folder: Path, *, created: bool) -> EmbeddedLab:
    return EmbeddedLab(
        lab=lab,
        run_dir=folder,
        created=created,
        user=login_user(),
        ports=ports_of(lab, folder),
        loop=loop_of(lab, folder),
    )
