"""An OpenStack cloud through openstacksdk: what a test makes in it carries the run's name, and goes with the test."""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions as ks
from keystoneauth1.session import Session
from openstack import exceptions as sdk_errors
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from nfvcert.drivers.cloud_kinds import KINDS, Kind
from nfvcert.drivers.through import Connect, Through
from nfvcert.errors import ApiFault, LabError, Unreachable
from nfvcert.lab import ControlProcess

__all__ = ["CloudSession", "OpenStackCloud", "explained", "names_of", "short_names_of"]

PREFIX = "nfvcert"
"""All names of what nfvcert makes in a cloud begin with it."""
TIMEOUT_S = 60.0
"""For one answer of an API."""
READY_S = 120.0
"""For what is made to be ready to use, and for what is deleted to be gone, where nobody says how long it may take."""
POLL_S = 0.2
SERVER_ERROR = 500
LOGGED = "nfvcert_logged"
"""Attribute of an answer that is an error of the server: a callable that finds what the logs tell of it."""
RUN_LENGTH, WHAT_LENGTH = 24, 18
"""Of a name: what tells the run, and the test. A project's name has 64 characters at most, and numbers follow."""

logging.getLogger("keystoneauth").addHandler(logging.NullHandler())
logging.getLogger("openstack").addHandler(logging.NullHandler())


