"""The programs that an embedded lab starts, and the Debian packages that they come in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from nfvcert.errors import MissingPackage
from nfvcert.lab import Lab

__all__ = ["PACKAGES", "environment", "needed", "program", "require"]

PACKAGES = {
    "faketime": "faketime",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "mariadb": "mariadb-client",
    "mariadb-install-db": "mariadb-server",
    "mariadbd": "mariadb-server",
    "nft": "nftables",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-switch",
    "ping": "iputils-ping",
    "rabbitmq-server": "rabbitmq-server",
    "sshd": "openssh-server",
}
# An ordinary user's PATH often lacks the folders that these programs are in.
_PATH = os.pathsep.join(("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"))


def program(name: str) -> str:
    """The path of a program. Raises: MissingPackage."""
    require([name])
    return _find(name) or name


def environment() -> dict[str, str]:
    """The environment of the lab's daemons: the same whoever starts them."""
    return {"PATH": _PATH, "LC_ALL": "C.UTF-8"}


def needed(lab: Lab) -> list[str]:
    """The programs that this lab cannot do without."""
    always = ["sshd", "ip", "ping"]
    match lab.network.dut.kind if lab.network else None:
        case "router":
            return [*always, "nft"]
        case "openvswitch":
            return [*always, "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl"]
        case _:
            return always


def require(names: Iterable[str]) -> None:
    """Raises: MissingPackage, naming every program that is missing and the one command that installs them."""
    missing = [name for name in names if _find(name) is None]
    if missing:
        packages = sorted({PACKAGES[name] for name in missing})
        listed = ", ".join(f"{name} (Debian package {PACKAGES[name]})" for name in missing)
        raise MissingPackage(
            f"this machine lacks {listed}",
            what=missing[0],
            hint=f"apt-get install --no-install-recommends {' '.join(packages)}",
        )


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + _PATH)
