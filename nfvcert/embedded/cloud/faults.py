"""Faults to seed in the cloud of an embedded lab, which must run: what the VIM suite is shown to find.

`service-stopped`, `no-restart`, `api-errors`, `api-refuses`, `api-slow`, `expired-certificate`, `no-firewall`,
`wrong-endpoint`, `slow-database`, `forgetful-database`, `read-only-database`, `broker-partition`, `quota-too-small`,
`leaked-allocation`, `roles-too-wide`, `corrupt-images`, `leaking-quota`.
Faults of the lab, which must never be blamed on a release: `wrong-password`.
"""

from __future__ import annotations

import os
import signal
import time
from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

from nfvcert.embedded.cloud import certificates, installation, proxy, running, services
from nfvcert.embedded.cloud.configuration import BROKER_PORT, PORTS
from nfvcert.embedded.cloud.tampering import (
    CACHE_S,
    OfCloud,
    Stuttering,
    address_of,
    await_whole,
    hold_down,
    let_up,
    pid_of,
    place_of,
    reload_proxy,
    sql,
)
from nfvcert.embedded.fault import Fault
from nfvcert.embedded.nftables import nft, remove_table
from nfvcert.embedded.sites import Sites
from nfvcert.errors import LabError

__all__ = ["CLOUD_FAULTS"]

AGENT_S = 20.0
"""Neutron calls an agent down that has said nothing for three of its intervals."""
HEARTBEAT_S = 12.0
"""A service gives up a silent connection to the broker after its heartbeat's ten seconds."""


@dataclass
class ServiceStopped(OfCloud):
    """A service ends, and is not started again."""

    name: ClassVar[str] = "service-stopped"

    service: str = "nova-scheduler"

    def check(self, sites: Sites) -> None:
        """The cloud must have the service."""
        super().check(sites)
        if not (place_of(sites) / "run" / "pids" / self.service).exists():
            raise LookupError(f"the cloud has no service {self.service!r}")

    def seed(self, sites: Sites) -> None:
        """Kill it, for good."""
        hold_down(sites, self.service)
        with suppress(ProcessLookupError):
            os.killpg(pid_of(sites, self.service), signal.SIGKILL)
        time.sleep(AGENT_S if "-agent" in self.service else 1.0)

    def clear(self, sites: Sites) -> None:
        """Let it be started again, and wait until it is."""
        let_up(sites, self.service)


@dataclass
class NoRestart(OfCloud):
    """A service runs, and would not be started again if it ended."""

    name: ClassVar[str] = "no-restart"

    service: str = "nova-scheduler"

    def seed(self, sites: Sites) -> None:
        """Tell its parent not to."""
        hold_down(sites, self.service)

    def clear(self, sites: Sites) -> None:
        """Let it be started again, and wait until it is."""
        let_up(sites, self.service)


@dataclass
class _AtProxy(OfCloud):
    """Base of faults that happen to requests on their way to an API."""

    api: str = "nova"
    one_in: int = 50

    def seed(self, sites: Sites) -> None:
        """Add a rule to the API's frontend."""
        reload_proxy(sites, {self.api: self.rule})

    def clear(self, sites: Sites) -> None:
        """Take the rule away."""
        reload_proxy(sites, {})

    @property
    @abstractmethod
    def rule(self) -> str:
        """The line of haproxy.cfg."""

    @property
    def chosen(self) -> str:
        """Which requests, as a condition."""
        return f"{{ rand({self.one_in}) eq 0 }}"


@dataclass
class ApiErrors(_AtProxy):
    """An API answers one request in so many with status 500."""

    name: ClassVar[str] = "api-errors"

    @property
    def rule(self) -> str:
        """See _AtProxy."""
        return f"http-request return status 500 content-type text/plain string broken if {self.chosen}"


@dataclass
class ApiRefuses(_AtProxy):
    """An API drops the connection of one request in so many without an answer."""

    name: ClassVar[str] = "api-refuses"

    @property
    def rule(self) -> str:
        """See _AtProxy."""
        return f"http-request reject if {self.chosen}"


