"""Units at the edge: `0.60 Mpps`, `5 %`, `500 us` become floats in the KPI's unit, once, at load.

The arithmetic is pint's; this module only says which units the KPIs of this field have.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

from nfvcert.measure.kpi import Condition, Kpi
from nfvcert.testmodel import SIDES, Bound, Criterion, Rule, Side, Size, State, TestModel

if TYPE_CHECKING:
    import pint

__all__ = ["UNITS", "USUAL", "BoundProblem", "convert", "criteria", "each_where", "size_by_pint"]

UNITS: Mapping[str, str] = {
    "pps": "frame / second",
    "frames": "frame",
    "flows": "flow",
    "flows/s": "flow / second",
    "s": "second",
    "ratio": "ratio",
    "count": "count",
    "score": "score",
    "B": "byte",
    "B/s": "byte / second",
    "bit/s": "bit / second",
    "IOPS": "operation / second",
    "W": "watt",
    "W/core": "watt / core",
    "J/bit": "joule / bit",
    "J/B": "joule / byte",
    "vCPU/core": "vCPU / core",
}
"""Unit of a KPI → what it is to pint."""
_COUNTED = {"frames", "flows", "count", "score"}
"""Units in which a bare number is unmistakable."""
_DEFINITIONS = """
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = µ- = u-
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
second = [time] = s
minute = 60 second = min
hour = 60 minute = h
watt = [power] = W
joule = watt * second = J
bit = [information]
byte = 8 bit = B
bps = bit / second
ratio = [ratio]
percent = 0.01 ratio
ppm = 1e-6 ratio
count = [count]
score = [score]
frame = [frame]
pps = frame / second = fps
flow = [flow]
operation = [operation]
IOPS = operation / second
core = [core]
vCPU = [vcpu]
"""
"""All units that can be written, and no others: what is counted has a dimension of its own, so that a share is no
count, and operations per second are no bit rate."""
_NEVER_IN_FRACTIONS = {*_COUNTED, "pps", "flows/s", "B", "B/s", "bit/s", "IOPS"}
"""Units of which nobody means a thousandth."""

USUAL: Mapping[tuple[str, str], float] = {
    ("%", "ratio"): 0.01,
    **{(unit, unit): 1.0 for unit in ("pps", "s", "B", "frames", "flows", "count", "bit/s", "B/s", "IOPS")},
    **{
        (f"{prefix}{unit}", unit): size
        for unit in ("pps", "bit/s", "B/s", "IOPS", "B")
        for prefix, size in (("k", 1e3), ("M", 1e6), ("G", 1e9))
    },
    **{(f"{prefix}s", "s"): size for prefix, size in (("m", 1e-3), ("u", 1e-6), ("µ", 1e-6), ("n", 1e-9))},
}
"""(Written, unit) → size of what is written, as pint has it (a test compares): to load pint takes as long as to load
pytest, and most models need nothing else."""


class BoundProblem(ValueError):
    """A bound that cannot be understood; ``key`` is its path within the test model."""

    def __init__(self, key: tuple[str | int, ...], found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.key = key
        self.found = found
        self.expected = expected


@functools.cache
def _registry() -> pint.UnitRegistry[Any]:
    import pint

    return pint.UnitRegistry(_DEFINITIONS.splitlines())


def size_by_pint(written: str, unit: str) -> float:
    """The size of a written unit, in a key of `UNITS`. Raises ValueError with a sentence."""
    import pint

    try:
        return float(_registry().Quantity(1, written.replace("%", "percent")).to(UNITS[unit]).magnitude)
    except pint.UndefinedUnitError as error:
        raise ValueError("has an unknown unit") from error
    except (pint.PintError, ValueError, TypeError, SyntaxError) as error:
        raise ValueError(f"is no quantity in {unit_example(unit)}") from error


def convert(text: str | float, unit: str) -> float:
    """A quantity as a person writes it → float in ``unit`` (a key of `UNITS`).

    Raises ValueError with a sentence: an unknown unit, another dimension, no unit where one is needed.
    """
    if isinstance(text, int | float):
        if unit not in _COUNTED and text != 0:
            # Not the number itself with a unit: a guess that is copied would be a bound nobody meant.
            raise ValueError(f"{text:g} has no unit; write it with one, as in 10 {unit_example(unit)}")
        value = float(text)
    else:
        value = _parse(text, unit)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value


def unit_example(unit: str) -> str:
    """How a person writes this unit."""
    return {"ratio": "%", "pps": "kpps"}.get(unit, unit)


def _parse(text: str, unit: str) -> float:
    # pint evaluates expressions of any kind (and any cost); a quantity here is one number and one unit.
    match = re.fullmatch(
        r"\s*([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?)\s*(%|[A-Za-zµ]+(?: ?/ ?[A-Za-z]+)?)?", text
    )
    if not match:
        raise ValueError(f"{text!r} is no quantity; write a number and a unit, such as 10 {unit_example(unit)}")
    if match[2] is None:
        return convert(float(match[1]), unit)
    try:
        size = USUAL.get((match[2], unit)) or size_by_pint(match[2], unit)
    except ValueError as error:
        raise ValueError(f"{text!r} {error}") from error
    if _mistyped(unit, size):
        raise ValueError(f"{text!r} cannot be meant: m is milli, M is mega")
    # In decimal, since 5 * 1e-6 is less than 5e-6 in binary, and a measured 5 µs has to meet a bound of 5 µs.
    return float(Decimal(match[1]) * Decimal(str(size)))


def _mistyped(unit: str, size: float) -> bool:
    """Whether a written unit has the prefix of the wrong case: `at_least: 1 mpps` would let every device pass."""
    return size > 3600 if unit == "s" else unit in _NEVER_IN_FRACTIONS and size < 0.1


def criteria(
    model: TestModel,
    kpis: Mapping[str, Kpi],
    profile: str,
    kinds: Collection[str] | None,
    size: Size | None = None,
) -> tuple[Criterion, ...]:
    """The criteria of a model for a class of device and a size of release, with numbers in the KPIs' units.

    ``kinds``: what the lab is and has of `LAB_KINDS`.

    Raises BoundProblem for a KPI in no catalogue, a bound without a value for the profile, or a
    bound in a wrong unit. A rule never disappears silently: one for another kind of device stays
    with ``applies`` false, one that is not required for the size as advisory. Only what the model
    itself calls removed is left out.
    """
    found: list[Criterion] = []
    for index, rule in enumerate(model.criteria):
        state = rule.state_for(size)
        if state == "removed":
            continue
        key = ("criteria", index)
        kpi = kpis.get(rule.kpi)
        if kpi is None:
            raise BoundProblem((*key, "kpi"), repr(rule.kpi), "a KPI of the catalogue kpis.yaml")
        if kpi.unit not in UNITS:
            raise BoundProblem((*key, "kpi"), f"{rule.kpi} in unit {kpi.unit!r}", f"one of {', '.join(UNITS)}")
        limits = {side: _limit((*key, side), getattr(rule, side), kpi, profile) for side in SIDES}
        told: dict[str, Any] = {
            "kpi": rule.kpi,
            "unit": kpi.unit,
            "applies": rule.applies_to is None or rule.applies_to in (kinds or ()),
            "state": state,
            "note": _note(rule, state, size),
            "source": rule.source,
        }
        for where in each_where(rule.where):
            if rule.bounds_alone:
                found.append(Criterion(**told, where=where, **_alone(rule, limits, profile)))
            if limits["not_worse_than_baseline_by"] is not None:
                found.append(Criterion(**told, where=where, **_compared(rule, limits, kpi, profile)))
    return tuple(found)


def _alone(rule: Rule, limits: Mapping[Side, float | None], profile: str) -> dict[str, Any]:
    """The bounds of a criterion that needs no baseline."""
    signs: tuple[tuple[Side, str], ...] = (("at_least", "≥"), ("at_most", "≤"))
    written = [f"{sign} {_text(getattr(rule, side), profile)}" for side, sign in signs if limits[side] is not None]
    return {"at_least": limits["at_least"], "at_most": limits["at_most"], "as_written": " and ".join(written)}


def _compared(rule: Rule, limits: Mapping[Side, float | None], kpi: Kpi, profile: str) -> dict[str, Any]:
    """The bound of a criterion that compares with a baseline."""
    return {
        "not_worse_than_baseline_by": limits["not_worse_than_baseline_by"],
        "better": kpi.better,
        "as_written": f"at most {_text(rule.not_worse_than_baseline_by, profile)} worse",
    }


def _note(rule: Rule, state: State, size: Size | None) -> str:
    if state != rule.state:
        return f"advisory: not required for {size} releases"
    return {"advisory": "advisory: decides nothing", "deprecated": "deprecated: still decides"}.get(state, "")


def each_where(where: Mapping[str, Condition | tuple[Condition, ...]]) -> Iterable[dict[str, Condition]]:
    """The conditions of each criterion that a rule stands for."""
    alternatives = [values if isinstance(values, tuple) else (values,) for values in where.values()]
    for values in product(*alternatives):
        yield dict(zip(where, values, strict=True))


def _limit(key: tuple[str | int, ...], bound: Bound | None, kpi: Kpi, profile: str) -> float | None:
    if bound is None:
        return None
    compares = key[-1] == "not_worse_than_baseline_by"
    unit = "ratio" if compares else kpi.unit
    if compares and kpi.better == "neither":
        raise BoundProblem(key, f"{bound}, and of {kpi.title} neither more nor less is better", "at_least or at_most")
    if isinstance(bound, dict):
        if profile not in bound:
            raise BoundProblem(key, f"bounds for {', '.join(bound)}", f"one for the lab's profile {profile} too")
        key, bound = (*key, profile), bound[profile]
    try:
        limit = convert(bound, unit)
    except ValueError as error:
        raise BoundProblem(key, str(error), f"a quantity in {unit_example(unit)}") from error
    if compares and not 0 < limit < 1:
        raise BoundProblem(key, str(bound), "a share of the baseline, above 0 % and below 100 %")
    return limit


def _text(bound: Bound | None, profile: str) -> str:
    return str(bound[profile] if isinstance(bound, dict) else bound)
