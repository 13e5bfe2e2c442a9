"""Size and class are derived, explained, and can only be too high."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.catalogue import Catalogue
from nfvcert.release import ReleaseUnit
from nfvcert.sizing import SIZES, class_of, size_of

DOMAINS = {"nic": "compute", "bios": "compute", "rack-switch": "network", "vswitch": "network", "nova": "vim"}
CATALOGUE = Catalogue.model_validate(
    {name: {"title": name, "domain": domain, "owner": "group"} for name, domain in DOMAINS.items()}
)
CLASSES = ("minor", "major")


def change(component: str = "nic", start: str | None = "8.20", to: str = "8.30", **more: Any) -> dict[str, Any]:
    given = {"component": component, "vendor": "V", "product": component, "to": to, "trigger": "firmware", **more}
    return given | ({"from": start} if start is not None else {})


def unit(*changes: dict[str, Any], **more: Any) -> ReleaseUnit:
    return ReleaseUnit.model_validate({"unit": "u", "type": "latest", "changes": list(changes), **more})


def test_one_component_is_small_several_of_a_domain_medium_several_domains_large() -> None:
    small = size_of(unit(change("nic")), CATALOGUE)
    assert (small.value, small.because) == ("small", ("one component changes: nic",))
    two_products = unit(change("nic", product="X710"), change("nic", product="E810"))
    assert size_of(two_products, CATALOGUE).value == "small"
    medium = size_of(unit(change("rack-switch"), change("vswitch")), CATALOGUE)
    assert medium.value == "medium"
    assert medium.because == ("2 components of one domain change, network: rack-switch, vswitch",)
    large = size_of(unit(change("nic"), change("bios"), change("nova")), CATALOGUE)
    assert large.value == "large"
    assert large.because == ("3 components of 2 domains change: compute: nic, bios; vim: nova",)


def test_a_component_in_no_catalogue_has_no_size() -> None:
    with pytest.raises(LookupError, match="no component is named 'nicc'"):
        size_of(unit(change("nicc")), CATALOGUE)


@pytest.mark.parametrize(
    ("given", "value", "why"),
    [
        (change(), "minor", "nic nic: minor, 8.20 → 8.30 keeps the leading release number (trigger firmware)"),
        (change(to="9.0"), "major", "8.20 → 9.0 changes the leading release number"),
        (change(start="0.9", to="0.10"), "major", "changes the leading release number"),
        (change(trigger="feature"), "major", "a feature changes functionality (trigger feature)"),
        (change(trigger="hardware"), "major", "other hardware changes performance"),
        (change(trigger="upgrade"), "major", "an upgrade changes functionality or architecture"),
        (change(start=None, trigger="new-vnf"), "major", "a new VNF has no baseline"),
        (change(start="10.2.3", to="10.2.3-h4", trigger="hotfix"), "major", "to be safe: 10.2.3 and 10.2.3-h4 cannot"),
        (change(start="3.08", to="3.1"), "major", "with and without a leading zero"),
        (change(start="8.30", to="8.20", rollback=True), "minor", "a rollback, which counts as the same step upwards"),
        (change(start="9.0", to="8.20", rollback=True), "major", "9.0 → 8.20 changes the leading release number"),
        (change(start="8.3", to="8.20", version_scheme="lexicographic", rollback=True), "minor", "a rollback"),
        (change(start="X710-2", to="X710-3", trigger="swap"), "minor", "(trigger swap)"),
        (change(start="X710-3", to="X710-2", trigger="swap"), "major", "to be safe: X710-3 → X710-2 does not go up"),
        (change(start="X710", to="E810", trigger="swap"), "major", "to be safe: X710 and E810 cannot be ordered"),
    ],
)
def test_the_class_of_a_change(given: dict[str, Any], value: str, why: str) -> None:
    found = class_of(unit(given))
    assert found.value == value
    assert len(found.because) == 1
    assert why in found.because[0]


def test_one_major_change_makes_the_unit_major_and_each_is_explained() -> None:
    found = class_of(unit(change("nic"), change("vswitch", to="9.1")))
    assert found.value == "major"
    assert [sentence.split(",")[0] for sentence in found.because] == ["nic nic: minor", "vswitch vswitch: major"]


def test_a_person_may_raise_and_it_is_told() -> None:
    raised = unit(change(), class_at_least="major", size_at_least="large")
    assert (size_of(raised, CATALOGUE).value, class_of(raised).value) == ("large", "major")
    assert size_of(raised, CATALOGUE).because[-1] == "raised from small by size_at_least: large"
    assert class_of(raised).because[-1] == "raised from minor by class_at_least: major"


def test_raising_below_what_is_derived_lowers_nothing() -> None:
    found = size_of(unit(change("nic"), change("nova"), size_at_least="medium"), CATALOGUE)
    assert (found.value, found.because[-1]) == ("large", "size_at_least: medium raises nothing: it is large already")


STEPS = st.sampled_from(
    [("8.20", "8.30"), ("8.20", "9.0"), ("1", "1a"), ("1.0", "1.1"), ("21.4R3-S2", "21.4R3-S3"), ("0.1", "0.2")]
)
TRIGGERS = st.sampled_from(["firmware", "hotfix", "feature", "upgrade", "swap", "update", "driver"])


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    start, to = draw(STEPS)
    down = draw(st.booleans())
    return change(
        draw(st.sampled_from(sorted(DOMAINS))),
        to if down else start,
        start if down else to,
        trigger=draw(TRIGGERS),
        rollback=down,
        product=draw(st.uuids().map(str)),
    )


RAISED = st.fixed_dictionaries(
    {"size_at_least": st.sampled_from([None, "medium", "large"]), "class_at_least": st.sampled_from([None, "major"])}
)


@given(st.lists(changes(), min_size=1, max_size=6), changes(), RAISED)
def test_size_and_class_never_fall_when_a_change_is_added(
    some: list[dict[str, Any]], one_more: dict[str, Any], raised: dict[str, Any]
) -> None:
    before, after = unit(*some, **raised), unit(*some, one_more, **raised)
    assert SIZES.index(size_of(after, CATALOGUE).value) >= SIZES.index(size_of(before, CATALOGUE).value)
    assert CLASSES.index(class_of(after).value) >= CLASSES.index(class_of(before).value)


@given(st.lists(changes(), min_size=1, max_size=6), RAISED)
def test_raising_never_lowers(some: list[dict[str, Any]], raised: dict[str, Any]) -> None:
    derived, higher = unit(*some), unit(*some, **raised)
    assert SIZES.index(size_of(higher, CATALOGUE).value) >= SIZES.index(size_of(derived, CATALOGUE).value)
    assert CLASSES.index(class_of(higher).value) >= CLASSES.index(class_of(derived).value)
    assert size_of(higher, CATALOGUE).because[0] == size_of(derived, CATALOGUE).because[0]
