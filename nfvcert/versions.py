"""Which of two versions is newer, answered honestly: older, same, newer, or that they cannot be ordered, and why.

Vendors number their releases as they like. Where a standard says what a string means (PEP 440 by `packaging`, the
package managers' rules by `univers`), it is asked. Any other pair is ordered only as far as both are written alike:
21.4R3-S2 → 21.4R3-S4, 7.0(3)I7(9) → 9.3(1). What may be read in two ways is not ordered: a guess could certify a
step back as a step forward.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from packaging.version import Version

from nfvcert.parts import Part

__all__ = ["CHARACTERS", "Comparison", "Order", "Scheme", "compare", "leading_number_changes", "same_version"]

Order: TypeAlias = Literal["older", "same", "newer"]
Scheme: TypeAlias = Literal["deb", "rpm", "apk", "semver", "pypi", "maven", "nuget", "openssl", "lexicographic"]
"""How versions are ordered, as univers calls it. Only those of its schemes that order numbers as numbers (its intdot
takes 8.20 for less than 8.3), and `lexicographic` for versions that are decimal fractions.
"""
OPPOSITE: dict[Order, Order] = {"older": "newer", "same": "same", "newer": "older"}

CHARACTERS = 100
"""More than any version has; Python refuses to read numbers of thousands of digits."""

_NUMBERS = r"\d+(?:\.\d+)*"
_PEP_440 = re.compile(rf"{_NUMBERS}(?:[-._]?(?:alpha|beta|rc|dev|post)[-._]?\d+)?", re.ASCII | re.IGNORECASE)
"""Only what cannot mean anything else: in PEP 440 itself, 1.0a comes before 1.0, and 12.1R3 is 12.1.post3."""
_TOKENS = re.compile(r"\d+|\D+", re.ASCII)
_DEB = re.compile(r"\d+:.*|.*-\d[^-]*(?:ubuntu|deb|bpo)\d[^-]*", re.ASCII)
_RPM = re.compile(r".*-\d[^-]*\.(?:el|fc|amzn|suse)\d[^-]*", re.ASCII)
_EPOCH = re.compile(r"(\d+):(.+)", re.ASCII | re.DOTALL)
_REVISION = re.compile(r"(.+)-(\d[0-9A-Za-z.+~]*)", re.ASCII | re.DOTALL)
_UNFINISHED = re.compile(r"0\.\d|.*(?:alpha|beta|rc|pre|dev|git|svn|snap|test)", re.ASCII | re.IGNORECASE | re.DOTALL)
"""Revisions of something that is not yet the version they are attached to; RPM numbers those from 0.1."""


class Comparison(Part):
    """What a second version is to a first one."""

    order: Order | None
    """None: they cannot be ordered."""
    why: str
    """By which rule, or why not; for people."""


class _Rule(NamedTuple):
    """How univers orders the versions of a scheme, and what such a version looks like.

    The looks are needed since several of its classes take any string, and order it somehow.
    """

    name: str
    looks: re.Pattern[str]


_PACKAGED = r"(?:\d+:)?[0-9][0-9A-Za-z.+~^_]*(?:-[0-9A-Za-z.+~^_]+)*"
_RULES: dict[Scheme, _Rule] = {
    "deb": _Rule("DebianVersion", re.compile(_PACKAGED, re.ASCII)),
    "rpm": _Rule("RpmVersion", re.compile(_PACKAGED, re.ASCII)),
    "apk": _Rule("AlpineLinuxVersion", re.compile(r"[0-9][0-9a-z._-]*", re.ASCII)),
    "semver": _Rule(
        "SemverVersion", re.compile(r"v?\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)
    ),
    "pypi": _Rule("PypiVersion", re.compile(r"\S+")),
    "maven": _Rule("MavenVersion", re.compile(r"[0-9][0-9A-Za-z._-]*", re.ASCII)),
    "nuget": _Rule("NugetVersion", re.compile(r"\d+(?:\.\d+){0,3}(?:-[0-9A-Za-z.-]+)?", re.ASCII)),
    "openssl": _Rule("OpensslVersion", re.compile(r"\d+\.\d+\.\d+[a-z]*", re.ASCII)),
    "lexicographic": _Rule("LexicographicVersion", re.compile(r"\S+")),
}


def compare(first: str, second: str, scheme: Scheme | None = None) -> Comparison:
    """What ``second`` is to ``first``: newer, same or older; or neither, with the reason.

    Without a scheme, only what the two strings clearly are.
    """
    if max(len(first), len(second)) > CHARACTERS:
        return _unordered(first[:40], second[:40], f"a version has {CHARACTERS} characters at most")
    if scheme is not None:
        return _by_univers(first, second, scheme)
    if first == second:
        return Comparison(order="same", why="they are written the same")
    if bool(_EPOCH.fullmatch(first)) != bool(_EPOCH.fullmatch(second)):
        return _unordered(first, second, "one of them has an epoch (N:) and the other has none")
    clearly: tuple[tuple[Scheme, re.Pattern[str]], ...] = (("rpm", _RPM), ("deb", _DEB))
    for packaged, looks in clearly:
        if looks.fullmatch(first) or looks.fullmatch(second):
            return _by_univers(first, second, packaged)
    one, other = _without_v(first), _without_v(second)
    if problem := _read_in_two_ways(one, other):
        return _unordered(first, second, problem)
    if _PEP_440.fullmatch(one) and _PEP_440.fullmatch(other):
        return Comparison(order=_order(Version(one), Version(other)), why="by their numbers")
    return _alike(first, second)


def leading_number_changes(first: str, second: str) -> bool:
    """Whether the number that counts major releases is another; of 0.x versions, that is the second number.

    An epoch counts too: a vendor that begins to number anew has made a step that no number tells.
    """
    return _leading(first) != _leading(second)


def same_version(declared: str, found: str, *, packaged: bool = True) -> bool:
    """Whether a version found in a lab is the declared one: the same string, or the same but for packaging.

    A package manager adds an epoch and a revision (3:31.0.0-2~bpo12+1 packages 31.0.0); they are passed over where
    ``declared`` has none. Nothing else is: 8.3 is not 8.30, and 10.2.3-h4 is a hotfix of 10.2.3, not the same.
    What no package manager told (not ``packaged``) has no such parts: an appliance's 4.1.7-2 is not 4.1.7.
    """
    if not declared.strip() or not found.strip():
        return False
    if declared == found or not packaged:
        return declared == found
    if not _EPOCH.fullmatch(declared) and (epoch := _EPOCH.fullmatch(found)):
        found = epoch[2]
    if not _REVISION.fullmatch(declared) and (revised := _REVISION.fullmatch(found)):
        if _UNFINISHED.match(revised[2]):
            return False
        found = revised[1]
    return declared == found


def _by_univers(first: str, second: str, scheme: Scheme) -> Comparison:
    from univers import versions  # not needed by most units, and slow to load

    rule = _RULES[scheme]
    for each in (first, second):
        if not rule.looks.fullmatch(each):
            return _unordered(first, second, f"{each} is no version of scheme {scheme}")
    kind: Callable[[str], Any] = getattr(versions, rule.name)
    try:
        one, other = kind(first), kind(second)
        order, back = _order(one, other), _order(other, one)
    except (ValueError, TypeError, LookupError, AttributeError):  # what its parsers raise
        return _unordered(first, second, f"one of them is no version of scheme {scheme}")
    if order is None or back != OPPOSITE[order]:
        return _unordered(first, second, f"scheme {scheme} says nothing of them")
    return Comparison(order=order, why=f"by the rules of {scheme}")


def _order(first: Any, second: Any) -> Order | None:
    answers: dict[Order, bool] = {"newer": first < second, "same": first == second, "older": first > second}
    holding = [order for order, holds in answers.items() if holds]
    return holding[0] if len(holding) == 1 else None


def _alike(first: str, second: str) -> Comparison:
    """Of two strings of one vendor's own kind: the first part that differs decides, if it is a number in both."""
    here, there = _without_v(first), _without_v(second)
    if here == there:
        return Comparison(order="same", why="they are written the same")
    for one, other in zip(_TOKENS.findall(here), _TOKENS.findall(there), strict=False):
        if one == other:
            continue
        if _is_number(one) and _is_number(other):
            return Comparison(order="newer" if int(one) < int(other) else "older", why="by the first number to differ")
        return _unordered(first, second, f"they are written differently at {one!r} and {other!r}")
    return _unordered(first, second, "one goes on where the other ends, and nothing says what that means")


def _read_in_two_ways(first: str, second: str) -> str:
    """3.08 → 3.1 is a step back of whole numbers, and a step forward of decimal ones."""
    for one, other in zip(_TOKENS.findall(first), _TOKENS.findall(second), strict=False):
        if one != other:
            padded = any(len(each) > 1 and each.startswith("0") for each in (one, other))
            if padded and _is_number(one) and _is_number(other) and len(one) != len(other):
                return f"{one} and {other} are written with and without a leading zero"
            return ""
    return ""


def _unordered(first: str, second: str, why: str) -> Comparison:
    return Comparison(order=None, why=f"{first} and {second} cannot be ordered: {why}")


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit()


def _without_v(version: str) -> str:
    return version[1:] if re.match(r"[vV]\d", version, re.ASCII) else version


def _leading(version: str) -> tuple[int, ...]:
    epoch = _EPOCH.fullmatch(version)
    numbers = [int(each) for each in re.findall(r"\d+", epoch[2] if epoch else version, re.ASCII)]
    return (int(epoch[1]) if epoch else 0, *numbers[: 2 if numbers[:1] == [0] else 1])
