"""The rights that an embedded lab needs, and a user namespace where they are lacking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nfvcert.errors import NotPermitted

__all__ = ["ensure_privileges", "require_privileges"]

_CAP_NET_ADMIN = 12
_CAP_SYS_ADMIN = 21


def privileged() -> bool:
    """Whether this process may make network namespaces and mount them (CAP_NET_ADMIN and CAP_SYS_ADMIN)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return bool(effective >> _CAP_NET_ADMIN & effective >> _CAP_SYS_ADMIN & 1)
    return False


def require_privileges() -> None:
    """Raises: NotPermitted."""
    if not privileged():
        raise NotPermitted(
            "bringing up an embedded lab needs root, or a user namespace", what="privileges", hint="sudo"
        )


def ensure_privileges(argv: Sequence[str]) -> None:
    """Return if this process may make network namespaces; else run ``argv`` anew where it may.

    Call it first, before threads exist: on success without privileges it does not return.
    Raises: NotPermitted when this machine allows no user namespace.
    """
    if privileged():
        return
    raise NotImplementedError
