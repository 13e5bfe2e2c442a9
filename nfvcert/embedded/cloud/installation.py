"""An embedded cloud: OpenStack's services in the network namespace of a lab's controller, and its start.

<folder of the lab>/cloud/
    etc/         configuration, certificates, clouds.yaml
    state/       databases, images, keys; begun as a copy of the template
    log/ run/    what the services say, sockets and locks
    stopped/     names of services that must not be started again (a seeded fault)
"""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable
from contextlib import suppress
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
from nfvcert.embedded.cloud.readiness import Administrator, await_all
from nfvcert.embedded.cloud.running import EmbeddedCloud, apis, controller, hypervisors, release_of, without
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.pop import management_address
from nfvcert.embedded.programs import environment, program
from nfvcert.embedded.rundir import Process, namespace_file
from nfvcert.embedded.sites import opened
from nfvcert.errors import LabError
from nfvcert.lab import Guests, Lab

__all__ = ["AGENT_FILE", "PROGRAMS", "ROLE", "start"]

PROGRAMS = ("haproxy", "mariadb", "mariadb-install-db", "mariadbd", "rabbitmq-server")
ROLE = "cloud"
"""In the state of a lab, the process that is the parent of all services."""
AGENT_FILE = "neutron/openvswitch_agent-{host}.ini"


def start(lab: Lab, folder: Path, tell: Callable[[str], None] = lambda _: None) -> Process:
    """Start the cloud of a lab that is up; returns the parent of its services once it is whole.

    ``tell`` is told in words what takes long. Raises LabError, MissingPackage.
    """
    place = folder / "cloud"
    shutil.rmtree(place, ignore_errors=True)
    for name in ("etc", "state", "log", "run/lock", "run/pids", "stopped"):
        (place / name).mkdir(mode=0o700, parents=True)
    release = release_of(lab)
    env = release.environment(tell)
    host = controller(lab)
    secret = template.passwords(env)
    region = (lab.cloud and lab.cloud.region) or configuration.REGION
    settings = Settings(place, env, release, secret["service"], host, region=region, without=without(lab))
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
            _provide_network(EmbeddedCloud(lab, folder), lab.cloud.guests)
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


def _provide_network(cloud: EmbeddedCloud, guests: Guests) -> None:
    """Make the network on which servers are reached. Raises LabError."""
    administrator = Administrator(cloud)
    network = administrator.made("neutron", "/v2.0/networks", "network", dataplane.network(cloud.lab, guests))
    administrator.made("neutron", "/v2.0/subnets", "subnet", dataplane.subnet(cloud.lab, guests, network))
