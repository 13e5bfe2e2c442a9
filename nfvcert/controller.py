"""The parallel run: workers get the tests that the dispatcher lets start, while their leases are held here.

One thread, one loop: dispatch, wait for messages, look after what must not wait (leases, hanging tests). A
worker that dies leaves its test INCONCLUSIVE; its lab is in an unknown state then, so an embedded lab is made
anew, and an existing one is not touched again in this run.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import wait
from types import FrameType
from typing import Any, Literal

import pytest

from nfvcert.archive import read_events, undisturbed
from nfvcert.attempts import Attempts, grace, time_limit
from nfvcert.collected import collected, opens_lab, stream_of
from nfvcert.errors import Blame, LabError, StorageError
from nfvcert.holding import Holdings, waiting_text
from nfvcert.judge import TestResult, Verdict
from nfvcert.lab import Lab
from nfvcert.record import TestFinished, TestStarted
from nfvcert.run import EXIT_INCONCLUSIVE, Run
from nfvcert.schedule import Dispatcher, Task
from nfvcert.streams import capacities_of, tasks_of
from nfvcert.workers import (
    FAREWELL_S,
    Exit,
    Finished,
    Idle,
    Message,
    Opened,
    Progressed,
    Reported,
    RunTest,
    Warned,
    Worker,
)

__all__ = ["Controller"]

TICK_S = 0.2
"""How often leases that somebody else has are asked for again."""
GRACES = 2
"""A test that hangs is broken off by its worker, and again after each grace; after so many the worker is killed."""
SECONDS_OF_OTHERS = 5.0
"""Expected of a test that belongs to no stream."""


@dataclass
class _Running:
    """A test in a worker."""

    item: pytest.Item
    index: int
    since: float
    """By the monotonic clock."""
    kill_at: float
    follower: int | None
    took: bool
    """Whether what it needs was taken for it; not so where it only tells that its stream is broken."""
    phase: Literal["setup", "call", "teardown"] = "setup"
    """As far as it has reported."""
    finished: TestFinished | None = None
    hung: bool = field(default=False)


class Controller:
    """Runs the tests of a session in at most so many workers."""

    def __init__(self, session: pytest.Session, run: Run, attempts: Attempts, holdings: Holdings, workers: int) -> None:
        self._session = session
        self._config = session.config
        self._run = run
        self._attempts = attempts
        self._holdings = holdings
        self._most = workers
        self._index = {item.nodeid: index for index, item in enumerate(session.items)}
        self._dispatcher = Dispatcher(self._tasks(), capacities_of(run.plans.values()))
        self._workers: dict[str, Worker] = {}
        self._running: dict[str, _Running] = {}
        self._forked = 0
        self._opened: set[str] = set()
        """Streams whose lab was opened in this run."""
        self._opening: dict[str, str] = {}
        """Stream → its lab, of streams whose first test opens the lab now: others of the lab wait."""
        self._dirty: dict[str, str] = {}
        """Lab → why it is in an unknown state; nothing starts there until it is made anew."""
        self._elsewhere: set[str] = set()
        """Resources that another run has, as of the last tick."""
        self._signals = 0
        """How often somebody has asked for the end."""
        self._stopping = False

    def run(self, meanwhile: Callable[[], None]) -> None:
        """Until every test has ended; ``meanwhile`` is done when the first of them run. Raises what ends it early."""
        with self._interruptible():
            try:
                self._dispatch()
                meanwhile()
                while self._dispatcher.unfinished or self._dirty:
                    if not self._ends_early:
                        self._dispatch()
                    self._listen(TICK_S)
                    self._look_after()
                    if self._run.storage is not None:
                        self._full(self._run.storage.sentence)
                    if not self._running:
                        self._end_early()
            except StorageError as error:
                self._stop(f"nothing more can be kept: {error.sentence}")
                self._full(error.sentence)
            except BaseException as error:
                self._run.interrupted |= not isinstance(error, pytest.Session.Failed)
                self._stop(str(error) or "Ctrl-C")
                raise
            self._stop()

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Only the first signal is an exception: the later ones must not keep us from ending the workers."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(signum: int, frame: FrameType | None) -> None:
            del frame
            self._signals += 1
            if self._signals == 1 and not self._stopping:
                name = signal.Signals(signum).name
                raise KeyboardInterrupt("Ctrl-C" if name == "SIGINT" else f"signal {name}")

        wanted = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) != signal.SIG_IGN]
        before = {each: signal.signal(each, interrupt) for each in wanted}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _full(self, why: str) -> None:
        """End the session, since results cannot be kept."""
        self._run.storage = self._run.storage or StorageError(why)
        pytest.exit(f"nothing more can be kept: {why}", returncode=EXIT_INCONCLUSIVE)

    @property
    def _ends_early(self) -> bool:
        """Whether nothing more is to be begun (-x, --maxfail); what runs then comes to its end."""
        return bool(self._session.shouldfail or self._session.shouldstop)

    def _end_early(self) -> None:
        """As pytest's own loop does after each test."""
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    # ── starting tests ──

    def _tasks(self) -> list[Task]:
        """The plans' tests that pytest selected, and tests of no stream."""
        tasks = [task for task in tasks_of(self._run.plans.values()) if task.name in self._index]
        others = [item for item in self._session.items if stream_of(item) is None]
        return tasks + [Task(item.nodeid, "", (), SECONDS_OF_OTHERS) for item in others]

    def _dispatch(self) -> None:
        while True:
            self._dispatcher.bar({*self._elsewhere, *self._opening.values(), *self._dirty})
            found = self._dispatcher.next()
            if found is None:
                if not self._hire():
                    return
                continue
            name, task = found
            worker = self._workers[name]
            plan = self._run.plans.get(task.stream)
            if plan and task.stream not in self._run.broken:
                obstacle = self._take(plan.lab, task)
                if obstacle:
                    self._dispatcher.undo(name)
                    self._elsewhere.add(obstacle)
                    continue
            self._start(worker, task, took=plan is not None and task.stream not in self._run.broken)

    def _take(self, lab: Lab, task: Task) -> str:
        try:
            obstacle = self._holdings.take(lab, task.needs)
        except LabError as error:
            self._break([task.stream], error.sentence)
            return ""
        if obstacle:
            self._run.console.waits(
                task.stream, obstacle, waiting_text(lab, obstacle, self._holdings.waiting[obstacle])
            )
        return obstacle

    def _hire(self) -> bool:
        """One more worker, if there may be one and it would have something to do."""
        if len(self._workers) >= self._most or not self._dispatcher.wants_worker:
            return False
        name = f"gw{self._forked}"
        self._forked += 1
        self._workers[name] = Worker.fork(name, self._session, self._run, self._attempts, self._workers.values())
        self._dispatcher.hire(name)
        return True

    def _start(self, worker: Worker, task: Task, *, took: bool) -> None:
        index = self._index[task.name]
        item = self._session.items[index]
        plan = self._run.plans.get(task.stream)
        first = plan is not None and task.stream not in self._opened
        if plan:
            self._opened.add(task.stream)
            if first and opens_lab(item) and task.stream not in self._run.broken:
                self._opening[task.stream] = plan.lab.lab
            worker.lab = plan.lab.lab
        follower = self._dispatcher.follower(worker.name)
        limit = time_limit(self._run, item, task.stream) if plan else float("inf")
        now = time.monotonic()
        kill_at = now + limit + GRACES * grace(limit)
        running = _Running(item, index, now, kill_at, self._index[follower.name] if follower else None, took)
        self._running[worker.name] = running
        self._run.console.started(task.stream, task.name, worker.name)
        in_use = plan is not None and any(
            each.lab == plan.lab.lab for each in self._workers.values() if each is not worker
        )
        worker.send(RunTest(index, running.follower, first, in_use, self._run.broken.get(task.stream, "")))

    # ── hearing from workers ──

    def _listen(self, seconds: float) -> None:
        if not self._workers:
            time.sleep(seconds)  # all that is left waits for somebody else's lease
            return
        ready = wait([each for worker in self._workers.values() for each in (worker.connection, worker.end)], seconds)
        for worker in list(self._workers.values()):
            if worker.connection in ready or worker.end in ready:
                for message in worker.received():
                    if message is None:
                        with undisturbed():  # half of it done, nothing would be known of the worker or of its test
                            self._gone(worker)
                    else:
                        self._heard(worker, message)

    def _heard(self, worker: Worker, message: Message) -> None:
        match message:
            case Reported():
                report = self._config.hook.pytest_report_from_serializable(config=self._config, data=message.report)
                if worker.name in self._running:
                    self._running[worker.name].phase = (
                        "call" if report.when == "setup" and report.passed else "teardown"
                    )
                self._log(report)
            case Opened():
                self._is_open(message)
            case Finished():
                self._running[worker.name].finished = message.event
                self._finished(message.event, message.wall)
            case Progressed():
                self._run.console.progress(message.done, message.total, message.what)
            case Warned():
                self._warn(message)
            case Idle():
                self._idle(worker)
                if message.stop:
                    self._session.shouldstop = message.stop
            case Exit():
                self._heard_of_end(worker, message)

    def _heard_of_end(self, worker: Worker, message: Exit) -> None:
        if message.storage:
            self._full(message.storage)
        if message.status is None and worker.stopping:
            last = message.reason.strip().splitlines()[-1]
            self._run.console.warn(f"worker {worker.name} could not tear down: {last}")
        elif message.status is None:
            raise RuntimeError(f"worker {worker.name}:\n{message.reason}")
        elif not worker.stopping:
            pytest.exit(message.reason, returncode=message.status)

    def _finished(self, event: TestFinished, wall: str) -> None:
        if wall:
            self._break([event.stream], wall)
        self._run.console.finished(self._run.plans[event.stream], event.result)

    def _idle(self, worker: Worker) -> None:
        running = self._running.pop(worker.name)
        task = self._dispatcher.finish(worker.name)
        if running.follower is None:
            worker.lab = ""
        self._ended(task, took=running.took)

    def _ended(self, task: Task, *, took: bool) -> None:
        """A test is over, one way or the other: what it had is free."""
        plan = self._run.plans.get(task.stream)
        if plan is None:
            return
        self._opening.pop(task.stream, None)
        if took:
            self._ensure_held(plan.lab, task.stream)
            self._holdings.give_back(plan.lab, task.needs)
        if plan.lab.lab not in self._dirty:
            self._done_with_unless_needed(plan.lab)

    def _ensure_held(self, lab: Lab, stream: str) -> None:
        """What a test saw counts only if the lab was this run's until its end."""
        if lab.lab in self._lost_labs(now=True):
            self._run.trouble(f"lab {lab.lab}", self._run.broken[stream], "lab", stream=stream)

    def _lost_labs(self, *, now: bool = False) -> tuple[str, ...]:
        """Break the streams of labs whose lease was lost, and whatever runs there."""
        lost = self._holdings.lost(now=now)
        for lab in lost:
            why = f"the lease of lab {lab} was lost: others may be testing there"
            self._break(self._run.streams_in(lab), why)
            for worker in self._workers.values():
                if worker.lab == lab and not worker.stopping:
                    worker.interrupt(why)
        return lost

    def _done_with_unless_needed(self, lab: Lab) -> None:
        if not any(self._dispatcher.unfinished_of(stream) for stream in self._run.streams_in(lab.lab)):
            self._done_with(lab)

    def _done_with(self, lab: Lab) -> None:
        self._run.look_again(lab)
        try:
            self._holdings.done_with(lab)
        except LabError as error:
            self._run.trouble(f"lab {lab.lab}", error.sentence, error.blame, stream=self._run.streams_in(lab.lab)[0])

    def _is_open(self, message: Opened) -> None:
        if message.made:
            self._holdings.made(self._run.plans[message.stream].lab)
        if message.usable:  # else nobody else may begin there before its end has told why
            self._opening.pop(message.stream, None)
            self._run.seen.add(message.stream)

    def _break(self, streams: Iterable[str], why: str) -> None:
        for stream in streams:
            self._run.broken.setdefault(stream, why)

    # ── what must not wait ──

    def _look_after(self) -> None:
        self._elsewhere = self._holdings.wanted()  # all others are asked for again
        self._lost_labs()
        now = time.monotonic()
        for name, running in self._running.items():
            if now > running.kill_at and not running.hung:
                running.hung = True
                self._workers[name].kill()
        for lab in list(self._dirty):
            self._clean(lab)
        self._run.console.tick()

    def _clean(self, lab: str) -> None:
        """Make a lab anew after a worker died in it, once no other worker has it open."""
        why = self._dirty[lab]
        for worker in [worker for worker in self._workers.values() if worker.lab == lab]:
            if worker.name not in self._running and not worker.stopping:
                worker.stop()
        if any(worker.lab == lab for worker in self._workers.values()):
            return
        streams = self._run.streams_in(lab)
        declared = self._run.plans[streams[0]].lab
        if declared.provider == "existing":
            self._break(streams, f"{why}; lab {lab} may not be as it was: look at it, then resume the run")
        else:
            try:
                self._holdings.take_down(declared)
            except LabError as error:
                self._break(streams, f"{why}, and the lab cannot be made anew: {error.sentence}")
            self._opened -= set(streams)
            self._run.seen -= set(streams)
        del self._dirty[lab]
        self._done_with_unless_needed(declared)

    # ── workers that are gone ──

    def _gone(self, worker: Worker) -> None:
        how = worker.reap()
        del self._workers[worker.name]
        running = self._running.pop(worker.name, None)
        task = self._dispatcher.lose(worker.name)
        if worker.lab and (not worker.stopping or not how.endswith("status 0")):
            self._soil(worker.lab, f"worker {worker.name} {how} in {running.item.name if running else 'between tests'}")
        if running is None or task is None:
            if not worker.stopping:
                self._run.console.warn(f"worker {worker.name} {how} between two tests")
            return
        if running.hung:
            how = f"hung, did not tear down, and {how}"
        if running.finished is None and not (task.stream and self._told_on_disk(running, task)):
            self._lost(running, task, f"worker {worker.name} {how}", worker.name)
        self._ended(task, took=running.took)

    def _soil(self, lab: str, why: str) -> None:
        """From now on a lab is in an unknown state; an embedded one may be up, whatever was told."""
        if lab not in self._dirty:
            self._dirty[lab] = why
            self._holdings.made(self._run.plans[self._run.streams_in(lab)[0]].lab)

    def _told_on_disk(self, running: _Running, task: Task) -> bool:
        """Whether the worker had put the result on disk and was gone before it could tell."""
        last: TestStarted | TestFinished | None = None
        for event in read_events(self._run.archive.folder):
            if (isinstance(event, TestStarted) and event.test == task.name) or (
                isinstance(event, TestFinished) and event.result.test == task.name
            ):
                last = event
        if not isinstance(last, TestFinished):
            return False
        running.finished = last
        self._finished(last, "")
        return True

    def _lost(self, running: _Running, task: Task, how: str, worker: str) -> None:
        item = running.item
        where = {"setup": "set-up", "call": "call", "teardown": "teardown"}[running.phase]
        if task.stream:
            self._keep_lost(running, task.stream, f"{item.nodeid}: {how} in its {where}", worker)
        self._log(pytest.TestReport(item.nodeid, item.location, {}, "failed", f"{how}\n", running.phase))
        if running.phase != "teardown":  # reporters count a test when it is torn down
            self._log(pytest.TestReport(item.nodeid, item.location, {}, "passed", None, "teardown"))

    def _keep_lost(self, running: _Running, stream: str, sentence: str, worker: str) -> None:
        item = running.item
        blame: Blame = "suite" if running.hung else "lab"
        began = datetime.fromtimestamp(time.time() - (time.monotonic() - running.since), UTC)
        result = TestResult(
            test=item.nodeid,
            title=collected(item).title,
            verdict=Verdict.INCONCLUSIVE,
            sentence=sentence,
            blame=blame,
            started=began.isoformat(timespec="milliseconds"),
            seconds=round(time.monotonic() - running.since, 3),
            worker=worker,
            broke_off=True,
        )
        event = TestFinished(stream=stream, result=result)
        self._run.keep_result(event)
        self._finished(event, "")

    # ── the end ──

    def _stop(self, interrupt: str = "") -> None:
        """Let every worker tear down and end, and hear what they still have to say; ``interrupt`` says why so early."""
        self._stopping = True
        busy = len(self._running)
        if interrupt and busy:
            self._run.console.warn(f"stopping: {busy} tests are broken off and torn down (again: kill them)")
        heard = min(self._signals, 1)
        for worker in self._workers.values():
            if interrupt:
                worker.interrupt(interrupt.splitlines()[0])
            else:
                worker.stop()
        end = time.monotonic() + FAREWELL_S
        while self._workers and time.monotonic() < end and self._signals == heard:
            self._listen_to_the_last()
        for worker in list(self._workers.values()):
            worker.kill()
            self._gone(worker)

    def _listen_to_the_last(self) -> None:
        try:
            self._listen(TICK_S)
        except (pytest.exit.Exception, RuntimeError, StorageError) as error:
            self._run.console.warn(str(error))
        self._holdings.lost()

    # ── pytest's own bookkeeping ──

    def _log(self, report: Any) -> None:
        index = self._index.get(report.nodeid)
        hook = self._session.items[index].ihook if index is not None else self._config.hook
        hook.pytest_runtest_logreport(report=report)

    def _warn(self, message: Warned) -> None:
        text = message.text if message.category == "UserWarning" else f"{message.category}: {message.text}"
        self._config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": warnings.WarningMessage(
                    UserWarning(text), UserWarning, message.file, message.line, source=None
                ),
                "when": message.when,
                "nodeid": message.nodeid,
                "location": None,
            }
        )
