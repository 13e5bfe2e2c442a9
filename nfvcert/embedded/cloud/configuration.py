"""The configuration files of the services of an embedded cloud: file → section → option → value.

All services listen on the loopback of one network namespace, at their usual ports; what users speak to is a proxy at
the controller's address (`proxy`), by TLS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nfvcert.embedded.cloud.releases import Release

__all__ = ["DATABASES", "LOOPBACK", "PORTS", "REGION", "Settings", "files", "ini", "user"]

Sections: TypeAlias = Mapping[str, Mapping[str, object]]

LOOPBACK = "127.0.0.1"
REGION = "RegionOne"
PORTS = {
    "keystone": 5000,
    "glance": 9292,
    "placement": 8778,
    "nova": 8774,
    "neutron": 9696,
    "cinder": 8776,
    "heat": 8004,
    "swift": 8080,
}
"""API → its usual port."""
BROKER_PORT = 5672
DATABASES = ("keystone", "glance", "placement", "nova_api", "nova_cell0", "nova_cell1", "neutron", "cinder", "heat")


@dataclass(frozen=True)
class Settings:
    """What differs from one cloud to the next."""

    folder: Path
    """Of the cloud: etc, log, state, run."""
    environment: Path
    """The environment of the services."""
    release: Release
    """Of the services."""
    password: str
    """Of all service users, the database and the broker: of this machine's template."""
    host: str
    """The controller's name, by which its services are known."""
    region: str = REGION
    """What the cloud's only region is called."""
    without: tuple[str, ...] = ()
    """Projects that it does not have."""
    report_s: int = 5
    """How often services say that they are up."""

    @property
    def object_store(self) -> bool:
        """Whether it has one."""
        return "swift" not in self.without

    def database(self, name: str) -> str:
        """SQLAlchemy's URL of a database."""
        return f"mysql+pymysql://cloud:{self.password}@{LOOPBACK}:3306/{name}?charset=utf8"

    @property
    def broker(self) -> str:
        """oslo.messaging's URL."""
        return f"rabbit://cloud:{self.password}@{LOOPBACK}:{BROKER_PORT}/"


def ini(sections: Sections) -> str:
    """The text of a file that oslo.config, or paste, reads."""
    return "".join(
        f"[{section}]\n" + "".join(f"{name} = {_told(value)}\n" for name, value in options.items()) + "\n"
        for section, options in sections.items()
        if options
    )


def _told(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def files(settings: Settings, computes: Sequence[str], more: Mapping[str, Sections] | None = None) -> dict[str, str]:
    """Path below etc/ → text; ``computes``: names of the hypervisors; ``more``: files of parts that are optional."""
    made: dict[str, Sections] = {
        "keystone/keystone.conf": _keystone(settings),
        "glance/glance-api.conf": _glance(settings),
        "placement/placement.conf": _placement(settings),
        "nova/nova.conf": _nova(settings),
        "neutron/neutron.conf": _neutron(settings),
        "neutron/ml2_conf.ini": _ml2(),
        "neutron/metering_agent.ini": {"DEFAULT": {"driver": "noop", "measure_interval": 30, "report_interval": 60}},
        "cinder/cinder.conf": _cinder(settings),
        "heat/heat.conf": _heat(settings),
        **{f"nova/{host}.conf": _compute(settings, host) for host in computes},
        **(more or {}),
    }
    return {path: ini(sections) for path, sections in made.items()}


def _log(settings: Settings, name: str) -> dict[str, object]:
    return {"log_dir": settings.folder / "log", "log_file": f"{name}.log"}


def user(settings: Settings, name: str) -> dict[str, object]:
    """How a service shows who it is (keystoneauth's options)."""
    url = f"http://{LOOPBACK}:{PORTS['keystone']}/v3"
    return {
        "auth_type": "password",
        "auth_url": url,
        "www_authenticate_uri": url,
        "username": name,
        "password": settings.password,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": settings.region,
        "service_token_roles_required": True,
        "service_token_roles": "service",
        "valid_interfaces": "internal",
        # oslo_cache.dict would never expire; a second is what a test can wait for after it revoked a token.
        "token_cache_time": 1,
    }


def _policy(settings: Settings, name: str) -> dict[str, Mapping[str, object]]:
    scoped, secured = name in settings.release.scoped, name in settings.release.secured
    return {"oslo_policy": {"enforce_scope": scoped, "enforce_new_defaults": secured}}


def _oslo(settings: Settings, name: str) -> dict[str, Mapping[str, object]]:
    return {
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_messaging_rabbit": {
            "heartbeat_timeout_threshold": 10,
            # A call that nobody waits for is lost with its queue: with transient ones, whoever comes back after the
            # broker a second later than the API leaves a server in BUILD for ever.
            "amqp_durable_queues": True,
            "rabbit_retry_interval": 1,
            "rabbit_retry_backoff": 1,
            "rabbit_interval_max": 2,
        },
        "oslo_concurrency": {"lock_path": settings.folder / "run" / "lock"},
        **_policy(settings, name),
    }


