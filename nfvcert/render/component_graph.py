"""Pictures of components and what joins them: the whole catalogue, or what one change can break.

Both are bands of boxes, one above the other, joined by lines behind the boxes: bands are domains in the picture of the
catalogue (as ETSI draws NFV: hardware below, managers above), and distances from what changes in the other. Within a
band, boxes stand where their lines are short (barycentres of neighbours, as Sugiyama's layouts have it). The result
is one SVG without anything outside of it, light or dark as its reader wishes; pointed at in a browser, a component
shows its own lines.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from math import ceil

from nfvcert.catalogue import Catalogue, Component, Domain, Relation, Step
from nfvcert.render import page
from nfvcert.render.words import counted

__all__ = ["DOMAINS", "Band", "Box", "Line", "bands_of_paths", "drawing", "of_catalogue", "of_change"]

DOMAINS: Mapping[Domain, str] = {
    "mano": "Management and orchestration",
    "vnf": "VNF",
    "vim": "VIM",
    "network": "Network",
    "storage": "Storage",
    "compute": "Compute",
    "environment": "Environment, procedures and tools",
}
"""Domain → its heading, from the top of a picture to its bottom."""
RELATIONS: Mapping[Relation, str] = {"runs-on": "runs on", "talks-to": "talks to", "managed-by": "is managed by"}
BREAKS: Mapping[Relation, str] = {
    "runs-on": "can break what runs on it",
    "talks-to": "can break what it talks to",
    "managed-by": "can break its manager, or what it manages",
}

WIDTH, HEIGHT = 158, 24
"""Of a box, in CSS pixels."""
ACROSS, BETWEEN, MARGIN = 10, 30, 14
"""Pixels between boxes of a row, between rows, around all."""
HEADING, KEY = 26, 26
"""Heights of a band's heading, and of a row of the key."""
LETTER = 6.6
"""Width of a letter of the key, about."""
IN_A_ROW = 8
SWEEPS = 8
"""Times that rows are ordered anew; further ones hardly move a box."""


@dataclass(frozen=True)
class Box:
    """A component in a picture."""

    name: str
    title: str
    """Read when it is pointed at."""
    kind: str
    """CSS classes, of which its domain is one."""


@dataclass(frozen=True)
class Band:
    """Boxes under a heading."""

    heading: str
    boxes: Sequence[Box]


@dataclass(frozen=True)
class Line:
    """An arrow from one component to another."""

    start: str
    end: str
    relation: Relation
    title: str


def of_catalogue(catalogue: Catalogue) -> str:
    """The picture of all components; arrows lead from each to what it depends on."""
    bands = []
    for domain, heading in DOMAINS.items():
        names = [name for name, component in catalogue.components.items() if component.domain == domain]
        if names:
            # What others run on comes last, and thus stands lower.
            boxes = [_box(name, catalogue[name]) for name in reversed(_foundations_first(names, catalogue))]
            bands.append(Band(f"{heading} ({len(names)})", boxes))
    lines = [Line(each.component, each.on, each.relation, str(each)) for each in catalogue.dependencies()]
    alternative = f"{counted(len(catalogue), 'component')} by domain, and {len(lines)} dependencies between them"
    return drawing(bands, lines, alternative, lines_mean=RELATIONS)


def of_change(catalogue: Catalogue, name: str, radius: int) -> str:
    """The picture of what a change of one component can break; arrows lead from what breaks to what is broken.

    Raises LookupError for a component in no catalogue.
    """
    paths = catalogue.reached([name], radius)
    bands, lines = bands_of_paths({each: _box(each, catalogue[each]) for each in paths}, paths)
    alternative = f"what a change of {name} can break within {counted(radius, 'step')}: {len(paths) - 1} components"
    kinds = {catalogue[each].domain for each in paths}
    boxes_mean: dict[str, str] = {domain: words for domain, words in DOMAINS.items() if domain in kinds}
    return drawing(bands, lines, alternative, lines_mean=BREAKS, boxes_mean=boxes_mean)


def bands_of_paths(boxes: Mapping[str, Box], paths: Mapping[str, Sequence[Step]]) -> tuple[list[Band], list[Line]]:
    """What can break, by distance from what changes: component → its box, and the path that reaches it."""
    by_distance: dict[int, list[Box]] = {}
    lines = []
    for name, path in paths.items():
        by_distance.setdefault(len(path), []).append(boxes[name])
        if path:
            lines.append(Line(path[-1].via, name, path[-1].dependency.relation, str(path[-1].dependency)))
    bands = [Band(_distance(steps, len(found)), found) for steps, found in sorted(by_distance.items())]
    return bands, lines


def _distance(steps: int, count: int) -> str:
    return f"can break, {counted(steps, 'step')} away ({count})" if steps else "changes"


