"""HTTP over connections that somebody else opens, such as into a network namespace: an adapter for `requests`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

__all__ = ["Connect", "Through"]

Connect = Callable[[str, int], socket.socket]
"""(host, port) → a connection. Raises OSError."""


class Through(HTTPAdapter):
    """Sends requests over connections that ``connect`` opens; TLS is spoken, and verified, as always."""

    def __init__(self, connect: Connect, *, connections: int = 64) -> None:
        def opened(connection: HTTPConnection) -> socket.socket:
            try:
                return connect(connection.host, connection.port or connection.default_port)
            except OSError as error:
                raise NewConnectionError(connection, str(error.strerror or error)) from error

        class Plain(HTTPConnection):
            _new_conn = opened

        class Secured(HTTPSConnection):
            _new_conn = opened

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
