"""A scope in words: for the terminal, as Markdown, as a page of its own, and as a section of the acceptance report.

What nobody tests stands first everywhere: it is what a reader has to decide about.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from nfvcert.impact import Preview
from nfvcert.judge import Verdict
from nfvcert.render import page, scope_picture
from nfvcert.render.words import counted, plain
from nfvcert.scope import Affected, Scope
from nfvcert.waivers import HeldWaiver

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ScopeView", "html", "markdown", "text"]

STYLE = {"pass": "green", "inconclusive": "yellow", "fail": "red"}
INTRODUCTION = """\
<!-- Made by: {command} -->

# What a release of {unit} is tested with

{title} What would be tested if it were certified now, and why: nothing was run for this page. After a change of the
release unit, of the component catalogue, of the test model or of what tests cover, make it anew:

```sh
{command}
```
"""


@dataclass(frozen=True)
class ScopeView:
    """A scope as people read it: sentences, and the worst first."""

    scope: Scope
    titles: Mapping[str, str] = field(default_factory=dict)
    """Planned test → its title."""
    waived: Mapping[str, HeldWaiver] = field(default_factory=dict)
    """Component → who answers for it, where no test covers it."""
    verdicts: Mapping[str, Verdict] | None = None
    """Planned test → what became of it; None: nothing was run yet."""

    @property
    def head(self) -> str:
        """What is followed how far, and tested how deep."""
        scope = self.scope
        deep = f", and is tested to the depth {scope.depth}" if scope.depth else ""
        return (
            f"A {scope.size}, {scope.release_class} release is followed {counted(scope.radius, 'step')} along the "
            f"dependencies of the component catalogue{deep}."
        )

    @property
    def reach(self) -> str:
        """What it reaches, and what of that nobody tests."""
        scope = self.scope
        further = sum(bool(each.path) for each in scope.affected)
        untested = len(scope.untested)
        nobody = f"{untested} of these {len(scope.affected)}" if untested else "none of them"
        return (
            f"{counted(len(scope.changed), 'component')} {'changes' if len(scope.changed) == 1 else 'change'}, "
            f"{counted(further, 'further one')} can break, and {nobody} "
            f"{'is' if untested < 2 else 'are'} covered by no planned test."
        )

    @property
    def limit(self) -> str:
        """What the test model accepts of that."""
        most = self.scope.untested_at_most
        accepts = counted(most, "component") if most else "no component"
        return (
            f"The test model accepts {accepts} that can break and {'is' if most < 2 else 'are'} untested; "
            "one that changes must be tested."
        )

    @property
    def worst_first(self) -> list[Affected]:
        """Failed or untested ones first, of those the ones that change; then by distance."""
        order = {"fail": 0, "inconclusive": 1, "not-run": 2, "pass": 3}
        return sorted(self.scope.affected, key=lambda each: order[self.standing(each)[0]])

    @property
    def untested(self) -> list[Affected]:
        """What nobody tests, the worst first."""
        return [each for each in self.worst_first if not each.tests]

    def standing(self, affected: Affected) -> tuple[str, str, str]:
        """(CSS class, sign, words) of what is known of a component."""
        return scope_picture.standing(self.scope, affected, self.verdicts)

    def risk(self, affected: Affected) -> str:
        """An untested component, in a sentence that goes on after its name."""
        if not affected.path:
            before = " since it was certified" if affected.component in self.scope.certified else ""
            said = f"changes, and no planned test covers it{before}"
            said += "" if before else ": nothing is known of it"
        else:
            said = f"can break ({affected.why}), and no planned test covers it"
        waiver = self.waived.get(affected.component)
        return f"{said}; waived by {waiver.who_why_until}" if waiver else said

    def tests_of(self, affected: Affected) -> list[str]:
        """Titles of the tests that cover a component, each once."""
        return list(dict.fromkeys(self.titles.get(test, test) for test in affected.tests))

    def subject_title(self, subject: str) -> str:
        """What a criterion is called where nothing else is known of its KPI."""
        return subject.partition("{")[0]

    @property
    def picture(self) -> Markup:
        """The picture, for a page that has scope.css."""
        return Markup(scope_picture.picture(self.scope, verdicts=self.verdicts))  # noqa: S704 - its texts are escaped by its writer


def _view(preview: Preview) -> ScopeView:
    return ScopeView(preview.scope, {test.test: test.title for test in preview.planned}, preview.waived)


def _tests(preview: Preview) -> str:
    """How many tests would run, and where."""
    every = len(preview.planned) + len(preview.left_out)
    where = f"in lab {preview.lab}" if preview.lab else "in a lab that can run all of them"
    return f"{len(preview.planned)} of {counted(every, 'test')} of {preview.model} would run {where}"


def _conclusion(preview: Preview) -> str:
    if preview.waived and not preview.against:
        who = "; ".join(f"{name} stays untested, {each.who_why_until}" for name, each in preview.waived.items())
        return f"It can be accepted with conditions ({who}), if the release is in the lab and all of these tests pass"
    if not preview.against:
        return "It can be accepted, if the release is in the lab and all of these tests pass"
    return "As things stand it cannot be accepted, however the tests end"


# The terminal.


def text(preview: Preview, *, width: int, colour: bool) -> str:
    """All that a scope says, as text of lines of at most ``width`` columns."""
    from rich.padding import Padding
    from rich.text import Text

    view, scope = _view(preview), preview.scope
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)

    def heading(words: str) -> None:
        console.print()
        console.print(Text(plain(words), style="bold"))

    def lines(told: Iterable[str]) -> None:
        for each in told:
            console.print(Padding(Text(plain(each)), (0, 0, 0, 2)))

    console.print(Text.assemble((plain(preview.unit.unit), "bold"), plain(f"  {preview.unit.title}")))
    console.print(Text(plain(f"{view.head} {view.reach} {view.limit}")))
    for name, because in ((f"size {scope.size}", scope.size_because), ("class", scope.class_because)):
        heading(name if name != "class" else f"class {scope.release_class}")
        lines(because)
    heading("affected components, the untested first")
    console.print(_affected(view))
    if scope.mandatory:
        heading("always measured for this size")
        lines([", ".join(scope.mandatory)])
    heading(_tests(preview))
    console.print(_reasons((_short(test.test), test.reason) for test in preview.planned))
    if preview.left_out:
        heading("left out")
        console.print(_reasons((_short(left.test), left.reason) for left in preview.left_out))
    if scope.criteria_left_out:
        heading("criteria out of scope")
        console.print(_reasons((left.subject, left.reason) for left in scope.criteria_left_out))
    heading(_conclusion(preview))
    lines(f"{each}" for each in preview.against)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _affected(view: ScopeView) -> Table:
    from rich.text import Text

    table = _table("Component", "Why", "Tests")
    for each in view.worst_first:
        kind, sign, told = view.standing(each)
        table.add_row(Text(each.component), Text(each.why), Text(f"{sign} {told}", style=STYLE[kind]))
    return table


def _reasons(rows: Iterable[tuple[str, str]]) -> Table:
    from rich.text import Text

    table = _table()
    for name, reason in rows:
        table.add_row(Text(plain(name)), Text(plain(reason), style="dim"))
    return table


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD if columns else None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        show_edge=False,
        show_header=bool(columns),
    )
    for column in columns or ("", ""):
        table.add_column(column, overflow="fold")
    return table


def _short(test: str) -> str:
    """A node id without the folder of the suites."""
    return test.removeprefix("suites/")


# Pages.


def markdown(preview: Preview, *, command: str, picture: str = "") -> str:
    """A page in Markdown, with a last newline. ``picture`` is a link to the picture; empty: without."""
    view, scope = _view(preview), preview.scope
    title = f"{_cell(preview.unit.title)}." if preview.unit.title else ""
    parts = [INTRODUCTION.format(command=command, unit=preview.unit.unit, title=title)]
    parts.append(f"{view.head} {view.reach} {view.limit}\n")
    parts.append(_bullets([*(f"size {scope.size}: {why}" for why in scope.size_because), *scope.class_because]))
    if picture:
        parts.append(f"![{_cell(scope_picture.alternative(scope))}]({picture})\n")
    conclusion = f"**{_cell(_conclusion(preview))}.**\n"
    parts.append(f"{conclusion}\n{_bullets(preview.against)}" if preview.against else conclusion)
    risks = [f"`{each.component}` ({_cell(each.title)}) {_cell(view.risk(each))}." for each in view.untested]
    if risks:
        parts.append("## Untested risk\n\n" + _bullets(risks, escaped=True))
    rows = [
        [f"`{each.component}`", _cell(each.title), _cell(each.why), f"{sign} {told}"]
        for each in view.worst_first
        for _, sign, told in [view.standing(each)]
    ]
    parts.append("## Affected components\n\n" + _grid(("Component", "What it is", "Why", "Tests"), rows))
    rows = [[_code(_short(test.test)), _cell(test.title), _cell(test.reason)] for test in preview.planned]
    parts.append(f"## Tests\n\n{_tests(preview)}.\n\n" + _grid(("Test", "What it does", "Why it runs"), rows))
    if preview.left_out:
        rows = [[_code(_short(left.test)), _cell(left.reason)] for left in preview.left_out]
        parts.append("## Tests left out\n\n" + _grid(("Test", "Why it does not run"), rows))
    if scope.criteria_left_out:
        rows = [[_code(left.subject), _cell(left.reason)] for left in scope.criteria_left_out]
        parts.append("## Criteria out of scope\n\n" + _grid(("Criterion", "Why"), rows))
    return "\n".join(parts)


def _bullets(lines: Collection[str], *, escaped: bool = False) -> str:
    return "".join(f"- {line if escaped else _cell(line)}\n" for line in lines)


def _grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines: Iterator[Sequence[str]] = iter((columns, ["---"] * len(columns), *rows))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _code(told: str) -> str:
    """Text as code, which ends neither itself nor a cell."""
    plain_code = told.replace("`", "").replace("|", "\\|")
    return f"`{plain_code}`"


def _cell(told: str) -> str:
    """Text that neither ends a cell, nor a row, nor becomes markup."""
    for sign in ("\\", "|", "*", "_", "`", "<", "["):
        told = told.replace(sign, f"\\{sign}")
    return " ".join(told.split())


def html(preview: Preview) -> str:
    """A page of its own, as the text of one self-contained HTML file."""
    return page.render(
        "scope_page.html",
        preview=preview,
        view=_view(preview),
        tests=_tests(preview),
        conclusion=_conclusion(preview),
    )
