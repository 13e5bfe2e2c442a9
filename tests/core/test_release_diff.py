"""Two states become the unit that leads from one to the other; what they do not tell is left to fill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nfvcert.campaign_files import read_release
from nfvcert.catalogue import Catalogue
from nfvcert.errors import FileError, UsageError
from nfvcert.release_diff import diff
from nfvcert.release_files import check_sbom

CATALOGUE = Catalogue.model_validate(
    {
        "nic": {"title": "Adapter", "domain": "compute", "owner": "group", "facts": [{"redfish": "nic"}]},
        "host-os": {"title": "Host OS", "domain": "compute", "owner": "group", "facts": [{"ssh": "os"}]},
        "rack-switch": {"title": "Rack switch", "domain": "network", "owner": "group", "facts": [{"ssh": "os"}]},
        "vswitch": {
            "title": "Virtual switch",
            "domain": "network",
            "owner": "group",
            "facts": [{"package": "openvswitch-switch"}, {"package": "openvswitch"}],
        },
    }
)
UNIT = """\
unit: {name}
title: A pack
type: maintenance
maintains: pack-1
vendor: Example
size_at_least: large
changes:
  - component: nic
    vendor: Example
    product: "X710: two ports"
    from: "8.10"
    to: "{nic}"
    trigger: firmware
    artefact: {{uri: "https://downloads.example/a?b=c&d", sha256: {digest}}}
    present_if: {{redfish: nic}}
  - {{component: vswitch, vendor: Linux Foundation, product: Open vSwitch, from: 3.3.0, to: {ovs}, trigger: hotfix}}
{more}"""
INVENTORY = """\
lab: pop-1
owner: {organisation: A, role: hq}
environment: lab
provider: embedded
profile: p
hosts:
  leaf-1: {roles: [switch], components: [rack-switch]}
  compute-1: {roles: [compute], components: [host-os, nic, vswitch]}
  compute-2: {roles: [compute], components: [host-os, nic, vswitch]}
