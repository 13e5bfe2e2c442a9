"""Workers: processes that run tests side by side, forked from pytest after it has collected.

A fork has everything that pytest has collected at no cost of time and little of memory, where a worker of
pytest-xdist starts an interpreter and collects anew. To plugins it looks like one of xdist's
(``config.workerinput``), so those that behave in its workers behave here.

The controller sends `RunTest` and `Stop`; a worker answers with what happens, ending with `Idle`.
Results are on disk before they are told, so that a controller that is killed loses none.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import random
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NoReturn

import pytest

from nfvcert.archive import undisturbed
from nfvcert.attempts import Attempts
from nfvcert.collected import stream_of
from nfvcert.record import TestFinished
from nfvcert.run import Run

__all__ = [
    "FAREWELL_S",
    "Exit",
    "Finished",
    "Idle",
    "Message",
    "Opened",
    "Progressed",
    "Reported",
    "RunTest",
    "Stop",
    "Warned",
    "Worker",
]

PR_SET_PDEATHSIG = 1
GOING_S = 5.0
"""A worker that closed its end of the pipe has so long to be gone."""
FAREWELL_S = 60.0
"""Workers have so long to tear down when the run is stopped."""


@dataclass(frozen=True)
class RunTest:
    """Run the item of this index."""

    index: int
    follower: int | None
    """The item that this worker runs next for certain: what both share stays set up."""
    first: bool
    """Whether the stream's lab has not been open in this run."""
    in_use: bool
    """Whether other workers have the lab open."""
    broken: str
    """Why the test is not to be run after all; empty: it is."""


@dataclass(frozen=True)
class Stop:
    """Tear down and end."""

    why: str = ""
    """What breaks off the test that runs."""


@dataclass(frozen=True)
class Opened:
    """A stream's lab was opened in the worker; whether it was made by that, and whether it may be used."""

    stream: str
    made: bool
    usable: bool


@dataclass(frozen=True)
class Reported:
    """A phase of a test, as pytest serialises it."""

    report: dict[str, Any]


@dataclass(frozen=True)
class Warned:
    """A warning was raised."""

    text: str
    category: str
    file: str
    line: int
    when: str
    nodeid: str


@dataclass(frozen=True)
class Progressed:
    """A long test tells how far it is."""

    done: float
    total: float
    what: str


@dataclass(frozen=True)
class Finished:
    """A test ended; its result is on disk. ``wall``: why the stream's others cannot be run."""

    event: TestFinished
    wall: str


@dataclass(frozen=True)
class Idle:
    """The test is torn down. ``stop``: why nothing more should run."""

    stop: str


@dataclass(frozen=True)
class Exit:
    """The worker cannot go on: the whole run must end."""

    reason: str
    status: int | None
    """None: pytest itself failed in the worker; ``reason`` is the traceback."""
    storage: str = ""
    """Why nothing more can be kept."""


Message = Opened | Reported | Warned | Progressed | Finished | Idle | Exit


class Worker:
    """The controller's end of a worker."""

    def __init__(self, name: str, pid: int, connection: Connection[Any, Any]) -> None:
        self.name = name
        self.pid = pid
        self.connection = connection
        self.end = os.pidfd_open(pid)
        """Readable when the process is gone, whoever else may have inherited its end of the pipe."""
        self.lab = ""
        """The lab that it has open."""
        self.stopping = False

    @classmethod
    def fork(cls, name: str, session: pytest.Session, run: Run, attempts: Attempts, others: Iterable[Worker]) -> Worker:
        """Make a worker of the process as it is now. ``others`` are those that were forked before."""
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        controller = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                for other in others:
                    other.connection.close()
                    os.close(other.end)
                _die_with(controller)
                _Serving(name, session, run, attempts, theirs, controller).serve()
            finally:
                os._exit(70)  # never back into the controller's code: serve() does not return
        theirs.close()
        return cls(name, pid, ours)

    def send(self, message: RunTest | Stop) -> None:
        """Tell the worker. One that is gone hears nothing, and shows so by its end."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def received(self) -> list[Message | None]:
        """What it has said so far; None at the end when it is gone."""
        found: list[Message | None] = []
        gone = bool(select.select([self.end], [], [], 0)[0])  # before the last look at what it has said
        try:
            while self.connection.poll():
                found.append(self.connection.recv())
        except (EOFError, OSError, pickle.UnpicklingError):  # also in the middle of a message
            gone = True
        return [*found, None] if gone else found

    def stop(self) -> None:
        """Let it tear down and end."""
        self.stopping = True
        self.send(Stop())

    def interrupt(self, why: str) -> None:
        """Let it break its test off, tear down and end."""
        self.stopping = True
        self.send(Stop(why))
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it at once, without teardown."""
        self._signal(signal.SIGKILL)

    def reap(self) -> str:
        """How it ended, in words; it must be gone, or going."""
        self.connection.close()
        if not select.select([self.end], [], [], GOING_S)[0]:
            self.kill()
        # What it has started and not ended is in its process group, whose number is taken until it is reaped.
        select.select([self.end], [], [])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.end)
        if os.WIFSIGNALED(status):
            return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"ended with status {os.waitstatus_to_exitcode(status)}"

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)  # our child, not reaped yet: the number cannot be another's


