"""A scope as a picture: what changes at the left, what that can break by distance to the right, who is tested.

One box a component, coloured and signed by what is known of it. Those that are reached from the same component lie
in one group, which a line joins to it: each box says how it depends on what the group is named after. The SVG scales
with its width; its colours are the page's CSS variables.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nfvcert.judge import Verdict
from nfvcert.render.words import ICON, counted
from nfvcert.scope import Affected, Scope

__all__ = ["alternative", "picture", "relation", "standing"]

WIDTH, WIDTH_MIN = 1000.0, 560.0
"""Of the picture: the most, but for one of so many steps that they need more, and the least."""
BOX, BOX_MAX = 130.0, 236.0
"""Width of a box: the least, where many stand side by side, and the most."""
HIGH, GAP = 34.0, 4.0
"""A box, and what is between boxes."""
HEAD = 38.0
"""The columns' headings."""
LABEL = 17.0
"""A group's name."""
PAD = 5.0
"""Around the boxes of a group."""
GUTTER = 30.0
"""Between two distances: where the lines run."""
SHELF = 8.0
"""Between groups below each other."""
CHARACTER = 7.0
"""Width that a character of a name may need: a longer name is drawn narrower."""
ROWS = 8
"""Boxes below each other before a second column is opened."""
NAMED_MAX = 12
"""Components, and tests, that a text names before it counts."""


@dataclass(frozen=True)
class _Place:
    """Where a box lies."""

    x: float
    y: float
    wide: float


@dataclass
class _Group:
    """Components of one distance that are reached from the same one; those that change are one without a name."""

    via: str
    members: list[Affected] = field(default_factory=list)


def standing(scope: Scope, affected: Affected, verdicts: Mapping[str, Verdict] | None = None) -> tuple[str, str, str]:
    """(CSS class, sign, words) of what is known of a component: `("pass", "✓", "3 tests")`.

    ``verdicts`` are those of the tests after a run: what did not pass is never told like what did. Before a run, None.
    What changes and is tested by nobody is worst: of it nothing is known at all.
    """
    if affected.tests and verdicts is not None:
        found = [verdicts.get(test, Verdict.NOT_RUN) for test in affected.tests]
        if failed := found.count(Verdict.FAIL):
            return "fail", "✕", f"{failed} failed"
        if undecided := len(found) - found.count(Verdict.PASS):
            return "not-run", ICON["NOT_RUN"], f"{undecided} open"
    if affected.tests:
        return "pass", "✓", counted(len(affected.tests), "test")
    worst = affected.component in scope.changes_now
    return ("fail", "✕", "untested") if worst else ("inconclusive", "?", "untested")


def relation(affected: Affected) -> str:
    """How a component depends on the one before it on its path: `runs-on`, `talks-to`, `managed-by` or `manages`."""
    if not affected.path:
        return ""
    step = affected.path[-1]
    if step.dependency.relation == "managed-by" and step.dependency.component == step.via:
        return "manages"
    return step.dependency.relation


def alternative(scope: Scope) -> str:
    """What the picture shows, in sentences."""
    others = [each for each in scope.affected if each.path]
    untested = [each.component for each in scope.untested]
    said = [f"{_listed(scope.changed)} {'changes' if len(scope.changed) == 1 else 'change'}."]
    said.append(f"{counted(len(others), 'further component')} can break within {counted(scope.radius, 'step')}.")
    told = f"No planned test covers {_listed(untested)}." if untested else "Planned tests cover all of them."
    return " ".join([*said, told, "The table of components says the same."])


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED_MAX])
    return shown if len(names) <= NAMED_MAX else f"{shown} and {len(names) - NAMED_MAX} more"


