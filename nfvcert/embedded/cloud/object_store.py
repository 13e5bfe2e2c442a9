"""The object store of an embedded cloud: Swift with a proxy and one server each for accounts, containers and objects.

Three devices, which are folders, have a replica each of everything. There are no replicators, auditors and updaters:
what a device loses stays lost, and a listing that was not told of an object stays without it.
"""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from nfvcert.embedded.cloud.configuration import LOOPBACK, PORTS, Settings, ini, user
from nfvcert.errors import LabError

__all__ = ["DEVICES", "SERVERS", "check_place", "devices", "files", "identity"]

SERVERS = {"account": 6202, "container": 6201, "object": 6200}
"""Server of the ring of the same name → its port."""
DEVICES = ("d1", "d2", "d3")
_PIPELINE = (
    "catch_errors gatekeeper healthcheck listing_formats bulk authtoken keystoneauth copy container-quotas"
    " account-quotas slo dlo versioned_writes proxy-server"
)


def _place(settings: Settings) -> Path:
    """Its state: rings, swift.conf, devices."""
    return settings.folder / "state" / "swift"


def devices(folder: Path) -> Path:
    """The folder of its devices, in the folder of a cloud."""
    return folder / "state" / "swift" / "devices"


def identity(settings: Settings) -> str:
    """swift.conf: what all its servers must have in common, for as long as its data live."""
    return ini({"swift-hash": {"swift_hash_path_suffix": settings.password[:20]}})


def files(settings: Settings) -> dict[str, str]:
    """Path below etc/ → text, for paste."""
    made = {f"swift/{name}-server.conf": _storage_server(settings, name) for name in SERVERS}
    return {path: ini(sections) for path, sections in made.items()} | {"swift/proxy-server.conf": ini(_proxy(settings))}


def _proxy(settings: Settings) -> Mapping[str, Mapping[str, object]]:
    plain: dict[str, dict[str, object]] = {
        name: {"use": f"egg:swift#{name}"} for name in _PIPELINE.replace("-quotas", "_quotas").split()[:-1]
    }
    authtoken = {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory", "delay_auth_decision": True}
    roles = {"operator_roles": "admin, swiftoperator", "reseller_admin_role": "ResellerAdmin"}
    filters = plain | {
        "authtoken": authtoken | user(settings, "swift"),
        "keystoneauth": plain["keystoneauth"] | roles,
    }
    return {
        "DEFAULT": _common(settings) | {"bind_port": PORTS["swift"]},
        "pipeline:main": {"pipeline": _PIPELINE},
        "app:proxy-server": {
            "use": "egg:swift#proxy",
            "account_autocreate": True,
            # All devices have one server: once it was down for a moment, none could be asked for a minute.
            "error_suppression_interval": 1,
            "conn_timeout": 5,
            "node_timeout": 20,
        },
        **{f"filter:{name.replace('_quotas', '-quotas')}": options for name, options in filters.items()},
    }


def _storage_server(settings: Settings, name: str) -> Mapping[str, Mapping[str, object]]:
    own = {"devices": devices(settings.folder), "mount_check": False, "bind_port": SERVERS[name]}
    # What it was told to list is listed when it answers: else a busy machine's listings would lag behind.
    update = {"conn_timeout": 5, "node_timeout": 20, "container_update_timeout": 20} if name == "object" else {}
    return {
        "DEFAULT": _common(settings) | own | update,
        "pipeline:main": {"pipeline": f"{name}-server"},
        f"app:{name}-server": {"use": f"egg:swift#{name}"},
    }


def _common(settings: Settings) -> dict[str, object]:
    return {
        "bind_ip": LOOPBACK,
        "workers": 0,  # one process, which is the one that a test kills
        "user": pwd.getpwuid(os.geteuid()).pw_name,
        "swift_dir": _place(settings),
        "log_level": "WARNING",
        "recon_cache_path": settings.folder / "run",
    }


def check_place(folder: Path) -> None:
    """See that the folder of a cloud can hold an object store. Raises LabError where it cannot, OSError."""
    probe = folder / "xattr"
    probe.touch()
    try:
        os.setxattr(probe, "user.nfvcert", b"kept")
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise
        raise LabError(
            f"the file system of {folder} keeps no extended attributes (user.*), in which the object store has what it "
            "knows of an object: let $NFVCERT_RUN_DIR be on another one, or leave object_store out of the inventory",
            what="cloud",
        ) from error
    finally:
        probe.unlink()