"""


def unit(folder: Path, name: str, nic: str, ovs: str, more: str = "") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(UNIT.format(name=name, nic=nic, ovs=ovs, more=more, digest="ab" * 32))
    return path


def facts(folder: Path, name: str, **hosts: dict[str, str]) -> Path:
    told = {host.replace("_", "-"): of for host, of in hosts.items()}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"lab": "pop-1", "taken": "2026-11-25T10:00:00+00:00", "facts": told, "sha256": "0"}))
    return path


def bom(folder: Path, name: str, product: str, version: str, **parts: str) -> Path:
    components = [{"type": "library", "name": part.replace("_", "-"), "version": of} for part, of in parts.items()]
    about: dict[str, Any] = {
        "type": "application",
        "name": product,
        "version": version,
        "supplier": {"name": "Example"},
    }
    plain = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": about}, "components": components}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(plain))
    return path


def written(folder: Path, a: Path, b: Path, **filled: str) -> str:
    """The text, and proof that what is not marked is right: with the marked places filled, the file is accepted."""
    text = diff(a, b, CATALOGUE, unit="new-1", folder=folder, inventories=[folder / "labs"])
    lines = []
    for line in text.splitlines():
        key = line.partition(":")[0].removeprefix("  - ").strip()
        lines.append(f"{line.partition('#')[0].rstrip()} {filled[key]}" if "  # to fill: " in line else line)
    (folder / "new-1.yaml").write_text("\n".join(lines) + "\n")
    read_release(str(folder / "new-1.yaml"))
    return text


def lab(folder: Path) -> None:
    (folder / "labs").mkdir()
    (folder / "labs" / "pop-1.yaml").write_text(INVENTORY)


# two units


def test_two_units(tmp_path: Path) -> None:
    issues = "known_issues: [{id: 'a: b', title: '# c', component: nic}]\n"
    text = written(tmp_path, unit(tmp_path, "old-1", "8.20", "3.3.2"), unit(tmp_path, "old-2", "8.30", "3.3.2", issues))
    assert "to fill: " not in text
    new = read_release(str(tmp_path / "new-1.yaml"))[0]
    (change,) = new.changes
    assert (change.component, change.product) == ("nic", "X710: two ports")
    assert (change.from_version, change.to_version, change.rollback) == ("8.20", "8.30", False)
    assert change.artefact is not None
    assert change.present_if is not None
    assert (new.type, new.maintains, new.size_at_least) == ("maintenance", "pack-1", "large")
    assert [(issue.id, issue.title) for issue in new.known_issues] == [("a: b", "# c")]


def test_a_version_that_goes_down_is_marked_as_a_rollback(tmp_path: Path) -> None:
    text = written(tmp_path, unit(tmp_path, "old-1", "8.30", "3.3.2"), unit(tmp_path, "old-2", "8.20", "3.3.2"))
    assert "    rollback: true  # the version goes down\n" in text


def test_units_without_a_difference_leave_nothing_to_certify(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no component changes: there is nothing to certify"):
        written(tmp_path, unit(tmp_path, "old-1", "8.20", "3.3.2"), unit(tmp_path, "old-2", "8.20", "3.3.2"))


# two bills of materials


def test_two_sboms(tmp_path: Path) -> None:
    a = bom(tmp_path, "a", "NFV pack", "1.1", openvswitch_switch="3.3.1", zlib="1.2", gone="1")
    b = bom(tmp_path, "b", "NFV pack", "1.2", openvswitch_switch="3.3.2", zlib="1.3")
    text = written(tmp_path, a, b, type="latest", component="nic", trigger="hotfix", vendor="V")
    new, path = read_release(str(tmp_path / "new-1.yaml"))
    assert [(each.product, each.from_version, each.to_version) for each in new.changes] == [
        ("NFV pack", "1.1", "1.2"),
        ("openvswitch-switch", "3.3.1", "3.3.2"),
    ]
    assert new.changes[1].component == "vswitch"
    assert "# within it: zlib 1.2 → 1.3\n" in text
    assert "# within it: gone 1 → absent\n" in text
    assert "  - component:  # to fill: its name in components.yaml\n    vendor: Example\n" in text
    assert check_sbom(path, new) is not None


def test_sboms_of_two_products_are_not_compared(tmp_path: Path) -> None:
    a, b = bom(tmp_path, "a", "One", "1.1"), bom(tmp_path, "b", "Other", "1.2")
    with pytest.raises(UsageError, match="one is the SBOM of One, the other of Other"):
        written(tmp_path, a, b)


# facts of labs


OLD = {"os": "12.7", "kernel": "6.1.1", "redfish nic": "8.20", "package openvswitch-switch": "3:3.3.1-1"}


def test_two_fingerprints_of_a_lab_that_is_known(tmp_path: Path) -> None:
    lab(tmp_path)
    new = OLD | {"os": "12.8", "redfish nic": "8.30", "kernel": "6.1.2"}
    a = facts(tmp_path, "a", leaf_1={"os": "4.1.7"}, compute_1=OLD, compute_2=OLD)
    b = facts(tmp_path, "b", leaf_1={"os": "4.2.0"}, compute_1=new, compute_2=new)
    text = written(tmp_path, a, b, type="latest", vendor="V", trigger="host-os")
    unit = read_release(str(tmp_path / "new-1.yaml"))[0]
    assert {(each.component, each.from_version, each.to_version) for each in unit.changes} == {
        ("host-os", "12.7", "12.8"),
        ("nic", "8.20", "8.30"),
        ("rack-switch", "4.1.7", "4.2.0"),
    }
    assert "    present_if: {redfish: nic}\n" in text
    assert "    trigger: firmware\n" in text
    assert "  # redfish nic: 8.20 → 8.30 on compute-1, compute-2\n" in text
    assert "# of no component: kernel on compute-2: 6.1.1 → 6.1.2\n" in text


def test_a_fact_that_may_be_of_several_components_is_left_to_fill(tmp_path: Path) -> None:
    a, b = facts(tmp_path, "a", compute_1={"os": "12.7"}), facts(tmp_path, "b", compute_1={"os": "12.8"})
    text = written(tmp_path, a, b, type="latest", vendor="V", trigger="host-os", component="host-os", product="Debian")
    assert "  - component:  # to fill: one of host-os, rack-switch\n" in text


def test_hosts_that_differ_are_never_made_one(tmp_path: Path) -> None:
    """A unit that said 8.30 for all would be found absent at best."""
    lab(tmp_path)
    a = facts(tmp_path, "a", compute_1={"redfish nic": "8.20"}, compute_2={"redfish nic": "8.10"})
    b = facts(tmp_path, "b", compute_1={"redfish nic": "8.30"}, compute_2={"redfish nic": "8.20, 8.30"})
    text = written(tmp_path, a, b, **{"type": "latest", "vendor": "V", "from": "'1'", "to": "'2'"})
    assert "    from:  # to fill: the version in use today\n    to:  # to fill: " in text
    assert "  # redfish nic: 8.20 → 8.30 on compute-1\n  # redfish nic: 8.10 → 8.20, 8.30 on compute-2\n" in text


def test_a_fact_that_is_told_only_once(tmp_path: Path) -> None:
    lab(tmp_path)
    a = facts(tmp_path, "a", compute_1={"kernel": "6.1", "redfish nic": "8.20"}, compute_2=OLD)
    b = facts(tmp_path, "b", compute_1={"kernel": "6.1"})
    text = written(tmp_path, a, b, type="latest", vendor="V", to='"8.30"')
    assert "    to:  # to fill: the version that is certified\n" in text
    assert "# host compute-2 is only in the earlier of the two\n" in text


def test_what_a_device_says_does_not_leave_its_comment(tmp_path: Path) -> None:
    lab(tmp_path)
    a = facts(tmp_path, "a", compute_1={"redfish nic": "8.20", "cpu": "x"})
    b = facts(tmp_path, "b", compute_1={"redfish nic": "8.30", "cpu": "x\nrollback: true\n"})
    text = written(tmp_path, a, b, type="latest", vendor="V")
    assert "# of no component: cpu on compute-1: x → x rollback: true\n" in text


# kinds


def test_two_kinds_are_not_compared(tmp_path: Path) -> None:
    a, b = unit(tmp_path, "old-1", "8.20", "3.3.2"), bom(tmp_path, "b", "X710", "8.30")
    with pytest.raises(UsageError, match=r"old-1\.yaml is a release unit and .*b\.json is an SBOM: two of one kind"):
        written(tmp_path, a, b)


@pytest.mark.parametrize("content", ["", "{}", "[]", "3", '{"facts": {"a": "b"}, "lab": "x"}', "<a/>", "unit: a"])
def test_what_is_no_state_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(FileError) as caught:
        written(tmp_path, path, path)
    assert caught.value.path == path


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read: No such file"):
        written(tmp_path, tmp_path / "a.json", tmp_path / "a.json")
