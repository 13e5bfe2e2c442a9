"""The plan of a run as people look at it: the Gantt picture, its page, and the same for the terminal.

Shows what `streams.plan_run` found and computes nothing of its own but sums and clock times.
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from nfvcert.claims import Need
from nfvcert.record import PlannedTest, StreamPlan
from nfvcert.render import gantt, page, words
from nfvcert.streams import Lateness, PlannedBar, RunPlan
from nfvcert.testcase import case_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["html", "svg", "text"]

ROWS_MAX = 5000
"""Rows of one table of the page; the record has the rest."""
PATH_SHOWN = 6
"""Steps of the critical path at either end that the terminal names."""
NAMES_MAX = 4
KINDS = {
    "common": "what labs have in common, to itself",
    "whole-lab": "a whole lab to itself",
    "generator": "a traffic generator to itself",
    "exclusive": "something else to itself",
    "shared": "only what it can share",
}
"""CSS class of a bar → what its test needs, worst to stand beside first."""


def svg(plan: RunPlan, plans: Sequence[StreamPlan] = (), *, started: str = "") -> str:
    """The Gantt picture alone, as an SVG document with its own colours.

    Without ``started`` (ISO 8601 with offset) its axis counts from the start. ``plans`` tell of deadlines.
    """
    began = datetime.fromisoformat(started) if started else None
    return _picture(plan, plans, began, style=page.gantt_style())


def html(plan: RunPlan, plans: Sequence[StreamPlan], *, run: str, started: str) -> str:
    """The plan's page, as the text of one self-contained HTML file.

    ``started`` is when the run starts (ISO 8601 with offset); times are told in its offset.
    """
    view = _View(plan, plans, datetime.fromisoformat(started))
    # The picture's texts are escaped by its writer.
    picture = Markup(_picture(plan, plans, view.began, linked=True))  # noqa: S704
    occurring = {_kind(bar) for bar in plan.bars}
    kinds = {kind: needs for kind, needs in KINDS.items() if kind in occurring}
    return page.render("plan.html", view=view, plan=plan, run=run, picture=picture, kinds=kinds, rows_max=ROWS_MAX)


def text(
    plan: RunPlan, plans: Sequence[StreamPlan], width: int, *, started: str, colour: bool = False, streams_max: int = 40
) -> str:
    """The plan as text of lines of at most ``width`` columns (40 at least), with a last newline."""
    from rich.text import Text  # rich takes a while to load, and the page does without

    view = _View(plan, plans, datetime.fromisoformat(started))
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)
    console.print(_streams_table(view, streams_max, console.width))
    if len(view.rows) > streams_max:
        console.print(Text(f"and {words.counted(len(view.rows) - streams_max, 'stream')} more", style="dim"))
    for row in view.rows[:streams_max]:
        if told := words.scope_line(row.plan):
            console.print(Text(words.plain(f"{row.plan.stream}: {told}"), style="dim"))
    console.print()
    _tell_totals(console, view)
    for late in plan.late:
        console.print(Text(f"warning: {view.lateness(late)}", style="yellow"))
    console.print()
    _tell_path(console, view)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()).rstrip() + "\n"


def _kind(bar: PlannedBar) -> str:
    """What a test has to itself: the largest thing."""
    lab = bar.stream.rpartition("@")[2]
    exclusive = {need.resource for need in bar.needs if need.how == "exclusive"}
    if any("/" not in resource for resource in exclusive - {lab}):
        return "common"
    if lab in exclusive:
        return "whole-lab"
    if any(resource.endswith("/generator") for resource in exclusive):
        return "generator"
    return "exclusive" if exclusive else "shared"


def _picture(
    plan: RunPlan,
    plans: Sequence[StreamPlan],
    began: datetime | None,
    *,
    linked: bool = False,
    style: str = "",
) -> str:
    deadlines = {each.stream: datetime.fromisoformat(each.deadline) for each in plans if each.deadline}
    late = {each.stream for each in plan.late}
    by_stream: dict[str, list[PlannedBar]] = {name: [] for name in plan.ends}
    for bar in plan.bars:
        by_stream.setdefault(bar.stream, []).append(bar)
    path: list[tuple[PlannedBar, gantt.Bar]] = []
    lanes = []
    for number, (name, bars) in enumerate(by_stream.items(), 1):
        drawn = []
        for bar in bars:
            waits = f"waits for {bar.waits_for}" if bar.waits_for else "on the critical path" if bar.critical else ""
            needs = ", ".join(str(need) for need in bar.needs)
            title = gantt.bar_title(case_of(bar.test, name), bar.start, bar.seconds, needs, waits)
            each = gantt.Bar(bar.start, bar.start + bar.seconds, _kind(bar), title, bar.critical)
            drawn.append(each)
            if bar.critical:
                path.append((bar, each))
        deadline = (deadlines[name] - began).total_seconds() if began is not None and name in deadlines else None
        end = _end_note(plan.ends.get(name, 0.0), began) if bars else "no test"
        note = f"{words.counted(len(bars), 'test')}, {end}" if bars else end
        note += ", late" if name in late else ""
        lanes.append(gantt.Lane(name, note, drawn, deadline, name in late, link=f"stream-{number}" if linked else ""))
    path.sort(key=lambda step: step[0].start)
    links = [
        (before, after)
        for (_, before), (bar, after) in itertools.pairwise(path)
        if bar.waits_for not in {"", "a worker"}
    ]
    lines = [gantt.Line(plan.seconds, f"expected end {_end_note(plan.seconds, began, bare=True)}")]
    if plan.bound_seconds < plan.seconds * 0.995:
        lines.append(gantt.Line(plan.bound_seconds, kind="bound"))
    return gantt.picture(
        lanes,
        seconds=plan.seconds * 1.004,
        began=began,
        lines=lines if plan.bars else (),
        links=links,
        alternative=(
            f"Gantt picture of {words.counted(len(plan.bars), 'test')} in {words.counted(len(lanes), 'stream')}, "
            f"expected to take {words.duration(plan.seconds)}. The tables below say the same."
        ),
        style=style,
    )


def _end_note(seconds: float, began: datetime | None, *, bare: bool = False) -> str:
    if began is None:
        return words.duration(seconds)
    return ("" if bare else "until ") + words.clock(began + timedelta(seconds=seconds), began)


@dataclass
class _Row:
    """A stream in the tables."""

    plan: StreamPlan
    key: str
    seconds: float
    """Sum of its tests."""
    end: datetime
    deadline: datetime | None
    late: Lateness | None

    @property
    def unit(self) -> str:
        unit = self.plan.unit
        return f"{unit.unit}" if unit else ""

    @property
    def scope(self) -> str:
        """What its release can break, in a line."""
        return words.scope_line(self.plan)


@dataclass
class _Case:
    """A test as it is in several streams alike."""

    case: str
    title: str
    reason: str
    needs: str
    least: float
    most: float
    streams: list[str] = field(default_factory=list)


class _View:
    """A plan as page and terminal want to see it."""

    def __init__(self, plan: RunPlan, plans: Sequence[StreamPlan], began: datetime) -> None:
        self.plan = plan
        self.began = began
        self.plans = plans
        late = {each.stream: each for each in plan.late}
        self.rows = [
            _Row(
                plan=each,
                key=f"stream-{list(plan.ends).index(each.stream) + 1}" if each.stream in plan.ends else "",
                seconds=sum(test.expected_seconds for test in each.planned),
                end=self.at(plan.ends.get(each.stream, 0.0)),
                deadline=datetime.fromisoformat(each.deadline).astimezone(began.tzinfo) if each.deadline else None,
                late=late.get(each.stream),
            )
            for each in plans
        ]

    def at(self, seconds: float) -> datetime:
        """The moment so long after the start."""
        return self.began + timedelta(seconds=seconds)

    def clock(self, when: datetime | float) -> str:
        """A moment, or seconds since the start, as a time of day."""
        return words.clock(self.at(when) if isinstance(when, float | int) else when, self.began)

    @property
    def zone(self) -> str:
        """In which offset times are told."""
        return self.began.tzname() or "UTC"

    @property
    def end(self) -> str:
        return self.clock(self.plan.seconds)

    @functools.cached_property
    def tests(self) -> int:
        return sum(len(each.planned) for each in self.plans)

    @functools.cached_property
    def unplaced(self) -> int:
        """Planned tests that will not run: deselected by hand."""
        return self.tests - len(self.plan.bars)

    @property
    def above_bound(self) -> str:
        """How far the expected end is from what is possible at best."""
        if self.plan.bound_seconds <= 0:
            return ""
        percent = (self.plan.seconds / self.plan.bound_seconds - 1) * 100
        return "no order ends sooner" if percent < 0.5 else f"the plan takes {percent:.0f}{words.NO_BREAK}% longer"

    @functools.cached_property
    def path(self) -> list[PlannedBar]:
        return sorted((bar for bar in self.plan.bars if bar.critical), key=lambda bar: bar.start)

    @functools.cached_property
    def titles(self) -> dict[str, str]:
        return {test.test: test.title for each in self.plans for test in each.planned}

    def lateness(self, late: Lateness) -> str:
        """A deadline that will be missed, in a sentence."""
        deadline = datetime.fromisoformat(late.deadline).astimezone(self.began.tzinfo)
        expected = datetime.fromisoformat(late.expected).astimezone(self.began.tzinfo)
        return (
            f"{late.stream} will miss its deadline {self.clock(deadline)} by {words.duration(late.seconds)}: "
            f"it is expected to end at {self.clock(expected)}"
        )

    def short(self, bar: PlannedBar) -> str:
        """A test without its file and stream."""
        return case_of(bar.test, bar.stream).rpartition("::")[2]

    @functools.cached_property
    def cases(self) -> list[_Case]:
        """The planned tests; those that differ by the stream alone, once."""
        found: dict[tuple[str, str, str, str], _Case] = {}
        for each in self.plans:
            said: dict[tuple[Need, ...], str] = {}
            for test in each.planned:
                if test.needs not in said:
                    said[test.needs] = _needs(test, each.lab.lab)
                key = (case_of(test.test, each.stream), test.title, test.reason, said[test.needs])
                seconds = test.expected_seconds
                case = found.get(key)
                if case is None:
                    case = found[key] = _Case(*key, seconds, seconds)
                case.least, case.most = min(case.least, seconds), max(case.most, seconds)
                case.streams.append(each.stream)
        return list(found.values())

    @functools.cached_property
    def left_out(self) -> list[tuple[str, str, list[str]]]:
        """Case, reason, and the streams that leave it out."""
        found: dict[tuple[str, str], list[str]] = {}
        for each in self.plans:
            for left in each.left_out:
                found.setdefault((case_of(left.test, each.stream), left.reason), []).append(each.stream)
        return [(case, reason, streams) for (case, reason), streams in found.items()]

    def streams_of(self, names: Sequence[str]) -> str:
        """Which streams, briefly."""
        if len(names) == len(self.plans):
            return "all" if len(names) > 1 else names[0]
        shown = ", ".join(names[:NAMES_MAX])
        return shown if len(names) <= NAMES_MAX else f"{shown} and {len(names) - NAMES_MAX} more"


def _needs(test: PlannedTest, lab: str) -> str:
    """What a test claims, called the same in every lab; that it shares the lab goes without saying."""
    found = []
    for need in test.needs:
        name = "the whole lab" if need.resource == lab else need.resource.removeprefix(f"{lab}/")
        if need.how == "exclusive":
            found.append(f"{name} (exclusive)")
        elif need.resource != lab:
            found.append(f"{name} ({need.amount} of it)" if need.amount else f"{name} (shared)")
    return ", ".join(found)


# The terminal.


def _streams_table(view: _View, streams_max: int, width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
    due = any(row.deadline for row in view.rows)
    table.add_column("Stream", overflow="fold")
    table.add_column("Tests", justify="right")
    wide = width >= 60
    if wide:
        table.add_column("Work", justify="right", no_wrap=True)
    table.add_column("Ends", justify="right", no_wrap=True)
    if due:
        table.add_column("Deadline", justify="right")
    for row in view.rows[:streams_max]:
        cells = [Text(words.plain(row.plan.stream)), Text(str(len(row.plan.planned)))]
        if wide:
            cells.append(Text(words.duration(row.seconds)))
        cells.append(Text(view.clock(row.end)))
        if due:
            told = view.clock(row.deadline) if row.deadline else ""
            cells.append(Text(f"{told} late" if row.late else told, style="red" if row.late else ""))
        table.add_row(*cells)
    return table


def _tell_totals(console: Console, view: _View) -> None:
    from rich.text import Text

    plan = view.plan
    head = f"{words.counted(len(view.rows), 'stream')}, {words.counted(view.tests, 'test')}, "
    side = f"{plan.workers} side by side" if plan.workers > 1 else "one after the other"
    console.print(
        Text.assemble(
            head, f"{side}: ", (f"expected to end at {view.end}", "bold"), f" ({words.duration(plan.seconds)})"
        )
    )
    if view.unplaced:
        console.print(Text(f"{words.counted(view.unplaced, 'planned test')} will not run: deselected", style="yellow"))
    console.print(
        Text(
            f"no order could end before {view.clock(plan.bound_seconds)} ({words.duration(plan.bound_seconds)}), "
            f"because of {words.plain(plan.bound_why)}"
        )
    )


def _tell_path(console: Console, view: _View) -> None:
    from rich.table import Table
    from rich.text import Text

    path = view.path
    if not path:
        return
    console.print(Text("What decides the end:", style="dim"))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=3)
    table.add_column(overflow="fold", ratio=2)
    shown: Iterable[PlannedBar | None] = path
    if len(path) > 2 * PATH_SHOWN + 1:
        shown = [*path[:PATH_SHOWN], None, *path[-PATH_SHOWN:]]
    for bar in shown:
        if bar is None:
            table.add_row("", Text(f"… {words.counted(len(path) - 2 * PATH_SHOWN, 'test')} …", style="dim"), "")
        else:
            why = f"after {words.plain(bar.waits_for)}" if bar.waits_for else ""
            what = Text(words.plain(f"{bar.stream} {view.short(bar)}"))
            table.add_row(Text(view.clock(bar.start)), what, Text(why, style="dim"))
    console.print(table)
