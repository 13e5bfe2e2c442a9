"""`nfvcert lab facts` and `lab diff`: what a lab is now, as a file, and what differs from another time."""

from __future__ import annotations

import json

from tests.plugin.conftest import Project

HOSTS = """
  compute-1:
    roles: [compute]
    components: [host-os, vswitch]
    addresses: {management: 10.77.0.11}
    emulates: {os: {id: debian, version: "12.8"}, packages: {openvswitch-switch: 3.3.2-1}}
"""
COMPONENTS = """
host-os: {title: Host OS, domain: compute, owner: infrastructure-vendor, facts: [{ssh: os}]}
vswitch:
  {title: Virtual switch, domain: network, owner: sdn-vendor,
   facts: [{package: openvswitch-switch}, {command: echo version 7, pattern: "version (.*)"}]}
"""


def prepared(project: Project) -> Project:
    project.write("testmodels/components.yaml", COMPONENTS)
    project.add_labs("opco-ru", more=HOSTS)
    project.suite('def test_it(kpi): kpi.measure("network.test.speed", 200.0)')
    return project


def test_facts_are_those_of_the_hosts_components_and_the_same_twice(project: Project) -> None:
    prepared(project)
    assert "2 hosts of lab opco-ru, sha256 " in project.command("lab", "facts", "opco-ru", "-o", "one.json")
    facts = json.loads((project.folder / "one.json").read_text())
    assert facts["facts"]["compute-1"]["os"] == "12.8"
    assert facts["facts"]["compute-1"]["package openvswitch-switch"] == "3.3.2-1"
    assert [value for fact, value in facts["facts"]["compute-1"].items() if fact.startswith("command ")] == ["7"]
    assert "package openvswitch-switch" not in facts["facts"]["leaf-1"]
    assert project.command("lab", "diff", "one.json", "opco-ru") == "the same: no fact differs\n"


def test_a_run_can_be_compared_with_the_lab_of_today(project: Project) -> None:
    prepared(project)
    run = project.run()
    assert run.status == 0, run.output
    assert run.folder is not None
    assert project.command("lab", "diff", str(run.folder), "opco-ru") == "the same: no fact differs\n"
    project.add_labs("opco-ru", more=HOSTS.replace("12.8", "12.9").replace("3.3.2-1", "3.3.3-1"))
    told = project.command("lab", "diff", str(run.folder / "record.json"), "opco-ru").splitlines()
    assert [line.split()[-2:] for line in told if " os " in line or "openvswitch-switch" in line] == [
        ["12.8", "12.9"],
        ["3.3.2-1", "3.3.3-1"],
    ]


def test_facts_that_were_altered_are_refused(project: Project) -> None:
    prepared(project)
    project.command("lab", "facts", "opco-ru", "-o", "one.json")
    path = project.folder / "one.json"
    path.write_text(path.read_text().replace('"12.8"', '"12.9"'))
    told = project.command("lab", "diff", "one.json", "opco-ru")
    assert "one.json" in told
    assert "they were altered" in told
    assert "Traceback" not in told


def test_what_there_is_not_is_refused_with_the_nearest(project: Project) -> None:
    told = prepared(project).command("lab", "diff", "opco-ru", "opco-rv")
    assert "no lab is named 'opco-rv'" in told
    assert "did you mean opco-ru?" in told
