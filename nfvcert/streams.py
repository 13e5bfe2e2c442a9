"""Planning a stream: which of the collected tests the test model wants, and why the others are left out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nfvcert.record import LeftOut, PlannedTest
from nfvcert.testmodel import Criterion

__all__ = ["CollectedTest", "plan_tests", "remaining_seconds"]

DEFAULT_SECONDS = 5.0
"""For a test that declares nothing and never ran."""


@dataclass(frozen=True)
class CollectedTest:
    """A test as pytest found it, before anything was deselected."""

    test: str
    """Node id."""
    title: str
    """First line of its docstring."""
    domains: frozenset[str]
    measures: tuple[str, ...]
    needs_forwarding: str | None = None
    expected_seconds: float | None = None


def plan_tests(
    collected: Sequence[CollectedTest],
    criteria: Sequence[Criterion],
    *,
    domain: str,
    forwards: str | None,
    took: Mapping[str, float],
) -> tuple[tuple[PlannedTest, ...], tuple[LeftOut, ...]]:
    """Split the collected tests of a domain into those that the criteria want and those left out, each with its reason.

    ``forwards`` is how the lab's device forwards; ``took`` are seconds of earlier runs by node id.
    Tests of other domains are in neither: they belong to another model.
    """
    wanted = {criterion.kpi for criterion in criteria if criterion.applies}
    elsewhere = {criterion.kpi for criterion in criteria if not criterion.applies}
    planned, left_out = [], []
    for test in collected:
        if domain not in test.domains:
            continue
        asked_for = [kpi for kpi in test.measures if kpi in wanted]
        if test.needs_forwarding not in {None, forwards}:
            reason = f"it is for devices that forward {test.needs_forwarding}, and this lab's forwards {forwards}"
        elif test.measures and not asked_for:
            which = (
                "does not apply to this lab's device"
                if set(test.measures) & elsewhere
                else "is required by no criterion"
            )
            reason = f"what it measures ({', '.join(test.measures)}) {which}"
        else:
            planned.append(
                PlannedTest(
                    test=test.test,
                    title=test.title,
                    measures=test.measures,
                    reason=f"required: {', '.join(asked_for)}"
                    if asked_for
                    else f"functional test of the {domain} suite",
                    expected_seconds=took.get(test.test, test.expected_seconds or DEFAULT_SECONDS),
                )
            )
            continue
        left_out.append(LeftOut(test=test.test, reason=reason))
    return tuple(planned), tuple(left_out)


def remaining_seconds(planned: Sequence[PlannedTest], done: set[str]) -> float:
    """Expected seconds of the planned tests that are not done yet."""
    return sum(test.expected_seconds for test in planned if test.test not in done)
