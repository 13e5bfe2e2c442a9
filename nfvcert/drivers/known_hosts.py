"""Which key a host must answer with: OpenSSH's known_hosts, read with its line numbers.

The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": plain, hashed and wildcard names,
and the marker ``@revoked``. ``@cert-authority`` lines are passed over: host certificates are not
used. A line that cannot be read is passed over too, as ssh(1) does: its host is then unknown,
and an unknown host is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nfvcert.errors import HostKeyMismatch

__all__ = ["KnownHost", "KnownKey", "fingerprint", "known_as"]


@dataclass(frozen=True)
class KnownKey:
    """One line of a known_hosts file that speaks about a host."""

    line: int
    """1-based."""
    kind: str
    """As the file names it: ``ssh-ed25519``, ``ssh-rsa``…"""
    blob: bytes
    """The public key as it crosses the wire."""
    revoked: bool = False

    def __str__(self) -> str:
        return f"{fingerprint(self.blob)} ({self.kind}, line {self.line})"


@dataclass(frozen=True)
class KnownHost:
    """A host of the inventory and every key that a known_hosts file knows for its name there."""

    host: str
    name: str
    path: Path
    keys: tuple[KnownKey, ...]

    @classmethod
    def read(cls, host: str, name: str, path: Path) -> KnownHost:
        """Look a host up by its name (`known_as`) in a file; one that does not exist knows no host.

        Raises: OSError when the file is there and cannot be read.
        """
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        return cls(host, name, path, tuple(_keys(text, name.lower())))

    def verify(self, kind: str, blob: bytes) -> None:
        """Accept the key with which a host answered only if it is a known one.

        Raises: HostKeyMismatch, saying what was found, what was expected, where that is written and what to do.
        """
        subject = f"{self.host} ({self.name})"
        found = f"{fingerprint(blob)} ({kind})"
        for key in self.keys:
            if key.revoked and key.blob == blob:
                raise HostKeyMismatch(
                    f"{subject} answers with a revoked key: found {found}, revoked in line {key.line} of {self.path}",
                    what=self.host,
                    hint="Whoever holds this key can pose as the host: give the host a new key.",
                )
        valid = [key for key in self.keys if not key.revoked]
        if any(key.blob == blob for key in valid):
            return
        line = f"{self.name} {kind} {base64.b64encode(blob).decode()}"
        compare = f"its console must show the same: ssh-keygen -lf /etc/ssh/ssh_host_{_short(kind)}_key.pub"
        if not valid:
            raise HostKeyMismatch(
                f"{subject} is unknown: {self.path} has no key for it; it answers with {found}",
                what=self.host,
                hint=f"If it is the right host ({compare}), add to {self.path}:\n  {line}",
            )
        raise HostKeyMismatch(
            f"{subject} answers with another host key than the known one: found {found}, "
            f"expected {' or '.join(map(str, valid))} of {self.path}",
            what=self.host,
            hint="Another machine answers at this address, or the host was made anew. "
            f"If it was made anew ({compare}), replace line {valid[0].line} by:\n  {line}",
        )


def known_as(address: str, port: int = 22) -> str:
    """The name under which ssh(1) keeps a host: its address, with the port unless that is 22."""
    return address if port == 22 else f"[{address}]:{port}"


def fingerprint(blob: bytes) -> str:
    """``SHA256:…`` of a public key, as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _short(kind: str) -> str:
    """``ed25519`` of ``ssh-ed25519``, as sshd's key files are named."""
    return kind.removeprefix("ssh-").partition("-")[0]


def _keys(text: str, name: str) -> Iterator[KnownKey]:
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in {"", "@revoked"}:
            continue
        names, kind, encoded = fields[:3]
        if not _matches(names, name):
            continue
        try:
            blob = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        yield KnownKey(line=number, kind=kind, blob=blob, revoked=bool(marker))


def _matches(names: str, name: str) -> bool:
    if names.startswith("|1|"):
        return _hashed_matches(names, name)
    found = False
    for pattern in names.lower().split(","):
        # Not fnmatch: the brackets of [address]:port are literal here.
        expression = re.escape(pattern.removeprefix("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(expression, name):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _hashed_matches(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.removeprefix("|1|").split("|"))
    except ValueError:  # not two parts, or not base64
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), "sha1").digest(), digest)
