"""The releases that an embedded cloud can be of: named in inventories, kept apart from each other, never mistaken."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from nfvcert.embedded.cloud import debian
from nfvcert.embedded.cloud.releases import RELEASES
from nfvcert.errors import FileError, LabError
from nfvcert.files import read_lab
from nfvcert.lab import NEWEST_RELEASE, CloudRelease
from tests.certify import ROOT


def test_inventories_can_name_the_releases_that_there_are() -> None:
    assert set(get_args(CloudRelease)) == set(RELEASES)
    assert NEWEST_RELEASE in RELEASES


def test_a_wrong_release_is_refused_with_the_right_one(tmp_path: Path) -> None:
    text = (ROOT / "lab_inventory/vendor-b.yaml").read_text()
    path = tmp_path / "vendor-b.yaml"
    path.write_text(text.replace("release: zed", "release: zedd"))
    line = text.splitlines().index("  release: zed") + 1
    with pytest.raises(FileError, match="did you mean zed") as caught:
        read_lab(path)
    assert f"vendor-b.yaml:{line}: cloud.release" in str(caught.value)


def test_packages_of_another_release_of_the_distribution_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is fetched; and what was begun does not count as made."""
    monkeypatch.setenv("NFVCERT_CACHE_DIR", str(tmp_path))
    for _ in range(2):
        with pytest.raises(LabError, match=r"offers python3-nova 2\S+, and release zed has 99: it is that of another"):
            debian.make("zed", {"python3-nova": "99."})
    assert not list(tmp_path.rglob("complete"))
    assert not list(tmp_path.rglob("*.deb"))
