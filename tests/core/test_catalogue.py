"""The component catalogue: what it refuses, how far a change is followed, and who may name what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvcert import files
from nfvcert.catalogue import RELATIONS, Catalogue, FactSource
from nfvcert.catalogue_files import check_lab, check_tests, check_unit, has_catalogue, read_catalogue, unknown
from nfvcert.errors import FileError, UsageError
from nfvcert.lab import Lab
from nfvcert.release import ReleaseUnit
from nfvcert.testcase import CollectedTest

COMPONENTS = """\
nic: {title: Adapter, domain: compute, owner: hardware-vendor, facts: [{redfish: nic}]}
host-os: {title: Host, domain: compute, owner: infrastructure-vendor, runs_on: [nic]}
vswitch:
  title: Switch
  domain: network
  owner: sdn-vendor
  runs_on: [host-os]
  talks_to: [rack-switch]
  managed_by: [sdn-controller]
rack-switch: {title: Rack switch, domain: network, owner: hardware-vendor}
sdn-controller: {title: Controller, domain: network, owner: sdn-vendor, runs_on: [host-os]}
"""


def written(folder: Path, text: str = COMPONENTS) -> Path:
    """A folder of test models with a catalogue."""
    (folder / "components.yaml").write_text(text)
    return folder


def refused(folder: Path, text: str) -> str:
    with pytest.raises(FileError) as caught:
        read_catalogue(written(folder, text))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return read_catalogue(written(tmp_path))


# the file


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "runs_on: [nic]",
            "runs_on: [nicc]",
            "components.yaml:2: host-os.runs_on[0]: no component is named 'nicc'\n  did you mean nic?",
        ),
        ("runs_on: [nic]", "runs_on: [host-os]", "components.yaml:2: host-os.runs_on[0]: host-os depends on itself"),
        ("runs_on: [nic]", "runs_on: [nic, nic]", "components.yaml:2: host-os.runs_on[1]: nic is named twice"),
        ("domain: network\n", "domain: netwrok\n", "components.yaml:5: vswitch.domain: found 'netwrok' (a string)"),
        ("runs_on: [nic]", "run_on: [nic]", "components.yaml:2: host-os.run_on: unknown key\n  did you mean runs_on?"),
        ("  title: Switch\n", "", "vswitch.title: missing"),
        ("{redfish: nic}", "{redfish: nic, ssh: os}", "a source of facts is one of ssh, package, command"),
        ("{redfish: nic}", "{}", "a source of facts is one of ssh, package, command"),
        ("{redfish: nic}", "{command: show version}", "command and pattern go together"),
        ("{redfish: nic}", "{ssh: os, pattern: (x)}", "command and pattern go together"),
        ("rack-switch: {title", "Rack_switch: {title", "'Rack_switch' as a key"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in COMPONENTS
    assert said in refused(tmp_path, COMPONENTS.replace(old, new, 1))


def test_what_runs_on_what_may_not_go_round_in_a_circle(tmp_path: Path) -> None:
    text = COMPONENTS.replace("facts: [{redfish: nic}]", "runs_on: [sdn-controller]")
    said = refused(tmp_path, text)
    assert "what runs on what goes round in a circle: " in said
    circle = said.partition("circle: ")[2].splitlines()[0].split(" → ")
    assert circle[0] == circle[-1]
    assert set(circle) == {"nic", "host-os", "sdn-controller"}


def test_peers_may_name_each_other(tmp_path: Path) -> None:
    text = COMPONENTS.replace("owner: hardware-vendor}", "owner: hardware-vendor, talks_to: [vswitch]}")
    assert len(read_catalogue(written(tmp_path, text))) == 5


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("Version", "one group ( ) is needed, around the version; it has 0"),
        ("(a)(b)", "one group ( ) is needed, around the version; it has 2"),
        ("(unclosed", "no regular expression: missing )"),
        ("(" * 4000 + "a" + ")" * 4000, "no regular expression"),
        ("(a{99999999999999999999})", "no regular expression"),
    ],
)
def test_a_pattern_takes_one_version(tmp_path: Path, pattern: str, said: str) -> None:
    source = f"{{command: show version, pattern: '{pattern}'}}"
    assert f"nic.facts[0].pattern: {said}" in refused(tmp_path, COMPONENTS.replace("{redfish: nic}", source))


def test_two_sources_never_share_the_name_of_their_fact() -> None:
    one = FactSource(command="show version", pattern=r"NXOS: version (\S+)")
    other = FactSource(command="show version", pattern=r"BIOS: version (\S+)")
    assert one.fact != other.fact
    kinds = [FactSource(ssh="nic"), FactSource(redfish="nic"), FactSource(package="nic"), one, other]
    assert len({source.fact for source in kinds}) == len(kinds)


def test_a_folder_without_a_catalogue_is_told_what_it_is_for(tmp_path: Path) -> None:
    assert not has_catalogue(tmp_path)
    with pytest.raises(FileError, match=r"components\.yaml: there is no component catalogue\n  .*can break"):
        read_catalogue(tmp_path)
    assert has_catalogue(written(tmp_path))


# who names components


def test_an_unknown_component_is_told_with_the_nearest(catalogue: Catalogue) -> None:
    assert unknown(catalogue, "nic") == ""
    said = unknown(catalogue, "rack-swich")
    assert said == "no component of the catalogue is named 'rack-swich'; did you mean rack-switch?"
    assert unknown(catalogue, "zzz") == "no component of the catalogue is named 'zzz'"


def test_a_unit_is_held_against_the_catalogue(tmp_path: Path, catalogue: Catalogue) -> None:
    path = tmp_path / "u.yaml"
    change = '{{component: {}, vendor: V, product: P, from: "1", to: "2", trigger: firmware}}'
    head = "unit: u\ntype: GA\nvendor: V\nchanges:\n"
    path.write_text(f"{head}  - {change.format('nic')}\n")
    check_unit(path, files.load(ReleaseUnit, path), catalogue)
    path.write_text(f"{head}  - {change.format('nic')}\n  - {change.format('vswich')}\n  - {change.format('hostos')}\n")
    with pytest.raises(FileError) as caught:
        check_unit(path, files.load(ReleaseUnit, path), catalogue)
    said = str(caught.value)
    assert "u.yaml:6: changes[1].component: no component of the catalogue is named 'vswich'" in said
    assert "did you mean vswitch?" in said
    assert "also line 7: changes[2].component" in said
    issues = "known_issues: [{id: '1', title: t, component: vswich}]\n"
    path.write_text(f"{head}  - {change.format('nic')}\n{issues}")
    with pytest.raises(FileError, match=r"u\.yaml:6: known_issues\[0\]\.component"):
        check_unit(path, files.load(ReleaseUnit, path), catalogue)


def test_an_inventory_is_held_against_the_catalogue(tmp_path: Path, catalogue: Catalogue) -> None:
    path = tmp_path / "a.yaml"
    text = """\
