"""`nfvcert plan`, `status` and `report`: what a run would do, where it stands, what it found."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from nfvcert.commands import Commands, say

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add `plan`, `status` and `report`."""
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


def _report(arguments: argparse.Namespace) -> int:
    from nfvcert.archive import rewrite

    record, report = rewrite(arguments.folder)
    for stream in record.streams:
        say(f"{stream.plan.stream}: {stream.judgement.decision}. {stream.judgement.summary}")
    say(f"acceptance report: {report}")
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
