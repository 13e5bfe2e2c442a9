"""What the command line, or a campaign, names: labs, release units, test models, read and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression  # pytest offers it nowhere else

from nfvcert import files
from nfvcert.campaign import Campaign, stream_name
from nfvcert.campaign_files import check_names, read_campaign, read_release
from nfvcert.catalogue import Catalogue
from nfvcert.catalogue_files import FILE as CATALOGUE
from nfvcert.catalogue_files import check_lab, check_unit, has_catalogue, read_catalogue
from nfvcert.collected import DOMAINS
from nfvcert.errors import UsageError
from nfvcert.joint import join
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi
from nfvcert.release import ReleaseUnit
from nfvcert.release_files import check_artefacts, check_sbom
from nfvcert.requirements import Requirements
from nfvcert.testmodel import TestModel
from nfvcert.testmodel_files import (
    find_model,
    group_models,
    model_files,
    problem_in,
    read_kpis,
    read_model,
    read_requirements,
)
from nfvcert.waiver_files import WrittenWaiver, read_waivers

__all__ = ["Inputs", "StreamInput"]


@dataclass(frozen=True)
class StreamInput:
    """What the command line, or a campaign, says of a stream."""

    name: str
    lab: Lab
    inventory: Path
    unit: ReleaseUnit | None = None
    unit_file: Path | None = None
    model: str | None = None
    """The test model that judges; None: the one of the tests' domain."""
    priority: int = 0
    deadline: datetime | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """The files that the command line names, read."""

    streams: Mapping[str, StreamInput]
    models: Mapping[str, tuple[TestModel, Path]]
    """Name of a test model's file → the model."""
    kpis: Mapping[str, Kpi]
    title: str
    """The readable part of the run's name."""
    catalogue: Catalogue | None = None
    """Read where a release unit needs it, or a lab names its components and there is one."""
    catalogue_file: Path | None = None
    releases: Sequence[Path] = ()
    """Folders of release units, where revoked records are listed too."""
    by_domain: frozenset[str] = frozenset()
    """Names of the models that judge streams which name none."""
    waivers: Sequence[WrittenWaiver] = ()
    """Read where there is a release unit that they could be for."""
    requirements: Requirements = field(default_factory=Requirements)
    model_folder: Path | None = None
    """Folder of test models, where the bases of overlays are."""
    chosen: bool = True
    """Whether the command line says which tests are wanted (-m, -k, files)."""
    asked: frozenset[str] = frozenset()
    """Domains that -m names and selects: `network or storage`."""

    @classmethod
    def read(cls, config: pytest.Config) -> Inputs:
        """Raises UsageError, FileError."""
        folder = Path(config.rootpath, config.getini("nfvcert_testmodels"))
        if not folder.is_dir():
            raise UsageError(
                f"there is no folder {folder} of test models: pytest takes {config.rootpath} for the project's folder",
                hint="write options with =, as --reports=DIR: a word that stands apart is a file of tests to pytest",
            )
        kpis = read_kpis(folder)
        named = config.getoption("test_model")
        campaign_file = config.getoption("campaign")
        if campaign_file:
            campaign, streams = _of_campaign(config, Path(campaign_file), folder)
            title = campaign.campaign
        else:
            streams = _of_command_line(config)
            title = "+".join(stream.name for stream in streams)
        wanted = {stream.model for stream in streams if stream.model}
        paths = [find_model(named, folder)] if named else group_models(folder)
        models = {path.stem: (read_model(path, kpis, folder), path) for path in paths}
        by_domain = frozenset(models)
        if any(stream.model is None for stream in streams):
            _one_model_a_domain(models.values())
        for name in wanted - models.keys():
            models[name] = read_model(found := find_model(name, folder), kpis, folder), found
        waivers = Path(config.rootpath, config.getini("nfvcert_waivers"))
        return cls(
            {stream.name: stream for stream in streams},
            models,
            kpis,
            title,
            catalogue := _catalogue(streams, folder),
            folder / CATALOGUE if catalogue else None,
            _releases(config),
            by_domain,
            read_waivers(waivers) if any(stream.unit for stream in streams) else (),
            read_requirements(folder, kpis),
            folder,
            bool(config.option.markexpr or config.option.keyword or config.args_source is config.ArgsSource.ARGS),
            _asked(config.option.markexpr),
        )

    def frame_sizes(self, domains: set[str]) -> list[int]:
        """Frame sizes in bytes that the models of some domains test with, growing."""
        return sorted(
            {
                size
                for model, _ in self.models.values()
                if model.domain in domains
                for size in model.parameters.frame_bytes
            }
        )

    def model_of(self, stream: StreamInput, domains: Iterable[str]) -> tuple[TestModel, tuple[Path, ...]] | None:
        """The test model that judges a stream, given the domains of the selected tests, with its files; None for none.

        Those of several domains judge together. Where nobody chose domains (`-m`), a lab that has no profile of a
        model is not asked for its domain: its tests are told as tests of another domain, and are missed so.
        """
        if stream.model is not None:
            model, path = self.models[stream.model]
            return (model, (path,)) if model.domain in domains else None
        candidates = (self.models[name] for name in sorted(self.by_domain))
        judged = sorted(
            ((model, path) for model, path in candidates if model.domain in domains), key=lambda each: each[0].domain
        )
        if not self.chosen:
            known = [each for each in judged if stream.lab.profile_for(each[0].domain) in each[0].profiles]
            judged = known or judged[:1]
        return (join([model for model, _ in judged]), tuple(path for _, path in judged)) if judged else None


