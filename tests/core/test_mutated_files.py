"""Whatever the bytes of a file are: an error of ours that names the file, or success. Never another exception."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfvcert import campaign_files, files, pharos
from nfvcert.document import Plain, Spot, parse_document
from nfvcert.errors import FileError
from nfvcert.parts import KeyPath, Part

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "lab_inventory").glob("*.yaml"))
ALL_SHIPPED = [
    path for folder in ("lab_inventory", "testmodels", "releases") for path in sorted((ROOT / folder).rglob("*.yaml"))
]
PHAROS = sorted((Path(__file__).parent.parent / "data" / "pharos").glob("*.yaml"))

# Small, since what is refused costs a YAML parser in Python some 2 ms; `&n` and `&r` are there to be aliased.
LAB = b"""\
lab: fuzzed
owner: {organisation: A, role: hq}
environment: lab
provider: embedded
profile: p
networks: &n
  m: {subnet: 10.0.0.0/8, gateway: 10.0.0.1}
hosts:
  a: {roles: [switch], addresses: {m: 10.0.0.2}}
network: {dut: {kind: router}}
traffic:
  generator: software
  ports:
    t: {attached_to: a, speed: 1 bit/s, address: 198.18.1.2/24, gateway: 198.18.1.1}
    u: {attached_to: a, speed: 1.5e6, address: 198.18.2.2/24, gateway: 198.18.2.1}
"""
PDF = b"""\
version: 1.0
details: {lab: L, type: development}
jumphost: {name: J, remote_params: &r {type: ipmi, user: u, pass: topsecret}}
nodes:
  - name: N1
    node: {type: baremetal, vendor: V, cores: 8}
    disks: [{disk_type: hdd, disk_interface: nvme}]
    remote_management: {<<: *r, address: 10.0.0.4/24}
    interfaces:
      - {name: nic1, speed: 10gb, features: dpdk|sriov, address: 10.1.0.4/24, mac_address: "02:00:00:00:00:01"}
"""
IDF = b"""\
idf:
  net_config:
    admin: {interface: 0, vlan: native, network: 10.1.0.0, mask: 24, gateway: 10.1.0.1}
  osa: {nodes_roles: {node1: [controller]}}
  fuel: {jumphost: {bridges: {admin: br0}}, network: {node: [{interfaces: [eth0], busaddr: ['0000:01:00.0']}]}}
"""
CAMPAIGN = b"""\
campaign: c
streams:
  - &n {unit: u-1.2, lab: [a, b], model: m}
  - {lab: a, priority: 3, deadline: 2026-11-27T18:00:00+03:00, after: u-1.2@a}
  - {unit: v, lab: a, after: [a, u-1.2@b]}
