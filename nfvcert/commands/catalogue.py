"""`nfvcert catalogue`: the component catalogue is shown and drawn."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nfvcert.commands import Commands, say
from nfvcert.errors import UsageError

if TYPE_CHECKING:
    from nfvcert.catalogue import Catalogue

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add `catalogue` with all that can be done with it."""
    catalogue = commands.add_parser("catalogue", help="components: show, draw what depends on what").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    text = "print all components, or all about one: what it depends on, what it can break, who tests it"
    show = catalogue.add_parser("show", help=text, description=text)
    show.set_defaults(run=_show)
    show.add_argument("name", nargs="?", metavar="NAME", help="a component")
    show.add_argument("--markdown", action="store_true", help="print the page of the docs")
    _models(show)

    text = "draw all components, or what a change of one can break"
    graph = catalogue.add_parser("graph", help=text, description=f"{text}, as a picture (SVG) that stands alone.")
    graph.set_defaults(run=_graph)
    graph.add_argument("name", nargs="?", metavar="NAME", help="the component that changes")
    graph.add_argument("--radius", type=_steps, metavar="N", help="steps that the change is followed (1)")
    graph.add_argument("-o", "--output", type=Path, metavar="FILE.svg", help="write it there (default: print it)")
    _models(graph)

    text = "print the JSON Schema of a component catalogue"
    catalogue.add_parser("schema", help=text, description=text).set_defaults(run=_schema)


def _models(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--models", type=Path, default=Path("testmodels"), metavar="DIR", help="folder of components.yaml (testmodels/)"
    )


def _steps(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of steps")
    return int(text)


def _show(arguments: argparse.Namespace) -> int:
    from nfvcert.catalogue_files import read_catalogue
    from nfvcert.collecting import collect_suites
    from nfvcert.render.components import about, markdown, table

    if arguments.markdown and arguments.name is not None:
        raise UsageError("--markdown prints the page of all components: leave out NAME")
    catalogue = read_catalogue(arguments.models)
    width, colour = shutil.get_terminal_size().columns, sys.stdout.isatty()
    if arguments.markdown:
        text = markdown(catalogue, collect_suites(Path()))
    elif arguments.name is None:
        text = table(catalogue, width=width, colour=colour)
    else:
        _known(catalogue, arguments.name)
        text = about(catalogue, arguments.name, collect_suites(Path()), width=width, colour=colour)
    sys.stdout.write(text)
    return 0


def _graph(arguments: argparse.Namespace) -> int:
    from nfvcert.catalogue_files import read_catalogue
    from nfvcert.render.component_graph import of_catalogue, of_change

    output: Path | None = arguments.output
    if output is not None and output.suffix != ".svg":
        raise UsageError(f"{output}: the picture is an SVG, so the file is called NAME.svg")
    catalogue = read_catalogue(arguments.models)
    if arguments.name is None:
        if arguments.radius is not None:
            raise UsageError("--radius follows the change of one component: name it")
        picture = of_catalogue(catalogue)
    else:
        _known(catalogue, arguments.name)
        picture = of_change(catalogue, arguments.name, 1 if arguments.radius is None else arguments.radius)
    if output is None:
        sys.stdout.write(picture)
        return 0
    try:
        output.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error
    say(f"written to {output}")
    return 0


def _known(catalogue: Catalogue, name: str) -> None:
    from nfvcert.catalogue_files import unknown

    if problem := unknown(catalogue, name):
        raise UsageError(problem, hint="all there are: nfvcert catalogue show")


def _schema(arguments: argparse.Namespace) -> int:
    del arguments
    from nfvcert.files import schema_text

    sys.stdout.write(schema_text("components"))
    return 0
