"""Which version is newer, and which is the declared one: never a guess, never one for another."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.versions import CHARACTERS, OPPOSITE, Order, Scheme, compare, leading_number_changes, same_version

NUMBERS = st.lists(st.integers(0, 400), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
VENDORS = st.from_regex(r"\A[A-Za-z]?\d{1,3}(\.\d{1,3}){0,3}([-A-Z(]\d{1,2}\)?){0,2}\Z")
ANYTHING = st.text(max_size=12) | NUMBERS | VENDORS


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ("8.20", "8.30", "newer"),
        ("8.9", "8.10", "newer"),
        ("8.3", "8.30", "newer"),
        ("4.1.7", "4.2.0", "newer"),
        ("4.1", "4.1.7", "newer"),
        ("2.1.1", "2.1.2", "newer"),
        ("12.8", "12.7", "older"),
        ("2025.2", "2026.1", "newer"),
        ("1.0", "1.0.0", "same"),
        ("v3.08", "v3.10", "newer"),
        ("v3.08", "3.08", "same"),
        ("1.0rc1", "1.0", "newer"),
        ("1.0", "1.0-beta.2", "older"),
        ("21.4R3-S2", "21.4R3-S4", "newer"),
        ("21.4R3-S2", "21.4R3-S10", "newer"),
        ("21.4R3-S2", "22.1R1", "newer"),
        ("7.0(3)I7(9)", "7.0(3)I7(10)", "newer"),
        ("7.0(3)I7(9)", "9.3(1)", "newer"),
        ("F14.26.01", "F14.27.00", "newer"),
        ("F14.26.01", "F14.25.09", "older"),
        ("10.2.3-h4", "10.2.3-h10", "newer"),
        ("10.2.3-h4", "10.2.4", "newer"),
        ("1:2.17.1-0ubuntu1", "1:2.17.1-0ubuntu2", "newer"),
        ("1:2.17.1-0ubuntu1", "2:1.0-0ubuntu1", "newer"),
        ("3.3.1", "3.3.2-1~bpo12+1", "newer"),
        ("2.17-9.el8", "2.17-10.el8", "newer"),
    ],
)
def test_versions_of_vendors(first: str, second: str, order: Order) -> None:
    assert compare(first, second).order == order
    assert compare(second, first).order == OPPOSITE[order]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("3.08", "3.1", "08 and 1 are written with and without a leading zero"),
        ("3.08", "3.8", "08 and 8 are written with and without a leading zero"),
        ("1.0", "1.0a", "one goes on where the other ends"),
        ("21.4R3", "21.4R3-S2", "one goes on where the other ends"),
        ("10.2.3", "10.2.3-h4", "one goes on where the other ends"),
        ("F14.26.01", "G14.26.01", "they are written differently at 'F' and 'G'"),
        ("2.18", "1:2.17.1-0ubuntu1", "one of them has an epoch"),
        ("blue", "green", "they are written differently"),
        ("1.²", "1.3", "they are written differently"),
        ("1" * (CHARACTERS + 1), "2", f"a version has {CHARACTERS} characters at most"),
    ],
)
def test_what_nothing_tells_is_not_ordered(first: str, second: str, why: str) -> None:
    for one, other in ((first, second), (second, first)):
        assert compare(one, other).order is None
        assert "cannot be ordered" in compare(one, other).why
    assert why in compare(first, second).why


@pytest.mark.parametrize(
    ("scheme", "first", "second", "order"),
    [
        ("semver", "1.2.3-rc.1", "1.2.3", "newer"),
        ("semver", "7.0(3)I7(9)", "7.0(3)I7(10)", None),
        ("semver", "1.2.3+a", "1.2.3+b", None),
        ("deb", "1.0~rc1", "1.0", "newer"),
        ("deb", "2.18", "1:2.17.1-0ubuntu1", "newer"),
        ("deb", "nonsense", "1.0", None),
        ("rpm", "1.0-2.el8", "1.0-10.el8", "newer"),
        ("rpm", "!!", "??", None),
        ("rpm", "nonsense", "other", None),
        ("maven", "1.0-alpha-1", "1.0", "newer"),
        ("maven", "nonsense", "other", None),
        ("openssl", "1.0.2a", "1.0.2b", "newer"),
        ("openssl", "1.0.2z", "3.0.1", "newer"),
        ("lexicographic", "8.20", "8.3", "newer"),
        ("apk", "1.2.3-r1", "1.2.3-r2", "newer"),
        ("nuget", "1.2.3", "1.2.3.1", "newer"),
        ("pypi", "1.0a1", "1.0", "newer"),
        ("pypi", "21.4R3-S2", "22.1", None),
    ],
)
def test_a_scheme_that_is_named_decides(scheme: Scheme, first: str, second: str, order: Order | None) -> None:
    """univers takes nonsense in some of its schemes; we do not."""
    assert compare(first, second, scheme).order == order


@given(ANYTHING, ANYTHING, st.sampled_from([None, *get_args(Scheme)]))
def test_the_answer_does_not_hang_on_the_direction(first: str, second: str, scheme: Scheme | None) -> None:
    there, back = compare(first, second, scheme), compare(second, first, scheme)
    assert there.why
    assert back.order == (OPPOSITE[there.order] if there.order else None)


@pytest.mark.parametrize("scheme", sorted(set(get_args(Scheme)) - {"lexicographic"}))
def test_every_scheme_takes_numbers_for_numbers(scheme: Scheme) -> None:
    for first, second in (("8.3.0", "8.20.0"), ("9.99.99", "10.0.0"), ("3.3.2", "3.3.20"), ("3.3.9", "3.3.10")):
        assert compare(first, second, scheme).order == "newer"
        assert compare(second, first, scheme).order == "older"


@given(NUMBERS, st.integers(1, 99))
def test_a_number_that_rises_is_newer(version: str, step: int) -> None:
    *rest, last = version.split(".")
    assert compare(version, ".".join([*rest, str(int(last) + step)])).order == "newer"


@pytest.mark.parametrize(
    ("first", "second", "changes"),
    [
        ("8.20", "8.30", False),
        ("8.20", "9.0", True),
        ("9.0", "8.20", True),
        ("0.9", "0.10", True),
        ("0.9.1", "0.9.2", False),
        ("1:2.17-1", "1:2.18-1", False),
        ("1:2.17-1", "2:2.17-1", True),
        ("F14.26.01", "F15.00.01", True),
        ("21.4R3-S2", "21.4R3-S4", False),
    ],
)
def test_the_leading_number(first: str, second: str, *, changes: bool) -> None:
    assert leading_number_changes(first, second) is changes


# is the release really there?


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("8.30", "8.30"),
        ("31.0.0", "3:31.0.0-2~bpo12+1"),
        ("3.3.2", "3.3.2-1~bpo12+1"),
        ("3.3.2", "3.3.2-0ubuntu0.24.04.1"),
        ("3.3.2", "3.3.2-1.el9"),
        ("9.0.0", "9.0.0-4+deb12u2"),
        ("1:2.17.1-0ubuntu1", "1:2.17.1-0ubuntu1"),
        ("2.17.1-0ubuntu1", "1:2.17.1-0ubuntu1"),
        ("3:31.0.0", "3:31.0.0-2"),
        ("10.2.3-h4", "10.2.3-h4"),
    ],
)
def test_the_declared_version_is_found(declared: str, found: str) -> None:
    assert same_version(declared, found)


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("3.3.2", "3.3.20"),
        ("3.3.2", "3.3.2.1"),
        ("3.3.20", "3.3.2"),
        ("8.3", "8.30"),
        ("8.30", "8.3"),
        ("1.0", "1.0.0"),
        ("12.8", "12"),
        ("", ""),
        ("", "8.30"),
        ("8.30", ""),
        (" ", " "),
        ("10.2.3", "10.2.3-h4"),  # a hotfix of it
        ("21.4R3", "21.4R3-S2"),  # a service release of it
        ("4.2.0", "4.2.0-rc1"),
        ("3.3.2", "3.3.2~rc1-1"),
        ("3.3.2", "3.3.2-0.1.rc1.el9"),  # RPM's way to number what comes before 3.3.2
        ("3.3.2", "3.3.2-1.beta2"),
        ("3.3.2", "3.3.2+dfsg-1"),
        ("3.3.2-1", "3.3.2-2"),
        ("3.3.2-1", "3.3.2"),
        ("3.3.2-1", "3.3.2-1-1"),
        ("1:3.3.2", "2:3.3.2"),
        ("1:3.3.2", "3.3.2"),
        ("8.30", "8.20, 8.30"),
        ("8.30", "8.30 (8.20 pending)"),
    ],
)
def test_another_version_is_not_taken_for_it(declared: str, found: str) -> None:
    assert not same_version(declared, found)


def test_only_a_package_manager_adds_a_revision() -> None:
    assert same_version("4.1.7", "4.1.7-2")
    assert not same_version("4.1.7", "4.1.7-2", packaged=False)
    assert not same_version("4.1.7", "1:4.1.7", packaged=False)
    assert same_version("4.1.7", "4.1.7", packaged=False)
    assert not same_version("", "", packaged=False)


@given(ANYTHING, st.text("0123456789.", min_size=1, max_size=3))
def test_more_digits_are_another_version(version: str, more: str) -> None:
    assert not same_version(version, version + more)
    assert not same_version(version + more, version)


@given(NUMBERS, st.integers(0, 9), st.integers(1, 99))
def test_packaging_does_not_hide_a_version(version: str, epoch: int, revision: int) -> None:
    packaged = f"{epoch}:{version}-{revision}~bpo12+1"
    assert same_version(version, packaged)
    assert same_version(packaged, packaged)
    assert not same_version(version + "0", packaged)
    assert not same_version(f"{version}.0", packaged)


@given(ANYTHING, ANYTHING)
def test_what_is_found_holds_what_was_declared(declared: str, found: str) -> None:
    if same_version(declared, found):
        assert declared.strip()
        assert declared in found
