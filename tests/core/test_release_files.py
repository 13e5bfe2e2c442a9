"""What a release unit's file points to is checked: components, artefacts, the bill of materials."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from nfvcert.campaign_files import read_release
from nfvcert.catalogue import Catalogue
from nfvcert.catalogue_files import check_unit
from nfvcert.errors import FileError
from nfvcert.release import ReleaseUnit
from nfvcert.release_files import check_artefacts, check_sbom
from nfvcert.sbom import read_sbom

CATALOGUE = Catalogue.model_validate(
    {name: {"title": name, "domain": "compute", "owner": "group"} for name in ("nic", "nic-driver", "bios")}
)
UNIT = """\
unit: nic-fw-8.30
title: Firmware of the adapters
type: GA
vendor: Example
changes:
  - component: nic
    vendor: Example
    product: X710
    from: "8.20"
    to: "8.30"
    trigger: firmware
  - {component: bios, vendor: Example, product: BIOS, from: 2.18.1, to: 2.19.1, trigger: firmware}
"""
XML = """\
<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.5" version="1">
  <metadata><component type="firmware"><name>X710</name><version>8.30</version></component></metadata>
  <components><component type="library"><name>mbedtls</name><version>2.28.9</version></component></components>
</bom>
"""


def written(folder: Path, text: str) -> tuple[ReleaseUnit, Path]:
    path = folder / "nic-fw-8.30.yaml"
    path.write_text(text)
    return read_release(str(path))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# components


def test_an_unknown_component_is_told_with_its_line_and_near_misses(tmp_path: Path) -> None:
    unit, path = written(tmp_path, UNIT.replace("component: nic", "component: nicc"))
    with pytest.raises(FileError) as caught:
        check_unit(path, unit, CATALOGUE)
    assert (caught.value.line, caught.value.key) == (6, "changes[0].component")
    assert "no component of the catalogue is named 'nicc'\n  did you mean nic?" in str(caught.value)


def test_every_unknown_component_is_told(tmp_path: Path) -> None:
    issue = "known_issues: [{id: a, title: t, component: boos}]\n"
    unit, path = written(tmp_path, UNIT.replace("component: nic", "component: nicc") + issue)
    with pytest.raises(FileError) as caught:
        check_unit(path, unit, CATALOGUE)
    assert "also line 13: known_issues[0].component: no component of the catalogue is named 'boos'" in str(caught.value)
    unit, path = written(tmp_path, UNIT)
    check_unit(path, unit, CATALOGUE)


# artefacts


def with_artefact(more: str, digest: str) -> str:
    artefact = f"    artefact: {{uri: https://downloads.example/a.bin, sha256: '{digest}'{more}}}\n"
    return UNIT.replace("    trigger: firmware\n", f"    trigger: firmware\n{artefact}")


def test_an_artefact_that_is_not_at_hand_is_not_called_checked(tmp_path: Path) -> None:
    unit, path = written(tmp_path, with_artefact("", sha256(b"x")))
    (state,) = check_artefacts(path, unit)
    assert (state.component, state.product, state.file) == ("nic", "X710", None)


def test_an_artefact_at_hand_has_its_digest(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a.bin").write_bytes(b"firmware")
    unit, path = written(tmp_path, with_artefact(", path: files/a.bin", sha256(b"firmware")))
    (state,) = check_artefacts(path, unit)
    assert state.file == tmp_path / "files/a.bin"


def test_an_artefact_with_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"firmware, one byte more")
    unit, path = written(tmp_path, with_artefact(", path: a.bin", sha256(b"firmware")))
    with pytest.raises(FileError) as caught:
        check_artefacts(path, unit)
    assert (caught.value.line, caught.value.key) == (12, "changes[0].artefact.sha256")
    assert sha256(b"firmware, one byte more") in str(caught.value)


@pytest.mark.parametrize("folder", [False, True])
def test_an_artefact_that_is_missing_is_refused(tmp_path: Path, *, folder: bool) -> None:
    if folder:
        (tmp_path / "a.bin").mkdir()
    unit, path = written(tmp_path, with_artefact(", path: a.bin", sha256(b"firmware")))
    with pytest.raises(FileError) as caught:
        check_artefacts(path, unit)
    assert (caught.value.line, caught.value.key) == (12, "changes[0].artefact.path")
    assert f"found no file at {tmp_path / 'a.bin'}, expected a file" in str(caught.value)


# the bill of materials


def bom(name: str = "X710", version: str | None = "8.30", *parts: tuple[str, str], **more: Any) -> bytes:
    about = {"type": "firmware", "name": name} | ({"version": version} if version is not None else {})
    components = [{"type": "library", "name": part, "version": number} for part, number in parts]
    plain = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    return json.dumps(plain | {"metadata": {"component": about}} | more).encode()


def with_sbom(tmp_path: Path, content: bytes, digest: str = "") -> tuple[ReleaseUnit, Path]:
    (tmp_path / "x.cdx").write_bytes(content)
    return written(tmp_path, f"{UNIT}sbom:\n  path: x.cdx\n  sha256: '{digest or sha256(content)}'\n")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("X710", "8.30"),
        ("x710", "8.30"),
        ("Example X710", "8.30"),
        ("BIOS", "2.19.1"),
        ("nic-fw-8.30", "2.19.1"),
        ("Firmware of the adapters", "8.30"),
        ("Example", "8.30"),
        ("nic-fw", "8.30"),
    ],
)
def test_an_sbom_of_the_unit_is_read(tmp_path: Path, name: str, version: str) -> None:
    unit, path = with_sbom(tmp_path, bom(name, version, ("mbedtls", "2.28.9"), ("zlib", "1.3")))
    state = check_sbom(path, unit)
    assert state is not None
    assert (state.product.name, state.product.version, state.parts) == (name, version, 2)
    assert not state.differing


def test_xml_is_read_too(tmp_path: Path) -> None:
    unit, path = with_sbom(tmp_path, XML.encode())
    state = check_sbom(path, unit)
    assert state is not None
    assert (state.product.name, state.parts) == ("X710", 1)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("E810", "8.30"),
        ("X710", "8.20"),  # the version before
        ("X710", "8.3"),
        ("X710", None),
        ("X710", "2.19.1"),  # the version of another product of the unit
        ("X71", "8.30"),
        ("X710 option ROM", "8.30"),
    ],
)
def test_an_sbom_of_another_product_is_refused(tmp_path: Path, name: str, version: str | None) -> None:
    unit, path = with_sbom(tmp_path, bom(name, version))
    with pytest.raises(FileError) as caught:
        check_sbom(path, unit)
    assert (caught.value.line, caught.value.key) == (14, "sbom.path")
    assert f"found the SBOM of {name}" in str(caught.value)
    assert "expected that of X710 8.30 or " in str(caught.value)


def test_an_sbom_of_nothing_named_is_refused(tmp_path: Path) -> None:
    unit, path = with_sbom(tmp_path, bom(metadata={}))
    with pytest.raises(FileError, match=r":14: sbom\.path: found x\.cdx, which does not say what it is about"):
        check_sbom(path, unit)


def test_an_sbom_with_other_bytes_or_none_is_refused(tmp_path: Path) -> None:
    unit, path = with_sbom(tmp_path, bom(), digest="ab" * 32)
    with pytest.raises(FileError, match=r":15: sbom\.sha256: found (ab){32}, and the bytes of "):
        check_sbom(path, unit)
    (tmp_path / "x.cdx").unlink()
    with pytest.raises(FileError, match=r":14: sbom\.path: found no file at "):
        check_sbom(path, unit)


def test_a_product_that_the_sbom_has_at_another_version_is_told(tmp_path: Path) -> None:
    unit, path = with_sbom(tmp_path, bom("Example", "8.30", ("X710", "8.20"), ("bios", "2.19.1"), ("zlib", "1.3")))
    state = check_sbom(path, unit)
    assert state is not None
    assert state.differing == ("X710 is in it as 8.20, and the unit brings 8.30",)


def test_a_unit_without_an_sbom_has_none_to_check(tmp_path: Path) -> None:
    unit, path = written(tmp_path, UNIT)
    assert check_sbom(path, unit) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b"null",
        b"[" * 100_000,
        b"\xff\xfe",
        b"unit: x",
        b"<bom",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a x="http://cyclonedx.org/schema/bom/1.5">&b;</a>',
        b'<a x="http://cyclonedx.org/schema/bom/1.5"/>',
        b'{"bomFormat": "CycloneDX", "specVersion": "9.9"}',
        b'{"bomFormat": "CycloneDX", "specVersion": 1.6}',
        b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": 3}',
        b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "whim", "name": "x"}]}',
        XML.replace('type="firmware"', 'type="whim"').encode(),
        XML.replace("<name>mbedtls</name>", "").encode(),
    ],
)
def test_what_is_no_cyclonedx_file_is_told_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.cdx"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        read_sbom(path)
    assert caught.value.path == path


def test_parts_within_parts_count(tmp_path: Path) -> None:
    inner = [{"type": "library", "name": "zlib", "group": "org.zlib", "version": "1.3"}]
    content = bom(components=[{"type": "library", "name": "mbedtls", "components": inner}])
    (tmp_path / "x.cdx").write_bytes(content)
    assert [(part.name, part.version) for part in read_sbom(tmp_path / "x.cdx").parts] == [
        ("mbedtls", ""),
        ("org.zlib/zlib", "1.3"),
    ]
