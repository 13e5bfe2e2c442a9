"""An embedded cloud: OpenStack's services in the network namespace of a lab's controller. Started, asked, told of.

<folder of the lab>/cloud/
    etc/         configuration, certificates, clouds.yaml
    state/       databases, images, keys; begun as a copy of the template
    log/ run/    what the services say, sockets and locks
    stopped/     names of services that must not be started again (a seeded fault)
"""

from __future__ import annotations

import functools
import http.client
import json
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from nfvcert.embedded.cloud import (
    certificates,
    configuration,
    dataplane,
    object_store,
    proxy,
    services,
    supervisor,
    template,
)
from nfvcert.embedded.cloud.configuration import BROKER_PORT, LOOPBACK, PORTS, Settings
from nfvcert.embedded.cloud.releases import RELEASES, Release
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.pop import management_address
from nfvcert.embedded.programs import environment, program
from nfvcert.embedded.rundir import Process, namespace_file
from nfvcert.embedded.sites import opened
from nfvcert.errors import LabError, Unreachable
from nfvcert.lab import NEWEST_RELEASE, ControlProcess, Guests, Lab

__all__ = ["PROGRAMS", "ROLE", "EmbeddedCloud", "apis", "await_all", "controller", "hypervisors", "start"]

PROGRAMS = ("haproxy", "mariadb", "mariadb-install-db", "mariadbd", "rabbitmq-server")
ROLE = "cloud"
"""In the state of a lab, the process that is the parent of all services."""
AGENT_FILE = "neutron/openvswitch_agent-{host}.ini"
START_TIMEOUT_S = 180.0
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


def _release(lab: Lab) -> Release:
    """Of which the services are."""
    return RELEASES[(lab.cloud and lab.cloud.release) or NEWEST_RELEASE]


def _without(lab: Lab) -> tuple[str, ...]:
    """Projects that the cloud does not have."""
    absent: set[str] = {*lab.cloud.without} if lab.cloud else set()
    if not _has_object_store(lab):
        absent.add(services.API_TYPES["swift"])
    return tuple(project for project, kind in services.API_TYPES.items() if kind in absent)


def apis(lab: Lab) -> list[str]:
    """Those of `services.API_TYPES` that the cloud has."""
    return [name for name in services.API_TYPES if name not in _without(lab)]


def _has_object_store(lab: Lab) -> bool:
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
        absent = _without(self.lab)
        names = [name for name in _release(self.lab).upgrade_checks if name not in absent]
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


