"""Charts for the acceptance report: curves, steps and histograms, and the bullet bar beside each KPI.

A curve becomes an SVG that lives inside an HTML page: its colours are the page's CSS variables (so
it follows light, dark and print), it has no ids, and it holds figures only. Titles and axis titles
are left to the page, where any script and any length fits. It is written here, since a plotting
library takes 20 ms for what takes 0.2 ms: a campaign has some hundred curves.
"""

from __future__ import annotations

import html
import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nfvcert.judge import CriterionResult
from nfvcert.record import Series, StreamRecord
from nfvcert.render.words import NO_BREAK, conditions, quantity, title_of

__all__ = ["LIMIT_DASHES", "Bullet", "Chart", "Limit", "bullet", "draw", "limits"]

SIZE = (360, 200)
"""Width and height in SVG units, close to the CSS pixels at which a chart is shown."""
FONT_SIZE = 11
LIMIT_DASHES = ((5, 3), (1.5, 2), (8, 2, 1.5, 2))
"""One dash pattern for each limit of a chart, in widths of its line."""
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 10, 22
"""Margins, in SVG units."""
TICKS = 5
DOTS_MAX = 40
"""Points of a curve that are marked each."""
AXIS_UNITS = {
    "s": ("s", 1.0),
    "ms": ("s", 1e-3),
    "µs": ("s", 1e-6),
    "us": ("s", 1e-6),
    "%": ("ratio", 1e-2),
    "pps": ("pps", 1.0),
    "kpps": ("pps", 1e3),
    "Mpps": ("pps", 1e6),
    "frames": ("frames", 1.0),
    "B": ("B", 1.0),
}
"""Unit in an axis title → unit of a KPI, and how much of it that is."""
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Limit:
    """A required bound that is drawn as a line. ``value`` is in the unit of the axis."""

    value: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A curve ready for the page."""

    svg: str
    """An `svg` element, safe to insert into HTML as it is. Empty when there is nothing to draw."""
    alternative: str
    """The curve in a sentence, for those who do not see it."""
    drawn: tuple[Limit, ...]
    beyond: tuple[Limit, ...]
    """Limits so far from the data that drawing them would hide the data."""
    log_axes: tuple[str, ...]
    """Which axes (`x`, `y`) are logarithmic."""


@dataclass(frozen=True)
class Bullet:
    """A measured interval against its bound, as positions in percent of the bar's width."""

    allowed: tuple[float, float]
    low: float
    high: float
    value: float
    bounds: tuple[float, ...]
    margin: str
    """How far the worse end of the interval is from the bound: `12 % above`."""
    order: float
    """The same as a number: negative where the bound is missed."""


def limits(series: Series, stream: StreamRecord) -> tuple[Limit, ...]:
    """The required bounds of the quantity that a curve shows, as far as they are easily known.

    Those are the bounds of KPIs that the same test measured, in the unit of the axis, with a word
    in common with the curve's title or that axis' title: a bound on delay variation is none on delay.
    """
    axis = series.x if series.kind == "histogram" else series.y
    named = re.search(r"[(\[,]\s*([^\s()\[\],]+)\s*[)\]]?\s*$", axis)
    unit, factor = AXIS_UNITS.get(named[1] if named else "", ("", 1.0))
    about = _words(f"{series.title} {axis}")
    found = []
    for result in stream.judgement.criteria:
        criterion = result.criterion
        if result.measurement is None or result.measurement.test != series.test or criterion.unit != unit:
            continue
        title = title_of(stream, criterion.kpi)
        if not about & _words(title):
            continue
        label = ", ".join(part for part in (title, conditions(criterion.where)) if part)
        found += [
            Limit(bound / factor, f"{label}: required {criterion.as_written}")
            for bound in (criterion.at_least, criterion.at_most)
            if bound is not None
        ]
    return tuple(found)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower())) - {"frame", "frames", "rate", "percentile", "test", "with"}


