"""Reading the component catalogue, and holding against it whatever names components.

    read_catalogue    testmodels/components.yaml
    check_unit        the changes and known issues of a release unit
    check_lab         what the hosts of an inventory run
    check_tests       what tests cover

A name in no catalogue would be a component that nothing depends on and no test covers: it is refused, with the
nearest that there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic_core import ErrorDetails

from nfvcert.catalogue import Catalogue
from nfvcert.document import read_document
from nfvcert.errors import FileError, UsageError
from nfvcert.files import load
from nfvcert.lab import Lab
from nfvcert.mistakes import did_you_mean, file_error
from nfvcert.parts import Contradiction, KeyPath
from nfvcert.release import ReleaseUnit
from nfvcert.testcase import CollectedTest

__all__ = ["FILE", "check_lab", "check_tests", "check_unit", "has_catalogue", "read_catalogue", "unknown"]

FILE = "components.yaml"
"""The catalogue's name in a folder of test models."""
NAMED_AT_MOST = 4
"""Mistakes that one error tells."""


def has_catalogue(folder: Path) -> bool:
    """Whether a folder of test models has a component catalogue."""
    return (folder / FILE).exists()


def read_catalogue(folder: Path) -> Catalogue:
    """The component catalogue of a folder of test models. Raises FileError."""
    path = folder / FILE
    if not has_catalogue(folder):
        raise FileError(
            path,
            problem="there is no component catalogue",
            hint="it names every component and what depends on what, so that one can tell what a release can break",
        )
    return load(Catalogue, path)


def unknown(catalogue: Catalogue, name: str) -> str:
    """Empty for a component of the catalogue; else what is wrong with the name, with the nearest there is."""
    if name in catalogue:
        return ""
    near = did_you_mean(name, catalogue.components)
    return f"no component of the catalogue is named {name!r}{f'; {near}' if near else ''}"


def check_unit(path: Path, unit: ReleaseUnit, catalogue: Catalogue) -> None:
    """Refuse a release unit, read from ``path``, that names a component in no catalogue.

    Raises: FileError that tells the first such component of the file, with near-misses, and the next few.
    """
    _refuse(path, ReleaseUnit, _components_of_unit(unit), catalogue)


def check_lab(path: Path, lab: Lab, catalogue: Catalogue) -> None:
    """Refuse an inventory, read from ``path``, that names a component in no catalogue. Raises as `check_unit`."""
    _refuse(path, Lab, _components_of_lab(lab), catalogue)


def check_tests(tests: Iterable[CollectedTest], catalogue: Catalogue) -> None:
    """Refuse tests that cover what is in no catalogue: no release would ever want them for it.

    Raises: UsageError that names the first such tests.
    """
    cases = {(test.case or test.test, name) for test in tests for name in test.covers if name not in catalogue}
    wrong = [f"{case}: covers({name!r}): {unknown(catalogue, name)}" for case, name in sorted(cases)]
    if wrong:
        more = [f"and {len(wrong) - NAMED_AT_MOST} more"] if len(wrong) > NAMED_AT_MOST else []
        raise UsageError(wrong[0], hint="\n  ".join([*(f"also {each}" for each in wrong[1:NAMED_AT_MOST]), *more]))


def _components_of_unit(unit: ReleaseUnit) -> Iterator[tuple[KeyPath, str]]:
    for index, change in enumerate(unit.changes):
        yield ("changes", index, "component"), change.component
    for index, issue in enumerate(unit.known_issues):
        if issue.component is not None:
            yield ("known_issues", index, "component"), issue.component


def _components_of_lab(lab: Lab) -> Iterator[tuple[KeyPath, str]]:
    for host, described in lab.hosts.items():
        for index, name in enumerate(described.components):
            yield ("hosts", host, "components", index), name


def _refuse(
    path: Path, model: type[ReleaseUnit | Lab], named: Iterable[tuple[KeyPath, str]], catalogue: Catalogue
) -> None:
    wrong = [
        Contradiction(key, f"no component of the catalogue is named {name!r}", found=name, choices=catalogue.components)
        for key, name in named
        if name not in catalogue
    ]
    if wrong:
        first = wrong[0].followed_by(tuple(wrong[1:]))
        error = ErrorDetails(type="value_error", loc=(), msg=str(first), input=None, ctx={"error": first})
        raise file_error(read_document(path), model, (), [error])
