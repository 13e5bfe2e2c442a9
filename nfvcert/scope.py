"""From what changes to what must be tested, why, and which risk stays untested. Pure.

    scope_of    changes → the components that they can break, each with the path that reaches it
    choose      those components → tests, each with the reason why it is wanted or not
    required_in the criteria that the wanted tests can answer
    with_tests  the tests that are planned → who covers which component
    risks       what is covered by none: reasons not to accept

What changes is tested whole: every test that covers it is wanted, whatever its size. What it can break is tested
to the size of the release: tests that are marked for larger ones are not wanted. So a scope only grows with the
changes, since distances shrink and sizes rise (a property test holds it to that).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nfvcert.catalogue import Catalogue, Step
from nfvcert.composition import ComposedPart
from nfvcert.judge import Finding, Verdict
from nfvcert.parts import Name, Part
from nfvcert.release import ReleaseUnit
from nfvcert.sizing import class_of, size_of
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import Criterion, Depth, Size, TestModel

__all__ = [
    "Affected",
    "Choice",
    "OutOfScope",
    "Scope",
    "choose",
    "required_in",
    "risks",
    "scope_of",
    "scope_of_unit",
    "with_tests",
]

SIZES: tuple[Size, ...] = ("small", "medium", "large")
NOTHING: Mapping[str, Collection[str]] = {}
NAMED_AT_MOST = 8
"""Components that a sentence names before it counts."""


class Affected(Part):
    """A component that the release changes or can break."""

    component: Name
    title: str
    path: tuple[Step, ...] = ()
    """From the changed component to this one; empty: it changes itself."""
    parts: tuple[str, ...] = ()
    """Certified release units whose changes reach it, where the release is composed of such."""
    tests: tuple[str, ...] = ()
    """Planned tests that cover it."""

    @property
    def why(self) -> str:
        """`changes`, or the dependencies that lead to it: `host-os runs-on nic`."""
        return ", ".join(str(step.dependency) for step in self.path) or "changes"


class OutOfScope(Part):
    """Something required that this release cannot break."""

    subject: str
    reason: str


class Scope(Part):
    """What a release unit can break, and how deep that is tested."""

    changed: tuple[Name, ...]
    certified: tuple[Name, ...] = ()
    """Changed components that were certified before, as parts of this release."""
    size: Size
    size_because: tuple[str, ...] = ()
    release_class: Literal["minor", "major"]
    class_because: tuple[str, ...] = ()
    radius: int
    """Steps along the dependencies that a change is followed."""
    depth: Depth | None = None
    """How long and how often is measured; None: as the model says without a release."""
    mandatory: tuple[str, ...] = ()
    """KPIs that are always measured for this size."""
    affected: tuple[Affected, ...]
    """What changes first, then by distance."""
    untested_at_most: int
    """Components that can break and are covered by no test, of which the model accepts so many."""
    criteria_left_out: tuple[OutOfScope, ...] = ()
    elsewhere: tuple[OutOfScope, ...] = ()
    """Tests of other domains, which this stream does not run, that the release wants too."""

    @property
    def changes_now(self) -> frozenset[str]:
        """Changed components that no part was certified with."""
        return frozenset(self.changed) - frozenset(self.certified)

    @property
    def untested(self) -> tuple[Affected, ...]:
        """Components that no planned test covers; those that change first."""
        return tuple(each for each in self.affected if not each.tests)


@dataclass(frozen=True)
class Choice:
    """Whether a test is wanted, and why."""

    wanted: bool
    reason: str


def scope_of(
    parts: Mapping[str, Collection[str]],
    catalogue: Catalogue,
    *,
    tested: Mapping[str, Collection[str]] = NOTHING,
    size: Size,
    release_class: Literal["minor", "major"],
    radius: int,
    untested_at_most: int,
    mandatory: Iterable[str] = (),
    depth: Depth | None = None,
    size_because: Iterable[str] = (),
    class_because: Iterable[str] = (),
) -> Scope:
    """The scope of some changed components.

    ``parts``: certified unit → the components that it changes; the key "" has those that no certified unit changes.
    ``tested``: certified unit → components that a test covered when it was certified.
    Of what one certified part alone can reach, only that was tested before. All else is in the scope: what several
    reach together, and what an uncertified change reaches.
    Raises LookupError for a component in no catalogue.
    """
    reached = {part: catalogue.reached(changed, radius) for part, changed in parts.items() if changed}
    paths: dict[str, tuple[Step, ...]] = {}
    by: dict[str, set[str]] = {}
    for part in sorted(reached):
        for component, path in reached[part].items():
            by.setdefault(component, set()).add(part)
            if component not in paths or len(path) < len(paths[component]):
                paths[component] = path
    changed = {component for part in parts.values() for component in part}
    certified = changed.difference(parts.get("", ()))
    wanted = [
        each
        for each, reaching in by.items()
        if "" in reaching or len(reaching) > 1 or each not in tested.get(min(reaching), ())
    ]
    return Scope(
        changed=tuple(sorted(changed)),
        certified=tuple(sorted(certified)),
        size=size,
        size_because=tuple(size_because),
        release_class=release_class,
        class_because=tuple(class_because),
        radius=radius,
        depth=depth,
        mandatory=tuple(mandatory),
        affected=tuple(
            Affected(
                component=each,
                title=catalogue[each].title,
                path=paths[each],
                parts=tuple(sorted(by[each] - {""})),
            )
            for each in sorted(wanted, key=lambda each: (len(paths[each]), each))
        ),
        untested_at_most=untested_at_most,
    )


def scope_of_unit(
    unit: ReleaseUnit, catalogue: Catalogue, model: TestModel, parts: Sequence[ComposedPart] = ()
) -> Scope:
    """The scope of a release unit by the rules of a test model; ``parts`` were certified before.

    Raises LookupError for a component in no catalogue.
    """
    size, release_class = size_of(unit, catalogue), class_of(unit)
    rules = model.rules_for(size.value)
    before = {component for part in parts for component in part.components}
    now = {change.component for change in unit.changes} - before
    always = dict.fromkeys((*rules.mandatory, *(rules.integration if parts else ())))
    if len(model.members) > 1:  # what always runs is what always runs where a domain is concerned at all
        concerned = {catalogue[name].domain for name in catalogue.reached(sorted(before | now), rules.radius)}
        always = {kpi: None for kpi in always if kpi.partition(".")[0] in concerned}
    return scope_of(
        {**{part.unit: part.components for part in parts}, "": now},
        catalogue,
        tested={part.unit: part.tested for part in parts},
        size=size.value,
        size_because=size.because,
        release_class=release_class.value,
        class_because=release_class.because,
        radius=rules.radius,
        depth=model.depth_for(size.value, release_class.value),
        mandatory=always,
        untested_at_most=rules.untested_at_most,
    )


def choose_for(
    unit: ReleaseUnit,
    scope: Scope,
    tests: Sequence[CollectedTest],
    criteria: Iterable[Criterion],
    *,
    catalogue: Catalogue,
    model: TestModel,
    parts: Sequence[ComposedPart] = (),
) -> dict[str, Choice]:
    """As `choose`; for a release of certified parts, with what it wants and no part was certified with.

    Without its parts the release would want more. Of that, a test is not run again only where each part that can break
    what it covers had passed it, and had met the criteria on it that decide now.
    """
    choices = choose(scope, tests)
    if not parts:
        return choices
    unseen = [part.model_copy(update={"tested": ()}) for part in parts]
    whole = scope_of_unit(unit, catalogue, model, unseen).model_copy(update={"certified": ()})
    affected = {each.component: each for each in whole.affected}
    by_name = {part.unit: part for part in parts}
    asked: dict[str, set[str]] = {}
    for criterion in criteria:
        if criterion.decides:
            asked.setdefault(criterion.kpi, set()).add(criterion_text(criterion))
    wanted = choose(whole, tests)
    for test in tests:
        if choices[test.test].wanted or not wanted[test.test].wanted:
            continue
        reaching = {name for each in test.covers if each in affected for name in affected[each].parts}
        needed = {text for kpi in test.measures for text in asked.get(kpi, ())}
        certified_with = [by_name[name] for name in reaching if name in by_name]
        if not certified_with or not all(test.case in p.passed and needed <= set(p.met) for p in certified_with):
            reason = f"{wanted[test.test].reason}; no part was certified with all that it answers"
            choices[test.test] = Choice(wanted=True, reason=reason)
    return choices


def criterion_text(criterion: Criterion) -> str:
    """A criterion as it is compared between records: subject and bound."""
    return f"{criterion.subject} {criterion.as_written}"


def choose(scope: Scope, tests: Iterable[CollectedTest]) -> dict[str, Choice]:
    """Node id → whether the scope wants the test, and why."""
    affected = {each.component: each for each in scope.affected}
    mandatory = frozenset(scope.mandatory)
    said: dict[tuple[frozenset[str], Size], Choice] = {}
    choices = {}
    for test in tests:
        always = mandatory.intersection(test.measures) if mandatory else None
        if always:
            reason = f"always run for a {scope.size} release: it measures {', '.join(sorted(always))}"
            choices[test.test] = Choice(wanted=True, reason=reason)
            continue
        key = (test.covers, test.size)
        if key not in said:
            said[key] = _choice(scope, affected, test)
        choices[test.test] = said[key]
    return choices


def _choice(scope: Scope, affected: Mapping[str, Affected], test: CollectedTest) -> Choice:
    if not test.covers:
        return Choice(wanted=True, reason="it does not say which components it covers, so it always runs")
    touched = [affected[name] for name in test.covers if name in affected]
    if not touched:
        reason = f"it covers {_listed(sorted(test.covers))}: nothing that this release can break"
        return Choice(wanted=False, reason=reason)
    nearest = min(touched, key=lambda each: (each.component in scope.certified, len(each.path), each.component))
    if nearest.component in scope.changes_now:
        return Choice(wanted=True, reason=f"it covers {nearest.component}, which changes")
    if SIZES.index(test.size) > SIZES.index(scope.size):
        reason = f"it covers {nearest.component}, and is for {test.size} releases; this one is {scope.size}"
        return Choice(wanted=False, reason=reason)
    if len(nearest.parts) > 1:
        reason = f"it covers {nearest.component}, which {' and '.join(nearest.parts)} reach together"
        return Choice(wanted=True, reason=reason)
    return Choice(wanted=True, reason=f"it covers {nearest.component}, which can break: {nearest.why}")


def required_in(
    criteria: Iterable[Criterion], tests: Iterable[CollectedTest], choices: Mapping[str, Choice]
) -> tuple[tuple[Criterion, ...], tuple[OutOfScope, ...]]:
    """The criteria that a scope leaves, and those that it takes out, each with the reason.

    A criterion is out of scope when tests measure its KPI, and the scope wants none of them. One whose KPI no test
    measures stays: it will be missed.
    """
    measuring: dict[str, list[str]] = {}
    for test in tests:
        for kpi in test.measures:
            measuring.setdefault(kpi, []).append(test.test)
    kept, left_out = [], []
    for criterion in criteria:
        by = measuring.get(criterion.kpi, [])
        if by and not any(choices[test].wanted for test in by):
            left_out.append(OutOfScope(subject=criterion.subject, reason=choices[by[0]].reason))
        else:
            kept.append(criterion)
    return tuple(kept), tuple(left_out)


def with_tests(
    scope: Scope,
    planned: Iterable[CollectedTest],
    criteria: Iterable[Criterion] | None = None,
    others: Iterable[CollectedTest] = (),
) -> Scope:
    """The scope, with the planned tests that cover each component, and those of ``others`` that it wants.

    A test covers nothing by measuring what none of the ``criteria`` decides on (None: all that is measured decides).
    ``others`` are tests of other domains: whoever judges by one domain alone does not run them.
    """
    deciding = None if criteria is None else {criterion.kpi for criterion in criteria if criterion.decides}
    by: dict[str, list[str]] = {}
    for test in planned:
        if deciding is not None and test.measures and not deciding.intersection(test.measures):
            continue
        for component in test.covers:
            by.setdefault(component, []).append(test.test)
    affected = (each.model_copy(update={"tests": tuple(by.get(each.component, ()))}) for each in scope.affected)
    named = {test.test: test for test in others if test.covers}
    elsewhere = tuple(
        OutOfScope(subject=named[name].case or name, reason=choice.reason)
        for name, choice in choose(scope, named.values()).items()
        if choice.wanted
    )
    return scope.model_copy(update={"affected": tuple(affected), "elsewhere": elsewhere})


def risks(scope: Scope, waived: Collection[str] = ()) -> tuple[Finding, ...]:
    """What no planned test covers, as reasons not to accept; ``waived`` are components that somebody answers for.

    A changed component without any test is one always; those that it can break, when they are more than the model
    allows.
    """
    untested = [each for each in scope.untested if each.component not in waived]
    findings = [
        _finding(each.component, f"{each.component} changes, and no planned test covers it: nothing is known of it")
        for each in untested
        if each.component in scope.changes_now
    ]
    breakable = [each.component for each in untested if each.component not in scope.changes_now]
    if len(breakable) > scope.untested_at_most:
        sentence = (
            f"{len(breakable)} components that this release can break are covered by no planned test, "
            f"and the test model accepts {scope.untested_at_most}: {_listed(breakable)}"
        )
        findings.append(_finding("untested risk", sentence))
    return tuple(findings)


def _finding(subject: str, sentence: str) -> Finding:
    return Finding(verdict=Verdict.INCONCLUSIVE, subject=subject, sentence=sentence, blame="suite")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST])
    return shown if len(names) <= NAMED_AT_MOST else f"{shown} and {len(names) - NAMED_AT_MOST} more"