def _asked(expression: str) -> frozenset[str]:
    """The domains that a mark expression names and whose tests it selects."""
    named = DOMAINS & set(re.findall(r"\w+", expression or ""))
    if not named:
        return frozenset()
    try:
        compiled = Expression.compile(expression)
    except (SyntaxError, ValueError):  # pytest itself says what is wrong with it
        return frozenset()

    def selects(domain: str) -> bool:
        return compiled.evaluate(lambda name, /, **_: name == domain)

    return frozenset(filter(selects, named))


def _catalogue(streams: Iterable[StreamInput], folder: Path) -> Catalogue | None:
    """The component catalogue, with which units and inventories agree. Raises FileError."""
    streams = list(streams)
    units = {stream.unit_file: stream.unit for stream in streams if stream.unit and stream.unit_file}
    named = any(host.components for stream in streams for host in stream.lab.hosts.values())
    if not units and not (named and has_catalogue(folder)):
        return None
    catalogue = read_catalogue(folder)
    for path, unit in units.items():
        check_unit(path, unit, catalogue)
        check_artefacts(path, unit)
        check_sbom(path, unit)
    for path, lab in {stream.inventory: stream.lab for stream in streams}.items():
        check_lab(path, lab, catalogue)
    return catalogue


def _of_command_line(config: pytest.Config) -> list[StreamInput]:
    """Each lab with each release unit."""
    directories = _inventories(config)
    labs: dict[str, tuple[Lab, Path]] = {}
    for named in config.getoption("lab"):
        path = files.find_lab(named, directories)
        lab = files.read_lab(named, directories)
        if lab.lab in labs:
            raise UsageError(f"--lab={named}: lab {lab.lab} is named twice (by {labs[lab.lab][1]} and {path})")
        labs[lab.lab] = lab, path
    units: dict[str, tuple[ReleaseUnit, Path]] = {}
    for named in config.getoption("release"):
        unit, path = read_release(named, _releases(config))
        if unit.unit in units:
            raise UsageError(
                f"--release={named}: unit {unit.unit} is named twice (by {units[unit.unit][1]} and {path})"
            )
        units[unit.unit] = unit, path
    if not labs:
        raise UsageError("a release unit is certified in a lab: name it with --lab=NAME")
    streams = [StreamInput(lab.lab, lab, path) for lab, path in labs.values()]
    if units:
        streams = [
            replace(stream, name=stream_name(unit.unit, stream.name), unit=unit, unit_file=path)
            for stream in streams
            for unit, path in units.values()
        ]
    return [_no_production(stream) for stream in streams]


def _of_campaign(config: pytest.Config, path: Path, models: Path) -> tuple[Campaign, list[StreamInput]]:
    if config.getoption("lab") or config.getoption("release"):
        raise UsageError("--campaign names the labs and release units itself: leave out --lab and --release")
    campaign = read_campaign(path)
    directories, releases = _inventories(config), _releases(config)
    known = {"units": files.named_files(releases), "labs": files.lab_files(directories)}
    check_names(path, campaign, **known, models=[found.stem for found in model_files(models)])
    labs = {name: files.read_lab(name, directories) for name in {stream.lab for stream in campaign.streams}}
    units = {name: read_release(name, releases) for name in {stream.unit for stream in campaign.streams if stream.unit}}
    return campaign, [
        _no_production(
            StreamInput(
                name=stream.name,
                lab=labs[stream.lab],
                inventory=files.find_lab(stream.lab, directories),
                unit=units[stream.unit][0] if stream.unit else None,
                unit_file=units[stream.unit][1] if stream.unit else None,
                model=stream.model,
                priority=stream.priority,
                deadline=stream.deadline,
                after=stream.after,
            )
        )
        for stream in campaign.streams
    ]


def _inventories(config: pytest.Config) -> list[Path]:
    return [config.rootpath / path for path in config.getini("nfvcert_inventory")]


def _releases(config: pytest.Config) -> list[Path]:
    return [config.rootpath / path for path in config.getini("nfvcert_releases")]


def _no_production(stream: StreamInput) -> StreamInput:
    if stream.lab.environment == "production":
        # Suites take links away and load the network; no test can yet say that it does neither.
        raise problem_in(
            stream.inventory, ("environment",), found="production", expected="lab or staging: suites disturb a network"
        )
    return stream


def _one_model_a_domain(models: Iterable[tuple[TestModel, Path]]) -> None:
    seen: dict[str, Path] = {}
    for model, path in models:
        if model.domain in seen:
            raise problem_in(
                path, ("domain",), found=repr(model.domain), expected=f"another than {seen[model.domain].name} has"
            )
        seen[model.domain] = path
