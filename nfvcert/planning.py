"""From what the command line names and the collected tests to the plans of the streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nfvcert import files
from nfvcert.archive import Durations
from nfvcert.catalogue import Catalogue, FactSource
from nfvcert.catalogue_files import check_tests
from nfvcert.collected import collected, stream_of
from nfvcert.composition import Composition, Judge
from nfvcert.composition_files import judge_of, read_composition
from nfvcert.errors import UsageError
from nfvcert.history import brought_by
from nfvcert.history_files import Histories
from nfvcert.inputs import Inputs, StreamInput
from nfvcert.joint import criteria_of
from nfvcert.record import PlannedTest, StreamPlan
from nfvcert.scope import Scope, choose_for, required_in, scope_of_unit, with_tests
from nfvcert.streams import CannotGive, plan_tests
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import Criterion, TestModel
from nfvcert.testmodel_files import check_profile, problem_in
from nfvcert.waiver_files import waivers_of
from nfvcert.waivers import HeldWaiver

__all__ = ["left_uncollected", "make_plans"]

COLLECTION_SETTINGS = ("testpaths", "python_", "norecursedirs", "collect_")
"""Beginnings of pytest's settings that decide what is collected."""


def make_plans(
    inputs: Inputs, items: Sequence[pytest.Item], selected: set[str], reports: Path, histories: Histories
) -> dict[str, StreamPlan]:
    """Stream → plan, made of all collected tests; ``selected`` are the node ids that pytest would run.

    ``reports`` has the runs that tell how long tests take, ``histories`` those that criteria may compare with.
    The domain of the selected tests says which test model judges. Empty when none of them has one.
    Raises UsageError, FileError.
    """
    tests: dict[str, list[CollectedTest]] = {name: [] for name in inputs.streams}
    domains: set[str] = set()
    collected_domains: set[str] = set()
    for item in items:
        found = collected(item)
        tests[stream_of(item) or ""].append(found)
        collected_domains |= found.domains
        if found.test in selected:
            domains |= found.domains
    _nothing_is_left_out(inputs, collected_domains)
    if inputs.catalogue is not None:
        check_tests([test for each in tests.values() for test in each], inputs.catalogue)
    took = Durations(reports, {stream.lab.lab for stream in inputs.streams.values()})
    used: Counter[str] = Counter()
    digests: dict[Path, str] = {}
    plans = {}
    for name, stream in inputs.streams.items():
        judged_by = inputs.model_of(stream, domains)
        if judged_by is None and stream.model is not None and domains:
            model, _ = inputs.models[stream.model]
            raise UsageError(
                f"no test of the domain {model.domain} is selected, by which stream {name} is to be judged",
                hint="select it too (-m), or leave the stream out of the campaign",
            )
        if judged_by is not None:
            sizes = judged_by[0].parameters.frame_bytes
            own = [test for test in tests[name] if test.frame_bytes is None or test.frame_bytes in sizes]
            plan = _plan(inputs, stream, judged_by, own, took.of(stream.lab.lab), used, digests)
            plans[name] = _with_history(plan, histories, judged_by[0].baseline_records)
    return plans


def _with_history(plan: StreamPlan, histories: Histories, last: int) -> StreamPlan:
    """The plan with what its criteria compare with, where one does."""
    compared = {c.kpi for c in plan.criteria if c.applies and c.not_worse_than_baseline_by is not None}
    if not compared:
        return plan
    brought = brought_by(plan.unit, plan.lab, plan.fact_sources)
    return plan.model_copy(update={"history": histories.of(plan.lab.lab, compared, last, brought)})


def _nothing_is_left_out(inputs: Inputs, collected_domains: set[str]) -> None:
    """Raises UsageError where -m asks for a domain that the suites do not test, or that no model would judge."""
    hint = "leave it out: whoever reads the decision would take it for certified"
    if lacking := sorted(inputs.asked - collected_domains):
        raise UsageError(f"-m asks for the domain {', '.join(lacking)}, and the suites have no test of it", hint=hint)
    if any(stream.model is None for stream in inputs.streams.values()):
        judged = {inputs.models[name][0].domain for name in inputs.by_domain}
        if unjudged := sorted(inputs.asked - judged):
            told = ", ".join(sorted(inputs.by_domain))
            raise UsageError(f"-m asks for the domain {', '.join(unjudged)}, which {told} does not judge", hint=hint)


