"""What is foreseen of a release: never more tests, and never less risk, than its plan will have."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nfvcert.catalogue import Catalogue
from nfvcert.impact import impacts, preview
from nfvcert.lab import Cloud
from nfvcert.measure.kpi import Kpi
from nfvcert.release import ReleaseUnit
from nfvcert.scope import risks
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import TestModel
from nfvcert.waivers import HeldWaiver
from tests.core.builders import big_lab

KPIS = {
    name: Kpi(title=name, definition="d", unit="count", better="lower", method="m", source="s")
    for name in ("network.a.b", "network.c.d", "network.e.f")
}
CATALOGUE = Catalogue.model_validate(
    {
        name: {"title": name, "domain": "network", "owner": "group", "runs_on": runs_on}
        for name, runs_on in {
            "nic": [],
            "host-os": ["nic"],
            "vswitch": ["host-os"],
            "vnf": ["vswitch"],
            "router": [],
        }.items()
    }
)


def model(*kpis: str, untested_at_most: int = 0, **more: Any) -> TestModel:
    criteria = more.pop("criteria", [{"kpi": kpi, "at_most": 0, "source": "s"} for kpi in kpis or ("network.a.b",)])
    sizes = {"small": {"radius": 1, "untested_at_most": untested_at_most}}
    plain = {"model": "network", "version": "1", "domain": "network", "title": "t", "criteria": criteria}
    return TestModel.model_validate(plain | {"profiles": {"software-switch": "s"}, "sizes": sizes} | more)


def unit(*components: str) -> ReleaseUnit:
    change = {"vendor": "v", "product": "p", "from": "1.0", "to": "1.1", "trigger": "hotfix"}
    changes = [{"component": name, **change} for name in components]
    return ReleaseUnit.model_validate({"unit": "u", "type": "GA", "vendor": "v", "changes": changes})


def collected(name: str, *covers: str, measures: tuple[str, ...] = ("network.a.b",), **more: Any) -> CollectedTest:
    return CollectedTest(name, name, frozenset({"network"}), measures, covers=frozenset(covers), **more)


BOTH = [collected("t-nic", "nic"), collected("t-os", "host-os")]


def test_it_can_be_accepted_where_all_that_matters_is_tested() -> None:
    seen = preview(unit("nic"), CATALOGUE, model(), KPIS, BOTH)
    assert [test.test for test in seen.planned] == ["t-nic", "t-os"]
    assert seen.against == ()
    assert seen.scope.untested == ()


def test_a_change_that_nobody_tests_stands_against_acceptance() -> None:
    seen = preview(unit("nic"), CATALOGUE, model(), KPIS, BOTH[1:])
    assert seen.against == ("nic changes, and no planned test covers it: nothing is known of it",)


def test_a_waiver_lets_it_pass_and_is_told_only_where_it_is_needed() -> None:
    waiver = HeldWaiver.model_validate(
        {"untested": "nic", "release": "u", "owner": "o", "reason": "r", "expires": "2026-12-31"}
        | {"expired": False, "file": "f.yaml"}
    )
    needed = preview(unit("nic"), CATALOGUE, model(), KPIS, BOTH[1:], waived={"nic": waiver})
    assert (needed.against, dict(needed.waived)) == ((), {"nic": waiver})
    assert preview(unit("nic"), CATALOGUE, model(), KPIS, BOTH, waived={"nic": waiver}).waived == {}
    other = preview(unit("vswitch"), CATALOGUE, model(), KPIS, BOTH, waived={"nic": waiver})
    assert other.against
    assert other.waived == {}


def test_a_test_whose_figure_no_criterion_asks_for_does_not_run_and_covers_nothing() -> None:
    tests = [collected("t-nic", "nic", measures=("network.e.f",)), *BOTH[1:]]
    seen = preview(unit("nic"), CATALOGUE, model(), KPIS, tests)
    assert [left.test for left in seen.left_out] == ["t-nic"]
    assert "required by no criterion" in seen.left_out[0].reason
    assert [each.component for each in seen.scope.untested] == ["nic"]


def test_a_criterion_that_no_test_measures_stands_against_acceptance() -> None:
    seen = preview(unit("nic"), CATALOGUE, model("network.a.b", "network.c.d"), KPIS, BOTH)
    assert seen.against == ("network.c.d is required, and no test that would run measures it",)


def test_an_advisory_criterion_alone_is_nothing_that_could_be_said() -> None:
    advisory = {"kpi": "network.a.b", "at_most": 0, "source": "s", "state": "advisory"}
    required = {"kpi": "network.c.d", "at_most": 0, "source": "s"}
    tests = [*BOTH, collected("t-router", "router", measures=("network.c.d",))]
    seen = preview(unit("nic"), CATALOGUE, model(criteria=[advisory, required]), KPIS, tests)
    assert [left.subject for left in seen.scope.criteria_left_out] == ["network.c.d"]
    assert "nothing could be said of it" in seen.against[0]


def test_nothing_that_covers_it_is_nothing_that_could_be_said() -> None:
    seen = preview(unit("router"), CATALOGUE, model(), KPIS, BOTH)
    assert seen.planned == ()
    assert "nothing could be said of it" in seen.against[0]


def test_with_a_lab_only_what_it_can_run_counts() -> None:
    tests = [collected("t-nic", "nic", needs=frozenset({"l3"})), *BOTH[1:]]
    without = preview(unit("nic"), CATALOGUE, model(), KPIS, tests)
    within = preview(unit("nic"), CATALOGUE, model(), KPIS, tests, lab=big_lab())
    assert without.against == ()
    assert [test.test for test in within.planned] == ["t-os"]
    assert "nic changes" in within.against[0]
    assert (without.lab, within.lab) == ("", "opco-ru")


def test_a_release_of_a_service_that_the_cloud_is_without_is_not_certified_there() -> None:
    tests = [collected("t-nic", "nic", needs=frozenset({"orchestration"})), *BOTH[1:]]
    within = big_lab().model_copy(update={"cloud": Cloud(name="c")})
    without = big_lab().model_copy(update={"cloud": Cloud(name="c", without=("orchestration",))})
    assert "nic changes" in preview(unit("nic"), CATALOGUE, model(), KPIS, tests, lab=without).against[0]
    assert preview(unit("nic"), CATALOGUE, model(), KPIS, tests, lab=within).against == ()


def test_tests_of_other_domains_are_none_of_ours() -> None:
    other = CollectedTest("t-vim", "t", frozenset({"vim"}), (), covers=frozenset({"nic"}))
    seen = preview(unit("nic"), CATALOGUE, model(), KPIS, [*BOTH[1:], other])
    assert "nic changes" in seen.against[0]


names = st.sampled_from(sorted(CATALOGUE.components))
suites = st.lists(
    st.builds(
        lambda number, covers, kpi, size: collected(f"t-{number}", *covers, measures=(kpi,), size=size),
        st.integers(0, 10_000),
        st.sets(names, min_size=1),
        st.sampled_from(sorted(KPIS)),
        st.sampled_from(["small", "medium", "large"]),
    ),
    max_size=6,
    unique_by=lambda test: test.test,
)


@settings(max_examples=200, deadline=None)
@given(st.sets(names, min_size=1), suites, st.integers(0, 3))
def test_what_can_be_accepted_has_every_change_tested_and_the_risk_within_the_limit(
    changed: set[str], tests: list[CollectedTest], limit: int
) -> None:
    seen = preview(unit(*sorted(changed)), CATALOGUE, model(untested_at_most=limit), KPIS, tests)
    running = {test.test for test in seen.planned}
    assert running | {left.test for left in seen.left_out} == {test.test for test in tests}
    covered = {name for test in tests if test.test in running for name in test.covers}
    assert {each.component for each in seen.scope.untested} == {
        each.component for each in seen.scope.affected if each.component not in covered
    }
    if not seen.against:
        assert changed <= covered
        assert not risks(seen.scope)


@settings(max_examples=100, deadline=None)
@given(st.sets(names, min_size=1), suites)
def test_a_lab_never_makes_more_of_it(changed: set[str], tests: list[CollectedTest]) -> None:
    release = unit(*sorted(changed))
    without = preview(release, CATALOGUE, model(), KPIS, tests)
    within = preview(release, CATALOGUE, model(), KPIS, tests, lab=big_lab())
    assert {test.test for test in within.planned} <= {test.test for test in without.planned}
    assert not without.against or within.against


def test_the_impact_of_each_component_is_that_of_its_own_release() -> None:
    found = {each.component: each for each in impacts(CATALOGUE, model(), KPIS, BOTH)}
    assert list(found) == list(CATALOGUE.components)
    nic, vswitch = found["nic"], found["vswitch"]
    assert (nic.tests, nic.of, nic.breakable, nic.untested, nic.covered_by, nic.against) == (2, 2, 1, 0, 1, ())
    assert nic.share == 1.0
    assert (vswitch.tests, vswitch.breakable, vswitch.untested, vswitch.covered_by) == (0, 1, 1, 0)
    assert vswitch.against
