"""Overlays add and tighten; whatever would loosen the base is refused, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nfvcert.judge import Decision, TestResult, Verdict, decide
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.overlays import LayeredModel, Overlay, merged
from nfvcert.parts import Contradiction
from nfvcert.testmodel import SIZES, Criterion, Parameters, TestModel, looser_parameters
from nfvcert.units import criteria

NDR, OUTAGE, PAIRS = "network.throughput.ndr", "network.failover.outage", "network.reachability.unreachable_pairs"
UNITS = {NDR: "pps", OUTAGE: "s", PAIRS: "count"}
KPIS = {
    name: Kpi(title="t", definition="d", unit=unit, better="higher", method="m", source="s")
    for name, unit in UNITS.items()
}
CRITERIA: list[dict[str, Any]] = [
    {"kpi": NDR, "where": {"frame_bytes": [64, 512]}, "at_least": {"soft": "10 kpps", "hard": "1 Mpps"}, "source": "s"},
    {"kpi": OUTAGE, "at_most": "500 ms", "source": "s", "applies_to": "l2"},
    {"kpi": PAIRS, "at_most": 3, "source": "s", "state": "advisory", "required_for": ["medium", "large"]},
]
BASE: dict[str, Any] = {
    "model": "network",
    "version": "2026.1",
    "domain": "network",
    "title": "t",
    "profiles": {"soft": "a bridge", "hard": "a switch"},
    "parameters": {"repeats": 4},
    "depths": {"basic": {"repeats": 5}},
    "sizes": {"large": {"radius": 4, "depth": "basic", "mandatory": [NDR], "untested_at_most": 2}},
    "criteria": CRITERIA,
}


def base(**more: Any) -> TestModel:
    return TestModel.model_validate(BASE | more)


def overlay(**more: Any) -> Overlay:
    written = {"model": "network-ru", "overlays": "network", "base_version": "2026.1", "version": "2026.1-ru.1"}
    return Overlay.model_validate(written | more)


def over(*rules: Mapping[str, Any], **more: Any) -> LayeredModel:
    return merged(base(), overlay(criteria=list(rules), **more), KPIS)


def bounds(model: TestModel, kpi: str, profile: str = "soft") -> list[tuple[float | None, float | None]]:
    return [(c.at_least, c.at_most) for c in criteria(model, KPIS, profile, "l2") if c.kpi == kpi]


def test_an_empty_overlay_is_its_base_under_another_name() -> None:
    same = over()
    assert (same.model, same.version, same.based_on) == ("network-ru", "2026.1-ru.1", "network 2026.1")
    for profile in BASE["profiles"]:
        assert criteria(same, KPIS, profile, "l2") == criteria(base(), KPIS, profile, "l2")
    assert (same.parameters, same.sizes, same.domain) == (base().parameters, base().sizes, "network")
    assert base().based_on == ""


def test_it_tightens_one_condition_and_one_profile_and_leaves_the_others() -> None:
    strict = over({"kpi": NDR, "where": {"frame_bytes": 64}, "at_least": {"soft": "12 kpps"}})
    assert bounds(strict, NDR) == [(12_000, None), (10_000, None)]
    assert bounds(strict, NDR, "hard") == [(1e6, None), (1e6, None)]


def test_it_adds_a_bound_on_the_other_side_and_a_criterion_of_its_own() -> None:
    more = over({"kpi": OUTAGE, "at_least": "1 ms"}, {"kpi": NDR, "at_least": "1 kpps", "source": "RU"})
    assert bounds(more, OUTAGE) == [(0.001, 0.5)]
    assert bounds(more, NDR)[-1] == (1000, None)
    assert len(criteria(more, KPIS, "soft", "l2")) == 5


def test_it_requires_what_was_advisory_and_for_smaller_releases() -> None:
    more = over({"kpi": PAIRS, "state": "required", "required_for": ["small", "medium", "large"]})
    (pairs,) = (each for each in criteria(more, KPIS, "soft", "l2", "small") if each.kpi == PAIRS)
    assert pairs.decides


def test_it_brings_no_classes_of_devices_of_its_own() -> None:
    # A lab that named one would be judged by the overlay's bounds alone.
    with pytest.raises(ValidationError, match="profiles"):
        over(profiles={"wide": "a chassis"})


def test_parameters_depths_and_sizes_may_ask_for_more() -> None:
    more = over(
        parameters={"repeats": 5, "repeats_max": 20, "frame_bytes": [64, 512, 1518, 9000]},
        depths={"thorough": {"soak_seconds": 3600, "repeats": 7}, "basic": {"repeats": 6}},
        sizes={"large": {"depth": "thorough", "untested_at_most": 0}, "medium": {"radius": 3}},
        part_valid_days=30,
    )
    assert more.parameters_at("basic").repeats == 6
    assert more.rules_for("large").radius == 4
    assert more.rules_for("large").mandatory == (NDR,)
    assert more.rules_for("medium").radius == 3
    assert more.part_valid_days == 30


def refused(key: tuple[str | int, ...], text: str, *rules: Mapping[str, Any], **more: Any) -> None:
    with pytest.raises(Contradiction, match=text) as caught:
        over(*rules, **more)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("rule", "key", "text"),
    [
        (
            {"kpi": NDR, "where": {"frame_bytes": 64}, "at_least": {"hard": "0.9 Mpps"}},
            ("at_least", "hard"),
            r"network\.throughput\.ndr: at_least 0\.9 Mpps is looser than 1 Mpps for hard in network 2026\.1",
        ),
        ({"kpi": NDR, "where": {"frame_bytes": [64, 512]}, "at_least": "10 kpps"}, ("at_least",), "1 Mpps for hard"),
        ({"kpi": OUTAGE, "at_most": "0.51 s"}, ("at_most",), "at_most 0.51 s is looser than 500 ms"),
        ({"kpi": OUTAGE, "at_most": {"hard": "1 s"}}, ("at_most", "hard"), "1 s is looser than 500 ms"),
        ({"kpi": OUTAGE, "state": "advisory"}, ("state",), "is required in network 2026.1: advisory is less"),
        ({"kpi": OUTAGE, "state": "removed", "removed_in": "2"}, ("state",), "removed is less"),
        ({"kpi": OUTAGE, "state": "deprecated"}, ("state",), "deprecated is less"),
        ({"kpi": OUTAGE, "required_for": ["large"]}, ("required_for",), "required for small, medium releases"),
        ({"kpi": OUTAGE, "applies_to": "l3"}, ("applies_to",), "applies to l2 devices"),
        ({"kpi": PAIRS, "applies_to": "l3"}, ("applies_to",), "applies to all devices"),
        ({"kpi": "network.failover.outrage", "at_most": "1 s"}, ("kpi",), "no KPI of the catalogue"),
        ({"kpi": OUTAGE, "at_most": "1 kpps"}, ("at_most",), "is no quantity in s"),
        ({"kpi": OUTAGE, "at_most": {"sofd": "1 s"}}, ("at_most", "sofd"), "no profile is named 'sofd'"),
        ({"kpi": OUTAGE, "where": {"links": 2}, "at_most": "1 s"}, (), "source is missing"),
        ({"kpi": OUTAGE, "where": {"links": 2}, "source": "s"}, (), "a bound that cannot fail"),
        ({"kpi": OUTAGE, "where": {"links": []}, "at_most": "1 s", "source": "s"}, ("where", "links"), "empty list"),
        ({"kpi": OUTAGE, "at_least": {"soft": "1 ms"}}, None, "expected one for the lab's profile hard too"),
    ],
)
def test_a_looser_criterion_is_refused(rule: dict[str, Any], key: tuple[str | int, ...] | None, text: str) -> None:
    refused(("criteria",) if key is None else ("criteria", 0, *key), text, rule)


@pytest.mark.parametrize(
    ("more", "key", "text"),
    [
        ({"base_version": "2025.2"}, ("base_version",), "written for version 2025.2 of network, which is at 2026.1"),
        ({"model": "network"}, ("model",), "a name of its own|one of its own"),
        ({"parameters": {"repeats": 3}}, ("parameters", "repeats"), "repeats 3 is less than 4"),
        ({"parameters": {"frame_bytes": [64]}}, ("parameters", "frame_bytes"), "lacks 512, 1518"),
        ({"parameters": {"soak_load": 0.9}}, ("parameters", "soak_load"), "another question"),
        ({"parameters": {"repeats": 30}}, ("parameters",), "repeats_max 9 is less than repeats 30"),
        ({"depths": {"basic": {"repeats": 4}}}, ("depths", "basic", "repeats"), "repeats 4 is less than 5"),
        ({"sizes": {"large": {"radius": 3}}}, ("sizes", "large", "radius"), "3 steps are less than 4"),
        ({"sizes": {"small": {"radius": 0}}}, ("sizes", "small", "radius"), "0 steps are less than 1"),
        ({"sizes": {"large": {"mandatory": [OUTAGE]}}}, ("sizes", "large", "mandatory"), "lacks network.throughput"),
        ({"sizes": {"large": {"untested_at_most": 3}}}, ("sizes", "large", "untested_at_most"), "3 untested .* than 2"),
        ({"part_valid_days": 181}, ("part_valid_days",), "for 181 days, and count for 180"),
        (
            {"depths": {"sanity": {"repeats": 4}}, "sizes": {"large": {"depth": "sanity"}}},
            ("sizes", "large", "depth"),
            "sanity is less deep than basic",
        ),
        (
            {
                "depths": {"sanity": {"repeats": 2}},
                "sizes": {size: {"depth": "sanity"} for size in ("small", "medium")},
            },
            ("sizes", "small", "depth"),
            "for minor releases, repeats 2 is less than 4",
        ),
    ],
)
def test_whatever_else_is_looser_is_refused(more: dict[str, Any], key: tuple[str | int, ...], text: str) -> None:
    refused(key, text, **more)


def test_a_size_that_would_fall_in_the_merged_model_is_refused() -> None:
    with pytest.raises(Contradiction, match="medium releases are followed 2 steps, and small ones 3"):
        over(sizes={"small": {"radius": 3}})


def test_two_criteria_of_the_base_cannot_be_told_apart() -> None:
    twice = base(criteria=[*CRITERIA, CRITERIA[1]])
    with pytest.raises(Contradiction, match="which one it tightens cannot be told"):
        merged(twice, overlay(criteria=[{"kpi": OUTAGE, "at_most": "1 ms"}]), KPIS)


def test_what_the_base_removed_an_overlay_may_require_again() -> None:
    gone = {"kpi": PAIRS, "at_most": 9, "source": "s", "state": "removed", "removed_in": "2026.1"}
    again = merged(
        base(criteria=[*CRITERIA[:2], gone]),
        overlay(criteria=[{"kpi": PAIRS, "at_most": 1, "source": "RU"}]),
        KPIS,
    )
    assert bounds(again, PAIRS) == [(None, 1)]


def test_several_mistakes_are_told_together() -> None:
    with pytest.raises(Contradiction) as caught:
        over({"kpi": OUTAGE, "at_most": "1 s", "state": "advisory"}, {"kpi": NDR, "at_least": "x", "source": "s"})
    assert [each.key for each in (caught.value, *caught.value.further)] == [
        ("criteria", 0, "at_most"),
        ("criteria", 0, "state"),
        ("criteria", 1, "at_least"),
    ]


# whatever loads is no looser

kpi_names = st.sampled_from([NDR, OUTAGE, PAIRS])
wheres = st.sampled_from([{}, {"x": 1}, {"x": [1, 2]}, {"x": 2}])
states = st.sampled_from(["required", "deprecated", "advisory"])
for_sizes = st.sampled_from([list(SIZES[index:]) for index in range(3)])
profiles = ("soft", "hard")
NUMBERS = {"at_least": st.integers(0, 2), "at_most": st.integers(2, 4)}


def quantity(number: int, unit: str) -> str | int:
    return number if unit == "count" else f"{number} {unit}"


@st.composite
def base_rules(draw: st.DrawFn) -> dict[str, Any]:
    kpi = draw(kpi_names)
    rule: dict[str, Any] = {"kpi": kpi, "where": draw(wheres), "source": "s"}
    for side in draw(st.lists(st.sampled_from(["at_least", "at_most"]), min_size=1, unique=True)):
        bounds = {name: quantity(draw(NUMBERS[side]), UNITS[kpi]) for name in profiles}
        rule[side] = bounds if draw(st.booleans()) else bounds["soft"]
    return rule | draw(st.fixed_dictionaries({}, optional=MORE))


MORE: dict[str, st.SearchStrategy[Any]] = {
    "state": states,
    "required_for": for_sizes,
    "applies_to": st.sampled_from(["l2", "l3"]),
}


@st.composite
def overlay_rules(draw: st.DrawFn, below: list[dict[str, Any]]) -> dict[str, Any]:
    """Mostly one or two things of a criterion of the base, now stricter and now looser; sometimes one of its own."""
    kpi, where = draw(st.sampled_from([(rule["kpi"], rule["where"]) for rule in below]))
    rule: dict[str, Any] = {"kpi": kpi, "where": draw(st.sampled_from([where, where, where, {"x": 1}]))}
    for what in draw(st.lists(st.sampled_from(sorted({*NUMBERS, *MORE})), min_size=1, max_size=2, unique=True)):
        if what in MORE:
            rule[what] = draw(MORE[what])
            continue
        names = draw(st.sampled_from([profiles, ("soft",), ("hard",)]))
        bounds = {name: quantity(draw(NUMBERS[what]), UNITS[kpi]) for name in names}
        rule[what] = bounds if draw(st.booleans()) else next(iter(bounds.values()))
    return rule | draw(st.sampled_from([{}, {"source": "s"}]))


@settings(max_examples=120)
@given(
    below=st.lists(base_rules(), min_size=2, max_size=3, unique_by=lambda rule: (rule["kpi"], str(rule["where"]))),
    data=st.data(),
)
def test_what_is_accepted_under_an_overlay_is_accepted_under_its_base(
    below: list[dict[str, Any]], data: st.DataObject
) -> None:
    above = data.draw(st.lists(overlay_rules(below), min_size=1, max_size=2))
    try:
        lower = base(criteria=below, sizes={}, depths={})
        upper = merged(lower, overlay(criteria=above), KPIS)
    except (ValidationError, Contradiction):
        return
    kinds: list[Literal["l2", "l3"] | None] = ["l2", "l3", None]
    profile, forwards = data.draw(st.sampled_from(profiles)), data.draw(st.sampled_from(kinds))
    size = data.draw(st.sampled_from([None, *SIZES]))
    required = criteria(upper, KPIS, profile, forwards, size)
    measurements = [
        Measurement(
            kpi=each.kpi, value=2, low=2, high=2, conditions=each.where, unit=each.unit, test="t", at=""
        ).model_copy(update=dict.fromkeys(("value", "low", "high"), data.draw(st.sampled_from([2, 2, 2, 1, 3]))))
        for each in required
    ]
    tests = [TestResult(test="t", title="t", verdict=Verdict.PASS, sentence="passed")]

    def decision(of: tuple[Criterion, ...]) -> Decision | None:
        if not any(each.decides for each in of):
            return None  # it cannot be decided, and so is refused
        return decide(of, measurements, ["t"], tests).decision

    of_base = criteria(lower, KPIS, profile, forwards, size)
    event(f"{decision(required)} with {len(above)} rules")
    if decision(required) is Decision.ACCEPTED:
        assert decision(of_base) in (Decision.ACCEPTED, None)
    if decision(required) is None:
        assert decision(of_base) is None
    # And so for any measurement there is: each criterion of the base has one above it that is no wider.
    for each in of_base:
        if each.decides:
            assert any(no_wider(stricter, each) for stricter in required), (each, required)


def no_wider(stricter: Criterion, than: Criterion) -> bool:
    return (
        stricter.decides
        and (stricter.kpi, stricter.where) == (than.kpi, than.where)
        and (than.at_least is None or (stricter.at_least is not None and stricter.at_least >= than.at_least))
        and (than.at_most is None or (stricter.at_most is not None and stricter.at_most <= than.at_most))
    )


values = st.fixed_dictionaries(
    {}, optional={"repeats": st.integers(1, 6), "soak_seconds": st.sampled_from([10, 20, 30])}
)
overlay_sizes = st.dictionaries(
    st.sampled_from(SIZES),
    st.fixed_dictionaries(
        {},
        optional={
            "radius": st.integers(0, 5),
            "depth": st.sampled_from(["sanity", "basic"]),
            "mandatory": st.sampled_from([[], [NDR], [NDR, OUTAGE]]),
            "untested_at_most": st.integers(0, 3),
        },
    ),
)


@settings(max_examples=60)
@given(
    parameters=values,
    depths=st.dictionaries(st.sampled_from(["sanity", "basic"]), values),
    sizes=overlay_sizes,
)
def test_whatever_loads_tests_no_less(
    parameters: dict[str, Any], depths: dict[str, Any], sizes: dict[str, Any]
) -> None:
    lower = base()
    try:
        upper = merged(lower, overlay(parameters=parameters, depths=depths, sizes=sizes), KPIS)
    except Contradiction:
        return
    assert not list(looser_parameters(lower.parameters, upper.parameters))
    for size in SIZES:
        before, after = lower.rules_for(size), upper.rules_for(size)
        assert after.radius >= before.radius
        assert set(after.mandatory) >= set(before.mandatory)
        assert after.untested_at_most <= before.untested_at_most
        for each in ("minor", "major"):
            was: Parameters = lower.parameters_at(before.depth_for(each))
            assert not list(looser_parameters(was, upper.parameters_at(after.depth_for(each))))