@dataclass
class ApiSlow(_AtProxy):
    """An API answers later."""

    name: ClassVar[str] = "api-slow"

    delay_ms: int = 1500

    @property
    def rule(self) -> str:
        """See _AtProxy."""
        return f"http-request lua.{proxy.DELAY} {self.delay_ms}"


@dataclass
class ExpiredCertificate(OfCloud):
    """The certificate of the public endpoints has expired; nobody renewed it."""

    name: ClassVar[str] = "expired-certificate"

    def seed(self, sites: Sites) -> None:
        """Issue one that ended a month ago."""
        self._issue(sites, began=timedelta(days=395))

    def clear(self, sites: Sites) -> None:
        """Issue a good one."""
        self._issue(sites, began=timedelta(days=1))

    def _issue(self, sites: Sites, *, began: timedelta) -> None:
        certificates.issue(place_of(sites) / "etc", address_of(sites), valid=timedelta(days=365), began=began)
        reload_proxy(sites, {})


@dataclass
class NoFirewall(OfCloud):
    """The agents of the data plane let everything through: the API keeps security groups, and nobody else does."""

    name: ClassVar[str] = "no-firewall"

    def check(self, sites: Sites) -> None:
        """The cloud must have a data plane."""
        super().check(sites)
        if not self._files(sites):
            raise LabError(f"the cloud of lab {sites.lab.lab} has no data plane", what="cloud")

    def seed(self, sites: Sites) -> None:
        """Let them start again with the driver that does nothing."""
        self._drive(sites, "openvswitch", "noop")

    def clear(self, sites: Sites) -> None:
        """Let them start again as they were."""
        self._drive(sites, "noop", "openvswitch")

    def _files(self, sites: Sites) -> dict[str, Path]:
        files = {host: place_of(sites) / "etc" / installation.AGENT_FILE.format(host=host) for host in sites.hosts}
        return {f"{services.AGENT}-{host}": path for host, path in files.items() if path.exists()}

    def _drive(self, sites: Sites, here: str, there: str) -> None:
        for agent, path in self._files(sites).items():
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(f"firewall_driver = {here}", f"firewall_driver = {there}"), encoding="utf-8")
            hold_down(sites, agent)
            with suppress(ProcessLookupError):
                os.killpg(pid_of(sites, agent), signal.SIGKILL)
            let_up(sites, agent)


@dataclass
class WrongEndpoint(OfCloud):
    """The catalogue leads to a port where nobody listens."""

    name: ClassVar[str] = "wrong-endpoint"

    api: str = "cinder"

    def seed(self, sites: Sites) -> None:
        """Move the public endpoint."""
        self._move(sites, str(PORTS[self.api]), "1")

    def clear(self, sites: Sites) -> None:
        """Move it back."""
        self._move(sites, "1", str(PORTS[self.api]))

    def _move(self, sites: Sites, here: str, there: str) -> None:
        address = address_of(sites)
        sql(
            sites,
            f"UPDATE keystone.endpoint SET url = REPLACE(url, 'https://{address}:{here}/', 'https://{address}:{there}/')"
            f" WHERE interface = 'public' AND service_id IN"
            f" (SELECT id FROM keystone.service WHERE type = '{services.API_TYPES[self.api]}');",
        )
        time.sleep(CACHE_S)


@dataclass
class SlowDatabase(Stuttering):
    """The database server is stopped for most of the time."""

    name: ClassVar[str] = "slow-database"
    service: ClassVar[str] = "database"


