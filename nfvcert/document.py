"""A YAML file written by a person, as plain data that knows its lines.

YAML can say far more than an inventory or a test model may: tags that make objects, aliases that
contain themselves or grow without end, keys that are numbers, dates, infinities. Here a parser is
read event by event (YAML 1.2, core schema), so that all of that is refused with its line, and nothing
but dict, list, str, int, float, bool and None comes out. What looks like a date is a string, as
YAML 1.2 has it.

Two parsers give the same events: libyaml, by PyYAML, is thirty times faster; ruamel.yaml knows YAML 1.2
and says better what is wrong. It has the word on what libyaml refuses, and on tabs and rare line ends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from nfvcert.errors import FileError
from nfvcert.parts import KeyPath

__all__ = ["Document", "Plain", "Spot", "dotted", "parse_document", "read_document", "said"]

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
MAX_VALUES = 50_000
"""Bounds that no honest file comes near; they keep a hostile one from eating the machine."""

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_READ_OTHERWISE_BY_LIBYAML = re.compile("[\t\r\x85\u2028\u2029]")
_TURNS_TEXT_AROUND = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Spot:
    """Where a value stands, and how it was written."""

    line: int
    """Counted from 1; of the key, where the value has one."""
    source: str
    """A scalar as it was written; empty for a list or a mapping."""
    value: Plain


@dataclass(frozen=True)
class Document:
    """One parsed file: its data, and where each value stands."""

    path: Path
    data: Plain
    spots: Mapping[KeyPath, Spot] = field(repr=False)

    def line(self, key: KeyPath) -> int:
        """Line of a key path, counted from 1; of the innermost part that exists where the path does not."""
        while key and key not in self.spots:
            key = key[:-1]
        return self.spots[key].line if key in self.spots else 0

    def at(self, key: KeyPath) -> Plain:
        """The value at a key path. Raises LookupError where there is none."""
        return self.spots[key].value

    def said(self, key: KeyPath) -> str:
        """The value at a key path in words, numbers as they were written: `8.20 (a number)`."""
        value = self.at(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{self.spots[key].source} (a number)"
        return said(value)


def dotted(key: KeyPath) -> str:
    """A key path as people write it: `hosts.compute-1.roles[0]`."""
    text = ""
    for segment in key:
        if isinstance(segment, int):
            text += f"[{segment}]"
        else:
            plain = re.fullmatch(r"[\w-]+", segment) and len(segment) <= 60
            text += f".{segment if plain else _shortened(segment)}"
    return text.removeprefix(".")


def said(value: Plain) -> str:
    """A value in words, never long: `'abc' (a string)`, `a list of 3`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"{str(value).lower()} (a truth value)"
        case int() | float():
            return f"{value} (a number)"
        case str():
            return f"{_shortened(value)} (a string)"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case _:
            return "a mapping" if value else "an empty mapping"


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def read_document(path: Path) -> Document:
    """Read and parse a YAML file.

    Raises: FileError, with line and key, for a file that cannot be read, is no YAML 1.2, or holds more
    than plain data.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise FileError(path, problem=f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_document(path, raw)


def parse_document(path: Path, raw: bytes) -> Document:
    """Parse YAML that is in memory; ``path`` is what its errors name. Raises: FileError as `read_document`."""
    return _Builder(path, _nodes(path, _text_of(path, raw))).document()


def _nodes(path: Path, text: str) -> _Node:
    import yaml

    if not _READ_OTHERWISE_BY_LIBYAML.search(text):
        with suppress(yaml.YAMLError, ValueError, OverflowError):
            return _Composer(path).compose(yaml.parse(text, Loader=yaml.CSafeLoader))
    return _Composer(path).compose(_events(path, text))


def _text_of(path: Path, raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise FileError(path, problem=f"more than {MAX_BYTES} bytes; no file of this kind is that long")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FileError(path, line=line, problem=f"byte 0x{raw[error.start]:02x} is no UTF-8 text") from None
    if bad := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise FileError(path, line=line, problem=f"the control character U+{ord(bad[0]):04X} has no place in YAML")
    return text


@dataclass
class _Scalar:
    line: int
    text: str
    plain: bool
    """Written without quotes, so that its looks decide its type."""


@dataclass
class _List:
    line: int
    children: list[_Node] = field(default_factory=list)


@dataclass
class _Mapping:
    line: int
    children: list[_Node] = field(default_factory=list)
    """Key, value, key, value…"""


_Node: TypeAlias = _Scalar | _List | _Mapping


class _Composer:
    """Events → nodes, aliases resolved; without recursion, as a file may be nested ten thousand deep."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._root: _Node | None = None
        self._anchors: dict[str, _Node] = {}
        self._open: list[_List | _Mapping] = []
        self._documents = 0

    def compose(self, events: Iterable[Any]) -> _Node:
        for event in events:
            match type(event).__name__:  # of either parser
                case "DocumentStartEvent":
                    self._documents += 1
                    if self._documents > 1:
                        raise self._error(event, "a second document begins; a file holds one")
                case "AliasEvent":
                    self._add(self._anchored(event))
                case "ScalarEvent":
                    self._begin(event, _Scalar(_line(event), event.value, plain=not event.style))
                case "SequenceStartEvent":
                    self._begin(event, _List(_line(event)))
                case "MappingStartEvent":
                    self._begin(event, _Mapping(_line(event)))
                case "SequenceEndEvent" | "MappingEndEvent":
                    self._open.pop()
        return self._root or _Scalar(0, "", plain=True)

    def _error(self, event: Any, problem: str) -> FileError:
        return FileError(self._path, line=_line(event), problem=problem)

    def _begin(self, event: Any, node: _Node) -> None:
        if event.tag is not None:
            raise self._error(
                event, f"the tag {event.tag.replace('tag:yaml.org,2002:', '!!')} is not read; only plain values are"
            )
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._add(node)
        if isinstance(node, _List | _Mapping):
            self._open.append(node)
            if len(self._open) > MAX_DEPTH:
                raise self._error(event, f"nested more than {MAX_DEPTH} deep")

    def _add(self, node: _Node) -> None:
        if not self._open:
            self._root = node
        else:
            self._open[-1].children.append(node)

    def _anchored(self, event: Any) -> _Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise self._error(event, f"alias *{event.anchor} has no anchor &{event.anchor} before it")
        if any(node is each for each in self._open):
            raise self._error(event, f"alias *{event.anchor} contains itself")
        return node


