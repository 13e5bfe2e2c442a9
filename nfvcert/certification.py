"""A certification that goes on inside a pytest run: plan, open labs, gather verdicts, write the record.

It is registered as a plugin object only when ``--lab`` is given, and holds all state of the run.
Verdicts come from `outcome` and `judge`; here they are only put on disk and told.
"""

from __future__ import annotations

import signal
import sys
import threading
import types
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nfvcert.archive import JUNIT, RECORD, REPORT, Archive, Evidence, read_record
from nfvcert.console import Console, shown
from nfvcert.errors import (
    Blame,
    CriterionFailed,
    FileError,
    LabError,
    NfvcertError,
    StorageError,
    SuiteError,
    UsageError,
)
from nfvcert.judge import Decision, Finding, TestResult, Verdict
from nfvcert.open_stream import OpenStream
from nfvcert.outcome import Phases
from nfvcert.planning import DOMAINS, Inputs, collected, left_uncollected, make_plans, stream_of
from nfvcert.provenance import run_facts
from nfvcert.record import Event, Record, RunFinished, RunStarted, StreamPlan, StreamPlanned, TestFinished, Trouble
from nfvcert.recorder import KpiRecorder

__all__ = ["Certification"]

EXIT_INCONCLUSIVE = 10
"""Exit status of a run that neither accepts nor rejects; 0 accepted, 1 rejected, 2-5 are pytest's own."""
PHASES: pytest.StashKey[Phases] = pytest.StashKey()
RECORDER: pytest.StashKey[KpiRecorder] = pytest.StashKey()


