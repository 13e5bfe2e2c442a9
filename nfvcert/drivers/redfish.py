"""A management controller by Redfish (DMTF DSP0266), through the library sushy."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import requests
import sushy
from sushy.exceptions import (
    AccessError,
    HTTPError,
    MalformedAttributeError,
    MissingAttributeError,
    ServerSideError,
    SushyError,
)
from sushy.exceptions import ConnectionError as NoConnection
from sushy.resources.updateservice.softwareinventory import SoftwareInventoryCollection

from nfvcert.drivers.through import Through
from nfvcert.errors import LabError, Unreachable
from nfvcert.presence import SEPARATOR

__all__ = ["RedfishBmc", "secret"]

NOT_TOLD = "not told"
"""Among the versions of several adapters, for one that has none to tell."""
TIMEOUT_S = 20.0
"""For each answer: management controllers are slow."""
CONNECT_TIMEOUT_S = 5.0

logging.getLogger("sushy").addHandler(logging.NullHandler())
"""What it has to say is said in our errors; without a handler, Python prints it."""


class RedfishBmc:
    """The firmware that a host's BMC tells."""

    def __init__(
        self,
        host: str,
        *,
        url: str,
        user: str | None,
        password: Callable[[], str | None],
        verify_tls: bool = True,
        system: str = "",
        connect: Callable[[], socket.socket] | None = None,
    ) -> None:
        """``password`` is asked for when it is needed, and kept nowhere here.

        ``system``: the name or UUID of the host's system, where the controller has several; ``connect`` opens a
        connection to it, where not every process can.
        """
        self.host = host
        self._url = url
        self._user = user
        self._password = password
        self._verify_tls = verify_tls
        self._system = system
        self._connect = connect
        self._root: Any = None

    def firmware(self) -> Mapping[str, str]:
        """See Bmc."""
        try:
            found = dict(self._told())
        except (SushyError, requests.exceptions.RequestException, OSError) as error:
            raise self._explained(error) from error
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise self._not_understood(error) from error
        if not found:
            raise LabError(f"the BMC of {self.host} tells no firmware version", what=self.host)
        return found

    def close(self) -> None:
        """See Bmc."""
        root, self._root = self._root, None
        if root is not None:
            root._conn.close()  # noqa: SLF001 - the service itself has no close

    def _explained(self, error: Exception) -> LabError:
        """In words; what the library says may hold whole answers of the controller."""
        # sushy tells of all failures alike, with the reason behind it.
        reason = error.__context__ if isinstance(error, NoConnection) and error.__context__ else error
        bmc = f"the BMC of {self.host} ({self._url})"
        match reason:
            case AccessError():
                return LabError(
                    f"{bmc} does not let us in as {self._user or 'nobody'}: wrong password?", what=self.host
                )
            case ServerSideError():
                return Unreachable(f"{bmc} is out of order: it answers HTTP {reason.status_code}", what=self.host)
            case requests.exceptions.SSLError():
                return LabError(
                    f"{bmc} shows a certificate that is not trusted",
                    what=self.host,
                    hint="trust its issuer (REQUESTS_CA_BUNDLE=FILE), or say verify_tls: false in the inventory",
                )
            case requests.exceptions.Timeout():
                return Unreachable(f"{bmc} does not answer in time", what=self.host)
            case requests.exceptions.JSONDecodeError() | SushyError():
                return self._not_understood(reason)
            case _:
                return Unreachable(f"{bmc} does not answer", what=self.host)

    def _not_understood(self, error: BaseException) -> LabError:
        match error:
            case HTTPError():
                what = f"HTTP {error.status_code}"
            case MissingAttributeError() | MalformedAttributeError():
                what = str(error).rstrip(".")  # of what is wrong it names the key and the resource, and no more
            case _:
                what = type(error).__name__
        return LabError(
            f"the BMC of {self.host} ({self._url}) speaks no Redfish that is understood ({what})", what=self.host
        )

    def _told(self) -> Iterator[tuple[str, str]]:
        root = self._opened()
        system = self._of_this_host(root.get_system_collection().get_members())
        chassis = system.chassis
        parts: dict[str, Iterable[Any]] = {
            "bios": [system.bios_version],
            "bmc": (manager.firmware_version for manager in system.managers),
            "nic": (
                getattr(controller, "firmware_package_version", None)
                for each in chassis
                for adapter in _members(partial(getattr, each, "network_adapters"))
                for controller in adapter.controllers or (None,)
            ),
            "disk-controller": (
                controller.get("FirmwareVersion")
                for storage in _members(lambda: system.storage)
                for controller in _controllers(root, storage)
            ),
        }
        for name, versions in parts.items():
            if told := _joined(versions):
                yield name, told
        items = [item for item in _inventory(root) if self._is_mine(item, system, chassis)]
        if told := _joined(item.version for item in items if "cpld" in f"{item.identity} {item.name}".casefold()):
            yield "cpld", told
        yield from ((f"inventory {item.identity}", str(item.version)) for item in items)

    def _is_mine(self, item: Any, system: Any, chassis: Iterable[Any]) -> bool:
        """Whether firmware is of this host; a controller that has one system has no others' firmware."""
        related = [link.get("@odata.id", "") for link in item.json.get("RelatedItem") or ()]
        mine = [each.path.rstrip("/") for each in (system, *chassis)]
        return not self._system or not related or any(f"{path}/".startswith(f"{m}/") for path in related for m in mine)

    def _opened(self) -> Any:
        if self._root is None:
            connector = sushy.connector.Connector(
                self._url,
                verify=self._verify_tls,
                default_request_timeout=TIMEOUT_S,
                connect_timeout=CONNECT_TIMEOUT_S,
                server_side_retries=1,  # and one attempt to connect, where its default is three
                server_side_retries_delay=1,
            )
            if self._connect is not None:
                connector._session.trust_env = False  # no proxy knows the way  # noqa: SLF001
                opened = self._connect
                connector._session.mount("http://", Through(lambda *_: opened()))  # noqa: SLF001 - it is offered nowhere
            secret_now = self._password()
            auth = sushy.auth.BasicAuth(self._user or "", secret_now) if secret_now is not None else None
            self._root = sushy.Sushy(self._url, verify=self._verify_tls, auth=auth, connector=connector)
        return self._root

    def _of_this_host(self, systems: Iterable[Any]) -> Any:
        found = list(systems)
        if not self._system and len(found) == 1:
            return found[0]
        named = [each for each in found if self._system in {each.identity, each.name, each.uuid, each.hostname}]
        if len(named) != 1:
            told = ", ".join(str(each.name or each.identity) for each in found) or "none"
            raise LabError(f"the BMC of {self.host} has no single system of that name (it has: {told})", what=self.host)
        return named[0]