def _plan(
    inputs: Inputs,
    stream: StreamInput,
    judged_by: tuple[TestModel, tuple[Path, ...]],
    tests: Sequence[CollectedTest],
    took: Mapping[str, float],
    used: Counter[str],
    digests: dict[Path, str],
) -> StreamPlan:
    def digest(file: Path | None) -> str:
        if file is None:
            return ""
        return digests.setdefault(file, digests.get(file) or files.digest(file))

    lab, path = stream.lab, stream.inventory
    model, model_paths = judged_by
    for member, model_path in zip(model.members, model_paths, strict=True):
        check_profile(path, lab, member, model_path.name)
    judge = judge_of(model, model_paths, inputs.model_folder)

    def profile_for(member: TestModel) -> str:
        return lab.profile_for(member.domain)

    composition = _composition(inputs, stream, model, judge)
    scope = _scope(inputs, stream, model, composition)
    required = criteria_of(model, inputs.kpis, profile_for, lab.kinds, scope.size if scope else None)
    if scope and scope.release_class == "major":
        required = tuple(map(_not_compared, required))
    for member, model_path in zip(model.members, model_paths, strict=True):
        if not any(criterion.decides and criterion.kpi.startswith(f"{member.domain}.") for criterion in required):
            raise problem_in(
                model_path, ("criteria",), found=f"none required of lab {lab.lab}", expected="one criterion at least"
            )
    waivers = _waivers(inputs, stream, model, required)
    others = [test for test in tests if not model.domains & test.domains]
    tests = [test for test in tests if model.domains & test.domains]
    choices = None
    if scope and stream.unit and inputs.catalogue:
        parts = composition.parts if composition else ()
        choices = choose_for(stream.unit, scope, tests, required, catalogue=inputs.catalogue, model=model, parts=parts)
        required, left = required_in(required, tests, choices)
        scope = scope.model_copy(update={"criteria_left_out": left})
    try:
        planned, left_out = plan_tests(
            tests, required, domains=model.domains, lab=lab, took=took, used=used, choices=choices
        )
    except CannotGive as error:
        raise UsageError(str(error), hint=f"the lab is described in {path}") from error
    if scope:
        wanted = {test.test for test in planned}
        scope = with_tests(scope, (test for test in tests if test.test in wanted), required, others)
        _something_is_tested(stream, scope, planned, required)
    named = {criterion.kpi for criterion in required} | {kpi for test in planned for kpi in test.measures}
    return StreamPlan(
        stream=stream.name,
        lab=lab,
        unit=stream.unit,
        unit_sha256=digest(stream.unit_file),
        scope=scope,
        composition=composition,
        fact_sources=_fact_sources(inputs.catalogue, stream),
        priority=stream.priority,
        deadline=stream.deadline.isoformat() if stream.deadline else None,
        after=stream.after,
        inventory=path.name,
        inventory_sha256=digest(path),
        model=judge.model,
        model_file=", ".join(each.name for each in model_paths),
        model_sha256=judge.sha256,
        model_based_on=judge.based_on,
        model_base_sha256=judge.base_sha256,
        catalogue_sha256=digest(inputs.catalogue_file),
        profile=_profile(stream, model),
        profile_title="; ".join(member.profiles[profile_for(member)] for member in model.members),
        parameters=model.parameters_at(scope.depth) if scope else model.parameters,
        criteria=required,
        waivers=waivers,
        requirements={kpi: ids for kpi in sorted(named) if (ids := inputs.requirements.of(kpi))},
        kpis={name: inputs.kpis[name] for name in sorted(named & set(inputs.kpis))},
        planned=planned,
        left_out=left_out,
    )


