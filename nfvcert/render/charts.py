"""Charts for the acceptance report: curves drawn by matplotlib, and the bullet bar beside each KPI.

A curve becomes an SVG that lives inside an HTML page: its colours are the page's CSS variables (so
it follows light, dark and print), its ids are unique among all charts of the page, and it holds
figures only. Titles and axis titles are left to the page, where any script and any length fits.
"""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from nfvcert.judge import CriterionResult
from nfvcert.record import Series, StreamRecord
from nfvcert.render.words import NO_BREAK, conditions, quantity, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LIMIT_DASHES", "Bullet", "Chart", "Limit", "bullet", "draw", "limits"]

SIZE = (360, 200)
"""Width and height in SVG units, close to the CSS pixels at which a chart is shown."""
FONT_SIZE = 11
LIMIT_DASHES = ((5, 3), (1.5, 2), (8, 2, 1.5, 2))
"""One dash pattern for each limit of a chart, in widths of the line."""
# Colours that stand for the page's variables; matplotlib wants literal ones.
DATA, LINE, MUTED, INK = "#0000a1", "#0000a2", "#0000a3", "#0000a4"
VARIABLES = {DATA: "var(--chart)", LINE: "var(--line)", MUTED: "var(--muted)", INK: "var(--ink)"}
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
HREF = "{http://www.w3.org/1999/xlink}href"
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


def draw(series: Series, bounds: Sequence[Limit] = (), *, prefix: str) -> Chart:
    """Draw a curve. ``prefix`` is unique in the page: the SVG's ids begin with it."""
    points = [(x, y) for x, y in series.points if all(math.isfinite(v) and abs(v) < 1e300 for v in (x, y))]
    if not points:
        return Chart("", f"{series.title}: no points were measured.", (), tuple(bounds), ())
    if series.kind == "histogram":
        points.sort()
    log_axes = _log_axes(series, points)
    across = "x" if series.kind == "histogram" else "y"
    drawn = tuple(limit for limit in bounds if _fits(limit, points, across, across in log_axes))
    alternative = _alternative(series, points, bounds)
    svg = _page_svg(_render(series, points, drawn, log_axes), prefix, alternative)
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
    series: Series, points: Sequence[tuple[float, float]], drawn: Sequence[Limit], log_axes: Sequence[str]
) -> str:
    # Half of a report's rendering time is this import; pyplot would add to it and is not needed.
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    width, height = SIZE
    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "nfvcert", "font.size": FONT_SIZE, "font.family": "DejaVu Sans"}
    ):
        figure = Figure(figsize=(width / 72, height / 72))
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_axes((48 / width, 22 / height, (width - 60) / width, (height - 32) / height))
        _style(axes)
        _plot(axes, series, points)
        line = axes.axvline if series.kind == "histogram" else axes.axhline
        for number, limit in enumerate(drawn):
            line(limit.value, color=INK, linewidth=1.2, dashes=LIMIT_DASHES[number % len(LIMIT_DASHES)])
        _scale(axes, points, drawn, log_axes, series.kind)
        target = io.StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue()


def _style(axes: Axes) -> None:
    axes.patch.set_visible(False)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=LINE, linewidth=1)
    axes.tick_params(which="both", length=0, pad=5, labelcolor=MUTED)


def _plot(axes: Axes, series: Series, points: Sequence[tuple[float, float]]) -> None:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if series.kind == "histogram":
        lefts = _left_edges(xs)
        widths = [right - left for left, right in zip(lefts, xs, strict=True)]
        axes.bar(lefts, ys, widths, align="edge", color=DATA, linewidth=0)
        return
    steps = "steps-mid" if series.kind == "steps" else "default"
    axes.plot(
        xs,
        ys,
        color=DATA,
        linewidth=1.6,
        drawstyle=steps,
        marker="o" if len(points) <= 40 else None,
        markersize=4.5,
        markeredgewidth=0,
        clip_on=False,
    )


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