def start(lab: Lab, folder: Path, tell: Callable[[str], None] = lambda _: None) -> Process:
    """Start the cloud of a lab that is up; returns the parent of its services once all APIs answer.

    ``tell`` is told in words what takes long. Raises LabError, MissingPackage.
    """
    place = folder / "cloud"
    shutil.rmtree(place, ignore_errors=True)
    for name in ("etc", "state", "log", "run/lock", "run/pids", "stopped"):
        (place / name).mkdir(mode=0o700, parents=True)
    release = _release(lab)
    env = release.environment(tell)
    host = controller(lab)
    secret = template.passwords(env)
    region = (lab.cloud and lab.cloud.region) or configuration.REGION
    settings = Settings(place, env, release, secret["service"], host, region=region, without=_without(lab))
    if settings.object_store:
        object_store.check_place(place)
    address = management_address(lab, host)
    _write(lab, settings, address, secret["admin"])

    def launch(command: list[str], **streams: Any) -> subprocess.Popen[bytes]:
        variables = environment() | {"PYTHONWARNINGS": "ignore", "HOME": str(place / "run")}
        # The services find what we add as they find any plug-in: by the entry point of a distribution.
        variables["PYTHONPATH"] = str(Path(services.__file__).with_name("plugins"))

        def begun() -> subprocess.Popen[bytes]:
            return subprocess.Popen(command, env=variables, cwd="/", start_new_session=True, **streams)

        return in_namespace(str(namespace_file(folder, host)), begun)

    template.state(settings, secret["admin"], launch, tell)
    swift = [f"swift/devices/{name}" for name in object_store.DEVICES] if settings.object_store else []
    for name in ("glance/staging", "glance/tasks", "glance/images", "neutron", "cinder", "heat", "rabbit", *swift):
        (place / "state" / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    if lab.cloud and lab.cloud.guests:
        with opened(lab, folder) as sites:
            dataplane.connect(sites, host, hypervisors(lab))
        dataplane.prepare(settings)
    with (place / "log" / "supervisor.out").open("wb") as log:
        process = launch(
            [str(env / "bin" / "python"), "-P", supervisor.__file__, str(place)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    parent = Process.of(process.pid)
    if parent is None:
        raise LabError("the parent of the cloud's services ended at once", what="cloud")
    tell("starting the services of the cloud (half a minute)")
    try:
        await_all(EmbeddedCloud(lab, folder), lambda: process.poll() is None)
        if lab.cloud and lab.cloud.guests:
            _provide_network(EmbeddedCloud(lab, folder), lab.cloud.guests, secret["admin"])
    except BaseException:
        _end_all(process.pid)
        process.wait()
        raise
    process.returncode = 0  # it outlives us on purpose, which Popen would warn of
    return parent


def _end_all(parent: int) -> None:
    """End the parent of the services and all that it started, at once."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(parent)
        process.suspend()  # else it starts anew what ends
        nurseries = process.children()
        for each in nurseries:
            each.suspend()
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                each.kill()


def _write(lab: Lab, settings: Settings, address: str, admin_password: str) -> None:
    etc = settings.folder / "etc"
    guests = lab.cloud is not None and lab.cloud.guests is not None
    told = dataplane.agents(settings, hypervisors(lab)) if guests else {}
    agents = {host: AGENT_FILE.format(host=host) for host in told}
    written = configuration.files(settings, hypervisors(lab), {path: told[host] for host, path in agents.items()})
    if settings.object_store:
        written |= object_store.files(settings)
    for host in hypervisors(lab):
        state = settings.folder / "state" / "nova" / host
        state.mkdir(mode=0o700, parents=True)
        # The simulated driver makes its node's number of its name; Nova refuses to start again with another one.
        (state / "compute_id").write_text(str(uuid.uuid5(uuid.NAMESPACE_DNS, host)), encoding="ascii")
    written["haproxy.cfg"] = proxy.configuration(settings.folder, address, apis(lab))
    written["delay.lua"] = proxy.SCRIPT
    written["rabbitmq.conf"] = _broker(settings)
    written["rabbit_plugins"] = "[].\n"
    written["init.sql"] = _first_statements(lab, settings, address)
    written["services.json"] = json.dumps(
        services.specification(
            settings,
            lab.lab,
            hypervisors(lab),
            _commands(lab, settings) + (dataplane.commands(settings.folder, hypervisors(lab)) if guests else []),
            agents,
            variables=dataplane.variables(settings) if guests else {},
        ),
        indent=1,
    )
    for name, text in written.items():
        path = etc / name if name != "services.json" else settings.folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    for name in ("nova/api-paste.ini", "glance/glance-api-paste.ini"):
        shutil.copy(settings.environment / "etc" / name, etc / name)
    certificates.issue(etc, address)
    (etc / "clouds.yaml").touch(mode=0o600)
    with (etc / "clouds.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"clouds": {_cloud_name(lab): _entry(etc, address, settings.region, admin_password)}}, file)


def _cloud_name(lab: Lab) -> str:
    return lab.cloud.name if lab.cloud else lab.lab


def _entry(etc: Path, address: str, region: str, admin_password: str) -> dict[str, Any]:
    return {
        "auth": {
            "auth_url": f"https://{address}:{PORTS['keystone']}/v3",
            "username": "admin",
            "password": admin_password,
            "project_name": "admin",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "region_name": region,
        "interface": "public",
        "cacert": str(etc / certificates.AUTHORITY),
    }


def _broker(settings: Settings) -> str:
    return (
        f"listeners.tcp.1 = {LOOPBACK}:{BROKER_PORT}\nloopback_users = none\ndefault_user = cloud\n"
        f"default_pass = {settings.password}\nvm_memory_high_watermark.absolute = 512MB\n"
        "disk_free_limit.absolute = 50MB\nlog.console = false\n"
    )


def _first_statements(lab: Lab, settings: Settings, address: str) -> str:
    """What the database does before it lets anybody in: what differs from one cloud to the next of a template.

    Its address, its region, which services it has, and which hypervisors there are.
    """
    mapped = "".join(
        "INSERT IGNORE INTO nova_api.host_mappings (created_at, cell_id, host)"
        f" SELECT NOW(), id, '{host}' FROM nova_api.cell_mappings WHERE name = 'cell1';\n"
        for host in hypervisors(lab)
    )
    moved = f"REPLACE(url, 'https://{template.ADDRESS}:', 'https://{address}:')"
    named = ""
    if settings.region != configuration.REGION:
        named = (
            "INSERT IGNORE INTO keystone.region (id, description, parent_region_id, extra)"
            f" SELECT '{settings.region}', description, parent_region_id, extra FROM keystone.region"
            f" WHERE id = '{configuration.REGION}';\n"
            f"UPDATE keystone.endpoint SET region_id = '{settings.region}';\n"
            f"DELETE FROM keystone.region WHERE id = '{configuration.REGION}';\n"
        )
    absent = "".join(
        "DELETE keystone.endpoint FROM keystone.endpoint JOIN keystone.service"
        f" ON keystone.endpoint.service_id = keystone.service.id WHERE keystone.service.type = '{kind}';\n"
        f"DELETE FROM keystone.service WHERE type = '{kind}';\n"
        for kind in (services.API_TYPES[project] for project in settings.without)
    )
    return f"UPDATE keystone.endpoint SET url = {moved};\n{named}{absent}{mapped}"


def _commands(lab: Lab, settings: Settings) -> list[dict[str, Any]]:
    """The programs that are not Python's."""
    place = settings.folder
    rabbit = {
        "HOME": str(place / "state" / "rabbit"),
        "RABBITMQ_NODENAME": f"{lab.lab}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_DIST_PORT": "25672",
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "RABBITMQ_MNESIA_BASE": str(place / "state" / "rabbit" / "mnesia"),
        "RABBITMQ_LOG_BASE": str(place / "log"),
        "RABBITMQ_CONFIG_FILE": str(place / "etc" / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "etc" / "rabbit_plugins"),
        "RABBITMQ_PID_FILE": str(place / "run" / "rabbit.pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
    }
    database = [*template.database_command(place), f"--init-file={place / 'etc' / 'init.sql'}"]
    return [
        {"name": "database", "command": database, "title": services.title(lab.lab, "database")},
        {"name": "message-broker", "command": ["/usr/lib/rabbitmq/bin/rabbitmq-server"], "environment": rabbit},
        {
            "name": "api-load-balancer",
            "command": [program("haproxy"), "-W", "-db", "-f", str(place / "etc" / "haproxy.cfg")],
        },
    ]


def await_all(cloud: EmbeddedCloud, alive: Callable[[], bool]) -> None:
    """Wait until each API answers, and hypervisors and volume service are up. Raises LabError with words of a log.

    ``alive``: whether there is anything to wait for.
    """
    told = json.loads((cloud.folder / "cloud" / "services.json").read_text(encoding="utf-8"))
    admin_password = template.passwords(Path(told["environment"]))["admin"]
    probes: dict[str, Callable[[], bool]] = {
        name: functools.partial(_answers, cloud, PORTS[name]) for name in apis(cloud.lab)
    }
    if _has_object_store(cloud.lab):
        servers = object_store.SERVERS.items()
        probes |= {f"swift-{name}": functools.partial(_answers, cloud, port) for name, port in servers}
    workers: dict[str, Callable[[], bool]] = {
        "cinder-volume": lambda: _services_up(cloud, admin_password, "cinder", "/v3", "cinder-volume") >= 1
    }
    if wanted := hypervisors(cloud.lab):
        workers["nova-compute"] = lambda: (
            _services_up(cloud, admin_password, "nova", "/v2.1", "nova-compute") >= len(wanted)
        )
        if cloud.lab.cloud and cloud.lab.cloud.guests:
            workers[services.AGENT] = lambda: _agents_up(cloud, admin_password) >= len(wanted)
    probes |= workers
    deadline = time.monotonic() + START_TIMEOUT_S
    while probes:
        for name, ready in list(probes.items()):
            # The workers are asked for by the APIs, and so come last.
            if (name not in workers or probes.keys() <= workers.keys()) and ready():
                del probes[name]
        if not alive():
            raise LabError("the parent of the cloud's services has ended", what="cloud")
        if probes and time.monotonic() > deadline:
            said = {name: last_words(cloud.folder / "cloud", name) for name in probes}
            silent = "; ".join(f"{name} ({words})" if words else name for name, words in said.items())
            raise Unreachable(f"the cloud does not start in {START_TIMEOUT_S:g} s: no answer of {silent}", what="cloud")
        time.sleep(0.1)


def _answers(cloud: EmbeddedCloud, port: int) -> bool:
    try:
        return _asked(cloud, port, "GET", "/")[0] < 500
    except (OSError, http.client.HTTPException):
        return False


def _provide_network(cloud: EmbeddedCloud, guests: Guests, password: str) -> None:
    """Make the network on which servers are reached. Raises LabError."""

    def made(kind: str, wanted: dict[str, Any]) -> str:
        status, _, said = _asked(cloud, PORTS["neutron"], "POST", f"/v2.0/{kind}s", json.dumps({kind: wanted}), token)
        if status != http.client.CREATED:
            raise LabError(f"Neutron makes no {kind} of the provider's: {said.decode()[:300]}", what="cloud")
        return str(json.loads(said)[kind]["id"])

    token = _token(cloud, password)
    network = made("network", dataplane.network(cloud.lab, guests))
    made("subnet", dataplane.subnet(cloud.lab, guests, network))


def _token(cloud: EmbeddedCloud, password: str) -> dict[str, str]:
    """The header that shows a token of the administrator. Raises OSError, HTTPException."""
    domain = {"domain": {"id": "default"}, "name": "admin"}
    identity = {"methods": ["password"], "password": {"user": domain | {"password": password}}}
    body = json.dumps({"auth": {"identity": identity, "scope": {"project": domain}}})
    _, headers, _ = _asked(cloud, PORTS["keystone"], "POST", "/v3/auth/tokens", body)
    return {"X-Auth-Token": headers.get("X-Subject-Token") or ""}


def _services_up(cloud: EmbeddedCloud, password: str, api: str, version: str, binary: str) -> int:
    """How many services of a kind, such as hypervisors, an API calls up; none while it cannot be asked."""
    try:
        token = _token(cloud, password)
        _, _, said = _asked(cloud, PORTS[api], "GET", f"{version}/os-services?binary={binary}", headers=token)
        return sum(service["state"] == "up" for service in json.loads(said)["services"])
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        return 0


def _agents_up(cloud: EmbeddedCloud, password: str) -> int:
    """How many agents of the data plane Neutron calls alive; none while it cannot be asked."""
    try:
        path = f"/v2.0/agents?binary={services.AGENT}"
        _, _, said = _asked(cloud, PORTS["neutron"], "GET", path, headers=_token(cloud, password))
        return sum(agent["alive"] for agent in json.loads(said)["agents"])
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        return 0


def _asked(
    cloud: EmbeddedCloud, port: int, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of an answer on the loopback. Raises OSError, HTTPException."""
    connection = http.client.HTTPConnection(LOOPBACK, port)
    connection.sock = cloud.connect(LOOPBACK, port)
    connection.sock.settimeout(20.0)
    try:
        connection.request(method, path, body or None, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def last_words(place: Path, name: str) -> str:
    """The first line of a service's logs that tells of an error, else its last one."""
    lines = []
    for log in sorted((place / "log").glob(f"*{name}*")):
        lines += log.read_text(encoding="utf-8", errors="replace").splitlines()[-400:]
    telling = [line for line in lines if any(word in line for word in ("ERROR", "CRITICAL", "Error:", "error:"))]
    return (telling or lines or [""])[0 if telling else -1].strip()[:300]
