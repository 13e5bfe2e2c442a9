"""An inventory as YAML for people: what is short on one line, comments where they help.

A dumper cannot be told where lines break and comments go without more lines than these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nfvcert.parts import KeyPath

__all__ = ["inventory_text"]

HEAD = "# yaml-language-server: $schema=schema/lab.schema.json\n"
BARE = re.compile(
    r"(?=.*[G-Zg-z])(?!0[xo])[A-Za-z0-9]([\w./:-]*[\w./-])?( [A-Za-z0-9]([\w./-]*[\w.])?)*|\d+(\.\d+){3}(/\d+)?",
    re.ASCII,
)
"""Strings that no version of YAML takes for anything else; the others are quoted."""
WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def inventory_text(
    inventory: Mapping[str, Any], *, head: str = "", comments: Mapping[KeyPath, str] | None = None
) -> str:
    """Write plain data as YAML 1.2.

    ``head`` is put on top as a comment. A comment of ``comments`` goes behind its key's value where
    that is on one line, else above the key.
    """
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    return HEAD + "\n".join([*lines, *_lines(inventory, (), comments or {})]) + "\n"


def _lines(value: Mapping[str, Any], key: KeyPath, comments: Mapping[KeyPath, str]) -> Iterator[str]:
    indent = "  " * len(key)
    for name, child in value.items():
        # One line, whatever was in it: a comment must not become data.
        comment = " ".join(comments.get((*key, name), "").split())
        if _short(child):
            yield f"{indent}{_flow(name)}: {_flow(child)}{f'  # {comment}' if comment else ''}"
            continue
        if comment:
            yield f"{indent}# {comment}"
        yield f"{indent}{_flow(name)}:"
        if isinstance(child, Mapping):
            yield from _lines(child, (*key, name), comments)
        else:
            yield from (f"{indent}  - {_flow(each)}" for each in child)


def _short(value: Any) -> bool:
    """Whether a value is put on one line: a scalar, a list of such, a mapping of both."""
    if isinstance(value, Mapping):
        return all(not isinstance(each, Mapping) and _short(each) for each in value.values())
    return not isinstance(value, list | tuple) or not any(isinstance(each, Mapping) for each in value)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_flow(name)}: {_flow(each)}' for name, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str) and BARE.fullmatch(value) and value.lower() not in WORDS_OF_YAML:
        return value
    # JSON is YAML.
    return json.dumps(value, ensure_ascii=False)
