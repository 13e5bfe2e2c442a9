"""The serial run: pytest's own loop, with each test's leases held around it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from nfvcert.attempts import Attempts, close_stream
from nfvcert.claims import Need
from nfvcert.collected import stream_of
from nfvcert.errors import LabError
from nfvcert.holding import Holdings, waiting_text
from nfvcert.record import StreamPlan, TestFinished
from nfvcert.run import Run

__all__ = ["OneByOne"]

TICK_S = 0.2
"""How often a lease that somebody else has is asked for again."""
RENEW_S = 1.0
"""How often is looked whether a lease on a server must be renewed."""


class OneByOne:
    """The plugin object of a run without workers."""

    def __init__(self, session: pytest.Session, run: Run, attempts: Attempts, holdings: Holdings) -> None:
        self._run = run
        self._attempts = attempts
        self._holdings = holdings
        self._needs = {test.test: test.needs for plan in run.plans.values() for test in plan.planned}
        streams = [run.plans[stream] for item in session.items if (stream := stream_of(item)) in run.plans]
        self._left = Counter(plan.lab.lab for plan in streams)
        """Lab → tests that have not ended."""
        self._lock = threading.Lock()
        """Around what changes leases."""
        self._done = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="leases", daemon=True)
        if any(plan.lab.leases for plan in run.plans.values()):  # else the kernel keeps what this process has
            self._renewing.start()
        attempts.on_opened = self._opened
        attempts.on_finished = self._finished

    def _renew(self) -> None:
        """A lock server forgets a lease during a long test, unless it is renewed meanwhile."""
        while not self._done.wait(RENEW_S):
            with self._lock:
                self._holdings.renew()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tear down what a stopped run has left. An error, or Ctrl-C once more, must not keep it from its record."""
        self._done.set()
        if self._renewing.is_alive():
            self._renewing.join()
        while session._setupstate.stack:  # noqa: SLF001 - what pytest's own runner does next, and then finds done
            try:
                session._setupstate.teardown_exact(None)  # noqa: SLF001
            except BaseException as error:  # noqa: BLE001 - whatever a suite raises; each time less is left to do
                self._run.console.warn(f"not torn down: {str(error) or type(error).__name__}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Wait for what the test needs; give it back after it."""
        plan = self._run.plans.get(stream_of(item) or "")
        if plan is None:
            return (yield)
        needs = self._needs.get(item.nodeid, ())
        taken = self._taken(plan, needs)
        self._run.console.started(plan.stream, item.nodeid, "")
        try:
            return (yield)
        finally:
            if taken:
                with self._lock:
                    self._holdings.give_back(plan.lab, needs)
            if not self._left[plan.lab.lab]:
                self._done_with(plan)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """What was seen while others may have been in the lab says nothing."""
        stream = stream_of(item) or ""
        try:
            result: Any = yield
        except (Exception, pytest.fail.Exception):
            self._ensure_held(stream)
            raise
        self._ensure_held(stream)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """After a lab's last test, what was set up for it is torn down, so that others can have it at once."""
        plan = self._run.plans.get(stream_of(item) or "")
        if plan is None:
            return (yield)
        self._left[plan.lab.lab] -= 1
        try:
            return (yield)
        finally:
            if not self._left[plan.lab.lab]:
                close_stream(item)

    def _taken(self, plan: StreamPlan, needs: tuple[Need, ...]) -> bool:
        """Wait until all is there that a test needs; whether it is, or the stream is broken."""
        try:
            while not self._is_lost(plan.stream) and plan.stream not in self._run.broken:
                with self._lock:
                    obstacle = self._holdings.take(plan.lab, needs)
                if not obstacle:
                    return True
                self._run.console.waits(
                    plan.stream, obstacle, waiting_text(plan.lab, obstacle, self._holdings.waiting[obstacle])
                )
                time.sleep(TICK_S)
        except LabError as error:
            self._run.broken[plan.stream] = error.sentence
        return False

    def _ensure_held(self, stream: str) -> None:
        if self._is_lost(stream, now=True):
            raise LabError(self._run.broken[stream])

    def _is_lost(self, stream: str, *, now: bool = False) -> bool:
        """Break the streams whose lease was lost meanwhile; whether this one is among them."""
        lost = False
        with self._lock:
            labs = self._holdings.lost(now=now)
        for lab in labs:
            for each in self._run.streams_in(lab):
                self._run.broken[each] = f"the lease of lab {lab} was lost: others may be testing there"
                lost = lost or each == stream
        return lost

    def _opened(self, stream: str, made: bool, usable: bool) -> None:
        if made:
            self._holdings.made(self._run.plans[stream].lab)
        if usable:
            self._run.seen.add(stream)

    def _done_with(self, plan: StreamPlan) -> None:
        self._run.look_again(plan.lab)
        try:
            with self._lock:
                self._holdings.done_with(plan.lab)
        except LabError as error:
            self._run.trouble(f"lab {plan.lab.lab}", error.sentence, error.blame, stream=plan.stream)

    def _finished(self, event: TestFinished) -> None:
        self._run.console.finished(self._run.plans[event.stream], event.result)
