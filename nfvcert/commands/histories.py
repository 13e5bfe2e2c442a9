"""`nfvcert history`: what accepted runs found in a lab, run by run."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from nfvcert.commands import Commands, say
from nfvcert.errors import UsageError

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add `history`."""
    text = "show what accepted runs found in a lab, run by run: what the next one is compared with"
    history = commands.add_parser("history", help=text, description=text)
    history.set_defaults(run=_history)
    history.add_argument("lab", metavar="LAB", help="name of the lab")
    history.add_argument("kpi", nargs="?", metavar="KPI", help="only this KPI, record by record")
    history.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="folder of runs (reports/)"
    )
    history.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there, as .html (with pictures)")


def _history(arguments: argparse.Namespace) -> int:
    from nfvcert.history import trends
    from nfvcert.history_files import Histories
    from nfvcert.mistakes import did_you_mean
    from nfvcert.render import history_page

    if arguments.output and arguments.output.suffix != ".html":
        raise UsageError(f"{arguments.output}: a page is written, so its name ends in .html")
    histories = Histories(arguments.reports)
    for each in histories.left_out():
        print(f"nfvcert: {arguments.reports / each.folder} is left out: {each.why}", file=sys.stderr)  # noqa: T201 - a command talks
    if arguments.lab not in histories.labs:
        raise UsageError(
            f"there is no accepted record of lab {arguments.lab} in {arguments.reports}",
            hint=f"{did_you_mean(arguments.lab, histories.labs)} there are some of: "
            f"{', '.join(histories.labs) or 'none'}".strip(),
        )
    runs = histories.trend(arguments.lab)
    found = trends(runs, arguments.kpi)
    if not found:
        known = sorted({measured.kpi for run in runs for measured in run.measurements})
        raise UsageError(
            f"no accepted record of lab {arguments.lab} has {arguments.kpi}",
            hint=f"{did_you_mean(arguments.kpi or '', known)} they have: {', '.join(known) or 'nothing'}".strip(),
        )
    if arguments.output is None:
        width, colour = shutil.get_terminal_size().columns, sys.stdout.isatty()
        sys.stdout.write(history_page.text(found, whole=bool(arguments.kpi), width=width, colour=colour))
        return 0
    try:
        arguments.output.write_text(history_page.html(arguments.lab, found), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{arguments.output} cannot be written: {error.strerror}") from error
    say(f"written to {arguments.output}")
    return 0