_IN_WORDS = (
    ("mapping values are not allowed here", "a second ': ' where none may be; indentation or quotes are missing"),
    (r"found character '\\t'", "a tab, where YAML wants spaces"),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("could not find expected ':'", "a key without its colon"),
    ("while scanning a quoted scalar.*unexpected end of stream", "a quote is opened and never closed"),
    (r"expected ',' or '\]'", "a list [ … ] lacks a comma or is not closed"),
    (r"expected ',' or '}'", "a mapping { … } lacks a comma or is not closed"),
    ("unknown escape character", "an unknown escape in double quotes; \\\\ is a backslash"),
    ("found character '%'|found character '@'|found character '`'", "a value that begins like this needs quotes"),
)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _events(path: Path, text: str) -> Iterator[Any]:
    """The events of ruamel.yaml; its errors, in words of ours."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raw = f"{error.context or ''} {error.problem or ''}".strip()
        words = next((words for pattern, words in _IN_WORDS if re.search(pattern, raw)), "")
        opened = error.context_mark
        if words and opened and mark and opened.line != mark.line:
            words += f" (it begins on line {opened.line + 1})"
        problem = f"{words}; the parser says: {raw}" if words else raw
        raise FileError(path, line=mark.line + 1 if mark else 0, problem=f"no valid YAML: {problem}") from None
    except (YAMLError, ValueError, OverflowError) as error:
        # The scanner takes \UFFFFFFFF for a character without asking whether there is such a one.
        escape = re.search(r"\\U(?!000|0010)", text)
        line = text.count("\n", 0, escape.start()) + 1 if escape else 0
        raise FileError(path, line=line, problem=f"no valid YAML: no such character, or: {error}") from None


class _Builder:
    """Nodes → plain data, with the spot of every key path."""

    def __init__(self, path: Path, root: _Node) -> None:
        self._path = path
        self._root = root
        self._spots: dict[KeyPath, Spot] = {}
        self._values = 0

    def document(self) -> Document:
        empty = isinstance(self._root, _Scalar) and not self._root.text
        return Document(self._path, self._value(self._root, (), 0 if empty else self._root.line), self._spots)

    def _error(self, line: int, key: KeyPath, problem: str = "", found: str = "", expected: str = "") -> FileError:
        return FileError(self._path, line=line, key=dotted(key), problem=problem, found=found, expected=expected)

    def _count(self, line: int, key: KeyPath) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._error(line, key, f"more than {MAX_VALUES} values, aliases unfolded")

    def _value(self, node: _Node, key: KeyPath, line: int) -> Plain:
        self._count(line, key)
        if len(key) > MAX_DEPTH:
            raise self._error(line, key[:3], f"nested more than {MAX_DEPTH} deep, aliases unfolded")
        value: Plain
        if isinstance(node, _Scalar):
            value = self._scalar(node, key, line)
        elif isinstance(node, _List):
            value = [self._value(child, (*key, index), child.line) for index, child in enumerate(node.children)]
        else:
            entries = self._entries(node, key)
            value = {name: self._value(child, (*key, name), at) for name, (at, child) in entries.items()}
        self._spots[key] = Spot(line, node.text if isinstance(node, _Scalar) else "", value)
        return value

    def _entries(self, node: _Mapping, key: KeyPath, merges: int = 0) -> dict[str, tuple[int, _Node]]:
        """Key → (line, value); what `<<` brings in gives way to the mapping's own keys."""
        own: dict[str, tuple[int, _Node]] = {}
        merged: dict[str, tuple[int, _Node]] = {}
        for name_node, value in zip(node.children[::2], node.children[1::2], strict=True):
            self._count(name_node.line, key)
            name = self._name(name_node, key)
            if name in own:
                problem = f"this key is given twice, first on line {own[name][0]}"
                raise self._error(name_node.line, (*key, name), problem)
            own[name] = (name_node.line, value)
        line, source = own.pop("<<", (0, None)) if self._has_merge(node) else (0, None)
        for each in source.children if isinstance(source, _List) else [source] if source else []:
            if not isinstance(each, _Mapping) or merges > MAX_DEPTH:
                raise self._error(line, (*key, "<<"), expected="an alias of a mapping, or a list of such")
            for name, entry in self._entries(each, key, merges + 1).items():
                merged.setdefault(name, entry)
        return own | {name: entry for name, entry in merged.items() if name not in own}

    @staticmethod
    def _has_merge(node: _Mapping) -> bool:
        return any(isinstance(each, _Scalar) and each.plain and each.text == "<<" for each in node.children[::2])

    def _name(self, node: _Node, key: KeyPath) -> str:
        if not isinstance(node, _Scalar):
            found = "a list" if isinstance(node, _List) else "a mapping"
            raise self._error(node.line, key, found=f"{found} as a key", expected="a string")
        name = self._scalar(node, key, node.line)
        if not isinstance(name, str):
            found = "nothing" if name is None else node.text
            raise self._error(node.line, key, found=f"{found} as a key", expected="a string: put it in quotes")
        return name

    def _scalar(self, node: _Scalar, key: KeyPath, line: int) -> str | int | float | bool | None:
        text = node.text
        if not node.plain:
            return self._checked(text, key, line)
        if _NULL.fullmatch(text):
            return None
        if text in _TRUTH:
            return _TRUTH[text]
        if _WHOLE.fullmatch(text):
            if len(text) > 20 or abs(whole := int(text, 0 if text[:2] in ("0o", "0x") else 10)) >= 1 << 63:
                raise self._error(line, key, f"the number {text[:20]}… is too large")
            return whole
        if _NOT_FINITE.fullmatch(text):
            raise self._error(line, key, found=text, expected="a finite number")
        if _REAL.fullmatch(text):
            real = float(text)
            if real in (float("inf"), float("-inf")):
                raise self._error(line, key, found=text[:30], expected="a finite number")
            return real
        return self._checked(text, key, line)

    def _checked(self, text: str, key: KeyPath, line: int) -> str:
        """Refuses what an escape can smuggle in: NUL, terminal codes, half characters, text that reads backwards."""
        for character in "" if text.isprintable() else text:
            if (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t") or (
                character in _TURNS_TEXT_AROUND
            ):
                raise self._error(line, key, f"the text holds the invisible character U+{ord(character):04X}")
        return text
