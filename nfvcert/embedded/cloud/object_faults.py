"""Faults to seed in the object store of an embedded cloud, which must run: what the storage suite is shown to find.

`corrupt-objects`, `slow-objects`, `unlisted-objects`, `operators-too-wide`, `absent-endpoint`. Servers that have ended
are `service-stopped` of `faults`, as an endpoint that leads nowhere is its `wrong-endpoint`.
"""

from __future__ import annotations

import os
import signal
import time
from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

from nfvcert.embedded.cloud import object_store, readiness, running
from nfvcert.embedded.cloud.tampering import CACHE_S, OfCloud, Stuttering, pid_of, place_of, sql
from nfvcert.embedded.fault import Fault
from nfvcert.embedded.sites import Sites
from nfvcert.errors import LabError

__all__ = ["OBJECT_FAULTS"]

DATA = 4
"""Names below a device's objects/ until the file: partition, end of the hash, hash, time.data."""


class _OfObjectStore(OfCloud):
    """Base of faults of an object store."""

    def check(self, sites: Sites) -> None:
        """The cloud must have one."""
        super().check(sites)
        if "swift" not in running.apis(sites.lab):
            raise LabError(f"the cloud of lab {sites.lab.lab} has no object store that could break", what="cloud")


@dataclass
class CorruptObjects(_OfObjectStore):
    """Devices flip a bit of each object that is stored on them."""

    name: ClassVar[str] = "corrupt-objects"

    devices: int = len(object_store.DEVICES)
    """On so many of them."""
    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def seed(self, sites: Sites) -> None:
        """Watch the devices, in a thread."""
        self._stop.clear()
        folders = [object_store.devices(place_of(sites)) / name for name in object_store.DEVICES[: self.devices]]
        known = {path for folder in folders for path in _stored(folder)}
        self._thread = Thread(target=self._watch, args=(folders, known), name=self.name, daemon=True)
        self._thread.start()

    def clear(self, sites: Sites) -> None:
        """Leave new objects alone."""
        del sites
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _watch(self, folders: list[Path], known: set[Path]) -> None:
        while not self._stop.wait(0.05):
            for path in {path for folder in folders for path in _stored(folder)} - known:
                with suppress(OSError), path.open("r+b") as file:
                    first = file.read(1)
                    file.seek(0)
                    file.write(bytes([first[0] ^ 1]) if first else b"")
                    known.add(path)


@dataclass
class SlowObjects(_OfObjectStore, Stuttering):
    """The object server is stopped for most of the time."""

    name: ClassVar[str] = "slow-objects"
    service: ClassVar[str] = "swift-object"


@dataclass
class _Misconfigured(_OfObjectStore):
    """Base of faults that are in the configuration of a server, which is started anew with it."""

    server: ClassVar[str]
    """`proxy`: Swift's name for it."""

    @abstractmethod
    def wrong(self, text: str) -> str:
        """The configuration with the mistake."""

    def seed(self, sites: Sites) -> None:
        """Write it, and start the server anew."""
        path = self._path(sites)
        good = path.with_suffix(".good")
        good.touch(mode=0o600)
        good.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        path.write_text(self.wrong(path.read_text(encoding="utf-8")), encoding="utf-8")
        self._restart(sites)

    def clear(self, sites: Sites) -> None:
        """As it was."""
        path = self._path(sites)
        if path.with_suffix(".good").exists():
            path.with_suffix(".good").replace(path)
            self._restart(sites)

    def _path(self, sites: Sites) -> Path:
        return place_of(sites) / "etc" / "swift" / f"{self.server}-server.conf"

    def _restart(self, sites: Sites) -> None:
        """End it; its parent starts it anew."""
        with suppress(ProcessLookupError):
            os.killpg(pid_of(sites, f"swift-{self.server}"), signal.SIGKILL)
        time.sleep(0.3)
        readiness.await_all(running.EmbeddedCloud(sites.lab, sites.folder), lambda: True)


@dataclass
class UnlistedObjects(_Misconfigured):
    """The container server confirms that an object is in its listing, and forgets it."""

    name: ClassVar[str] = "unlisted-objects"
    server: ClassVar[str] = "container"

    def wrong(self, text: str) -> str:
        """With a filter that answers in its place."""
        of_it = "[filter:forgetful]\npaste.filter_factory = nfvcert_object_store:forgetful\n"
        return text.replace("pipeline = container-server", "pipeline = forgetful container-server") + of_it


@dataclass
class OperatorsTooWide(_Misconfigured):
    """Whoever may have containers in a project may do all in the containers of any project."""

    name: ClassVar[str] = "operators-too-wide"
    server: ClassVar[str] = "proxy"

    def wrong(self, text: str) -> str:
        """With the role of operators for that of the reseller's administrator."""
        return text.replace("reseller_admin_role = ResellerAdmin", "reseller_admin_role = swiftoperator")


@dataclass
class AbsentEndpoint(_OfObjectStore):
    """The catalogue knows of no object store."""

    name: ClassVar[str] = "absent-endpoint"

    def seed(self, sites: Sites) -> None:
        """Disable its endpoints."""
        self._enable(sites, 0)

    def clear(self, sites: Sites) -> None:
        """Enable them again."""
        self._enable(sites, 1)

    def _enable(self, sites: Sites, enabled: int) -> None:
        sql(
            sites,
            f"UPDATE keystone.endpoint SET enabled = {enabled} WHERE service_id IN"
            " (SELECT id FROM keystone.service WHERE type = 'object-store');",
        )
        time.sleep(CACHE_S)


OBJECT_FAULTS: tuple[type[Fault], ...] = (
    CorruptObjects,
    SlowObjects,
    UnlistedObjects,
    OperatorsTooWide,
    AbsentEndpoint,
)


def _stored(device: Path) -> list[Path]:
    """The files of objects on a device."""
    return list((device / "objects").glob("/".join(["*"] * (DATA - 1) + ["*.data"])))
