"""Test models: sizes, depths and the life of a criterion; nothing falls as a release grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nfvcert.measure.kpi import Kpi
from nfvcert.testmodel import (
    DEPTHS,
    SIZES,
    STRICTER,
    DepthParameters,
    Parameters,
    Size,
    SizeRules,
    State,
    TestModel,
    looser_parameters,
)
from nfvcert.units import criteria

NDR = "network.throughput.ndr"
OUTAGE = "network.failover.outage"
KPIS = {
    name: Kpi(title="t", definition="d", unit=unit, better="higher", method="m", source="s")
    for name, unit in ((NDR, "pps"), (OUTAGE, "s"))
}
ONE = {"kpi": NDR, "at_least": "1 kpps", "source": "s"}


def model(*rules: Mapping[str, Any], **more: Any) -> TestModel:
    return TestModel.model_validate(
        {
            "model": "network",
            "version": "1",
            "domain": "network",
            "title": "t",
            "profiles": {"software": "a bridge"},
            "criteria": list(rules) or [ONE],
            **more,
        }
    )


def test_without_rules_a_release_is_followed_further_as_it_grows_and_nothing_untested_is_accepted() -> None:
    bare = model()
    assert [bare.rules_for(size).radius for size in SIZES] == [1, 2, 3]
    assert {bare.rules_for(size).untested_at_most for size in SIZES} == {0}
    assert {bare.rules_for(size).depth_for("major") for size in SIZES} == {None}
    assert bare.parameters_at(None) == bare.parameters


def test_a_depth_is_the_parameters_with_what_it_says_over_them() -> None:
    deep = model(
        parameters={"soak_seconds": 5, "latency_seconds": 7},
        depths={"thorough": {"soak_seconds": 3600}},
        sizes={"large": {"radius": 3, "depth": {"minor": "thorough", "major": "thorough"}}},
    )
    depth = deep.rules_for("large").depth_for("minor")
    assert depth == "thorough"
    assert deep.parameters_at(depth).soak_seconds == 3600
    assert deep.parameters_at(depth).latency_seconds == 7


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"sizes": {"small": {"radius": 2}, "medium": {"radius": 1}}}, "medium releases are followed 1 steps"),
        ({"sizes": {"small": {"radius": 5}}}, "medium releases are followed 2 steps, and small ones 5"),
        ({"sizes": {"small": {"radius": 1, "depth": "basic"}}}, "depth basic is defined nowhere"),
        ({"sizes": {"small": {"radius": 1, "mandatory": [NDR]}}}, "mandatory for small releases and not for medium"),
        ({"sizes": {"small": {"radius": 1, "integration": [NDR]}}}, "integration for small releases and not for medi"),
        ({"sizes": {"large": {"radius": 3, "mandatory": [OUTAGE]}}}, "no criterion asks for network.failover.outage"),
        ({"sizes": {"small": {"radius": -1}}}, "greater than or equal to 0"),
        ({"sizes": {"huge": {"radius": 1}}}, "'small', 'medium' or 'large'"),
        ({"sizes": {"small": {"radius": 1, "baseline": "last"}}}, "Extra inputs"),
        ({"depths": {"basic": {"soak_load": 0.5}}}, "Extra inputs"),
        (
            {"depths": {"basic": {"soak_seconds": 30}, "confident": {"soak_seconds": 20}}},
            "confident is deeper than basic, and its soak_seconds 20 is less than 30",
        ),
        (
            {"depths": {"sanity": {"repeats": 5}, "thorough": {"soak_seconds": 99}}},
            "thorough is deeper than sanity, and its repeats 3 is less than 5",
        ),
        ({"depths": {"basic": {"repeats": 50}}}, "repeats_max 9 is less than repeats 50"),
        ({"part_valid_days": 0}, "greater than or equal to 1"),
        ({"version": "../2026.1"}, "letters and digits"),
    ],
)
def test_what_falls_or_says_nothing_is_refused(more: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        model(**more)


DEEP = {"sanity": {"soak_seconds": 5}, "thorough": {"soak_seconds": 60}}


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"small": {"radius": 1, "depth": "thorough"}}, "a medium minor release is tested less than a small one"),
        (
            {size: {"radius": 1, "depth": {"minor": "thorough", "major": "sanity"}} for size in SIZES},
            "a small major release is tested sanity, and a minor one thorough",
        ),
        (
            {"small": {"radius": 1, "depth": "thorough"}, "medium": {"radius": 2, "depth": "sanity"}},
            "a medium minor release is tested sanity, and a small one thorough",
        ),
        ({"large": {"radius": 3, "depth": "sanity"}}, "a large minor release is tested less than a medium one"),
    ],
)
def test_a_larger_or_major_release_is_tested_no_less(sizes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        model(depths=DEEP, sizes=sizes)


def test_a_small_release_may_be_tested_less_than_a_lab_as_it_is() -> None:
    shallow = model(depths=DEEP, sizes={"small": {"radius": 1, "depth": "sanity"}})
    assert shallow.parameters_at(shallow.rules_for("small").depth_for("major")).soak_seconds == 5


def test_every_parameter_of_a_depth_has_a_direction() -> None:
    assert all(STRICTER[name] in ("more", "superset") for name in DepthParameters.model_fields)
    assert set(DepthParameters.model_fields) <= set(Parameters.model_fields)
    assert set(STRICTER) <= set(Parameters.model_fields)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"repeats": 2}, "repeats 2 is less than 3"),
        ({"repeats": 4}, None),
        ({"search_width": 0.02}, "search_width 0.02 is more than 0.01"),
        ({"search_width": 0.001}, None),
        ({"frame_bytes": (64, 1518)}, "frame_bytes lacks 512"),
        ({"frame_bytes": (64, 512, 1518, 9000)}, None),
        ({"soak_load": 0.9}, "another question"),
        ({"search": "binary"}, "another question"),
    ],
)
def test_what_a_parameter_means(change: dict[str, Any], told: str | None) -> None:
    found = dict(looser_parameters(Parameters(), Parameters(**change)))
    assert list(found) == ([] if told is None else list(change))
    assert told is None or told in found[next(iter(change))]


# the life of a criterion


@pytest.mark.parametrize(
    ("state", "decides", "note"),
    [
        ("required", True, ""),
        ("advisory", False, "advisory: decides nothing"),
        ("deprecated", True, "deprecated: still decides"),
    ],
)
def test_what_a_state_means(state: State, decides: bool, note: str) -> None:
    other = {"kpi": OUTAGE, "at_most": "1 s", "source": "s"}
    found, _ = criteria(model({**ONE, "state": state}, other), KPIS, "software", "l2")
    assert (found.decides, found.note) == (decides, note)


def test_what_is_removed_is_not_applied_and_needs_no_kpi_any_more() -> None:
    gone = {"kpi": "network.gone.long_ago", "at_most": 3, "source": "s", "state": "removed", "removed_in": "2"}
    assert [found.kpi for found in criteria(model(ONE, gone), KPIS, "software", "l2")] == [NDR]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"state": "removed"}, "removed_in: VERSION is missing"),
        ({"removed_in": "2"}, "only a removed criterion has it"),
        ({"required_for": ["small"]}, "required for small releases and not for medium"),
        ({"required_for": ["small", "large"]}, "required for small releases and not for medium"),
        ({"required_for": []}, "at least 1 item"),
        ({"where": {"frame_bytes": []}}, "an empty list"),
        ({"state": "optional"}, "'advisory', 'required', 'deprecated' or 'removed'"),
    ],
)
def test_a_criterion_that_would_silently_not_count_is_refused(rule: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        model({**ONE, **rule}, {"kpi": OUTAGE, "at_most": "1 s", "source": "s"})


@pytest.mark.parametrize("state", [{"state": "advisory"}, {"state": "removed", "removed_in": "1"}])
def test_a_model_that_requires_nothing_is_refused(state: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="a model that requires nothing"):
        model({**ONE, **state})


def test_what_is_not_required_for_a_size_is_advisory_and_shown() -> None:
    found = {
        size: criteria(model({**ONE, "required_for": ["large"]}), KPIS, "software", "l2", size)[0] for size in SIZES
    }
    assert [found[size].decides for size in SIZES] == [False, False, True]
    assert found["small"].note == "advisory: not required for small releases"
    (as_it_is,) = criteria(model({**ONE, "required_for": ["large"]}), KPIS, "software", "l2")
    assert as_it_is.decides


states = st.sampled_from(["advisory", "required", "deprecated"])
smallest = st.sampled_from(list(SIZES))


@given(rules=st.lists(st.tuples(states, smallest), min_size=1, max_size=5))
def test_more_decides_as_a_release_grows(rules: list[tuple[State, Size]]) -> None:
    written = [
        {**ONE, "where": {"flows": flows}, "state": state, "required_for": list(SIZES[SIZES.index(size) :])}
        for flows, (state, size) in enumerate(rules)
    ]
    if all(state == "advisory" for state, _ in rules):
        return
    deciding = [
        {each.subject for each in criteria(model(*written), KPIS, "software", "l2", size) if each.decides}
        for size in SIZES
    ]
    assert deciding[0] <= deciding[1] <= deciding[2]
    assert {each.subject for each in criteria(model(*written), KPIS, "software", "l2") if each.decides} == deciding[2]


depth = st.none() | st.sampled_from(DEPTHS)
of_class = depth | st.fixed_dictionaries({"minor": st.sampled_from(DEPTHS), "major": st.sampled_from(DEPTHS)})
size_rules = st.fixed_dictionaries(
    {"radius": st.integers(0, 4), "depth": of_class, "mandatory": st.sampled_from([[], [NDR]])}
)


@given(
    sizes=st.dictionaries(smallest, size_rules),
    depths=st.dictionaries(st.sampled_from(DEPTHS), st.fixed_dictionaries({"repeats": st.integers(1, 9)})),
)
def test_whatever_loads_falls_nowhere(sizes: dict[Size, Any], depths: dict[Any, Any]) -> None:
    try:
        loaded = model(sizes=sizes, depths=depths)
    except ValidationError:
        return
    classes: tuple[Literal["minor", "major"], ...] = ("minor", "major")
    for index, size in enumerate(SIZES):
        rules = loaded.rules_for(size)
        assert isinstance(rules, SizeRules)
        repeats = [loaded.parameters_at(rules.depth_for(each)).repeats for each in classes]
        assert repeats == sorted(repeats)
        if index:
            before = loaded.rules_for(SIZES[index - 1])
            assert rules.radius >= before.radius
            assert set(rules.mandatory) >= set(before.mandatory)
            for each in classes:
                was, now = (loaded.parameters_at(of.depth_for(each)).repeats for of in (before, rules))
                assert now >= was
