"""Whether an embedded cloud is whole: its APIs answer, their workers say that they are up, and do what they are asked.

A worker that says that it is up may still not be known to those that give it work: Cinder's scheduler lets volumes
wait for up to a minute until it was told of a backend, which in a test would look like a slow release.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

from nfvcert.embedded.cloud import object_store, services, template
from nfvcert.embedded.cloud.configuration import LOOPBACK, PORTS
from nfvcert.embedded.cloud.running import EmbeddedCloud, apis, has_object_store, hypervisors, last_words
from nfvcert.errors import LabError, Unreachable

__all__ = ["Administrator", "await_all"]

START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 20.0
RELAYED_TIMEOUT_S = 6.0
"""What an API asks of a worker that does not listen yet, it answers after a minute: that keeps a thread of it."""

_Probe: TypeAlias = Callable[[], bool]


def await_all(cloud: EmbeddedCloud, alive: Callable[[], bool]) -> None:
    """Wait until a cloud is whole. Raises LabError with words of a log.

    ``alive``: whether there is anything to wait for.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    for probes in (_apis(cloud), _workers(cloud), _relayed(cloud)):
        while probes := {name: ready for name, ready in probes.items() if not ready()}:
            if not alive():
                raise LabError("the parent of the cloud's services has ended", what="cloud")
            if time.monotonic() > deadline:
                said = {name: last_words(cloud.folder / "cloud", name) for name in probes}
                silent = "; ".join(f"{name} ({words})" if words else name for name, words in said.items())
                raise Unreachable(
                    f"the cloud does not start in {START_TIMEOUT_S:g} s: no answer of {silent}", what="cloud"
                )
            time.sleep(0.1)


def _apis(cloud: EmbeddedCloud) -> dict[str, _Probe]:
    """Those that users ask, and the servers behind that of the object store."""
    ports = {name: PORTS[name] for name in apis(cloud.lab)}
    if has_object_store(cloud.lab):
        ports |= {f"swift-{name}": port for name, port in object_store.SERVERS.items()}
    return {name: partial(_answers, cloud, port) for name, port in ports.items()}


def _workers(cloud: EmbeddedCloud) -> dict[str, _Probe]:
    """Those that say in a database that they are up."""
    administrator = Administrator(cloud)
    computes = len(hypervisors(cloud.lab))
    wanted = {"nova-conductor": 1, "nova-scheduler": 1, "cinder-scheduler": 1, "cinder-volume": 1}
    wanted |= {"nova-compute": computes}
    probes: dict[str, _Probe] = {name: partial(_up, administrator, name, count) for name, count in wanted.items()}
    if computes and cloud.lab.cloud and cloud.lab.cloud.guests:
        probes[services.AGENT] = partial(_alive, administrator, services.AGENT, computes)
    return probes


def _up(administrator: Administrator, binary: str, wanted: int) -> bool:
    """Whether Nova, or Cinder, calls as many of its services up."""
    api, version = ("nova", "/v2.1") if binary.startswith("nova") else ("cinder", "/v3")
    found = administrator.told(api, f"{version}/os-services?binary={binary}").get("services", ())
    return len([service for service in found if service["state"] == "up"]) >= wanted


def _alive(administrator: Administrator, binary: str, wanted: int) -> bool:
    """Whether Neutron calls as many of its agents alive."""
    found = administrator.told("neutron", f"/v2.0/agents?binary={binary}").get("agents", ())
    return len([agent for agent in found if agent["alive"]]) >= wanted


def _relayed(cloud: EmbeddedCloud) -> dict[str, _Probe]:
    """What an API must ask a worker for: the pools that volumes are placed in, the engines that make stacks."""
    administrator = Administrator(cloud)
    asked = {
        "cinder-scheduler": ("cinder", "/v3/{project}/scheduler-stats/get_pools", "pools"),
        "heat-engine": ("heat", "/v1/{project}/services", "services"),
    }
    return {
        worker: partial(_relays, administrator, api, path, key)
        for worker, (api, path, key) in asked.items()
        if api in apis(cloud.lab)
    }


def _relays(administrator: Administrator, api: str, path: str, key: str) -> bool:
    return bool(administrator.told(api, path, RELAYED_TIMEOUT_S).get(key))


def _answers(cloud: EmbeddedCloud, port: int) -> bool:
    try:
        return _asked(cloud, port, "GET", "/")[0] < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False


@dataclass
class Administrator:
    """Who may ask the APIs for everything, on the loopback: not by the proxy, nor by anything that is certified."""

    cloud: EmbeddedCloud

    def told(self, api: str, path: str, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """What an API answers with, ``{project}`` in the path being its own; nothing where it fails."""
        try:
            headers, project = self._token
            where = path.format(project=project)
            status, _, said = _asked(self.cloud, PORTS[api], "GET", where, headers=headers, timeout_s=timeout_s)
            return dict(json.loads(said)) if status == http.client.OK else {}
        except (OSError, http.client.HTTPException, ValueError, LookupError):
            return {}

    def made(self, api: str, path: str, kind: str, wanted: Mapping[str, Any]) -> str:
        """The id of what an API makes. Raises LabError in the API's words, OSError, HTTPException."""
        headers, _ = self._token
        status, _, said = _asked(self.cloud, PORTS[api], "POST", path, json.dumps({kind: wanted}), headers)
        if status != http.client.CREATED:
            raise LabError(f"{api} makes no {kind} of the lab's: {said.decode()[:300]}", what="cloud")
        return str(json.loads(said)[kind]["id"])

    @cached_property
    def _token(self) -> tuple[dict[str, str], str]:
        """The header that shows a token, and the id of the project for which it is."""
        told = json.loads((self.cloud.folder / "cloud" / "services.json").read_text(encoding="utf-8"))
        password = template.passwords(Path(told["environment"]))["admin"]
        domain = {"domain": {"id": "default"}, "name": "admin"}
        identity = {"methods": ["password"], "password": {"user": domain | {"password": password}}}
        body = json.dumps({"auth": {"identity": identity, "scope": {"project": domain}}})
        _, headers, said = _asked(self.cloud, PORTS["keystone"], "POST", "/v3/auth/tokens", body)
        return {"X-Auth-Token": headers["X-Subject-Token"]}, json.loads(said)["token"]["project"]["id"]


def _asked(
    cloud: EmbeddedCloud,
    port: int,
    method: str,
    path: str,
    body: str = "",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of an answer on the loopback. Raises OSError, HTTPException."""
    connection = http.client.HTTPConnection(LOOPBACK, port)
    connection.sock = cloud.connect(LOOPBACK, port)
    connection.sock.settimeout(timeout_s)
    try:
        connection.request(method, path, body or None, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
