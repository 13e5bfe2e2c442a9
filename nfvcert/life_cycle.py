"""How a criterion may go on from one released version of a test model to the next.

    advisory → required → deprecated → removed

A criterion that people rely on is announced before it goes: what is required may become deprecated, and only what is
deprecated may be removed (OpenStack's interop guidelines). Nothing vanishes from the file without having been removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nfvcert.testmodel import AGAINST_BASELINE, LAB_KINDS, SIZES, LabKind, Rule, Size, State, TestModel
from nfvcert.units import each_where

__all__ = ["broken_steps"]

MAY_BECOME: Mapping[State, frozenset[State]] = {
    "advisory": frozenset({"advisory", "required", "deprecated", "removed"}),
    "required": frozenset({"required", "deprecated"}),
    "deprecated": frozenset({"deprecated", "required", "removed"}),
    "removed": frozenset({"removed", "advisory", "required"}),
}
STRENGTH: tuple[State, ...] = ("removed", "advisory", "deprecated", "required")
"""The weakest first."""
Place = tuple[str, LabKind, Size]
"""A criterion's subject, for a kind of device or lab, for a size of release."""


def broken_steps(before: TestModel, after: TestModel) -> tuple[str, ...]:
    """Sentences: criteria of a released version that may not be what they are in the next one; one a criterion."""
    was, now = dict(_states(before)), dict(_states(after))
    found: dict[str, str] = {}
    for (subject, kind, size), state in was.items():
        told = f"{subject} is {state} in {before.version}"
        next_state = now.get((subject, kind, size))
        where = "" if _same_for_all(now, subject) else f" for {size} releases of {_of(kind)}"
        if next_state is None and state != "removed":
            problem = f"and is not in {after.version}{where}: a criterion that is removed stays there"
            found.setdefault(subject, f"{told}, {problem}")
        elif next_state is not None and next_state not in MAY_BECOME[state]:
            first = "it is deprecated first" if state == "required" else "that is no step of its life"
            found.setdefault(subject, f"{told}, and {next_state} in {after.version}{where}: {first}")
    return tuple(found.values())


def _states(model: TestModel) -> Iterator[tuple[Place, State]]:
    """The state of each criterion; where several rules stand for one, the strongest."""
    found: dict[Place, State] = {}
    for rule in model.criteria:
        for subject in _subjects(rule):
            for kind in LAB_KINDS:
                if rule.applies_to in (None, kind):
                    for size in SIZES:
                        place = subject, kind, size
                        states = (found.get(place, "removed"), rule.state_for(size))
                        found[place] = max(states, key=STRENGTH.index)
    yield from found.items()


def _of(kind: LabKind) -> str:
    return f"{kind} devices" if kind in ("l2", "l3") else f"labs with a {kind}"


def _subjects(rule: Rule) -> Iterator[str]:
    for where in each_where(rule.where):
        inner = ",".join(f"{name}={value}" for name, value in sorted(where.items()))
        named = f"{rule.kpi}{{{inner}}}" if inner else rule.kpi
        if rule.bounds_alone:
            yield named
        if rule.not_worse_than_baseline_by is not None:
            yield f"{named} {AGAINST_BASELINE}"


def _same_for_all(states: Mapping[Place, State], subject: str) -> bool:
    """Whether a criterion is in one state for all devices and sizes; also where it is nowhere."""
    its = [state for (of, _, _), state in states.items() if of == subject]
    return not its or (len(its) == len(LAB_KINDS) * len(SIZES) and len(set(its)) == 1)
