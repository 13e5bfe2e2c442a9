"""The picture of a scope: every component once, where it belongs, told by colour, sign and words."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from nfvcert.catalogue import Catalogue
from nfvcert.judge import Verdict
from nfvcert.render import page, scope_picture, words
from nfvcert.scope import Scope, scope_of, with_tests
from nfvcert.testcase import CollectedTest

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<b>&\"'</title>"


def component(title: str = "A thing", **depends: list[str]) -> dict[str, object]:
    return {"title": title, "domain": "network", "owner": "group", **depends}


CATALOGUE = Catalogue.model_validate(
    {
        "nic": component(),
        "bmc": component(managed_by=["manager"]),
        "manager": component(),
        "host-os": component(HOSTILE, runs_on=["nic"], managed_by=["bmc"]),
        "vswitch": component(runs_on=["host-os"], talks_to=["nic"]),
        "vnf": component(runs_on=["vswitch"]),
    }
)


def scope(*changed: str, radius: int = 3, covered: tuple[str, ...] = (), catalogue: Catalogue = CATALOGUE) -> Scope:
    made = scope_of({"": changed}, catalogue, size="small", release_class="minor", radius=radius, untested_at_most=0)
    tests = [CollectedTest(f"t.py::test_{name}", name, frozenset(), (), covers=frozenset({name})) for name in covered]
    return with_tests(made, tests)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - we made it ourselves


def boxes(svg: str) -> dict[str, tuple[str, list[str], tuple[float, float]]]:
    """Component → class, texts, place (x, y) of its box."""
    found = {}
    for group in parsed(svg).iter(f"{SVG}g"):
        name, *texts = [text.text or "" for text in group.iter(f"{SVG}text")]
        box = next(group.iter(f"{SVG}rect"))
        assert name not in found
        found[name] = group.attrib["class"], texts, (float(box.attrib["x"]), float(box.attrib["y"]))
    return found


def test_every_affected_component_is_drawn_once_further_right_the_further_away() -> None:
    made = scope("nic")
    drawn = boxes(scope_picture.picture(made))
    assert set(drawn) == {each.component for each in made.affected}
    for each in made.affected:
        for other in made.affected:
            if len(each.path) < len(other.path):
                assert drawn[each.component][2][0] < drawn[other.component][2][0]


def test_no_two_boxes_lie_over_each_other() -> None:
    many = Catalogue.model_validate(
        {"core": component()}
        | {f"first-{n}": component(runs_on=["core"]) for n in range(40)}
        | {f"second-{n}": component(runs_on=[f"first-{n % 13}"]) for n in range(60)}
    )
    svg = scope_picture.picture(scope("core", catalogue=many))
    places = [
        (float(box.attrib["x"]), float(box.attrib["y"]), float(box.attrib["width"]), float(box.attrib["height"]))
        for box in parsed(svg).iter(f"{SVG}rect")
        if box.attrib["class"] == "box"
    ]
    assert len(places) == 101
    wide = float(parsed(svg).attrib["width"])
    for index, (x, y, w, h) in enumerate(places):
        assert x >= 0
        assert x + w <= wide
        for other_x, other_y, other_w, other_h in places[:index]:
            apart = x >= other_x + other_w or other_x >= x + w or y >= other_y + other_h or other_y >= y + h
            assert apart


def test_a_large_scope_fits_the_page() -> None:
    many = Catalogue.model_validate({"core": component()} | {f"c-{n}": component(runs_on=["core"]) for n in range(80)})
    root = parsed(scope_picture.picture(scope("core", radius=1, catalogue=many)))
    assert float(root.attrib["width"]) <= scope_picture.WIDTH
    assert float(root.attrib["height"]) < 1000


def test_what_is_known_is_told_by_class_sign_and_words() -> None:
    drawn = boxes(scope_picture.picture(scope("nic", "bmc", radius=1, covered=("nic", "vswitch"))))
    assert drawn["nic"][:2] == ("pass changes", ["changes", "✓ 1 test"])
    assert drawn["bmc"][:2] == ("fail changes", ["changes", "✕ untested"])
    assert drawn["vswitch"][:2] == ("pass", ["talks-to", "✓ 1 test"])
    assert drawn["manager"][:2] == ("inconclusive", ["manages", "? untested"])
    assert drawn["host-os"][:2] == ("inconclusive", ["managed-by", "? untested"])


def test_after_a_run_what_did_not_pass_is_never_told_like_what_did() -> None:
    made = scope("nic", radius=1, covered=("nic", "nic", "vswitch", "host-os"))
    verdicts = {"t.py::test_nic": Verdict.PASS, "t.py::test_vswitch": Verdict.FAIL}
    drawn = boxes(scope_picture.picture(made, verdicts=verdicts))
    assert drawn["nic"][:2] == ("pass changes", ["changes", "✓ 2 tests"])
    assert drawn["vswitch"][:2] == ("fail", ["talks-to", "✕ 1 failed"])
    assert drawn["host-os"][:2] == ("not-run", ["runs-on", f"{words.ICON['NOT_RUN']} 1 open"])
    nothing_ran = boxes(scope_picture.picture(made, verdicts={}))
    assert not [name for name, (kind, _, _) in nothing_ran.items() if "pass" in kind]


def test_what_was_certified_before_says_so_and_is_no_worst_case() -> None:
    parts = {"": ["nic"], "a": ["vswitch"], "b": ["bmc"]}
    made = scope_of(parts, CATALOGUE, size="medium", release_class="minor", radius=1, untested_at_most=0)
    drawn = boxes(scope_picture.picture(made))
    assert drawn["vswitch"][:2] == ("inconclusive changes", ["certified before", "? untested"])


@pytest.mark.parametrize("covered", [(), ("nic",), ("nic", "host-os", "vswitch", "vnf")])
def test_the_alternative_names_what_changes_and_what_nobody_tests(covered: tuple[str, ...]) -> None:
    made = scope("nic", radius=2, covered=covered)
    told = scope_picture.alternative(made)
    assert told.startswith("nic changes.")
    untested = {each.component for each in made.untested}
    if untested:
        assert all(name in told.partition("No planned test covers")[2] for name in untested)
    else:
        assert "cover all of them" in told
    assert parsed(scope_picture.picture(made)).attrib["aria-label"] == told


def test_titles_are_text_whatever_they_hold() -> None:
    svg = scope_picture.picture(scope("nic"))
    (title,) = [title.text or "" for title in parsed(svg).iter(f"{SVG}title") if "host-os" in (title.text or "")][:1]
    assert title.startswith(HOSTILE)
    assert "no planned test covers it" in title


def test_it_stands_alone_with_its_own_colours() -> None:
    svg = scope_picture.picture(scope("nic"), style=page.scope_style())
    style = parsed(svg).find(f"{SVG}style")
    assert style is not None
    assert style.text is not None
    used = set(re.findall(r"var\((--[\w-]+)\)", style.text))
    defined = set(re.findall(r"(--[\w-]+):", style.text))
    assert used <= defined
    assert "prefers-color-scheme: dark" in style.text
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", svg)


def test_same_scope_same_picture() -> None:
    assert scope_picture.picture(scope("nic")) == scope_picture.picture(scope("nic"))
