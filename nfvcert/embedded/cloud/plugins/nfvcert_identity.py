# ruff: noqa: INP001 - no part of our package
"""Keystone answers in several threads.

Its middleware keeps the token of the request that it works on in an attribute of its own, and there is one middleware
for all threads: of two requests at once, one is judged by the scope of the other's token. Heat, which asks for a trust
as somebody asks with the token of a domain, gets a 403 now and then. Deployments give Keystone processes of one thread;
here, each thread has a token.
"""

from __future__ import annotations

import threading
from typing import Any

from keystone.server.flask.request_processing.middleware.auth_context import AuthContextMiddleware


class _OfThread:
    """An attribute that is another one in each thread."""

    def __init__(self) -> None:
        self._here = threading.local()

    def __get__(self, instance: Any, owner: type) -> Any:
        return getattr(self._here, "value", None)

    def __set__(self, instance: Any, value: Any) -> None:
        self._here.value = value


def install() -> None:
    """Before the middleware is made."""
    AuthContextMiddleware.token = _OfThread()