def picture(scope: Scope, *, verdicts: Mapping[str, Verdict] | None = None, style: str = "") -> str:
    """Draw a scope as an `svg` element, safe to insert into HTML as it is.

    ``verdicts``: planned test → what became of it, after a run. ``style`` is CSS for a picture that stands alone; in
    a page, scope.css is the page's.
    """
    columns = _columns(scope)
    side_by_side = _side_by_side(columns)
    sheet = _Sheet(scope, verdicts, _box_width(side_by_side))
    x, height = 1.0, 0.0
    for distance, (groups, count) in enumerate(zip(columns, side_by_side, strict=True)):
        sheet.boxes.append(_heading(distance, groups, x))
        height = max(height, sheet.column(groups, count, x))
        x += count * (sheet.wide + GAP + 2 * PAD) + GUTTER
    total = max(WIDTH_MIN, x - GUTTER + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="scope" role="img" viewBox="0 0 {total:g} {height:g}"',
        f' width="{total:g}" height="{height:g}" style="min-width:{total * 0.75:.0f}px;max-width:{total * 1.15:.0f}px"',
        f' aria-label="{html.escape(alternative(scope))}">',
        f"<style>{style}</style>" if style else "",
        *sheet.beds,
        *sheet.lines,
        *sheet.boxes,
        "</svg>",
    ]
    return "".join(parts)


