"""`nfvcert`: what is done with labs and runs outside of pytest. Certifying itself is `pytest -m … --lab=…`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nfvcert.errors import NfvcertError, UsageError

__all__ = ["main"]

DESCRIPTION = """\
Certify releases of NFV infrastructure, VIM and VNFs.

The daily case is pytest:   pytest -m network --lab=opco-ru
This command looks after labs and runs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status. An error of ours is one sentence on stderr."""
    arguments = _parser().parse_args(argv)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "nfvcert", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    lab = commands.add_parser("lab", help="labs: show, check, bring up and down").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    for name, run, text, optional in (
        ("list", _lab_list, "list the labs of the inventory", None),
        ("show", _lab_show, "draw a lab", "NAME"),
        ("schema", _lab_schema, "print the JSON Schema of an inventory", None),
        ("up", _lab_up, "bring an embedded lab up and leave it up", "NAME"),
        ("down", _lab_down, "take an embedded lab down", "NAME"),
        ("check", _lab_check, "open a lab, ask every host for its facts, self-test its generator", "NAME"),
        ("sweep", _lab_sweep, "remove what killed runs left of embedded labs", None),
    ):
        command = lab.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument(
            "--inventory", action="append", metavar="DIR", help="folder of inventories (lab_inventory/)"
        )
        if optional:
            command.add_argument("name", metavar=optional, help="a name in the inventory, or the path of a file")

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

    report = commands.add_parser("report", help="write a run's record and report anew from its events")
    report.set_defaults(run=_report)
    report.add_argument(
        "folder", type=Path, nargs="?", default=Path("reports/latest"), help="a run's folder (reports/latest)"
    )
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        _say(f"nfvcert {version('nfvcert')}")
        parser.exit(0)


def _directories(arguments: argparse.Namespace) -> list[Path]:
    return [Path(directory) for directory in arguments.inventory or ["lab_inventory"]]


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command talks


def _lab_list(arguments: argparse.Namespace) -> int:
    from nfvcert.files import lab_files, read_lab

    for name, path in sorted(lab_files(_directories(arguments)).items()):
        lab = read_lab(path)
        _say(f"{name:<16} {lab.provider:<9} {lab.environment:<11} {lab.owner.organisation:<16} {lab.title}")
    return 0


def _lab_show(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from nfvcert.files import read_lab
    from nfvcert.render.topology import draw

    Console(highlight=False).print(draw(read_lab(arguments.name, _directories(arguments))))
    return 0


def _lab_schema(arguments: argparse.Namespace) -> int:
    del arguments
    from nfvcert.files import schema_text

    sys.stdout.write(schema_text("lab"))
    return 0


def _lab_up(arguments: argparse.Namespace) -> int:
    import time

    from nfvcert import embedded
    from nfvcert.files import read_lab

    lab = read_lab(arguments.name, _directories(arguments))
    if lab.provider != "embedded":
        raise UsageError(f"lab {lab.lab} is no embedded lab: it is up when its machines are")
    embedded.ensure_privileges(_again())
    started = time.monotonic()
    found = embedded.up(lab)
    what = f"is up after {time.monotonic() - started:.1f} s" if found.created else "was up"
    _say(f"lab {lab.lab} {what}: {', '.join(lab.hosts)} (state in {found.run_dir})")
    return 0


def _lab_down(arguments: argparse.Namespace) -> int:
    from nfvcert import embedded

    embedded.ensure_privileges(_again())
    was_up = embedded.down(Path(arguments.name).stem)
    _say(f"lab {arguments.name} {'is down' if was_up else 'was not up'}")
    return 0


def _lab_sweep(arguments: argparse.Namespace) -> int:
    del arguments
    from nfvcert import embedded

    embedded.ensure_privileges(_again())
    for sentence in embedded.sweep() or ["nothing was left"]:
        _say(sentence)
    return 0


def _lab_check(arguments: argparse.Namespace) -> int:
    from nfvcert import embedded
    from nfvcert.access import fingerprint, open_lab
    from nfvcert.files import read_lab

    lab = read_lab(arguments.name, _directories(arguments))
    if lab.provider == "embedded":
        embedded.ensure_privileges(_again())
    access = open_lab(lab, on_completed=lambda _: None)
    try:
        for host, facts in fingerprint(access).items():
            _say(f"{host:<14} {facts.get('os', '?')}, kernel {facts.get('kernel', '?')}, {facts.get('cpu', '?')}")
        if lab.traffic is None:
            return 0
        calibration = access.generator().calibrate()
        reached = ", ".join(f"{fps:.0f} pps at {size} B" for size, fps in calibration.ceiling_fps.items())
        _say(f"generator      {calibration.generator}: {reached}; latency p50 {calibration.latency_p50_us:.0f} µs")
        for problem in calibration.problems:
            _say(f"generator      problem: {problem}")
        return 10 if calibration.problems else 0
    finally:
        access.close()


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


def _report(arguments: argparse.Namespace) -> int:
    from nfvcert.archive import rewrite

    record, report = rewrite(arguments.folder)
    for stream in record.streams:
        _say(f"{stream.plan.stream}: {stream.judgement.decision}. {stream.judgement.summary}")
    _say(f"acceptance report: {report}")
    return 0


def _again() -> list[str]:
    return [sys.executable, "-m", "nfvcert.cli", *sys.argv[1:]]


if __name__ == "__main__":
    sys.exit(main())