class Certification:
    """The plugin object of a run with ``--lab``."""

    def __init__(self, config: pytest.Config, inputs: Inputs, reports: Path, archive: Archive | None) -> None:
        self._config = config
        self._inputs = inputs
        self._reports = reports
        self._archive = archive
        """None: nothing will run (--collect-only)."""
        self._console = Console(config)
        self._plans: dict[str, StreamPlan] = {}
        self._broken: dict[str, LabError] = {}
        self._open: OpenStream | None = None
        self._evidence: Evidence | None = None
        self._refused = False
        self._interrupted = False
        self._storage: NfvcertError | None = None
        self._record: Record | None = None
        self._old_sigterm: Any = None

    @classmethod
    def begin(cls, config: pytest.Config) -> Certification:
        """Read what the command line names and make the run's folder. Raises pytest.UsageError."""
        reports = Path(config.rootpath, config.getoption("reports") or config.getini("nfvcert_reports"))
        try:
            _refuse_parallel(config)
            inputs = Inputs.read(config)
            archive = None
            if not config.option.collectonly:
                _ensure_privileges(config, inputs)
                archive = Archive.create(reports, "+".join(inputs.labs))
                _write_beside(config, archive.folder)
        except NfvcertError as error:
            raise pytest.UsageError(str(error)) from error
        return cls(config, inputs, reports, archive)

    # ── collection: what is there, and what the models want of it ──

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test per stream, and per frame size of the model where a test asks for ``frame_bytes``."""
        if "stream" not in metafunc.fixturenames:
            return
        metafunc.parametrize("stream", list(self._inputs.labs), indirect=True, scope="session")
        if "frame_bytes" in metafunc.fixturenames:
            sizes = self._inputs.frame_sizes({marker.name for marker in metafunc.definition.iter_markers()} & DOMAINS)
            metafunc.parametrize("frame_bytes", sizes, ids=[f"{size}B" for size in sizes])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, Any, Any]:
        """Plans before anything is deselected, so that a test deselected by hand is missed."""
        before = [item for item in items if stream_of(item)]
        yield
        if session.testsfailed or not before:
            return
        self._refused = True  # pytest calls pytest_collection_finish even when this hook raises
        try:
            self._plans = make_plans(self._inputs, before, {item.nodeid for item in items}, self._reports)
        except NfvcertError as error:
            raise pytest.UsageError(str(error)) from error
        self._refused = False
        planned = {test.test for plan in self._plans.values() for test in plan.planned}
        unwanted = [item for item in items if stream_of(item) and item.nodeid not in planned]
        if unwanted:
            items[:] = [item for item in items if not stream_of(item) or item.nodeid in planned]
            self._config.hook.pytest_deselected(items=unwanted)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The plan goes to disk and to the screen before the first test."""
        if self._archive is None or session.testsfailed or self._refused:
            return
        if not self._plans:
            raise pytest.UsageError("no test for a lab was selected: name a domain, such as -m network")
        chosen = {item.nodeid for item in session.items}
        self._console.take_over()
        try:
            self._keep(
                RunStarted(facts=run_facts(self._archive.run, self._config, {item.path for item in session.items}))
            )
            for plan in self._plans.values():
                self._keep(StreamPlanned(plan=plan))
                self._console.planned(plan, chosen)
            if why := left_uncollected(self._config):
                self._trouble("suites", f"the suites were collected in part: {why}", "usage")
                self._console.warn(f"{why}: nothing of this run can be ACCEPTED")
        except StorageError as error:
            raise pytest.UsageError(str(error)) from error

    # ── the run ──

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """A cancelled CI job ends as Ctrl-C does: results kept, labs cleaned."""
        if threading.current_thread() is threading.main_thread():
            self._old_sigterm = signal.signal(signal.SIGTERM, _interrupt)

    def open(self, name: str) -> OpenStream:
        """Open a stream for its first test. Raises LabError, after which the stream is broken."""
        assert self._archive is not None
        opened = OpenStream(self._plans[name], self._keep, self._console.progress)
        opened.evidence = self._archive.evidence(f"{name}-preflight")
        try:
            opened.open()
        except BaseException:
            opened.close()
            raise
        opened.evidence = self._evidence
        self._open = opened
        return opened

    def recorder(self, item: pytest.Item, opened: OpenStream) -> KpiRecorder:
        """The KPI recorder of a test, one for all who ask during it."""
        if RECORDER not in item.stash:
            assert self._evidence is not None
            measures = collected(item).measures
            item.stash[RECORDER] = KpiRecorder(opened.plan, item.nodeid, measures, self._keep, self._evidence)
        return item.stash[RECORDER]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Around a whole test: where its evidence goes; its result on disk before the next begins."""
        name = stream_of(item)
        if name is None or self._archive is None:
            return (yield)
        started = datetime.now(UTC)
        item.stash[PHASES] = Phases(item.path)
        self._evidence = self._archive.evidence(item.nodeid)
        if self._open is not None:
            self._open.evidence = self._evidence
        try:
            result = yield
        except (KeyboardInterrupt, pytest.exit.Exception) as stopped:
            self._interrupted = True
            item.stash[PHASES].stopped(f"{item.nodeid}: stopped in mid-test by {_by_whom(stopped)}")
            self._finished(item, name, started)
            raise
        self._finished(item, name, started)
        if self._storage is not None:
            pytest.exit(f"nothing more can be kept: {self._storage.sentence}", returncode=EXIT_INCONCLUSIVE)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """After the lab broke, the stream's other tests are not run into the same wall."""
        broken = self._broken.get(stream_of(item) or "")
        if broken is not None:
            pytest.skip(f"the lab is broken: {broken.sentence}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """The test's own assertions come first, then the verdicts on what it measured."""
        result: Any = yield
        if stream_of(item):
            recorder = item.stash.get(RECORDER, None)
            if recorder is not None:
                recorder.settle()
            elif declared := collected(item).measures:
                raise SuiteError(f"{item.nodeid} declares to measure {', '.join(declared)} and never asked for kpi")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Remembers each phase, and shows an error of ours as its sentence."""
        report: Any = yield
        if PHASES in item.stash:
            error = call.excinfo.value if call.excinfo else None
            item.stash[PHASES].take(report, error)
            if isinstance(error, NfvcertError | CriterionFailed):
                report.longrepr = str(error)
        return report

    def _finished(self, item: pytest.Item, name: str, started: datetime) -> None:
        phases = item.stash[PHASES]
        verdict, sentence, blame = phases.outcome()
        if phases.lab_error:
            self._broken.setdefault(name, phases.lab_error)
        self._storage = self._storage or phases.storage_error
        result = TestResult(
            test=item.nodeid,
            title=collected(item).title,
            verdict=verdict,
            sentence=sentence,
            blame=blame,
            started=started.isoformat(timespec="milliseconds"),
            seconds=round((datetime.now(UTC) - started).total_seconds(), 3),
            evidence=str(self._evidence.path) if self._evidence and not self._evidence.is_empty else None,
        )
        self._keep_result(TestFinished(stream=name, result=result))
        self._console.finished(self._plans[name], result)

    def _keep_result(self, event: TestFinished) -> None:
        """On a full disk the space set aside is given back: for this result, the record and the report."""
        assert self._archive is not None
        if self._storage is None:
            try:
                self._keep(event)
            except StorageError as error:
                self._storage = error
            else:
                return
        self._archive.free_reserve()
        try:
            self._keep(event)
        except StorageError as error:
            self._storage = error

    def _keep(self, event: Event) -> None:
        assert self._archive is not None
        self._archive.append(event)

    # ── the end ──

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Record, report and exit status, from what is on disk."""
        if self._old_sigterm is not None:
            signal.signal(signal.SIGTERM, self._old_sigterm)
        if self._archive is None:
            return
        if not self._archive.has_events:
            self._archive.discard()
            self._archive = None
            return
        self._archive.free_reserve()
        try:
            self._finish(self._archive)
        except (StorageError, FileError) as error:
            self._storage = error
        finally:
            self._archive.close()
        session.exitstatus = self._exit_status(int(session.exitstatus))

    def _finish(self, archive: Archive) -> None:
        if self._storage is not None:
            self._trouble("results", self._storage.sentence, "storage")
        if self._interrupted:
            self._trouble("run", "the run was stopped before its end", "usage")
        archive.append(RunFinished(at=datetime.now(UTC).isoformat(timespec="seconds"), interrupted=self._interrupted))
        self._record = read_record(archive.folder)
        archive.write(RECORD, self._record.canonical())
        from nfvcert.render.acceptance import html

        archive.write(REPORT, html(self._record).encode())
        archive.point_latest()

    def _trouble(self, subject: str, sentence: str, blame: Blame) -> None:
        finding = Finding(verdict=Verdict.INCONCLUSIVE, subject=subject, sentence=sentence, blame=blame)
        self._keep(Trouble(finding=finding))

    def _exit_status(self, of_pytest: int) -> int:
        """0 accepted, 1 rejected, 10 neither; pytest's own for what is not about a verdict."""
        if self._storage is not None or self._record is None:
            return EXIT_INCONCLUSIVE
        if of_pytest not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, EXIT_INCONCLUSIVE}:
            return of_pytest
        decisions = {stream.judgement.decision for stream in self._record.streams}
        if Decision.REJECTED in decisions:
            return int(pytest.ExitCode.TESTS_FAILED)
        accepted = {Decision.ACCEPTED, Decision.ACCEPTED_WITH_CONDITIONS}
        return 0 if decisions and decisions <= accepted and of_pytest == 0 else EXIT_INCONCLUSIVE

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The last words: the decision, the worst findings, where the report is."""
        if self._archive is None:
            return
        terminalreporter.section("certification")
        if self._record is not None:
            from nfvcert.render.terminal import summary

            writer = terminalreporter._tw  # noqa: SLF001 - pytest offers its width and colour nowhere else
            terminalreporter.write_line(summary(self._record, width=writer.fullwidth, colour=writer.hasmarkup))
        if self._storage is not None:
            terminalreporter.write_line(f"INCONCLUSIVE: {self._storage}", red=True)
        report = self._archive.folder / REPORT
        if report.exists():
            terminalreporter.write_line(f"acceptance report: {shown(report)}", bold=True)
        else:
            terminalreporter.write_line(f"what could be kept: {shown(self._archive.folder)}", bold=True)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Our line a test says more than a letter; -v brings pytest's own back too."""
        if self._archive is None or self._config.option.verbose > 0:
            return None
        if report.when != "call" and report.passed:
            return "", "", ""
        category = "error" if report.failed and report.when != "call" else report.outcome
        return category, "", ""


