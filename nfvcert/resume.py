"""Going on with a run that ended before its time: what it has, what is missing, whether it is still the same run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from nfvcert.archive import Archive, find_run, read_record
from nfvcert.console import Console
from nfvcert.errors import NfvcertError, UsageError
from nfvcert.judge import TestResult, Verdict
from nfvcert.record import Record, StreamPlan

__all__ = ["Resumed", "arguments_of"]


class Resumed:
    """A run that was found on disk."""

    def __init__(self, record: Record) -> None:
        self._record = record
        destructive = {test.test for stream in record.streams for test in stream.plan.planned if test.destructive}
        results = [result for stream in record.streams for result in stream.tests]
        self.once_only = frozenset(result.test for result in results if result.broke_off and result.test in destructive)
        """Destructive tests that began and did not get to their end: never begun again by themselves."""
        self.done = frozenset(result.test for result in results if _has_its_end(result)) | self.once_only

    @property
    def ended(self) -> bool:
        """Whether it came to its end by itself."""
        return self._record.finished is not None and not self._record.interrupted

    @property
    def part(self) -> int:
        """The number of the part that begins now; 2 when it is resumed for the first time."""
        return len(self._record.resumptions) + 2

    @classmethod
    def of(cls, archive: Archive) -> Resumed:
        """Raises UsageError for a run without a plan, FileError for one that cannot be read."""
        record = read_record(archive.folder)
        if not record.streams:
            raise UsageError(f"run {archive.run} had planned nothing: start it anew")
        return cls(record)

    def check(self, plans: Mapping[str, StreamPlan], suites: str) -> None:
        """Raises UsageError when what would be run now is not what the run was planned to be."""
        before = {stream.plan.stream: stream.plan for stream in self._record.streams}
        began_with, now = self._record.run.nfvcert, version("nfvcert")
        changed = [] if began_with == now else [f"it began with nfvcert {began_with}, and this is {now}"]
        if suites != self._record.run.suites_sha256:
            changed.append("the suites have changed")
        for name in sorted(before.keys() | plans.keys()):
            old, new = before.get(name), plans.get(name)
            if old is None or new is None:
                changed.append(f"stream {name} {'is new' if old is None else 'is not selected'}")
                continue
            changed += [
                f"the {what.replace('_', ' ')} of stream {name} has changed"
                for what in ("inventory", "model", "model_base", "unit", "catalogue")
                if getattr(old, f"{what}_sha256") != getattr(new, f"{what}_sha256")
            ]
            if old.waivers != new.waivers:
                changed.append(f"the waivers of stream {name} have changed, or one has expired")
            if old.kpis != new.kpis:
                changed.append(f"the KPI catalogue has changed for stream {name}")
            if {test.test for test in old.planned} != {test.test for test in new.planned}:
                changed.append(f"stream {name} would have other tests")
        if changed:
            raise UsageError(
                f"run {self._record.run.run} cannot go on: {'; '.join(changed)}",
                hint="two parts that differ would make one report that is true of neither: start a new run",
            )

    def compared_as_before(self, plans: Mapping[str, StreamPlan]) -> dict[str, StreamPlan]:
        """The plans, compared with what the first part was: a run that was accepted meanwhile changes no verdict."""
        before = {stream.plan.stream: stream.plan.history for stream in self._record.streams}
        return {name: plan.model_copy(update={"history": before[name]}) for name, plan in plans.items()}

    def show(self, console: Console, chosen: set[str]) -> None:
        """Say what is there and what is missing."""
        planned = {test.test for stream in self._record.streams for test in stream.plan.planned}
        console.say(
            f"resumed: {len(planned & self.done)} of {len(planned)} tests have their result, {len(chosen)} are run now"
        )
        for test in sorted(self.once_only):
            console.warn(f"{test} is destructive and had begun: it is not begun again")


def _has_its_end(result: TestResult) -> bool:
    return result.verdict is not Verdict.NOT_RUN and not result.broke_off


def arguments_of(early_config: pytest.Config) -> list[str]:
    """The arguments with which the run was begun that the command line asks to resume.

    Early, before pytest has parsed its own. Raises pytest.UsageError.
    """
    named = early_config.known_args_namespace
    reports = Path(early_config.rootpath, named.reports or early_config.getini("nfvcert_reports"))
    try:
        record = read_record(find_run(named.resume, reports))
    except NfvcertError as error:
        raise pytest.UsageError(str(error)) from error
    return list(record.run.arguments)
