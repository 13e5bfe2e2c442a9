"""Ending the SSH server of a host of a lab that is up, and starting it again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from nfvcert.embedded import sshd
from nfvcert.embedded.rundir import Process, end, locked, read_state, write_state
from nfvcert.embedded.sites import Sites

__all__ = ["end_sshd", "start_sshd"]


def end_sshd(sites: Sites, host: str) -> None:
    """End it with all its sessions; nothing where it does not run. Raises LabError."""
    state = read_state(sites.folder)
    recorded = state.daemons.get(f"sshd {host}") if state else None
    if recorded is None or not recorded.alive:
        return
    # One session may end while another one is looked at, and psutil then raises.
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(recorded.pid).children(recursive=True):
            if process := Process.of(child.pid):
                end(process)
    end(recorded)


def start_sshd(
    sites: Sites,
    host: str,
    *,
    key: Path | None = None,
    cpus: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Start it, with another key, on other processors or with more variables than the host's own. Raises LabError."""
    process = sshd.start(sites.lab, sites.folder, host, key=key, cpus=cpus, variables=variables).ready()
    with locked(sites.folder):
        state = read_state(sites.folder)
        if state is not None:
            daemons = state.daemons | {f"sshd {host}": process}
            write_state(sites.folder, state.model_copy(update={"daemons": daemons}))
