"""`nfvcert`: what is done with labs and runs outside of pytest. Certifying itself is `pytest -m … --lab=…`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nfvcert.commands import catalogue, histories, imports, labs, models, releases, runs, say, scopes
from nfvcert.errors import NfvcertError

__all__ = ["main"]

DESCRIPTION = """\
Certify releases of NFV infrastructure, VIM and VNFs.

The daily case is pytest:   pytest -m network --lab=opco-ru
This command looks after labs and runs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status. An error of ours is one sentence on stderr."""
    ours, pytests = _split(list(sys.argv[1:] if argv is None else argv))
    arguments = _parser().parse_args(ours)
    arguments.pytest = pytests
    try:
        status: int = arguments.run(arguments)
    except NfvcertError as error:
        print(f"nfvcert: {error}", file=sys.stderr)  # noqa: T201 - a command talks
        return error.exit_code
    except BrokenPipeError:  # the reader of a pipe went away, as `head` does
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and those of pytest behind `plan [--output FILE]`, which argparse must not touch."""
    if argv[:1] != ["plan"] or argv[1:2] in (["-h"], ["--help"]):
        return argv, []
    ours = 3 if argv[1:2] in (["-o"], ["--output"]) else 1
    return argv[:ours], argv[ours:]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "nfvcert", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (labs, catalogue, releases, scopes, imports, runs, histories, models):
        module.add(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        say(f"nfvcert {version('nfvcert')}")
        parser.exit(0)


if __name__ == "__main__":
    sys.exit(main())