def _not_compared(criterion: Criterion) -> Criterion:
    """What a criterion is for a major release: one keeps the baseline only who changes little."""
    if criterion.not_worse_than_baseline_by is None:
        return criterion
    note = "not compared: a major release needs a new baseline, and makes it when it is accepted"
    return criterion.model_copy(update={"applies": False, "note": note})


def _profile(stream: StreamInput, model: TestModel) -> str:
    """The class of what is tested, of each domain that the model judges."""
    return ", ".join(stream.lab.profile_for(member.domain) for member in model.members)


def _waivers(
    inputs: Inputs, stream: StreamInput, model: TestModel, required: Sequence[Criterion]
) -> tuple[HeldWaiver, ...]:
    """Those that are for this stream, of all criteria of its model. Raises FileError for one that is for none."""
    return waivers_of(
        inputs.waivers,
        unit=stream.unit.unit if stream.unit else None,
        lab=stream.lab.lab,
        day=datetime.now(UTC).date(),
        domains=model.domains,
        subjects={criterion.subject for criterion in required},
        components=inputs.catalogue.components if inputs.catalogue else (),
    )


def _composition(inputs: Inputs, stream: StreamInput, model: TestModel, judge: Judge) -> Composition | None:
    """What the stream's unit builds on; None where it does on nothing. Raises FileError where it may not."""
    if stream.unit is None or stream.unit_file is None:
        return None
    return read_composition(
        stream.unit_file,
        stream.unit,
        _profile(stream, model),
        judge=judge,
        valid_days=model.part_valid_days,
        releases=inputs.releases,
    )


def _scope(inputs: Inputs, stream: StreamInput, model: TestModel, composition: Composition | None) -> Scope | None:
    """What the stream's unit can break; None for a lab that is certified as it is."""
    if stream.unit is None:
        return None
    assert inputs.catalogue is not None, "Inputs.read reads it for every unit"
    return scope_of_unit(stream.unit, inputs.catalogue, model, composition.parts if composition else ())


def _something_is_tested(
    stream: StreamInput, scope: Scope, planned: Sequence[PlannedTest], required: Sequence[Criterion]
) -> None:
    """Raises UsageError for a unit of which this test model and these suites can say nothing."""
    if planned and any(criterion.decides for criterion in required):
        return
    changed = ", ".join(scope.changed)
    raise UsageError(
        f"stream {stream.name}: no test covers what the release changes ({changed}) or can break "
        f"within {scope.radius} steps, and the test model makes none mandatory",
        hint="nothing can be said of such a release here; `nfvcert scope` shows what it can break",
    )


def _fact_sources(catalogue: Catalogue | None, stream: StreamInput) -> dict[str, tuple[FactSource, ...]]:
    """How the versions are read of what the lab has, and of what the unit changes."""
    named = {component for host in stream.lab.hosts.values() for component in host.components}
    named |= {change.component for change in stream.unit.changes} if stream.unit else set()
    return {name: catalogue[name].facts for name in sorted(named) if name in catalogue} if catalogue else {}


def left_uncollected(config: pytest.Config) -> str:
    """Why the suites were not collected whole, in words; empty when they were.

    The plan is made of what was collected, so a test that was never collected could not be missed: with node
    ids, every criterion may be met by fewer tests than the suite has.
    """
    options = config.option
    for name in ("ignore", "ignore_glob"):
        if getattr(options, name, None):
            return f"--{name.replace('_', '-')} leaves files out"
    if getattr(options, "lf", False):
        return "--lf collects only what failed last"
    changed = [each for each in getattr(options, "override_ini", None) or () if each.startswith(COLLECTION_SETTINGS)]
    if changed:
        return f"--override-ini={changed[0]} changes what is collected"
    here = config.invocation_params.dir
    asked = [here / argument for argument in config.args]
    for suites in config.getini("testpaths") or ["."]:
        whole = (config.rootpath / suites).resolve()
        if not any(whole.is_relative_to(path.resolve()) for path in asked):
            return f"only {' '.join(config.args)} was collected, not all of {suites}"
    return ""
