"""The safety side of scopes: a release of the faulty component would have run a test that finds the fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcert.catalogue_files import read_catalogue
from nfvcert.collecting import collect_suites
from nfvcert.files import read_lab
from nfvcert.release import ReleaseUnit
from nfvcert.scope import choose, required_in, scope_of_unit
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel_files import read_kpis, read_model
from nfvcert.units import criteria
from tests.certify import ROOT
from tests.faults.catalogue import CASES, Case

MODELS = ROOT / "testmodels"


@pytest.fixture(scope="module")
def tests() -> tuple[CollectedTest, ...]:
    return collect_suites(ROOT)


@pytest.mark.parametrize(
    ("case", "component"),
    [
        pytest.param(case, component, id=f"{case.name} of {component}")
        for case in CASES
        if case.fails
        for component in case.components
    ],
)
def test_the_smallest_release_of_the_faulty_component_runs_a_test_that_finds_it(
    case: Case, component: str, tests: tuple[CollectedTest, ...]
) -> None:
    kpis = read_kpis(MODELS)
    model = read_model(Path(MODELS / "network.yaml"), kpis)
    lab = read_lab(ROOT / "lab_inventory/opco-ru.yaml")
    change = {
        "component": component,
        "vendor": "V",
        "product": "P",
        "from": "1.0",
        "to": "1.1",
        "trigger": "hotfix",
    }
    unit = ReleaseUnit.model_validate({"unit": "u", "type": "GA", "vendor": "V", "changes": [change]})
    scope = scope_of_unit(unit, read_catalogue(MODELS), model)
    assert (scope.size, scope.release_class) == ("small", "minor")
    choices = choose(scope, tests)
    finding = {test.test for test in tests if case.fails in test.measures}
    assert finding
    assert any(choices[test].wanted for test in finding)
    # The criterion that turns it to FAIL is still asked for, and still decides.
    required, _ = required_in(criteria(model, kpis, lab.profile, lab.dut.forwards, scope.size), tests, choices)
    assert any(criterion.kpi == case.fails and criterion.decides for criterion in required)
