"""A file of somebody else's format, read leniently: what nobody takes out of it is reported.

The opposite of `nfvcert.files`, which refuses what it does not know. Importers use this, so that a
descriptor with a misspelt or a new key is still of use, and its user learns what was left behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nfvcert.document import Document, Plain, dotted, said
from nfvcert.parts import KeyPath

__all__ = ["AS_COMMENT", "NO_PLACE", "Part", "Report"]

NO_PLACE = "an inventory has no place for it"
AS_COMMENT = f"{NO_PLACE}; kept as a comment"


class Report:
    """What was not carried over: a sentence with its keys for each reason, however often it occurs.

    ``fold`` is a pattern of the parts of dotted keys in which alike things differ (indices; a name).
    """

    def __init__(self, fold: str = r"\[\d+\]") -> None:
        self._fold = re.compile(fold)
        self._keys: dict[tuple[str, str], dict[str, list[str]]] = {}
        """(folded key of the mapping, why) → folded key → exact keys"""

    def lost(self, key: KeyPath, why: str) -> None:
        """Note that the value at a key path was left behind or changed, and why."""
        folded, parent = (
            self._fold.sub(lambda match: "[*]" if match[0].startswith("[") else "*", dotted(path))
            for path in (key, key[:-1])
        )
        self._keys.setdefault((parent, why), {}).setdefault(folded, []).append(dotted(key))

    def sentences(self) -> tuple[str, ...]:
        """What a person should look at first, then what merely has no place."""
        said = [self._sentence(parent, why, keys) for (parent, why), keys in self._keys.items()]
        return tuple(sorted(said, key=lambda sentence: sentence.endswith((NO_PLACE, AS_COMMENT))))

    @staticmethod
    def _sentence(parent: str, why: str, keys: dict[str, list[str]]) -> str:
        first, *others = keys
        times = max(map(len, keys.values()))
        if times == 1:
            first = keys[first][0]
        where = ", ".join([first, *(each.removeprefix(parent) for each in others)])
        return f"{where} ({times} times): {why}" if times > 1 else f"{where}: {why}"


class Part:
    """A mapping of a descriptor; `close` reports whatever was not taken."""

    def __init__(self, report: Report, document: Document, key: KeyPath = ()) -> None:
        self.key = key
        self._report = report
        self._document = document
        value = document.spots[key].value if key in document.spots else None
        if value is not None and not isinstance(value, dict):
            report.lost(key, f"found {_kind(value)}, expected a mapping")
        self.given = isinstance(value, dict)
        """Whether there is a mapping at all."""
        self._left = dict.fromkeys(value) if isinstance(value, dict) else {}

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def lost(self, name: str, why: str) -> None:
        """Report the value of a key."""
        self._report.lost((*self.key, name), why)

    def peek(self, name: str) -> Plain:
        """A value that stays to be taken."""
        return self._document.spots[(*self.key, name)].value if name in self._left else None

    def every(self, name: str) -> Iterator[tuple[KeyPath, Plain]]:
        """Key path and value of each key of a name, however deep below; they stay to be taken."""
        for key, spot in self._document.spots.items():
            if key[-1:] == (name,) and key[: len(self.key)] == self.key:
                yield key, spot.value

    def take(self, name: str) -> Plain:
        """A value as it is; None where there is none."""
        value = self.peek(name)
        self._left.pop(name, None)
        return value

    def text(self, name: str) -> str | None:
        """A scalar as one line of text, numbers as they were written; None, reported, for what is no text."""
        value = self.take(name)
        if isinstance(value, str):
            text = " ".join(value.split())
            if not text.startswith("ENC[") and "{{" not in text and "{%" not in text:
                return text or None
            secret = "encrypted (eyaml), which is not read" if text.startswith("ENC[") else "a template expression"
            self.lost(name, secret)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            return self._document.spots[(*self.key, name)].source
        elif isinstance(value, dict) and value and not any(value.values()):
            # Templates write a choice as `{ipmi|amt}`, which is YAML for a key with nothing behind it.
            self.lost(name, "a placeholder of the template that nobody filled in")
        elif value is not None:
            self.lost(name, f"found {_kind(value)}, expected a word or a number")
        return None

    def comment(self, *names: str) -> list[str]:
        """Texts for a comment; reported as no more than that."""
        texts = [(name, self.text(name)) for name in names]
        for name, text in texts:
            if text:
                self.lost(name, AS_COMMENT)
        return [text for _, text in texts if text]

    def part(self, name: str) -> Part:
        """The mapping of a key; an empty one where there is none."""
        self._left.pop(name, None)
        return Part(self._report, self._document, (*self.key, name))

    def parts(self, name: str) -> list[Part]:
        """The mappings in the list of a key."""
        value = self.take(name)
        if isinstance(value, list):
            parts = [Part(self._report, self._document, (*self.key, name, index)) for index in range(len(value))]
            return [part for part in parts if part.given]
        if value is not None:
            self.lost(name, f"found {_kind(value)}, expected a list")
        return []

    def named_parts(self) -> dict[str, Part]:
        """The mappings of all keys."""
        return {name: self.part(name) for name in tuple(self._left)}

    def close(self, why: str = NO_PLACE) -> None:
        """Report whatever was not taken and is not empty."""
        for name in tuple(self._left):
            if self.take(name) not in (None, "", {}, []):
                self.lost(name, why)


def _kind(value: Plain) -> str:
    """What a value is; a string is not repeated, as it may be a secret in the wrong place."""
    return "a string" if isinstance(value, str) else said(value)
