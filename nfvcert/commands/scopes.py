"""`nfvcert scope` and `impact`: what a release would be tested with, and that for each component; nothing is run."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nfvcert.commands import Commands, say
from nfvcert.errors import UsageError

if TYPE_CHECKING:
    from nfvcert.impact import Preview
    from nfvcert.lab import Lab
    from nfvcert.measure.kpi import Kpi
    from nfvcert.release import ReleaseUnit
    from nfvcert.testcase import CollectedTest
    from nfvcert.testmodel import TestModel
    from nfvcert.waivers import HeldWaiver

__all__ = ["add"]

SUFFIXES = (".svg", ".html", ".md")


def add(commands: Commands) -> None:
    """Add `scope` and `impact`."""
    text = "show what a release unit can break, and what would be tested and why, without running it"
    scope = commands.add_parser("scope", help=text, description=text)
    scope.set_defaults(run=_scope)
    scope.add_argument("file", metavar="FILE", help="a release unit's file, or its name in the folder of releases")
    scope.add_argument("--lab", metavar="NAME", help="only what this lab can run (default: what some lab can)")
    scope.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write it there: .svg (the picture), .html (a page) or .md; may be repeated",
    )
    scope.add_argument("--markdown", action="store_true", help="print it as Markdown")
    scope.add_argument("--releases", action="append", metavar="DIR", help="folder of release units (releases/)")
    scope.add_argument(
        "--waivers", type=Path, default=Path("waivers"), metavar="DIR", help="folder of waivers (waivers/)"
    )
    scope.add_argument("--inventory", action="append", metavar="DIR", help="folder of inventories (lab_inventory/)")
    _models(scope)

    text = "show how much a minor release of each component is tested, and what it can break"
    impact = commands.add_parser("impact", help=text, description=text)
    impact.set_defaults(run=_impact)
    impact.add_argument("--markdown", action="store_true", help="print the page of the docs")
    _models(impact)


def _models(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--test-model", metavar="NAME", help="the test model (default: the one of the domain that the suites test)"
    )
    command.add_argument(
        "--models", type=Path, default=Path("testmodels"), metavar="DIR", help="folder of test models (testmodels/)"
    )


def _scope(arguments: argparse.Namespace) -> int:
    from nfvcert.render import scope_page

    for output in arguments.output:
        if output.suffix not in SUFFIXES:
            raise UsageError(f"{output}: its name says what is written, so it ends in {', '.join(SUFFIXES)}")
    preview = _preview(arguments)
    command = _command(arguments)
    for output in arguments.output:
        _write(output, preview, command, arguments.output)
    if arguments.markdown:
        sys.stdout.write(scope_page.markdown(preview, command=command))
    elif not arguments.output:
        width = shutil.get_terminal_size().columns
        sys.stdout.write(scope_page.text(preview, width=width, colour=sys.stdout.isatty()))
    else:
        say(f"written to {', '.join(str(output) for output in arguments.output)}")
    return 0


def _preview(arguments: argparse.Namespace) -> Preview:
    from nfvcert.campaign_files import read_release
    from nfvcert.catalogue_files import check_lab, check_tests, check_unit, read_catalogue
    from nfvcert.collecting import collect_suites
    from nfvcert.composition_files import judge_of, read_composition
    from nfvcert.files import find_lab, read_lab
    from nfvcert.impact import preview
    from nfvcert.streams import CannotGive
    from nfvcert.testmodel_files import check_profile

    releases = [Path(folder) for folder in arguments.releases or ["releases"]]
    inventories = [Path(folder) for folder in arguments.inventory or ["lab_inventory"]]
    unit, path = read_release(arguments.file, releases)
    catalogue = read_catalogue(arguments.models)
    check_unit(path, unit, catalogue)
    lab = None
    if arguments.lab is not None:
        lab = read_lab(arguments.lab, inventories)
        check_lab(find_lab(arguments.lab, inventories), lab, catalogue)
    tests = collect_suites(Path())
    check_tests(tests, catalogue)
    model, model_paths, kpis = _model(arguments, tests, lab)
    if lab is not None:
        for member, model_path in zip(model.members, model_paths, strict=True):
            check_profile(find_lab(arguments.lab, inventories), lab, member, model_path.name)
    composition = (
        read_composition(
            path,
            unit,
            ", ".join(lab.profile_for(member.domain) for member in model.members),
            judge=judge_of(model, model_paths, arguments.models),
            valid_days=model.part_valid_days,
            releases=releases,
        )
        if lab
        else None
    )
    parts = composition.parts if composition else ()
    waived = _waived(arguments.waivers, unit, lab)
    try:
        return preview(unit, catalogue, model, kpis, tests, lab=lab, parts=parts, waived=waived)
    except CannotGive as error:
        raise UsageError(str(error), hint="another lab may have it: leave out --lab") from error


def _waived(folder: Path, unit: ReleaseUnit, lab: Lab | None) -> Mapping[str, HeldWaiver]:
    """Component that may stay untested today → who answers for it; without a lab, those that count in every lab."""
    from datetime import UTC, datetime

    from nfvcert.waiver_files import read_waivers
    from nfvcert.waivers import held, untested_waivers

    written = [(each.waiver, each.path.name) for each in read_waivers(folder)]
    today = datetime.now(UTC).date()
    return untested_waivers(held(written, unit=unit.unit, lab=lab.lab if lab else "", day=today))


def _model(
    arguments: argparse.Namespace, tests: Iterable[CollectedTest], lab: Lab | None
) -> tuple[TestModel, tuple[Path, ...], Mapping[str, Kpi]]:
    """The test model that is named, or those of the domains of the tests and of a lab, joint; with their files.

    Raises UsageError, FileError.
    """
    from nfvcert.joint import join
    from nfvcert.testmodel_files import find_model, group_models, read_kpis, read_model

    kpis = read_kpis(arguments.models)
    if arguments.test_model is not None:
        path = find_model(arguments.test_model, arguments.models)
        return read_model(path, kpis), (path,), kpis
    domains = {domain for test in tests for domain in test.domains}
    found = [(read_model(path, kpis), path) for path in group_models(arguments.models)]
    models = [(model, path) for model, path in found if model.domain in domains]
    if not models:
        raise UsageError(f"no test model in {arguments.models} is for the domains that the suites test")
    if lab is not None:
        models = [(m, path) for m, path in models if lab.profile_for(m.domain) in m.profiles] or models[:1]
    models.sort(key=lambda each: each[0].domain)
    return join([model for model, _ in models]), tuple(path for _, path in models), kpis


def _command(arguments: argparse.Namespace) -> str:
    """What makes the same page again."""
    words = ["nfvcert", "scope", arguments.file]
    for option in ("lab", "test_model"):
        if (value := getattr(arguments, option)) is not None:
            words += [f"--{option.replace('_', '-')}", value]
    for output in arguments.output:
        words += ["-o", output.as_posix()]
    return shlex.join([*words, *(["--markdown"] if arguments.markdown else [])])


def _write(output: Path, preview: Preview, command: str, outputs: Iterable[Path]) -> None:
    from nfvcert.render import page, scope_page, scope_picture

    if output.suffix == ".svg":
        text = scope_picture.picture(preview.scope, style=page.scope_style()) + "\n"
    elif output.suffix == ".html":
        text = scope_page.html(preview)
    else:
        beside = next((each for each in outputs if each.suffix == ".svg"), None)
        link = Path(os.path.relpath(beside, output.parent)).as_posix() if beside else ""
        text = scope_page.markdown(preview, command=command, picture=link)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error


def _impact(arguments: argparse.Namespace) -> int:
    from nfvcert.catalogue_files import check_tests, read_catalogue
    from nfvcert.collecting import collect_suites
    from nfvcert.impact import impacts
    from nfvcert.render import impact_page

    catalogue = read_catalogue(arguments.models)
    tests = collect_suites(Path())
    check_tests(tests, catalogue)
    model, _, kpis = _model(arguments, tests, None)
    found = impacts(catalogue, model, kpis, tests)
    name = f"{model.model} {model.version}"
    if arguments.markdown:
        sys.stdout.write(impact_page.markdown(found, model=name))
    else:
        width, colour = shutil.get_terminal_size().columns, sys.stdout.isatty()
        sys.stdout.write(impact_page.text(found, model=name, width=width, colour=colour))
    return 0
