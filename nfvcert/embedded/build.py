"""Building a lab from its inventory, in an empty folder."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from nfvcert.embedded import bmc, bridges, disks, emulation, routers, sshd, vswitches
from nfvcert.embedded.cabling import cable_all
from nfvcert.embedded.rundir import Process
from nfvcert.embedded.sites import Sites, opened, pin_all
from nfvcert.embedded.wiring import explained
from nfvcert.errors import LabError
from nfvcert.lab import Lab

__all__ = ["build"]


def build(lab: Lab, folder: Path) -> dict[str, Process]:
    """Build the lab in ``folder``; returns the processes that must run, by role.

    Whoever calls it removes what is there when it raises: LabError, MissingPackage.
    """
    with explained(f"lab {lab.lab} cannot be built"):
        pin_all(lab, folder)
        sshd.prepare(lab, folder)
        emulation.prepare(lab, folder)
        disks.prepare(lab, folder)
        bmc.prepare(lab, folder)
        with opened(lab, folder) as sites, ExitStack() as stack:
            cable_all(sites)
            # They start side by side, while the device is being made.
            starting = []
            for host in lab.hosts:
                starting.append(sshd.start(lab, folder, host))
                stack.callback(starting[-1].settle)
            if (controllers := bmc.start(lab, folder)) is not None:
                stack.callback(controllers.settle)
            daemons = _build_device(sites) | {f"sshd {each.host}": each.ready() for each in starting}
            return daemons | ({bmc.ROLE: controllers.launched()} if controllers else {})


def _build_device(sites: Sites) -> dict[str, Process]:
    match sites.lab.network.dut.kind if sites.lab.network else None:
        case "linux-bridge":
            bridges.build(sites)
        case "router":
            routers.build(sites)
        case "openvswitch":
            return vswitches.build(sites)
        case None:
            pass
        case kind:
            name = sites.lab.lab
            raise LabError(f"lab {name}: a device of kind {kind} cannot be embedded", what=name)
    return {}