def _box(name: str, component: Component) -> Box:
    depends = [f"{RELATIONS[relation]} {other}" for relation, other in component.dependencies()]
    return Box(name, "\n".join([component.title, *depends]), component.domain)


def _foundations_first(names: Sequence[str], catalogue: Catalogue) -> list[str]:
    inside = set(names)
    return list(
        TopologicalSorter({name: [o for o in catalogue[name].runs_on if o in inside] for name in names}).static_order()
    )


# The layout


@dataclass
class _Layout:
    """Where everything is, in CSS pixels."""

    width: float
    height: float
    centres: dict[str, tuple[float, float]] = field(default_factory=dict)
    headings: list[tuple[float, float, str]] = field(default_factory=list)
    """Top, height, text of each band."""


NO_KEY: Mapping[str, str] = {}


def drawing(
    bands: Sequence[Band],
    lines: Sequence[Line],
    alternative: str,
    *,
    lines_mean: Mapping[Relation, str],
    boxes_mean: Mapping[str, str] = NO_KEY,
) -> str:
    """Draw bands from top to bottom, and the lines between their boxes, as an `svg` document that stands alone.

    ``alternative`` is read to those who do not see it; ``lines_mean`` and ``boxes_mean`` explain the kinds of both.
    """
    rows = [_rows(band.boxes) for band in bands]
    _order([row for of_band in rows for row in of_band], lines)
    layout = _placed(bands, rows)
    drawn = {line.relation for line in lines}
    key = [*_key_of_lines({each: words for each, words in lines_mean.items() if each in drawn}, layout)]
    key += _key_of_boxes(boxes_mean, layout)
    layout.height += MARGIN
    boxes = {box.name: box for band in bands for box in band.boxes}
    size = f'width="{layout.width:g}" height="{layout.height:g}" viewBox="0 0 {layout.width:g} {layout.height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" {size}',
        f' aria-label="{html.escape(alternative)}">',
        f"<style>{page.graph_style()}{''.join(map(_pointed_at, boxes))}</style>",
        '<rect class="ground" width="100%" height="100%"/>',
        *_markers(),
        *(_bed(top, height, layout.width) for top, height, _ in layout.headings),
        *_lines(lines, layout),
        *(_heading(top, heading) for top, _, heading in layout.headings),
        *(_drawn(box, layout.centres[box.name]) for box in boxes.values()),
        *key,
        "</svg>\n",
    ]
    return "\n".join(parts)


def _rows(boxes: Sequence[Box]) -> list[list[str]]:
    """Boxes in as few rows as they need, all about as long."""
    count = ceil(len(boxes) / IN_A_ROW)
    long = ceil(len(boxes) / count)
    return [[box.name for box in boxes[start : start + long]] for start in range(0, len(boxes), long)]


def _order(rows: Sequence[list[str]], lines: Iterable[Line]) -> None:
    """Sort each row by the mean place of what its boxes are joined to, down and up again."""
    neighbours: dict[str, list[str]] = {}
    for line in lines:
        neighbours.setdefault(line.start, []).append(line.end)
        neighbours.setdefault(line.end, []).append(line.start)
    place = {name: _place(index, row) for row in rows for index, name in enumerate(row)}
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {}
            for name in row:
                others = [place[each] for each in neighbours.get(name, ()) if each in place]
                wanted[name] = sum(others) / len(others) if others else place[name]
            row.sort(key=lambda name: (wanted[name], name))
            place |= {name: _place(index, row) for index, name in enumerate(row)}


def _place(index: int, row: Sequence[str]) -> float:
    """Of a row's box, in boxes from the middle."""
    return index - (len(row) - 1) / 2


def _placed(bands: Sequence[Band], rows: Sequence[Sequence[Sequence[str]]]) -> _Layout:
    longest = max((len(row) for of_band in rows for row in of_band), default=1)
    width = max(longest, 3) * (WIDTH + ACROSS) - ACROSS + 4 * MARGIN
    layout = _Layout(width, 0)
    y = float(MARGIN)
    for band, of_band in zip(bands, rows, strict=True):
        top = y
        y += HEADING
        for row in of_band:
            for index, name in enumerate(row):
                layout.centres[name] = (width / 2 + _place(index, row) * (WIDTH + ACROSS), y + HEIGHT / 2)
            y += HEIGHT + BETWEEN
        y -= BETWEEN - MARGIN
        layout.headings.append((top, y - top, band.heading))
        y += BETWEEN - 8
    layout.height = y - BETWEEN + 8
    return layout


# What is drawn