@dataclass
class ForgetfulDatabase(OfCloud):
    """The database confirms what it has not written yet, and forgets it when it ends."""

    name: ClassVar[str] = "forgetful-database"

    def seed(self, sites: Sites) -> None:
        """Let it write its log every 45 minutes."""
        self._set(sites, flush=0, every_s=2700)

    def clear(self, sites: Sites) -> None:
        """As it was started."""
        self._set(sites, flush=2, every_s=1)

    def _set(self, sites: Sites, *, flush: int, every_s: int) -> None:
        sql(
            sites,
            f"SET GLOBAL innodb_flush_log_at_trx_commit = {flush}; SET GLOBAL innodb_flush_log_at_timeout = {every_s};",
        )


@dataclass
class ReadOnlyDatabase(OfCloud):
    """The database takes no writes, as a replica that was not made the primary."""

    name: ClassVar[str] = "read-only-database"

    def seed(self, sites: Sites) -> None:
        """Let it read only."""
        sql(sites, "SET GLOBAL read_only = ON;")

    def clear(self, sites: Sites) -> None:
        """Let it write, and wait until the services have noticed."""
        sql(sites, "SET GLOBAL read_only = OFF;")
        await_whole(sites)


@dataclass
class BrokerPartition(OfCloud):
    """Packets to and from the message broker are lost: it runs, and nobody reaches it."""

    name: ClassVar[str] = "broker-partition"

    table: ClassVar[str] = "nfvcert-broker"

    def seed(self, sites: Sites) -> None:
        """Drop them in the controller's namespace."""
        rule = f"meta l4proto tcp th dport {BROKER_PORT} drop"
        hook = "type filter hook input priority 0; policy accept;"
        nft(self._namespace(sites), f"table inet {self.table} {{\n chain in {{\n {hook}\n {rule}\n }}\n}}\n")

    def clear(self, sites: Sites) -> None:
        """Let them through, and wait until all have found it again."""
        remove_table(self._namespace(sites), "inet", self.table)
        time.sleep(HEARTBEAT_S)
        await_whole(sites)

    def _namespace(self, sites: Sites) -> str:
        return sites.hosts[running.controller(sites.lab)].path


@dataclass
class QuotaTooSmall(OfCloud):
    """The default quota lets nobody have a server."""

    name: ClassVar[str] = "quota-too-small"

    def seed(self, sites: Sites) -> None:
        """Set the default class to no server."""
        sql(
            sites,
            "INSERT INTO nova_api.quota_classes (created_at, class_name, resource, hard_limit)"
            " VALUES (NOW(), 'default', 'instances', 0);",
        )

    def clear(self, sites: Sites) -> None:
        """Back to what nova.conf says."""
        sql(sites, "DELETE FROM nova_api.quota_classes WHERE class_name = 'default' AND resource = 'instances';")


@dataclass
class LeakedAllocation(OfCloud):
    """Placement accounts for a server that is no more."""

    name: ClassVar[str] = "leaked-allocation"

    consumer: ClassVar[str] = "00000000-0000-4000-8000-00000000dead"

    def seed(self, sites: Sites) -> None:
        """Copy a consumer that nobody has, with an allocation of a VCPU on every provider."""
        sql(
            sites,
            "INSERT INTO placement.projects (created_at, external_id) VALUES (NOW(), 'nobody');"
            "INSERT INTO placement.users (created_at, external_id) VALUES (NOW(), 'nobody');"
            "INSERT INTO placement.consumers (created_at, uuid, project_id, user_id, generation)"
            f" SELECT NOW(), '{self.consumer}', p.id, u.id, 0 FROM placement.projects p, placement.users u"
            " WHERE p.external_id = 'nobody' AND u.external_id = 'nobody';"
            "INSERT INTO placement.allocations (created_at, resource_provider_id, consumer_id, resource_class_id, used)"
            f" SELECT NOW(), id, '{self.consumer}', 0, 1 FROM placement.resource_providers;",
        )

    def clear(self, sites: Sites) -> None:
        """Delete it."""
        sql(
            sites,
            f"DELETE FROM placement.allocations WHERE consumer_id = '{self.consumer}';"
            f"DELETE FROM placement.consumers WHERE uuid = '{self.consumer}';"
            "DELETE FROM placement.projects WHERE external_id = 'nobody';"
            "DELETE FROM placement.users WHERE external_id = 'nobody';",
        )


