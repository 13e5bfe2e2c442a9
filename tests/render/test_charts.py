"""Curves and bullet bars: honest, harmless, at home in a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvcert.judge import CriterionResult, judge
from nfvcert.measure.kpi import Measurement
from nfvcert.record import Record, Series
from nfvcert.render import charts
from nfvcert.testmodel import Criterion

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 5).map(float)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8)


def series(
    points: list[tuple[float, float]], kind: str = "line", *, x: str = "Load (%)", y: str = "Loss (%)"
) -> Series:
    return Series.model_validate({"title": "A curve", "x": x, "y": y, "points": points, "kind": kind, "test": "t"})


def judged(
    measured: Sequence[float], *, at_least: float | None = None, at_most: float | None = None, unit: str = "pps"
) -> CriterionResult:
    value, low, high = measured
    criterion = Criterion(
        kpi="network.throughput.ndr",
        unit="pps",
        as_written="as required",
        source="here",
        at_least=at_least,
        at_most=at_most,
    )
    found = Measurement(
        kpi="network.throughput.ndr", value=value, low=low, high=high, unit=unit, test="t", at="2026-11-25T10:00:00Z"
    )
    return judge(criterion, [found])


@settings(max_examples=200, deadline=None)
@given(POINTS, st.sampled_from(["line", "steps", "histogram"]), NUMBERS)
def test_any_points_are_drawn_or_said_to_be_none(points: list[tuple[float, float]], kind: str, bound: float) -> None:
    """Warnings are errors here, and so is an overflow."""
    chart = charts.draw(series(points, kind), [charts.Limit(bound, "required")])
    if chart.svg:
        root = ET.fromstring(chart.svg)  # noqa: S314 - of our own making
        assert root.get("aria-label") == chart.alternative
    else:
        assert "no points" in chart.alternative


def test_charts_have_no_ids_that_could_clash(records: dict[str, Record]) -> None:
    (stream,) = records["accepted"].streams
    for curve in stream.series:
        svg = charts.draw(curve, charts.limits(curve, stream)).svg
        assert not re.search(r"\bid=|href|url\(", svg)


def drawn(curve: Series, *bounds: charts.Limit) -> tuple[list[tuple[float, float]], dict[str, float]]:
    """Where the data is drawn, and where the figures of the vertical axis stand."""
    root = ET.fromstring(charts.draw(curve, bounds).svg)  # noqa: S314 - of our own making
    data = next(e for e in root.iter() if "stroke:var(--chart)" in (e.get("style") or ""))
    places = [(float(x), float(y)) for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", data.get("d") or "")]
    figures = {e.text or "": float(e.get("y") or 0) - 4 for e in root.iter() if e.get("text-anchor") == "end"}
    return places, figures


def test_a_point_stands_at_the_height_of_its_figure() -> None:
    places, figures = drawn(series([(1, 20), (2, 40), (3, 0)]))
    assert [y for _, y in places] == pytest.approx([figures["20"], figures["40"], figures["0"]], abs=0.11)
    xs = [x for x, _ in places]
    assert xs[2] - xs[1] == pytest.approx(xs[1] - xs[0], abs=0.11)


def test_a_limit_above_the_data_makes_room_for_itself() -> None:
    _, without = drawn(series([(1, 20), (2, 40)]))
    _, with_limit = drawn(series([(1, 20), (2, 40)]), charts.Limit(100, "required"))
    assert "100" not in without
    assert "100" in with_limit


def test_a_chart_takes_its_colours_from_the_page() -> None:
    svg = charts.draw(series([(1, 2), (2, 3)]), [charts.Limit(2.5, "required")]).svg
    assert {"var(--chart)", "var(--ink)", "var(--muted)", "var(--line)"} <= set(re.findall(r"var\(--\w+\)", svg))
    assert not re.findall(r"#[0-9a-f]{6}\b", svg)
    assert "<style" not in svg
    assert "font-family" not in svg
    assert re.search(r">[0-9.]+</text>", svg), "tick labels are text, not outlines"


def test_bounds_are_drawn_only_where_they_belong(records: dict[str, Record]) -> None:
    (stream,) = records["accepted"].streams
    found = {curve.title: charts.limits(curve, stream) for curve in stream.series}
    latency = found["Distribution of one-way latency, 64 B frames"]
    assert [limit.value for limit in latency] == [pytest.approx(500), pytest.approx(2000)]
    assert found["Failover outage by repetition"][0].value == pytest.approx(250)
    assert "≤ 250 ms" in found["Failover outage by repetition"][0].label
    assert found["Frame loss ratio by load, 64 B frames"][0].value == pytest.approx(0.1)
    assert found["Received rate during the soak"] == ()


def test_a_bound_far_away_is_told_and_not_drawn() -> None:
    near, far = charts.Limit(4, "near"), charts.Limit(4000, "far")
    chart = charts.draw(series([(1, 2), (2, 3)]), [near, far])
    assert (chart.drawn, chart.beyond) == ((near,), (far,))
    assert "far" in chart.alternative


def test_a_long_tail_gets_decades() -> None:
    chart = charts.draw(series([(10, 5000), (20, 300), (5000, 1)], "histogram"))
    assert chart.log_axes == ("x", "y")
    assert charts.draw(series([(10, 5000), (20, 3000)], "histogram")).log_axes == ()


@pytest.mark.parametrize(
    ("measured", "bounds", "margin"),
    [
        ((14_000, 13_800, 14_100), {"at_least": 10_000}, "38 % above"),
        ((8_000, 7_900, 8_100), {"at_least": 10_000}, "21 % below"),
        ((9_000, 9_000, 9_000), {"at_least": 9_000}, "at the bound"),
        ((9_018, 9_018, 9_018), {"at_least": 9_000}, "0.2 % above"),
        ((7_440, 7_440, 7_440), {"at_least": 500}, "14.9 \N{MULTIPLICATION SIGN} the bound"),
        ((200, 180, 260), {"at_most": 250}, "4 % above"),
        ((0, 0, 0), {"at_most": 0}, "at the bound"),
        ((12, 12, 12), {"at_most": 0}, "12 pps above"),
        ((5, 5, 5), {"at_least": 4, "at_most": 10}, "25 % above"),
        ((9.9, 9.9, 9.9), {"at_least": 4, "at_most": 10}, "1 % below"),
        ((1_990, 1_990, 1_990), {"at_least": 1_000}, "99 % above"),
        ((1_996, 1_996, 1_996), {"at_least": 1_000}, "100 % above"),
    ],
)
def test_the_margin_counts_from_the_worse_end(
    measured: tuple[float, float, float], bounds: dict[str, float], margin: str
) -> None:
    bar = charts.bullet(judged(measured, at_least=bounds.get("at_least"), at_most=bounds.get("at_most")))
    assert bar is not None
    assert bar.margin.replace("\N{NO-BREAK SPACE}", " ") == margin
    positions = (*bar.allowed, bar.low, bar.value, bar.high, *bar.bounds)
    assert all(0 <= position <= 100 for position in positions)
    assert bar.low <= bar.value <= bar.high


def test_another_unit_has_no_bar() -> None:
    assert charts.bullet(judged((1, 1, 1), unit="s", at_least=1)) is None


@given(
    st.lists(st.floats(-1e12, 1e12), min_size=3, max_size=3).map(sorted),
    st.floats(-1e12, 1e12) | st.none(),
    st.floats(-1e12, 1e12) | st.none(),
)
def test_the_sign_of_the_margin_agrees_with_the_judge(
    values: list[float], at_least: float | None, at_most: float | None
) -> None:
    if at_least is None and at_most is None:
        at_least = 0.0
    low, value, high = values
    result = judged((value, low, high), at_least=at_least, at_most=at_most)
    bar = charts.bullet(result)
    assert bar is not None
    assert (bar.order >= 0) == (result.verdict == "PASS")