def _database(settings: Settings, name: str) -> dict[str, object]:
    return {"connection": settings.database(name), "max_retries": -1, "connection_recycle_time": 300}


def _keystone(settings: Settings) -> Sections:
    return {
        "DEFAULT": _log(settings, "keystone") | {"max_token_size": 255},
        "database": _database(settings, "keystone"),
        "token": {"provider": "fernet", "expiration": 3600},
        # A password is hashed for a quarter of a second by default, which is most of what a token takes; these live
        # as long as the lab.
        "identity": {"password_hash_rounds": 4},
        "fernet_tokens": {"key_repository": settings.folder / "state" / "keystone" / "fernet"},
        "credential": {"key_repository": settings.folder / "state" / "keystone" / "credential"},
        "cache": {"enabled": True, "backend": "oslo_cache.dict", "expiration_time": 5},
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        **_policy(settings, "keystone"),
    }


def _glance(settings: Settings) -> Sections:
    state = settings.folder / "state" / "glance"
    return {
        "DEFAULT": _log(settings, "glance")
        | {
            "enforce_secure_rbac": "glance" in settings.release.secured,  # must say the same, where it is still known
            "enabled_backends": "file:file",
            "enabled_import_methods": "[glance-direct,copy-image]",
            "show_multiple_locations": False,
            "node_staging_uri": f"file://{state / 'staging'}",
            "worker_self_reference_url": f"http://{LOOPBACK}:{PORTS['glance']}",
        },
        "glance_store": {"default_backend": "file"},
        "file": {"filesystem_store_datadir": state / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": state / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": state / "tasks"},
        "database": _database(settings, "glance"),
        "paste_deploy": {
            "flavor": "keystone",
            "config_file": settings.environment / "etc" / "glance" / "glance-api-paste.ini",
        },
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        "keystone_authtoken": user(settings, "glance"),
        **_oslo(settings, "glance"),
    }


def _placement(settings: Settings) -> Sections:
    return {
        "DEFAULT": _log(settings, "placement"),
        "placement_database": _database(settings, "placement"),
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": user(settings, "placement"),
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        **_policy(settings, "placement"),
    }


def _nova(settings: Settings) -> Sections:
    state = settings.folder / "state" / "nova"
    service_user = {"send_service_user_token": True} | user(settings, "nova")
    return {
        "DEFAULT": _log(settings, "nova")
        | {
            "host": settings.host,
            "state_path": state,
            "my_ip": LOOPBACK,
            "transport_url": settings.broker,
            "compute_driver": "simulated.SimulatedDriver",
            "allow_resize_to_same_host": False,
            "report_interval": settings.report_s,
            "service_down_time": 3 * settings.report_s,
            "sync_power_state_interval": -1,
            "rpc_response_timeout": 30,
            "block_device_allocate_retries": 60,
            "enabled_apis": "osapi_compute",
        },
        "api_database": _database(settings, "nova_api"),
        "database": _database(settings, "nova_cell1"),
        "api": {"auth_strategy": "keystone"},
        "wsgi": {"api_paste_config": settings.folder / "etc" / "nova" / "api-paste.ini"},
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 5},
        "filter_scheduler": {"track_instance_changes": False},
        "quota": {"instances": 1000, "cores": 4000, "ram": 4000000, "key_pairs": 1000, "server_groups": 100},
        "vnc": {"enabled": False},
        "serial_console": {"enabled": False},
        "glance": {
            "valid_interfaces": "internal",
            "num_retries": 3,
            "service_type": "image",
            "region_name": settings.region,
        },
        "cinder": {
            "catalog_info": f"{settings.release.volume_type}::internalURL",
            "os_region_name": settings.region,
        },
        "workarounds": {"skip_cpu_compare_on_dest": True},
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        "keystone_authtoken": user(settings, "nova"),
        "service_user": service_user,
        "placement": user(settings, "nova"),
        "neutron": user(settings, "nova")
        | {"service_metadata_proxy": True, "metadata_proxy_shared_secret": settings.password},
        **_oslo(settings, "nova"),
    }


def _compute(settings: Settings, host: str) -> Sections:
    """A hypervisor has no way to the databases: it asks the conductor."""
    of_host = {"host": host, "state_path": settings.folder / "state" / "nova" / host}
    nova = {name: section for name, section in _nova(settings).items() if name not in ("api_database", "database")}
    return nova | {"DEFAULT": {**nova["DEFAULT"], **_log(settings, f"nova-compute-{host}"), **of_host}}


