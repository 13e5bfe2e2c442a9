"""What is wrong with a file, in plain words: pydantic's errors → one FileError.

The first mistake of the file gives the error its line, key, found and expected; the next few are
listed below it. What was expected comes from the model's JSON Schema, so that every model of nfvcert
gets these words without writing any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import ErrorDetails

from nfvcert.document import Document, dotted
from nfvcert.errors import FileError
from nfvcert.parts import Contradiction, KeyPath

__all__ = ["did_you_mean", "file_error"]

LISTED = 4
"""Mistakes named in one error; more would hide the first."""
NOT_EMPTY = "a string, not empty"
SAID_BY_SCHEMA = frozenset(
    {
        *("string_type", "int_type", "float_type", "bool_type", "dict_type", "list_type", "tuple_type", "set_type"),
        *("model_type", "model_attributes_type", "dataclass_type", "none_required", "literal_error", "enum"),
        *("int_from_float", "greater_than", "greater_than_equal", "less_than", "less_than_equal"),
        *("too_short", "too_long", "string_too_short", "string_too_long"),
    }
)
"""pydantic's error types of which the model's JSON Schema says what was expected instead."""
SECRET_KEYS = frozenset({"password", "secret", "token"})
"""Keys whose values are never repeated in a message: somebody may have written the secret itself."""


@dataclass(frozen=True)
class _Mistake:
    key: KeyPath
    problem: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""
    missing: bool = False


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`did you mean X?` for the nearest choice, all of them where some are as near; nothing where none is."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    word, known = word.lower(), list(choices)
    found = process.extract(word, known, scorer=OSA.normalized_similarity, limit=3, score_cutoff=0.6)
    nearest = [choice for choice, score, _ in found if score == found[0][1]]
    if not nearest and len(word) > 2:
        nearest = [choice for choice in known if choice.startswith(word)][:3]
    return f"did you mean {' or '.join(nearest)}?" if nearest else ""


def file_error(document: Document, model: Any, at: KeyPath, errors: Sequence[ErrorDetails]) -> FileError:
    """One error that tells the mistakes of a document's part at key path ``at``, checked as ``model``."""
    mistakes = _without_echoes(_Words(document, model, at).of(errors))
    first, *others = sorted(mistakes, key=lambda mistake: document.line(mistake.key))
    also = [
        f"also {_one(document, each)}".replace(f"{document.path}:", "line ").replace("\n  ", "; ")
        for each in others[: LISTED - 1]
    ]
    if len(others) >= LISTED:
        also.append(f"and {len(others) - LISTED + 1} more")
    return _one(document, replace(first, hint="\n  ".join([*filter(None, [first.hint]), *also])))


def _one(document: Document, mistake: _Mistake) -> FileError:
    return FileError(
        document.path,
        line=document.line(mistake.key),
        key=dotted(mistake.key),
        found=mistake.found,
        expected=mistake.expected,
        problem=mistake.problem,
        hint=mistake.hint,
    )


def _without_echoes(mistakes: Iterable[_Mistake]) -> Iterator[_Mistake]:
    """Joins what is said twice of one key (a union tries each of its types), drops what follows from another.

    A misspelt key is unknown, and the right one is missing: that is one mistake. So is a list whose only
    entry is wrong, and which is therefore empty; or a value that fits one type of a union but for one part.
    """
    by_key: dict[KeyPath, _Mistake] = {}
    for mistake in mistakes:
        known = by_key.get(mistake.key)
        if known and mistake.expected and known.expected and mistake.expected not in known.expected:
            by_key[mistake.key] = replace(known, expected=f"{known.expected} or {mistake.expected}")
        else:
            by_key.setdefault(mistake.key, mistake)
    meant = {(*each.key[:-1], each.hint) for each in by_key.values()}
    inner = {key[:length] for key in by_key for length in range(len(key))}
    for key, mistake in by_key.items():
        misspelt = mistake.missing and (*key[:-1], f"did you mean {key[-1]}?") in meant
        if not misspelt and (mistake.problem or key not in inner):
            yield mistake


