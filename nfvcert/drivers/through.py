"""HTTP as tests need it of `requests`: over connections that somebody else opens, and over none that is about to close.

A server closes what nobody uses (Apache after 5 s, HAProxy as it is told). A request that is sent at that moment is
lost, and one that changes something must not be sent again (RFC 9112 §9.5): it would look like a fault of the server.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

__all__ = ["Connect", "Through"]

Connect = Callable[[str, int], socket.socket]
"""(host, port) → a connection. Raises OSError."""
IDLE_S = 3.0
"""How long after an answer a connection is used again; servers keep it longer."""


class _Connection(HTTPConnection):
    """One that is not used again when it was idle for some time."""

    answered = float("inf")

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3 overrides it
        """As HTTPConnection."""
        response = super().getresponse()
        self.answered = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again, as its pool asks."""
        return super().is_connected and time.monotonic() < self.answered + IDLE_S


class Through(HTTPAdapter):
    """Sends requests over connections that ``connect`` opens, if given; TLS is spoken, and verified, as always."""

    def __init__(self, connect: Connect | None = None, *, connections: int = 64) -> None:
        class Plain(_Connection):
            def _new_conn(self) -> socket.socket:
                if connect is None:
                    return super()._new_conn()
                try:
                    return connect(self.host, self.port or self.default_port)
                except OSError as error:
                    raise NewConnectionError(self, str(error.strerror or error)) from error

        class Secured(Plain, HTTPSConnection):
            pass

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecuredPool(HTTPSConnectionPool):
            ConnectionCls = Secured

        self._pools = {"http": PlainPool, "https": SecuredPool}
        super().__init__(pool_connections=connections, pool_maxsize=connections)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **keywords: Any) -> None:
        """As HTTPAdapter."""
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **keywords)
        self.poolmanager.pool_classes_by_scheme = self._pools
