"""Reading what a release unit builds on: the records of its parts, and the list of those that were revoked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from nfvcert.composition import Candidate, CertifiedStream, Composition, NotComposed, Revocation, compose
from nfvcert.errors import FileError
from nfvcert.files import load
from nfvcert.lab import Lab
from nfvcert.record import Record, canonical
from nfvcert.release import BuiltOn, ReleaseUnit
from nfvcert.testmodel_files import problem_in

__all__ = ["read_composition", "read_parts", "read_revoked"]

REVOKED = "revoked.yaml"


def read_composition(
    path: Path, unit: ReleaseUnit, lab: Lab, *, valid_days: int, releases: Sequence[Path]
) -> Composition | None:
    """What a unit that was read from ``path`` builds on, in a lab; None where it builds on nothing.

    ``releases`` are the folders that list revoked records. Raises FileError where a part does not count.
    """
    if not unit.builds_on:
        return None
    composed = compose(
        unit,
        read_parts(path, unit),
        profile=lab.profile,
        now=datetime.now(UTC),
        valid_days=valid_days,
        revoked=read_revoked(releases),
    )
    if isinstance(composed, NotComposed):
        raise problem_in(
            path,
            ("builds_on",),
            found="; ".join(composed.because),
            expected=f"parts whose acceptance counts for {unit.unit} in lab {lab.lab}",
            hint="certify the part anew, or take it out of builds_on: what it changes is then tested whole",
        )
    return composed


def read_parts(path: Path, unit: ReleaseUnit) -> tuple[Candidate, ...]:
    """The parts of a unit that was read from ``path``, each with its record or why that cannot be used."""
    return tuple(_candidate(path.parent / each.record, each) for each in unit.builds_on or ())


def read_revoked(folders: Sequence[Path]) -> tuple[Revocation, ...]:
    """The revoked records that some folders of release units list.

    Raises: FileError for a wrong list, and where no folder has one: an absent list must not look like an empty one.
    """
    lists = [folder / REVOKED for folder in dict.fromkeys(folders) if (folder / REVOKED).exists()]
    if not lists:
        path = (folders[0] if folders else Path("releases")) / REVOKED
        raise FileError(
            path,
            problem="there is no such file, and it tells which records of acceptance were revoked",
            hint="where none was, let it say []",
        )
    return tuple(revocation for path in lists for revocation in load(list[Revocation], path))


def _candidate(path: Path, built_on: BuiltOn) -> Candidate:
    try:
        plain = json.loads(path.read_bytes())
        content = canonical(plain)  # what is digested and what is read are the same bytes
        record = Record.model_validate_json(content)
    except OSError as error:
        return Candidate(built_on=built_on, problem=f"its record {path} cannot be read: {error.strerror}")
    except (ValidationError, ValueError, RecursionError):
        return Candidate(built_on=built_on, problem=f"{path} is no record of a run")
    return Candidate(
        built_on=built_on,
        digest=hashlib.sha256(content).hexdigest(),
        finished=record.finished,
        streams=tuple(
            CertifiedStream(
                unit=stream.plan.unit,
                lab=stream.plan.lab.lab,
                profile=stream.plan.profile,
                decision=stream.judgement.decision,
            )
            for stream in record.streams
        ),
    )