@dataclass
class RolesTooWide(OfCloud):
    """Who is a member of any project is an administrator."""

    name: ClassVar[str] = "roles-too-wide"

    def seed(self, sites: Sites) -> None:
        """Let the role member imply the role admin."""
        sql(sites, f"INSERT INTO keystone.implied_role (prior_role_id, implied_role_id) {self._roles};")
        time.sleep(CACHE_S)

    def clear(self, sites: Sites) -> None:
        """Take it back."""
        sql(sites, f"DELETE FROM keystone.implied_role WHERE (prior_role_id, implied_role_id) IN ({self._roles});")
        time.sleep(CACHE_S)

    @property
    def _roles(self) -> str:
        return (
            "SELECT m.id, a.id FROM keystone.role m, keystone.role a"
            " WHERE m.name = 'member' AND a.name = 'admin' AND m.domain_id = a.domain_id"
        )


@dataclass
class CorruptImages(OfCloud):
    """The image store changes a byte of everything that is put into it."""

    name: ClassVar[str] = "corrupt-images"

    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def seed(self, sites: Sites) -> None:
        """Watch the store, in a thread."""
        self._stop.clear()
        store = place_of(sites) / "state" / "glance" / "images"
        self._thread = Thread(target=self._watch, args=(store, set(store.iterdir())), daemon=True)
        self._thread.start()

    def clear(self, sites: Sites) -> None:
        """Leave new images alone."""
        del sites
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _watch(self, store: Path, known: set[Path]) -> None:
        while not self._stop.wait(0.01):
            for path in set(store.iterdir()) - known:
                with suppress(OSError), path.open("r+b") as file:
                    first = file.read(1)
                    if first:
                        file.seek(0)
                        file.write(bytes([first[0] ^ 0xFF]))
                        known.add(path)


@dataclass
class LeakingQuota(OfCloud):
    """The quota of block storage goes up with what is made, and never down with what is deleted."""

    name: ClassVar[str] = "leaking-quota"

    def seed(self, sites: Sites) -> None:
        """Let the database keep what is in use from falling."""
        sql(
            sites,
            "CREATE TRIGGER cinder.leaking_quota BEFORE UPDATE ON cinder.quota_usages FOR EACH ROW"
            " SET NEW.in_use = GREATEST(NEW.in_use, OLD.in_use);",
        )

    def clear(self, sites: Sites) -> None:
        """Let it fall again."""
        sql(sites, "DROP TRIGGER IF EXISTS cinder.leaking_quota;")


@dataclass
class WrongPassword(OfCloud):
    """clouds.yaml has another password than the cloud's: the lab's fault."""

    name: ClassVar[str] = "wrong-password"

    def seed(self, sites: Sites) -> None:
        """Write a wrong one."""
        path = place_of(sites) / "etc" / "clouds.yaml"
        good = path.with_suffix(".good")
        good.touch(mode=0o600)
        good.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        wrong = [line.replace("password: ", "password: not-", 1) if "password: " in line else line for line in lines]
        path.write_text("".join(wrong), encoding="utf-8")

    def clear(self, sites: Sites) -> None:
        """Back to the right one."""
        path = place_of(sites) / "etc" / "clouds.yaml"
        if path.with_suffix(".good").exists():
            path.with_suffix(".good").replace(path)


CLOUD_FAULTS: tuple[type[Fault], ...] = (
    ServiceStopped,
    NoRestart,
    ApiErrors,
    ApiRefuses,
    ApiSlow,
    ExpiredCertificate,
    NoFirewall,
    WrongEndpoint,
    SlowDatabase,
    ForgetfulDatabase,
    ReadOnlyDatabase,
    BrokerPartition,
    QuotaTooSmall,
    LeakedAllocation,
    RolesTooWide,
    CorruptImages,
    LeakingQuota,
    WrongPassword,
)
