"""Around each test: its lab, its evidence, its time limit, its verdict; its result on disk before the next begins.

The same hooks work in pytest's own process and in a worker. Verdicts come from `outcome` and `judge`.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Any, NoReturn

import pytest

from nfvcert.archive import Evidence
from nfvcert.claims import claims_of
from nfvcert.collected import collected, stream_of
from nfvcert.errors import CriterionFailed, Hung, NfvcertError, StorageError, SuiteError
from nfvcert.judge import Finding, TestResult, Verdict
from nfvcert.open_stream import OpenStream
from nfvcert.outcome import Phases, all_of, is_of_the_cloud
from nfvcert.record import TestFinished, TestStarted, Trouble
from nfvcert.recorder import KpiRecorder, Progress
from nfvcert.run import EXIT_INCONCLUSIVE, Run

__all__ = ["Attempts", "close_stream", "grace", "time_limit"]

PHASES: pytest.StashKey[Phases] = pytest.StashKey()
RECORDER: pytest.StashKey[KpiRecorder] = pytest.StashKey()
LIMIT: pytest.StashKey[_Limit] = pytest.StashKey()
LONGER = 5
"""A test may take so many times what it is expected to, and the time limit at least."""
GRACE_S = 60.0
"""A test that was broken off has so long to tear down, or as long as it had to run where that is less."""


class Attempts:
    """The plugin object that knows the test which runs now, and the stream that is open for it."""

    def __init__(self, run: Run, *, owner: int) -> None:
        self._run = run
        self._owner = owner
        """The process for which embedded labs are made."""
        self._open: OpenStream | None = None
        self._evidence: Evidence | None = None
        self.worker = ""
        self.opened: set[str] = set()
        """Streams whose lab was open before in this run: its fingerprint is taken."""
        self.in_use = False
        """Whether other workers are in the lab of this test: it must not be made anew below them."""
        self.on_opened: Callable[[str, bool, bool], None] = lambda *_: None
        """Told of the stream, whether its lab was made for it, and whether it may be used."""
        self.on_closed: Callable[[str], None] = lambda _: None
        self.on_progress: Progress = run.console.progress
        self.on_finished: Callable[[TestFinished], None] = lambda _: None

    def open(self, name: str) -> OpenStream:
        """Open a stream for its first test here. Raises LabError, after which the stream is broken."""
        opened = OpenStream(
            self._run.plans[name], self._run.keep, self.on_progress, self._owner, run=self._run.archive.run
        )
        opened.evidence = self._run.archive.evidence(f"{name}-preflight")
        first = name not in self.opened
        self.opened.add(name)
        usable = False
        try:
            opened.open(first=first, in_use=self.in_use)
            usable = True
        except BaseException:
            opened.close()
            raise
        finally:
            self.on_opened(name, opened.made_lab, usable)
        opened.evidence = self._evidence
        self._open = opened
        return opened

    def close(self, opened: OpenStream) -> None:
        """No test needs the stream here any more."""
        self._open = None
        opened.close()
        self.on_closed(opened.plan.stream)

    def recorder(self, item: pytest.Item, opened: OpenStream) -> KpiRecorder:
        """The KPI recorder of a test, one for all who ask during it."""
        if RECORDER not in item.stash:
            assert self._evidence is not None
            with_traffic = "trials" in getattr(item, "fixturenames", ())
            item.stash[RECORDER] = KpiRecorder(
                opened.plan,
                item.nodeid,
                collected(item).measures,
                self._run.keep,
                self._evidence,
                facts=lambda: self._run.archive.fingerprint(opened.plan.stream),
                generator=lambda: opened.generator if with_traffic else "",
            )
        return item.stash[RECORDER]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Around a whole test."""
        name = stream_of(item)
        if name is None:
            return (yield)
        begun = datetime.now(UTC), time.monotonic()
        item.stash[PHASES] = Phases(item.path)
        self._tell_start(name, item, begun[0])
        self._evidence = self._run.archive.evidence(item.nodeid)
        if self._open is not None:
            self._open.evidence = self._evidence
        try:
            with _limited(item, time_limit(self._run, item, name)):
                result = yield
        except (KeyboardInterrupt, pytest.exit.Exception) as stopped:
            self._run.interrupted = True
            item.stash[PHASES].stopped(f"{item.nodeid}: stopped in mid-test by {str(stopped) or 'Ctrl-C'}")
            self._finished(item, name, *begun)
            raise
        self._finished(item, name, *begun)
        if self._run.storage is not None:
            self._nothing_more()
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        """What a fixture claims is taken before the test starts, so it must be known by then."""
        item = request._pyfuncitem  # noqa: SLF001 - the request of a wider fixture tells its test nowhere else
        if (
            stream_of(item)
            and claims_of(fixturedef.func)
            and fixturedef.argname not in item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest tells it nowhere else
        ):
            raise SuiteError(
                f"{item.nodeid} gets {fixturedef.argname} by getfixturevalue, so what that claims was not taken: "
                "name it as an argument, or in usefixtures"
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """After the lab broke, the stream's other tests are not run into the same wall."""
        broken = self._run.broken.get(stream_of(item) or "")
        if broken is not None:
            pytest.skip(f"the lab is broken: {broken}")

    @pytest.hookimpl(specname="pytest_runtest_setup", wrapper=True, tryfirst=True)
    def may_be_broken_off(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """What hangs in set-up is broken off."""
        with _breakable(item):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """The test's own assertions come first, then the verdicts on what it measured."""
        with _breakable(item):
            result: Any = yield
        if stream_of(item):
            recorder = item.stash.get(RECORDER, None)
            if recorder is not None:
                item.stash[PHASES].missed_all_the_same = recorder.settle()
            elif declared := collected(item).measures:
                raise SuiteError(f"{item.nodeid} declares to measure {', '.join(declared)} and never asked for kpi")
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Whatever hangs here is broken off too."""
        with _breakable(item):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Remembers each phase, and shows an error of ours as its sentence."""
        report: Any = yield
        if PHASES in item.stash:
            error = call.excinfo.value if call.excinfo else None
            item.stash[PHASES].take(report, error)
            if report.when == "call" and item.stash[PHASES].outcome()[0] is Verdict.FAIL:
                # Before the teardown, in which the test may be stopped or killed: a FAIL that was seen is never lost.
                _, sentence, blame = item.stash[PHASES].outcome()
                finding = Finding(verdict=Verdict.FAIL, subject=item.nodeid, sentence=sentence, blame=blame)
                with contextlib.suppress(StorageError):  # a full disk is told of by the result
                    self._run.keep(Trouble(stream=stream_of(item), finding=finding))
            errors = all_of(error) if error else ()
            if errors and all(
                isinstance(each, NfvcertError | CriterionFailed) or is_of_the_cloud(each) for each in errors
            ):
                report.longrepr = "\n".join(map(str, errors))
        return report

    def _tell_start(self, stream: str, item: pytest.Item, at: datetime) -> None:
        try:
            self._run.keep(TestStarted(stream=stream, test=item.nodeid, at=_iso(at), worker=self.worker))
        except StorageError as error:
            self._run.storage = error
            self._nothing_more()

    def _nothing_more(self) -> NoReturn:
        assert self._run.storage is not None
        pytest.exit(f"nothing more can be kept: {self._run.storage.sentence}", returncode=EXIT_INCONCLUSIVE)

    def _finished(self, item: pytest.Item, name: str, started: datetime, clock: float) -> None:
        phases = item.stash[PHASES]
        verdict, sentence, blame = phases.outcome()
        hung = limit.hung if (limit := item.stash.get(LIMIT, None)) else ""
        if hung and verdict is Verdict.PASS:  # the suite swallowed the error, and went on with half of its work
            verdict, sentence, blame = Verdict.INCONCLUSIVE, hung, "suite"
        if phases.wall:
            self._run.broken.setdefault(name, phases.wall)
        self._run.storage = self._run.storage or phases.storage_error
        result = TestResult(
            test=item.nodeid,
            title=collected(item).title,
            verdict=verdict,
            sentence=sentence,
            blame=blame,
            started=_iso(started),
            seconds=round(time.monotonic() - clock, 3),
            evidence=str(self._evidence.path) if self._evidence and not self._evidence.is_empty else None,
            worker=self.worker,
            broke_off=phases.broke_off or bool(hung),
        )
        event = TestFinished(stream=name, result=result)
        self._run.keep_result(event)
        self.on_finished(event)


def close_stream(item: pytest.Item) -> None:
    """Tear down what was set up for the item's stream, whatever the next test is.

    Fixtures of session scope have pytest's own way only when another test asks for other parameters, or at the end.
    """
    info, request = getattr(item, "_fixtureinfo", None), getattr(item, "_request", None)
    for definition in reversed(info.name2fixturedefs.get("stream", ()) if info and request else ()):
        definition.finish(request)  # as pytest's own set-up does for other parameters


class _Limit:
    """Breaks a hanging test off with an error in its set-up, call or teardown, and never in pytest's own work."""

    def __init__(self, test: str, seconds: float) -> None:
        self._test = test
        self._seconds = seconds
        self.in_phase = False
        self.hung = ""
        """What was raised into the test, whether or not the test let it through."""

    def break_off(self, signum: int, frame: FrameType | None) -> None:
        """Comes again after each grace period: a teardown can hang too."""
        del signum, frame
        if self.in_phase:
            self.hung = f"{self._test}: it hung, and was broken off after {self._seconds:.0f} s"
            raise Hung(self.hung)


def time_limit(run: Run, item: pytest.Item, stream: str) -> float:
    """Seconds after which a test is taken to hang."""
    least = float(run.config.getini("nfvcert_time_limit"))
    plan = run.plans[stream]
    expected = next((each.expected_seconds for each in plan.planned if each.test == item.nodeid), 0.0)
    bound = collected(item).seconds_max_parameter
    allowed = float(getattr(plan.parameters, bound)) + least if bound else 0.0  # with set-up and what comes after
    return max(least, LONGER * expected, allowed, _limit_of_others(item))


def grace(limit: float) -> float:
    """Seconds that a test has for its teardown when it was broken off."""
    return min(limit, GRACE_S)


def _limit_of_others(item: pytest.Item) -> float:
    """The limit that pytest-timeout has for this test; 0 where it has none, or is not there."""
    marker = item.get_closest_marker("timeout")
    said = [*marker.args[:1], marker.kwargs.get("timeout")] if marker else []
    said.append(item.config.getoption("timeout", None))
    with contextlib.suppress(ValueError):  # no such setting: the plugin is not there
        said.append(item.config.getini("timeout"))
    for each in said:
        with contextlib.suppress(TypeError, ValueError):  # None, or a mistake that pytest-timeout tells of
            return float(each)
    return 0.0


@contextmanager
def _limited(item: pytest.Item, seconds: float) -> Iterator[None]:
    """Break a hanging test off, so that its teardown still runs.

    pytest-timeout does the same by the same signal: where it has a limit for this test, it is left to it.
    """
    if _limit_of_others(item) or threading.current_thread() is not threading.main_thread():
        yield
        return
    limit = item.stash[LIMIT] = _Limit(item.nodeid, seconds)
    before = signal.signal(signal.SIGALRM, limit.break_off)
    signal.setitimer(signal.ITIMER_REAL, seconds, grace(seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _breakable(item: pytest.Item) -> Iterator[None]:
    """Here the suite is at work, and may be broken off."""
    limit = item.stash.get(LIMIT, None)
    if limit is None:
        yield
        return
    limit.in_phase = True
    try:
        yield
    finally:
        limit.in_phase = False


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
