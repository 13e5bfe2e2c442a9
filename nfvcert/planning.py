"""From the command line and the collected tests to the plans of the streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from nfvcert import files
from nfvcert.archive import expected_seconds
from nfvcert.errors import UsageError
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi
from nfvcert.record import StreamPlan
from nfvcert.streams import CollectedTest, plan_tests
from nfvcert.testmodel import TestModel
from nfvcert.testmodel_files import find_model, model_files, problem_in, read_kpis, read_model
from nfvcert.units import criteria

__all__ = ["Inputs", "collected", "left_uncollected", "make_plans", "stream_of"]

COLLECTION_SETTINGS = ("testpaths", "python_", "norecursedirs", "collect_")
"""Beginnings of pytest's settings that decide what is collected."""
DOMAINS = frozenset({"compute", "storage", "network", "vim", "vnf"})


@dataclass(frozen=True)
class Inputs:
    """The files that the command line names, read."""

    labs: Mapping[str, tuple[Lab, Path]]
    """Stream → its lab and inventory."""
    models: Mapping[str, tuple[TestModel, Path]]
    """Domain → its test model."""
    kpis: Mapping[str, Kpi]
    model_was_named: bool

    @classmethod
    def read(cls, config: pytest.Config) -> Inputs:
        """Raises UsageError, FileError."""
        folder = Path(config.rootpath, config.getini("nfvcert_testmodels"))
        kpis = read_kpis(folder)
        named = config.getoption("test_model")
        paths = [find_model(named, folder)] if named else model_files(folder)
        return cls(_read_labs(config), _read_models(paths, kpis), kpis, bool(named))

    def frame_sizes(self, domains: set[str]) -> list[int]:
        """Frame sizes in bytes that the models of some domains test with, growing."""
        return sorted(
            {size for domain in domains & set(self.models) for size in self._model(domain).parameters.frame_bytes}
        )

    def _model(self, domain: str) -> TestModel:
        return self.models[domain][0]


def _read_labs(config: pytest.Config) -> dict[str, tuple[Lab, Path]]:
    directories = [config.rootpath / path for path in config.getini("nfvcert_inventory")]
    labs: dict[str, tuple[Lab, Path]] = {}
    for named in config.getoption("lab"):
        path = files.find_lab(named, directories)
        lab = files.read_lab(named, directories)
        if lab.lab in labs:
            raise UsageError(f"--lab={named}: lab {lab.lab} is named twice (by {labs[lab.lab][1]} and {path})")
        if lab.environment == "production":
            # Suites take links away and load the network; no test can yet say that it does neither.
            raise problem_in(
                path, ("environment",), found="production", expected="lab or staging: suites disturb a network"
            )
        labs[lab.lab] = lab, path
    return labs


def _read_models(paths: Sequence[Path], kpis: Mapping[str, Kpi]) -> dict[str, tuple[TestModel, Path]]:
    models: dict[str, tuple[TestModel, Path]] = {}
    for path in paths:
        model = read_model(path, kpis)
        if model.domain in models:
            other = models[model.domain][1].name
            raise problem_in(path, ("domain",), found=repr(model.domain), expected=f"another than {other} has")
        models[model.domain] = model, path
    return models


def make_plans(
    inputs: Inputs, items: Sequence[pytest.Item], selected: set[str], reports: Path
) -> dict[str, StreamPlan]:
    """Stream → plan, made of all collected tests; ``selected`` are the node ids that pytest would run.

    The domain of the selected tests says which test model judges. Empty when none of them has one.
    Raises UsageError, FileError.
    """
    tests = {item.nodeid: (stream_of(item), collected(item)) for item in items}
    domains = {domain for test, (_, found) in tests.items() if test in selected for domain in found.domains}
    judged = sorted(domains & set(inputs.models))
    if not judged:
        return {}
    if len(judged) > 1:
        raise UsageError(
            f"the selected tests are of several domains ({', '.join(judged)}), each with its own test model",
            hint="select one domain, such as -m network",
        )
    return {
        stream: _plan(inputs, stream, judged[0], [test for name, test in tests.values() if name == stream], reports)
        for stream in inputs.labs
    }


def _plan(inputs: Inputs, stream: str, domain: str, tests: Sequence[CollectedTest], reports: Path) -> StreamPlan:
    lab, path = inputs.labs[stream]
    model, model_path = inputs.models[domain]
    forwards = lab.network.dut.forwards if lab.network else None
    if lab.profile not in model.profiles:
        raise problem_in(
            path,
            ("profile",),
            found=repr(lab.profile),
            expected=f"a profile of test model {model_path.name}: {', '.join(model.profiles)}",
        )
    required = criteria(model, inputs.kpis, lab.profile, forwards)
    if not any(criterion.applies for criterion in required):
        raise problem_in(
            model_path, ("criteria",), found=f"none that applies to lab {stream}", expected="one criterion at least"
        )
    took = expected_seconds(reports, stream)
    planned, left_out = plan_tests(tests, required, domain=domain, forwards=forwards, took=took)
    named = {criterion.kpi for criterion in required} | {kpi for test in planned for kpi in test.measures}
    return StreamPlan(
        stream=stream,
        lab=lab,
        inventory=path.name,
        inventory_sha256=files.digest(path),
        model=f"{model.model} {model.version}",
        model_file=model_path.name,
        model_sha256=files.digest(model_path),
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


def stream_of(item: pytest.Item) -> str | None:
    """The stream that a collected test is parametrised for; None for a test that needs no lab."""
    callspec = getattr(item, "callspec", None)
    stream = callspec.params.get("stream") if callspec else None
    return stream if isinstance(stream, str) else None


def collected(item: pytest.Item) -> CollectedTest:
    """A pytest item as the planner sees it. Raises pytest.UsageError for a marker that is misused."""
    doc = (getattr(getattr(item, "obj", None), "__doc__", None) or item.name).strip()
    measures = [name for marker in item.iter_markers("measures") for name in marker.args]
    if not all(isinstance(name, str) for name in measures):
        raise pytest.UsageError(
            f"{item.nodeid}: measures('domain.subject.quantity', …) takes KPI names, not {measures!r}"
        )
    expected = item.get_closest_marker("expected_seconds")
    if expected and not (len(expected.args) == 1 and isinstance(expected.args[0], int | float)):
        raise pytest.UsageError(f"{item.nodeid}: expected_seconds(seconds) takes one number")
    needs = item.get_closest_marker("needs")
    return CollectedTest(
        test=item.nodeid,
        title=doc.splitlines()[0].rstrip("."),
        domains=frozenset(marker.name for marker in item.iter_markers()) & DOMAINS,
        measures=tuple(dict.fromkeys(measures)),
        needs_forwarding=needs.kwargs.get("forwards") if needs else None,
        expected_seconds=float(expected.args[0]) if expected else None,
    )
