"""Facts of a lab, and what differs between two fingerprints, as tables for a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.table import Table

from nfvcert.fingerprint import Difference, LabFacts
from nfvcert.render.page import console

__all__ = ["differences_table", "facts_table"]


def facts_table(facts: LabFacts, width: int, colour: bool) -> str:
    """Host by host; the last line has the digest."""
    table = Table("host", "fact", "value", box=None, pad_edge=False)
    for host, told in facts.facts.items():
        for number, (fact, value) in enumerate(sorted(told.items())):
            table.add_row(host if number == 0 else "", fact, value)
    return _printed(table, width, colour) + f"lab {facts.lab}, {facts.taken}, sha256 {facts.sha256}\n"


def differences_table(found: Sequence[Difference], before: str, after: str, width: int, colour: bool) -> str:
    """A line a fact; a dash where one side does not tell it."""
    table = Table("host", "fact", before, after, box=None, pad_edge=False)
    for each in found:
        table.add_row(each.host, each.fact, each.before or "\N{EN DASH}", each.after or "\N{EN DASH}")
    return _printed(table, width, colour)


def _printed(table: Table, width: int, colour: bool) -> str:
    text = io.StringIO()
    console(text, width=width, colour=colour).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