"""
RELEASE = b"""\
unit: fuzzed
type: GA
vendor: V
changes:
  - &n {component: nic, vendor: V, product: P, from: "1", to: "2", trigger: firmware, present_if: {redfish: f}}
  - {component: a, vendor: V, product: P, to: "2", trigger: new-vnf, artefact: &r {uri: a://b, sha256: DIGEST}}
  - {component: b, vendor: V, product: P, from: 1.2.0, to: 1.1.0, trigger: hotfix, rollback: true, version_scheme: deb}
known_issues: [{id: I, title: T, component: nic}]
sbom: {path: p, sha256: DIGEST}
builds_on: [{unit: part, record: r, sha256: DIGEST}]
""".replace(b"DIGEST", b"ab" * 32)
PLAIN = {content: parse_document(Path("small.yaml"), content).data for content in (LAB, PDF, IDF, CAMPAIGN, RELEASE)}
TOKENS = [
    *(b"\0", b"\xff", b"\t", b"\n", b"\r", b": ", b"- ", b"{", b"}", b"[", b"]", b"&a ", b"*a", b"*n", b"!!x ", b"|"),
    *(b">", b"'", b'"', b"%", b"@", b"`", b",", b"?", b"#", b"<<: *n", b"---\n", b"...\n", b"\\", b"\\U", b"0x", b"-"),
    *(
        b"1e999",
        b".inf",
        b"~",
        b"null",
        b"true",
        b"  ",
        b"9" * 30,
        b"\xe2\x80\xae",
        b"\xef\xbb\xbf",
        b"\xf0\x9f\x90\x91",
    ),
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["a", "m", "10.0.0.2", "10.0.0.0/33", "10.1.0.4/24", "02:00:00:00:00:01", "env:X", "1 bit/s"]),
    st.sampled_from(
        ["", " ", "\ud800", "\x1b", "a" * 50, "ENC[PKCS7,x]", "{{ x }}", "10gb", "100", "a\nhosts: {}", "# b"]
    ),
    st.lists(st.text(max_size=3) | st.none(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers() | st.none(), max_size=2),
)


def examples(number: int) -> settings:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=number, deadline=None, database=None, suppress_health_check=checks)


@st.composite
def mutated_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A document in which some places were overwritten, deleted, repeated or cut off."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        until = at + draw(st.integers(0, 12))
        what = draw(st.sampled_from(["token", "token", "bytes", "delete", "repeat", "cut"]))
        if what == "token":
            content = content[:at] + draw(st.sampled_from(TOKENS)) + content[min(until, at + 2) :]
        elif what == "bytes":
            content = content[:at] + draw(st.binary(min_size=1, max_size=4)) + content[at:]
        elif what == "delete":
            content = content[:at] + content[until:]
        elif what == "repeat":
            content = content[:until] + content[at:]
        else:
            content = content[: at + len(content) // 2]
    return content


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(mapping or list, its key or index) of everything in plain data."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@st.composite
def mutated_structure(draw: st.DrawFn, content: bytes) -> bytes:
    """The same on the level of keys and values, as JSON (which is YAML, with all its escapes)."""
    data: Any = PLAIN[content]
    for _ in range(draw(st.integers(1, 3))):
        data = json.loads(json.dumps(data))
        part, key = draw(st.sampled_from(list(places(data)) or [({"": 0}, "")]))
        what = draw(st.sampled_from(["replace", "replace", "delete", "rename", "transplant"]))
        if what == "delete":
            del part[key]
        elif what == "rename" and isinstance(part, dict):
            part[draw(st.text(max_size=6) | st.sampled_from([f"{key}s", "<<", "a", ""]))] = part.pop(key)
        elif what == "transplant":
            other, other_key = draw(st.sampled_from(list(places(data)) or [({"": 0}, "")]))
            # Where a secret is put as a lab's name, nobody can tell that it is one.
            part[key] = json.loads(json.dumps(other[other_key]).replace("topsecret", "x"))
        else:
            part[key] = draw(VALUES)
    return json.dumps(data, indent=draw(st.sampled_from([None, 1]))).encode()


def lines_of(content: bytes) -> int:
    """Lines as YAML counts them, one more at the end included."""
    return 1 + len(content.decode(errors="replace").splitlines())


def is_read_or_refused(read: Callable[[Path], Part], path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refusal = None
    try:
        model = read(path)
    except FileError as error:
        refusal = error
    if refusal is None:
        assert type(model).model_validate_json(model.model_dump_json(by_alias=True)) == model
    else:
        assert refusal.path == path
        assert str(refusal).startswith(f"{path}:")
        assert 0 <= refusal.line <= lines_of(content)
        assert len(str(refusal)) < 2000


def lab_is_read_or_refused(path: Path, content: bytes) -> None:
    is_read_or_refused(files.read_lab, path, content)


def campaign_is_read_or_refused(path: Path, content: bytes) -> None:
    is_read_or_refused(campaign_files.read_campaign, path, content)


def release_is_read_or_refused(path: Path, content: bytes) -> None:
    is_read_or_refused(lambda named: campaign_files.read_release(str(named))[0], path, content)


def pod_is_converted_or_refused(pdf: Path, idf: Path | None) -> None:
    refusal = None
    try:
        conversion = pharos.convert(pdf, idf)
    except FileError as error:
        refusal = error
    if refusal is None:
        # That it is a good inventory is checked by `convert` itself: its error would name no file of these.
        assert "topsecret" not in conversion.yaml_text + "".join(conversion.not_carried_over)
    else:
        assert refusal.path in (pdf, idf)
        assert str(refusal).startswith(f"{refusal.path}:")


@examples(600)
@given(content=mutated_bytes(LAB))
def test_inventories_with_mutated_bytes(tmp_path: Path, content: bytes) -> None:
    lab_is_read_or_refused(tmp_path / "fuzzed.yaml", content)


@examples(450)
@given(content=mutated_structure(LAB))
def test_inventories_with_mutated_structure(tmp_path: Path, content: bytes) -> None:
    lab_is_read_or_refused(tmp_path / "fuzzed.yaml", content)


@examples(40)
@given(data=st.data())
def test_shipped_inventories_mutated(tmp_path: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(SHIPPED))
    lab_is_read_or_refused(tmp_path / path.name, data.draw(mutated_bytes(path.read_bytes())))


@examples(150)
@given(content=mutated_bytes(CAMPAIGN))
def test_campaigns_with_mutated_bytes(tmp_path: Path, content: bytes) -> None:
    campaign_is_read_or_refused(tmp_path / "fuzzed.yaml", content)


@examples(300)
@given(content=mutated_structure(CAMPAIGN))
def test_campaigns_with_mutated_structure(tmp_path: Path, content: bytes) -> None:
    campaign_is_read_or_refused(tmp_path / "fuzzed.yaml", content)


@examples(100)
@given(content=mutated_bytes(RELEASE))
def test_releases_with_mutated_bytes(tmp_path: Path, content: bytes) -> None:
    release_is_read_or_refused(tmp_path / "fuzzed.yaml", content)


@examples(200)
@given(content=mutated_structure(RELEASE))
def test_releases_with_mutated_structure(tmp_path: Path, content: bytes) -> None:
    release_is_read_or_refused(tmp_path / "fuzzed.yaml", content)


@examples(300)
@given(content=st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode(errors="replace")))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    lab_is_read_or_refused(tmp_path / "fuzzed.yaml", content)


def read_alike(content: bytes) -> bool:
    """Whether libyaml and ruamel.yaml both read it; what ruamel.yaml reads, both read alike."""
    found: list[tuple[Plain, Mapping[KeyPath, Spot]] | None] = []
    for careful in (False, True):
        with patch("nfvcert.document._READ_OTHERWISE_BY_LIBYAML", re.compile("")) if careful else nullcontext():
            try:
                read = parse_document(Path("fuzzed.yaml"), content)
                found.append((read.data, read.spots))
            except FileError:
                found.append(None)
    quickly, carefully = found
    assert quickly == carefully or carefully is None
    return carefully is not None


@examples(600)
@given(content=st.sampled_from([LAB, PDF, CAMPAIGN, RELEASE]).flatmap(mutated_bytes))
def test_the_faster_parser_reads_nothing_otherwise(content: bytes) -> None:
    read_alike(content)


@pytest.mark.parametrize("path", ALL_SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_are_read_alike(path: Path) -> None:
    assert read_alike(path.read_bytes())


@examples(300)
@given(pdf=mutated_structure(PDF), idf=st.none() | st.just(IDF) | mutated_structure(IDF))
def test_descriptors_with_mutated_structure(tmp_path: Path, pdf: bytes, idf: bytes | None) -> None:
    (tmp_path / "pod.yaml").write_bytes(pdf)
    (tmp_path / "idf.yaml").write_bytes(idf or b"")
    pod_is_converted_or_refused(tmp_path / "pod.yaml", tmp_path / "idf.yaml" if idf is not None else None)


@examples(200)
@given(pdf=mutated_bytes(PDF), idf=st.none() | mutated_bytes(IDF))
def test_descriptors_with_mutated_bytes(tmp_path: Path, pdf: bytes, idf: bytes | None) -> None:
    (tmp_path / "pod.yaml").write_bytes(pdf)
    (tmp_path / "idf.yaml").write_bytes(idf or b"")
    pod_is_converted_or_refused(tmp_path / "pod.yaml", tmp_path / "idf.yaml" if idf is not None else None)


@examples(30)
@given(data=st.data())
def test_sample_descriptors_mutated(tmp_path: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(PHAROS))
    (tmp_path / "pod.yaml").write_bytes(data.draw(mutated_bytes(path.read_bytes())))
    pod_is_converted_or_refused(tmp_path / "pod.yaml", None)