def _refuse_parallel(config: pytest.Config) -> None:
    if getattr(config.option, "numprocesses", None) or getattr(config.option, "dist", "no") != "no":
        raise UsageError("one run certifies one lab after the other: leave out -n and --dist of pytest-xdist")


def _ensure_privileges(config: pytest.Config, inputs: Inputs) -> None:
    """An embedded lab makes namespaces; an ordinary user may do so in a user namespace, by a restart within it."""
    if any(lab.provider == "embedded" for lab, _ in inputs.labs.values()):
        from nfvcert import embedded

        embedded.ensure_privileges([sys.executable, "-m", "pytest", *map(str, config.invocation_params.args)])


def _write_beside(config: pytest.Config, folder: Path) -> None:
    """JUnit XML always, pytest-html and Allure on request, into the run's folder."""
    if not getattr(config.option, "xmlpath", None):
        config.option.xmlpath = str(folder / JUNIT)
    options = {"html": ("htmlpath", folder / "pytest.html"), "allure": ("allure_report_dir", folder / "allure-results")}
    for what in config.getoption("also"):
        option, path = options[what]
        if not hasattr(config.option, option):
            raise UsageError(
                f"--also={what} needs a package that is not installed", hint="pip install 'nfvcert[reports]'"
            )
        setattr(config.option, option, str(path))
        if what == "html":
            config.option.self_contained_html = True


def _interrupt(signum: int, frame: types.FrameType | None) -> None:
    del frame
    raise KeyboardInterrupt(f"signal {signal.Signals(signum).name}")


def _by_whom(stopped: BaseException) -> str:
    return str(stopped) or "Ctrl-C"
