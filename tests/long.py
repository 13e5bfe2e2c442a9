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
    """Cases as parameters: one for each test or KPI that must fail, and each fault of the lab; others are long.

    So `make test` shows that all that must find a fault finds one.
    """
    known: set[str] = set()
    found = []
    for case in cases:
        kind = case.fails or f"{case.fault}: {case.says}"
        found.append(pytest.param(case, id=case.name, marks=[LONG] if kind in known else []))
        known.add(kind)
    return found
