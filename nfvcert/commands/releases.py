"""`nfvcert release`: a release unit is checked and explained, or written from what differs between two states."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nfvcert.commands import Commands, say
from nfvcert.errors import UsageError

if TYPE_CHECKING:
    from nfvcert.composition import Composition, NotComposed
    from nfvcert.release import ReleaseUnit

__all__ = ["add"]

ANY_AGE = 100_000
"""Days: how long an acceptance counts is said by the test model, which a check does not know."""


def add(commands: Commands) -> None:
    """Add `release` with all that can be done with one."""
    release = commands.add_parser("release", help="release units: check, compare").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    text = "explain a release unit: what changes, size and class with reasons, what its files prove"
    check = release.add_parser("check", help=text, description=text)
    check.set_defaults(run=_check)
    check.add_argument("file", metavar="FILE", help="a release unit's file, or its name in the folder of releases")
    check.add_argument("--releases", action="append", metavar="DIR", help="folder of release units (releases/)")
    _models(check)

    text = "write the release unit that leads from one state to another"
    diff = release.add_parser(
        "diff",
        help=text,
        description=f"{text}. A and B are two release units, two SBOMs (CycloneDX), or two files of facts as "
        "`nfvcert lab facts NAME -o FILE` writes them. What the two do not tell is left to fill, and marked.",
    )
    diff.set_defaults(run=_diff)
    diff.add_argument("a", type=Path, metavar="A", help="the state of today")
    diff.add_argument("b", type=Path, metavar="B", help="the state that is to be certified")
    diff.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there (default: print it)")
    diff.add_argument("--inventory", action="append", metavar="DIR", help="folder of inventories (lab_inventory/)")
    _models(diff)

    text = "print the JSON Schema of a release unit"
    release.add_parser("schema", help=text, description=text).set_defaults(run=_schema)


def _models(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--models", type=Path, default=Path("testmodels"), metavar="DIR", help="folder of components.yaml (testmodels/)"
    )


def _check(arguments: argparse.Namespace) -> int:
    from nfvcert.campaign_files import read_release
    from nfvcert.catalogue_files import check_unit, read_catalogue
    from nfvcert.release_files import check_artefacts, check_sbom
    from nfvcert.render.release_unit import explanation

    folders = [Path(folder) for folder in arguments.releases or ["releases"]]
    unit, path = read_release(arguments.file, folders)
    catalogue = read_catalogue(arguments.models)
    check_unit(path, unit, catalogue)
    text = explanation(
        unit,
        catalogue,
        check_artefacts(path, unit),
        check_sbom(path, unit),
        _compositions(path, unit, folders),
        width=shutil.get_terminal_size().columns,
        colour=sys.stdout.isatty(),
    )
    sys.stdout.write(text)
    return 0


def _compositions(path: Path, unit: ReleaseUnit, folders: list[Path]) -> dict[str, Composition | NotComposed]:
    """Lab profile → what the unit can build on there. Raises FileError where that is nothing in any lab."""
    if unit.builds_on is None:
        return {}
    from datetime import UTC, datetime

    from nfvcert.composition import Composition, compose
    from nfvcert.composition_files import read_parts, read_revoked
    from nfvcert.testmodel_files import problem_in

    parts, revoked = read_parts(path, unit), read_revoked([path.parent, *folders])
    profiles = dict.fromkeys(stream.profile for part in parts for stream in part.streams)
    found = {
        profile: compose(unit, parts, profile=profile, now=datetime.now(UTC), valid_days=ANY_AGE, revoked=revoked)
        for profile in profiles or [""]
    }
    refused = {why: None for each in found.values() if not isinstance(each, Composition) for why in each.because}
    if refused and not any(isinstance(each, Composition) for each in found.values()):
        first, *others = refused
        raise problem_in(
            path,
            ("builds_on",),
            found=f"a part that cannot be built on: {first}",
            expected="units that hold valid records",
            hint="\n  ".join(f"also {why}" for why in others),
        )
    return found


def _diff(arguments: argparse.Namespace) -> int:
    from nfvcert.catalogue_files import read_catalogue
    from nfvcert.release_diff import diff

    output: Path | None = arguments.output
    if output is not None and output.suffix != ".yaml":
        raise UsageError(f"{output}: a release unit's file is called NAME.yaml, as the unit is")
    if output is not None and output.exists():
        raise UsageError(f"{output} is there already, and somebody may have written in it")
    inventories = [Path(folder) for folder in arguments.inventory or ["lab_inventory"]]
    text = diff(
        arguments.a,
        arguments.b,
        read_catalogue(arguments.models),
        unit=output.stem if output else "new-unit",
        folder=output.parent if output else Path(),
        inventories=inventories,
    )
    if output is None:
        sys.stdout.write(text)
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error
    say(f"written to {output}; fill what is marked, then: nfvcert release check {output}")
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    del arguments
    from nfvcert.files import schema_text

    sys.stdout.write(schema_text("release"))
    return 0
