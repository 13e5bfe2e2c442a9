"""A release unit explained on a terminal: what changes, how much that is and why, and what its files prove."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nfvcert.catalogue import Catalogue
from nfvcert.composition import Composition, NotComposed
from nfvcert.release import ReleaseUnit
from nfvcert.release_files import ArtefactState, SbomState
from nfvcert.render import page
from nfvcert.render.words import counted, plain
from nfvcert.sizing import class_of, size_of

__all__ = ["explanation"]

TYPES = {
    "GA": "a release that its vendor, {vendor}, supports",
    "maintenance": "corrections to {maintains}",
    "latest": "whatever is newest: tested like any other, and never certified for production",
}


def explanation(
    unit: ReleaseUnit,
    catalogue: Catalogue,
    artefacts: Sequence[ArtefactState],
    sbom: SbomState | None,
    compositions: Mapping[str, Composition | NotComposed],
    *,
    width: int,
    colour: bool,
) -> str:
    """All that is known of a checked unit, as text. ``compositions``: lab profile → what it can build on there."""
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)
    console.print(Text.assemble((plain(unit.unit), "bold"), plain(f"  {unit.title}")))
    told = TYPES[unit.type].format(vendor=unit.vendor, maintains=unit.maintains)
    delivered = f"; delivered by {unit.vendor}" if unit.vendor and unit.type != "GA" else ""
    console.print(Text(plain(f"{unit.type}: {told}{delivered}")))
    console.print()
    console.print(_changes(unit, catalogue))
    size, release_class = size_of(unit, catalogue), class_of(unit)
    for heading, lines in (
        (f"size {size.value}", size.because),
        (f"class {release_class.value}", release_class.because),
        ("artefacts", list(map(_artefact, artefacts))),
        ("SBOM", list(_sbom(sbom)) if sbom else []),
        ("known issues", [f"{issue.id}  {issue.title}{_where(issue.component)}" for issue in unit.known_issues]),
        *((f"builds on, in labs of profile {profile}", _built_on(found)) for profile, found in compositions.items()),
    ):
        if lines:
            console.print(Text(plain(heading), style="bold"))
            for line in lines:
                console.print(Padding(Text(plain(line)), (0, 0, 0, 2)))
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _changes(unit: ReleaseUnit, catalogue: Catalogue) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in ("Component", "Domain", "Product", "From", "To", "Trigger"):
        table.add_column(column, overflow="fold")
    for change in unit.changes:
        cells = (
            change.component,
            catalogue[change.component].domain,
            change.product,
            change.from_version or "new",
            f"{change.to_version} (rollback)" if change.rollback else change.to_version,
            change.trigger,
        )
        table.add_row(*(Text(plain(cell)) for cell in cells))
    return Padding(table, (0, 0, 1, 0))


def _artefact(state: ArtefactState) -> str:
    what = f"{state.component} {state.product}: "
    if state.file is None:
        return f"{what}not at hand, so its digest was not checked ({state.uri})"
    return f"{what}{state.file} has the digest that the unit names"


def _sbom(state: SbomState) -> Iterator[str]:
    yield f"{state.file.name}: of {state.product.name} {state.product.version}, {counted(state.parts, 'part')}"
    yield from (f"differs: {sentence}" for sentence in state.differing)


def _built_on(found: Composition | NotComposed) -> list[str]:
    if isinstance(found, NotComposed):
        return [f"nothing: {why}" for why in found.because]
    parts = [
        f"{part.unit}: {part.decision} in {', '.join(part.labs)}, {counted(part.age_days, 'day')} ago, "
        f"record {part.record[:12]}…"
        for part in found.parts
    ]
    whole = [f"certified whole: {', '.join(found.whole)}"] if found.whole else []
    return parts + whole


def _where(component: str | None) -> str:
    return f" ({component})" if component else ""
