"""What a release unit may say, and where its file is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from nfvcert import campaign_files, files
from nfvcert.catalogue import FactSource
from nfvcert.errors import FileError, UsageError
from nfvcert.release import ReleaseUnit, Trigger

ROOT = Path(__file__).parent.parent.parent
SHIPPED = sorted(
    path
    for folder in ("releases", "releases/examples")
    for path in (ROOT / folder).glob("*.yaml")
    if path.name not in files.NOT_NAMED
)
DIGEST = "AB" * 32
NIC = f"""\
unit: nic-fw-8.30
title: Firmware of the adapters
type: maintenance
vendor: Example
changes:
  - component: nic
    vendor: Example
    product: X710
    from: "8.20"
    to: "8.30"
    trigger: firmware
    artefact: {{uri: "https://downloads.example/8.30.bin", sha256: {DIGEST}}}
    present_if: {{redfish: nic}}
  - {{component: host-os, vendor: Debian, product: Linux, from: 6.1.1, to: 6.1.2, trigger: driver}}
maintains: nic-fw-8
known_issues:
  - {{id: "1041", title: An LED stays amber, component: host-os}}
  - {{id: "1042", title: A warning in the log}}
sbom: {{path: x710.cdx.json, sha256: {"cd" * 32}}}
builds_on:
  - {{unit: part-1, record: ../reports/a/record.json, sha256: {"1a" * 32}}}
  - {{unit: part-2, record: ../reports/b/record.json, sha256: {"2a" * 32}}}