def _neutron(settings: Settings) -> Sections:
    return {
        "DEFAULT": _log(settings, "neutron")
        | {
            "host": settings.host,
            "state_path": settings.folder / "state" / "neutron",
            "core_plugin": "ml2",
            "service_plugins": "router,qos,segments,metering,trunk",
            "transport_url": settings.broker,
            "auth_strategy": "keystone",
            "notify_nova_on_port_status_changes": True,
            "notify_nova_on_port_data_changes": True,
            "api_workers": 1,
            "bind_host": LOOPBACK,
            "rpc_workers": 1,
            "rpc_state_report_workers": 0,
            "api_paste_config": settings.environment / "etc" / "neutron" / "api-paste.ini",
            "agent_down_time": 3 * settings.report_s,
        },
        "agent": {"report_interval": settings.report_s, "root_helper": "", "root_helper_daemon": ""},
        "database": _database(settings, "neutron"),
        "quotas": {
            "quota_network": 200,
            "quota_subnet": 200,
            "quota_port": 1000,
            "quota_router": 50,
            "quota_floatingip": 200,
            "quota_security_group": 200,
            "quota_security_group_rule": 1000,
        },
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        "keystone_authtoken": user(settings, "neutron"),
        "nova": user(settings, "neutron") | {"endpoint_type": "internal"},
        "placement": user(settings, "neutron"),
        **_oslo(settings, "neutron"),
    }


def _ml2() -> Sections:
    return {
        "ml2": {
            "type_drivers": "flat,vlan,vxlan",
            "tenant_network_types": "vxlan",
            "mechanism_drivers": "openvswitch,binding",
            "extension_drivers": "port_security,qos,dns",
        },
        "ml2_type_flat": {"flat_networks": "public,physnet1,guests"},
        "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:999"},
        "ml2_type_vxlan": {"vni_ranges": "1:10000"},
        "securitygroup": {"enable_security_group": True},
    }


def _cinder(settings: Settings) -> Sections:
    return {
        "DEFAULT": _log(settings, "cinder")
        | {
            "state_path": settings.folder / "state" / "cinder",
            "my_ip": LOOPBACK,
            "host": settings.host,
            "transport_url": settings.broker,
            "auth_strategy": "keystone",
            "api_paste_config": settings.environment / "etc" / "cinder" / "api-paste.ini",
            "resource_query_filters_file": settings.environment / "etc" / "cinder" / "resource_filters.json",
            "enabled_backends": "simulated",
            "default_volume_type": "__DEFAULT__",
            "glance_api_servers": f"http://{LOOPBACK}:{PORTS['glance']}",
            "report_interval": settings.report_s,
            "service_down_time": 3 * settings.report_s,
            "backend_stats_polling_interval": settings.report_s,
            "rootwrap_config": settings.environment / "etc" / "cinder" / "rootwrap.conf",
        },
        "simulated": {
            "volume_driver": settings.release.volume_driver,
            "volume_backend_name": "simulated",
        },
        "database": _database(settings, "cinder"),
        "coordination": {"backend_url": f"file://{settings.folder / 'state' / 'cinder'}"},
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        "keystone_authtoken": user(settings, "cinder"),
        "service_user": {"send_service_user_token": True} | user(settings, "cinder"),
        "nova": user(settings, "cinder"),
        **_oslo(settings, "cinder"),
    }


def _heat(settings: Settings) -> Sections:
    etc = settings.environment / "etc" / "heat"
    keystone = f"http://{LOOPBACK}:{PORTS['keystone']}"
    return {
        "DEFAULT": _log(settings, "heat")
        | {
            "host": settings.host,
            "transport_url": settings.broker,
            "rpc_response_timeout": 30,
            "num_engine_workers": 1,
            "auth_encryption_key": settings.password[:32].ljust(32, "0"),
            "heat_metadata_server_url": f"http://{LOOPBACK}:8000",
            "stack_user_domain_name": "heat",
            "stack_domain_admin": "heat_domain_admin",
            "stack_domain_admin_password": settings.password,
            "environment_dir": etc / "environment.d",
            "template_dir": etc / "templates",
            "region_name_for_services": settings.region,
        },
        "database": _database(settings, "heat"),
        "paste_deploy": {"api_paste_config": etc / "api-paste.ini"},
        "clients": {"endpoint_type": "internalURL"},
        "clients_keystone": {"auth_uri": keystone, "endpoint_type": "internalURL"},
        "trustee": {
            "auth_type": "password",
            "auth_url": keystone,
            "username": "heat",
            "password": settings.password,
            "user_domain_name": "Default",
        },
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        "keystone_authtoken": user(settings, "heat"),
        **_oslo(settings, "heat"),
    }
