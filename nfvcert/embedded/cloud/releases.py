"""The releases of OpenStack that an embedded cloud can be made of: where each comes from, and how its services start.

Both are real and made independently of each other: one of PyPI's wheels, the other one of Debian's packages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from nfvcert import environments
from nfvcert.embedded.cloud import debian
from nfvcert.lab import NEWEST_RELEASE, CloudRelease

__all__ = ["RELEASES", "Release"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Release:
    """What differs in the services from one release to the next."""

    environment: Callable[[Tell], Path]
    """Gives the folder of its environment, made where it is not there yet; is told whom to tell of that."""
    applications: Mapping[str, str]
    """Project → its WSGI application: a module that has it, or `module:function` that makes it; else it has a program
    of its own that listens."""
    preload: Mapping[str, tuple[str, ...]]
    """Nursery → modules, or module:function to call, in this order."""
    greened: frozenset[str] = frozenset()
    """Projects whose workers make threads of all Python into eventlet's, which their API must not share."""
    network_workers: tuple[str, ...] = ()
    """Neutron's, beside its API; none where that is the parent of them."""
    upgrade_checks: tuple[str, ...] = ()
    """Projects whose `…-status upgrade check` can be run."""
    volume_type: str = "block-storage"
    """How Nova may call Cinder's service type."""
    volume_driver: str = "cinder.tests.fake_driver.FakeLoggingVolumeDriver"
    """Cinder's, which keeps nothing."""
    secured: frozenset[str] = frozenset()
    """Projects whose new policies are switched on, which tell readers from members."""
    scoped: frozenset[str] = frozenset()
    """Projects that look at the scope of a token too."""


def _of_pypi(tell: Tell) -> Path:
    with as_file(files("nfvcert.embedded.cloud") / "openstack.lock") as lock:
        return environments.make("openstack", lock, tell=tell)


def _of_debian(tell: Tell) -> Path:
    versions = {"python3-keystone": "22.", "python3-nova": "26.", "python3-neutron": "21.", "python3-cinder": "21."}
    return debian.make("zed", versions, tell=tell)


_ALL = frozenset({"keystone", "glance", "placement", "nova", "neutron", "cinder", "heat"})
_KEYSTONE = (
    "keystone.server.wsgi",
    "keystone.server.flask.application",
    "keystone.server.backends",
    "nfvcert_identity:install",
)
_GLANCE = ("glance.common.wsgi_app", "glance.api.v2.router", "glance.db.sqlalchemy.api")
_PLACEMENT = ("placement.deploy", "placement.handler", "placement.conf")
_NOVA_API = ("nova.objects:register_all", "nova.api.openstack.wsgi_app", "nova.api.openstack.compute.routes")
_NOVA_WORKERS = (
    "nova.cmd.compute",
    "nova.cmd.conductor",
    "nova.cmd.scheduler",
    "nova.compute.manager",
    "nova.conductor.manager",
    "nova.scheduler.manager",
    "nfvcert_hypervisor:install",
)
_METERING = ("neutron.services.metering.metering_plugin", "neutron.services.metering.agents.metering_agent")
_CINDER_WORKERS = (
    "cinder.objects:register_all",
    "cinder.cmd.volume",
    "cinder.cmd.scheduler",
    "cinder.volume.manager",
    "cinder.scheduler.manager",
)
_SWIFT = (
    "swift.proxy.server",
    "swift.account.server",
    "swift.container.server",
    "swift.obj.server",
    "keystonemiddleware.auth_token",
    "nfvcert_object_store:install",
)
_HEAT_WORKERS = ("heat.cmd.engine", "heat.engine.service")

RELEASES: dict[CloudRelease, Release] = {
    NEWEST_RELEASE: Release(
        environment=_of_pypi,
        applications={
            "keystone": "keystone.wsgi.api",
            "glance": "glance.wsgi.api",
            "placement": "placement.wsgi.api",
            "nova": "nova.wsgi.osapi_compute",
            "neutron": "neutron.wsgi.api",
            "cinder": "cinder.wsgi.api",
            "heat": "heat.wsgi.api",
        },
        preload={
            "keystone": _KEYSTONE,
            "glance": _GLANCE,
            "placement": _PLACEMENT,
            "nova": ("nova.monkey_patch:patch", *_NOVA_API, *_NOVA_WORKERS),
            "neutron": (
                "neutron.server",
                "neutron.server.api",
                "neutron.plugins.ml2.plugin",
                *_METERING,
                "nfvcert_privileges:here",
            ),
            "cinder": ("cinder.monkey_patch:patch", *_CINDER_WORKERS),
            "heat": (*_HEAT_WORKERS, "heat.api.openstack"),
            "swift": _SWIFT,
        },
        network_workers=("neutron-rpc-server", "neutron-periodic-workers"),
        # Not glance-status: that of this release asks for an option that it does not register.
        upgrade_checks=("nova", "neutron", "cinder", "heat", "placement", "keystone"),
        secured=_ALL,
        scoped=_ALL,
    ),
    "zed": Release(
        environment=_of_debian,
        applications={
            "keystone": "keystone.server.wsgi:initialize_public_application",
            "glance": "glance.common.wsgi_app:init_app",
            "placement": "placement.wsgi:init_application",
            "nova": "nova.api.openstack.compute.wsgi:init_application",
            "cinder": "cinder.wsgi.wsgi:initialize_application",
            "heat": "heat.httpd.heat_api:init_application",
        },
        preload={
            "keystone": _KEYSTONE,
            "glance": _GLANCE,
            "placement": _PLACEMENT,
            "nova": (*_NOVA_API,),
            "nova-workers": ("nova.cmd.compute", "nova.objects:register_all", *_NOVA_WORKERS),
            "neutron": ("neutron.cmd.eventlet.server", "neutron.plugins.ml2.plugin", *_METERING),
            "cinder": ("cinder.objects:register_all", "cinder.wsgi.wsgi", "cinder.api.v3.router"),
            "cinder-workers": ("cinder.cmd.volume", *_CINDER_WORKERS),
            "heat": ("heat.httpd.heat_api", "heat.api.openstack"),
            "heat-workers": _HEAT_WORKERS,
        },
        greened=frozenset({"nova", "cinder", "heat"}),
        volume_type="volumev3",
        volume_driver="nfvcert_volumes.SimulatedVolumes",
        # In the others they are not whole yet: services could not do their work. Nor could Nova with the scopes of
        # Neutron, which shows the segments of a network to an administrator of the whole system only.
        secured=frozenset({"glance", "nova", "neutron"}),
        scoped=frozenset({"glance", "nova"}),
        upgrade_checks=("nova", "neutron", "cinder", "heat", "placement", "keystone"),
    ),
}
"""Name, as an inventory says it → release."""
