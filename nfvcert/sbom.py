"""Software bills of materials: CycloneDX files, as JSON or XML, read by its own library."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nfvcert.errors import FileError

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

__all__ = ["Sbom", "SbomPart", "read_sbom"]

MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class SbomPart:
    """Something that is delivered."""

    name: str
    """With its group, where it has one: `org.example/thing`."""
    version: str
    """Empty where the file does not tell it."""
    supplier: str = ""


@dataclass(frozen=True)
class Sbom:
    """What a file says is delivered, and of what that is made."""

    product: SbomPart | None
    """What the file is about (metadata.component)."""
    parts: tuple[SbomPart, ...]
    """All components, those within others too."""


def read_sbom(path: Path) -> Sbom:
    """Read a CycloneDX file. Raises: FileError."""
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        raise FileError(path, problem=f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(raw) > MAX_BYTES:
        raise FileError(path, problem=f"more than {MAX_BYTES} bytes; no bill of materials is that long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the library finds incomplete in a file that is not ours
            bom = _of_xml(path, raw) if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else _of_json(path, raw)
            about = bom.metadata.component
            parts = tuple(sorted(map(_part, _with_inner(bom.components)), key=lambda part: (part.name, part.version)))
            return Sbom(product=_part(about) if about else None, parts=parts)
    except FileError:
        raise
    except Exception as error:  # the library's readers raise whatever a wrong file leads them to
        raise FileError(path, problem=f"no CycloneDX file: {str(error)[:200] or type(error).__name__}") from error


def _of_json(path: Path, raw: bytes) -> Bom:
    from cyclonedx.model.bom import Bom
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonValidator

    text = raw.decode("utf-8-sig")
    plain: Any = json.loads(text)
    if not isinstance(plain, dict) or plain.get("bomFormat") != "CycloneDX":
        raise FileError(path, problem="no CycloneDX file: it does not say bomFormat: CycloneDX")
    known = {version.to_version(): version for version in SchemaVersion}
    version = known.get(str(plain.get("specVersion")))
    if version is None or version < SchemaVersion.V1_2:
        raise FileError(
            path,
            key="specVersion",
            found=repr(plain.get("specVersion")),
            expected=f"one of {', '.join(sorted(known)[2:])}",
        )
    if wrong := JsonValidator(version).validate_str(text):
        where = getattr(wrong.data, "json_path", "")
        raise FileError(path, key=where, problem=f"no CycloneDX {version.to_version()}: {str(_message(wrong))[:200]}")
    return _present(Bom.from_json(plain))  # type: ignore[attr-defined]  # made by a decorator


def _of_xml(path: Path, raw: bytes) -> Bom:
    from cyclonedx.model.bom import Bom

    text = raw.decode("utf-8-sig")
    if "http://cyclonedx.org/schema/bom/" not in text:
        raise FileError(path, problem="no CycloneDX file: its namespace is another")
    # The library's own parser: it refuses entities, which could grow without bound or read other files.
    return _present(Bom.from_xml(io.StringIO(text)))  # type: ignore[attr-defined]  # made by a decorator


def _message(wrong: Any) -> object:
    return getattr(wrong.data, "message", wrong)


def _present(bom: Bom | None) -> Bom:
    if bom is None:
        raise ValueError("it is empty")
    return bom


def _with_inner(components: Iterable[Component]) -> Iterator[Component]:
    for component in components:
        yield component
        yield from _with_inner(component.components)


def _part(component: Component) -> SbomPart:
    supplier = component.supplier.name if component.supplier else component.publisher
    name = f"{component.group}/{component.name}" if component.group else component.name
    return SbomPart(name=name, version=component.version or "", supplier=supplier or "")