def _scale(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    drawn: Sequence[Limit],
    log_axes: Sequence[str],
    kind: str,
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    for name, axis, values in (
        ("x", axes.xaxis, [x for x, _ in points]),
        ("y", axes.yaxis, [y for _, y in points]),
    ):
        if (name == "x") == (kind == "histogram"):
            values = [*values, *(limit.value for limit in drawn)]  # noqa: PLW2901
        if name in log_axes:
            (axes.set_xscale if name == "x" else axes.set_yscale)("log")
            axis.set_major_locator(LogLocator(numticks=6))
            axis.set_minor_locator(NullLocator())
        else:
            whole = all(value == int(value) for value in values)
            axis.set_major_locator(MaxNLocator(nbins=5, integer=whole, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(_tick_text(max(abs(value) for value in values))))
        if name == "y" and name not in log_axes:
            # From zero, so that a small dip does not look like a fall.
            top, bottom = max(0.0, *values), min(0.0, *values)
            axes.set_ylim(bottom * 1.08, top * 1.08 if top > bottom else bottom + 1)
        elif name == "y":
            axes.set_ylim(min(values) / 2, max(values) * 2)


def _tick_text(largest: float) -> Callable[[float, int | None], str]:
    """How the figures of an axis are written: one prefix for all of them, chosen by the largest."""
    factor, prefix = next((step for step in PREFIXES if largest >= 10 * step[0]), (1.0, ""))

    def text(value: float, _position: int | None = None) -> str:
        shown = f"{value / factor:.5g}".replace("-", "\N{MINUS SIGN}")
        return f"{shown}{NO_BREAK}{prefix}" if prefix and value else shown

    return text


def _page_svg(text: str, prefix: str, alternative: str) -> str:
    """matplotlib's document → an element that is at home in a page."""
    root = ET.fromstring(text)  # noqa: S314 - made just now, by matplotlib, of numbers only
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{SVG_NAMESPACE}}}metadata", f"{{{SVG_NAMESPACE}}}style"}:
                parent.remove(child)  # a style element in an inline SVG would style the whole page
    used = set(re.findall(r'(?:url\(|href=")#([\w.-]+)', text))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.text = element.text if element.text and element.text.strip() else None
        element.tail = None
        if (name := element.attrib.pop("id", None)) in used:
            element.set("id", f"{prefix}-{name}")
        if reference := element.attrib.pop(HREF, None):
            element.set("href", f"#{prefix}-{reference.removeprefix('#')}")
        for key, value in element.attrib.items():
            element.set(key, _page_value(value, prefix))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {"xmlns": SVG_NAMESPACE, "class": "chart", "role": "img", "aria-label": alternative}
    return ET.tostring(root, encoding="unicode")


def _page_value(value: str, prefix: str) -> str:
    value = re.sub(r"url\(#", f"url(#{prefix}-", value)
    value = re.sub(r"font-family: [^;]*;? ?", "", value)
    for literal, variable in VARIABLES.items():
        value = value.replace(literal, variable)
    return re.sub(r"\s+", " ", value).strip()


def bullet(result: CriterionResult) -> Bullet | None:
    """The bar beside a criterion. None where there is nothing to compare: no measurement, or another unit."""
    criterion, measured = result.criterion, result.measurement
    if measured is None or measured.unit != criterion.unit:
        return None
    bounds = [bound for bound in (criterion.at_least, criterion.at_most) if bound is not None]
    left = min(0.0, measured.low, *bounds)
    right = max(0.0, measured.high, *bounds)
    # Room to the right shows that the scale goes on; a scale without extent has its zero at the left.
    width = (right - left) * 1.12 or 1.0

    def at(value: float) -> float:
        return round(100 * (value - left) / width, 2)

    distances = []
    if criterion.at_least is not None:
        distances.append((measured.low - criterion.at_least, criterion.at_least, measured.low))
    if criterion.at_most is not None:
        distances.append((criterion.at_most - measured.high, criterion.at_most, measured.high))
    room, bound, end = min(distances)
    return Bullet(
        allowed=(
            at(criterion.at_least) if criterion.at_least is not None else 0.0,
            at(criterion.at_most) if criterion.at_most is not None else 100.0,
        ),
        low=at(measured.low),
        high=at(measured.high),
        value=at(measured.value),
        bounds=tuple(at(bound) for bound in bounds),
        margin=_margin(end, bound, criterion.unit),
        order=room / abs(bound) if bound else room,
    )


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
