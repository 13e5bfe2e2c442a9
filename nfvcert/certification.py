"""A certification inside a pytest run: read, plan, let the tests run, write the record.

It is registered as a plugin object only when the command line names something to certify. What happens around
each test is in `attempts`, who runs when is in `one_by_one` (pytest's own loop) or `controller` (workers).
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import types
from collections.abc import Generator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nfvcert.archive import (
    JUNIT,
    PLAN,
    PLAN_PAGE,
    RECORD,
    REPORT,
    Archive,
    find_run,
    read_events,
    read_record,
    undisturbed,
)
from nfvcert.attempts import Attempts
from nfvcert.collected import DOMAINS, stream_of
from nfvcert.composition_files import revoked_digests
from nfvcert.console import shown
from nfvcert.controller import Controller
from nfvcert.errors import FileError, LabError, NfvcertError, StorageError, UsageError
from nfvcert.history_files import Histories
from nfvcert.holding import Holdings
from nfvcert.inputs import Inputs
from nfvcert.judge import Decision
from nfvcert.one_by_one import OneByOne
from nfvcert.planning import left_uncollected, make_plans
from nfvcert.provenance import resumption_facts, run_facts, suites_digest
from nfvcert.record import Event, Record, RunFinished, RunStarted, StreamPlan, StreamPlanned
from nfvcert.resume import Resumed
from nfvcert.run import EXIT_INCONCLUSIVE, Run
from nfvcert.streams import RunPlan, in_order, plan_run

__all__ = ["Certification"]


class Certification:
    """The plugin object of a run that certifies."""

    def __init__(
        self, config: pytest.Config, inputs: Inputs, reports: Path, archive: Archive | None, resumed: Resumed | None
    ) -> None:
        self._config = config
        self._inputs = inputs
        self._reports = reports
        self._archive = archive
        """None: nothing will run (--collect-only, --plan)."""
        self._workers = _take_over_workers(config)
        self._resumed = resumed
        self._run = Run(config, archive) if archive else None
        self.attempts = Attempts(self._run, owner=os.getpid()) if self._run else None
        self._holdings: Holdings | None = None
        self._plans: dict[str, StreamPlan] = {}
        self._plan: RunPlan | None = None
        self._suites = ""
        """Digest over the files of the planned tests."""
        self._refused = False
        self._collected: list[pytest.Item] = []
        self._skipped: list[str] = []
        """Modules that skipped themselves at collection."""
        self._begun = False
        """Something was told of this run, or of its going on."""
        self._complete = False
        """Nothing is missing of the run that was to be resumed: it stays as it is."""
        self._record: Record | None = None
        self._old_sigterm: Any = None

    @classmethod
    def begin(cls, config: pytest.Config) -> Certification:
        """Read what the command line names and make the run's folder. Raises pytest.UsageError."""
        reports = Path(config.rootpath, config.getoption("reports") or config.getini("nfvcert_reports"))
        try:
            _refuse_distribution(config)
            if sys.flags.optimize:
                raise UsageError("python -O (PYTHONOPTIMIZE) takes assertions out of the suites: leave it out")
            if config.option.continue_on_collection_errors:
                raise UsageError("--continue-on-collection-errors: what is not collected whole certifies nothing")
            inputs = Inputs.read(config)
            archive = resumed = None
            if not (config.option.collectonly or config.getoption("plan")):
                _ensure_privileges(config, inputs)
                if named := config.getoption("resume"):
                    archive = Archive.open_again(find_run(named, reports))
                    resumed = Resumed.of(archive)
                else:
                    archive = Archive.create(reports, inputs.title)
                _write_beside(config, archive.folder, resumed.part if resumed else 1)
        except NfvcertError as error:
            raise pytest.UsageError(str(error)) from error
        return cls(config, inputs, reports, archive, resumed)

    # ── collection: what is there, and what the models want of it ──

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test per stream, and per frame size of the model where a test asks for ``frame_bytes``."""
        if "stream" not in metafunc.fixturenames:
            return
        metafunc.parametrize("stream", list(self._inputs.streams), indirect=True, scope="session")
        if "frame_bytes" in metafunc.fixturenames:
            sizes = self._inputs.frame_sizes({marker.name for marker in metafunc.definition.iter_markers()} & DOMAINS)
            metafunc.parametrize("frame_bytes", sizes, ids=[f"{size}B" for size in sizes])

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Comes before anybody can take an item out."""
        self._collected.append(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, Any, Any]:
        """Plans all that was collected, so that a test is missed that a person, a plugin or a conftest.py takes out."""
        before = [item for item in self._collected if stream_of(item)]
        yield
        if session.testsfailed or not before:
            return
        self._refused = True  # pytest calls pytest_collection_finish even when this hook raises
        try:
            selected = {item.nodeid for item in items}
            self._plans = make_plans(self._inputs, before, selected, self._reports, self._histories())
            planned = {test.test for plan in self._plans.values() for test in plan.planned}
            files = {item.path for item in before if item.nodeid in planned}
            self._suites = suites_digest(files, self._config.rootpath, self._config.getini("testpaths"))
            if self._resumed and self._plans:
                self._resumed.check(self._plans, self._suites)
                self._plans = self._resumed.compared_as_before(self._plans)
            self._select(items)
            self._consent({item.nodeid for item in items})
        except NfvcertError as error:
            raise pytest.UsageError(str(error)) from error
        self._refused = False

    def _histories(self) -> Histories:
        """What was accepted before, without this run."""
        config, this = self._config, self._archive.run if self._archive else ""
        revoked = revoked_digests([config.rootpath / path for path in config.getini("nfvcert_releases")])
        if named := config.getoption("history"):
            return Histories.there(Path(config.rootpath, named), named=named, without=this, revoked=revoked)
        named = config.getoption("reports") or config.getini("nfvcert_reports")
        return Histories(self._reports, named=named, without=this, revoked=revoked)

    def _select(self, items: list[pytest.Item]) -> None:
        """Leave what the plans want and, of a run that is resumed, has no result; in the plans' order."""
        planned = [test for plan in in_order(self._plans.values()) for test in plan.planned]
        order = {test.test: number for number, test in enumerate(planned)}
        done = self._resumed.done if self._resumed else frozenset[str]()
        wanted = [item for item in items if not stream_of(item) or (item.nodeid in order and item.nodeid not in done)]
        unwanted = [item for item in items if stream_of(item) and item.nodeid not in order]
        items[:] = sorted(wanted, key=lambda item: order.get(item.nodeid, -1))
        if unwanted:
            self._config.hook.pytest_deselected(items=unwanted)

    def _consent(self, chosen: set[str]) -> None:
        """A test that destroys needs the consent of who owns the lab and of who starts the run."""
        for plan in self._plans.values():
            destroying = [test.test for test in plan.planned if test.destructive and test.test in chosen]
            if destroying and not plan.lab.destructive:
                raise UsageError(
                    f"{destroying[0]} is destructive, and lab {plan.lab.lab} does not allow that",
                    hint=f"whoever owns the lab allows it in {plan.inventory}: destructive: true",
                )
            if destroying and not self._config.getoption("allow_destructive"):
                raise UsageError(
                    f"{destroying[0]} is destructive, and this command does not allow that",
                    hint="allow it with --allow-destructive, or leave the test out with -k or -m",
                )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that skips itself is not in the plan, so its tests could not be missed."""
        if report.skipped:
            self._skipped.append(report.nodeid)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The plan goes to disk and to the screen before the first test."""
        if self._config.option.collectonly or session.testsfailed or self._refused:
            return
        if not self._plans:
            raise pytest.UsageError("no test for a lab was selected: name a domain, such as -m network")
        chosen = {item.nodeid for item in session.items}
        without = {test.test for plan in self._plans.values() for test in plan.planned} - chosen
        try:
            now = datetime.now(UTC)
            self._plan = plan_run(list(self._plans.values()), max(1, self._workers), now=now, without=without)
        except ValueError as error:
            raise pytest.UsageError(f"the run cannot be planned: {error}") from error
        if self._run is not None:
            self._begin(session, self._run, self._plan, chosen)

    def _begin(self, session: pytest.Session, run: Run, plan: RunPlan, chosen: set[str]) -> None:
        run.plans.update(self._plans)
        run.console.take_over()
        if self._resumed:
            _sweep(run)
            self._resumed.show(run.console, chosen)
            if not chosen and self._resumed.ended:
                self._complete = True
                return
        try:
            *events, last = self._beginning(run, chosen)
            for event in (*events, last):
                run.keep(event, durable=event is last)  # what is on disk with the last is on disk with all
                self._begun = True
                run.console.take(event)
            run.console.planned(plan, self._plans, chosen, self._resumed.done if self._resumed else frozenset())
            run.archive.write(PLAN, plan.model_dump_json(indent=1).encode())
            skipped = f"{', '.join(self._skipped)} skipped itself" if self._skipped else ""
            if why := left_uncollected(self._config) or skipped:
                run.trouble("suites", f"the suites were collected in part: {why}", "usage")
                run.console.warn(f"{why}: nothing of this run can be ACCEPTED")
            labs = [stream.lab for stream in self._plans.values()]
            self._holdings = Holdings(run.archive.run, lambda event: run.keep(event, durable=False), labs)
        except NfvcertError as error:
            raise pytest.UsageError(str(error)) from error
        if not self._workers:
            assert self.attempts is not None
            self._picture()
            serial = OneByOne(session, run, self.attempts, self._holdings)
            self._config.pluginmanager.register(serial, "nfvcert-one-by-one")

    def _beginning(self, run: Run, chosen: set[str]) -> list[Event]:
        """What is told of the run, or of its going on, before its first test."""
        if self._resumed:
            for event in read_events(run.archive.folder):
                run.console.take(event)
            return [resumption_facts(self._config)]
        facts = run_facts(run.archive.run, self._config, self._suites, self._workers)
        return [
            RunStarted(facts=facts),
            *(
                StreamPlanned(
                    plan=plan, deselected=tuple(test.test for test in plan.planned if test.test not in chosen)
                )
                for plan in self._plans.values()
            ),
        ]

    def _picture(self) -> None:
        """The plan as people like to look at it. It is no result: where it has no room, the next result says so."""
        assert self._run is not None
        assert self._plan is not None
        from nfvcert.render.plan_page import html

        started = datetime.now(UTC).isoformat(timespec="seconds")
        page = html(self._plan, list(self._plans.values()), run=self._run.archive.run, started=started)
        with suppress(StorageError):
            self._run.archive.write(PLAN_PAGE, page.encode())

    # ── the run ──

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """A cancelled CI job ends as Ctrl-C does: results kept, labs cleaned."""
        if threading.current_thread() is threading.main_thread():
            self._old_sigterm = signal.signal(signal.SIGTERM, _interrupt)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """With -n, tests run in workers; without, in pytest's own loop. With --plan, none does."""
        gc.enable()
        gc.freeze()  # workers share what is here as long as nobody counts its references
        if self._config.getoption("plan"):
            return True
        if not self._workers or self._run is None or session.testsfailed or self._config.option.collectonly:
            return None
        if self._holdings is None or self.attempts is None:
            return None
        controller = Controller(session, self._run, self.attempts, self._holdings, self._workers)
        controller.run(meanwhile=self._picture)
        return True

    # ── the end ──

    @pytest.hookimpl(specname="pytest_sessionfinish", tryfirst=True)
    def make_room(self) -> None:
        """On a full disk, the space set aside is for the last words of all plugins."""
        if self._archive is not None:
            self._archive.free_reserve()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Record, report and exit status, from what is on disk."""
        if self._old_sigterm is not None:
            signal.signal(signal.SIGTERM, self._old_sigterm)
        run, archive = self._run, self._archive
        if run is None or archive is None:
            return
        if not archive.has_events:
            archive.discard()
            self._archive = self._run = None
            return
        if not self._begun and not self._complete:  # refused to go on: the run stays as it was
            archive.close()
            self._archive = self._run = None
            return
        run.console.close()
        with undisturbed():  # a second Ctrl-C would cost the record, or leave labs up
            try:
                self._close_labs(run)
                self._finish(run, archive)
            except (StorageError, FileError) as error:
                run.storage = error
            finally:
                archive.close()
        session.exitstatus = self._exit_status(run, int(session.exitstatus))

    def _close_labs(self, run: Run) -> None:
        if self._holdings is not None:
            try:
                self._holdings.close()
            except LabError as error:
                run.trouble("lab", error.sentence, error.blame)

    def _finish(self, run: Run, archive: Archive) -> None:
        if run.storage is not None:
            run.trouble("results", run.storage.sentence, "storage")
        if run.interrupted:
            run.trouble("run", "the run was stopped before its end", "usage")
        if not self._complete:
            run.keep(RunFinished(at=datetime.now(UTC).isoformat(timespec="seconds"), interrupted=run.interrupted))
        self._record = read_record(archive.folder)
        archive.write(RECORD, self._record.canonical())
        from nfvcert.render.acceptance import html

        archive.write(REPORT, html(self._record).encode())
        archive.point_latest()

    def _exit_status(self, run: Run, of_pytest: int) -> int:
        if run.storage is not None or self._record is None:
            return EXIT_INCONCLUSIVE
        if of_pytest == pytest.ExitCode.NO_TESTS_COLLECTED and self._resumed:
            of_pytest = int(pytest.ExitCode.OK)  # nothing was missing
        if of_pytest not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, EXIT_INCONCLUSIVE}:
            return of_pytest
        decisions = {stream.judgement.decision for stream in self._record.streams}
        if Decision.REJECTED in decisions:
            return int(pytest.ExitCode.TESTS_FAILED)
        accepted = {Decision.ACCEPTED, Decision.ACCEPTED_WITH_CONDITIONS}
        return 0 if decisions and decisions <= accepted and of_pytest == 0 else EXIT_INCONCLUSIVE

    def pytest_unconfigure(self) -> None:
        """Also after a run that was refused."""
        gc.enable()

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The last words: the decision, the worst findings, where the report is; with --plan, the plan."""
        if self._plan is not None and self._config.getoption("plan"):
            self._show_plan(terminalreporter, self._plan)
        if self._run is None or self._archive is None:
            return
        terminalreporter.section("certification")
        if self._record is not None:
            from nfvcert.render.terminal import summary

            writer = terminalreporter._tw  # noqa: SLF001 - pytest offers its width and colour nowhere else
            terminalreporter.write_line(summary(self._record, width=writer.fullwidth, colour=writer.hasmarkup))
        if self._run.storage is not None:
            terminalreporter.write_line(f"INCONCLUSIVE: {self._run.storage}", red=True)
        report = self._archive.folder / REPORT
        if report.exists():
            terminalreporter.write_line(f"acceptance report: {shown(report)}", bold=True)
        else:
            terminalreporter.write_line(f"what could be kept: {shown(self._archive.folder)}", bold=True)

    def _show_plan(self, terminalreporter: pytest.TerminalReporter, plan: RunPlan) -> None:
        from nfvcert.render.plan_page import html, text

        plans = list(self._plans.values())
        target = self._config.getoption("plan")
        started = datetime.now(UTC).isoformat(timespec="seconds")
        if target in {"-", "text"}:
            terminalreporter.section("plan")
            width = terminalreporter._tw.fullwidth  # noqa: SLF001 - as below
            terminalreporter.write_line(text(plan, plans, width, started=started))
            return
        path = Path(target)
        page = plan.model_dump_json(indent=1) if path.suffix == ".json" else html(plan, plans, run="", started=started)
        try:
            path.write_text(page, encoding="utf-8")
        except OSError as error:
            terminalreporter.write_line(f"the plan cannot be written to {path}: {error.strerror}", red=True)
        else:
            terminalreporter.write_line(f"plan: {shown(path)}", bold=True)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Our line a test says more than a letter; -v brings pytest's own back too."""
        if self._run is None or self._config.option.verbose > 0:
            return None
        if report.when != "call" and report.passed:
            return "", "", ""
        category = "error" if report.failed and report.when != "call" else report.outcome
        return category, "", ""


