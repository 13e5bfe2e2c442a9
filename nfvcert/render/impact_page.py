"""The impact of each component's release, for the terminal and as docs/impact.md."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from statistics import median
from typing import get_args

from rich import box
from rich.table import Table
from rich.text import Text

from nfvcert.catalogue import Domain
from nfvcert.impact import Impact
from nfvcert.render import page
from nfvcert.render.component_graph import DOMAINS
from nfvcert.render.words import counted, plain

__all__ = ["COMMAND", "markdown", "text"]

COMMAND = "python -m nfvcert.cli impact --markdown > docs/impact.md"
INTRODUCTION = """\
<!-- Made by: {command} -->

# What a release of each component is tested with

For each component of the [catalogue](components.md), released by itself in a minor release: how many of the
{tests} of the suites run under {model}, what the release can break, and whether it could be accepted at all. Nothing
was run for this page. After a change of the catalogue, of the test model or of what tests cover, make it anew:

```sh
{command}
```

{summary}

- **Tests** counts them as the suites write them; a lab repeats some of them for several frame sizes. Those that the
  test model makes mandatory for the size always run.
- **Can break** counts the components that the change is followed to, **untested** those of them that no test covers.
- **Accepted** says whether it could be, if all tests passed. A component that changes and that no test covers never
  is: of such a release nothing is known. A waiver that names the component, and who answers for it, can let it pass.
"""


def markdown(impacts: Sequence[Impact], *, model: str) -> str:
    """The page, with a last newline: a table a domain."""
    tests = counted(impacts[0].of if impacts else 0, "test")
    parts = [INTRODUCTION.format(command=COMMAND, model=model, tests=tests, summary=summary(impacts))]
    for domain, members in groupby(_by_domain(impacts), key=lambda each: each.domain):
        rows = [f"| {' | '.join([f'`{each.component}`', *_cells(each)])} |" for each in members]
        head = [
            f"## {DOMAINS[domain]}",
            "",
            "| Component | Tests | Share | Can break | Untested | Accepted |",
            "| --- | ---: | ---: | ---: | ---: | --- |",
        ]
        parts.append("\n".join([*head, *rows]) + "\n")
    return "\n".join(parts)


def summary(impacts: Sequence[Impact]) -> str:
    """What all of them amount to, in a sentence or two."""
    if not impacts:
        return "There is no component."
    possible = [each for each in impacts if not each.against]
    typical = median(each.share for each in impacts)
    fewer = sum(each.tests < each.of for each in impacts)
    return (
        f"Half of the {len(impacts)} components are tested with {typical * 100:.0f} % of the tests or less; for "
        f"{fewer} of them some tests need not run. {len(possible)} could be accepted as things stand, for the others "
        "the suites lack tests."
    )


def text(impacts: Sequence[Impact], *, model: str, width: int, colour: bool) -> str:
    """The same as a table for a terminal."""
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("Component", overflow="fold")
    for column in ("Tests", "Share", "Can break", "Untested"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("Accepted", overflow="fold")
    for domain, members in groupby(_by_domain(impacts), key=lambda each: each.domain):
        table.add_row(Text(DOMAINS[domain], style="bold"))
        for each in members:
            *figures, accepted = _cells(each)
            told = Text(plain(accepted), style="yellow" if each.against else "green")
            table.add_row(Text(f"  {each.component}"), *figures, told)
    console.print(table)
    console.print()
    console.print(Text(f"{model}: {summary(impacts)}"))
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _by_domain(impacts: Sequence[Impact]) -> list[Impact]:
    order = get_args(Domain)
    return sorted(impacts, key=lambda each: order.index(each.domain))


def _cells(impact: Impact) -> tuple[str, ...]:
    if not impact.against:
        accepted = "yes"
    elif not impact.covered_by:
        accepted = "no: no test covers it"
    elif impact.untested > impact.untested_at_most:
        accepted = f"no: {impact.untested} untested, {impact.untested_at_most} accepted"
    else:
        accepted = f"no: {impact.against[0]}"
    return (
        f"{impact.tests} of {impact.of}",
        f"{impact.share * 100:.0f} %",
        str(impact.breakable),
        str(impact.untested),
        accepted,
    )
