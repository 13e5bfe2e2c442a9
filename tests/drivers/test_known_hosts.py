from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nfvcert.drivers.known_hosts import KnownHost, fingerprint, known_as
from nfvcert.errors import HostKeyMismatch


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three public keys, as `kind base64`."""
    folder = tmp_path_factory.mktemp("keys")
    for number, kind in enumerate(("ed25519", "ecdsa", "ed25519")):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", folder / str(number)], check=True)
    return [(folder / f"{number}.pub").read_text().strip() for number in range(3)]


def lines_for(path: Path, name: str) -> list[int]:
    return [key.line for key in KnownHost.read("h", name, path).keys]


@pytest.mark.parametrize(
    ("names", "name", "known"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.11", False),
        ("a.lab,10.0.0.1", "10.0.0.1", True),
        ("A.Lab", "a.lAB", True),
        ("[10.0.0.1]:2222", "[10.0.0.1]:2222", True),
        ("[10.0.0.1]:2222", "10.0.0.1", False),
        ("[10.0.0.1]:2222", "1:2222", False),  # brackets are no character class
        ("*.lab", "a.lab", True),
        ("*.lab", "lab", False),
        ("h?.lab", "h1.lab", True),
        ("*.lab,!a.lab", "a.lab", False),
        ("!a.lab,*.lab", "b.lab", True),
        ("a.lab", "axlab", False),
    ],
)
def test_names_match_as_ssh_matches_them(tmp_path: Path, keys: list[str], names: str, name: str, known: bool) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{names} {keys[0]}\n")
    assert lines_for(path, name) == ([1] if known else [])
    theirs = subprocess.run(["ssh-keygen", "-F", name, "-f", path], capture_output=True, check=False).returncode == 0
    assert theirs == known


def test_hashed_names_are_found(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"other {keys[1]}\n[10.0.0.1]:2222 {keys[0]}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "10.0.0.1" not in path.read_text()
    assert lines_for(path, "[10.0.0.1]:2222") == [2]
    assert lines_for(path, "10.0.0.1") == []


def test_lines_are_counted_with_comments_blanks_and_nonsense(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"# h\n\nh\nh ssh-ed25519 not*base64\n|1|x|y {keys[0]}\n|1|eA== {keys[0]}\n  h\t{keys[0]} c\n")
    assert lines_for(path, "h") == [7]


def test_certificate_authorities_are_no_host_keys(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"@cert-authority h {keys[0]}\n@no-such-marker h {keys[0]}\n")
    assert lines_for(path, "h") == []


def test_a_missing_file_knows_nobody(tmp_path: Path) -> None:
    assert lines_for(tmp_path / "nowhere", "h") == []


def test_an_unreadable_file_is_an_error_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        KnownHost.read("h", "h", tmp_path)


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text("".join(f"h {key}\n" for key in keys))
    theirs = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, check=True, text=True).stdout
    ours = [fingerprint(key.blob) for key in KnownHost.read("h", "h", path).keys]
    assert ours == [line.split()[1] for line in theirs.splitlines()]


def test_any_of_several_known_keys_is_accepted(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"h {keys[0]}\nh {keys[1]}\n")
    host = KnownHost.read("h", "h", path)
    for key in host.keys:
        host.verify(key.kind, key.blob)


def test_a_revoked_key_is_refused_even_where_it_is_known_too(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"h {keys[0]}\n@revoked * {keys[0]}\n")
    host = KnownHost.read("compute-1", "h", path)
    with pytest.raises(HostKeyMismatch, match=r"compute-1 \(h\) answers with a revoked key.*line 2 of"):
        host.verify(host.keys[0].kind, host.keys[0].blob)


def test_a_mismatch_names_every_expected_key(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"h {keys[0]}\nx {keys[2]}\nh {keys[1]}\n")
    first, second = KnownHost.read("h", "h", path).keys
    stranger = KnownHost.read("x", "x", path).keys[0]
    with pytest.raises(HostKeyMismatch) as caught:
        KnownHost.read("compute-1", "h", path).verify(stranger.kind, stranger.blob)
    sentence = str(caught.value)
    assert f"found {fingerprint(stranger.blob)} (ssh-ed25519)" in sentence
    assert f"{fingerprint(first.blob)} (ssh-ed25519, line 1)" in sentence
    assert f"{fingerprint(second.blob)} (ecdsa-sha2-nistp256, line 3) of {path}" in sentence


def test_a_host_is_known_with_its_port_unless_that_is_22() -> None:
    assert known_as("10.0.0.1") == "10.0.0.1"
    assert known_as("10.0.0.1", 2222) == "[10.0.0.1]:2222"
