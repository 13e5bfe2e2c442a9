"""The end of the terminal's output: the KPIs at a glance, the worst findings, and last what was decided."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nfvcert.judge import CriterionResult, Decision, Finding, TestResult, Verdict
from nfvcert.record import Record, StreamRecord
from nfvcert.render import page, words

__all__ = ["summary"]

FINDINGS_MAX = 8
KPIS_MAX = 24
ROWS_MAX = 16
"""Lines of the table of what the release brings and what the lab has."""
STREAMS_MAX = 40
EXPLAINED_MAX = 10
"""Of many streams, so many have their findings told."""
FINDINGS_OF_MANY = 3
"""Findings of each of them."""
STYLE = {
    "PASS": "green",
    "FAIL": "red",
    "INCONCLUSIVE": "yellow",
    "NOT_RUN": "blue",
    "ACCEPTED": "green",
    "ACCEPTED WITH CONDITIONS": "green",
    "REJECTED": "red",
}


def summary(record: Record, *, width: int, colour: bool) -> str:
    """What a run amounts to, as text of lines of at most ``width`` columns (40 at least), with a last newline.

    With ``colour``, the text has ANSI sequences. Nothing of the record does: control characters
    in it are dropped, so that a device under test cannot write on the terminal.
    """
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)
    if told := words.interruption(record):
        console.print(Text(told, style="yellow"))
    for part in record.resumptions:
        console.print(Text(words.plain(f"It went on at {words.moment(part.at)}, because {part.because}."), style="dim"))
    if again := len({attempt.test for stream in record.streams for attempt in stream.attempts}):
        verb = "was" if again == 1 else "were"
        told = f"{words.counted(again, 'test')} {verb} begun more than once: the report shows every attempt."
        console.print(Text(told, style="yellow"))
    if not record.streams:
        console.print(Text("Nothing was planned, nothing is decided.", style="yellow"))
    elif len(record.streams) == 1:
        console.print()
        console.print(_stream(record.streams[0]))
    else:
        console.print()
        for told_of in _streams(record):
            console.print(told_of)
    lines = [line.rstrip() for line in target.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


def _streams(record: Record) -> Iterator[RenderableType]:
    """A line a stream, worst first, with the worst findings of those that are not accepted; last how many are what."""
    streams = sorted(record.streams, key=lambda each: words.DECISION_WORST_FIRST.index(each.judgement.decision))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_edge=False)
    table.add_column("Decision", no_wrap=True)
    table.add_column("Stream", overflow="fold")
    table.add_column("Criteria met", justify="right")
    table.add_column("Tests passed", justify="right")
    for stream in streams[:STREAMS_MAX]:
        judgement = stream.judgement
        style = STYLE[judgement.decision]
        table.add_row(
            Text(f"{words.ICON[judgement.decision]} {judgement.decision}", style=style),
            Text(words.plain(stream.plan.stream)),
            _share([result for result in judgement.criteria if result.criterion.decides]),
            _share(stream.tests),
        )
    yield table
    if hidden := streams[STREAMS_MAX:]:
        counts = Counter(stream.judgement.decision for stream in hidden)
        tally = ", ".join(
            f"{counts[decision]} {decision}" for decision in words.DECISION_WORST_FIRST if counts[decision]
        )
        yield Text(f"and {len(hidden)} more: {tally}", style="dim")
    yield Text()
    bound = [stream for stream in streams if stream.judgement.decision is Decision.ACCEPTED_WITH_CONDITIONS]
    for stream in bound[:EXPLAINED_MAX]:
        yield Text(words.plain(stream.plan.stream), style="bold")
        yield from _conditions(stream)
    if (rest := len(bound) - EXPLAINED_MAX) > 0:
        yield Text(f"and conditions of {words.counted(rest, 'more stream')}, in the report", style="dim")
    open_streams = [stream for stream in streams if stream.judgement.findings]
    for stream in open_streams[:EXPLAINED_MAX]:
        yield Text(words.plain(stream.plan.stream), style="bold")
        yield _findings(stream, FINDINGS_OF_MANY)
    if (rest := len(open_streams) - EXPLAINED_MAX) > 0:
        yield Text(f"and findings of {words.counted(rest, 'more stream')}, in the report", style="dim")
    if open_streams:
        yield Text()
    yield Text(", ").join(
        Text(f"{words.ICON[decision]} {count} {decision}", style=f"bold {STYLE[decision]}")
        for decision, count in words.decisions(record)
    )


def _share(results: Sequence[CriterionResult | TestResult]) -> Text:
    passed = sum(result.verdict is Verdict.PASS for result in results)
    return Text(f"{passed} of {len(results)}")


def _stream(stream: StreamRecord) -> RenderableType:
    judgement = stream.judgement
    title = Text.assemble(
        (f"{words.ICON[judgement.decision]} {judgement.decision}", f"bold {STYLE[judgement.decision]}"),
        ("  ", ""),
        (stream.plan.stream, "bold"),
        (words.plain(f"  {stream.plan.model}, {stream.plan.lab.owner.organisation}"), "dim"),
    )
    parts = [_kpis(stream)] if any(result.measurement for result in judgement.criteria) else []
    if any(not row.present for row in stream.presence):
        parts += [_presence(stream)]
    parts += [Text()]
    if judgement.findings:
        parts += [_findings(stream), Text()]
    if told := words.scope_line(stream.plan):
        parts += [Text(words.plain(f"{stream.plan.stream}: {told}"), style="dim")]
    if told := words.not_compared(stream):
        parts += [Text(words.plain(f"{stream.plan.stream}: {told}"), style="dim")]
    return Group(*parts, title, Text(words.plain(words.sentence(judgement.summary))), *_conditions(stream))


def _conditions(stream: StreamRecord) -> Iterator[RenderableType]:
    """What the acceptance is bound to; the summary tells one, these are all."""
    conditions = stream.judgement.conditions
    if stream.judgement.decision is Decision.ACCEPTED_WITH_CONDITIONS:
        for each in conditions[:FINDINGS_MAX]:
            yield Padding(Text(words.plain(words.sentence(f"on condition: {each}")), style="yellow"), (0, 0, 0, 2))
        if (rest := len(conditions) - FINDINGS_MAX) > 0:
            yield Text(f"  and {words.counted(rest, 'more condition')}, in the report", style="dim")


def _findings(stream: StreamRecord, most: int = FINDINGS_MAX) -> RenderableType:
    findings = _grouped(stream)
    # The sentence names a KPI by itself; of a test it may say anything, so its title goes first.
    titles = {test.test: test.title for test in stream.tests}
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for finding in findings[:most]:
        told = Text(words.plain(words.sentence(finding.sentence)))
        if (title := titles.get(finding.subject)) and finding.subject not in finding.sentence:
            told = Text.assemble(words.plain(f"{title}: "), told)
        if finding.blame is not None:
            told.append(f" [{words.BLAME[finding.blame].lower()}]", style="dim")
        table.add_row(_verdict(finding.verdict), told)
    if (rest := len(findings) - most) > 0:
        table.add_row("", Text(f"and {rest} more", style="dim"))
    return table


def _grouped(stream: StreamRecord) -> list[Finding]:
    """The findings; of what did not run for the same reason, one for all."""
    tests = {planned.test for planned in stream.plan.planned}
    criteria = {result.criterion.subject for result in stream.judgement.criteria}
    found: list[Finding] = []
    alike: dict[tuple[str, str, object], list[Finding]] = {}
    for finding in stream.judgement.findings:
        kind = "test" if finding.subject in tests else "criterion" if finding.subject in criteria else ""
        if finding.verdict is not Verdict.NOT_RUN or not kind:
            found.append(finding)
            continue
        why = finding.sentence.removeprefix(f"{finding.subject}: ") if kind == "test" else "not measured"
        alike.setdefault((kind, why, finding.blame), []).append(finding)
    for (kind, why, _), group in alike.items():
        if len(group) == 1:
            found += group
        else:
            what = words.counted(len(group), "test") if kind == "test" else f"{len(group)} criteria"
            found.append(group[0].model_copy(update={"subject": kind, "sentence": f"{what}: {why}"}))
    return found


def _kpis(stream: StreamRecord) -> RenderableType:
    results = words.criteria_worst_first(stream)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_edge=False)
    table.add_column("KPI", overflow="fold")
    table.add_column("Measured", justify="right", overflow="fold")
    table.add_column("Required", overflow="fold")
    table.add_column("Verdict", no_wrap=True)
    for result in results[:KPIS_MAX]:
        asked = words.conditions(result.criterion.where)
        name = words.plain(words.title_of(stream, result.criterion.kpi))
        measured = result.measurement
        table.add_row(
            Text.assemble(name, (words.plain(f", {asked}" if asked else ""), "dim"), (_standing(result), "dim")),
            Text(words.quantity(measured.value, measured.unit) if measured else words.ICON["NOT_RUN"]),
            Text(words.plain(words.required(result).replace(" ", words.NO_BREAK))),
            _verdict(result.verdict),
        )
    hidden = results[KPIS_MAX:]
    if not hidden:
        return table
    more = Text(f"and {len(hidden)} more: {words.tally(hidden, words.CRITERION_TALLY)}", style="dim")
    return Group(table, more)


def _presence(stream: StreamRecord) -> RenderableType:
    """Declared and found, what is not there first."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_edge=False)
    for column in ("Component", "Host", "Declared", "Found", "Told by", ""):
        table.add_column(column, overflow="fold")
    for row in stream.presence[:ROWS_MAX]:
        sign, style = ("PASS", "green") if row.present else ("INCONCLUSIVE", "yellow")
        told = [f"{row.component} {row.product}", row.host or "none", row.declared, row.found or "nothing", row.source]
        word = Text(f"{words.ICON[sign]} {'there' if row.present else 'not there'}", style=style)
        table.add_row(*(Text(words.plain(each)) for each in told), word)
    if (rest := len(stream.presence) - ROWS_MAX) <= 0:
        return table
    return Group(table, Text(f"and {rest} more, in the report", style="dim"))


def _standing(result: CriterionResult) -> str:
    """What makes a missed criterion reject nothing."""
    if not result.criterion.decides:
        return " (advisory)"
    return " (waived)" if result.is_waived else ""


def _verdict(verdict: Verdict) -> Text:
    return Text(f"{words.ICON[verdict]} {verdict.replace('_', ' ')}", style=STYLE[verdict])
