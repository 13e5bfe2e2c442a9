"""Reading campaigns and the release units that they name.

read_campaign checks a campaign by itself; check_names compares it with the units, labs and models that
there are; campaign_problem is for all that shows later, and still belongs to a line of the campaign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic_core import ErrorDetails

from nfvcert.campaign import Campaign, CampaignStream
from nfvcert.document import dotted, read_document
from nfvcert.errors import FileError
from nfvcert.files import build, check_name, find_named, load
from nfvcert.mistakes import file_error
from nfvcert.release import ReleaseUnit

__all__ = ["campaign_problem", "check_names", "read_campaign", "read_release"]


def read_release(name_or_path: str, directories: Sequence[Path] = ()) -> tuple[ReleaseUnit, Path]:
    """A release unit and its file: a name in one of the directories, or a path.

    Raises: UsageError for an unknown unit, naming near-misses; FileError for a wrong file.
    """
    path = find_named("release unit", name_or_path, directories)
    document = read_document(path)
    unit = build(ReleaseUnit, document)
    check_name(document, "unit")
    return unit, path


def read_campaign(path: Path) -> Campaign:
    """A campaign that does not contradict itself. Whether its units, labs and models exist, `check_names` says.

    Raises: FileError.
    """
    return load(Campaign, path)


def check_names(
    path: Path, campaign: Campaign, *, units: Iterable[str], labs: Iterable[str], models: Iterable[str]
) -> None:
    """Refuse a campaign, read from ``path``, that names a unit, a lab or a model which there is not.

    Raises: FileError that tells the first such name of the file, with near-misses, and the next few.
    """
    if unknown := campaign.unknown_names(units=units, labs=labs, models=models):
        first = unknown[0].followed_by(unknown[1:])
        error = ErrorDetails(type="value_error", loc=(), msg=str(first), input=None, ctx={"error": first})
        raise file_error(read_document(path), Campaign, (), [error])


def campaign_problem(
    path: Path,
    stream: CampaignStream,
    key: Literal["unit", "lab", "model", "priority", "deadline", "after"],
    *,
    problem: str = "",
    found: str = "",
    expected: str = "",
    hint: str = "",
) -> FileError:
    """A FileError at the line where the campaign's file says something of a stream; words as FileError has them."""
    at = stream.key(key)
    line = read_document(path).line(at)
    return FileError(path, line=line, key=dotted(at), problem=problem, found=found, expected=expected, hint=hint)
