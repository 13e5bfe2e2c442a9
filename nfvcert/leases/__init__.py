"""Leases beyond one run: two people on one lab take turns, and each is told who the other is.

    lab/<name>    one lab, for a whole run; kept where its inventory says (`leases:`), so on all machines
    machine       the CPU of this machine, and `machine/…`: always kept on this machine

    LeaseBook     what one run holds: a loop calls try_acquire and heartbeat, nothing here makes a thread
    leases, force_release   for people: `nfvcert lab leases`, `nfvcert lab release`

Places that can keep leases (`Store`): a folder of this machine (`files`), where the kernel knows who lives,
a Redis or etcd server (`redis_server`, `etcd_server`), where a lease expires that is not renewed. A place that
cannot tell its holder of a lost lease is no place for leases: two runs in one lab would measure each other.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from nfvcert.errors import LabError, UsageError
from nfvcert.lab import Lab
from nfvcert.leases.files import Files, default_folder
from nfvcert.leases.holder import Held, Holder, Lease, Request, Store, ago, shown, table

__all__ = [
    "Held",
    "Holder",
    "Lease",
    "LeaseBook",
    "ago",
    "force_release",
    "lease_of",
    "leased",
    "leases",
    "place_of",
    "table",
]

MACHINE = "machine"
ENVIRONMENT = "NFVCERT_LEASES"
PLACES = "redis://HOST:PORT (with `pip install redis`), etcd3+http://HOST:PORT, or a folder of this machine, /PATH"


def lease_of(thing: Lab | str) -> str:
    """The name of a lab's lease, or of a resource's that labs share.

    An embedded lab is one machine's alone, and so are shared resources, such as its processors.
    """
    if isinstance(thing, Lab):
        return f"{MACHINE}/lab/{thing.lab}" if thing.provider == "embedded" else f"lab/{thing.lab}"
    return thing if thing == MACHINE else f"{MACHINE}/{thing}"


class LeaseBook:
    """What one run holds, and waits for.

    Make it before workers are forked: on this machine, its leases then last until the last of these processes
    is gone, however they end. Only the process that made it takes leases and gives them back; elsewhere its
    methods do nothing (`try_acquire` raises RuntimeError). ``reason`` is for those who wait. On a server, a
    lease lives for ``ttl_s`` after it was last renewed, by `heartbeat`; all durations are of monotonic clocks.

    Raises: UsageError for a URL that nothing can be done with; LabError when the place cannot be used.
    """

    def __init__(self, *, run: str, reason: str, url: str | None = None, ttl_s: float = 60.0) -> None:
        self._pid = os.getpid()
        self._me = Holder.here(run=run, reason=reason)
        self._token = uuid.uuid4().hex
        self._ttl_s = ttl_s
        self._held: dict[str, _Kept] = {}
        self._asked: dict[str, Request] = {}
        self._away: dict[Store, _Outage] = {}
        place, here = place_of(url), _folder()
        self._machine: Store = Files(here, token=self._token)
        self._labs: Store = self._machine
        if place != here:
            try:
                self._labs = _server(place, ttl_s) if isinstance(place, str) else Files(place, token=self._token)
            except BaseException:
                self._machine.end()
                raise

    @property
    def held(self) -> Mapping[str, Holder]:
        """What is held now: resource → this run as its holder."""
        return MappingProxyType({resource: held.request.holder for resource, held in self._held.items()})

    def try_acquire(self, resource: str, *, shared: bool = False) -> Holder | None:
        """Take a resource: None when it is ours now (or was), else who is in the way. Never waits for them.

        Keep asking (more often than every 5 s) to keep one's place in the queue; `release` leaves it.
        On this machine nobody is passed: with somebody waiting for it exclusively, it is shared no more.
        Raises: LabError when the place of leases has not answered for ``ttl_s``; before, that is who is in the way.
        """
        if os.getpid() != self._pid:
            message = "leases are taken by the process that made the book"
            raise RuntimeError(message)
        if resource in self._held:
            return None
        store = self._store(resource)
        if (outage := self._away.get(store)) and time.monotonic() < outage.ask_again:
            return outage.holder()
        since = datetime.now(UTC).replace(microsecond=0)
        holder = self._me.model_copy(update={"since": since})
        request = Request(resource=resource, token=self._token, holder=holder, shared=shared)
        self._asked[resource] = request
        asked = time.monotonic()
        try:
            other = store.take(request)
        except LabError as error:
            outage = self._outage(store, error)
            if time.monotonic() - outage.since >= self._ttl_s:
                raise
            return outage.holder()
        self._away.pop(store, None)
        if other is None:
            del self._asked[resource]
            self._held[resource] = _Kept(request, store, renewed=asked)
        return other

    def release(self, resource: str) -> None:
        """Give a resource back, or stop waiting for it. A server that does not answer lets it expire."""
        if os.getpid() != self._pid:
            return
        held = self._held.pop(resource, None)
        request = held.request if held else self._asked.pop(resource, None)
        if request:
            try:
                self._store(resource).give_back(request)
            except LabError as error:
                self._outage(self._store(resource), error)

    def heartbeat(self, *, now: bool = False) -> tuple[str, ...]:
        """Renew what is due, or ``now`` everything; call it often. Returns what is lost, each resource once.

        Lost is what somebody took away by force, and what could not be renewed for its whole life.
        """
        if os.getpid() != self._pid:
            return ()
        lost = tuple(resource for resource, held in self._held.items() if not self._renewed(held, at_once=now))
        for resource in lost:
            del self._held[resource]
        return lost

    def wanted_by(self, resource: str) -> Holder | None:
        """Who waits for a resource that is held here, where that can be known.

        Whoever shares a resource with tests of its own should start no more of them then, and release it.
        """
        held = self._held.get(resource)
        if held is None or os.getpid() != self._pid:
            return None
        try:
            return held.store.wanted_by(held.request)
        except LabError:
            return None

    def close(self) -> None:
        """Give everything back."""
        if os.getpid() != self._pid:
            return
        for resource in (*self._held, *self._asked):
            self.release(resource)
        for store in {self._machine, self._labs}:
            store.end()

    def abandon(self) -> None:
        """In a forked process that outlives the run (a daemon): do not keep its leases alive any more."""
        if os.getpid() != self._pid:
            for store in {self._machine, self._labs}:
                store.close()

    def _store(self, resource: str) -> Store:
        return self._machine if resource.partition("/")[0] == MACHINE else self._labs

    def _renewed(self, held: _Kept, *, at_once: bool) -> bool:
        """Whether it is still ours, as far as can be known."""
        now = time.monotonic()
        if not at_once and now < held.due(self._ttl_s):
            return True
        outage = self._away.get(held.store)
        if outage is None or now >= outage.ask_again:
            try:
                if not held.store.renew(held.request):
                    return False
            except LabError as error:
                self._outage(held.store, error)
            else:
                self._away.pop(held.store, None)
                held.renewed = now
        return time.monotonic() - held.renewed < self._ttl_s

    def _outage(self, store: Store, error: LabError) -> _Outage:
        """Note that a place does not answer: each attempt costs the loop seconds, so they must be rare."""
        now = time.monotonic()
        outage = self._away.setdefault(store, _Outage(since=now, sentence=error.sentence))
        outage.ask_again = now + self._ttl_s / 12
        return outage


class _Kept:
    """A lease of ours. ``renewed`` is when we began to ask for it, which is before its life began."""

    def __init__(self, request: Request, store: Store, *, renewed: float) -> None:
        self.request = request
        self.store = store
        self.renewed = renewed

    def due(self, ttl_s: float) -> float:
        """When it is to be renewed, by the monotonic clock."""
        return self.renewed + min(ttl_s / 3, self.store.checked_s)


class _Outage:
    """A place of leases that does not answer."""

    def __init__(self, *, since: float, sentence: str) -> None:
        self.since = since
        self.sentence = sentence
        self.ask_again = since

    def holder(self) -> Holder:
        return Holder(owner="unknown", run="", reason=self.sentence)


@contextmanager
def leased(resource: str, *, run: str, reason: str, url: str | None = None, ttl_s: float = 900.0) -> Iterator[None]:
    """Hold a resource for a while without a heartbeat. Raises: Held, at once, when somebody else has it."""
    book = LeaseBook(run=run, reason=reason, url=url, ttl_s=ttl_s)
    try:
        if other := book.try_acquire(resource):
            raise Held(resource, other)
        yield
    finally:
        book.close()


def leases(url: str | None = None) -> list[Lease]:
    """All leases in a place: the default one, or that of a URL; those of the machine are in the default one.

    Raises: UsageError, LabError.
    """
    stores = _stores(url)
    try:
        return [lease for store in stores for lease in store.all()]
    finally:
        for store in stores:
            store.close()


def force_release(url: str | None, resource: str, *, only: Holder | None = None) -> Holder | None:
    """Take a resource away from whoever holds it (or from one holder only); returns whom, None if nobody did.

    The holder learns it at its next heartbeat.
    Raises: UsageError, LabError.
    """
    taken = None
    for store in (stores := _stores(url)):
        for lease in store.all():
            meant = lease.resource == resource and (only is None or only.is_same(lease.holder))
            if meant and store.force(lease):
                taken = taken or lease.holder
    for store in stores:
        store.close()
    return taken


def place_of(url: str | None = None) -> Path | str:
    """Where leases are kept: a folder of this machine, or the URL of a server.

    Without ``url``, that is NFVCERT_LEASES (a folder or a URL), else a folder that all users here share.
    Raises: UsageError.
    """
    told = url or os.environ.get(ENVIRONMENT)
    if not told:
        return default_folder()
    if "://" in told and not told.startswith("file://"):
        return told
    folder = Path(told.removeprefix("file://"))
    if not folder.is_absolute():  # it would be another one for who works elsewhere
        raise UsageError(f"leases cannot be kept in {told}", hint=PLACES)
    return folder


def _folder() -> Path:
    """Where the leases of this machine are kept, whatever server keeps those of labs."""
    place = place_of()
    return place if isinstance(place, Path) else default_folder()


def _stores(url: str | None) -> list[Store]:
    """The places to look at, without anything to hold."""
    place = place_of(url)
    if isinstance(place, Path):
        return [Files(place)]
    return [_server(place)] if url else [Files(_folder()), _server(place)]


def _server(url: str, ttl_s: float = 60.0) -> Store:
    scheme = url.partition("://")[0]
    if scheme in ("redis", "rediss"):
        from nfvcert.leases.redis_server import RedisServer

        return RedisServer(url, ttl_s)
    if scheme in ("etcd3+http", "etcd3+https"):
        from nfvcert.leases.etcd_server import EtcdServer

        return EtcdServer(url, ttl_s)
    raise UsageError(f"leases cannot be kept on {shown(url)}", hint=PLACES)
