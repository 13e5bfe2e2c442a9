"""From changes to tests: what is wanted, why, and what stays untested."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from nfvcert.catalogue import Catalogue
from nfvcert.scope import Scope, choose, required_in, risks, scope_of, with_tests
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import Criterion, Size

SIZES: tuple[Size, ...] = ("small", "medium", "large")


def catalogue(**components: Mapping[str, Collection[str]]) -> Catalogue:
    """Name → its dependencies; the underscores of a name become dashes."""
    return Catalogue.model_validate(
        {
            name.replace("_", "-"): {"title": name, "domain": "compute", "owner": "group"} | dict(dependencies)
            for name, dependencies in components.items()
        }
    )


SMALL = catalogue(
    motherboard={},
    nic={"runs_on": ["motherboard"]},
    bmc={"runs_on": ["motherboard"]},
    host_os={"runs_on": ["nic", "motherboard"], "managed_by": ["bmc"]},
    vswitch={"runs_on": ["host-os"], "talks_to": ["rack-switch"]},
    rack_switch={},
    nova={"runs_on": ["host-os"], "talks_to": ["keystone"]},
    keystone={},
)


def collected(name: str, *covers: str, size: Size = "small", measures: tuple[str, ...] = ()) -> CollectedTest:
    return CollectedTest(name, name, frozenset({"network"}), measures, covers=frozenset(covers), size=size)


def scope(*changed: str, size: Size = "small", radius: int = 1, **more: Any) -> Scope:
    parts = more.pop("parts", {}) | {"": changed}
    settings: dict[str, Any] = {"untested_at_most": 0, "release_class": "minor"} | more
    # A part was certified with tests of all that it can break, unless a test says otherwise.
    settings.setdefault("tested", dict.fromkeys(parts, SMALL.components))
    return scope_of(parts, SMALL, size=size, radius=radius, **settings)


def wanted(found: Scope, *tests: CollectedTest) -> set[str]:
    return {name for name, choice in choose(found, tests).items() if choice.wanted}


def test_what_changes_and_what_it_can_break_is_affected_with_the_path() -> None:
    found = scope("nic", radius=2)
    assert {each.component: each.why for each in found.affected} == {
        "nic": "changes",
        "host-os": "host-os runs-on nic",
        "bmc": "host-os runs-on nic, host-os managed-by bmc",
        "nova": "host-os runs-on nic, nova runs-on host-os",
        "vswitch": "host-os runs-on nic, vswitch runs-on host-os",
    }


def test_what_a_thing_runs_on_is_not_broken_by_it_but_its_peers_and_managers_are() -> None:
    assert {each.component for each in scope("vswitch").affected} == {"vswitch", "rack-switch"}
    assert {each.component for each in scope("host-os").affected} == {"host-os", "vswitch", "nova", "bmc"}
    assert {each.component for each in scope("bmc").affected} == {"bmc", "host-os"}


def test_the_radius_bounds_how_far_a_change_is_followed() -> None:
    assert [each.component for each in scope("motherboard", radius=0).affected] == ["motherboard"]
    assert len(scope("motherboard", radius=9).affected) == 8


def test_what_changes_is_tested_whole_and_what_it_can_break_to_the_size_of_the_release() -> None:
    tests = [
        collected("large-nic", "nic", size="large"),
        collected("small-os", "host-os"),
        collected("medium-os", "host-os", size="medium"),
        collected("far", "keystone"),
        collected("both", "keystone", "host-os"),
    ]
    assert wanted(scope("nic"), *tests) == {"large-nic", "small-os", "both"}
    assert wanted(scope("nic", size="medium"), *tests) == {"large-nic", "small-os", "medium-os", "both"}
    reasons = {name: choice.reason for name, choice in choose(scope("nic"), tests).items()}
    assert reasons == {
        "large-nic": "it covers nic, which changes",
        "small-os": "it covers host-os, which can break: host-os runs-on nic",
        "medium-os": "it covers host-os, and is for medium releases; this one is small",
        "far": "it covers keystone: nothing that this release can break",
        "both": "it covers host-os, which can break: host-os runs-on nic",
    }


def test_a_test_that_does_not_say_what_it_covers_always_runs() -> None:
    assert wanted(scope("keystone"), collected("mute", size="large")) == {"mute"}


def test_what_the_model_makes_mandatory_always_runs() -> None:
    found = scope("keystone", mandatory=("network.reachability.unreachable_pairs",))
    tests = [
        collected("reach", "rack-switch", size="large", measures=("network.reachability.unreachable_pairs",)),
        collected("other", "rack-switch", measures=("network.latency.p50",)),
    ]
    assert wanted(found, *tests) == {"reach"}


def test_a_changed_component_without_a_test_is_a_risk_whatever_the_model_allows() -> None:
    found = with_tests(scope("keystone", untested_at_most=100), [collected("a", "nova")])
    (risk,) = risks(found)
    assert (risk.verdict, risk.subject, risk.blame) == ("INCONCLUSIVE", "keystone", "suite")
    assert risk.sentence == "keystone changes, and no planned test covers it: nothing is known of it"
    assert not risks(found, waived={"keystone"})


def test_too_many_untested_components_around_a_change_are_a_risk() -> None:
    tests = [collected("a", "host-os"), collected("b", "nova")]
    assert not risks(with_tests(scope("host-os", untested_at_most=2), tests))
    (risk,) = risks(with_tests(scope("host-os", untested_at_most=1), tests))
    assert "2 components" in risk.sentence
    assert "bmc, vswitch" in risk.sentence
    assert not risks(with_tests(scope("host-os", untested_at_most=1), tests), waived={"bmc"})


def test_only_planned_tests_count() -> None:
    assert [each.component for each in with_tests(scope("keystone"), []).untested] == ["keystone", "nova"]


def criterion(kpi: str) -> Criterion:
    return Criterion(kpi=kpi, at_least=1, unit="pps", as_written="≥ 1", source="s")


def test_a_criterion_is_out_of_scope_only_when_all_tests_that_measure_it_are() -> None:
    tests = [
        collected("in", "nic", measures=("a.b.c", "a.b.d")),
        collected("out", "keystone", measures=("a.b.c", "a.b.e")),
    ]
    choices = choose(scope("nic"), tests)
    criteria = [criterion(kpi) for kpi in ("a.b.c", "a.b.d", "a.b.e", "a.b.nobody")]
    kept, left_out = required_in(criteria, tests, choices)
    assert [each.kpi for each in kept] == ["a.b.c", "a.b.d", "a.b.nobody"]
    assert [(each.subject, each.reason) for each in left_out] == [
        ("a.b.e", "it covers keystone: nothing that this release can break")
    ]


# ── a release that is made of certified ones ──


def test_what_one_certified_part_alone_reaches_is_not_tested_again() -> None:
    parts = {"nic-1": {"nic"}, "keystone-1": {"keystone"}}
    found = scope(parts=parts, radius=2, size="large")
    # nic-1 reaches nova through host-os, keystone-1 reaches it as its peer: only together were they never tested.
    assert [each.component for each in found.affected] == ["nova"]
    tests = [collected("nic", "nic"), collected("nova", "nova"), collected("os", "host-os")]
    assert wanted(found, *tests) == {"nova"}
    assert choose(found, tests)["nova"].reason == "it covers nova, which keystone-1 and nic-1 reach together"


def test_a_change_that_no_part_has_is_tested_whole() -> None:
    found = scope("host-os", parts={"nic-1": {"nic"}}, size="medium")
    assert {each.component for each in found.affected} == {"host-os", "nova", "vswitch", "bmc"}
    assert found.certified == ("nic",)
    assert wanted(found, collected("os", "host-os", size="large"), collected("nic", "nic")) == {"os"}


def test_a_certified_part_in_reach_of_another_change_is_tested_again() -> None:
    found = scope("nic", parts={"os-1": {"host-os"}}, size="medium")
    assert wanted(found, collected("os", "host-os"), collected("large-os", "host-os", size="large")) == {"os"}


def test_what_a_part_could_break_and_nobody_tested_is_a_risk_of_the_whole() -> None:
    found = scope(parts={"nic-1": {"nic"}}, radius=2, size="large", tested={"nic-1": {"nic", "host-os"}})
    assert {each.component for each in found.affected} == {"bmc", "nova", "vswitch"}


def test_a_test_of_what_decides_nothing_covers_nothing() -> None:
    advisory = criterion("a.b.c").model_copy(update={"state": "advisory"})
    tests = [collected("a", "keystone", measures=("a.b.c",)), collected("b", "nova")]
    found = with_tests(scope("keystone"), tests, [advisory, criterion("a.b.d")])
    assert [each.component for each in found.untested] == ["keystone"]


def test_tests_of_other_domains_that_a_release_wants_are_named() -> None:
    found = with_tests(scope("keystone"), [], [], [collected("other", "nova"), collected("far", "rack-switch")])
    assert [each.subject for each in found.elsewhere] == ["other"]


# ── properties ──

NAMES = [f"c{number}" for number in range(12)]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Catalogue, list[CollectedTest]]:
    """A random catalogue, in which a component runs on earlier ones only, and tests of it."""
    components = {}
    for index, name in enumerate(NAMES):
        others = [other for other in NAMES if other != name]
        components[name] = {
            "title": name,
            "domain": draw(st.sampled_from(["compute", "network"])),
            "owner": "group",
            "runs_on": draw(st.lists(st.sampled_from(NAMES[:index]), max_size=2, unique=True)) if index else [],
            "talks_to": draw(st.lists(st.sampled_from(others), max_size=1)),
        }
    some = st.frozensets(st.sampled_from(NAMES), max_size=3)
    tests = [
        collected(f"t{number}", *draw(some), size=draw(st.sampled_from(SIZES)), measures=(f"a.b.k{number % 3}",))
        for number in range(draw(st.integers(1, 12)))
    ]
    return Catalogue.model_validate(components), tests


RADII: Mapping[Size, int] = {"small": 1, "medium": 2, "large": 3}


def sized(changed: Collection[str], world: Catalogue) -> Scope:
    """The scope, by a size that grows with the changes, and rules that grow with the size."""
    domains = {world[name].domain for name in changed}
    size: Size = "large" if len(domains) > 1 else "medium" if len(changed) > 1 else "small"
    release_class: Literal["minor"] = "minor"
    mandatory = {"small": (), "medium": ("a.b.k0",), "large": ("a.b.k0", "a.b.k1")}[size]
    return scope_of(
        {"": changed},
        world,
        size=size,
        release_class=release_class,
        radius=RADII[size],
        untested_at_most=0,
        mandatory=mandatory,
    )


CHANGES = st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(world=worlds(), changed=CHANGES, more=CHANGES)
def test_the_selection_grows_with_the_set_of_changes(
    world: tuple[Catalogue, list[CollectedTest]], changed: frozenset[str], more: frozenset[str]
) -> None:
    components, tests = world
    few, many = sized(changed, components), sized(changed | more, components)
    assert wanted(few, *tests) <= wanted(many, *tests)
    assert {each.component for each in few.affected} <= {each.component for each in many.affected}


@settings(max_examples=60, deadline=None)
@given(world=worlds(), changed=CHANGES)
def test_every_test_of_a_changed_component_is_wanted(
    world: tuple[Catalogue, list[CollectedTest]], changed: frozenset[str]
) -> None:
    components, tests = world
    assert {test.test for test in tests if test.covers & changed} <= wanted(sized(changed, components), *tests)


@settings(max_examples=60, deadline=None)
@given(world=worlds(), changed=CHANGES)
def test_paths_lead_from_a_change_to_the_component_within_the_radius(
    world: tuple[Catalogue, list[CollectedTest]], changed: frozenset[str]
) -> None:
    components, _ = world
    found = sized(changed, components)
    for each in found.affected:
        assert len(each.path) <= found.radius
        here = each.path[0].via if each.path else each.component
        assert here in changed
        for step in each.path:
            assert step.via == here
            assert {step.dependency.component, step.dependency.on} == {step.via, step.component}
            here = step.component
        assert here == each.component


@settings(max_examples=60, deadline=None)
@given(world=worlds(), first=CHANGES, second=CHANGES)
def test_a_release_of_certified_parts_never_wants_more_than_the_same_one_without(
    world: tuple[Catalogue, list[CollectedTest]], first: frozenset[str], second: frozenset[str]
) -> None:
    components, tests = world
    whole = sized(first | second, components)
    composed = scope_of(
        {"one": first, "": second - first},
        components,
        tested={"one": components.components},
        size=whole.size,
        release_class="minor",
        radius=whole.radius,
        untested_at_most=0,
        mandatory=whole.mandatory,
    )
    assert wanted(composed, *tests) <= wanted(whole, *tests)
    uncertified = second - first
    assert {test.test for test in tests if test.covers & uncertified} <= wanted(composed, *tests)
