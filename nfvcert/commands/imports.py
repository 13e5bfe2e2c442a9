"""`nfvcert import`: inventories of other tools become ours."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nfvcert.commands import Commands
from nfvcert.errors import UsageError

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add `import` with the formats that are known."""
    importing = commands.add_parser("import", help="make an inventory of another tool's").add_subparsers(
        title="formats", required=True, metavar="FORMAT"
    )
    pharos = importing.add_parser("pharos", help="an OPNFV Pharos pod descriptor (PDF)")
    pharos.set_defaults(run=_import_pharos)
    pharos.add_argument("pdf", type=Path, metavar="POD.yaml", help="the pod descriptor file")
    pharos.add_argument("--idf", type=Path, metavar="IDF.yaml", help="the installer descriptor file that goes with it")
    pharos.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the inventory here (default: print it)"
    )


def _import_pharos(arguments: argparse.Namespace) -> int:
    from nfvcert.pharos import convert

    # An inventory is found by the name of its file, so the lab in it has that name.
    conversion = convert(arguments.pdf, arguments.idf, name=arguments.output.stem if arguments.output else None)
    if arguments.output is None:
        sys.stdout.write(conversion.yaml_text)
    else:
        try:
            arguments.output.write_text(conversion.yaml_text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{arguments.output} cannot be written: {error.strerror}") from error
    for sentence in conversion.not_carried_over:
        print(f"not carried over: {sentence}", file=sys.stderr)  # noqa: T201 - a command talks
    return 0
