"""What the suites of a project have, asked of pytest without a lab: for tables of who covers what.

pytest collects in a process of its own (`python -m nfvcert.collecting`), so that neither its plugins nor what suites
import stays in ours, and no option of a run around us reaches it.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nfvcert.collected import collected
from nfvcert.errors import UsageError
from nfvcert.testcase import CollectedTest

__all__ = ["collect_suites"]

TIME_LIMIT_S = 120
COMMAND = "python -m pytest --collect-only -q"


def collect_suites(root: Path) -> tuple[CollectedTest, ...]:
    """The tests of the suites of a project, ``root`` being its folder, in pytest's order; none was given a lab.

    Raises: UsageError with pytest's reason where they cannot be collected, or where there is none.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as folder:
        target = Path(folder, "tests")
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "nfvcert.collecting", str(target)],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=TIME_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _not_collected(f"pytest did not end within {TIME_LIMIT_S} s") from None
        if ended.returncode == pytest.ExitCode.NO_TESTS_COLLECTED:
            raise _not_collected(f"there is no test in {root}")
        if ended.returncode != 0 or not target.exists():
            raise _not_collected(_reason(ended.stdout, ended.stderr))
        found: tuple[CollectedTest, ...] = pickle.loads(target.read_bytes())  # noqa: S301 - written by ourselves
    return found


def _not_collected(why: str) -> UsageError:
    return UsageError(f"the suites cannot be collected: {why}", hint=f"see it whole: {COMMAND}")


def _reason(printed: str, complained: str) -> str:
    """pytest's reason in a line: what was raised, else what it says of itself, else its last words."""
    lines = [line.strip() for line in (printed + "\n" + complained).splitlines() if line.strip()]
    for sign, which in ((r"E\s+(.+)", -1), (r"ERROR:? (?!usage:)(.+)", 0), (r".* error: (.+)", 0)):
        if said := [match[1] for line in lines if (match := re.fullmatch(sign, line))]:
            return said[which]
    return lines[-1] if lines else "pytest says nothing"


class _Keeper:
    """A plugin of pytest that keeps what was collected."""

    def __init__(self) -> None:
        self.tests: tuple[CollectedTest, ...] = ()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.tests = tuple(collected(item) for item in session.items)


def main(target: str) -> int:
    """Collect in the current folder and write the tests to a file; returns pytest's exit status."""
    keeper = _Keeper()
    # Nothing is run, so no assertion is rewritten (pytest would complain that nfvcert is imported already).
    options = ["--collect-only", "-q", "--color=no", "--assert=plain", "-p", "no:cacheprovider"]
    status = pytest.main(options, plugins=[keeper])
    if status == pytest.ExitCode.OK:
        Path(target).write_bytes(pickle.dumps(keeper.tests))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
