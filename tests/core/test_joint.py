"""Models of several domains that judge one stream: nothing that one of them asks for gets lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.composition import Judge
from nfvcert.joint import criteria_of, join
from nfvcert.testmodel import DEPTHS, SIZES, TestModel, looser_parameters, parameter_domain
from nfvcert.testmodel_files import group_models, read_kpis, read_model

FOLDER = Path(__file__).parents[2] / "testmodels"
KPIS = read_kpis(FOLDER)
MODELS = [read_model(path, KPIS) for path in group_models(FOLDER)]
JOINT = join(MODELS)


def profile(model: TestModel) -> str:
    return next(iter(model.profiles))


def test_one_model_stays_what_it_is() -> None:
    assert join(MODELS[:1]) is MODELS[0]


def test_two_models_of_one_domain_are_refused() -> None:
    with pytest.raises(ValueError, match="one test model of each domain"):
        join([MODELS[0], MODELS[0]])


def test_all_criteria_of_all_members_are_asked_for() -> None:
    for size in SIZES:
        found = criteria_of(JOINT, KPIS, profile, "l2", size)
        for model in MODELS:
            alone = criteria_of(model, KPIS, profile, "l2", size)
            assert set(alone_text(alone)) <= set(alone_text(found))
        assert len(found) == sum(len(criteria_of(model, KPIS, profile, "l2", size)) for model in MODELS)


def alone_text(criteria: object) -> list[str]:
    assert isinstance(criteria, tuple)
    return [f"{each.subject} {each.as_written} {each.state}" for each in criteria]


@given(st.sampled_from(SIZES), st.sampled_from(["minor", "major"]))
def test_no_domain_is_tested_less_than_alone(size: str, release_class: str) -> None:
    depth = JOINT.depth_for(size, release_class)  # type: ignore[arg-type]
    together = JOINT.parameters_at(depth)
    for model in MODELS:
        own = model.depth_for(size, release_class)  # type: ignore[arg-type]
        assert own is None or (depth is not None and DEPTHS.index(depth) >= DEPTHS.index(own))
        looser = [name for name, _ in looser_parameters(model.parameters_at(own), together)]
        foreign = [name for name in looser if parameter_domain(name) != model.domain]
        assert looser == foreign, f"{model.model} is tested less: {looser}"


@pytest.mark.parametrize("size", SIZES)
def test_rules_only_tighten(size: str) -> None:
    rules = JOINT.rules_for(size)  # type: ignore[arg-type]
    for model in MODELS:
        alone = model.rules_for(size)  # type: ignore[arg-type]
        assert rules.radius >= alone.radius
        assert rules.untested_at_most <= alone.untested_at_most
        assert set(alone.mandatory) <= set(rules.mandatory)
    assert JOINT.part_valid_days <= min(model.part_valid_days for model in MODELS)


def test_a_part_that_one_member_judged_counts_and_one_of_a_stranger_does_not() -> None:
    network, vim = Judge(model="network 1", sha256="a"), Judge(model="vim 1", sha256="b")
    both = Judge(model="network+vim 1", sha256="c", members=(network, vim))
    assert both.is_as_strict_as(network)
    assert both.is_as_strict_as(both)
    assert not both.is_as_strict_as(Judge(model="network 1", sha256="weaker"))
    assert not network.is_as_strict_as(both)
