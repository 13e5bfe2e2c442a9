"""How soon a request is answered, and what is wrong where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

from nfvcert.errors import CriterionFailed, NfvcertError

__all__ = ["Response", "response_to"]

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
TOLD = 200
"""Characters of an error that are kept."""


@dataclass(frozen=True)
class Response(Generic[Answer]):
    """What came of one request."""

    seconds: float
    answer: Answer | None
    trouble: str
    """Why there is no answer; empty where there is one."""


def response_to(request: Callable[Asked, Answer], *arguments: Asked.args, **keywords: Asked.kwargs) -> Response[Answer]:
    """Ask once, and wait for the end. Whatever a client library raises is no answer of the system under test.

    Raises NfvcertError and CriterionFailed as the request does: it knows already who is to blame.
    """
    began = time.monotonic()
    try:
        answer = request(*arguments, **keywords)
    except (NfvcertError, CriterionFailed):
        raise
    except Exception as error:  # noqa: BLE001 - each client library has errors of its own
        return Response(time.monotonic() - began, None, f"{type(error).__name__}: {str(error)[:TOLD]}")
    return Response(time.monotonic() - began, answer, "")