def _joined(versions: Iterable[Any]) -> str:
    """Every distinct version: an adapter that was forgotten, or tells nothing, must not hide behind another one."""
    told = [str(version).strip() if version else NOT_TOLD for version in versions]
    return SEPARATOR.join(dict.fromkeys(told)) if set(told) - {NOT_TOLD} else ""


def _inventory(root: Any) -> Iterator[Any]:
    """The firmware that is installed; some controllers (iDRAC) also list what was, and what could be."""
    for item in _members(lambda: _inventory_collection(root)):
        if item.version and not item.identity.startswith(("Previous-", "Available-")):
            yield item


def _inventory_collection(root: Any) -> Any:
    """By its link: the library's own way needs a service that can also update."""
    try:
        path = _get(root, root.json["UpdateService"])["FirmwareInventory"]["@odata.id"]
    except KeyError as error:
        raise MissingAttributeError(attribute=str(error), resource="UpdateService") from error
    return SoftwareInventoryCollection(root._conn, path, redfish_version=root.redfish_version, root=root)  # noqa: SLF001


def _controllers(root: Any, storage: Any) -> Iterator[Mapping[str, Any]]:
    """The controllers of a storage: in it, or since its version 1.9 in a collection of their own."""
    yield from storage.json.get("StorageControllers") or ()
    if link := storage.json.get("Controllers"):
        for member in _get(root, link).get("Members") or ():
            yield _get(root, member)


def _get(root: Any, link: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = root._conn.get(link["@odata.id"]).json()  # noqa: SLF001 - sushy knows no such resource
    return found


def _members(collection: Callable[[], Any]) -> Iterable[Any]:
    """What is optional in Redfish may be absent, yet a member that is listed must be told."""
    try:
        found = collection()
    except HTTPError as error:
        if error.status_code != 404:
            raise
        return []
    except MissingAttributeError:
        return []
    # Its own `get_members` passes over what is not found: an adapter of which nothing is known would not be missed.
    return [found.get_member(each) for each in found.members_identities]


def secret(reference: str) -> str:
    """What a reference stands for: `env:NAME`, `file:PATH`, `keyring:NAME`. Raises LabError, never with the secret."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        if name in os.environ:
            return os.environ[name]
        raise LabError(f"the environment has no {name}, where the inventory says that a password is", what=reference)
    if kind == "file":
        try:
            return Path(name).expanduser().read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise LabError(f"the password in {name} cannot be read: {type(error).__name__}", what=reference) from error
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore] # optional
    except ImportError as error:
        raise LabError(f"{reference} needs the Python package keyring", what=reference) from error
    try:
        found: str | None = keyring.get_password("nfvcert", name)
    except keyring.errors.KeyringError as error:
        raise LabError(f"the keyring does not tell {name}: {type(error).__name__}", what=reference) from error
    if found is None:
        raise LabError(f"the keyring has no password of nfvcert for {name}", what=reference)
    return found
