"""What a run tells people while it goes.

One stream: a line a test, with what is left, and the remaining time of a long one. Several streams, or
workers, on a terminal: a line a stream, redrawn in place (`render.live`); above it, what went wrong.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nfvcert.history import History
from nfvcert.judge import TestResult, Verdict
from nfvcert.record import Event, StreamPlan, TestFinished, TestStarted
from nfvcert.render.words import counted, scope_line
from nfvcert.status import RunStatus
from nfvcert.streams import RunPlan, remaining_seconds

if TYPE_CHECKING:
    from nfvcert.render.live import LiveView

__all__ = ["Console", "shown"]

LEFT_OUT_MAX = 3
"""Runs that are left out of a history, and are named before they are counted."""
COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow", Verdict.NOT_RUN: "yellow"}


WAITING_TOLD_S = 60.0


class Console:
    """Writes through pytest's terminal reporter, past its capture of output."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._status = RunStatus()
        self._live: LiveView | None = None
        self._done: dict[str, set[str]] = {}
        self._waits: dict[str, tuple[str, float]] = {}
        """Stream → what it waits for, and when that was said."""
        self._progress_told = 0.0
        self._progress_shown = False
        self._said = ""

    def take_over(self) -> None:
        """From now on a line a test comes from here, instead of pytest's file names and dots."""
        reporter = self._reporter()
        if reporter is not None and self._config.option.verbose <= 0:
            reporter.showfspath = False

    def take(self, event: Event) -> None:
        """Learn what happened, of any event that this process hears of."""
        self._status.take(event)

    def planned(self, run: RunPlan, plans: Mapping[str, StreamPlan], chosen: set[str], done: Collection[str]) -> None:
        """Before the first test: what will be done and how long it may take."""
        for plan in plans.values():
            applying = sum(criterion.applies for criterion in plan.criteria)
            criteria = "1 criterion" if applying == 1 else f"{applying} criteria"
            self._line(
                f"{plan.stream}: {counted(len(plan.planned), 'test')} and {criteria}, "
                f"test model {plan.model} ({plan.profile}), done in about {_minutes(run.ends[plan.stream])}"
            )
            if told := scope_line(plan):
                self._line(f"{plan.stream}: {told}")
            if plan.history is not None:
                self._tell_history(plan.stream, plan.history)
            by_hand = sum(test.test not in chosen and test.test not in done for test in plan.planned)
            if by_hand:
                self.warn(f"{plan.stream}: {by_hand} planned tests are deselected: it cannot be ACCEPTED")
            self._done[plan.stream] = {test.test for test in plan.planned if test.test in done}
        if len(plans) > 1:
            self._line(
                f"{len(plans)} streams in about {_minutes(run.seconds)}; no order could need less than "
                f"{_minutes(run.bound_seconds)} ({run.bound_why})"
            )
        for late in run.late:
            self.warn(
                f"{late.stream}: expected at {late.expected}, "
                f"{_minutes(late.seconds)} after its deadline {late.deadline}"
            )
        self._begin_live(len(plans))

    def _tell_history(self, stream: str, history: History) -> None:
        compared = counted(history.accepted, "accepted record")
        self._line(f"{stream}: criteria compare with {compared} of this lab in {history.folder}")
        for each in history.left_out[:LEFT_OUT_MAX]:
            self.warn(f"{stream}: {history.folder}/{each.folder} is left out: {each.why}")
        if (rest := len(history.left_out) - LEFT_OUT_MAX) > 0:
            self.warn(f"{stream}: and {rest} more of {history.folder} are left out: the report names them")

    def say(self, sentence: str) -> None:
        """Something that people should know."""
        self._line(sentence)

    def warn(self, sentence: str) -> None:
        """Something that people should know before they wait for the end."""
        self._line(sentence, "yellow")

    def started(self, stream: str, test: str, worker: str) -> None:
        """A test of a stream begins."""
        self._waits.pop(stream, None)
        if stream:
            self._status.waits_for(stream, "")
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._status.take(TestStarted(stream=stream, test=test, at=now, worker=worker))
        self.tick()

    def waits(self, stream: str, what: str, sentence: str) -> None:
        """A stream cannot go on, and why. Said once a minute, until it has gone on."""
        now = time.monotonic()
        before, said = self._waits.get(stream, ("", 0.0))
        if before != what or now - said > WAITING_TOLD_S:
            self._waits[stream] = what, now
            self._line(f"{stream}: {sentence}", "yellow")
        self._status.waits_for(stream, what)
        self.tick()

    def tick(self) -> None:
        """Time has passed."""
        if self._live is not None:
            self._past_capture(self._live)

    def finished(self, plan: StreamPlan, result: TestResult) -> None:
        """After a test: its verdict, and what is left."""
        self._status.take(TestFinished(stream=plan.stream, result=result))
        done = self._done.setdefault(plan.stream, set())
        done.add(result.test)
        left = remaining_seconds(plan.planned, done)
        count = sum(test.test in done for test in plan.planned)
        short = result.test.rsplit("/", 1)[-1]
        then = f"{_minutes(left)} left" if count < len(plan.planned) else "done"
        colour = COLOURS[result.verdict]
        if not (self._redraws and result.verdict is Verdict.PASS):
            self._line(
                f"{result.verdict:<12} {short:<62} {result.seconds:5.1f} s  {count}/{len(plan.planned)}, {then}", colour
            )
        if result.verdict is not Verdict.PASS and result.sentence != self._said:
            self._line(f"             {result.sentence}", colour)
            self._said = result.sentence
        self.tick()

    def progress(self, done: float, total: float, what: str) -> None:
        """During a long test (the `progress` fixture): at most once a second in place, every ten seconds elsewhere."""
        if self._live is not None:
            self.tick()
            return
        reporter = self._reporter()
        in_place = bool(reporter and reporter.isatty)
        now = time.monotonic()
        if now - self._progress_told < (1.0 if in_place else 10.0):
            return
        self._progress_told = now
        text = f"  {what}: {done:.0f} of {total:.0f} s, {max(0.0, total - done):.0f} s left"
        self._write(f"\r{text:<78}" if in_place else f"{text}\n")
        self._progress_shown = in_place

    def close(self) -> None:
        """The last test is over: what was redrawn stays as it is."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    # ── within ──

    def _begin_live(self, streams: int) -> None:
        reporter = self._reporter()
        if streams < 2 or reporter is None or self._config.option.verbose != 0:
            return
        from nfvcert.render.live import LiveView

        writer = reporter._tw  # noqa: SLF001 - pytest offers its file nowhere else
        self._live = LiveView(writer._file, colour=writer.hasmarkup)  # noqa: SLF001 - as above
        self._live.start()

    @property
    def _redraws(self) -> bool:
        return self._live is not None and self._live.in_place

    def _past_capture(self, live: LiveView) -> None:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            live.update(self._status, datetime.now().astimezone())

    def _line(self, line: str, colour: str = "") -> None:
        if self._live is not None and self._live.in_place:
            capture = self._config.pluginmanager.getplugin("capturemanager")
            with capture.global_and_fixture_disabled():
                self._live.print(line, colour)
            return
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