def draw(series: Series, bounds: Sequence[Limit] = ()) -> Chart:
    """Draw a curve, with those of the bounds that lie near it."""
    points = [(x, y) for x, y in series.points if all(math.isfinite(v) and abs(v) < 1e300 for v in (x, y))]
    if not points:
        return Chart("", f"{series.title}: no points were measured.", (), tuple(bounds), ())
    if series.kind == "histogram":
        points.sort()
    log_axes = _log_axes(series, points)
    across = "x" if series.kind == "histogram" else "y"
    drawn = tuple(limit for limit in bounds if _fits(limit, points, across, across in log_axes))
    alternative = _alternative(series, points, bounds)
    svg = _render(series, points, drawn, log_axes, alternative)
    return Chart(svg, alternative, drawn, tuple(limit for limit in bounds if limit not in drawn), log_axes)


def _log_axes(series: Series, points: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    """A histogram of latencies has a long tail of rare frames: both matter, so it may need decades."""
    if series.kind != "histogram":
        return ()
    spans = {"x": [x for x, _ in points], "y": [y for _, y in points]}
    return tuple(name for name, values in spans.items() if min(values) > 0 and max(values) > 100 * min(values))


def _fits(limit: Limit, points: Sequence[tuple[float, float]], across: str, log: bool) -> bool:
    values = [x if across == "x" else y for x, y in points]
    if log:
        return min(values) / 10 <= limit.value <= max(values) * 10
    return min(0.0, *values) <= limit.value <= 4 * max(0.0, *values) or limit.value == 0


def _alternative(series: Series, points: Sequence[tuple[float, float]], bounds: Sequence[Limit]) -> str:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    kind = {"line": "Line chart", "steps": "Step chart", "histogram": "Histogram"}[series.kind]
    told = (
        f"{kind}: {series.title}. {len(points)} {'point' if len(points) == 1 else 'points'}; "
        f"{series.x} from {min(xs):g} to {max(xs):g}; {series.y} from {min(ys):g} to {max(ys):g}."
    )
    return " ".join([told, *(f"{limit.label}." for limit in bounds)])


def _render(
    series: Series,
    points: Sequence[tuple[float, float]],
    drawn: Sequence[Limit],
    log_axes: Sequence[str],
    alternative: str,
) -> str:
    histogram = series.kind == "histogram"
    xs, ys = [x for x, _ in points], [y for _, y in points]
    lefts = _left_edges(xs) if histogram else []
    bounds = [limit.value for limit in drawn]
    across = _x_axis([*xs, *lefts, *(bounds if histogram else ())], whole=xs, log="x" in log_axes, histogram=histogram)
    up = _y_axis([*ys, *(() if histogram else bounds)], log="y" in log_axes)
    width, height = SIZE
    base = up.at(max(up.low, 0.0) if "y" not in log_axes else up.low)
    parts = [
        f'<svg xmlns="{SVG_NAMESPACE}" viewBox="0 0 {width} {height}" class="chart" role="img"',
        f' aria-label="{html.escape(alternative)}">',
        *_grid(across, up),
        _bars(lefts, points, across, up, base) if histogram else _curve(series.kind, points, across, up),
        *(_limit_line(limit, number, across if histogram else up, histogram) for number, limit in enumerate(drawn)),
        "</svg>",
    ]
    return "".join(parts)


@dataclass(frozen=True)
class _Axis:
    """From values to places."""

    low: float
    high: float
    start: float
    end: float
    """Places of `low` and `high`."""
    log: bool
    ticks: tuple[float, ...]
    text: Callable[[float], str]

    def at(self, value: float) -> float:
        """Where a value is, in units of the SVG."""
        low, high, value = (math.log10(v) for v in (self.low, self.high, value)) if self.log else self._halved(value)
        return self.start + (value - low) / ((high - low) or 1.0) * (self.end - self.start)

    def _halved(self, value: float) -> tuple[float, float, float]:
        return self.low / 2, self.high / 2, value / 2  # so that no difference can overflow


def _x_axis(values: Sequence[float], *, whole: Sequence[float], log: bool, histogram: bool) -> _Axis:
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    elif not log and not histogram:
        room = high / 50 - low / 50
        low, high = low - room, high + room
    return _axis(low, high, LEFT, SIZE[0] - RIGHT, log=log, integer=all(value == int(value) for value in whole))


def _y_axis(values: Sequence[float], *, log: bool) -> _Axis:
    if log:
        low, high = min(values) / 2, max(values) * 2
    else:
        # From zero, so that a small dip does not look like a fall.
        low, high = min(0.0, *values) * 1.08, max(0.0, *values) * 1.08
        high = high if high > low else low + 1
    integer = all(value == int(value) for value in values)
    return _axis(low, high, SIZE[1] - BOTTOM, TOP, log=log, integer=integer)


def _axis(low: float, high: float, start: float, end: float, *, log: bool, integer: bool) -> _Axis:
    ticks = _decades(low, high) if log else _round_figures(low, high, integer=integer)
    return _Axis(low, high, start, end, log, ticks, _tick_text(max(abs(low), abs(high))))


def _round_figures(low: float, high: float, *, integer: bool) -> tuple[float, ...]:
    """Some four to six figures that are easy to read."""
    span = high / TICKS - low / TICKS
    if not 1e-290 < span < 1e290 or span < 1e-12 * max(abs(low), abs(high)):
        return (low, high)
    magnitude = 10 ** math.floor(math.log10(span))
    steps = [step * magnitude for step in (1, 2, 2.5, 5, 10) if not integer or step * magnitude >= 1]
    step = next((step for step in steps if step >= span and (not integer or step == int(step))), 10 * magnitude)
    return tuple(number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1))


