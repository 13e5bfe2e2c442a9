"""Files that people write: the only way from YAML to a model.

    read_document   bytes → plain data with lines        (`nfvcert.document`)
    build, load     plain data → any pydantic model      (mistakes in words: `nfvcert.mistakes`)
    find_lab, read_lab   the inventories             (campaigns and releases: `nfvcert.campaign_files`)
    find_named      a file by its name or path
    schemas         JSON Schemas for editors

A file that is wrong is a FileError with file, line, key, what was found and what was expected.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from nfvcert.campaign import Campaign
from nfvcert.catalogue import Catalogue
from nfvcert.document import Document, Plain, read_document
from nfvcert.errors import FileError, UsageError
from nfvcert.lab import Lab
from nfvcert.mistakes import did_you_mean, file_error
from nfvcert.overlays import Overlay
from nfvcert.parts import KeyPath
from nfvcert.release import ReleaseUnit
from nfvcert.testmodel import TestModel
from nfvcert.waivers import WaiverFile

__all__ = [
    "Document",
    "Plain",
    "build",
    "check_name",
    "digest",
    "find_lab",
    "find_named",
    "lab_files",
    "load",
    "named_files",
    "read_document",
    "read_lab",
    "schema_text",
    "schemas",
]

Model = TypeVar("Model")

NOT_NAMED = frozenset({"revoked.yaml"})
"""Files beside release units that are none."""

SCHEMAS: Mapping[str, tuple[str, Any]] = {
    "campaign": ("Campaign of nfvcert", Campaign),
    "components": ("Component catalogue of nfvcert", Catalogue),
    "lab": ("Lab inventory of nfvcert", Lab),
    "model": ("Test model of nfvcert, or an overlay of one", TestModel | Overlay),
    "release": ("Release unit of nfvcert", ReleaseUnit),
    "waivers": ("Waivers of nfvcert", WaiverFile),
}
"""Name → title and model of each kind of file that has a published JSON Schema."""


def load(model: type[Model], path: Path) -> Model:
    """Read a file into a model (or into any type that pydantic checks, like ``dict[str, Kpi]``).

    Raises: FileError.
    """
    return build(model, read_document(path))


def build(model: type[Model], document: Document, at: KeyPath = ()) -> Model:
    """Check the part of a document at a key path as a model.

    Nothing is guessed: a number is no string, a string is no number, `yes` is no truth value.
    Raises: FileError, its line and key counted from the top of the document.
    """
    try:
        # As JSON, since pydantic's strict mode for it is that of plain data: a list may become a tuple.
        return TypeAdapter(model).validate_json(json.dumps(document.at(at)), strict=True)
    except ValidationError as error:
        mistake = file_error(document, model, at, error.errors(include_url=False))
    # Outside of the except clause: pydantic's error repeats values, of which one may be a secret.
    raise mistake


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises: FileError."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FileError(path, problem=f"cannot be read: {error.strerror}") from error


def named_files(directories: Sequence[Path]) -> dict[str, Path]:
    """Name → file of each YAML file in some directories; the first directory that has a name wins."""
    found: dict[str, Path] = {}
    for directory in directories:
        for path in sorted(directory.glob("*.yaml")):
            if path.name not in NOT_NAMED:
                found.setdefault(path.stem, path)
    return found


def find_named(kind: str, name_or_path: str, directories: Sequence[Path]) -> Path:
    """The file of a lab, a release unit…: a name in one of the directories, or a path. ``kind`` is for people.

    Raises: UsageError naming near-misses and every name there is.
    """
    named = named_files(directories)
    if name_or_path in named:
        return named[name_or_path]
    path = Path(name_or_path)
    if _is_file(path):
        return path
    shown = repr(name_or_path[:60])
    if path.name != name_or_path or path.suffix in (".yaml", ".yml"):
        raise UsageError(f"{shown}: there is no such file", hint=did_you_mean(path.name, _beside(path)))
    near = did_you_mean(name_or_path, named)
    known = f"{kind}s: {', '.join(sorted(named)) or 'none'} (in {', '.join(map(str, directories)) or 'no directory'})"
    raise UsageError(f"no {kind} is named {shown}", hint="\n  ".join(filter(None, [near, known])))


def lab_files(directories: Sequence[Path]) -> dict[str, Path]:
    """Name → inventory of each lab in some directories, as `named_files`."""
    return named_files(directories)


def find_lab(name_or_path: str, directories: Sequence[Path]) -> Path:
    """The inventory of a lab: a name in one of the directories, or a path. Raises as `find_named`."""
    return find_named("lab", name_or_path, directories)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, a NUL
        return False


def _beside(path: Path) -> list[str]:
    try:
        return [each.name for each in path.parent.glob("*.yaml")]
    except (OSError, ValueError):
        return []


def read_lab(name_or_path: str | Path, directories: Sequence[Path] = ()) -> Lab:
    """Read the inventory of a lab, found as `find_lab` does.

    Raises: UsageError for an unknown lab; FileError for a wrong inventory.
    """
    path = find_lab(str(name_or_path), directories)
    document = read_document(path)
    lab = build(Lab, document)
    check_name(document, "lab")
    return lab


def check_name(document: Document, key: str) -> None:
    """Refuse a document whose name at a key is not that of its file.

    Results are filed under names: two files of one name would mix their histories. Raises: FileError.
    """
    if document.at((key,)) != document.path.stem:
        raise FileError(
            document.path,
            line=document.line((key,)),
            key=key,
            found=document.said((key,)),
            expected=f"{document.path.stem}, as the file is named",
        )


def schemas() -> dict[str, dict[str, Any]]:
    """Name → JSON Schema (draft 2020-12) of each kind of file, for editors that check while one types."""
    from nfvcert.docstrings import Described

    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **_strict(TypeAdapter(model).json_schema(schema_generator=Described)),
            "title": title,
        }
        for name, (title, model) in SCHEMAS.items()
    }


def _strict(schema: Any) -> Any:
    """A schema without pydantic's titles (the keys, capitalised), and with keys held to their pattern."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _strict(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    return kept | {"additionalProperties": False} if "patternProperties" in kept else kept


def schema_text(name: str) -> str:
    """One JSON Schema as it is committed. Raises: LookupError for an unknown name."""
    return json.dumps(schemas()[name], indent=2, sort_keys=True, ensure_ascii=False) + "\n"
