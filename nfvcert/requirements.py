"""Requirements of standards and of the group, and which KPIs verify them: the way from a clause to a test and back.

    requirement → the KPIs that verify it → the tests that measure those
    test → the KPIs that it measures → the requirements that those verify

A requirement that no test verifies is a gap, and so is a test that verifies none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from nfvcert.measure.kpi import KpiName
from nfvcert.parts import Part, Text
from nfvcert.testcase import CollectedTest

__all__ = ["Matrix", "Requirement", "RequirementId", "Requirements", "matrix"]

ID = r"[a-z0-9]+([._-][a-z0-9]+)+"


def _requirement_id(value: str) -> str:
    if not re.fullmatch(ID, value, re.ASCII):
        raise ValueError("a requirement's id reads source.…, lower case: anuket.ra1.req.inf.ntw.02, group.lab.001")
    return value


RequirementId = Annotated[
    str,
    AfterValidator(_requirement_id),
    WithJsonSchema({"type": "string", "examples": ["group.net.001"], "pattern": f"^{ID}$"}),
]


class Requirement(Part):
    """What somebody demands, and how it is verified."""

    title: Text
    """In one line."""
    source: Text
    """Document and clause."""
    kpis: tuple[KpiName, ...] = ()
    """KPIs that verify it; none: a gap that is known."""


@dataclass(frozen=True)
class Requirements:
    """All requirements by id."""

    all: Mapping[str, Requirement] = field(default_factory=dict)

    def of(self, kpi: str) -> tuple[str, ...]:
        """Ids of the requirements that a KPI verifies."""
        return tuple(name for name, requirement in self.all.items() if kpi in requirement.kpis)


@dataclass(frozen=True)
class Matrix:
    """Requirements and tests, both ways."""

    tests: Mapping[str, tuple[str, ...]]
    """Requirement → the tests that verify it."""
    requirements: Mapping[str, tuple[str, ...]]
    """Test → the requirements that it verifies."""

    @property
    def unverified(self) -> tuple[str, ...]:
        """Requirements that no test verifies."""
        return tuple(name for name, tests in self.tests.items() if not tests)

    @property
    def purposeless(self) -> tuple[str, ...]:
        """Tests that verify no requirement."""
        return tuple(test for test, names in self.requirements.items() if not names)


def matrix(requirements: Requirements, tests: Iterable[CollectedTest]) -> Matrix:
    """Which test verifies what. Tests are told by their case: what they are called in every lab."""
    verified: dict[str, list[str]] = {name: [] for name in requirements.all}
    verifies: dict[str, tuple[str, ...]] = {}
    for test in tests:
        case = test.case or test.test
        names = tuple(dict.fromkeys(name for kpi in test.measures for name in requirements.of(kpi)))
        verifies[case] = names
        for name in names:
            verified[name].append(case)
    return Matrix({name: tuple(dict.fromkeys(cases)) for name, cases in verified.items()}, verifies)
