"""Reading waivers: a folder of files, each a list; and which of them are for a stream."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nfvcert.files import load
from nfvcert.mistakes import did_you_mean
from nfvcert.testmodel_files import problem_in
from nfvcert.waivers import HeldWaiver, Waiver, WaiverFile, held

__all__ = ["WrittenWaiver", "read_waivers", "waivers_of"]


@dataclass(frozen=True)
class WrittenWaiver:
    """A waiver, and where it is written."""

    waiver: Waiver
    path: Path
    index: int
    """Its place in the file's list, counted from 0."""


def read_waivers(folder: Path) -> tuple[WrittenWaiver, ...]:
    """All waivers of a folder; none where there is no such folder. Raises FileError."""
    return tuple(
        WrittenWaiver(waiver, path, index)
        for path in sorted(folder.glob("*.yaml"))
        for index, waiver in enumerate(load(WaiverFile, path).waivers)
    )


def waivers_of(
    written: Sequence[WrittenWaiver],
    *,
    unit: str | None,
    lab: str,
    day: date,
    domains: Collection[str],
    subjects: Collection[str],
    components: Collection[str],
) -> tuple[HeldWaiver, ...]:
    """The waivers of a stream, as they stand on a day.

    ``subjects`` are all criteria of its test model, which is of ``domains``; ``components`` all of the catalogue.
    Raises FileError for one of this unit and lab that is for no such criterion, or no such component: somebody
    relies on it. One for a KPI of another domain belongs to another model.
    """
    kept: list[tuple[Waiver, str]] = []
    for each in written:
        waiver = each.waiver
        if not held([(waiver, "")], unit=unit, lab=lab, day=day):
            continue
        key: str = "untested" if waiver.untested is not None else "criterion"
        known = components if waiver.untested is not None else subjects
        if waiver.subject not in known:
            if waiver.criterion is not None and waiver.criterion.partition(".")[0] not in domains:
                continue
            raise problem_in(
                each.path,
                ("waivers", each.index, key),
                found=repr(waiver.subject),
                expected="a component of the catalogue" if key == "untested" else "a criterion of the test model",
                hint=did_you_mean(waiver.subject, known),
            )
        kept.append((waiver, each.path.name))
    return held(kept, unit=unit, lab=lab, day=day)