lab: a
owner: {organisation: A, role: hq}
environment: lab
provider: embedded
profile: p
networks: {m: {subnet: 10.0.0.0/24}}
hosts:
  leaf: {roles: [switch], addresses: {m: 10.0.0.2}, components: [rack-switch]}
  node: {roles: [compute], addresses: {m: 10.0.0.3}, components: [host-os, nics]}
"""
    path.write_text(text)
    with pytest.raises(FileError, match=r"a\.yaml:9: hosts\.node\.components\[1\].*'nics'\n  did you mean nic\?"):
        check_lab(path, files.load(Lab, path), catalogue)
    path.write_text(text.replace("nics", "nic"))
    check_lab(path, files.load(Lab, path), catalogue)


def covering(name: str, *covers: str) -> CollectedTest:
    return CollectedTest(name, name, frozenset(), (), covers=frozenset(covers))


def test_tests_are_held_against_the_catalogue(catalogue: Catalogue) -> None:
    check_tests([covering("a", "nic"), covering("b")], catalogue)
    with pytest.raises(UsageError) as caught:
        check_tests([covering("a", "nic"), covering("t.py::b", "vswich", "nic"), covering("t.py::c", "x")], catalogue)
    assert str(caught.value).splitlines() == [
        "t.py::b: covers('vswich'): no component of the catalogue is named 'vswich'; did you mean vswitch?",
        "  also t.py::c: covers('x'): no component of the catalogue is named 'x'",
    ]


# how far a change is followed


NAMES = [f"c{number}" for number in range(9)]


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Any: runs-on only downwards, as there is no circle; one relation a pair."""
    found: dict[str, Any] = {}
    for index, name in enumerate(NAMES):
        component: dict[str, Any] = {"title": name, "domain": "vim", "owner": "group"}
        for other in NAMES:
            allowed = ["", *RELATIONS] if other in NAMES[:index] else ["", "talks_to", "managed_by"]
            if other != name and (key := draw(st.sampled_from(["", "", *allowed]))):
                component.setdefault(key, []).append(other)
        found[name] = component
    return Catalogue.model_validate(found)


some = st.sets(st.sampled_from(NAMES), min_size=1)


@settings(deadline=None)
@given(catalogues(), some, some, st.integers(0, 4))
def test_more_changes_and_more_steps_never_reach_less(
    catalogue: Catalogue, changed: set[str], more: set[str], radius: int
) -> None:
    reached = catalogue.reached(changed, radius)
    assert changed <= set(reached)
    assert all(len(path) <= radius for path in reached.values())
    for wider in (catalogue.reached(changed | more, radius), catalogue.reached(changed, radius + 1)):
        assert set(reached) <= set(wider)
        assert all(len(wider[name]) <= len(path) for name, path in reached.items())


@settings(deadline=None)
@given(catalogues(), some, st.integers(0, 4))
def test_every_path_leads_from_a_change_along_declared_dependencies(
    catalogue: Catalogue, changed: set[str], radius: int
) -> None:
    declared = set(map(str, catalogue.dependencies()))
    for name, path in catalogue.reached(changed, radius).items():
        here = path[0].via if path else name
        assert here in changed
        for step in path:
            assert step.via == here
            assert str(step.dependency) in declared
            assert {step.via, step.component} == {step.dependency.component, step.dependency.on}
            # A thing is never reached from what runs on it.
            assert step.dependency.relation != "runs-on" or step.component == step.dependency.component
            here = step.component
        assert here == name


@settings(deadline=None)
@given(catalogues())
def test_nothing_that_depends_directly_is_missed(catalogue: Catalogue) -> None:
    for dependency in catalogue.dependencies():
        assert dependency.component in catalogue.reached([dependency.on], 1)
        if dependency.relation != "runs-on":
            assert dependency.on in catalogue.reached([dependency.component], 1)


def test_a_change_of_nothing_known_is_an_error(catalogue: Catalogue) -> None:
    with pytest.raises(LookupError, match="'nics'"):
        catalogue.reached(["nic", "nics"], 1)
