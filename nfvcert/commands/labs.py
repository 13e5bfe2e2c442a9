"""`nfvcert lab`: labs are listed, drawn, checked, brought up and down; their leases are shown and freed."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nfvcert.commands import Commands, say
from nfvcert.errors import NfvcertError, UsageError

if TYPE_CHECKING:
    from nfvcert.fingerprint import LabFacts
    from nfvcert.leases import Lease
    from nfvcert.protocols import LabAccess

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add `lab` with all that can be done with one."""
    lab = commands.add_parser("lab", help="labs: show, check, bring up and down").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    for name, run, text, optional in (
        ("list", _lab_list, "list the labs of the inventory", None),
        ("show", _lab_show, "draw a lab", "NAME"),
        ("schema", _lab_schema, "print the JSON Schema of an inventory", None),
        ("up", _lab_up, "bring an embedded lab up and leave it up", "NAME"),
        ("down", _lab_down, "take an embedded lab down", "NAME"),
        (
            "check",
            _lab_check,
            "open a lab, ask every host for its facts, try its cloud, self-test its generator",
            "NAME",
        ),
        ("facts", _lab_facts, "ask every host and BMC for its facts: versions, firmware, packages", "NAME"),
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
        if name == "up":
            command.add_argument("--without-cloud", action="store_true", help="leave its OpenStack to the first test")
        if name == "sweep":
            command.add_argument(
                "--cloud", metavar="NAME", help="remove what killed runs left in the cloud of this lab instead"
            )
            command.add_argument("--of-run", default="", metavar="RUN", help="only of one run (its id)")
            command.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
        if name == "check":
            command.add_argument("--cloud", action="store_true", help="start the OpenStack of an embedded lab for it")
        if name == "facts":
            command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write them there, as JSON")
        if name == "release":
            command.add_argument("--force", action="store_true", help="take it away from a run that is alive")
    diff = lab.add_parser(
        "diff",
        help="show what differs between two fingerprints",
        description="Show what differs between two fingerprints; exit status 1 when something does.",
    )
    diff.set_defaults(run=_lab_diff)
    what = "a file of `nfvcert lab facts`, a run's folder (#STREAM where it has several), or a lab, which is asked now"
    diff.add_argument("before", metavar="A", help=what)
    diff.add_argument("after", metavar="B", help="likewise")
    diff.add_argument("--inventory", action="append", metavar="DIR", help="folder of inventories (lab_inventory/)")


def _directories(arguments: argparse.Namespace) -> list[Path]:
    return [Path(directory) for directory in arguments.inventory or ["lab_inventory"]]


def _lab_list(arguments: argparse.Namespace) -> int:
    from nfvcert.files import lab_files, read_lab

    for name, path in sorted(lab_files(_directories(arguments)).items()):
        lab = read_lab(path)
        say(f"{name:<16} {lab.provider:<9} {lab.environment:<11} {lab.owner.organisation:<16} {lab.title}")
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
    if lab.cloud and not arguments.without_cloud:
        embedded.start_cloud(found, say)
    what = f"is up after {time.monotonic() - started:.1f} s" if found.created else "was up"
    say(f"lab {lab.lab} {what}: {', '.join(lab.hosts)} (state in {found.run_dir})")
    return 0


def _lab_down(arguments: argparse.Namespace) -> int:
    from nfvcert import embedded
    from nfvcert.leases import leased

    embedded.ensure_privileges(_again())
    name = Path(arguments.name).stem
    with leased(f"machine/lab/{name}", run="", reason="nfvcert lab down"):
        was_up = embedded.down(name)
    say(f"lab {arguments.name} {'is down' if was_up else 'was not up'}")
    return 0


def _lab_sweep(arguments: argparse.Namespace) -> int:
    from nfvcert import embedded

    if arguments.cloud is not None:
        return _sweep_cloud(arguments)
    if arguments.dry_run or arguments.of_run:
        raise UsageError("--dry-run and --of-run are for a cloud: name its lab with --cloud")

    embedded.ensure_privileges(_again())
    for sentence in embedded.sweep() or ["nothing was left"]:
        say(sentence)
    return 0


def _sweep_cloud(arguments: argparse.Namespace) -> int:
    from nfvcert import embedded
    from nfvcert.access import open_lab
    from nfvcert.files import read_lab
    from nfvcert.leases import lease_of, leased

    lab = read_lab(arguments.cloud, _directories(arguments))
    if lab.provider == "embedded":
        embedded.ensure_privileges(_again())
        if embedded.find(lab.lab) is None:
            raise UsageError(f"lab {lab.lab} is not up, and what was in its cloud is gone with it")
    if arguments.dry_run:
        return _swept(open_lab(lab, on_completed=lambda _: None, in_use=True), arguments)
    # What a run that is alive has made looks like what a dead one left.
    with leased(lease_of(lab), run="", reason="nfvcert lab sweep --cloud", url=lab.leases):
        return _swept(open_lab(lab, on_completed=lambda _: None, in_use=True), arguments)


def _swept(access: LabAccess, arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from nfvcert.drivers import cloud_sweep

    try:
        sdk = access.cloud().session("", "sweep").sdk
        declared = access.lab.cloud
        found = cloud_sweep.find(sdk, arguments.of_run, declared.without if declared else ())
        if not found:
            say("nothing was left")
            return 0
        table = Table("Kind", "Name", "Id", "" if arguments.dry_run else "Result", box=None, pad_edge=False)
        outcomes: dict[str, str] = {}
        failed = 0
        if not arguments.dry_run:
            failed = cloud_sweep.remove(
                sdk, found, lambda left, trouble: outcomes.update({left.resource.id: trouble or "deleted"})
            )
        for left in found:
            table.add_row(left.kind.name, left.name, left.resource.id, outcomes.get(left.resource.id, ""))
        Console(highlight=False).print(table)
        told = "none deleted: --dry-run" if arguments.dry_run else f"{failed} could not be deleted"
        say(f"{len(found)} found, {told}")
        return 1 if failed else 0
    finally:
        access.close()


def _lab_check(arguments: argparse.Namespace) -> int:
    from nfvcert import embedded
    from nfvcert.access import open_lab
    from nfvcert.files import read_lab
    from nfvcert.leases import lease_of, leased

    lab = read_lab(arguments.name, _directories(arguments))
    if lab.provider == "embedded":
        embedded.ensure_privileges(_again())
    with leased(lease_of(lab), run="", reason="nfvcert lab check", url=lab.leases):
        return _check(open_lab(lab, on_completed=lambda _: None), start_cloud=arguments.cloud)


def _check(access: LabAccess, *, start_cloud: bool) -> int:
    from nfvcert.access import take_down
    from nfvcert.facts import fingerprint

    lab = access.lab
    try:
        for host, facts in fingerprint(access).items():
            say(f"{host:<14} {facts.get('system', '?')}, kernel {facts.get('kernel', '?')}, {facts.get('cpu', '?')}")
        status = _check_cloud(access, start=start_cloud) if lab.cloud else 0
        if lab.traffic is None:
            return status
        generator = access.generator()
        for line in generator.describe():
            say(f"generator      {line}")
        calibration = generator.calibrate()
        reached = ", ".join(f"{fps:.0f} pps at {size} B" for size, fps in calibration.ceiling_fps.items())
        say(f"generator      {calibration.generator}: {reached}; latency p50 {calibration.latency_p50_us:.0f} µs")
        for problem in calibration.problems:
            say(f"generator      problem: {problem}")
        return 10 if calibration.problems else status
    finally:
        access.close()
        if access.created:
            take_down(lab)


def _check_cloud(access: LabAccess, *, start: bool) -> int:
    """Use the cloud as its users do; status 1 where it does not do what it must."""
    from nfvcert import embedded
    from nfvcert.drivers import cloud_check

    found = embedded.find(access.lab.lab) if access.lab.provider == "embedded" else None
    if found and not start and embedded.cloud_of(found) is None:
        say("cloud          not started: --cloud starts and checks it")
        return 0
    status = 0
    for step in cloud_check.steps(access.cloud(say)):
        say(f"cloud          {'✕' if step.trouble else '✓'} {step.what} ({step.seconds:.1f} s) {step.trouble}".rstrip())
        status = status or int(bool(step.trouble))
    if status and found and (running := embedded.cloud_of(found)):
        for name, words in running.ended().items():
            say(f"cloud          {name} does not run; in its log: {words or 'nothing'}")
    return status


def _lab_facts(arguments: argparse.Namespace) -> int:
    facts = _ask(arguments.name, arguments)
    if arguments.output is not None:
        try:
            arguments.output.write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{arguments.output} cannot be written: {error.strerror}") from error
        say(f"{arguments.output}: {len(facts.facts)} hosts of lab {facts.lab}, sha256 {facts.sha256}")
        return 0
    from nfvcert.render.facts import facts_table

    sys.stdout.write(facts_table(facts, shutil.get_terminal_size().columns, sys.stdout.isatty()))
    return 0


def _lab_diff(arguments: argparse.Namespace) -> int:
    from nfvcert.fingerprint import differences
    from nfvcert.render.facts import differences_table

    before, after = _facts_of(arguments.before, arguments), _facts_of(arguments.after, arguments)
    found = list(differences(before, after))
    if not found:
        say("the same: no fact differs")
        return 0
    table = differences_table(
        found, arguments.before, arguments.after, shutil.get_terminal_size().columns, sys.stdout.isatty()
    )
    sys.stdout.write(table)
    return 1


def _facts_of(named: str, arguments: argparse.Namespace) -> dict[str, dict[str, str]]:
    """The fingerprint that a file, a run's folder or a lab's name stands for."""
    from nfvcert.archive import RECORD, read_record
    from nfvcert.files import load
    from nfvcert.fingerprint import LabFacts
    from nfvcert.mistakes import did_you_mean

    path, _, wanted = named.partition("#")
    if Path(path).is_file() and Path(path).name != RECORD and Path(path).suffix == ".json":
        return load(LabFacts, Path(path)).facts
    folder = Path(path).parent if Path(path).name == RECORD else Path(path)
    if not folder.is_dir():
        return _ask(named, arguments).facts
    streams = {stream.plan.stream: stream.fingerprint for stream in read_record(folder).streams}
    if not wanted and len(streams) == 1:
        (wanted,) = streams
    if wanted not in streams:
        hint = did_you_mean(wanted, streams) if wanted else f"write {folder}#STREAM"
        raise UsageError(f"{named}: which stream? There are: {', '.join(streams)}", hint=hint)
    return streams[wanted]


def _ask(name: str, arguments: argparse.Namespace) -> LabFacts:
    """Open a lab, ask it, and leave it as it was."""
    from datetime import UTC, datetime

    from nfvcert import embedded
    from nfvcert.access import open_lab, take_down
    from nfvcert.catalogue_files import has_catalogue, read_catalogue
    from nfvcert.facts import fingerprint, sources_by_host
    from nfvcert.files import read_lab
    from nfvcert.fingerprint import LabFacts, digest
    from nfvcert.leases import lease_of, leased

    lab = read_lab(name, _directories(arguments))
    if lab.provider == "embedded":
        embedded.ensure_privileges(_again())
    models = Path("testmodels")
    catalogue = read_catalogue(models).components if has_catalogue(models) else {}
    sources = {component: described.facts for component, described in catalogue.items()}
    with leased(lease_of(lab), run="", reason="nfvcert lab facts", url=lab.leases):
        access = open_lab(lab, on_completed=lambda _: None)
        try:
            found = fingerprint(access, sources_by_host(access, sources))
        finally:
            access.close()
            if access.created:
                take_down(lab)
    taken = datetime.now(UTC).isoformat(timespec="seconds")
    return LabFacts(lab=lab.lab, taken=taken, facts=found, sha256=digest(found))


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
        say(table(found) or "no leases")
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
            say(f"{resource} is taken away from {lease.holder}")
            return 0
    say(f"{resource} is free")
    return 0


def _again() -> list[str]:
    return [sys.executable, "-m", "nfvcert.cli", *sys.argv[1:]]
