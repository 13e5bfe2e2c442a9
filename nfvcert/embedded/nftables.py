"""Packet rules in a namespace, by the program nft."""

from __future__ import annotations

import subprocess

from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.programs import environment, program
from nfvcert.errors import LabError

__all__ = ["nft", "remove_table"]

TIMEOUT_S = 30.0


def nft(namespace: str, script: str) -> None:
    """Carry out an nftables script in a namespace, whole or not at all. Raises: LabError, MissingPackage."""
    command = [program("nft"), "-f", "-"]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, input=script, capture_output=True, text=True, check=False, env=environment(), timeout=TIMEOUT_S
        )

    done = in_namespace(namespace, run)
    if done.returncode != 0:
        raise LabError(f"nftables refuses a rule of the lab: {done.stderr.strip()}", what="nftables")


def remove_table(namespace: str, family: str, name: str) -> None:
    """Remove a table with all its rules; one that is not there is made first, so that it cannot fail."""
    nft(namespace, f"table {family} {name}\ndelete table {family} {name}\n")
