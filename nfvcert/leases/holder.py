"""Who holds what: the words that all places where leases are kept have in common."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Protocol
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError

from nfvcert.errors import LabError
from nfvcert.parts import Part

__all__ = ["UNKNOWN", "Held", "Holder", "Lease", "Request", "Store", "ago", "request_of", "shown", "table"]

WORDS_MAX = 200


def _said(value: str) -> str:
    """Other people's words end on a terminal: nothing in them may steer it, or fill it."""
    return "".join(letter if letter.isprintable() else "?" for letter in value[:WORDS_MAX])


Said = Annotated[str, AfterValidator(_said)]


class Holder(Part):
    """Who holds a lease. Its times are for people; no decision is taken by them."""

    owner: Said
    """user@host"""
    run: Said
    """The id of the run."""
    reason: Said
    """What it is held for, in words."""
    since: datetime | None = None
    """When it was taken, in UTC by the holder's clock."""
    pid: int = 0
    """The holder's process on its host; 0 when it is not known."""
    expires: datetime | None = None
    """When a lock server will free it unless it is renewed; None where it ends with the holder's processes."""

    @classmethod
    def here(cls, *, run: str, reason: str) -> Holder:
        """This process, as the holder of something from now on."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a user without a name, as in a container
            user = str(os.getuid())
        now = datetime.now(UTC).replace(microsecond=0)
        return cls(owner=f"{user}@{socket.gethostname()}", run=run, reason=reason, since=now, pid=os.getpid())

    def is_same(self, other: Holder) -> bool:
        """Whether both are one holding, seen at two times."""
        return self.model_copy(update={"expires": None}) == other.model_copy(update={"expires": None})

    def __str__(self) -> str:
        """The sentence for those who wait: `anna@pod3 (run 20260301-101500) since 3 min ago: release 7.2`."""
        since = f" since {ago(self.since)}" if self.since else ""
        return f"{self.owner}{f' (run {self.run})' if self.run else ''}{since}: {self.reason}"


UNKNOWN = Holder(owner="somebody", run="", reason="who it is cannot be read")
"""The holder of what is held, where it is not known by whom."""


class Lease(Part):
    """A resource that is held."""

    resource: str
    holder: Holder
    shared: bool = False
    alive: bool = True
    """Whether the holder is known to live; a dead one is gone when the next one asks."""


class Request(Part):
    """One asking for one resource. Who holds it is told by ``token``, which no two books share."""

    resource: Annotated[str, Field(min_length=1, max_length=100)]
    token: str
    holder: Holder
    shared: bool = False


class Held(LabError):
    """Somebody else holds what is needed. ``holder`` says who."""

    def __init__(self, resource: str, holder: Holder) -> None:
        name = resource.removeprefix("machine/").removeprefix("lab/")
        what = f"lab {name}" if name != resource else resource
        super().__init__(
            f"{what} is held by {holder}",
            what=name,
            hint=f"all leases: nfvcert lab leases. To take it away from them: nfvcert lab release {name} --force",
        )
        self.resource = resource
        self.holder = holder


class Store(Protocol):
    """A place where leases are kept. Each method takes some seconds at most; each raises LabError for an outage."""

    checked_s: float
    """A held lease is looked at this often, even when its renewal is not due yet."""

    def take(self, request: Request) -> Holder | None:
        """None when it is the asker's now; else who is in the way."""

    def renew(self, request: Request) -> bool:
        """Whether it is still the asker's; a server keeps it for another ``ttl_s``."""

    def give_back(self, request: Request) -> None:
        """Free it, or stop waiting for it. Nothing happens when it is somebody else's."""

    def wanted_by(self, request: Request) -> Holder | None:
        """Who waits for what the asker holds; None where that is not known."""

    def all(self) -> Sequence[Lease]:
        """What is held, by whomever."""

    def force(self, lease: Lease) -> bool:
        """Take a lease away from its holder; False when that one does not hold it any more."""

    def close(self) -> None:
        """Forget the place in this process, and give nothing back: for processes that have inherited it."""

    def end(self) -> None:
        """Close it for all, when nothing is held any more."""


def request_of(text: str) -> Request:
    """The request that a server keeps as JSON; one without token, of UNKNOWN, where it is nothing of ours."""
    try:
        return Request.model_validate_json(text)
    except ValidationError:
        return Request(resource="?", token="", holder=UNKNOWN)


def shown(url: str) -> str:
    """A URL without user and password, which may be written down anywhere."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a URL that cannot be read)"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def table(found: Iterable[Lease]) -> str:
    """Leases for people, a line each below a heading; nothing for none."""
    rows = [
        (
            lease.resource,
            lease.holder.owner,
            lease.holder.run or "-",
            ago(lease.holder.since) if lease.holder.since else "-",
            lease.holder.reason,
            "held" if lease.alive else "dead: free for who asks next",
        )
        for lease in found
    ]
    if not rows:
        return ""
    rows = [("RESOURCE", "OWNER", "RUN", "SINCE", "REASON", "STATE"), *dict.fromkeys(rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def ago(moment: datetime) -> str:
    """`3 min ago`. By the wall clock, which may be wrong: the future is `a moment ago`."""
    seconds = int((datetime.now(UTC) - moment).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "a moment ago"
