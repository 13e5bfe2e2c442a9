"""The services of an embedded cloud as data: what the supervisor starts, and what the catalogue of Keystone says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfvcert.embedded.cloud.configuration import LOOPBACK, PORTS, Settings

__all__ = ["API_TYPES", "Service", "apis", "catalogue", "services", "specification", "title"]

AGENT = "neutron-openvswitch-agent"
API_TYPES = {
    "keystone": "identity",
    "glance": "image",
    "placement": "placement",
    "nova": "compute",
    "neutron": "network",
    "cinder": "block-storage",
    "heat": "orchestration",
    "swift": "object-store",
}
"""API → its service type (OpenStack's service-types authority). Not every cloud has an object store: see `apis`."""
_PATHS = {
    "keystone": "/v3",
    "nova": "/v2.1",
    "cinder": "/v3",
    "heat": "/v1/%(tenant_id)s",
    "swift": "/v1/AUTH_%(tenant_id)s",
}
# Module, or module:function to call, in this order.
_PRELOAD = {
    "keystone": ("keystone.server.wsgi", "keystone.server.flask.application", "keystone.server.backends"),
    "glance": ("glance.common.wsgi_app", "glance.api.v2.router", "glance.db.sqlalchemy.api"),
    "placement": ("placement.deploy", "placement.handler", "placement.conf"),
    "nova": (
        "nova.monkey_patch:patch",
        "nova.objects:register_all",
        "nova.api.openstack.wsgi_app",
        "nova.api.openstack.compute.routes",
        "nova.cmd.compute",
        "nova.cmd.conductor",
        "nova.cmd.scheduler",
        "nova.compute.manager",
        "nova.conductor.manager",
        "nova.scheduler.manager",
        "nfvcert_hypervisor:install",
    ),
    "neutron": (
        "neutron.server",
        "neutron.server.api",
        "neutron.plugins.ml2.plugin",
        "neutron.services.metering.metering_plugin",
        "neutron.services.metering.agents.metering_agent",
        "nfvcert_privileges:here",
    ),
    "cinder": (
        "cinder.monkey_patch:patch",
        "cinder.objects:register_all",
        "cinder.cmd.volume",
        "cinder.cmd.scheduler",
        "cinder.volume.manager",
        "cinder.scheduler.manager",
    ),
    "heat": ("heat.cmd.engine", "heat.engine.service", "heat.api.openstack"),
    "swift": (
        "swift.proxy.server",
        "swift.account.server",
        "swift.container.server",
        "swift.obj.server",
        "keystonemiddleware.auth_token",
        "nfvcert_object_store:install",
    ),
}


@dataclass(frozen=True)
class Service:
    """One process, which the supervisor keeps alive."""

    name: str
    """As its program is called: `nova-scheduler`."""
    project: str
    script: str = ""
    """Its console script; empty for an API."""
    wsgi: str = ""
    """The module that has the application; empty for a worker."""
    argv: tuple[str, ...] = ()
    delay_s: float = 0.0
    """How much later than the others of its project it is started for the first time."""


def services(settings: Settings, computes: Sequence[str], agents: Mapping[str, str]) -> list[Service]:
    """All processes of Python, with a hypervisor for each name.

    ``agents``: those of the data plane, by host; their configuration below etc/.
    """
    etc = settings.folder / "etc"
    nova = ("--config-file", str(etc / "nova" / "nova.conf"))
    neutron = tuple(
        word for name in ("neutron.conf", "ml2_conf.ini") for word in ("--config-file", str(etc / "neutron" / name))
    )
    cinder = ("--config-file", str(etc / "cinder" / "cinder.conf"))
    heat = ("--config-file", str(etc / "heat" / "heat.conf"))
    metering = (*neutron, "--config-file", str(etc / "neutron" / "metering_agent.ini"))
    return [
        Service("keystone", "keystone", wsgi="keystone.wsgi.api"),
        Service("glance-api", "glance", wsgi="glance.wsgi.api"),
        Service("placement-api", "placement", wsgi="placement.wsgi.api"),
        Service("nova-api", "nova", wsgi="nova.wsgi.osapi_compute"),
        Service("nova-conductor", "nova", "nova-conductor", argv=nova),
        Service("nova-scheduler", "nova", "nova-scheduler", argv=nova),
        *(
            Service(
                f"nova-compute-{host}",
                "nova",
                "nova-compute",
                argv=("--config-file", str(etc / "nova" / f"{host}.conf")),
                # Where the conductor does not listen yet, it asks again after ten seconds.
                delay_s=3.0,
            )
            for host in computes
        ),
        Service("neutron-server", "neutron", wsgi="neutron.wsgi.api", argv=neutron),
        Service("neutron-rpc-server", "neutron", "neutron-rpc-server", argv=neutron),
        Service("neutron-periodic-workers", "neutron", "neutron-periodic-workers", argv=neutron),
        Service("neutron-metering-agent", "neutron", "neutron-metering-agent", argv=metering),
        *(
            Service(f"{AGENT}-{host}", "neutron", AGENT, argv=(*neutron, "--config-file", str(etc / path)), delay_s=3.0)
            for host, path in agents.items()
        ),
        Service("cinder-api", "cinder", wsgi="cinder.wsgi.api", argv=cinder),
        Service("cinder-scheduler", "cinder", "cinder-scheduler", argv=cinder),
        Service("cinder-volume", "cinder", "cinder-volume", argv=cinder),
        Service("heat-api", "heat", wsgi="heat.wsgi.api", argv=heat),
        Service("heat-engine", "heat", "heat-engine", argv=heat),
        *(_object_store(etc / "swift") if settings.object_store else ()),
    ]


def _object_store(etc: Path) -> Iterator[Service]:
    for name in ("proxy", "account", "container", "object"):
        argv = (str(etc / f"{name}-server.conf"), "--verbose")
        yield Service(f"swift-{name}", "swift", f"swift-{name}-server", argv=argv)


def apis(*, object_store: bool) -> list[str]:
    """The APIs of a cloud with or without an object store."""
    return [name for name in API_TYPES if object_store or name != "swift"]


def title(lab: str, name: str) -> str:
    """What a process is called in the list of processes: `pgrep -f` finds it by that."""
    return f"nfvcert-{lab}: {name}"


def specification(
    settings: Settings,
    lab: str,
    computes: Sequence[str],
    commands: list[dict[str, Any]],
    agents: Mapping[str, str],
    variables: Mapping[str, str],
) -> dict[str, Any]:
    """What `supervisor` reads. ``commands``: other programs than Python's; ``agents``: see `services`."""
    etc = settings.folder / "etc"
    environment = {
        "OS_KEYSTONE_CONFIG_FILES": str(etc / "keystone" / "keystone.conf"),
        "OS_GLANCE_CONFIG_DIR": str(etc / "glance"),
        "OS_PLACEMENT_CONFIG_DIR": str(etc / "placement"),
        "OS_NOVA_CONFIG_DIR": str(etc / "nova"),
        "OS_NOVA_CONFIG_FILES": "api-paste.ini;nova.conf",
        "OS_NEUTRON_CONFIG_DIR": str(etc / "neutron"),
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2_conf.ini",
        # Native threads: a service that is asked at 50 requests at once answers them side by side.
        "OS_NOVA_DISABLE_EVENTLET_PATCHING": "yes",
        "OS_CINDER_DISABLE_EVENTLET_PATCHING": "yes",
        **variables,
        "SWIFT_DIR": str(settings.folder / "state" / "swift"),
    }
    listed = [
        {
            "name": service.name,
            "nursery": service.project,
            "title": title(lab, service.name),
            "argv": list(service.argv),
            "delay_s": service.delay_s,
            **({"script": service.script} if service.script else {}),
            **({"wsgi": service.wsgi, "port": PORTS[service.project]} if service.wsgi else {}),
        }
        for service in services(settings, computes, agents)
    ]
    nurseries = {
        project: {"preload": list(_PRELOAD.get(project, ())), "environment": environment}
        for project in dict.fromkeys(str(each["nursery"]) for each in listed)
    }
    return {"environment": str(settings.environment), "commands": commands, "nurseries": nurseries, "services": listed}


def catalogue(address: str) -> list[dict[str, Any]]:
    """Services and endpoints for Keystone; the public ones at an address."""
    return [
        {
            "name": name,
            "type": kind,
            "endpoints": {
                "public": f"https://{address}:{PORTS[name]}{_PATHS.get(name, '')}",
                "internal": f"http://{LOOPBACK}:{PORTS[name]}{_PATHS.get(name, '')}",
                "admin": f"http://{LOOPBACK}:{PORTS[name]}{_PATHS.get(name, '')}",
            },
        }
        for name, kind in API_TYPES.items()
    ]
