"""An embedded cloud that runs: the ways to it, what of it has ended, and what its logs tell."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from nfvcert.embedded.cloud import services
from nfvcert.embedded.cloud.releases import RELEASES, Release
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.rundir import Process, namespace_file
from nfvcert.errors import LabError
from nfvcert.lab import NEWEST_RELEASE, ControlProcess, Lab

__all__ = [
    "EmbeddedCloud",
    "apis",
    "controller",
    "has_object_store",
    "hypervisors",
    "last_words",
    "release_of",
    "without",
]

CONNECT_TIMEOUT_S = 5.0


def controller(lab: Lab) -> str:
    """The host in whose namespace the services run. Raises LabError where the lab has none."""
    for name, host in lab.hosts.items():
        if "controller" in host.roles:
            return name
    raise LabError(f"lab {lab.lab} declares a cloud, and no host with the role controller to run it", what="cloud")


def hypervisors(lab: Lab) -> list[str]:
    """The hosts for each of which a hypervisor is simulated."""
    return [name for name, host in lab.hosts.items() if "compute" in host.roles]


def release_of(lab: Lab) -> Release:
    """Of which the services are."""
    return RELEASES[(lab.cloud and lab.cloud.release) or NEWEST_RELEASE]


def without(lab: Lab) -> tuple[str, ...]:
    """Projects that the cloud does not have."""
    absent: set[str] = {*lab.cloud.without} if lab.cloud else set()
    if not has_object_store(lab):
        absent.add(services.API_TYPES["swift"])
    return tuple(project for project, kind in services.API_TYPES.items() if kind in absent)


def apis(lab: Lab) -> list[str]:
    """Those of `services.API_TYPES` that the cloud has."""
    return [name for name in services.API_TYPES if name not in without(lab)]


def has_object_store(lab: Lab) -> bool:
    """Whether the cloud of a lab has one."""
    return lab.cloud is not None and lab.cloud.object_store is not None


@dataclass(frozen=True)
class EmbeddedCloud:
    """A cloud that runs: the ways to it."""

    lab: Lab
    folder: Path
    """Of the lab."""

    @property
    def clouds_yaml(self) -> Path:
        """openstacksdk's configuration file, with an entry of the cloud's name."""
        return self.folder / "cloud" / "etc" / "clouds.yaml"

    @property
    def control_plane(self) -> dict[str, ControlProcess]:
        """The processes that the cloud must get over the end of, by service."""
        place = self.folder / "cloud"
        told = json.loads((place / "services.json").read_text(encoding="utf-8"))
        names = [each["name"] for each in (*told["services"], *told["commands"])]
        return {
            name: ControlProcess(host=controller(self.lab), pids=f"cat '{place / 'run' / 'pids' / name}'")
            for name in names
        }

    def ended(self) -> dict[str, str]:
        """Processes that do not run, though they must → the first line of their logs that tells why."""
        place = self.folder / "cloud"
        return {
            name: last_words(place, name)
            for name in self.control_plane
            if not (pid := place / "run" / "pids" / name).exists()
            or Process.of(int(pid.read_text(encoding="ascii"))) is None
        }

    def logged(self, request: str) -> str:
        """The error that the services' logs tell of a request, by its id: log and line; empty where they tell none."""
        for log in sorted((self.folder / "cloud" / "log").glob("*.log")) if request else ():
            lines = iter(log.read_text(encoding="utf-8", errors="replace").splitlines())
            for line in lines:
                if request in line and " ERROR " in line:
                    # What was raised ends its traceback, whose lines follow the first without the id.
                    traceback = [line, *takewhile(lambda following: " ERROR " in following, lines)]
                    said = next((each for each in reversed(traceback) if not each.endswith(" ")), line)
                    return f"{log.stem}: {said.partition(' ERROR ')[2][:300]}"
        return ""

    @property
    def upgrade_checks(self) -> dict[str, str]:
        """Service → the command of its upgrade check, on the controller."""
        place = self.folder / "cloud"
        told = json.loads((place / "services.json").read_text(encoding="utf-8"))
        absent = without(self.lab)
        names = [name for name in release_of(self.lab).upgrade_checks if name not in absent]
        programs = f"{told['environment']}/bin"
        return {
            name: f"'{programs}/{name}-status' --config-file '{place}/etc/{name}/{name}.conf' upgrade check"
            for name in names
        }

    @property
    def namespace(self) -> str:
        """Path of the network namespace in which the endpoints are reached."""
        return str(namespace_file(self.folder, controller(self.lab)))

    @property
    def command_prefix(self) -> tuple[str, ...]:
        """What a command begins with that is to reach the endpoints."""
        return ("nsenter", f"--net={self.namespace}", "--")

    def connect(self, host: str, port: int, timeout_s: float = CONNECT_TIMEOUT_S) -> socket.socket:
        """Open a connection to an endpoint. Raises OSError."""
        connection = in_namespace(self.namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        try:
            connection.settimeout(timeout_s)
            connection.connect((host, port))
        except BaseException:
            connection.close()
            raise
        return connection


def last_words(place: Path, name: str) -> str:
    """The first line of a service's logs that tells of an error, else its last one."""
    lines = []
    for log in sorted((place / "log").glob(f"*{name}*")):
        lines += log.read_text(encoding="utf-8", errors="replace").splitlines()[-400:]
    telling = [line for line in lines if any(word in line for word in ("ERROR", "CRITICAL", "Error:", "error:"))]
    return (telling or lines or [""])[0 if telling else -1].strip()[:300]
