"""The component catalogue in words: a table for a terminal, all about one component, and the page of the docs."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nfvcert.catalogue import Catalogue, Component, Domain, Relation, Step
from nfvcert.render import page
from nfvcert.render.component_graph import DOMAINS
from nfvcert.render.words import counted, plain
from nfvcert.testcase import CollectedTest

__all__ = ["about", "markdown", "table"]

RELATIONS: Mapping[Relation, str] = {"runs-on": "runs on", "talks-to": "talks to", "managed-by": "managed by"}
INTRODUCTION = """\
<!-- Made by: {command} -->

# Component catalogue

Every kind of thing that has releases, and might cause an issue in NFV infrastructure: {components}, with
{dependencies} between them. The catalogue is [testmodels/components.yaml](../testmodels/components.yaml); after a
change of it, or of what tests cover, make this page and its picture anew:

```sh
{command}
{picture}
```

![What depends on what](images/components.svg)

- **A change is followed along these dependencies.** What *runs on* a thing can break when that thing changes. Who
  *talks to* another, or is *managed by* it, can break it and be broken by it. How many steps a change is followed is
  said by the test model, for each size of a release.
- **Its version** is how a lab is asked whether a release is really there: the first way that the lab answers. What a
  lab cannot tell by itself is told as the release unit says (`present_if`).
- **Tests** counts the tests of the suites that cover it. A component with none is an untested risk of every release
  that can break it; `nfvcert catalogue show NAME` tells all about one, `nfvcert catalogue graph NAME` draws what a
  change of it can break.
"""
COMMAND = "python -m nfvcert.cli catalogue show --markdown > docs/components.md"
PICTURE = "python -m nfvcert.cli catalogue graph -o docs/images/components.svg"


def table(catalogue: Catalogue, *, width: int, colour: bool) -> str:
    """All components, by domain: who releases each, what it depends on, how its version is read."""
    made = _table("Component", "Owner", "Depends on", "Its version in a lab")
    for heading, members in _by_domain(catalogue):
        if members:
            made.add_row(Text(heading, style="bold"))
        for name, component in members.items():
            depends = "\n".join(_depends(component))
            made.add_row(Text(f"  {name}"), component.owner, Text(depends), Text("\n".join(_facts(component))))
    return _printed([made], width=width, colour=colour)


def about(catalogue: Catalogue, name: str, tests: Iterable[CollectedTest], *, width: int, colour: bool) -> str:
    """All that is known of one component, with the tests that cover it.

    Raises LookupError for one in no catalogue.
    """
    component = catalogue[name]
    covering = [test for test in tests if name in test.covers]
    parts: list[object] = [
        Text.assemble((name, "bold"), f"  {plain(component.title)}"),
        Text(f"domain {component.domain}, released by: {component.owner}"),
    ]
    for heading, lines in (
        ("depends on", list(_depends(component)) or ["nothing"]),
        ("a change of it can break", list(_broken(catalogue, name)) or ["nothing else"]),
        ("its version in a lab, the best way first", _facts(component) or ["a lab cannot tell it by itself"]),
        (
            f"covered by {counted(len(covering), 'test')}",
            [f"{test.size:<6}  {test.case or test.test}" for test in covering]
            or ["no test: a release that changes it can never be accepted by tests alone"],
        ),
    ):
        parts.append(Text(heading, style="bold"))
        parts += [Padding(Text(plain(line)), (0, 0, 0, 2)) for line in lines]
    return _printed(parts, width=width, colour=colour)


def markdown(catalogue: Catalogue, tests: Iterable[CollectedTest]) -> str:
    """The page of the docs: a table a domain."""
    covered = Counter(name for test in tests for name in test.covers)
    dependencies = sum(1 for _ in catalogue.dependencies())
    parts = [
        INTRODUCTION.format(
            command=COMMAND,
            picture=PICTURE,
            components=counted(len(catalogue), "component"),
            dependencies="1 dependency" if dependencies == 1 else f"{dependencies} dependencies",
        )
    ]
    for heading, members in _by_domain(catalogue):
        rows = [
            f"| {' | '.join([f'`{name}`', *map(_cell, _columns(each)), str(covered[name])])} |"
            for name, each in members.items()
        ]
        if rows:
            head = [
                f"## {heading}",
                "",
                "| Component | What it is | Released by | Depends on | Its version in a lab | Tests |",
                "| --- | --- | --- | --- | --- | --- |",
            ]
            parts.append("\n".join([*head, *rows]) + "\n")
    return "\n".join(parts)


def _by_domain(catalogue: Catalogue) -> Iterator[tuple[str, dict[str, Component]]]:
    """Heading of each domain, and its components, in the order of the file."""
    for domain in get_args(Domain):
        yield DOMAINS[domain], {name: each for name, each in catalogue.components.items() if each.domain == domain}


def _columns(component: Component) -> tuple[str, ...]:
    return (
        component.title,
        component.owner.replace("-", " "),
        "; ".join(_depends(component)) or "nothing",
        "; ".join(_facts(component)) or "not told",
    )


def _depends(component: Component) -> Iterator[str]:
    """One line a relation: `runs on motherboard, cpu`."""
    found: dict[Relation, list[str]] = {}
    for relation, other in component.dependencies():
        found.setdefault(relation, []).append(other)
    for relation, others in found.items():
        yield f"{RELATIONS[relation]} {', '.join(others)}"


def _facts(component: Component) -> list[str]:
    return [f"{source.fact} (SSH)" if source.ssh else source.fact for source in component.facts]


def _broken(catalogue: Catalogue, name: str) -> Iterator[str]:
    """One line a component that is a step away, with the reason."""
    for other, path in catalogue.reached([name], 1).items():
        if path:
            yield f"{other}: {_why(path[0])}"


def _why(step: Step) -> str:
    """`it` is the one that is reached, `this` the one that changes."""
    match step.dependency.relation:
        case "runs-on":
            return "it runs on this"
        case "talks-to":
            return "the two talk"
        case "managed-by":
            return "this manages it" if step.dependency.component == step.component else "it manages this"


def _table(*columns: str) -> Table:
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def _printed(parts: Iterable[object], *, width: int, colour: bool) -> str:
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _cell(text: str) -> str:
    """Text that neither ends a cell, nor a row, nor becomes markup."""
    for sign in ("\\", "|", "*", "_", "`", "<"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
