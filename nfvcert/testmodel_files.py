"""Reading test models and the KPI catalogue they speak of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nfvcert.errors import FileError, UsageError
from nfvcert.files import load, read_document
from nfvcert.measure.kpi import Kpi, KpiName
from nfvcert.mistakes import did_you_mean
from nfvcert.parts import KeyPath
from nfvcert.testmodel import TestModel
from nfvcert.units import UNITS, BoundProblem, criteria

__all__ = ["find_model", "model_files", "problem_in", "read_kpis", "read_model"]

CATALOGUES = frozenset({"kpis.yaml", "components.yaml"})
"""Files of the folder of test models that are no models."""


def read_kpis(folder: Path) -> dict[str, Kpi]:
    """The KPI catalogue: name → KPI. Raises FileError."""
    path = folder / "kpis.yaml"
    kpis = load(dict[KpiName, Kpi], path)
    for name, kpi in kpis.items():
        if kpi.unit not in UNITS:
            raise problem_in(path, (name, "unit"), found=repr(kpi.unit), expected=f"one of {', '.join(UNITS)}")
    return kpis


def model_files(folder: Path) -> list[Path]:
    """All test models of a folder."""
    return [path for path in sorted(folder.glob("*.yaml")) if path.name not in CATALOGUES]


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


def read_model(path: Path, kpis: Mapping[str, Kpi]) -> TestModel:
    """A test model whose every bound can be understood, for every profile. Raises FileError."""
    model = load(TestModel, path)
    for profile in model.profiles:
        try:
            criteria(model, kpis, profile, None)
        except BoundProblem as error:
            near = did_you_mean(model.criteria[int(error.key[1])].kpi, kpis) if error.key[-1] == "kpi" else ""
            raise problem_in(path, error.key, found=error.found, expected=error.expected, hint=near) from error
    return model


def problem_in(path: Path, key: KeyPath, *, found: str, expected: str, hint: str = "") -> FileError:
    """A FileError at a key of a file that was read before."""
    line = read_document(path).line(key)
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")
    return FileError(path, line=line, key=dotted, found=found, expected=expected, hint=hint)
