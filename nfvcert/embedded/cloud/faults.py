"""Faults to seed in the cloud of an embedded lab, which must run: what the VIM suite is shown to find.

`service-stopped`, `no-restart`, `api-errors`, `api-refuses`, `api-slow`, `expired-certificate`, `no-firewall`,
`wrong-endpoint`, `slow-database`, `forgetful-database`, `read-only-database`, `broker-partition`, `quota-too-small`,
`leaked-allocation`, `roles-too-wide`, `corrupt-images`, `leaking-quota`.
Faults of the lab, which must never be blamed on a release: `wrong-password`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

from nfvcert.embedded.cloud import certificates, installation, proxy, services
from nfvcert.embedded.cloud.configuration import BROKER_PORT, PORTS
from nfvcert.embedded.fault import Fault
from nfvcert.embedded.nftables import nft, remove_table
from nfvcert.embedded.pop import management_address
from nfvcert.embedded.programs import environment, program
from nfvcert.embedded.rundir import Process
from nfvcert.embedded.sites import Sites
from nfvcert.errors import LabError

__all__ = ["CLOUD_FAULTS"]

WAIT_S = 60.0
SETTLE_S = 3.0
"""A worker has no port to be asked at: from its start until it takes messages."""
AGENT_S = 20.0
"""Neutron calls an agent down that has said nothing for three of its intervals."""
HEARTBEAT_S = 12.0
"""A service gives up a silent connection to the broker after its heartbeat's ten seconds."""
CACHE_S = 6.0
"""Keystone keeps what it read for so long."""


@dataclass
class _OfCloud(Fault):
    """Base of faults of a cloud."""

    def check(self, sites: Sites) -> None:
        """The cloud must run."""
        if not (_place(sites) / "services.json").exists():
            raise LabError(f"lab {sites.lab.lab} runs no cloud that could break", what="cloud")


@dataclass
class ServiceStopped(_OfCloud):
    """A service ends, and is not started again."""

    name: ClassVar[str] = "service-stopped"

    service: str = "nova-scheduler"

    def check(self, sites: Sites) -> None:
        """The cloud must have the service."""
        super().check(sites)
        if not (_place(sites) / "run" / "pids" / self.service).exists():
            raise LookupError(f"the cloud has no service {self.service!r}")

    def seed(self, sites: Sites) -> None:
        """Kill it, for good."""
        _hold_down(sites, self.service)
        with suppress(ProcessLookupError):
            os.killpg(_pid(sites, self.service), signal.SIGKILL)
        time.sleep(AGENT_S if "-agent" in self.service else 1.0)

    def clear(self, sites: Sites) -> None:
        """Let it be started again, and wait until it is."""
        _let_up(sites, self.service)


@dataclass
class NoRestart(_OfCloud):
    """A service runs, and would not be started again if it ended."""

    name: ClassVar[str] = "no-restart"

    service: str = "nova-scheduler"

    def seed(self, sites: Sites) -> None:
        """Tell its parent not to."""
        _hold_down(sites, self.service)

    def clear(self, sites: Sites) -> None:
        """Let it be started again, and wait until it is."""
        _let_up(sites, self.service)


@dataclass
class _AtProxy(_OfCloud):
    """Base of faults that happen to requests on their way to an API."""

    api: str = "nova"
    one_in: int = 50

    def seed(self, sites: Sites) -> None:
        """Add a rule to the API's frontend."""
        _reload(sites, {self.api: self.rule})

    def clear(self, sites: Sites) -> None:
        """Take the rule away."""
        _reload(sites, {})

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
class ExpiredCertificate(_OfCloud):
    """The certificate of the public endpoints has expired; nobody renewed it."""

    name: ClassVar[str] = "expired-certificate"

    def seed(self, sites: Sites) -> None:
        """Issue one that ended a month ago."""
        self._issue(sites, began=timedelta(days=395))

    def clear(self, sites: Sites) -> None:
        """Issue a good one."""
        self._issue(sites, began=timedelta(days=1))

    def _issue(self, sites: Sites, *, began: timedelta) -> None:
        certificates.issue(_place(sites) / "etc", _address(sites), valid=timedelta(days=365), began=began)
        _reload(sites, {})


@dataclass
class NoFirewall(_OfCloud):
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
        files = {host: _place(sites) / "etc" / installation.AGENT_FILE.format(host=host) for host in sites.hosts}
        return {f"{services.AGENT}-{host}": path for host, path in files.items() if path.exists()}

    def _drive(self, sites: Sites, here: str, there: str) -> None:
        for agent, path in self._files(sites).items():
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(f"firewall_driver = {here}", f"firewall_driver = {there}"), encoding="utf-8")
            _hold_down(sites, agent)
            with suppress(ProcessLookupError):
                os.killpg(_pid(sites, agent), signal.SIGKILL)
            _let_up(sites, agent)


