"""A Gantt picture: lanes of bars along a clock, as an SVG that fits any width without scaling its text.

The plan's page and the acceptance report draw with it. Bars lie in a nested `svg` that is stretched to the
width of the page; texts are placed in percent of it. Colours are the page's CSS variables.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nfvcert.render.words import NO_BREAK, duration

__all__ = ["Bar", "Lane", "Line", "bar_title", "picture", "ticks"]

TITLES_MAX = 3000
"""So many bars have a text of their own to point at; beyond, bars of a kind in a lane are one path."""
UNITS = 10_000
"""Horizontal units of the stretched part: the width of the axis."""
LABEL, GAP, PAD = 17, 1.5, 8
"""Heights in CSS pixels: a lane's text, what is between rows, what is below a lane."""
HIGH, LOW = 10.0, 5.0
"""Of a row of bars: where a lane has one, and where it has several."""
ROWS_MAX = 5
"""Bars of one lane at the same time that have a row each; further ones lie over each other."""
SLACK = 0.005
"""Seconds by which neighbours may overlap: times of a record are rounded."""
LINKS_MAX = 80
"""More of them would hide the bars."""
AXIS = 34
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Bar:
    """A test in the picture; times in seconds since the picture's start."""

    start: float
    end: float
    kind: str
    """A CSS class, which colours it."""
    title: str = ""
    critical: bool = False


@dataclass(frozen=True)
class Lane:
    """A stream in the picture."""

    name: str
    note: str
    """Stands at the right: when it ends."""
    bars: Sequence[Bar]
    deadline: float | None = None
    late: bool = False
    link: str = ""


@dataclass(frozen=True)
class Line:
    """A moment that concerns all lanes."""

    at: float
    text: str = ""
    kind: str = ""


def ticks(seconds: float, began: datetime | None, most: int = 6) -> list[tuple[float, str]]:
    """Where an axis of so many seconds has figures, and which: times of day where it is known when it began."""
    step = next((step for step in STEPS if seconds / step <= most), DAY * max(1, round(seconds / DAY / most)))
    if began is None:
        return [(at, _passed(at)) for at in _multiples(0.0, seconds, step)]
    midnight = began.replace(hour=0, minute=0, second=0, microsecond=0)
    into_day = (began - midnight).total_seconds()
    found = []
    day = began.date()
    for at in _multiples(into_day, seconds, step):
        when = began + timedelta(seconds=at)
        text = f"{when:%H:%M}" if step >= 60 else f"{when:%H:%M:%S}"
        if step >= DAY:
            text = f"{when.day} {when:%b}"
        elif when.date() != day:
            day, text = when.date(), f"{when:%a} {text}"
        found.append((at, text))
    return found


def _multiples(offset: float, seconds: float, step: float) -> Iterable[float]:
    at = -offset % step
    while at <= seconds:
        yield at
        at += step


def _passed(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}{NO_BREAK}h" if minutes >= 60 else f"{minutes}:{rest:02}"


def picture(
    lanes: Sequence[Lane],
    *,
    seconds: float,
    began: datetime | None = None,
    lines: Sequence[Line] = (),
    links: Sequence[tuple[Bar, Bar]] = (),
    alternative: str,
    style: str = "",
) -> str:
    """Draw the lanes as an `svg` element, safe to insert into HTML as it is. ``links`` join the ends of bars to starts.

    ``style`` is CSS for a picture that stands alone; in a page, gantt.css is the page's.
    """
    span = max(seconds, 1e-6)
    titled = sum(len(lane.bars) for lane in lanes) <= TITLES_MAX
    bars: list[str] = []
    texts: list[str] = []
    place: dict[int, float] = {}
    links = links if len(links) <= LINKS_MAX else ()
    y = float(AXIS)
    for lane in lanes:
        texts += _lane_texts(lane, y)
        rows = _rows(lane.bars)
        top = y + LABEL
        bars.append(f'<rect class="bed" x="0" y="{top:g}" width="{UNITS}" height="{_height(rows):g}"/>')
        bars += _lane_bars(rows, top, span, titled, place)
        if lane.deadline is not None:
            bars.append(_deadline(lane, lane.deadline, top, _height(rows), span))
        y = top + _height(rows) + PAD
    height = y + 6
    grid = [
        f'<line x1="{_x(at, span)}" x2="{_x(at, span)}" y1="{AXIS - 4}" y2="{y:g}"/>' for at, _ in ticks(span, began)
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="gantt" role="img" width="100%" height="{height:g}"',
        f' aria-label="{html.escape(alternative)}">',
        f"<style>{style}</style>" if style else "",
        f'<svg width="100%" height="{height:g}" viewBox="0 0 {UNITS} {height:g}" preserveAspectRatio="none">',
        f'<g class="grid">{"".join(grid)}</g>',
        *bars,
        *(_link(one, other, place, span) for one, other in links if id(one) in place and id(other) in place),
        *(_line(line, y, span) for line in lines),
        "</svg>",
        *_axis_texts(span, began),
        *(_line_text(line, span) for line in lines if line.text),
        *texts,
        "</svg>",
    ]
    return "".join(parts)


