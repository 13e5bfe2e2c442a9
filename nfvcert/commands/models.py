"""`nfvcert model`: test models are listed, shown, checked and released; requirements are traced to tests."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from nfvcert.commands import Commands, say

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add `model` with all that can be done with one."""
    model = commands.add_parser("model", help="test models: show, check, release; requirements").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    for name, run, text, takes in (
        ("list", _list, "list the test models", None),
        ("show", _show, "show what a test model requires: criteria with their states, sizes, depths, base", "NAME"),
        ("check", _check, "check a test model, or an overlay against its base", "FILE"),
        ("release", _release, "release the version of a test model: it is immutable from then on", "NAME"),
        ("matrix", _matrix, "show which test verifies which requirement, and what nothing verifies", None),
        ("schema", _schema, "print the JSON Schema of a test model, or of waivers", None),
    ):
        command = model.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if name == "schema":
            command.add_argument("--waivers", action="store_true", help="that of waivers")
            continue
        command.add_argument(
            "--models", type=Path, default=Path("testmodels"), metavar="DIR", help="folder of test models (testmodels/)"
        )
        if takes:
            command.add_argument("name", metavar=takes, help="a name in the folder of test models, or a path")
        if name == "matrix":
            command.add_argument("--markdown", action="store_true", help="print it as docs/requirements.md")


def _list(arguments: argparse.Namespace) -> int:
    from nfvcert.render.model import models
    from nfvcert.testmodel_files import model_files, read_kpis, read_model, read_released

    kpis = read_kpis(arguments.models)
    found = {path: read_model(path, kpis) for path in model_files(arguments.models)}
    sys.stdout.write(models(found, read_released(arguments.models), width=_width()))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from nfvcert.render.model import shown
    from nfvcert.testmodel_files import find_model, read_kpis, read_model, read_released, read_requirements

    kpis = read_kpis(arguments.models)
    model = read_model(find_model(arguments.name, arguments.models), kpis, arguments.models)
    text = shown(
        model,
        kpis,
        read_requirements(arguments.models, kpis),
        is_released=model.version in read_released(arguments.models).get(model.model, {}),
        width=_width(),
        colour=sys.stdout.isatty(),
    )
    sys.stdout.write(text)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from nfvcert.model_releases import check_steps
    from nfvcert.testmodel_files import find_model, read_kpis, read_model

    kpis = read_kpis(arguments.models)
    path = find_model(arguments.name, arguments.models)
    model = read_model(path, kpis, arguments.models)
    check_steps(path, model, arguments.models, kpis)
    told = f"{len(model.criteria)} criteria for {len(model.profiles)} profiles"
    loosens = f", which loosens nothing of {model.based_on}" if model.based_on else ""
    say(f"{path}: {model.model} {model.version}, {told}{loosens}")
    return 0


def _release(arguments: argparse.Namespace) -> int:
    from nfvcert.model_releases import release_model
    from nfvcert.testmodel_files import read_kpis

    model, kept = release_model(arguments.name, arguments.models, read_kpis(arguments.models))
    say(f"{model.model} {model.version} is released, and kept as {kept}; what changes now needs another version")
    return 0


def _matrix(arguments: argparse.Namespace) -> int:
    from nfvcert.collecting import collect_suites
    from nfvcert.render.matrix import markdown, text
    from nfvcert.requirements import matrix
    from nfvcert.testmodel_files import read_kpis, read_requirements

    requirements = read_requirements(arguments.models, read_kpis(arguments.models))
    tests = collect_suites(Path())
    found = matrix(requirements, tests)
    if arguments.markdown:
        sys.stdout.write(markdown(requirements, found, {test.case or test.test: test.title for test in tests}))
    else:
        sys.stdout.write(text(requirements, found, width=_width(), colour=sys.stdout.isatty()))
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from nfvcert.files import schema_text

    sys.stdout.write(schema_text("waivers" if arguments.waivers else "model"))
    return 0


def _width() -> int:
    return shutil.get_terminal_size().columns
