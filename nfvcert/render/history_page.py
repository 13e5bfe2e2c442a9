"""The trend of a lab's KPIs over its accepted records: tables with sparklines for a terminal, a page with pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence

from markupsafe import Markup
from rich import box
from rich.table import Table
from rich.text import Text

from nfvcert.history import Point, Trend
from nfvcert.record import Series
from nfvcert.render import charts, page
from nfvcert.render.words import conditions, counted, plain, quantity

__all__ = ["html", "sparkline", "text"]

BLOCKS = "▁▂▃▄▅▆▇█"
SPARKS_MAX = 24
"""Records that a sparkline shows, the last ones."""


def text(trends: Sequence[Trend], *, whole: bool, width: int, colour: bool) -> str:
    """A line a trend; with ``whole``, a line a record of each."""
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)
    if not whole:
        table = _table("KPI", "Records", "Trend", "Last", "Before it")
        for trend in trends:
            last = trend.points[-1].measured
            name = Text.assemble(plain(trend.kpi), (plain(_asked(trend)), "dim"))
            drawn = sparkline([point.measured.value for point in trend.points])
            table.add_row(name, str(len(trend.points)), drawn, quantity(last.value, last.unit), _change(trend.change))
        console.print(table)
        return target.getvalue()
    for trend in trends:
        values = [point.measured.value for point in trend.points]
        console.print(
            Text.assemble((plain(trend.kpi), "bold"), plain(_asked(trend)), (plain(f"  {trend.case}"), "dim"))
        )
        table = _table("Run", "Stream", "Measured", "Interval", "Before it", "Not comparable with the one before")
        for number, point in enumerate(trend.points):
            change = _step(trend.points[number - 1], point) if number else None
            found = point.measured
            table.add_row(
                plain(point.run.run),
                plain(f"{point.run.stream}{_major(point)}"),
                quantity(found.value, found.unit),
                _interval(point),
                _change(change),
                plain("; ".join(point.differs)),
            )
        console.print(table)
        span = f"{quantity(min(values), trend.unit)} … {quantity(max(values), trend.unit)}"
        console.print(f"{sparkline(values)}  {counted(len(values), 'accepted record')}, {span}\n")
    return target.getvalue()


def html(lab: str, trends: Sequence[Trend]) -> str:
    """The same as a page, with a picture a trend."""
    drawn = []
    for trend in trends:
        points = tuple((float(number), point.measured.value) for number, point in enumerate(trend.points, 1))
        series = Series(title=trend.kpi, x="accepted record", y=f"{trend.kpi} ({trend.unit})", points=points, test="")
        chart = charts.draw(series)
        drawn.append((trend, Markup(chart.svg)))  # noqa: S704 - numbers, and its one text is escaped by its writer
    return page.render(
        "history.html",
        lab=lab,
        trends=drawn,
        asked=_asked,
        change=_change,
        interval=_interval,
        major=_major,
        step=_step,
    )


def sparkline(values: Sequence[float]) -> str:
    """The last values as blocks, the lowest of them the least block and the highest the whole one."""
    shown = values[-SPARKS_MAX:]
    low, span = min(shown), max(shown) - min(shown)
    return "".join(BLOCKS[round((value - low) / span * (len(BLOCKS) - 1)) if span else 3] for value in shown)


def _asked(trend: Trend) -> str:
    told = conditions(trend.conditions)
    return f", {told}" if told else ""


def _major(point: Point) -> str:
    return ", a major release" if point.run.release_class == "major" else ""


def _interval(point: Point) -> str:
    low, high = point.measured.low, point.measured.high
    return f"{quantity(low, point.measured.unit)} … {quantity(high, point.measured.unit)}" if low != high else "exact"


def _step(before: Point, after: Point) -> float | None:
    was = before.measured.value
    return after.measured.value / was - 1 if was else None


def _change(share: float | None) -> str:
    return "" if share is None else f"{share * 100:+.2g} %".replace("-", "\N{MINUS SIGN}")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in {"Trend", "Measured"})
    return table
