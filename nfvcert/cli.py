"""`nfvcert`: what is done with labs and runs outside of pytest. Certifying itself is `pytest -m … --lab=…`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nfvcert.errors import NfvcertError, UsageError

if TYPE_CHECKING:
    from nfvcert.leases import Lease
    from nfvcert.protocols import LabAccess

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
        ("leases", _lab_leases, "print who uses which lab now", None),
        ("release", _lab_release, "free a lab that a dead run holds (or a living one: --force)", "NAME"),
    ):
        command = lab.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument(
            "--inventory", action="append", metavar="DIR", help="folder of inventories (lab_inventory/)"
        )
        if optional:
            command.add_argument("name", metavar=optional, help="a name in the inventory, or the path of a file")
        if name == "release":
            command.add_argument("--force", action="store_true", help="take it away from a run that is alive")

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

    plan = commands.add_parser(
        "plan",
        help="show what a run would do, without running it",
        description="Show what `pytest ARGUMENTS` would do: streams, tests with reasons, expected end, lower bound.",
        usage="nfvcert plan [-h] [-o FILE] ARGUMENTS of pytest, such as -m network --lab=opco-ru",
    )
    plan.set_defaults(run=_plan)
    plan.add_argument("-o", "--output", metavar="FILE", help="write it there, as .json or .html (a picture)")

    status = commands.add_parser("status", help="show where a run stands, from any terminal")
    status.set_defaults(run=_status)
    status.add_argument("folder", nargs="?", default="latest", metavar="RUN", help="its folder, its id, or latest")
    status.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="folder of runs (reports/)"
    )
    status.add_argument("--watch", action="store_true", help="redraw until the run ends")

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
    from nfvcert.leases import leased

    embedded.ensure_privileges(_again())
    name = Path(arguments.name).stem
    with leased(f"machine/lab/{name}", run="", reason="nfvcert lab down"):
        was_up = embedded.down(name)
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
    from nfvcert.access import open_lab
    from nfvcert.files import read_lab
    from nfvcert.leases import lease_of, leased

    lab = read_lab(arguments.name, _directories(arguments))
    if lab.provider == "embedded":
        embedded.ensure_privileges(_again())
    with leased(lease_of(lab), run="", reason="nfvcert lab check", url=lab.leases):
        return _check(open_lab(lab, on_completed=lambda _: None))


def _check(access: LabAccess) -> int:
    from nfvcert.access import fingerprint, take_down

    lab = access.lab
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
        if access.created:
            take_down(lab)


def _lease_of(arguments: argparse.Namespace) -> tuple[str, str | None]:
    """A lab's lease and where it is kept, as its inventory says; an embedded lab's where it has none (any more)."""
    from nfvcert.files import lab_files, read_lab
    from nfvcert.leases import lease_of

    known = lab_files(_directories(arguments))
    if arguments.name in known or Path(arguments.name).is_file():
        lab = read_lab(arguments.name, _directories(arguments))
        return lease_of(lab), lab.leases if lab.provider == "existing" else None
    if arguments.name == "machine":
        return lease_of(arguments.name), None
    return f"machine/lab/{Path(arguments.name).stem}", None


def _lab_leases(arguments: argparse.Namespace) -> int:
    from nfvcert.files import lab_files, read_lab
    from nfvcert.leases import leases, table

    found: list[Lease] = []
    status = 0
    urls: dict[str | None, None] = {None: None}
    for path in lab_files(_directories(arguments)).values():
        try:
            urls[read_lab(path).leases] = None
        except NfvcertError as error:  # a wrong inventory hides no lease of the others
            print(f"nfvcert: {error}", file=sys.stderr)  # noqa: T201 - a command talks
            status = error.exit_code
    for url in urls:
        try:
            found += leases(url)
        except NfvcertError as error:
            print(f"nfvcert: {error}", file=sys.stderr)  # noqa: T201 - a command talks
            status = error.exit_code
    if found or not status:
        _say(table(found) or "no leases")
    return status


def _lab_release(arguments: argparse.Namespace) -> int:
    from nfvcert.leases import Held, force_release, leases

    resource, url = _lease_of(arguments)
    for lease in leases(url):
        if lease.resource != resource:
            continue
        if lease.alive and not arguments.force:
            raise Held(resource, lease.holder)
        # Of this holder only: another one may have come since we looked.
        if force_release(url, resource, only=lease.holder):
            _say(f"{resource} is taken away from {lease.holder}")
            return 0
    _say(f"{resource} is free")
    return 0


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


def _plan(arguments: argparse.Namespace) -> int:
    import subprocess

    target = f"={arguments.output}" if arguments.output else ""
    command = [sys.executable, "-m", "pytest", "-q", f"--plan{target}", *arguments.pytest]
    return subprocess.run(command, check=False).returncode


def _status(arguments: argparse.Namespace) -> int:
    import time
    from datetime import datetime

    from nfvcert.archive import find_run, goes_on, read_events
    from nfvcert.render.live import LiveView, status_text
    from nfvcert.status import RunStatus

    folder = find_run(arguments.folder, arguments.reports)
    view = LiveView(sys.stdout) if arguments.watch and sys.stdout.isatty() else None
    while True:
        alive = goes_on(folder)
        status = RunStatus.of_events(read_events(folder), alive=alive)
        now = datetime.now().astimezone()
        if view is None:
            width = shutil.get_terminal_size().columns
            sys.stdout.write(status_text(status, now, width, sys.stdout.isatty()))
            return 0
        view.update(status, now)
        if not alive:
            view.stop()
            return 0
        time.sleep(1.0)


def _again() -> list[str]:
    return [sys.executable, "-m", "nfvcert.cli", *sys.argv[1:]]


if __name__ == "__main__":
    sys.exit(main())
