"""Running a foreign suite's command: in its own environment, where the cloud can be reached, with a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nfvcert.errors import EngineError

__all__ = ["Ended", "clean_environment", "run"]

GRACE_S = 20.0
"""How long a suite that is broken off may take to delete what it made."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    said: str
    """The last lines of its output and its errors."""
    in_time: bool


def clean_environment(folder: Path) -> dict[str, str]:
    """The variables of a suite: what a user has set for OpenStack would lead it to another cloud."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "TEMPEST_", "RALLY_"))}
    return kept | {"HOME": str(folder), "PYTHONNOUSERSITE": "1", "TZ": "UTC"}


def run(command: Sequence[str], folder: Path, *, timeout_s: float, output: Path | None = None) -> Ended:
    """Run a command in ``folder``, with its standard output in ``output`` where that is given.

    After ``timeout_s`` it is interrupted, and after a while killed, with all that it started. Raises EngineError
    where it cannot be started.
    """
    errors = folder / "stderr.txt"
    told = output or folder / "stdout.txt"
    with told.open("wb") as stdout, errors.open("wb") as stderr:
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=clean_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"{command[0]} cannot be started: {error.strerror}", what=command[0]) from error
        try:
            process.wait(timeout_s)
            in_time = True
        except subprocess.TimeoutExpired:
            in_time = False
            _end(process)
        except BaseException:
            _end(process)
            raise
    said = "" if output else told.read_text(encoding="utf-8", errors="replace")
    said = f"{said}\n{errors.read_text(encoding='utf-8', errors='replace')}"
    return Ended(process.returncode, "\n".join(said.strip().splitlines()[-30:]), in_time)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with its whole session: workers outlive who started them otherwise."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
