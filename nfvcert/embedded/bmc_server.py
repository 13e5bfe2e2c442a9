"""The management controllers of an embedded lab: ``python bmc_server.py FOLDER ADDRESS PORT``.

sushy-tools' Redfish emulator, with a system, a manager and a chassis for each host, which tell the firmware that
FOLDER/firmware.json gives them at that moment: host → name → version, or null for one that is out of order. A file
`ready` in FOLDER has our number as soon as it can be asked.

This file is run by its path, so that it starts without the rest of nfvcert.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["identity"]


def identity(host: str) -> str:
    """The UUID of a host's system, manager and chassis."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, host))


def _serve(folder: Path, address: str, port: int) -> None:
    import bcrypt
    from werkzeug.serving import make_server

    logging.disable(logging.CRITICAL)
    firmware = _firmware(folder)
    secret = (folder / "password").read_text(encoding="ascii")
    users = folder / "users"
    users.write_text(f"nfvcert:{bcrypt.hashpw(secret.encode(), bcrypt.gensalt(4)).decode()}\n", encoding="ascii")
    settings = folder / "settings.py"
    systems = [{"uuid": identity(host), "name": host, "power_state": "On", "nics": []} for host in firmware]
    chassis = [{"Id": host, "Name": host, "UUID": identity(host)} for host in firmware]
    settings.write_text(
        f"SUSHY_EMULATOR_FAKE_DRIVER = True\nSUSHY_EMULATOR_FAKE_SYSTEMS = {systems!r}\n"
        f"SUSHY_EMULATOR_CHASSIS = {chassis!r}\nSUSHY_EMULATOR_AUTH_FILE = {str(users)!r}\n"
        f"SUSHY_EMULATOR_STATE_DIR = {str(folder)!r}\n",
        encoding="utf-8",
    )
    os.environ["SUSHY_EMULATOR_CONFIG"] = str(settings)
    from sushy_tools.emulator.main import app

    _Resources(folder).extend(app)
    server = make_server(address, port, app, threaded=True)
    (folder / "ready").write_text(f"{os.getpid()}\n", encoding="ascii")
    server.serve_forever()


def _firmware(folder: Path) -> dict[str, dict[str, str]]:
    return {host: told or {} for host, told in _told(folder).items()}


def _told(folder: Path) -> dict[str, dict[str, str] | None]:
    """None: a BMC that is out of order."""
    found: dict[str, dict[str, str] | None] = json.loads((folder / "firmware.json").read_text(encoding="utf-8"))
    return found


def _link(path: str) -> dict[str, Any]:
    return {"@odata.id": f"/redfish/v1/{path}"}


def _collection(kind: str, path: str, members: Iterable[str]) -> dict[str, Any]:
    links = [_link(f"{path}/{member}") for member in members]
    named = {"@odata.type": f"#{kind}Collection.{kind}Collection", "Name": kind}
    return _link(path) | named | {"Members": links, "Members@odata.count": len(links)}


