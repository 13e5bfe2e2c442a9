"""What a user can do wrong ends in a sentence that says what to mend: no traceback, no run folder, exit status 4."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.plugin.conftest import MODEL, Project

PASSES = "def test_fast(kpi): kpi.measure('network.test.speed', 200.0)"


def refused(project: Project, *arguments: str, lab: str = "opco-ru") -> str:
    """Run, expect a usage error, return what was said."""
    run = project.run(*arguments, lab=lab)
    assert run.status == 4, run.output
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output
    assert run.folder is None
    return run.output


def test_an_unknown_lab_lists_near_misses(project: Project) -> None:
    project.suite(PASSES)
    said = refused(project, lab="opco-ro")
    assert "no lab is named 'opco-ro'" in said
    assert "did you mean opco-ru?" in said


def test_the_same_lab_twice(project: Project) -> None:
    project.suite(PASSES)
    assert "is named twice" in refused(project, "--lab=lab_inventory/opco-ru.yaml")


def test_no_lab_at_all(project: Project) -> None:
    project.suite(PASSES)
    run = project.ended(project.start("-m", "network"))
    assert run.status == 4
    assert "name it with --lab=NAME (there are: opco-ru)" in run.output


def test_collecting_needs_no_lab(project: Project) -> None:
    project.suite(PASSES)
    run = project.ended(project.start("--collect-only", "-q"))
    assert run.status == 0
    assert "test_fast" in run.output


def test_collecting_for_a_lab_leaves_no_folder(project: Project) -> None:
    project.suite(PASSES)
    run = project.run("--collect-only", "-q")
    assert run.status == 0
    assert "test_fast[opco-ru]" in run.output
    assert run.folder is None


@pytest.mark.parametrize("asked", ["network or storage", "storage or vim or network"])
def test_a_domain_without_tests_is_not_passed_over(project: Project, asked: str) -> None:
    project.suite(PASSES)
    run = project.ended(project.start("-m", asked, "--lab=opco-ru"))
    assert run.status == 4
    assert "-m asks for the domain storage" in run.output
    assert "the suites have no test of it" in run.output


def test_a_domain_that_is_left_out_by_name_is_not_missed(project: Project) -> None:
    project.suite(PASSES)
    assert project.ended(project.start("-m", "network and not storage", "--lab=opco-ru")).status == 0


def test_a_domain_that_no_model_judges_is_not_passed_over(project: Project) -> None:
    project.suite(
        PASSES + "\n\n@pytest.mark.vim\n@pytest.mark.small\ndef test_of_the_vim(shell):\n    shell('leaf-1')\n"
    )
    run = project.ended(project.start("-m", "network or vim", "--lab=opco-ru"))
    assert run.status == 4
    assert "-m asks for the domain vim" in run.output


def test_an_option_that_pytest_takes_for_the_project(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The folder exists, and stands apart from its option."""
    project.suite(PASSES)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    run = project.ended(project.start("-m", "network", "--lab=opco-ru", "--reports", str(elsewhere)))
    assert run.status == 4, run.output
    assert f"pytest takes {elsewhere.parent} for the project's folder" in run.output
    assert "--reports=DIR" in run.output


def test_no_test_selected(project: Project) -> None:
    project.suite(PASSES)
    assert "no test for a lab was selected" in refused(project, "-k", "nothing_like_that")


@pytest.mark.parametrize(
    "option", [["-n2", "--dist=loadscope"], ["--dist=each", "--tx=2*popen"], ["--dist=load", "--tx=ssh=there"]]
)
def test_other_ways_to_distribute(project: Project, option: list[str]) -> None:
    project.suite(PASSES)
    assert "the labs decide what runs side by side: leave out --dist and --tx" in refused(project, *option)


def test_an_unknown_test_model(project: Project) -> None:
    project.suite(PASSES)
    said = refused(project, "--test-model=netwrk")
    assert "no test model is named 'netwrk'" in said
    assert "network" in said


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("100 pps", "100 parsnips"), 9, "unknown unit"),
        (("100 pps", "100"), 9, "has no unit"),
        (("network.test.speed", "network.test.sped"), 9, "did you mean network.test.speed"),
        (("at_least: 100 pps, ", ""), 9, "cannot fail"),
        (("criteria:\n  - {kpi: network.test.speed, at_least: 100 pps, source: s}", "criteria: []"), 8, "criteria"),
        (("criteria:", "criterions:"), 8, "did you mean criteria"),
        (("{software-switch: a bridge}", "{physical: a switch}"), 6, "profile"),
        (("[64, 128]", "[63]"), 7, "64"),
        (("domain: network", "domain: netwrk"), 4, "did you mean network"),
    ],
)
def test_a_wrong_test_model_names_file_line_and_key(
    project: Project, change: tuple[str, str], line: int, said: str
) -> None:
    text = MODEL.replace(*change)
    assert text != MODEL
    project.write("testmodels/network.yaml", text)
    project.suite(PASSES)
    told = refused(project)
    assert said in told
    of_inventory = "opco-ru.yaml:6" in told and said == "profile"
    assert f"network.yaml:{line}" in told or of_inventory, told


def test_an_unknown_unit_of_a_kpi(project: Project) -> None:
    project.write(
        "testmodels/kpis.yaml", (project.folder / "testmodels/kpis.yaml").read_text().replace("pps", "furlongs")
    )
    project.suite(PASSES)
    said = refused(project)
    assert "kpis.yaml:3" in said
    assert "furlongs" in said