@dataclass
class WrongEndpoint(_OfCloud):
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
        address = _address(sites)
        _sql(
            sites,
            f"UPDATE keystone.endpoint SET url = REPLACE(url, 'https://{address}:{here}/', 'https://{address}:{there}/')"
            f" WHERE interface = 'public' AND service_id IN"
            f" (SELECT id FROM keystone.service WHERE type = '{services.API_TYPES[self.api]}');",
        )
        time.sleep(CACHE_S)


@dataclass
class SlowDatabase(_OfCloud):
    """The database server is stopped for most of the time."""

    name: ClassVar[str] = "slow-database"
    service: ClassVar[str] = "database"

    still_s: float = 3.5
    """How long it stands still at a time."""
    runs_s: float = 0.3
    """And how long it runs between."""
    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def seed(self, sites: Sites) -> None:
        """Stop and go, in a thread."""
        pid = _pid(sites, self.service)
        self._stop.clear()
        self._thread = Thread(target=self._stutter, args=(pid,), name=self.name, daemon=True)
        self._thread.start()

    def clear(self, sites: Sites) -> None:
        """Let it run."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        with suppress(ProcessLookupError):
            os.kill(_pid(sites, self.service), signal.SIGCONT)

    def _stutter(self, pid: int) -> None:
        while not self._stop.is_set():
            os.kill(pid, signal.SIGSTOP)
            self._stop.wait(self.still_s)
            os.kill(pid, signal.SIGCONT)
            self._stop.wait(self.runs_s)


@dataclass
class ForgetfulDatabase(_OfCloud):
    """The database confirms what it has not written yet, and forgets it when it ends."""

    name: ClassVar[str] = "forgetful-database"

    def seed(self, sites: Sites) -> None:
        """Let it write its log every 45 minutes."""
        self._set(sites, flush=0, every_s=2700)

    def clear(self, sites: Sites) -> None:
        """As it was started."""
        self._set(sites, flush=2, every_s=1)

    def _set(self, sites: Sites, *, flush: int, every_s: int) -> None:
        _sql(
            sites,
            f"SET GLOBAL innodb_flush_log_at_trx_commit = {flush}; SET GLOBAL innodb_flush_log_at_timeout = {every_s};",
        )


@dataclass
class ReadOnlyDatabase(_OfCloud):
    """The database takes no writes, as a replica that was not made the primary."""

    name: ClassVar[str] = "read-only-database"

    def seed(self, sites: Sites) -> None:
        """Let it read only."""
        _sql(sites, "SET GLOBAL read_only = ON;")

    def clear(self, sites: Sites) -> None:
        """Let it write, and wait until the services have noticed."""
        _sql(sites, "SET GLOBAL read_only = OFF;")
        _await_whole(sites)


@dataclass
class BrokerPartition(_OfCloud):
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
        _await_whole(sites)

    def _namespace(self, sites: Sites) -> str:
        return sites.hosts[installation.controller(sites.lab)].path


@dataclass
class QuotaTooSmall(_OfCloud):
    """The default quota lets nobody have a server."""

    name: ClassVar[str] = "quota-too-small"

    def seed(self, sites: Sites) -> None:
        """Set the default class to no server."""
        _sql(
            sites,
            "INSERT INTO nova_api.quota_classes (created_at, class_name, resource, hard_limit)"
            " VALUES (NOW(), 'default', 'instances', 0);",
        )

    def clear(self, sites: Sites) -> None:
        """Back to what nova.conf says."""
        _sql(sites, "DELETE FROM nova_api.quota_classes WHERE class_name = 'default' AND resource = 'instances';")


@dataclass
class LeakedAllocation(_OfCloud):
    """Placement accounts for a server that is no more."""

    name: ClassVar[str] = "leaked-allocation"

    consumer: ClassVar[str] = "00000000-0000-4000-8000-00000000dead"

    def seed(self, sites: Sites) -> None:
        """Copy a consumer that nobody has, with an allocation of a VCPU on every provider."""
        _sql(
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
        _sql(
            sites,
            f"DELETE FROM placement.allocations WHERE consumer_id = '{self.consumer}';"
            f"DELETE FROM placement.consumers WHERE uuid = '{self.consumer}';"
            "DELETE FROM placement.projects WHERE external_id = 'nobody';"
            "DELETE FROM placement.users WHERE external_id = 'nobody';",
        )


@dataclass
class RolesTooWide(_OfCloud):
    """Who is a member of any project is an administrator."""

    name: ClassVar[str] = "roles-too-wide"

    def seed(self, sites: Sites) -> None:
        """Let the role member imply the role admin."""
        _sql(sites, f"INSERT INTO keystone.implied_role (prior_role_id, implied_role_id) {self._roles};")
        time.sleep(CACHE_S)

    def clear(self, sites: Sites) -> None:
        """Take it back."""
        _sql(sites, f"DELETE FROM keystone.implied_role WHERE (prior_role_id, implied_role_id) IN ({self._roles});")
        time.sleep(CACHE_S)

    @property
    def _roles(self) -> str:
        return (
            "SELECT m.id, a.id FROM keystone.role m, keystone.role a"
            " WHERE m.name = 'member' AND a.name = 'admin' AND m.domain_id = a.domain_id"
        )


@dataclass
class CorruptImages(_OfCloud):
    """The image store changes a byte of everything that is put into it."""

    name: ClassVar[str] = "corrupt-images"

    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def seed(self, sites: Sites) -> None:
        """Watch the store, in a thread."""
        self._stop.clear()
        store = _place(sites) / "state" / "glance" / "images"
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
class LeakingQuota(_OfCloud):
    """The quota of block storage goes up with what is made, and never down with what is deleted."""

    name: ClassVar[str] = "leaking-quota"

    def seed(self, sites: Sites) -> None:
        """Let the database keep what is in use from falling."""
        _sql(
            sites,
            "CREATE TRIGGER cinder.leaking_quota BEFORE UPDATE ON cinder.quota_usages FOR EACH ROW"
            " SET NEW.in_use = GREATEST(NEW.in_use, OLD.in_use);",
        )

    def clear(self, sites: Sites) -> None:
        """Let it fall again."""
        _sql(sites, "DROP TRIGGER IF EXISTS cinder.leaking_quota;")


@dataclass
class WrongPassword(_OfCloud):
    """clouds.yaml has another password than the cloud's: the lab's fault."""

    name: ClassVar[str] = "wrong-password"

    def seed(self, sites: Sites) -> None:
        """Write a wrong one."""
        path = _place(sites) / "etc" / "clouds.yaml"
        good = path.with_suffix(".good")
        good.touch(mode=0o600)
        good.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        wrong = [line.replace("password: ", "password: not-", 1) if "password: " in line else line for line in lines]
        path.write_text("".join(wrong), encoding="utf-8")

    def clear(self, sites: Sites) -> None:
        """Back to the right one."""
        path = _place(sites) / "etc" / "clouds.yaml"
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


def _place(sites: Sites) -> Path:
    return sites.folder / "cloud"


def _address(sites: Sites) -> str:
    return management_address(sites.lab, installation.controller(sites.lab))


def _pid(sites: Sites, service: str) -> int:
    return int((_place(sites) / "run" / "pids" / service).read_text(encoding="ascii"))


def _hold_down(sites: Sites, service: str) -> None:
    (_place(sites) / "stopped" / service).touch()


def _let_up(sites: Sites, service: str) -> None:
    """Let a service be started again, and wait until it runs and the cloud answers as a whole."""
    (_place(sites) / "stopped" / service).unlink(missing_ok=True)
    deadline = time.monotonic() + WAIT_S
    while Process.of(_pid(sites, service)) is None:
        if time.monotonic() > deadline:
            raise LabError(f"{service} does not start again", what="cloud")
        time.sleep(0.1)
    time.sleep(SETTLE_S)
    _await_whole(sites)


def _await_whole(sites: Sites) -> None:
    """Wait until the cloud answers as a whole."""
    installation.await_all(installation.EmbeddedCloud(sites.lab, sites.folder), lambda: True)


def _reload(sites: Sites, rules: dict[str, str]) -> None:
    """Let the proxy read its configuration again: a new process takes over, and the old one ends its connections."""
    place = _place(sites)
    text = proxy.configuration(place, _address(sites), installation.apis(sites.lab), rules)
    (place / "etc" / "haproxy.cfg").write_text(text, encoding="utf-8")
    checked = subprocess.run(
        [program("haproxy"), "-c", "-f", str(place / "etc" / "haproxy.cfg")],
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode:
        raise LabError(f"the proxy refuses its configuration: {checked.stderr.strip()[-300:]}", what="cloud")
    os.kill(_pid(sites, "api-load-balancer"), signal.SIGUSR2)
    time.sleep(1.5)


def _sql(sites: Sites, statements: str) -> None:
    done = subprocess.run(
        [program("mariadb"), "--no-defaults", f"--socket={_place(sites) / 'run' / 'mysql.sock'}", "--user=root"],
        input=statements,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=WAIT_S,
    )
    if done.returncode:
        raise LabError(f"the database of the cloud refuses: {done.stderr.strip()[-300:]}", what="cloud")