def _x(at: float, span: float) -> str:
    return f"{at / span * UNITS:.0f}"


def _percent(at: float, span: float) -> str:
    return f"{at / span * 100:.2f}%"


def _rows(bars: Sequence[Bar]) -> list[list[Bar]]:
    """Bars that overlap are put below each other."""
    rows: list[list[Bar]] = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        free = next((row for row in rows if row[-1].end <= bar.start + SLACK), None)
        if free is not None:
            free.append(bar)
        elif len(rows) < ROWS_MAX:
            rows.append([bar])
        else:
            min(rows, key=lambda row: row[-1].end).append(bar)
    return rows or [[]]


def _height(rows: Sequence[Sequence[Bar]]) -> float:
    return len(rows) * (_bar_height(rows) + GAP) - GAP


def _bar_height(rows: Sequence[Sequence[Bar]]) -> float:
    return HIGH if len(rows) == 1 else LOW


def _lane_bars(
    rows: Sequence[Sequence[Bar]], top: float, span: float, titled: bool, place: dict[int, float]
) -> Iterable[str]:
    """The bars of a lane: each with its title, or those of a kind as one path."""
    paths: dict[str, list[str]] = {}
    critical: list[str] = []
    high = _bar_height(rows)
    for number, row in enumerate(rows):
        y = top + number * (high + GAP)
        for bar in row:
            left = bar.start / span * UNITS
            wide = max((bar.end - bar.start) / span * UNITS, 2)
            # A gap tells neighbours apart, unless it would eat the bar.
            wide -= min(8.0, wide * 0.15)
            shape = f"M{left:.0f} {y:g}h{max(wide, 1):.0f}v{high:g}h-{max(wide, 1):.0f}z"
            if bar.critical:
                place[id(bar)] = y + high
                critical.append(f"M{left:.0f} {y + high - 2.5:g}h{max(wide, 1):.0f}v3h-{max(wide, 1):.0f}z")
            if titled and bar.title:
                title = html.escape(bar.title, quote=False)
                yield f'<path class="{bar.kind}" d="{shape}"><title>{title}</title></path>'
            else:
                paths.setdefault(bar.kind, []).append(shape)
    for kind, shapes in paths.items():
        yield f'<path class="{kind}" d="{"".join(shapes)}"/>'
    if critical:
        yield f'<path class="critical" d="{"".join(critical)}"/>'


def _lane_texts(lane: Lane, y: float) -> Iterable[str]:
    name = html.escape(lane.name)
    if lane.link:
        name = f'<a href="#{html.escape(lane.link)}">{name}</a>'
    yield f'<text class="name" x="0" y="{y + 12:g}">{name}</text>'
    late = " late" if lane.late else ""
    yield f'<text class="note{late}" x="100%" y="{y + 12:g}" text-anchor="end">{html.escape(lane.note)}</text>'


def _deadline(lane: Lane, at: float, top: float, height: float, span: float) -> str:
    if not at <= span:
        return ""
    x = _x(max(0.0, at), span)
    return (
        f'<line class="deadline{" late" if lane.late else ""}" x1="{x}" x2="{x}" y1="{top - 3:g}" '
        f'y2="{top + height + 3:g}"><title>deadline of {html.escape(lane.name, quote=False)}</title></line>'
    )


def _link(one: Bar, other: Bar, place: dict[int, float], span: float) -> str:
    """From the end of a bar to the start of the one that waited for it."""
    above, below = sorted((place[id(one)], place[id(other)]))
    return "" if above == below else f'<path class="link" d="M{_x(other.start, span)} {above:g}V{below:g}"/>'


def _line(line: Line, y: float, span: float) -> str:
    x = _x(line.at, span)
    return f'<line class="moment {line.kind}" x1="{x}" x2="{x}" y1="{AXIS - 6}" y2="{y:g}"/>'


def _axis_texts(span: float, began: datetime | None) -> Iterable[str]:
    for at, text in ticks(span, began):
        share = at / span
        anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
        yield f'<text class="tick" x="{_percent(at, span)}" y="{AXIS - 8}" text-anchor="{anchor}">{text}</text>'


def _line_text(line: Line, span: float) -> str:
    anchor = "start" if line.at < span / 2 else "end"
    return (
        f'<text class="moment {line.kind}" x="{_percent(line.at, span)}" y="11" text-anchor="{anchor}">'
        f"{html.escape(line.text)}</text>"
    )


def bar_title(name: str, start: float, seconds: float, *more: str) -> str:
    """What is read when a bar is pointed at."""
    return "\n".join([name, f"after {_passed(start)}, {duration(seconds)}", *(text for text in more if text)])
