"""The end of the terminal's output: the KPIs at a glance, the worst findings, and last what was decided."""

from __future__ import annotations

import io
import re

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from nfvcert.judge import Verdict
from nfvcert.record import Record, StreamRecord
from nfvcert.render import words

__all__ = ["summary"]

FINDINGS_MAX = 8
KPIS_MAX = 24
STYLE = {
    "PASS": "green",
    "FAIL": "red",
    "INCONCLUSIVE": "yellow",
    "NOT_RUN": "blue",
    "ACCEPTED": "green",
    "ACCEPTED WITH CONDITIONS": "green",
    "REJECTED": "red",
}
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All control characters but the newline, and those that reverse the direction of text."""


def summary(record: Record, *, width: int, colour: bool) -> str:
    """What a run amounts to, as text of lines of at most ``width`` columns (40 at least), with a last newline.

    With ``colour``, the text has ANSI sequences. Nothing of the record does: control characters
    in it are dropped, so that a device under test cannot write on the terminal.
    """
    target = io.StringIO()
    console = Console(
        file=target,
        width=max(width, 40),
        color_system="standard" if colour else None,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
        _environ={},
    )
    if told := words.interruption(record):
        console.print(Text(told, style="yellow"))
    if not record.streams:
        console.print(Text("Nothing was planned, nothing is decided.", style="yellow"))
    for stream in record.streams:
        console.print()
        console.print(_stream(stream))
    lines = [line.rstrip() for line in target.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


def _stream(stream: StreamRecord) -> RenderableType:
    judgement = stream.judgement
    title = Text.assemble(
        (f"{words.ICON[judgement.decision]} {judgement.decision}", f"bold {STYLE[judgement.decision]}"),
        ("  ", ""),
        (stream.plan.stream, "bold"),
        (_plain(f"  {stream.plan.model}, {stream.plan.lab.owner.organisation}"), "dim"),
    )
    parts = [_kpis(stream), Text()]
    if judgement.findings:
        parts += [_findings(stream), Text()]
    return Group(*parts, title, Text(_plain(words.sentence(judgement.summary))))


def _findings(stream: StreamRecord) -> RenderableType:
    findings = stream.judgement.findings
    # The sentence names a KPI by itself; of a test it may say anything, so its title goes first.
    titles = {test.test: test.title for test in stream.tests}
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for finding in findings[:FINDINGS_MAX]:
        told = Text(_plain(words.sentence(finding.sentence)))
        if (title := titles.get(finding.subject)) and finding.subject not in finding.sentence:
            told = Text.assemble(_plain(f"{title}: "), told)
        if finding.blame is not None:
            told.append(f" [{words.BLAME[finding.blame].lower()}]", style="dim")
        table.add_row(_verdict(finding.verdict), told)
    if (rest := len(findings) - FINDINGS_MAX) > 0:
        table.add_row("", Text(f"and {rest} more", style="dim"))
    return table


def _kpis(stream: StreamRecord) -> RenderableType:
    results = words.criteria_worst_first(stream)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_edge=False)
    table.add_column("KPI", overflow="fold")
    table.add_column("Measured", justify="right", overflow="fold")
    table.add_column("Required", overflow="fold")
    table.add_column("Verdict", no_wrap=True)
    for result in results[:KPIS_MAX]:
        asked = words.conditions(result.criterion.where)
        name = _plain(words.title_of(stream, result.criterion.kpi))
        measured = result.measurement
        table.add_row(
            Text.assemble(name, (_plain(f", {asked}" if asked else ""), "dim")),
            Text(words.quantity(measured.value, measured.unit) if measured else words.ICON["NOT_RUN"]),
            Text(_plain(result.criterion.as_written.replace(" ", words.NO_BREAK))),
            _verdict(result.verdict),
        )
    hidden = results[KPIS_MAX:]
    if not hidden:
        return table
    more = Text(f"and {len(hidden)} more: {words.tally(hidden, words.CRITERION_TALLY)}", style="dim")
    return Group(table, more)


def _verdict(verdict: Verdict) -> Text:
    return Text(f"{words.ICON[verdict]} {verdict.replace('_', ' ')}", style=STYLE[verdict])


def _plain(text: str) -> str:
    return CONTROL.sub("", text)