"""


def wrong(tmp_path: Path, old: str, new: str) -> FileError:
    """The error of the unit above in which some text, found once, is replaced."""
    assert NIC.count(old) == 1, old
    path = tmp_path / "nic-fw-8.30.yaml"
    path.write_text(NIC.replace(old, new))
    with pytest.raises(FileError) as caught:
        campaign_files.read_release(str(path))
    assert caught.value.path == path
    return caught.value


def test_a_good_unit(tmp_path: Path) -> None:
    path = tmp_path / "nic-fw-8.30.yaml"
    path.write_text(NIC)
    unit, found = campaign_files.read_release("nic-fw-8.30", [tmp_path])
    assert found == path
    assert (unit.unit, unit.type, unit.vendor) == ("nic-fw-8.30", "maintenance", "Example")
    firmware, driver = unit.changes
    assert (firmware.component, firmware.from_version, firmware.to_version) == ("nic", "8.20", "8.30")
    assert firmware.artefact is not None
    assert firmware.artefact.sha256 == DIGEST.lower()
    assert firmware.present_if == FactSource(redfish="nic")
    assert (driver.trigger, driver.artefact, driver.present_if) == ("driver", None, None)
    assert (unit.maintains, [issue.id for issue in unit.known_issues]) == ("nic-fw-8", ["1041", "1042"])
    assert unit.sbom is not None
    assert unit.builds_on is not None
    assert [part.unit for part in unit.builds_on] == ["part-1", "part-2"]
    assert ReleaseUnit.model_validate_json(unit.model_dump_json(by_alias=True)) == unit
    assert campaign_files.read_release(str(path)) == (unit, path)


def test_a_new_vnf_comes_from_no_version(tmp_path: Path) -> None:
    path = tmp_path / "vepc-1.0.yaml"
    change = "{component: vnf, vendor: V, product: vEPC, to: '1.0', trigger: new-vnf}"
    path.write_text(f"unit: vepc-1.0\ntype: GA\nvendor: V\nchanges: [{change}]\n")
    assert campaign_files.read_release(str(path))[0].changes[0].from_version is None


def test_every_trigger_of_the_group_has_a_word() -> None:
    """Those of "Triggers for verification and certification", one by one."""
    assert get_args(Trigger) == (
        *("hotfix", "service-pack", "feature", "management-model", "hardware", "driver", "firmware"),
        *("host-os", "libvirt", "agent", "update", "upgrade", "new-vnf", "customisation", "swap"),
    )


LINUX = "{component: host-os, vendor: Debian, product: Linux, from: 6.1.1, to: 6.1.2, trigger: driver}"


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "said"),
    [
        (
            LINUX,
            "{component: nic, vendor: Other, product: x710, from: '1', to: '2', trigger: driver}",
            14,
            "changes[1].product",
            "nic x710 changes twice, first in changes[0]",
        ),
        ('to: "8.30"', 'to: "8.20"', 10, "changes[0].to", "from 8.20 to 8.20 is no change"),
        (
            'from: "8.20"\n    ',
            "",
            6,
            "changes[0]",
            "a change needs the version that it comes from; only a new VNF has none",
        ),
        (
            "trigger: firmware",
            "trigger: new-vnf",
            9,
            "changes[0].from",
            "trigger new-vnf, and yet there was a version 8.20 before",
        ),
        (
            DIGEST,
            "abc",
            12,
            "changes[0].artefact.sha256",
            "a SHA-256 digest has 64 hexadecimal digits, as sha256sum prints them; found 'abc' (a string)",
        ),
        (
            DIGEST,
            "1234",
            12,
            "changes[0].artefact.sha256",
            "found 1234 (a number), expected a string like the 64 digits of sha256sum",
        ),
        (
            'from: "8.20"',
            "from: 8.20",
            9,
            "changes[0].from",
            "found 8.20 (a number), expected a string, not empty: quote it",
        ),
        (
            'to: "8.30"',
            'to: "8.30 "',
            10,
            "changes[0].to",
            "a version has no spaces, and is not empty; found '8.30 ' (a string)",
        ),
        ('to: "8.30"', "version: '8.30'", 6, "changes[0].to", "missing, expected a string, not empty"),
        ("type: maintenance", "type: maintenence", 3, "type", "did you mean maintenance?"),
        ("type: maintenance\n", "", 1, "type", "missing, expected one of GA, maintenance, latest"),
        ("trigger: firmware", "trigger: firmwere", 11, "changes[0].trigger", "did you mean firmware?"),
        ("component: nic", "componnet: nic", 6, "changes[0].componnet", "unknown key\n  did you mean component?"),
        ("product: X710", "product: ''", 8, "changes[0].product", "found '' (a string), expected a string, not empty"),
        ("{redfish: nic}", "{}", 13, "changes[0].present_if", "a source of facts is one of ssh, package, command"),
        ("{redfish: nic}", "{redfish: nic, ssh: os}", 13, "changes[0].present_if", "is one of ssh, package, command"),
        ("{redfish: nic}", "{redfsh: nic}", 13, "changes[0].present_if.redfsh", "did you mean redfish?"),
        # the rules of the types
        ("maintains: nic-fw-8\n", "", 3, "type", "maintains: UNIT is missing"),
        ("type: maintenance", "type: latest", 15, "maintains", "only a maintenance unit maintains another"),
        ("maintains: nic-fw-8\n", "maintains: nic-fw-8.30\n", 15, "maintains", "nic-fw-8.30 maintains itself"),
        ("type: maintenance\nvendor: Example", "type: GA", 3, "type", "names the vendor that supports it"),
        # versions
        ('to: "8.30"', 'to: "8.10"', 10, "changes[0].to", "from 8.20 to 8.10 goes down: say rollback: true if that"),
        ('to: "8.30"', 'to: "8.20.0"', 10, "changes[0].to", "it is the same version, written differently"),
        ("    trigger: firmware", "    trigger: firmware\n    rollback: true", 12, "changes[0].rollback", "does not"),
        ('to: "8.30"', f'to: "{"9" * 101}"', 10, "changes[0].to", "a version has 100 characters at most"),
        ('to: "8.30"', 'to: "8.30"\n    version_scheme: debb', 11, "changes[0].version_scheme", "did you mean deb?"),
        # what it points to
        ("path: x710.cdx.json", "path: /x710.json", 19, "sbom.path", "a path relative to this file is needed"),
        ('"1042"', '"1041"', 18, "known_issues[1].id", "1041 is given twice, first in known_issues[0]"),
        ("unit: part-2", "unit: part-1", 22, "builds_on[1].unit", "part-1 is given twice, first in builds_on[0]"),
        ("2a" * 32, "1a" * 32, 22, "builds_on[1].sha256", "is given twice"),
        ("unit: part-1", "unit: nic-fw-8.30", 21, "builds_on[0].unit", "nic-fw-8.30 builds on itself"),
        # a person may raise, and never lower
        ("title: Firm", "class_at_least: minor\ntitle: Firm", 2, "class_at_least", "expected major"),
        ("title: Firm", "size_at_least: small\ntitle: Firm", 2, "size_at_least", "expected one of medium, large"),
        ("title: Firm", "size: small\ntitle: Firm", 2, "size", "unknown key"),
        (
            "unit: nic-fw-8.30",
            "unit: nic-fw-8.31",
            1,
            "unit",
            "found 'nic-fw-8.31' (a string), expected nic-fw-8.30, as the file is named",
        ),
        (
            "unit: nic-fw-8.30",
            "unit: NIC",
            1,
            "unit",
            "a release unit's name has lower-case letters, digits and single inner dots and dashes, 60 characters",
        ),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, line: int, key: str, said: str) -> None:
    error = wrong(tmp_path, old, new)
    assert (error.line, error.key) == (line, key)
    assert said in str(error)


def test_a_unit_without_a_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    for given in ("changes: []", "changes:"):
        path.write_text(f"unit: none\ntype: latest\n{given}\n")
        with pytest.raises(FileError, match=r":3: changes: found .*, expected a list of 1 at least$"):
            campaign_files.read_release(str(path))


@pytest.mark.parametrize("user", ["bob:hunter2@", "hunter2@", ":hunter2@", "hunter2%40@"])
def test_a_secret_in_a_uri_is_refused_and_never_repeated(tmp_path: Path, user: str) -> None:
    error = wrong(tmp_path, "https://downloads", f"https://{user}downloads")
    assert (error.line, error.key) == (12, "changes[0].artefact.uri")
    assert str(error).endswith("a URI with a user or a password in it: secrets are never written here")
    assert not [each for each in (error, error.__cause__, error.__context__) if "hunter2" in repr(each)]


def test_an_unknown_unit_lists_near_misses_and_all_units(tmp_path: Path) -> None:
    (tmp_path / "nic-fw-8.30.yaml").write_text(NIC)
    with pytest.raises(UsageError) as caught:
        campaign_files.read_release("nic-fw-8.3", [tmp_path])
    assert str(caught.value) == (
        "no release unit is named 'nic-fw-8.3'\n  did you mean nic-fw-8.30?\n"
        f"  release units: nic-fw-8.30 (in {tmp_path})"
    )
    with pytest.raises(UsageError, match=r"there is no such file\n  did you mean nic-fw-8\.30\.yaml"):
        campaign_files.read_release(str(tmp_path / "nic-fw-8.31.yaml"))


# what is shipped


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_shipped_units_are_good_and_editors_agree(path: Path) -> None:
    assert campaign_files.read_release(path.stem, [path.parent])[0].title
    validator = jsonschema.Draft202012Validator(files.schemas()["release"])
    validator.check_schema(files.schemas()["release"])
    assert not list(validator.iter_errors(files.read_document(path).data))
    schema = os.path.relpath(ROOT / "releases/schema/release.schema.json", path.parent)
    assert path.read_text().startswith(f"# yaml-language-server: $schema={schema}\n")


def test_a_unit_that_builds_on_nothing_does_not_say_so(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    change = "{component: nic, vendor: V, product: P, from: '1', to: '2', trigger: firmware}"
    path.write_text(f"unit: none\ntype: latest\nchanges: [{change}]\nbuilds_on: []\n")
    with pytest.raises(FileError, match=r":4: builds_on: found an empty list, expected a list of 1 at least"):
        campaign_files.read_release(str(path))


@pytest.mark.parametrize("trigger", ["swap", "hardware"])
def test_versions_of_two_pieces_of_equipment_go_neither_up_nor_down(trigger: str) -> None:
    change = {"component": "nic", "vendor": "V", "product": "P", "from": "X710-3", "to": "X710-2", "trigger": trigger}
    ReleaseUnit.model_validate({"unit": "u", "type": "latest", "changes": [change]})


def test_a_rollback_goes_down_and_says_so() -> None:
    change = {"component": "nic", "vendor": "V", "product": "P", "from": "8.3", "to": "8.2", "trigger": "firmware"}
    ReleaseUnit.model_validate({"unit": "u", "type": "latest", "changes": [change | {"rollback": True}]})
    decimal = change | {"from": "8.20", "to": "8.3", "version_scheme": "lexicographic"}
    ReleaseUnit.model_validate({"unit": "u", "type": "latest", "changes": [decimal]})


def test_shipped_units_speak_of_components_that_the_shipped_labs_have() -> None:
    labs = [files.read_lab(path) for path in files.lab_files([ROOT / "lab_inventory"]).values()]
    known = {component for lab in labs for host in lab.hosts.values() for component in host.components}
    units = [campaign_files.read_release(str(path))[0] for path in SHIPPED]
    assert {change.component for unit in units for change in unit.changes} <= known


def test_the_committed_schema_is_that_of_the_model() -> None:
    committed = ROOT / "releases" / "schema" / "release.schema.json"
    assert committed.read_text() == files.schema_text("release"), "write files.schema_text('release') to it"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type: maintenance", "type: ga"),
        ('from: "8.20"', "from: 8.20"),
        ('to: "8.30"', 'to: "8 30"'),
        ("trigger: firmware", "trigger: whim"),
        (DIGEST, "abc"),
        ("component: nic", "componnet: nic"),
    ],
)
def test_editors_see_mistakes_too(tmp_path: Path, old: str, new: str) -> None:
    assert NIC.count(old) == 1
    path = tmp_path / "nic-fw-8.30.yaml"
    path.write_text(NIC.replace(old, new))
    data = files.read_document(path).data
    assert list(jsonschema.Draft202012Validator(files.schemas()["release"]).iter_errors(data))