def test_reports_that_cannot_be_written(project: Project) -> None:
    project.suite(PASSES)
    place = project.folder / "readonly"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place], check=True)
    try:
        said = refused(project, f"--reports={place}/reports")
    finally:
        subprocess.run(["umount", place], check=True)
    assert "results cannot be kept in" in said
    assert "--reports" in said


@pytest.mark.parametrize(
    ("marker", "argument"),
    [("measures", "5"), ("expected_seconds", "'long'"), ("expected_seconds", "1, at_most='repeats'")],
)
def test_a_marker_that_is_misused(project: Project, marker: str, argument: str) -> None:
    project.suite(f"@pytest.mark.{marker}({argument})\n{PASSES}")
    assert f"{marker}(" in refused(project)


def test_a_production_network_is_never_certified(project: Project) -> None:
    path = project.folder / "lab_inventory/opco-ru.yaml"
    path.write_text(path.read_text().replace("environment: lab", "environment: production"))
    project.suite(PASSES)
    said = refused(project)
    assert "opco-ru.yaml:4: environment: found production" in said
    assert "suites disturb a network" in said


def test_malformed_yaml(project: Project) -> None:
    project.write("lab_inventory/opco-ru.yaml", "lab: [opco-ru\nowner: }{")
    project.suite(PASSES)
    assert "opco-ru.yaml:" in refused(project)


def test_a_claim_that_the_lab_cannot_meet(project: Project) -> None:
    project.suite(
        """
        @pytest.mark.claims("host", roles="compute")
        def test_x(kpi):
            kpi.measure("network.test.speed", 200.0)
        """
    )
    said = refused(project)
    assert "test_x[opco-ru]: the lab cannot give a host with roles=compute: opco-ru/leaf-1 has roles=switch" in said
    assert "the lab is described in" in said


def test_a_claim_of_an_unknown_kind(project: Project) -> None:
    project.suite(
        """
        @pytest.mark.claims("generatr")
        def test_x(kpi):
            kpi.measure("network.test.speed", 200.0)
        """
    )
    assert "one of lab, host, generator, cloud, quota, shares" in refused(project)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{lab: opco-rU}", "campaign.yaml:3: streams[0].lab"),
        ("{lab: opco-xx}", "campaign.yaml:3: streams[0].lab"),
        ("{lab: opco-ru, unit: nic-fw-9}", "campaign.yaml:3: streams[0].unit"),
        ("{lab: opco-ru, model: netwrk}", "campaign.yaml:3: streams[0].model"),
        ("{lab: opco-ru, after: opco-ru}", "campaign.yaml:3: streams[0].after"),
        ("{lab: opco-ru, deadline: 2026-11-27T18:00}", "a deadline needs its offset from UTC"),
    ],
)
def test_a_campaign_that_cannot_be(project: Project, entry: str, said: str) -> None:
    project.suite(PASSES)
    project.write("campaign.yaml", f"campaign: weekly\nstreams:\n  - {entry}\n")
    run = project.ended(project.start("-m", "network", "--campaign=campaign.yaml"))
    assert run.status == 4, run.output
    assert said in run.output
    assert run.folder is None


def test_a_campaign_and_labs_at_once(project: Project) -> None:
    project.suite(PASSES)
    project.write("campaign.yaml", "campaign: weekly\nstreams:\n  - {lab: opco-ru}\n")
    assert "leave out --lab and --release" in refused(project, "--campaign=campaign.yaml")


def test_a_release_without_a_lab(project: Project) -> None:
    project.suite(PASSES)
    project.write(
        "releases/x-1.yaml",
        """
        unit: x-1
        type: GA
        vendor: V
        changes: [{component: nic, vendor: V, product: P, from: "0", to: "1", trigger: firmware}]
        """,
    )
    run = project.ended(project.start("-m", "network", "--release=x-1"))
    assert run.status == 4
    assert "a release unit is certified in a lab: name it with --lab=NAME" in run.output


def test_a_deadline_that_the_plan_misses_is_told_with_the_figure(project: Project) -> None:
    project.suite(PASSES)
    project.write("campaign.yaml", "campaign: w\nstreams:\n  - {lab: opco-ru, deadline: 2020-01-01T00:00:00Z}\n")
    run = project.ended(project.start("-m", "network", "--campaign=campaign.yaml"))
    assert run.status == 0, run.output
    assert "after its deadline 2020-01-01T00:00:00+00:00" in run.output


def test_a_plan_runs_nothing(project: Project) -> None:
    project.suite(PASSES)
    run = project.run("--plan=plan.json")
    assert run.status == 0, run.output
    assert run.folder is None
    plan = json.loads((project.folder / "plan.json").read_text())
    (bar,) = plan["bars"]
    assert bar["test"] == "suites/test_it.py::test_fast[opco-ru]"
    assert plan["bound_seconds"] <= plan["seconds"] == bar["seconds"]


@pytest.mark.parametrize(
    ("need", "named"), [("'object-stor'", "object-stor"), ("service='orchestration'", "service"), ("'l4'", "l4")]
)
def test_a_need_that_no_lab_has_is_not_left_out_everywhere(project: Project, need: str, named: str) -> None:
    project.suite(f"import pytest\n\n@pytest.mark.needs({need})\n" + PASSES)
    assert f"not '{named}'" in refused(project)