class OpenStackCloud:
    """One entry of clouds.yaml, as its user: for certifying, an administrator."""

    def __init__(
        self,
        name: str,
        *,
        config_file: Path | None = None,
        connect: Connect | None = None,
        command_prefix: tuple[str, ...] = (),
        control_plane: Mapping[str, ControlProcess] | None = None,
        upgrade_checks: Mapping[str, str] | None = None,
        without: Iterable[str] = (),
        logged: Callable[[str], str] = lambda _: "",
    ) -> None:
        """``config_file``: the clouds.yaml; None: where openstacksdk looks. ``connect`` opens connections to its
        endpoints, where not every process can; a command that begins with ``command_prefix`` can. ``without``: types of
        services that the lab says it does not have. ``logged(request id)``: what its logs tell of a
        request that failed.
        """
        self.name = name
        self.control_plane = dict(control_plane or {})
        self.upgrade_checks = dict(upgrade_checks or {})
        self.without = tuple(without)
        self.logged = logged
        self._config_file = config_file
        self._connect = connect
        self.command_prefix = command_prefix
        self._connection: Connection | None = None
        self._region: Any = None
        self.spoken_to: set[tuple[str, int]] = set()

    @property
    def sdk(self) -> Connection:
        """The connection of the entry's user. Raises LabError for an entry that is not there, or cannot be used."""
        if self._connection is None:
            self._connection = self._opened()
        return self._connection

    def check(self) -> None:
        """See that the way to the cloud is open. Raises LabError where it is not: nothing is said of the cloud then.

        A cloud that answers, and does not let a known user in or shows an expired certificate, is no fault of the
        lab: the tests will say so.
        """
        try:
            # Not `authorize`: what that raises for a cloud that answers wrongly looks like one that is not there.
            self.sdk.session.get_token()
            self._compare_with_catalogue()
        except (ks.Unauthorized, ks.MissingRequiredOptions, sdk_errors.ConfigException) as error:
            raise LabError(f"cloud {self.name} does not let us in: {_one_line(error)}", what="cloud") from error
        except ks.SSLError as error:
            if "expired" not in str(error):
                raise LabError(f"cloud {self.name} cannot be trusted: {_one_line(error)}", what="cloud") from error
        except (ks.ConnectFailure, requests.exceptions.RequestException, OSError) as error:
            raise Unreachable(f"cloud {self.name} does not answer: {_one_line(error)}", what="cloud") from error
        except ks.ClientException:
            pass

    def _compare_with_catalogue(self) -> None:
        """Else an inventory could keep a service from being tested that users have. Raises LabError."""
        session: Any = self.sdk.session
        catalogue = session.auth.get_access(session).service_catalog
        for kind in self.without:
            if any(catalogue.get_endpoints_data(service_type=kind).values()):
                raise LabError(
                    f"the inventory says that cloud {self.name} is without {kind}, and its catalogue has it",
                    what="cloud",
                )

    def session(self, run: str, what: str, *, ready_s: float = READY_S) -> CloudSession:
        """What one test does in the cloud; the run and ``what`` it is are part of the name of all that it makes.

        ``ready_s``: how long what it makes may take to be ready.
        """
        # Two workers may run tests of one beginning, or share something each: a name is never taken twice.
        label = f"{names_of(run)}-{what[:WHAT_LENGTH]}-{secrets.token_hex(2)}"
        return CloudSession(self, self.sdk, label, ready_s, short_names_of(run))

    def user(self, username: str, password: str, project: str) -> Connection:
        """A connection as another user of the default domain."""
        auth = dict(self._config().get_auth_args()) | {
            "username": username,
            "password": password,
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        for name in ("user_id", "project_id", "user_domain_id", "project_domain_id", "system_scope"):
            auth.pop(name, None)
        return self._opened(auth)

    def close(self) -> None:
        """Close its connections."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _config(self) -> Any:
        if self._region is None:
            files = [str(self._config_file)] if self._config_file else None
            try:
                self._region = OpenStackConfig(config_files=files, load_envvars=False).get_one(cloud=self.name)
            except sdk_errors.ConfigException as error:
                where = self._config_file or "clouds.yaml (searched in ., ~/.config/openstack and /etc/openstack)"
                raise LabError(f"cloud {self.name} cannot be opened with {where}: {_one_line(error)}") from error
        return self._region

    def _opened(self, auth: Mapping[str, Any] | None = None) -> Connection:
        files = [str(self._config_file)] if self._config_file else None
        self._config()
        other: dict[str, Any] = {"auth": dict(auth)} if auth else {}
        constructor: Any = self._session
        config = OpenStackConfig(config_files=files, load_envvars=False, session_constructor=constructor)
        return Connection(config=config.get_one(cloud=self.name, api_timeout=TIMEOUT_S, **other))

    def _session(self, **keywords: Any) -> Session:
        http = requests.Session()
        for scheme in ("http://", "https://"):
            http.mount(scheme, Through(self._connect))
        return _Session(self, **keywords, session=http)

    def reachable(self) -> bool:
        """Whether any endpoint that was spoken to takes a connection: else it is the way there that is broken."""
        for host, port in sorted(self.spoken_to):
            with suppress(OSError):
                (self._connect or _tcp)(host, port).close()
                return True
        return False


class CloudSession:
    """What one user does in a cloud; all that it makes is deleted by `close`, the last first."""

    def __init__(self, cloud: OpenStackCloud, sdk: Any, label: str, ready_s: float, short_name: str) -> None:
        self._cloud = cloud
        self.short_name = short_name
        """How short names begin of what others make for it."""
        self.sdk = sdk
        """openstacksdk's connection (`openstack.connection.Connection`)."""
        self.project_id = self.user_id = self.password = ""
        """Of a `project`."""
        self.label = label
        self._ready_s = ready_s
        self._made: list[tuple[Kind, Any]] = []
        self._inner: list[CloudSession] = []
        self._count = 0

    @property
    def control_plane(self) -> Mapping[str, ControlProcess]:
        """Service → where its processes are, and how they are found."""
        return self._cloud.control_plane

    @property
    def upgrade_checks(self) -> Mapping[str, str]:
        """Service → the command that checks its upgrade, on a host of role controller."""
        return self._cloud.upgrade_checks

    @property
    def command_prefix(self) -> tuple[str, ...]:
        """What a command of this machine begins with that is to reach the cloud; empty: every one does."""
        return self._cloud.command_prefix

    def name(self) -> str:
        """A name that nothing else has, which tells whose it is."""
        self._count += 1
        return f"{self.label}-{self._count}"

    def create(self, kind: str, *, timeout_s: float | None = None, **attributes: Any) -> Any:
        """Make a resource and wait until it is ready to use; ``kind`` is one of `KINDS`, such as `compute.server`.

        Raises ApiFault when the API refuses, or says that it failed, or is not ready in time; ValueError for a kind
        that is not known.
        """
        if kind not in KINDS:
            raise ValueError(f"no kind of resource is named {kind!r} (there are: {', '.join(KINDS)})")
        known = KINDS[kind]
        if known.named and "name" not in attributes:
            attributes["name"] = self.name()
        elif not known.named and known.described:
            attributes.setdefault("description", self.name())
        with explained(f"{kind} cannot be created"):
            made = known.create(self.sdk, attributes)
        self._made.append((known, made))
        return self.wait(made, known.ready, timeout_s=timeout_s) if known.ready else made

    def track(self, kind: str, made: Any) -> Any:
        """Let something that was made otherwise be deleted with the rest."""
        self._made.append((KINDS[kind], made))
        return made

    def wait(self, resource: Any, status: str, *, timeout_s: float | None = None) -> Any:
        """Wait for a status of a resource that this session made; returns the resource as it is then.

        Raises ApiFault with the fault that the API tells.
        """
        kind = self._kind(resource)
        timeout_s = self._ready_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + timeout_s
        while True:
            with explained(f"{kind.name} {resource.id} cannot be read"):
                found = kind.read(self.sdk, resource)
            told = str(found.status)
            if told.lower() == status.lower():
                return found
            if told.lower() in kind.failures and status.lower() not in kind.failures:
                raise ApiFault(f"{kind.name} {found.name or found.id} went to {told}, not {status}{_fault(found)}")
            if time.monotonic() > deadline:
                raise ApiFault(
                    f"{kind.name} {found.name or found.id} is {told} after {timeout_s:g} s, not {status}{_fault(found)}"
                )
            time.sleep(POLL_S)

    def delete(self, resource: Any, *, timeout_s: float | None = None) -> None:
        """Delete what this session made, and wait until it is gone. Raises ApiFault."""
        kind = self._kind(resource)
        self._delete(kind, resource, self._ready_s if timeout_s is None else timeout_s)
        self._made = [(each, made) for each, made in self._made if made.id != resource.id]

    def refuses(self, action: Callable[[], Any], *statuses: int) -> bool:
        """Whether the API says no to an action: status 403 or 404, or one of ``statuses``; other errors stay errors."""
        try:
            action()
        except (ApiFault, sdk_errors.HttpException) as error:
            cause = error.__cause__ if isinstance(error, ApiFault) else error
            if isinstance(cause, sdk_errors.HttpException) and cause.status_code in (statuses or (403, 404)):
                return True
            raise
        return False

    def project(self, *roles: str) -> CloudSession:
        """A new user in a new project of the default domain, with roles in it (default: member). Raises ApiFault."""
        project = self.create("identity.project", domain_id="default")
        password = secrets.token_urlsafe(18)
        user = self.create("identity.user", domain_id="default", password=password, default_project_id=project.id)
        with explained("a role cannot be given"):
            for name in roles or ("member",):
                role = self.sdk.identity.find_role(name, ignore_missing=False)
                self.sdk.identity.assign_project_role_to_user(project, user, role)
        as_user = self._cloud.user(user.name, password, project.name)
        inner = CloudSession(self._cloud, as_user, f"{self.label}-p{self._count}", self._ready_s, self.short_name)
        inner.project_id, inner.user_id, inner.password = project.id, user.id, password
        self._inner.append(inner)
        return inner

    def close(self) -> None:
        """Delete all that was made, the last first. Raises ApiFault that names what could not be deleted."""
        troubles = []
        for inner in reversed(self._inner):
            try:
                inner.close()
            except ApiFault as error:
                troubles.append(str(error))
            inner.sdk.close()
        self._inner.clear()
        while self._made:
            kind, made = self._made.pop()
            try:
                self._delete(kind, made, self._ready_s)
            except ApiFault as error:
                troubles.append(str(error))
        if troubles:
            raise ApiFault("; ".join(troubles))

    def _delete(self, kind: Kind, made: Any, timeout_s: float) -> None:
        with explained(f"{kind.name} {made.id} cannot be deleted"):
            kind.delete(self.sdk, made)
        deadline = time.monotonic() + timeout_s
        while kind.lingers:
            try:
                with explained(f"{kind.name} {made.id} cannot be read"):
                    found = kind.read(self.sdk, made)
            except ApiFault as error:
                if isinstance(error.__cause__, sdk_errors.NotFoundException | ks.NotFound):
                    return
                raise
            if kind.is_gone(found):
                return
            if time.monotonic() > deadline:
                raise ApiFault(
                    f"{kind.name} {made.id} is still there {timeout_s:g} s after its deletion ({found.status})"
                )
            time.sleep(POLL_S)

    def _kind(self, resource: Any) -> Kind:
        for kind, made in self._made:
            if made.id == resource.id:
                return kind
        raise ValueError(f"{resource.id} was not made by this session")


class _Session(Session):
    """keystoneauth's session, which knows whether a silent endpoint is alone in its silence."""

    def __init__(self, cloud: OpenStackCloud, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._cloud = cloud

    def request(self, url: str, method: str, *arguments: Any, **keywords: Any) -> requests.Response:
        """As keystoneauth. Raises Unreachable where no endpoint of the cloud can be reached."""
        try:
            answer = super().request(url, method, *arguments, **keywords)
        except (ks.ConnectFailure, ks.SSLError) as error:
            if isinstance(error, ks.SSLError) or self._cloud.reachable():
                raise
            raise Unreachable(f"no endpoint of cloud {self._cloud.name} can be reached", what="cloud") from error
        if answer.status_code >= SERVER_ERROR:
            # Found only where it is told: reading logs here would be a part of the response time.
            request = answer.headers.get("x-openstack-request-id", "")
            setattr(answer, LOGGED, functools.partial(self._cloud.logged, request))
        parts = urlsplit(str(answer.url))
        if parts.hostname:
            self._cloud.spoken_to.add((parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)))
        return answer


def names_of(run: str) -> str:
    """How all names begin of what a run makes in a cloud; of an empty one, those of any run."""
    return f"{PREFIX}-{run[:RUN_LENGTH]}"


def short_names_of(run: str) -> str:
    """How short names begin of what a foreign suite makes for a run: 14 characters.

    Tempest adds up to 48 to it (`-ListServersNegativeTestJSON-server-1234567890-3`), and a server's name becomes a
    host name of 63 characters at most, which Neutron refuses to cut.
    """
    return f"{PREFIX}-{hashlib.sha256(run[:RUN_LENGTH].encode()).hexdigest()[:6]}"


def _tcp(host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), timeout=5.0)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Let errors of the API in a ``with`` block be an ApiFault: what was asked, status, request id, message."""
    try:
        yield
    except ApiFault:
        raise
    except (sdk_errors.SDKException, ks.ClientException) as error:
        raise ApiFault(f"{what}: {_one_line(error)}") from error


def _fault(found: Any) -> str:
    fault = getattr(found, "fault", None)
    told = fault.get("message") if isinstance(fault, dict) else getattr(found, "status_reason", None)
    return f": {told}" if told else ""


def _one_line(error: Exception) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    request = getattr(error, "request_id", None)
    logged = getattr(getattr(error, "response", None), LOGGED, str)()
    return (
        f"{text[:400]}{f' (request {request})' if request and request not in text else ''}"
        f"{f'; its log: {logged}' if logged else ''}"
    )
