"""From what the command line names and the collected tests to the plans of the streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nfvcert import files
from nfvcert.archive import Durations
from nfvcert.collected import collected, stream_of
from nfvcert.errors import UsageError
from nfvcert.inputs import Inputs, StreamInput
from nfvcert.record import StreamPlan
from nfvcert.streams import CannotGive, plan_tests
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import TestModel
from nfvcert.testmodel_files import problem_in
from nfvcert.units import criteria

__all__ = ["left_uncollected", "make_plans"]

COLLECTION_SETTINGS = ("testpaths", "python_", "norecursedirs", "collect_")
"""Beginnings of pytest's settings that decide what is collected."""


def make_plans(
    inputs: Inputs, items: Sequence[pytest.Item], selected: set[str], reports: Path
) -> dict[str, StreamPlan]:
    """Stream → plan, made of all collected tests; ``selected`` are the node ids that pytest would run.

    The domain of the selected tests says which test model judges. Empty when none of them has one.
    Raises UsageError, FileError.
    """
    tests: dict[str, list[CollectedTest]] = {name: [] for name in inputs.streams}
    domains: set[str] = set()
    for item in items:
        found = collected(item)
        tests[stream_of(item) or ""].append(found)
        if found.test in selected:
            domains |= found.domains
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
            plans[name] = _plan(inputs, stream, judged_by, own, took.of(stream.lab.lab), used, digests)
    return plans


def _plan(
    inputs: Inputs,
    stream: StreamInput,
    judged_by: tuple[TestModel, Path],
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
    model, model_path = judged_by
    if lab.profile not in model.profiles:
        raise problem_in(
            path,
            ("profile",),
            found=repr(lab.profile),
            expected=f"a profile of test model {model_path.name}: {', '.join(model.profiles)}",
        )
    required = criteria(model, inputs.kpis, lab.profile, lab.network.dut.forwards if lab.network else None)
    if not any(criterion.applies for criterion in required):
        raise problem_in(
            model_path, ("criteria",), found=f"none that applies to lab {lab.lab}", expected="one criterion at least"
        )
    try:
        planned, left_out = plan_tests(tests, required, domain=model.domain, lab=lab, took=took, used=used)
    except CannotGive as error:
        raise UsageError(str(error), hint=f"the lab is described in {path}") from error
    named = {criterion.kpi for criterion in required} | {kpi for test in planned for kpi in test.measures}
    return StreamPlan(
        stream=stream.name,
        lab=lab,
        unit=stream.unit,
        unit_sha256=digest(stream.unit_file),
        priority=stream.priority,
        deadline=stream.deadline.isoformat() if stream.deadline else None,
        after=stream.after,
        inventory=path.name,
        inventory_sha256=digest(path),
        model=f"{model.model} {model.version}",
        model_file=model_path.name,
        model_sha256=digest(model_path),
        profile=lab.profile,
        profile_title=model.profiles[lab.profile],
        parameters=model.parameters,
        criteria=required,
        kpis={name: inputs.kpis[name] for name in sorted(named & set(inputs.kpis))},
        planned=planned,
        left_out=left_out,
    )


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