class _Words:
    """Words for each of pydantic's errors about one document."""

    def __init__(self, document: Document, model: Any, at: KeyPath) -> None:
        self._document = document
        self._at = at
        self._schema = _schema_of(model)

    def of(self, errors: Sequence[ErrorDetails]) -> Iterator[_Mistake]:
        for error in errors:
            cause = error.get("ctx", {}).get("error")
            if isinstance(cause, Contradiction):
                yield from self._contradictions(self._key(error), cause)
            else:
                yield self._mistake(error, cause)

    @staticmethod
    def _contradictions(key: KeyPath, first: Contradiction) -> Iterator[_Mistake]:
        for each in (first, *first.further):
            hint = did_you_mean(each.found, each.choices) if each.found else ""
            yield _Mistake((*key, *each.key), problem=str(each), hint=hint)

    def _mistake(self, error: ErrorDetails, cause: object) -> _Mistake:
        key = self._key(error)
        expected = self._expected(key)
        if error["type"] == "missing":
            return _Mistake(key, problem="missing", expected=expected, missing=True)
        if error["type"] == "extra_forbidden":
            known = sorted(self._known_keys(key[:-1]))
            hint = did_you_mean(str(key[-1]), known) or (f"keys here: {', '.join(known)}" if known else "")
            return _Mistake(key, problem="unknown key", hint=hint)
        as_key = error["loc"][-1:] == ("[key]",)
        found = f"{key[-1]!r} as a key" if as_key else self._found(key)
        if error["type"] == "value_error":
            return _Mistake(key, problem=str(cause), found=found)
        if as_key:
            return _Mistake(key, found=found, expected=_expected_of_message(error))
        value = error["input"]
        hint = ""
        if error["type"] not in SAID_BY_SCHEMA or not expected:
            expected = _expected_of_message(error)
        elif isinstance(value, int | float) and not isinstance(value, bool) and expected in ("a string", NOT_EMPTY):
            expected = f"{expected}: quote it"
        elif isinstance(value, str) and "one of " in expected:
            hint = did_you_mean(value, self._literals(key))
        elif isinstance(value, str) and expected.startswith(("a number", "a whole number", "true")):
            hint = "write it without quotes" if _looks_plain(value) else ""
        return _Mistake(key, found=found, expected=expected, hint=hint)

    def _key(self, error: ErrorDetails) -> KeyPath:
        """Where the error is, without the names of union members that pydantic puts between the keys."""
        key: KeyPath = self._at
        for index, segment in enumerate(error["loc"]):
            if (*key, segment) in self._document.spots or (
                error["type"] == "missing" and index == len(error["loc"]) - 1
            ):
                key = (*key, segment)
        return key

    def _found(self, key: KeyPath) -> str:
        words = self._document.said(key)
        if key and key[-1] in SECRET_KEYS:
            return words.rpartition("(")[2].removesuffix(")")
        return words

    def _known_keys(self, key: KeyPath) -> set[str]:
        return {name for schema in self._schemas(key) for name in schema.get("properties", ())}

    def _literals(self, key: KeyPath) -> list[str]:
        return [str(choice) for schema in self._schemas(key) for choice in _choices(schema)]

    def _expected(self, key: KeyPath) -> str:
        words = dict.fromkeys(filter(None, (_in_words(schema) for schema in self._schemas(key))))
        return " or ".join(words)

    def _schemas(self, key: KeyPath) -> list[Mapping[str, Any]]:
        """The schemas that a value at a key path may meet, unions spread out."""
        schemas = self._spread(self._schema)
        for segment in key[len(self._at) :]:
            inner = []
            for schema in schemas:
                if isinstance(segment, int):
                    items = schema.get("prefixItems", ())
                    inner.append(items[segment] if segment < len(items) else schema.get("items"))
                else:
                    # pydantic describes dict[Name, X] by one pattern for all keys.
                    others = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
                    inner += [schema.get("properties", {}).get(segment), *others]
            schemas = [each for schema in inner if isinstance(schema, Mapping) for each in self._spread(schema)]
        return schemas

    def _spread(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if "$ref" in schema:
            return self._spread(self._schema["$defs"][schema["$ref"].rpartition("/")[2]])
        for union in ("anyOf", "oneOf", "allOf"):
            if union in schema:
                return [each for option in schema[union] for each in self._spread(option)]
        return [schema]


@cache
def _schema_of(model: Any) -> Mapping[str, Any]:
    try:
        return TypeAdapter(model).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}


def _choices(schema: Mapping[str, Any]) -> Sequence[Any]:
    return [schema["const"]] if "const" in schema else schema.get("enum", [])


def _in_words(schema: Mapping[str, Any]) -> str:
    """What a JSON Schema asks for, as a person would say it; nothing for null, which is said by leaving out."""
    if choices := _choices(schema):
        return f"one of {', '.join(map(str, choices))}" if len(choices) > 1 else f"{choices[0]}"
    match schema.get("type"):
        case "string":
            if examples := schema.get("examples"):
                return f"a string like {examples[0]}"
            if schema.get("maxLength"):
                return f"a string of {schema['maxLength']} characters at most"
            return NOT_EMPTY if schema.get("minLength") else "a string"
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "boolean":
            return "true or false"
        case "array":
            return f"a list{_count(schema.get('minItems'), schema.get('maxItems'))}"
        case "object":
            return f"a mapping{_count(schema.get('minProperties'), schema.get('maxProperties'))}"
        case _:
            return ""


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    words = [
        f"{_figure(bound)} or more" if high is None else f"from {_figure(bound)}"
        for bound in [low]
        if bound is not None
    ]
    words += [f"above {_figure(above)}"] if above is not None else []
    words += [f"below {_figure(below)}"] if below is not None else []
    words += [f"to {_figure(high)}" if low is not None else f"up to {_figure(high)}"] if high is not None else []
    return f" {' '.join(words)}" if words else ""


def _figure(bound: float) -> str:
    return f"{bound:,.15g}" if abs(bound) >= 1e6 else f"{bound:g}"


def _count(low: int | None, high: int | None) -> str:
    if low and low == high:
        return f" of {low}"
    words = [f"{low} at least"] if low else []
    words += [f"{high} at most"] if high is not None else []
    return f" of {', '.join(words)}" if words else ""


def _expected_of_message(error: ErrorDetails) -> str:
    """The last resort: pydantic's own sentence, without its way of beginning."""
    if error["type"] == "string_pattern_mismatch":
        return f"a string that matches {error['ctx']['pattern']}"
    return error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def _looks_plain(text: str) -> bool:
    return text.lower() in ("true", "false") or text.replace(".", "", 1).lstrip("-").isdigit()