class _Sheet:
    """What is drawn so far: beds of groups lowest, lines above them, boxes on top."""

    def __init__(self, scope: Scope, verdicts: Mapping[str, Verdict] | None, wide: float) -> None:
        self.scope = scope
        self.verdicts = verdicts
        self.wide = wide
        """Of a box."""
        self.beds: list[str] = []
        self.lines: list[str] = []
        self.boxes: list[str] = []
        self._places: dict[str, _Place] = {}

    def column(self, groups: Sequence[_Group], count: int, x: float) -> float:
        """Draw all of one distance, ``count`` boxes side by side; returns where it ends."""
        y = HEAD
        for shelf in _shelves(groups, count):
            left, tallest = x, 0.0
            for group, used in shelf:
                across, tall = self._group(group, used, x, left, y)
                tallest = max(tallest, tall)
                left += across + GAP
            y += tallest + SHELF
        return y

    def _group(self, group: _Group, used: int, column: float, left: float, y: float) -> tuple[float, float]:
        """Draw a group, ``used`` boxes side by side; returns its width and height."""
        inset, label = (PAD, LABEL) if group.via else (0.0, 0.0)
        rows = -(-len(group.members) // used)
        across = used * (self.wide + GAP) - GAP + 2 * inset
        tall = label + rows * (HIGH + GAP) - GAP + 2 * inset
        if group.via:
            self.beds.append(f'<rect class="bed" x="{left:g}" y="{y:g}" width="{across:g}" height="{tall:g}"/>')
            self.boxes.append(f'<text class="via" x="{left + PAD:g}" y="{y + 13:g}">{html.escape(group.via)}</text>')
            self.lines.append(_line(self._places[group.via], column, left, y))
        for index, member in enumerate(group.members):
            beside, below = divmod(index, rows)
            place = _Place(
                left + inset + beside * (self.wide + GAP), y + label + inset + below * (HIGH + GAP), self.wide
            )
            self._places[member.component] = place
            self.boxes.append(_box(self.scope, member, place, self.verdicts))
        return across, tall


def _columns(scope: Scope) -> list[list[_Group]]:
    """Distance → its groups, in the order of the components that they are reached from."""
    columns: list[list[_Group]] = [[] for _ in range(max((len(each.path) for each in scope.affected), default=0) + 1)]
    order: dict[str, int] = {}
    by_distance: dict[int, dict[str, _Group]] = {}
    for each in scope.affected:
        via = each.path[-1].via if each.path else ""
        groups = by_distance.setdefault(len(each.path), {})
        groups.setdefault(via, _Group(via)).members.append(each)
    for distance, column in enumerate(columns):
        column.extend(sorted(by_distance.get(distance, {}).values(), key=lambda group: order.get(group.via, -1)))
        for group in column:
            for member in group.members:
                order[member.component] = len(order)
    return columns


def _side_by_side(columns: Sequence[Sequence[_Group]]) -> list[int]:
    """Distance → how many boxes stand side by side: the tallest gets one more, while there is room."""
    counts = [1] * len(columns)

    def room() -> bool:
        return sum(counts) * (BOX + GAP + 2 * PAD) + (len(counts) - 1) * GUTTER + BOX <= WIDTH

    while room():
        tallest = max(range(len(columns)), key=lambda distance: _rows(columns[distance], counts[distance]))
        if _rows(columns[tallest], counts[tallest]) <= ROWS:
            break
        counts[tallest] += 1
    return counts


def _rows(groups: Sequence[_Group], count: int) -> int:
    """Boxes below each other in a column, about."""
    return sum(max(-(-len(group.members) // used) for group, used in shelf) for shelf in _shelves(groups, count))


def _box_width(side_by_side: Sequence[int]) -> float:
    boxes = sum(side_by_side)
    free = WIDTH - 2 - (len(side_by_side) - 1) * GUTTER - boxes * (GAP + 2 * PAD)
    return max(BOX, min(BOX_MAX, free / boxes))


def _shelves(groups: Sequence[_Group], count: int) -> Iterator[list[tuple[_Group, int]]]:
    """Groups that stand beside each other, each with how many of its boxes do; ``count`` on a shelf at most."""
    shelf: list[tuple[_Group, int]] = []
    used = 0
    for group in groups:
        width = min(count, -(-len(group.members) // 2))
        if shelf and used + width > count:
            yield shelf
            shelf, used = [], 0
        shelf.append((group, width))
        used += width
    if shelf:
        yield shelf


def _heading(distance: int, groups: Sequence[_Group], x: float) -> str:
    members = [each for group in groups for each in group.members]
    untested = sum(not each.tests for each in members)
    title = "What changes" if distance == 0 else f"{counted(distance, 'step')} away"
    told = f"{len(members)}" + (f", {untested} untested" if untested else ", all tested")
    return f'<text class="head" x="{x:g}" y="13">{title}</text><text class="count" x="{x:g}" y="28">{told}</text>'


def _line(source: _Place, column: float, target: float, y: float) -> str:
    """From the right of a box to the group that is reached from it, whose top left is (``target``, ``y``).

    It comes to the first group of a shelf from the left, to the others through the gap above.
    """
    x, middle, start = source.x + source.wide, source.y + HIGH / 2, column - GUTTER
    first = target == column
    arrives = y + 9 if first else y - SHELF / 2
    end = f"H{target:g}" if first else f"H{target + PAD:g}V{y:g}"
    return (
        f'<path class="step" d="M{x:g} {middle:g}H{max(x, start):g}'
        f'C{start + GUTTER * 0.7:g} {middle:g} {column - GUTTER * 0.7:g} {arrives:g} {column:g} {arrives:g}{end}"/>'
    )


def _box(scope: Scope, affected: Affected, place: _Place, verdicts: Mapping[str, Verdict] | None) -> str:
    kind, sign, told = standing(scope, affected, verdicts)
    changes = not affected.path
    how = relation(affected) or ("certified before" if affected.component in scope.certified else "changes")
    x, y, wide = place.x, place.y, place.wide
    bar = f'<rect class="bar" x="{x:g}" y="{y:g}" width="4" height="{HIGH:g}"/>' if changes else ""
    inset = 10 if changes else 8
    fits = wide - inset - 5
    narrow = f' textLength="{fits:g}" lengthAdjust="spacingAndGlyphs"' * (len(affected.component) * CHARACTER > fits)
    return (
        f'<g class="{kind}{" changes" if changes else ""}"><title>{html.escape(_title(affected), quote=False)}</title>'
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{wide:g}" height="{HIGH:g}" rx="3"/>{bar}'
        f'<text class="name" x="{x + inset:g}" y="{y + 14:g}"{narrow}>{html.escape(affected.component)}</text>'
        f'<text class="how" x="{x + inset:g}" y="{y + 27:g}">{how}</text>'
        f'<text class="known" x="{x + wide - 6:g}" y="{y + 27:g}" text-anchor="end">{sign} {told}</text></g>'
    )


def _title(affected: Affected) -> str:
    """What is read when a box is pointed at."""
    tests = [test.rpartition("::")[2] for test in affected.tests]
    more = [f"and {len(tests) - NAMED_MAX} more"] if len(tests) > NAMED_MAX else []
    return "\n".join([affected.title, affected.why, *(tests[:NAMED_MAX] or ["no planned test covers it"]), *more])
