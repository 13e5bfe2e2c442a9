"""What a run tells people while it goes: a line a test, with what is left, and the remaining time of a long one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nfvcert.judge import TestResult, Verdict
from nfvcert.record import StreamPlan
from nfvcert.streams import remaining_seconds

__all__ = ["Console", "shown"]

COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow", Verdict.NOT_RUN: "yellow"}


class Console:
    """Writes through pytest's terminal reporter, past its capture of output."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._done: dict[str, set[str]] = {}
        self._progress_told = 0.0
        self._progress_shown = False
        self._said = ""

    def take_over(self) -> None:
        """From now on a line a test comes from here, instead of pytest's file names and dots."""
        reporter = self._reporter()
        if reporter is not None and self._config.option.verbose <= 0:
            reporter.showfspath = False

    def planned(self, plan: StreamPlan, chosen: set[str]) -> None:
        """Before the first test: what will be done and how long it may take."""
        seconds = remaining_seconds(plan.planned, set())
        self._line(
            f"{plan.stream}: {len(plan.planned)} tests and {len(plan.criteria)} criteria, "
            f"test model {plan.model} ({plan.profile}), about {_minutes(seconds)}"
        )
        by_hand = sum(test.test not in chosen for test in plan.planned)
        if by_hand:
            self._line(f"{plan.stream}: {by_hand} planned tests are deselected: it cannot be ACCEPTED", "yellow")

    def warn(self, sentence: str) -> None:
        """Something that people should know before they wait for the end."""
        self._line(sentence, "yellow")

    def finished(self, plan: StreamPlan, result: TestResult) -> None:
        """After a test: its verdict, and what is left."""
        done = self._done.setdefault(plan.stream, set())
        done.add(result.test)
        left = remaining_seconds(plan.planned, done)
        count = sum(test.test in done for test in plan.planned)
        short = result.test.rsplit("/", 1)[-1]
        then = f"{_minutes(left)} left" if count < len(plan.planned) else "done"
        colour = COLOURS[result.verdict]
        self._line(
            f"{result.verdict:<12} {short:<62} {result.seconds:5.1f} s  {count}/{len(plan.planned)}, {then}", colour
        )
        if result.verdict is not Verdict.PASS and result.sentence != self._said:
            self._line(f"             {result.sentence}", colour)
            self._said = result.sentence

    def progress(self, done: float, total: float, what: str) -> None:
        """During a long test (the `progress` fixture): at most once a second in place, every ten seconds elsewhere."""
        reporter = self._reporter()
        in_place = bool(reporter and reporter.isatty)
        now = time.monotonic()
        if now - self._progress_told < (1.0 if in_place else 10.0):
            return
        self._progress_told = now
        text = f"  {what}: {done:.0f} of {total:.0f} s, {max(0.0, total - done):.0f} s left"
        self._write(f"\r{text:<78}" if in_place else f"{text}\n")
        self._progress_shown = in_place

    def _line(self, line: str, colour: str = "") -> None:
        if self._progress_shown:
            self._write(f"\r{'':<78}\r")
            self._progress_shown = False
        self._write(line + "\n", **({colour: True} if colour else {}))

    def _write(self, text: str, **markup: bool) -> None:
        reporter = self._reporter()
        if reporter is None:
            return
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            reporter.write(text, flush=True, **markup)

    def _reporter(self) -> pytest.TerminalReporter | None:
        found: pytest.TerminalReporter | None = self._config.pluginmanager.getplugin("terminalreporter")
        return found


def shown(path: Path) -> str:
    """A path as a person at this prompt would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