def _refuse_distribution(config: pytest.Config) -> None:
    """pytest-xdist's -n is ours here; its ways to distribute are not: labs decide what runs side by side."""
    option = config.option
    if getattr(option, "dist", "no") not in {"no", "load"} or set(getattr(option, "tx", None) or ()) - {"popen"}:
        raise UsageError("the labs decide what runs side by side: leave out --dist and --tx, -n says how many at most")


def _take_over_workers(config: pytest.Config) -> int:
    """How many workers -n asks for; pytest-xdist, whose option it is, starts none."""
    workers = getattr(config.option, "numprocesses", None) or 0
    if workers:
        config.option.dist, config.option.tx, config.option.numprocesses = "no", [], None
        if getattr(config.option, "usepdb", False):
            raise pytest.UsageError("--pdb needs the terminal for itself: leave out -n")
    return int(workers)


def _ensure_privileges(config: pytest.Config, inputs: Inputs) -> None:
    """An embedded lab makes namespaces; an ordinary user may do so in a user namespace, by a restart within it."""
    if any(stream.lab.provider == "embedded" for stream in inputs.streams.values()):
        from nfvcert import embedded

        embedded.ensure_privileges([sys.executable, "-m", "pytest", *map(str, config.invocation_params.args)])


def _sweep(run: Run) -> None:
    """A part that was killed may have left embedded labs up, of which this one may need none any more."""
    if any(plan.lab.provider == "embedded" for plan in run.plans.values()):
        from nfvcert import embedded

        for told in embedded.sweep():
            run.console.say(f"removed {told}")


def _write_beside(config: pytest.Config, folder: Path, part: int) -> None:
    """JUnit XML always, pytest-html and Allure on request, into the run's folder; of each part of a run its own."""
    if not getattr(config.option, "xmlpath", None):
        junit = folder / JUNIT
        config.option.xmlpath = str(junit if part == 1 else junit.with_stem(f"{junit.stem}-{part}"))
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
