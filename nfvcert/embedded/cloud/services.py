"""The services of an embedded cloud as data: what the supervisor starts, and what the catalogue of Keystone says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfvcert.embedded.cloud.configuration import LOOPBACK, PORTS, Settings

__all__ = ["API_TYPES", "Service", "catalogue", "services", "specification", "title"]

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
"""API → its service type (OpenStack's service-types authority). Not every cloud has them all."""
_PATHS = {
    "keystone": "/v3",
    "nova": "/v2.1",
    "cinder": "/v3",
    "heat": "/v1/%(tenant_id)s",
    "swift": "/v1/AUTH_%(tenant_id)s",
}


@dataclass(frozen=True)
class Service:
    """One process, which the supervisor keeps alive."""

    name: str
    """As its program is called: `nova-scheduler`."""
    project: str
    script: str = ""
    """Its console script; empty for an application."""
    wsgi: str = ""
    """Where its application is (`Release.applications`); empty for what has a script."""
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

    def api(name: str, project: str, argv: tuple[str, ...] = ()) -> Service:
        application = settings.release.applications.get(project, "")
        return Service(name, project, "" if application else name, application, argv)

    found = [
        api("keystone", "keystone"),
        api("glance-api", "glance"),
        api("placement-api", "placement"),
        api("nova-api", "nova"),
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
        api("neutron-server", "neutron", neutron),
        *(Service(name, "neutron", name, argv=neutron) for name in settings.release.network_workers),
        Service("neutron-metering-agent", "neutron", "neutron-metering-agent", argv=metering),
        *(
            Service(f"{AGENT}-{host}", "neutron", AGENT, argv=(*neutron, "--config-file", str(etc / path)), delay_s=3.0)
            for host, path in agents.items()
        ),
        api("cinder-api", "cinder", cinder),
        Service("cinder-scheduler", "cinder", "cinder-scheduler", argv=cinder),
        Service("cinder-volume", "cinder", "cinder-volume", argv=cinder),
        api("heat-api", "heat", heat),
        Service("heat-engine", "heat", "heat-engine", argv=heat),
        *_object_store(etc / "swift"),
    ]
    return [each for each in found if each.project not in settings.without]


def _nursery(settings: Settings, service: Service) -> str:
    """The process that imports a service's modules once, and forks it."""
    apart = service.script and service.project in settings.release.greened
    return f"{service.project}-workers" if apart else service.project


def _object_store(etc: Path) -> Iterator[Service]:
    for name in ("proxy", "account", "container", "object"):
        argv = (str(etc / f"{name}-server.conf"), "--verbose")
        yield Service(f"swift-{name}", "swift", f"swift-{name}-server", argv=argv)


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
        "SWIFT_DIR": str(settings.folder / "state" / "swift"),
        **variables,
    }
    # Native threads: a service that is asked at 50 requests at once answers them side by side.
    native = {"OS_NOVA_DISABLE_EVENTLET_PATCHING": "yes", "OS_CINDER_DISABLE_EVENTLET_PATCHING": "yes"}
    listed = [
        {
            "name": service.name,
            "nursery": _nursery(settings, service),
            "title": title(lab, service.name),
            "argv": list(service.argv),
            "delay_s": service.delay_s,
            **({"script": service.script} if service.script else {}),
            **({"wsgi": service.wsgi, "port": PORTS[service.project]} if service.wsgi else {}),
        }
        for service in services(settings, computes, agents)
    ]
    nurseries = {
        name: {
            "preload": list(settings.release.preload.get(name, ())),
            "environment": environment if name.endswith("-workers") else environment | native,
        }
        for name in dict.fromkeys(str(each["nursery"]) for each in listed)
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
