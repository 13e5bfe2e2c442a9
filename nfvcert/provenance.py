"""Where a run comes from: versions, command, machine, and a digest over the suites that ran."""

from __future__ import annotations

import hashlib
import platform
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from getpass import getuser
from importlib.metadata import version
from pathlib import Path

import pytest

from nfvcert.record import RunFacts, RunResumed

__all__ = ["resumption_facts", "run_facts", "suites_digest"]


def run_facts(run: str, config: pytest.Config, suites_sha256: str, workers: int) -> RunFacts:
    """The circumstances of this run."""
    return RunFacts(
        run=run,
        command=_command(config),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        nfvcert=version("nfvcert"),
        python=platform.python_version(),
        pytest=pytest.__version__,
        platform=platform.platform(),
        user=getuser(),
        suites_sha256=suites_sha256,
        arguments=tuple(map(str, config.invocation_params.args)),
        workers=workers,
    )


def resumption_facts(config: pytest.Config) -> RunResumed:
    """The circumstances of its going on."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return RunResumed(at=now, command=_command(config), user=getuser())


def _command(config: pytest.Config) -> str:
    return shlex.join(["pytest", *map(str, config.invocation_params.args)])


def suites_digest(suite_files: Iterable[Path], root: Path, suites: Iterable[str]) -> str:
    """Over names and contents of the test files, the conftest.py files above them, and all modules of ``suites``."""
    found = {path for folder in suites for path in (root / folder).rglob("*.py")}
    for file in suite_files:
        found.add(file)
        for folder in file.parents:
            found.add(folder / "conftest.py")
            if folder == root:
                break
    together = hashlib.sha256()
    for path in sorted(path for path in found if path.is_file()):
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        together.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return together.hexdigest()
