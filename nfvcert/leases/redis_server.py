"""Leases on a Redis server, for people on several machines.

One key a resource, whose value is the request as JSON: taken by SET NX PX, so that the lease and its holder
are there at once or not at all, renewed and given back by scripts that compare the whole value first. A key
that is gone is a lease that is lost: a server that forgets its keys when it restarts (no appendonly, no
snapshot) frees all leases, and their holders are told so. Redis knows no shared leases here: what is asked
for as shared is held exclusively, which is slower and never wrong. Nor does it queue: who asks first when
a lease is free gets it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from nfvcert.errors import LabError, Unreachable, UsageError
from nfvcert.leases.holder import UNKNOWN, Holder, Lease, Request, request_of, shown

__all__ = ["RedisServer"]

PREFIX = "nfvcert:lease:"
TIMEOUT_S = 1.0
"""For each of: connect, send, receive. Over a connection that has gone stale, a request is tried once more."""

RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end"
REPLACE = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3])"
GIVE_BACK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class RedisServer:
    """The leases on one server; each lives for ``ttl_s`` after it was last renewed.

    The password may be in the URL, or better in the environment: NFVCERT_LEASES_PASSWORD.
    Raises: UsageError for a URL that cannot be; Unreachable when the server does not answer.
    """

    checked_s = math.inf

    def __init__(self, url: str, ttl_s: float) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise UsageError(
                f"leases on {shown(url)} need the Python package redis", hint="pip install redis"
            ) from error
        self.url = url
        self._ttl_ms = math.ceil(ttl_s * 1000)
        password = {} if urlsplit(url).password else {"password": os.environ.get("NFVCERT_LEASES_PASSWORD")}
        try:
            self._client: Any = redis.Redis.from_url(
                url,
                **password,
                decode_responses=True,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )
        except ValueError as error:
            raise UsageError(f"{shown(url)} is no URL of a Redis server: {error}") from error
        self._errors = redis.RedisError
        try:
            with self._asking():
                self._client.ping()
        except LabError:
            self.close()
            raise

    def take(self, request: Request) -> Holder | None:
        """See Store."""
        key, value = PREFIX + request.resource, request.model_dump_json()
        with self._asking():
            if self._client.set(key, value, nx=True, px=self._ttl_ms):
                return None
            found = self._client.get(key)
            if not found:  # freed in between
                return UNKNOWN
            if request_of(found).token == request.token:  # an earlier answer was lost on its way
                return None if self._client.eval(REPLACE, 1, key, found, value, self._ttl_ms) else UNKNOWN
            return self._lease(key, found).holder

    def renew(self, request: Request) -> bool:
        """See Store."""
        with self._asking():
            value = request.model_dump_json()
            return bool(self._client.eval(RENEW, 1, PREFIX + request.resource, value, self._ttl_ms))

    def give_back(self, request: Request) -> None:
        """See Store."""
        with self._asking():
            self._client.eval(GIVE_BACK, 1, PREFIX + request.resource, request.model_dump_json())

    def wanted_by(self, request: Request) -> None:
        """See Store: not known here."""
        del request

    def all(self) -> Sequence[Lease]:
        """See Store: a server knows only the living, until they expire."""
        with self._asking():
            keys = sorted(self._client.scan_iter(match=f"{PREFIX}*", count=1000))
            values = self._client.mget(keys) if keys else []
            return [self._lease(key, value) for key, value in zip(keys, values, strict=True) if value]

    def force(self, lease: Lease) -> bool:
        """See Store."""
        key = PREFIX + lease.resource
        with self._asking():
            value = self._client.get(key)
            if not value or not request_of(value).holder.is_same(lease.holder):
                return False
            return bool(self._client.eval(GIVE_BACK, 1, key, value))

    def close(self) -> None:
        """See Store."""
        self._client.close()

    def end(self) -> None:
        """See Store."""
        self.close()

    def _lease(self, key: str, value: str) -> Lease:
        left_ms = self._client.pttl(key)
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=round(max(left_ms, 0) / 1000))
        holder = request_of(value).holder.model_copy(update={"expires": expires})
        return Lease(resource=key.removeprefix(PREFIX), holder=holder)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise Unreachable(
                f"the lock server {shown(self.url)} cannot be used: {error}",
                what="lock server",
                hint="leases of its labs can be neither taken nor seen until it does",
            ) from error