class _Serving:
    """The worker's end."""

    def __init__(
        self,
        name: str,
        session: pytest.Session,
        run: Run,
        attempts: Attempts,
        connection: Connection[Any, Any],
        controller: int,
    ) -> None:
        self._name = name
        self._session = session
        self._run = run
        self._attempts = attempts
        self._connection = connection
        self._controller = controller
        self._busy = False
        """Running a test: nobody waits for a message."""
        attempts.worker = name
        attempts.on_opened = lambda stream, made, usable: self._tell(Opened(stream, made, usable))
        attempts.on_closed = lambda _: None
        attempts.on_finished = self._finished
        attempts.on_progress = self._progressed
        session.config.workerinput = {"workerid": name, "testrunuid": run.archive.run}  # type: ignore[attr-defined]

    def serve(self) -> NoReturn:
        """Run tests until told to stop, or until the controller is gone."""
        status = 0
        try:
            self._settle_in()
            self._until_stopped()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # the controller is gone
        except KeyboardInterrupt as stopped:  # heeded only if it does not come from the controller
            self._tell_end(Exit(str(stopped) or "KeyboardInterrupt", int(pytest.ExitCode.INTERRUPTED)))
        except pytest.exit.Exception as stopped:
            storage = self._run.storage.sentence if self._run.storage else ""
            code = stopped.returncode if stopped.returncode is not None else int(pytest.ExitCode.INTERRUPTED)
            self._tell_end(Exit(stopped.msg, code, storage))
        except BaseException:  # noqa: BLE001 - whatever it is, the controller must be told before we end
            self._tell_end(Exit(traceback.format_exc(), None))
            status = 71
        self._last_minutes()
        try:
            self._session._setupstate.teardown_exact(None)  # noqa: SLF001 - what pytest's own runner does at the end
        except BaseException:  # noqa: BLE001 - as above
            self._tell_end(Exit(traceback.format_exc(), None))
            status = 72
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def _last_minutes(self) -> None:
        """Cleaning up is what signals ask for; but if it hangs, nobody may be left to end it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self._end_by_itself()

    def _end_by_itself(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.setitimer(signal.ITIMER_REAL, FAREWELL_S)

    def _settle_in(self) -> None:
        os.setpgid(0, 0)  # Ctrl-C is the controller's: it lets us finish what must be finished
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupted)
        random.seed()  # else every worker would draw the same numbers
        config = self._session.config
        self._run.archive.in_worker()
        temporary = getattr(config, "_tmp_path_factory", None)
        if temporary is not None:  # made by the controller: who makes it, empties it
            temporary._basetemp = temporary.getbasetemp() / f"popen-{self._name}"  # noqa: SLF001 - as pytest-xdist does
            temporary._basetemp.mkdir(mode=0o700)  # noqa: SLF001
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture is not None:  # the files that capture output are the controller's
            capture.stop_global_capturing()
            capture.start_global_capturing()
            capture.suspend_global_capture()
        for plugin in ("terminalreporter", "html"):
            found = config.pluginmanager.getplugin(plugin)
            if found is not None:
                config.pluginmanager.unregister(found)
        config.pluginmanager.register(self, "nfvcert-worker")

    def _until_stopped(self) -> None:
        items = self._session.items
        while isinstance(message := self._connection.recv(), RunTest):
            item = items[message.index]
            stream = stream_of(item)
            if stream is not None:
                if message.first:
                    self._attempts.opened.discard(stream)
                else:
                    self._attempts.opened.add(stream)
                self._attempts.in_use = message.in_use
                self._run.broken.pop(stream, None)
                if message.broken:
                    self._run.broken[stream] = message.broken
            follower = items[message.follower] if message.follower is not None else None
            self._busy = True
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=follower)
            self._busy = False
            stop = self._session.shouldfail or self._session.shouldstop
            self._tell(Idle(str(stop) if stop else ""))

    def _finished(self, event: TestFinished) -> None:
        self._tell(Finished(event, self._run.broken.get(event.stream, "")))

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The controller logs it, for the terminal, JUnit XML and the cache."""
        data = self._session.config.hook.pytest_report_to_serializable(config=self._session.config, report=report)
        try:
            self._tell(Reported(data))
        except (pickle.PicklingError, TypeError, AttributeError):  # a property that cannot travel: say what it was
            data["user_properties"] = [(str(name), repr(value)) for name, value in report.user_properties]
            self._tell(Reported(data))

    @pytest.hookimpl
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str, nodeid: str) -> None:
        """The controller shows them all."""
        self._tell(
            Warned(
                text=str(warning_message.message),
                category=warning_message.category.__name__,
                file=warning_message.filename,
                line=warning_message.lineno,
                when=when,
                nodeid=nodeid,
            )
        )

    def _progressed(self, done: float, total: float, what: str) -> None:
        self._tell(Progressed(done, total, what))

    def _interrupted(self, signum: int, frame: FrameType | None) -> None:
        """Break the test off, for the reason that the controller gives."""
        del frame
        why = f"signal {signal.Signals(signum).name}"
        if os.getppid() != self._controller:
            why = "the end of the process that controls the run"
            self._end_by_itself()  # a test may catch whatever is raised, and nobody is left to kill it
        elif self._busy and self._connection.poll():
            with contextlib.suppress(EOFError, ConnectionResetError):
                message = self._connection.recv()
                why = message.why if isinstance(message, Stop) else why
        raise KeyboardInterrupt(why)

    def _tell(self, message: Message) -> None:
        with undisturbed():
            self._connection.send(message)

    def _tell_end(self, message: Exit) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._tell(message)


def _die_with(controller: int) -> None:
    """Be told by SIGTERM, which breaks a test off and tears down, when the controller is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != controller:
        os._exit(73)