def _decades(low: float, high: float) -> tuple[float, ...]:
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    return tuple(10.0**power for power in range(first, last + 1, max(1, math.ceil((last - first + 1) / 6))))


def _grid(across: _Axis, up: _Axis) -> Iterator[str]:
    width, height = SIZE
    for value in up.ticks:
        y = up.at(value)
        yield f'<path d="M{LEFT} {y:.1f}H{width - RIGHT}" style="stroke:var(--line);stroke-width:1"/>'
        yield _figure(LEFT - 6, y + 4, up.text(value), "end")
    yield f'<path d="M{LEFT} {height - BOTTOM}H{width - RIGHT}" style="stroke:var(--muted);stroke-width:1"/>'
    for value in across.ticks:
        yield _figure(across.at(value), height - 6, across.text(value), "middle")


def _figure(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:var(--muted);font-size:{FONT_SIZE}px">'
        f"{text}</text>"
    )


def _curve(kind: str, points: Sequence[tuple[float, float]], across: _Axis, up: _Axis) -> str:
    places = [(across.at(x), up.at(y)) for x, y in points]
    if kind == "steps":
        middles = [(x + after) / 2 for (x, _), (after, _) in itertools.pairwise(places)]
        turns = "".join(f"H{middle:.1f}V{y:.1f}" for middle, (_, y) in zip(middles, places[1:], strict=True))
        path = f"M{places[0][0]:.1f} {places[0][1]:.1f}{turns}H{places[-1][0]:.1f}"
    else:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = (
        "".join(f"M{x - 2.25:.1f} {y:.1f}a2.25 2.25 0 1 0 4.5 0a2.25 2.25 0 1 0-4.5 0z" for x, y in places)
        if len(places) <= DOTS_MAX
        else ""
    )
    curve = f'<path d="{path}" style="fill:none;stroke:var(--chart);stroke-width:1.6"/>'
    return f'{curve}<path d="{dots}" style="fill:var(--chart)"/>' if dots else curve


def _bars(lefts: Sequence[float], points: Sequence[tuple[float, float]], across: _Axis, up: _Axis, base: float) -> str:
    path = "".join(
        f"M{across.at(left):.1f} {base:.1f}V{up.at(y):.1f}H{across.at(x):.1f}V{base:.1f}z"
        for left, (x, y) in zip(lefts, points, strict=True)
    )
    return f'<path d="{path}" style="fill:var(--chart);stroke:var(--chart);stroke-width:0.25"/>'


