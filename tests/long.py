"""What takes long and is shown in parts by other tests: `make test-all` runs it too, `make test` does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import pytest

__all__ = ["LONG", "first_of_each_kind"]

LONG = pytest.mark.long


class _Case(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def fault(self) -> str | None: ...
    @property
    def fails(self) -> str | None: ...
    @property
    def says(self) -> str: ...


def first_of_each_kind(cases: Iterable[_Case]) -> list[Any]:
    """Cases as parameters; those in which the same test says the same of the same fault in another place are long."""
    known: set[tuple[str | None, str | None, str]] = set()
    found = []
    for case in cases:
        kind = (case.fault, case.fails, case.says)
        found.append(pytest.param(case, id=case.name, marks=[LONG] if kind in known else []))
        known.add(kind)
    return found
