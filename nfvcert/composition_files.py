"""Reading what a release unit builds on: the records of its parts, and the list of those that were revoked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from nfvcert.composition import (
    Candidate,
    CertifiedStream,
    Composition,
    Judge,
    NotComposed,
    Revocation,
    compose,
)
from nfvcert.errors import FileError
from nfvcert.files import digest, load
from nfvcert.gathering import follows
from nfvcert.judge import Verdict
from nfvcert.record import Record, StreamRecord, canonical
from nfvcert.release import BuiltOn, ReleaseUnit
from nfvcert.scope import criterion_text
from nfvcert.testcase import case_of
from nfvcert.testmodel import TestModel
from nfvcert.testmodel_files import base_file, problem_in

__all__ = ["judge_of", "read_composition", "read_parts", "read_revoked", "revoked_digests"]

REVOKED = "revoked.yaml"


def read_composition(
    path: Path, unit: ReleaseUnit, profile: str, *, judge: Judge, valid_days: int, releases: Sequence[Path]
) -> Composition | None:
    """What a unit that was read from ``path`` builds on, in a lab of a profile; None where it builds on nothing.

    ``judge`` is the test model that judges it; ``releases`` are the folders that list revoked records.
    Raises FileError where a part does not count.
    """
    if not unit.builds_on:
        return None
    composed = compose(
        unit,
        read_parts(path, unit),
        profile=profile,
        now=datetime.now(UTC),
        valid_days=valid_days,
        revoked=read_revoked(releases),
        judge=judge,
    )
    if isinstance(composed, NotComposed):
        raise problem_in(
            path,
            ("builds_on",),
            found="; ".join(composed.because),
            expected=f"parts whose acceptance counts for {unit.unit} in a lab of profile {profile}",
            hint="certify the part anew, or take it out of builds_on: what it changes is then tested whole",
        )
    return composed


def judge_of(model: TestModel, paths: Sequence[Path], folder: Path | None) -> Judge:
    """A test model, whose members were read from ``paths``, as it judges; ``folder`` has what they overlay.

    Raises FileError.
    """
    judges = tuple(_judge_of(member, path, folder) for member, path in zip(model.members, paths, strict=True))
    if len(judges) == 1:
        return judges[0]
    return Judge(
        model=f"{model.model} {model.version}",
        sha256=sha256(" ".join(judge.sha256 for judge in judges).encode()).hexdigest(),
        based_on=model.based_on,
        members=judges,
    )


def _judge_of(model: TestModel, path: Path, folder: Path | None) -> Judge:
    base = base_file(path, model, folder)
    return Judge(
        model=f"{model.model} {model.version}",
        sha256=digest(path),
        based_on=model.based_on,
        base_sha256=digest(base) if base else "",
    )


def read_parts(path: Path, unit: ReleaseUnit) -> tuple[Candidate, ...]:
    """The parts of a unit that was read from ``path``, each with its record or why that cannot be used."""
    return tuple(_candidate(path.parent / each.record, each) for each in unit.builds_on or ())


def read_revoked(folders: Sequence[Path]) -> tuple[Revocation, ...]:
    """The revoked records that some folders of release units list.

    Raises: FileError for a wrong list, and where no folder has one: an absent list must not look like an empty one.
    """
    lists = _lists(folders)
    if not lists:
        path = (folders[0] if folders else Path("releases")) / REVOKED
        raise FileError(
            path,
            problem="there is no such file, and it tells which records of acceptance were revoked",
            hint="where none was, let it say []",
        )
    return tuple(revocation for path in lists for revocation in load(list[Revocation], path))


def revoked_digests(folders: Sequence[Path]) -> frozenset[str]:
    """Digests of the revoked records; none where there is no list. Raises: FileError for a wrong one."""
    return frozenset(revocation.record for path in _lists(folders) for revocation in load(list[Revocation], path))


def _lists(folders: Sequence[Path]) -> list[Path]:
    return [folder / REVOKED for folder in dict.fromkeys(folders) if (folder / REVOKED).exists()]


def _candidate(path: Path, built_on: BuiltOn) -> Candidate:
    try:
        plain = json.loads(path.read_bytes())
        content = canonical(plain)  # what is digested and what is read are the same bytes
        record = Record.model_validate_json(content)
    except OSError as error:
        return Candidate(built_on=built_on, problem=f"its record {path} cannot be read: {error.strerror}")
    except (ValidationError, ValueError, RecursionError):
        return Candidate(built_on=built_on, problem=f"{path} is no record of a run")
    for stream in record.streams:
        if not follows(stream):
            problem = f"{path}: its decision {stream.judgement.decision} does not follow from its results"
            return Candidate(built_on=built_on, problem=problem)
    return Candidate(
        built_on=built_on,
        digest=hashlib.sha256(content).hexdigest(),
        finished=record.finished,
        streams=tuple(_certified(stream) for stream in record.streams),
    )


def _certified(stream: StreamRecord) -> CertifiedStream:
    plan = stream.plan
    parts = plan.composition.parts if plan.composition else ()
    live = [waiver.expires for waiver in plan.waivers if not waiver.expired]
    return CertifiedStream(
        unit=plan.unit,
        lab=plan.lab.lab,
        profile=plan.profile,
        decision=stream.judgement.decision,
        judge=Judge(
            model=plan.model,
            sha256=plan.model_sha256,
            based_on=plan.model_based_on,
            base_sha256=plan.model_base_sha256,
        ),
        tested=tuple(each.component for each in plan.scope.affected if each.tests) if plan.scope else (),
        passed=tuple(case_of(test.test, plan.stream) for test in stream.tests if test.verdict is Verdict.PASS),
        met=tuple(
            criterion_text(result.criterion)
            for result in stream.judgement.criteria
            if result.decides and result.verdict is Verdict.PASS
        ),
        conditions=stream.judgement.conditions,
        expires=min(live) if live and stream.judgement.conditions else None,
        within=tuple(each for part in parts for each in (part.record, *part.within)),
    )