def _limit_line(limit: Limit, number: int, axis: _Axis, upright: bool) -> str:
    place = axis.at(limit.value)
    width, height = SIZE
    path = f"M{place:.1f} {TOP}V{height - BOTTOM}" if upright else f"M{LEFT} {place:.1f}H{width - RIGHT}"
    dashes = " ".join(f"{dash * 1.2:g}" for dash in LIMIT_DASHES[number % len(LIMIT_DASHES)])
    return f'<path d="{path}" style="fill:none;stroke:var(--ink);stroke-width:1.2;stroke-dasharray:{dashes}"/>'


def _left_edges(edges: Sequence[float]) -> list[float]:
    """Left edges of buckets of which the upper edges are known, and the empty ones are left out.

    A bucket is taken to be as wide as the narrower of its two gaps, and never to reach below half
    of its upper edge: on a logarithmic axis there is no zero to reach.
    """
    if len(edges) == 1:
        return [edges[0] / 2 if edges[0] > 0 else edges[0] - 1.0]
    gaps = [after - before for before, after in itertools.pairwise(edges)]
    lefts = [edge - min(gaps[max(0, index - 1)], gaps[min(index, len(gaps) - 1)]) for index, edge in enumerate(edges)]
    return [max(left, edge / 2) if edge > 0 else left for left, edge in zip(lefts, edges, strict=True)]


def _tick_text(largest: float) -> Callable[[float], str]:
    """How the figures of an axis are written: one prefix for all of them, chosen by the largest."""
    factor, prefix = next((step for step in PREFIXES if largest >= 10 * step[0]), (1.0, ""))

    def text(value: float) -> str:
        shown = f"{value / factor:.5g}".replace("-", "\N{MINUS SIGN}")
        return f"{shown}{NO_BREAK}{prefix}" if prefix and value else shown

    return text


def bullet(result: CriterionResult) -> Bullet | None:
    """The bar beside a criterion. None where there is nothing to compare: no measurement, or another unit."""
    criterion, measured = result.criterion, result.measurement
    if measured is None or measured.unit != criterion.unit:
        return None
    at_least, at_most = _sides(result)
    bounds = [bound for bound in (at_least, at_most) if bound is not None]
    if not bounds:
        return None
    left = min(0.0, measured.low, *bounds)
    right = max(0.0, measured.high, *bounds)
    # Room to the right shows that the scale goes on; a scale without extent has its zero at the left.
    width = (right - left) * 1.12 or 1.0

    def at(value: float) -> float:
        return round(100 * (value - left) / width, 2)

    distances = []
    if at_least is not None:
        distances.append((measured.low - at_least, at_least, measured.low))
    if at_most is not None:
        distances.append((at_most - measured.high, at_most, measured.high))
    room, bound, end = min(distances)
    return Bullet(
        allowed=(
            at(at_least) if at_least is not None else 0.0,
            at(at_most) if at_most is not None else 100.0,
        ),
        low=at(measured.low),
        high=at(measured.high),
        value=at(measured.value),
        bounds=tuple(at(bound) for bound in bounds),
        margin=_margin(end, bound, criterion.unit),
        order=room / abs(bound) if bound else room,
    )


def _sides(result: CriterionResult) -> tuple[float | None, float | None]:
    """The bounds in the KPI's unit; of a comparison the one that the whole interval of the baseline asks for."""
    criterion, baseline = result.criterion, result.baseline
    if criterion.not_worse_than_baseline_by is None:
        return criterion.at_least, criterion.at_most
    if baseline is None:
        return None, None
    if criterion.better == "lower":
        return None, baseline.low * (1 + criterion.not_worse_than_baseline_by)
    return baseline.high * (1 - criterion.not_worse_than_baseline_by), None


def _margin(end: float, bound: float, unit: str) -> str:
    if end == bound:
        return "at the bound"
    side = "above" if end > bound else "below"
    if bound == 0:
        return f"{quantity(abs(end), unit)} {side}"
    if bound > 0 and end >= 10 * bound:
        return f"{end / bound:.3g}{NO_BREAK}\N{MULTIPLICATION SIGN} the bound"
    percent = abs(end - bound) / abs(bound) * 100
    return f"{percent:.0f}{NO_BREAK}% {side}" if percent >= 10 else f"{percent:.2g}{NO_BREAK}% {side}"
