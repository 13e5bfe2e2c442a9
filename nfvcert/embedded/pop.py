"""The point of presence that is up: the ways into it. `lifecycle` makes and ends it."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.ports import EmbeddedPort, generator_place
from nfvcert.embedded.removal import take_down
from nfvcert.embedded.rundir import FABRIC, namespace_file
from nfvcert.errors import Unreachable
from nfvcert.lab import Lab

__all__ = ["SSH_PORT", "EmbeddedLab", "login_user", "management_address"]


SSH_PORT = 22


def login_user() -> str:
    """Whom the hosts let in: the user that the lab runs as."""
    return pwd.getpwuid(os.geteuid()).pw_name


def management_address(lab: Lab, host: str) -> str:
    """The address that a host's sshd listens on: the management network's, else the first, else its loopback."""
    addresses = lab.hosts[host].addresses
    return addresses.get("management") or next(iter(addresses.values()), "127.0.0.1")


@dataclass(frozen=True)
class EmbeddedLab:
    """An embedded lab that is up."""

    lab: Lab
    """Its inventory, as it was brought up."""
    run_dir: Path
    """The folder that holds all of it."""
    created: bool
    """Whether this `up` made it, or found it up already."""
    user: str
    """Whom to log in as."""
    ports: Mapping[str, EmbeddedPort]
    """The traffic generator's ports by name; empty where the lab has no generator."""
    loop: tuple[EmbeddedPort, EmbeddedPort]
    """Two ports with a cable between them, for the generator's self-test: it does not cross the device."""

    @property
    def client_key(self) -> Path:
        """The private SSH key (ed25519, OpenSSH format) that all hosts of this lab accept."""
        return self.run_dir / "ssh" / "client"

    @property
    def known_hosts(self) -> Path:
        """The hosts' public keys, under the host's name and under its address."""
        return self.run_dir / "ssh" / "known_hosts"

    def namespace(self, host: str) -> str:
        """Path of a host's network namespace. Raises LookupError for an unknown host."""
        if host not in self.lab.hosts:
            raise LookupError(f"lab {self.lab.lab} has no host {host!r} (it has {', '.join(self.lab.hosts)})")
        return str(namespace_file(self.run_dir, host))

    @property
    def generator_namespace(self) -> str:
        """Path of the network namespace that holds the generator's ports."""
        return str(namespace_file(self.run_dir, generator_place(self.lab)))

    @property
    def fabric_namespace(self) -> str:
        """Path of the network namespace that holds the inventory's networks and their gateways."""
        return str(namespace_file(self.run_dir, FABRIC))

    def connect(self, host: str, timeout_s: float) -> socket.socket:
        """Open a TCP connection to a host's sshd, from within its namespace.

        The socket is the caller's to close, and carries ``timeout_s`` as its timeout.
        Raises: Unreachable when nothing answers in time; LookupError for an unknown host.
        """
        path = self.namespace(host)
        try:
            # A socket stays in the namespace that it was made in.
            connection = in_namespace(path, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        except OSError as error:
            raise Unreachable(
                f"host {host} of lab {self.lab.lab} is gone: its namespace cannot be entered ({error.strerror})",
                what=host,
                hint=f"nfvcert lab up {self.lab.lab}",
            ) from error
        try:
            connection.settimeout(timeout_s)
            connection.connect((management_address(self.lab, host), SSH_PORT))
        except OSError as error:
            connection.close()
            reason = f"in {timeout_s:g} s" if isinstance(error, TimeoutError) else f"({error.strerror})"
            raise Unreachable(f"host {host} of lab {self.lab.lab} does not answer {reason}", what=host) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def down(self) -> None:
        """Take the lab down, with everything that it holds. A lab that is down already is left alone."""
        take_down(self.run_dir)
