"""From what pytest saw of a test's phases to a verdict with its blame.

Only an assertion of the test itself, or a missed criterion, blames the release. Whatever else goes
wrong, in set-up, in a driver, in the suite's own code, leaves the question open: INCONCLUSIVE.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import pytest

from nfvcert.errors import Blame, CriterionFailed, Hung, LabError, NfvcertError, NotRun, StorageError
from nfvcert.judge import Verdict, worst

__all__ = ["Phases", "all_of", "is_of_the_cloud"]

Outcome = tuple[Verdict, str, Blame | None]


class Phases:
    """What happened in set-up, call and teardown of one test."""

    def __init__(self, suite_file: Path) -> None:
        self._suite_file = suite_file
        self._call: Outcome | None = None
        self._around: Outcome | None = None
        self.error: BaseException | None = None
        """The gravest error of any phase."""
        self.broke_off = False
        """The test did not get to its end: it was stopped, it hung, or the lab broke."""
        self.missed_all_the_same = ""
        """What its measurements missed without failing it: a waived criterion, an advisory one."""
        self._left_unclean = ""

    def take(self, report: pytest.TestReport, error: BaseException | None) -> None:
        """Remember a phase; the first trouble in set-up or teardown counts."""
        error = _gravest(error)
        if error is not None and not report.skipped:
            self.error = max(self.error or error, error, key=_ends)
        if isinstance(error, Hung) or (isinstance(error, LabError) and error.ends_stream):
            self.broke_off = True
        if isinstance(error, Hung) and report.when == "teardown":
            self._left_unclean = f"{error.sentence}, in its teardown: what it had changed may still be so"
        if report.when == "call":
            # Also of each subtest, and again of a test that a plugin repeats: no later one washes a worse one away.
            found = self._of_call(report, error)
            if self._call is None or worst((self._call[0], found[0])) is not self._call[0]:
                self._call = found
        elif not report.passed and self._around is None:
            self._around = self._of_fixture(report, error)

    def stopped(self, why: str) -> None:
        """The run ended in the middle of this test."""
        if self._call is None or self._call[0] is not Verdict.FAIL:  # a FAIL stays one, however its teardown ended
            self._call = Verdict.INCONCLUSIVE, why, None
        self.broke_off = True

    def outcome(self) -> Outcome:
        """(verdict, sentence, blame) of the whole test. A test whose call was never seen did not run."""
        if self._call and self._call[0] is Verdict.FAIL:
            return self._call
        return self._around or self._call or (Verdict.NOT_RUN, "the test was never called", None)

    def _of_call(self, report: pytest.TestReport, error: BaseException | None) -> Outcome:
        if hasattr(report, "wasxfail"):
            return Verdict.INCONCLUSIVE, f"marked xfail, which certifies nothing: {report.wasxfail}", "suite"
        if report.passed:
            missed = self.missed_all_the_same
            return Verdict.PASS, f"passed, though it missed {missed}" if missed else "passed", None
        if report.skipped:
            return Verdict.NOT_RUN, f"skipped: {_skip_reason(report)}", None
        if error is None:
            return Verdict.INCONCLUSIVE, _one_line(report.longreprtext), "suite"
        return self._of_error(error)

    def _of_fixture(self, report: pytest.TestReport, error: BaseException | None) -> Outcome:
        if report.skipped:
            return Verdict.NOT_RUN, f"not run: {_skip_reason(report)}", None
        verdict, sentence, blame = self._of_error(error) if error else (Verdict.INCONCLUSIVE, report.longreprtext, None)
        if verdict is Verdict.FAIL:  # an assertion outside of the test's call is no statement on the release
            verdict, blame = Verdict.INCONCLUSIVE, "suite"
        return verdict, f"{report.when}: {sentence}" if blame != "lab" else sentence, blame

    def _of_error(self, error: BaseException) -> Outcome:
        if isinstance(error, CriterionFailed):
            return Verdict.FAIL, str(error), "release"
        if isinstance(error, NfvcertError):
            return Verdict.NOT_RUN if isinstance(error, NotRun) else Verdict.INCONCLUSIVE, error.sentence, error.blame
        place = _place(error.__traceback__)
        if is_of_the_cloud(error):
            # The cloud refused, failed or was silent, and the test did not expect it: as an ApiFault says.
            return (
                Verdict.FAIL,
                f"{_one_line(str(error)) or type(error).__name__}{f' ({_at(place)})' if place else ''}",
                "release",
            )
        if isinstance(error, pytest.fail.Exception):
            # pytest-timeout ends a test this way too, and a hang says nothing about the release.
            if "pytest-timeout" in str(error):
                return Verdict.INCONCLUSIVE, _one_line(str(error)), "suite"
            if not self._passed_through_suite(error):  # pytest itself gives up on the test, such as on `async def`
                return Verdict.INCONCLUSIVE, _one_line(str(error)), "suite"
            return Verdict.FAIL, _one_line(str(error)), "release"
        if isinstance(error, AssertionError) and place and Path(place[0]) == self._suite_file:
            return Verdict.FAIL, f"{_one_line(str(error)) or 'assertion failed'} ({_at(place)})", "release"
        blame: Blame = "suite" if place and "nfvcert" not in Path(place[0]).parts else "nfvcert"
        return (
            Verdict.INCONCLUSIVE,
            f"{type(error).__name__}: {_one_line(str(error))}{f' ({_at(place)})' if place else ''}",
            blame,
        )

    def _passed_through_suite(self, error: BaseException) -> bool:
        traceback = error.__traceback__
        while traceback is not None:
            if Path(traceback.tb_frame.f_code.co_filename) == self._suite_file:
                return True
            traceback = traceback.tb_next
        return False

    @property
    def wall(self) -> str:
        """Why the stream cannot go on: the lab broke, or is not as the tests found it. Empty when it can."""
        if isinstance(self.error, LabError) and self.error.ends_stream:
            return self.error.sentence
        return self._left_unclean

    @property
    def storage_error(self) -> StorageError | None:
        """The error after which nothing can be kept, if there was one."""
        return self.error if isinstance(self.error, StorageError) else None


def all_of(error: BaseException) -> tuple[BaseException, ...]:
    """An error, or those of a group as they came: pytest raises one, the last first, where a teardown fails twice."""
    if isinstance(error, BaseExceptionGroup):
        return tuple(each for member in reversed(error.exceptions) for each in all_of(member))
    return (error,)


def _gravest(error: BaseException | None) -> BaseException | None:
    """The one of a group that ends most; where they end equally much, the first."""
    return None if error is None else max(all_of(error), key=_ends)


def _ends(error: BaseException) -> int:
    """How much an error ends: the run, the stream, the test."""
    if isinstance(error, StorageError):
        return 2
    return int(isinstance(error, Hung) or (isinstance(error, LabError) and error.ends_stream))


def is_of_the_cloud(error: BaseException) -> bool:
    """Whether openstacksdk raised it: known by its name, so that nobody loads that library for it."""
    return type(error).__module__.startswith(("openstack.exceptions", "keystoneauth1.exceptions"))


def _skip_reason(report: pytest.TestReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    return _one_line(reason.removeprefix("Skipped: "))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]


def _place(traceback: TracebackType | None) -> tuple[str, int] | None:
    """File and line where an error was raised."""
    place = None
    while traceback is not None:
        place = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next
    return place


def _at(place: tuple[str, int]) -> str:
    return f"{Path(place[0]).name}:{place[1]}"
