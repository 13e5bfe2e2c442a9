"""What a release would be tested with, said without running anything; and that for every component of the catalogue.

    preview   a release unit → its scope, the tests that would run, those left out, and what stands against acceptance
    impacts   each component by itself, in a minor release → how many tests run, what it can break, who tests that

It says what planning will say, of as much as is known: without a lab, a test for any kind of device counts, and a
certified part counts as not certified. Tests are counted as suites write them: one that a lab repeats for several
frame sizes is one. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nfvcert.catalogue import Catalogue, Domain
from nfvcert.composition import ComposedPart
from nfvcert.joint import criteria_of
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi
from nfvcert.record import LeftOut, PlannedTest
from nfvcert.release import Change, ReleaseUnit
from nfvcert.scope import Choice, Scope, choose_for, required_in, risks, scope_of_unit, with_tests
from nfvcert.streams import plan_tests
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import LAB_KINDS, Criterion, TestModel
from nfvcert.waivers import HeldWaiver

__all__ = ["Impact", "Preview", "impacts", "preview"]

NOBODY: Mapping[str, HeldWaiver] = {}


@dataclass(frozen=True)
class Preview:
    """What would be tested of a release unit, and what would not."""

    unit: ReleaseUnit
    scope: Scope
    """With the tests that would run."""
    planned: tuple[PlannedTest, ...]
    left_out: tuple[LeftOut, ...]
    against: tuple[str, ...]
    """Sentences that would keep it from being accepted, however well the tests go; none: it can be accepted."""
    model: str
    """Name and version."""
    lab: str = ""
    """Empty: of any lab."""
    waived: Mapping[str, HeldWaiver] = field(default_factory=dict)
    """Component that no test covers → who answers for it; an acceptance would depend on these."""


def preview(
    unit: ReleaseUnit,
    catalogue: Catalogue,
    model: TestModel,
    kpis: Mapping[str, Kpi],
    tests: Iterable[CollectedTest],
    *,
    lab: Lab | None = None,
    parts: Sequence[ComposedPart] = (),
    waived: Mapping[str, HeldWaiver] = NOBODY,
) -> Preview:
    """Foresee what planning would make of a release unit.

    ``parts`` are the units that it builds on; ``waived``: component that may stay
    untested → who answers for it.
    Raises LookupError for a component in no catalogue, BoundProblem for a lab's profile that the model lacks,
    CannotGive for a lab that lacks what a test claims.
    """
    scope = scope_of_unit(unit, catalogue, model, parts)
    tests = list(tests)
    own = [test for test in tests if model.domains & test.domains]
    others = [test for test in tests if not model.domains & test.domains]
    asked = _required(model, kpis, lab, scope)
    choices = choose_for(unit, scope, own, asked, catalogue=catalogue, model=model, parts=parts)
    required, left = required_in(asked, own, choices)
    if lab is not None:
        planned, left_out = plan_tests(own, required, domains=model.domains, lab=lab, took={}, choices=choices)
    else:
        planned, left_out = _split(own, {criterion.kpi for criterion in required if criterion.applies}, choices)
    names = {test.test for test in planned}
    scope = with_tests(scope, (test for test in own if test.test in names), required, others)
    return Preview(
        unit=unit,
        scope=scope.model_copy(update={"criteria_left_out": left}),
        planned=planned,
        left_out=left_out,
        against=tuple(_against(scope, waived, required, planned)),
        model=f"{model.model} {model.version}",
        lab=lab.lab if lab else "",
        waived=_needed(scope, waived),
    )


def _needed(scope: Scope, waived: Mapping[str, HeldWaiver]) -> dict[str, HeldWaiver]:
    """The waivers without which something would stand against acceptance."""
    if risks(scope) == risks(scope, waived):
        return {}
    return {each.component: waived[each.component] for each in scope.untested if each.component in waived}


def _required(model: TestModel, kpis: Mapping[str, Kpi], lab: Lab | None, scope: Scope) -> tuple[Criterion, ...]:
    """The criteria for the lab; without one, those that apply to devices of some kind."""
    if lab is not None:
        return criteria_of(model, kpis, lambda member: lab.profile_for(member.domain), lab.kinds, scope.size)
    of_some = [
        criteria_of(model, kpis, lambda member: next(iter(member.profiles)), {*LAB_KINDS} - {forwards}, scope.size)
        for forwards in ("l3", "l2")
    ]
    bridging, routing = of_some
    return tuple(one if one.applies else other for one, other in zip(bridging, routing, strict=True))


def _split(
    tests: Iterable[CollectedTest], asked_for: Collection[str], choices: Mapping[str, Choice]
) -> tuple[tuple[PlannedTest, ...], tuple[LeftOut, ...]]:
    planned, left_out = [], []
    for test in tests:
        choice = choices[test.test]
        if not choice.wanted:
            left_out.append(LeftOut(test=test.test, reason=choice.reason))
        elif test.measures and not set(test.measures) & set(asked_for):
            reason = f"what it measures ({', '.join(test.measures)}) is required by no criterion"
            left_out.append(LeftOut(test=test.test, reason=reason))
        else:
            planned.append(PlannedTest(test=test.test, title=test.title, measures=test.measures, reason=choice.reason))
    return tuple(planned), tuple(left_out)


def _against(
    scope: Scope, waived: Collection[str], required: Iterable[Criterion], planned: Sequence[PlannedTest]
) -> Iterator[str]:
    deciding = [criterion for criterion in required if criterion.decides]
    if not planned or not deciding:
        yield "no test covers what it changes or can break, and none is mandatory: nothing could be said of it"
    yield from (finding.sentence for finding in risks(scope, waived))
    measured = {kpi for test in planned for kpi in test.measures}
    for kpi in dict.fromkeys(criterion.kpi for criterion in deciding if criterion.kpi not in measured):
        yield f"{kpi} is required, and no test that would run measures it"


@dataclass(frozen=True)
class Impact:
    """What a minor release of one component amounts to."""

    component: str
    domain: Domain
    tests: int
    """That run."""
    of: int
    """All that there are."""
    breakable: int
    """Components that it can break, without itself."""
    untested: int
    """Of those, the ones that no test covers."""
    untested_at_most: int
    """Of which the test model accepts so many."""
    covered_by: int
    """Tests of the changed component itself."""
    against: tuple[str, ...]
    """What would keep it from being accepted."""

    @property
    def share(self) -> float:
        """Of the tests, 0 to 1."""
        return self.tests / self.of if self.of else 0.0


def impacts(
    catalogue: Catalogue, model: TestModel, kpis: Mapping[str, Kpi], tests: Sequence[CollectedTest]
) -> tuple[Impact, ...]:
    """Each component of the catalogue, in its order, as the one that a minor release changes."""
    of = sum(bool(model.domains & test.domains) for test in tests)
    return tuple(_impact(name, catalogue, model, kpis, tests, of) for name in catalogue.components)


def _impact(
    name: str,
    catalogue: Catalogue,
    model: TestModel,
    kpis: Mapping[str, Kpi],
    tests: Sequence[CollectedTest],
    of: int,
) -> Impact:
    seen = preview(_minor_release(name), catalogue, model, kpis, tests)
    others = [each for each in seen.scope.affected if each.path]
    return Impact(
        component=name,
        domain=catalogue[name].domain,
        tests=len(seen.planned),
        of=of,
        breakable=len(others),
        untested=sum(not each.tests for each in others),
        untested_at_most=seen.scope.untested_at_most,
        covered_by=sum(len(each.tests) for each in seen.scope.affected if not each.path),
        against=seen.against,
    )


def _minor_release(component: str) -> ReleaseUnit:
    change = Change.model_validate(
        {"component": component, "vendor": "any", "product": "any", "from": "1.0.0", "to": "1.0.1", "trigger": "hotfix"}
    )
    return ReleaseUnit(unit="minor-release", type="GA", vendor="any", changes=(change,))
