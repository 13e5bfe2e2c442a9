"""Releasing a version of a test model: from then on it is immutable, and the next one may not drop what it requires."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from nfvcert.errors import FileError, StorageError, UsageError
from nfvcert.files import digest
from nfvcert.life_cycle import broken_steps
from nfvcert.measure.kpi import Kpi
from nfvcert.testmodel import TestModel
from nfvcert.testmodel_files import RELEASED, base_file, find_model, problem_in, read_model, read_released

__all__ = ["check_steps", "newest_released", "release_model"]

HEAD = """\
# Digests of the released versions of the test models, in the order of their release; `nfvcert model release` writes it.
# A file of such a name and version with other bytes is refused. The files are in released/.
"""


def release_model(name: str, folder: Path, kpis: Mapping[str, Kpi]) -> tuple[TestModel, Path]:
    """Release a test model of a folder as it stands; returns it and the file that is kept.

    Raises UsageError for an unknown model and a version that is released; FileError for a wrong model, a base that is
    not released, and a criterion that skips a step of its life; StorageError where the folder cannot be written.
    """
    path = find_model(name, folder)
    model = read_model(path, kpis, folder)  # refuses a released version that has changed
    released = read_released(folder)
    if model.version in released.get(model.model, {}):
        raise UsageError(f"version {model.version} of {model.model} is released already, as it stands")
    base = base_file(path, model, folder)
    if base is not None and model.based_on not in {f"{of} {v}" for of, versions in released.items() for v in versions}:
        raise problem_in(
            path,
            ("overlays",),
            found=f"{model.based_on}, which is not released",
            expected="a released version: what may still change is no base of what may not",
            hint=f"first: nfvcert model release {base.stem}",
        )
    check_steps(path, model, folder, kpis)
    kept = folder / RELEASED / f"{model.model}-{model.version}.yaml"
    versions = released.setdefault(model.model, {})
    versions[model.version] = digest(path)
    try:
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(path.read_bytes())
        (folder / f"{RELEASED}.yaml").write_text(_text(released), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{error.filename} cannot be written: {error.strerror}") from error
    return model, kept


def check_steps(path: Path, model: TestModel, folder: Path, kpis: Mapping[str, Kpi]) -> None:
    """Compare a model, read from ``path``, with the version that was released last.

    Raises FileError for a criterion that skips a step of its life.
    """
    before = newest_released(model.model, folder, kpis)
    if before is not None and (broken := broken_steps(before, model)):
        raise problem_in(
            path,
            ("criteria",),
            found=broken[0],
            expected="advisory → required → deprecated → removed, a step a version",
            hint="\n  ".join(f"also {sentence}" for sentence in broken[1:4]),
        )


def _text(released: Mapping[str, Mapping[str, str]]) -> str:
    lines = []
    for name, versions in released.items():
        lines.append(f"{name}:")
        # As JSON, which is YAML, so that 2026.1 stays a string.
        lines += [f"  {json.dumps(version)}: {sha256}" for version, sha256 in versions.items()]
    return HEAD + "\n".join(lines) + "\n"


def newest_released(name: str, folder: Path, kpis: Mapping[str, Kpi]) -> TestModel | None:
    """The version of a model that was released last. Raises FileError where its file is missing or has changed."""
    versions = list(read_released(folder).get(name, {}))
    if not versions:
        return None
    path = folder / RELEASED / f"{name}-{versions[-1]}.yaml"
    if not path.is_file():
        raise FileError(path, problem=f"missing: {RELEASED}.yaml says that {name} {versions[-1]} was released")
    return read_model(path, kpis)