def _lines(lines: Iterable[Line], layout: _Layout) -> Iterator[str]:
    """Lines that leave a box at the same side are spread over it, in the order of where they go."""
    sides: dict[tuple[str, bool], list[tuple[float, int]]] = {}
    ends = []
    for number, line in enumerate(lines):
        (x1, y1), (x2, y2) = layout.centres[line.start], layout.centres[line.end]
        ends.append((line, y2 > y1, y2 < y1))  # in a row both ends are above
        sides.setdefault((line.start, y2 > y1), []).append((x2, 2 * number))
        sides.setdefault((line.end, y2 < y1), []).append((x1, 2 * number + 1))
    shift = {}
    for leaving in sides.values():
        for index, (_, end) in enumerate(sorted(leaving)):
            shift[end] = ((index + 1) / (len(leaving) + 1) - 0.5) * (WIDTH - 16)
    for number, (line, start_below, end_below) in enumerate(ends):
        (x1, y1), (x2, y2) = layout.centres[line.start], layout.centres[line.end]
        x1, x2 = x1 + shift[2 * number], x2 + shift[2 * number + 1]
        y1 += HEIGHT / 2 if start_below else -HEIGHT / 2
        y2 += HEIGHT / 2 + 4 if end_below else -HEIGHT / 2 - 4  # room for the arrow's head
        bend = max(abs(y2 - y1) / 2, 14)
        c1, c2 = y1 + (bend if start_below else -bend), y2 + (bend if end_below else -bend)
        yield (
            f'<path class="line {line.relation} of-{line.start} of-{line.end}" marker-end="url(#{line.relation})" '
            f'd="M{x1:.1f} {y1:.1f}C{x1:.1f} {c1:.1f} {x2:.1f} {c2:.1f} {x2:.1f} {y2:.1f}">'
            f"<title>{html.escape(line.title, quote=False)}</title></path>"
        )


def _drawn(box: Box, centre: tuple[float, float]) -> str:
    x, y = centre[0] - WIDTH / 2, centre[1] - HEIGHT / 2
    return (
        f'<g class="box {html.escape(box.kind)}" id="box-{box.name}">'
        f"<title>{html.escape(box.title, quote=False)}</title>"
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="3"/>'
        f'<path class="edge" d="M{x + 2:g} {y + 1:g}v{HEIGHT - 2}"/>'
        f'<text x="{centre[0] + 2:g}" y="{centre[1] + 4:g}">{html.escape(box.name)}</text></g>'
    )


def _bed(top: float, height: float, width: float) -> str:
    return f'<rect class="bed" x="{MARGIN}" y="{top:g}" width="{width - 2 * MARGIN:g}" height="{height:g}" rx="4"/>'


def _heading(top: float, heading: str) -> str:
    return f'<text class="heading" x="{2 * MARGIN}" y="{top + 17:g}">{html.escape(heading)}</text>'


def _markers() -> Iterator[str]:
    yield "<defs>"
    for relation in RELATIONS:
        yield (
            f'<marker id="{relation}" viewBox="0 0 6 6" refX="3" refY="3" markerWidth="6" markerHeight="6" '
            f'markerUnits="userSpaceOnUse" orient="auto"><path class="head {relation}" d="M0 0L6 3L0 6z"/></marker>'
        )
    yield "</defs>"


def _key_of_lines(words: Mapping[Relation, str], layout: _Layout) -> Iterator[str]:
    for (x, y), (relation, text) in zip(_key_places(words.values(), layout, 60), words.items(), strict=True):
        yield f'<path class="line key {relation}" d="M{x:g} {y - 4:g}h30"/>'
        yield f'<text class="key" x="{x + 36:g}" y="{y:g}">{html.escape(text)}</text>'


def _key_of_boxes(words: Mapping[str, str], layout: _Layout) -> Iterator[str]:
    for (x, y), (kind, text) in zip(_key_places(words.values(), layout, 30), words.items(), strict=True):
        yield f'<g class="box {html.escape(kind)}"><path class="edge" d="M{x + 2:g} {y - 10:g}v13"/></g>'
        yield f'<text class="key" x="{x + 10:g}" y="{y:g}">{html.escape(text)}</text>'


def _key_places(texts: Iterable[str], layout: _Layout, sign: int) -> list[tuple[float, float]]:
    """Where each text of a key begins with its sign of some width, below all that there is, in rows."""
    places: list[tuple[float, float]] = []
    x = left = 2.0 * MARGIN
    for text in texts:
        wide = sign + LETTER * len(text)
        if not places or x + wide > layout.width:
            x, layout.height = left, layout.height + KEY
        places.append((x, layout.height - 6))
        x += wide
    return places


def _pointed_at(name: str) -> str:
    return f"svg:has(#box-{name}:hover) .of-{name}{{opacity:1;stroke-width:1.75}}"