class _Resources:
    """What the emulator does not serve, or not from us, as DSP0266 and its schemas (DSP8010) have it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def extend(self, app: Any) -> None:
        """Put our resources beside, or in place of, the emulator's."""
        app.view_functions["storage_collection"] = self.storages
        app.view_functions["storage"] = self.storage
        for route, view in {
            "/redfish/v1/Chassis/<identity>/NetworkAdapters": self.adapters,
            "/redfish/v1/Chassis/<identity>/NetworkAdapters/<member>": self.adapter,
            "/redfish/v1/UpdateService/FirmwareInventory": self.inventory,
            "/redfish/v1/UpdateService/FirmwareInventory/<member>": self.item,
        }.items():
            app.add_url_rule(route, view.__name__, view)
        app.before_request(self.refuse)
        app.after_request(self.complete)

    def refuse(self) -> tuple[str, int] | None:
        """One that is out of order answers so, whatever it is asked; it is addressed by its host's name."""
        import flask

        told = _told(self._folder)
        host = flask.request.host.partition(":")[0]
        return ("", 503) if host in told and told[host] is None else None

    def storages(self, identity: str) -> dict[str, Any]:
        members = ["1"] if "disk-controller" in self._of(identity) else []
        return _collection("Storage", f"Systems/{identity}/Storage", members)

    def storage(self, identity: str, storage_id: str) -> dict[str, Any]:
        path = f"Systems/{identity}/Storage/{storage_id}"
        controllers = [
            {"@odata.id": f"/redfish/v1/{path}#/StorageControllers/{number}", "MemberId": str(number)}
            | {"Name": "Disk controller", "FirmwareVersion": version}
            for number, version in enumerate(self._versions(identity, "disk-controller"))
        ]
        named = {"@odata.type": "#Storage.v1_4_0.Storage", "Id": storage_id, "Name": "Storage"}
        return _link(path) | named | {"StorageControllers": controllers, "Drives": []}

    def adapters(self, identity: str) -> dict[str, Any]:
        members = ["1"] if "nic" in self._of(identity) else []
        return _collection("NetworkAdapter", f"Chassis/{identity}/NetworkAdapters", members)

    def adapter(self, identity: str, member: str) -> dict[str, Any]:
        named = {"@odata.type": "#NetworkAdapter.v1_5_0.NetworkAdapter", "Id": member, "Name": "Network adapter"}
        controllers = [{"FirmwarePackageVersion": version} for version in self._versions(identity, "nic")]
        return _link(f"Chassis/{identity}/NetworkAdapters/{member}") | named | {"Controllers": controllers}

    def inventory(self) -> dict[str, Any]:
        members = [f"{host}.{name}" for host, told in _firmware(self._folder).items() for name in told]
        return _collection("SoftwareInventory", "UpdateService/FirmwareInventory", members)

    def item(self, member: str) -> dict[str, Any]:
        host, _, name = member.partition(".")
        named = {"@odata.type": "#SoftwareInventory.v1_2_0.SoftwareInventory", "Id": member, "Name": name}
        told = {"Version": ", ".join(self._versions(host, name)), "RelatedItem": [_link(f"Systems/{identity(host)}")]}
        return _link(f"UpdateService/FirmwareInventory/{member}") | named | told

    def complete(self, response: Any) -> Any:
        """The emulator's own resources, with our versions and links."""
        import flask

        match flask.request.path.strip("/").split("/"):
            case ["redfish", "v1", "Systems", number]:
                more = {"BiosVersion": self._of(number).get("bios"), "Storage": _link(f"Systems/{number}/Storage")}
                more["Links"] = {"Chassis": [_link(f"Chassis/{number}")], "ManagedBy": [_link(f"Managers/{number}")]}
            case ["redfish", "v1", "Managers", number]:
                more = {"FirmwareVersion": self._of(number).get("bmc")}
            case ["redfish", "v1", "Chassis", number]:
                more = {"NetworkAdapters": _link(f"Chassis/{number}/NetworkAdapters")}
            case _:
                return response
        if response.status_code == 200:
            response.set_data(json.dumps(json.loads(response.get_data()) | more))
        return response

    def _of(self, number: str) -> dict[str, str]:
        return next((told for host, told in _firmware(self._folder).items() if number in {host, identity(host)}), {})

    def _versions(self, number: str, name: str) -> list[str]:
        """Several parts of a kind, such as two adapters, have a version each."""
        import flask

        if name not in self._of(number):
            flask.abort(404)
        return [version.strip() for version in self._of(number)[name].split(",")]


def _main(folder: str, address: str, port: str) -> None:
    if os.fork():  # who starts us need not wait, and has no child to bury
        os._exit(0)
    os.setsid()
    Path(folder, "pid").write_text(f"{os.getpid()}\n", encoding="ascii")
    _serve(Path(folder), address, int(port))


if __name__ == "__main__":
    _main(*sys.argv[1:4])
