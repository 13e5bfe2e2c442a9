"""Running a foreign suite's command: in its own environment, where the cloud can be reached, with a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nfvcert.errors import EngineError
from nfvcert.judge import ForeignResult, Verdict
from nfvcert.protocols import CloudSession

__all__ = ["Ended", "clean_environment", "contradict", "run", "see_that_it_answers"]

GRACE_S = 20.0
"""How long a suite that is broken off may take to delete what it made."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    said: str
    """The last lines of its output and its errors."""
    in_time: bool

    @property
    def well(self) -> bool:
        """Whether it ended by itself, and is content."""
        return self.in_time and self.status == 0

    @property
    def how(self) -> str:
        """How it ended, for a sentence."""
        if not self.in_time:
            return "did not end in time"
        return f"was killed by signal {-self.status}" if self.status < 0 else f"ended with status {self.status}"

    @property
    def last(self) -> str:
        """The last line that it said."""
        return (self.said.strip().splitlines() or ["it says nothing"])[-1][:300]


def contradict(engine: str, ended: Ended, results: Sequence[ForeignResult]) -> None:
    """Raise EngineError where an engine says that it failed, and its results say that all is well."""
    if not ended.well and all(result.verdict is Verdict.PASS for result in results if result.required):
        raise EngineError(f"{engine} {ended.how}, and tells of nothing that failed: {ended.last}", what=engine)


def see_that_it_answers(cloud: CloudSession, results: Sequence[ForeignResult]) -> None:
    """Before a failure is the release's: raise Unreachable where no endpoint of the cloud can be reached any more."""
    if any(result.verdict is Verdict.FAIL for result in results):
        from keystoneauth1.exceptions import ClientException

        with suppress(ClientException):  # an answer that is an error is an answer
            cloud.sdk.session.get(cloud.sdk.config.get_auth_args()["auth_url"], authenticated=False, raise_exc=False)


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
                ["setpriv", "--pdeathsig", "TERM", "--", *command],  # it ends with us, also where we are killed
                cwd=folder,
                env=clean_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"{command[0]} cannot be started: {error.strerror}", what=command[0]) from error
        in_time = True
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            _end(process)
    said = "" if output else told.read_text(encoding="utf-8", errors="replace")
    said = f"{said}\n{errors.read_text(encoding='utf-8', errors='replace')}"
    return Ended(process.returncode, "\n".join(said.strip().splitlines()[-30:]), in_time)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with its whole session: workers outlive who started them otherwise, also one that was killed."""
    with suppress(ProcessLookupError):  # it has ended, and left nobody behind
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
