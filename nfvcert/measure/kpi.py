"""KPIs and measurements of them (ETSI GS NFV-TST 008, TST 009).

A KPI is a named quantity with a unit and a method. A measurement is what one test found: a value,
the interval in which the truth lies, the samples behind it, and the conditions that make it
comparable. Values are SI floats in the KPI's unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from nfvcert.parts import GrownPart, Part

__all__ = ["Conditions", "Kpi", "KpiName", "Measurement", "contradict"]


def _kpi_name(value: str) -> str:
    if len(value.split(".")) < 3 or not value.replace(".", "").replace("_", "").isalnum() or value != value.lower():
        raise ValueError("a KPI name reads domain.subject.quantity, lower case: network.throughput.ndr")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("a measured value must be a finite number")
    return value


KpiName = Annotated[str, AfterValidator(_kpi_name)]
Finite = Annotated[float, AfterValidator(_finite)]
Condition = str | bool | int | float
Conditions = dict[str, Condition]
"""Name → value of each circumstance that makes measurements comparable, such as frame_bytes: 64."""


class Kpi(Part):
    """A named quantity. ``unit`` is one that `nfvcert.units` knows."""

    title: str
    definition: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    method: str
    source: str
    """Standard and clause, or where the definition is from."""


class Measurement(GrownPart):
    """One KPI, measured once. ``low`` ≤ ``value`` ≤ ``high``, all in the KPI's unit."""

    later: ClassVar[frozenset[str]] = frozenset({"note", "generator"})
    kpi: KpiName
    value: Finite
    low: Finite
    high: Finite
    confidence: float | None = Field(default=None, gt=0, le=1)
    """That the truth lies between low and high; None where the interval is exact (a count) or the
    bounds of a search."""
    samples: tuple[Finite, ...] = ()
    """All that were taken, in their order."""
    note: str = ""
    """What is unusual: samples that a rule left out, or that drift or depend on one another."""
    conditions: Conditions = {}
    generator: str = ""
    """What made the traffic, with its version; empty for what was measured without any."""
    unit: str
    test: str
    """Node id of the test that measured."""
    at: str
    """UTC, ISO 8601."""

    @model_validator(mode="after")
    def _ordered(self) -> Measurement:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"the value {self.value:g} is not within its interval {self.low:g} … {self.high:g}")
        return self

    def meets(self, where: Mapping[str, Condition]) -> bool:
        """Whether every condition of ``where`` holds here. A condition that was not recorded does not hold."""
        return all(name in self.conditions and self.conditions[name] == value for name, value in where.items())


def contradict(conditions: Mapping[str, Condition], where: Mapping[str, Condition]) -> bool:
    """Whether no measurement under these conditions can meet ``where``."""
    return any(conditions.get(key, asked) != asked for key, asked in where.items())
