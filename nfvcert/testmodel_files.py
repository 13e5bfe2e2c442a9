"""Reading test models, what they lie over, the KPI catalogue they speak of, and the requirements they verify.

testmodels/
    kpis.yaml            KPIs
    requirements.yaml    requirements → the KPIs that verify them
    NAME.yaml            a test model, or an overlay of one
    released.yaml        digests of the versions that may change no more
    released/            those versions, byte for byte
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic_core import ErrorDetails

from nfvcert.document import Document, dotted
from nfvcert.errors import FileError, UsageError
from nfvcert.files import build, digest, load, read_document
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi, KpiName
from nfvcert.mistakes import did_you_mean, file_error
from nfvcert.overlays import LayeredModel, Overlay, merged
from nfvcert.parts import Contradiction, KeyPath, Name
from nfvcert.release import Sha256
from nfvcert.requirements import Requirement, RequirementId, Requirements
from nfvcert.testmodel import TestModel
from nfvcert.units import UNITS, BoundProblem, criteria

__all__ = [
    "RELEASED",
    "base_file",
    "check_profile",
    "find_model",
    "group_models",
    "model_files",
    "problem_in",
    "read_kpis",
    "read_model",
    "read_released",
    "read_requirements",
]

RELEASED = "released"
"""Folder of released versions, and the file of their digests."""
NO_MODELS = frozenset({"kpis.yaml", "components.yaml", "requirements.yaml", f"{RELEASED}.yaml"})
"""Files of the folder of test models that are no models."""
SAYS_OVERLAYS = re.compile(r"^[\"']?overlays[\"']?\s*:", re.MULTILINE)
Released = dict[Name, dict[str, Sha256]]
"""Model → version → digest of its file, in the order of their release."""


def read_kpis(folder: Path) -> dict[str, Kpi]:
    """The KPI catalogue: name → KPI. Raises FileError."""
    path = folder / "kpis.yaml"
    kpis = load(dict[KpiName, Kpi], path)
    for name, kpi in kpis.items():
        if kpi.unit not in UNITS:
            raise problem_in(path, (name, "unit"), found=repr(kpi.unit), expected=f"one of {', '.join(UNITS)}")
    return kpis


def read_requirements(folder: Path, kpis: Mapping[str, Kpi]) -> Requirements:
    """The requirements of the folder of test models; none where it has no such file. Raises FileError."""
    path = folder / "requirements.yaml"
    if not path.exists():
        return Requirements()
    document = read_document(path)
    found = build(dict[RequirementId, Requirement], document)
    for name, requirement in found.items():
        for index, kpi in enumerate(requirement.kpis):
            if kpi not in kpis:
                problem = f"no KPI of the catalogue is named {kpi!r}"
                unknown = Contradiction((name, "kpis", index), problem, found=kpi, choices=kpis)
                raise _told_of(document, Requirement, unknown)
    return Requirements(found)


def model_files(folder: Path) -> list[Path]:
    """All test models of a folder, overlays among them."""
    return [path for path in sorted(folder.glob("*.yaml")) if path.name not in NO_MODELS]


def group_models(folder: Path) -> list[Path]:
    """The test models of a folder that judge their domain where none is named: overlays do only by name.

    Raises FileError for one that cannot be read.
    """
    return [path for path in model_files(folder) if not SAYS_OVERLAYS.search(_text(path))]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise FileError(path, problem=f"cannot be read: {error.strerror}") from error


def find_model(name_or_path: str, folder: Path) -> Path:
    """A test model by name in the folder, or by path. Raises UsageError naming near-misses."""
    known = {path.stem: path for path in model_files(folder)}
    if name_or_path in known:
        return known[name_or_path]
    if name_or_path.endswith((".yaml", ".yml")) and Path(name_or_path).is_file():
        return Path(name_or_path)
    raise UsageError(
        f"no test model is named {name_or_path!r}",
        hint=f"{did_you_mean(name_or_path, known)} test models: {', '.join(known) or 'none'} (in {folder})".strip(),
    )


def read_model(path: Path, kpis: Mapping[str, Kpi], folder: Path | None = None) -> TestModel:
    """A test model whose every bound can be understood, for every profile; an overlay together with its base.

    ``folder`` is the project's folder of test models, where the file itself lies elsewhere: bases are looked for
    there too, and what is released there is immutable everywhere.
    Raises FileError; also for a version that is released and has other bytes than it had then, and for an overlay
    that loosens its base.
    """
    document = read_document(path)
    if isinstance(document.data, dict) and "overlays" in document.data:
        model: TestModel = _read_overlay(document, kpis, folder)
    else:
        model = build(TestModel, document)
        _check_bounds(path, model, kpis)
    _check_unchanged(document, model, folder)
    return model


def check_profile(inventory: Path, lab: Lab, model: TestModel, file: str) -> None:
    """Raises FileError where an inventory names no profile of a test model, which was read from ``file``."""
    profile = lab.profile_for(model.domain)
    if profile not in model.profiles:
        raise problem_in(
            inventory,
            ("profiles", model.domain) if model.domain in lab.profiles else ("profile",),
            found=repr(profile),
            expected=f"a profile of test model {file}: {', '.join(model.profiles)}",
        )


def base_file(path: Path, model: TestModel, folder: Path | None = None) -> Path | None:
    """The file of what a model, read from ``path`` and with ``folder``, lies over; None for one that stands alone."""
    if not isinstance(model, LayeredModel):
        return None
    return _base_file(path, model.base.model, model.base.version, folder)


def _base_file(path: Path, name: str, version: str, folder: Path | None) -> Path:
    if path.parent.name == RELEASED:  # it lies over the released one that it was written for
        return path.parent / f"{name}-{version}.yaml"
    beside = path.parent / f"{name}.yaml"
    return folder / beside.name if folder is not None and not beside.is_file() else beside


def _check_bounds(path: Path, model: TestModel, kpis: Mapping[str, Kpi]) -> None:
    for profile in model.profiles:
        try:
            criteria(model, kpis, profile, None)
        except BoundProblem as error:
            near = did_you_mean(model.criteria[int(error.key[1])].kpi, kpis) if error.key[-1] == "kpi" else ""
            raise problem_in(path, error.key, found=error.found, expected=error.expected, hint=near) from error


def _read_overlay(document: Document, kpis: Mapping[str, Kpi], folder: Path | None) -> LayeredModel:
    path = document.path
    overlay = build(Overlay, document)
    base_path = _base_file(path, overlay.overlays, overlay.base_version, folder)
    if not base_path.is_file():
        known = [each.stem for each in model_files(base_path.parent) if each != path]
        raise problem_in(
            path,
            ("overlays",),
            found=repr(overlay.overlays),
            expected=f"a test model, {base_path}; there are: {', '.join(known) or 'none'}",
            hint=did_you_mean(overlay.overlays, known),
        )
    base = read_model(base_path, kpis, folder) if base_path != path else None
    if base is None or base.based_on:
        raise problem_in(
            path,
            ("overlays",),
            found=f"{overlay.overlays}, an overlay itself",
            expected="the group's test model: an overlay lies over one that stands alone",
        )
    if base.model != overlay.overlays:
        raise problem_in(
            base_path, ("model",), found=repr(base.model), expected=f"{overlay.overlays}, as the file is named"
        )
    try:
        return merged(base, overlay, kpis)
    except Contradiction as contradiction:
        raise _told_of(document, Overlay, contradiction) from contradiction


def read_released(folder: Path) -> Released:
    """The digests of the released versions of a folder's models. Raises FileError."""
    path = folder / f"{RELEASED}.yaml"
    return load(Released, path) if path.exists() or path.is_symlink() else {}


def _check_unchanged(document: Document, model: TestModel, folder: Path | None) -> None:
    path = document.path
    here = path.parent.parent if path.parent.name == RELEASED else path.parent
    for models in {here, folder or here}:
        known = read_released(models).get(model.model, {}).get(model.version)
        if known is not None and known != digest(path):
            raise problem_in(
                path,
                ("version",),
                found=f"other bytes than version {model.version} of {model.model} had when it was released",
                expected="another version: what is released is immutable",
                hint=f"the released one is {models / RELEASED / f'{model.model}-{model.version}.yaml'}",
            )


def _told_of(document: Document, model: type, contradiction: Contradiction) -> FileError:
    """A contradiction, its keys counted from the document's top, with line and near-misses."""
    error = ErrorDetails(type="value_error", loc=(), msg=str(contradiction), input=None, ctx={"error": contradiction})
    return file_error(document, model, (), [error])


def problem_in(path: Path, key: KeyPath, *, found: str, expected: str, hint: str = "") -> FileError:
    """A FileError at a key of a file that was read before."""
    line = read_document(path).line(key)
    return FileError(path, line=line, key=dotted(key), found=found, expected=expected, hint=hint)
