"""What a user can do wrong ends in a sentence that says what to mend: no traceback, no run folder, exit status 4."""

from __future__ import annotations

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


def test_no_test_selected(project: Project) -> None:
    project.suite(PASSES)
    assert "no test for a lab was selected" in refused(project, "-k", "nothing_like_that")


def test_workers_in_parallel(project: Project) -> None:
    project.suite(PASSES)
    assert "leave out -n" in refused(project, "-n", "2")


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


@pytest.mark.parametrize(("marker", "argument"), [("measures", "5"), ("expected_seconds", "'long'")])
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
