"""Leases on an etcd server, over its JSON gateway (etcd 3.4 or newer), with nothing but the standard library.

As on Redis: one key a resource, whose value is the request as JSON; here, the key hangs on a lease of etcd's
own. Each request has a connection of its own, so that nothing is shared with forked workers, and one that is
cut by a timeout leaves nothing behind. What is asked for as shared is held exclusively; there is no queue.
"""

from __future__ import annotations

import json
import math
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from nfvcert.errors import Unreachable, UsageError
from nfvcert.leases.holder import UNKNOWN, Holder, Lease, Request, request_of, shown

__all__ = ["EtcdServer"]

PREFIX = "/nfvcert/lease/"
TIMEOUT_S = 1.0
"""For each of: connect, send, receive."""

Answer = dict[str, Any]


class EtcdServer:
    """The leases on one server; each lives for ``ttl_s`` or some seconds more after it was last renewed.

    ``url`` is etcd3+http://HOST:PORT or etcd3+https://…; with a user in it, the password is that of the URL,
    or better NFVCERT_LEASES_PASSWORD in the environment.
    Raises: UsageError for a URL that cannot be; Unreachable when the server does not answer.
    """

    checked_s = math.inf

    def __init__(self, url: str, ttl_s: float) -> None:
        self.url = url
        self._ttl_s = math.ceil(ttl_s)
        self._ids: dict[str, str] = {}
        self._headers: dict[str, str] = {}
        try:
            parts = urlsplit(url)
            self._secure = parts.scheme.endswith("https")
            self._host, self._port = parts.hostname or "localhost", parts.port or 2379
        except ValueError as error:
            raise UsageError(f"{shown(url)} is no URL of an etcd server: {error}") from error
        if parts.username:
            password = parts.password or os.environ.get("NFVCERT_LEASES_PASSWORD", "")
            answer = self._ask("auth/authenticate", {"name": parts.username, "password": password})
            self._headers["Authorization"] = answer["token"]
        else:
            self._ask("kv/range", {"key": _b64(PREFIX)})

    def take(self, request: Request) -> Holder | None:
        """See Store."""
        key, value = PREFIX + request.resource, request.model_dump_json()
        if found := self._find(key):
            if request_of(found["value"]).token != request.token:
                return self._lease(found).holder
            self._ids[request.resource] = found["lease"]  # an earlier answer was lost on its way
            return None if self._if_value(key, found["value"], put=value, lease=found["lease"]) else UNKNOWN
        granted = self._ask("lease/grant", {"TTL": self._ttl_s})["ID"]
        absent = {"key": _b64(key), "target": "CREATE", "result": "EQUAL", "createRevision": "0"}
        put = {"requestPut": {"key": _b64(key), "value": _b64(value), "lease": granted}}
        if self._ask("kv/txn", {"compare": [absent], "success": [put]}).get("succeeded"):
            self._ids[request.resource] = granted
            return None
        self._ask("lease/revoke", {"ID": granted})
        return UNKNOWN

    def renew(self, request: Request) -> bool:
        """See Store."""
        lease = self._ids[request.resource]
        ours = self._if_value(PREFIX + request.resource, request.model_dump_json())
        return ours and int(self._ask("lease/keepalive", {"ID": lease})["result"].get("TTL", 0)) > 0

    def give_back(self, request: Request) -> None:
        """See Store."""
        self._if_value(PREFIX + request.resource, request.model_dump_json(), delete=True)
        self._ids.pop(request.resource, None)  # etcd's own lease holds nothing now, and expires

    def wanted_by(self, request: Request) -> None:
        """See Store: not known here."""
        del request

    def all(self) -> Sequence[Lease]:
        """See Store: a server knows only the living, until they expire."""
        end = PREFIX[:-1] + chr(ord(PREFIX[-1]) + 1)
        found = self._ask("kv/range", {"key": _b64(PREFIX), "range_end": _b64(end)}).get("kvs", [])
        return [self._lease(_plain(each)) for each in found]

    def force(self, lease: Lease) -> bool:
        """See Store."""
        key = PREFIX + lease.resource
        found = self._find(key)
        if not found or not request_of(found["value"]).holder.is_same(lease.holder):
            return False
        return self._if_value(key, found["value"], delete=True)

    def close(self) -> None:
        """See Store: no connection is kept."""

    def end(self) -> None:
        """See Store."""

    def _find(self, key: str) -> dict[str, str] | None:
        found = self._ask("kv/range", {"key": _b64(key)}).get("kvs")
        return _plain(found[0]) if found else None

    def _if_value(self, key: str, value: str, *, put: str = "", lease: str = "", delete: bool = False) -> bool:
        """Do something to a key if it still has a value; whether it has."""
        same = {"key": _b64(key), "target": "VALUE", "result": "EQUAL", "value": _b64(value)}
        success = []
        if put:
            success = [{"requestPut": {"key": _b64(key), "value": _b64(put), "lease": lease}}]
        elif delete:
            success = [{"requestDeleteRange": {"key": _b64(key)}}]
        return bool(self._ask("kv/txn", {"compare": [same], "success": success}).get("succeeded"))

    def _lease(self, found: dict[str, str]) -> Lease:
        holder = request_of(found["value"]).holder
        if found["lease"]:
            left_s = int(self._ask("lease/timetolive", {"ID": found["lease"]}).get("TTL", 0))
            expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=max(left_s, 0))
            holder = holder.model_copy(update={"expires": expires})
        return Lease(resource=found["key"].removeprefix(PREFIX), holder=holder)

    def _ask(self, what: str, body: Answer) -> Answer:
        connection = (HTTPSConnection if self._secure else HTTPConnection)(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", f"/v3/{what}", json.dumps(body), self._headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, HTTPException, ValueError) as error:
            raise self._unusable(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if response.status != 200 or not isinstance(answer, dict):
            raise self._unusable(f"status {response.status}: {answer}")
        return answer

    def _unusable(self, why: str) -> Unreachable:
        return Unreachable(
            f"the lock server {shown(self.url)} cannot be used: {why}",
            what="lock server",
            hint="leases of its labs can be neither taken nor seen until it does",
        )


def _b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _plain(found: dict[str, str]) -> dict[str, str]:
    """Key, value and lease (empty where it has none) of an answer."""
    key, value = (b64decode(found.get(name, "")).decode(errors="replace") for name in ("key", "value"))
    return {"key": key, "value": value, "lease": found.get("lease", "")}
