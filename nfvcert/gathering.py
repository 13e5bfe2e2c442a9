"""From the events of a run to its record: what was planned against what was told, decided anew each time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nfvcert.fingerprint import differences, digest
from nfvcert.judge import Decision, Finding, ForeignResult, TestResult, Verdict, decide
from nfvcert.measure.kpi import Measurement
from nfvcert.presence import PresenceRow
from nfvcert.record import (
    CalibrationFacts,
    Event,
    ForeignTested,
    GeneratorCalibrated,
    LabFingerprinted,
    LeaseLogged,
    Measured,
    PresenceChecked,
    Record,
    Resumption,
    RunFacts,
    RunFinished,
    RunResumed,
    RunStarted,
    Series,
    SeriesDrawn,
    StreamPlan,
    StreamPlanned,
    StreamRecord,
    TestFinished,
    TestStarted,
    Trouble,
)
from nfvcert.scope import risks
from nfvcert.waivers import untested_waivers

__all__ = ["follows", "from_events"]


class _Gathering:
    """What the events have said of one stream so far."""

    def __init__(self, plan: StreamPlan) -> None:
        self.plan = plan
        self.fingerprint: dict[str, dict[str, str]] = {}
        self.presence: dict[tuple[str, str, str], PresenceRow] | None = None
        """None: nobody has asked."""
        self.calibration: CalibrationFacts | None = None
        self.measurements: list[Measurement] = []
        self.series: list[Series] = []
        self.foreign: dict[tuple[str, str, str], ForeignResult] = {}
        self.tests: dict[str, TestResult] = {}
        self.attempts: list[TestResult] = []
        self.begun: dict[str, TestStarted] = {}
        self.trouble: list[Finding] = []
        self.looked_last = True
        """Whether the lab was asked for its facts after all that was seen in it."""

    def take(self, event: Event) -> None:
        match event:
            case LabFingerprinted():
                self._compare(event.fingerprint)
                self.fingerprint = event.fingerprint
                self.looked_last = True
            case PresenceChecked():
                self._take_presence(event.rows)
            case GeneratorCalibrated():
                self.calibration = event.calibration
            case Measured():
                self.measurements.append(event.measurement)
                self.looked_last = False
            case SeriesDrawn():
                self.series.append(event.series)
            case ForeignTested():
                self._take_foreign(event.results)
            case TestStarted():
                self._again(event.test)
                self.begun[event.test] = event
                self.looked_last = False
            case TestFinished():
                self.begun.pop(event.result.test, None)  # the end of what began
                self._again(event.result.test)
                self.tests[event.result.test] = event.result
            case _:
                pass

    def _compare(self, now: Mapping[str, Mapping[str, str]]) -> None:
        """A lab that changed while it was tested was tested in two states, of which neither is known whole."""
        if not self.fingerprint:
            return
        for host, fact, before, after in differences(self.fingerprint, now):
            was, became = before or "not told", after or "not told"
            sentence = f"{host}: {fact} was {was} and is {became}: the lab changed during the run"
            self.trouble.append(self._of_lab(sentence))

    def _take_presence(self, rows: Iterable[PresenceRow]) -> None:
        """A change that was not there once was not there for all tests."""
        known = self.presence or {}
        for row in rows:
            key = (row.component, row.product, row.host)
            if key not in known or known[key].present:
                known[key] = row
        self.presence = known

    def _take_foreign(self, results: Iterable[ForeignResult]) -> None:
        """A later attempt replaces an earlier one, but for a FAIL."""
        for result in results:
            key = (result.test, result.engine, result.id)
            if key not in self.foreign or self.foreign[key].verdict is not Verdict.FAIL:
                self.foreign[key] = result

    def _not_compared(self) -> Iterable[Finding]:
        """A run that is killed between its last test and its last look may have nothing left to test later."""
        if self.fingerprint and not self.looked_last:
            lab = self.plan.lab.lab
            yield self._of_lab(f"nobody asked lab {lab} after the last test whether it had changed meanwhile")

    def _absence(self) -> Iterable[Finding]:
        """What of the release was not found in the lab."""
        unit, lab = self.plan.unit, self.plan.lab.lab
        if unit is None:
            return
        if not self.presence:
            yield self._of_lab(f"nobody asked lab {lab} whether {unit.unit} is there: what was tested is not known")
        for row in (self.presence or {}).values():
            if not row.present:
                yield self._of_lab(f"{row.component} {row.product} {row.declared} is not there: {row.why}")

    def _of_lab(self, sentence: str) -> Finding:
        subject = f"lab {self.plan.lab.lab}"
        return Finding(verdict=Verdict.INCONCLUSIVE, subject=subject, sentence=sentence, blame="lab")

    def _again(self, test: str) -> None:
        """What was known of a test that begins anew, or is told of anew, becomes an earlier attempt."""
        if (earlier := self.tests.pop(test, None) or self._broken_off(test)) is not None:
            self.attempts.append(earlier)

    def _broken_off(self, test: str) -> TestResult | None:
        """A test that began, and of whose end nothing is known."""
        begun = self.begun.pop(test, None)
        if begun is None:
            return None
        return TestResult(
            test=test,
            title=next((planned.title for planned in self.plan.planned if planned.test == test), test),
            verdict=Verdict.INCONCLUSIVE,
            sentence=f"{test}: it began, and was killed with the run before its end",
            started=begun.at,
            worker=begun.worker,
            broke_off=True,
        )

    def record(self, trouble: Iterable[Finding]) -> StreamRecord:
        plan = self.plan
        self.tests |= {test: broken for test in list(self.begun) if (broken := self._broken_off(test))}
        results = tuple(self.tests.values()) + tuple(self._holes())
        against = [*self._absence(), *self.trouble, *self._failed_before(), *self._risks(), *trouble]
        return StreamRecord(
            plan=plan,
            fingerprint=self.fingerprint,
            fingerprint_sha256=digest(self.fingerprint) if self.fingerprint else "",
            presence=tuple(sorted((self.presence or {}).values(), key=lambda row: row.present)),
            calibration=self.calibration,
            measurements=tuple(self.measurements),
            series=tuple(self.series),
            tests=results,
            attempts=tuple(self.attempts),
            foreign=tuple(self.foreign.values()),
            judgement=decide(
                plan.criteria,
                self.measurements,
                [planned.test for planned in plan.planned],
                results,
                foreign=tuple(self.foreign.values()),
                model=plan.model,
                lab=plan.lab.lab,
                trouble=against or list(self._not_compared()),
                waivers=plan.waivers,
                conditions=tuple(self._conditions()),
                baseline_of=plan.baselines(self.fingerprint).of,
            ),
        )

    def _failed_before(self) -> Iterable[Finding]:
        """A release that failed once is not better for a second attempt."""
        for attempt in self.attempts:
            if attempt.verdict is Verdict.FAIL:
                sentence = f"{attempt.sentence} (in an earlier attempt)"
                yield Finding(verdict=Verdict.FAIL, subject=attempt.test, sentence=sentence, blame=attempt.blame)

    def _risks(self) -> Iterable[Finding]:
        """What the release changes or can break, and nobody tests."""
        return risks(self.plan.scope, untested_waivers(self.plan.waivers)) if self.plan.scope else ()

    def _conditions(self) -> Iterable[str]:
        """What limits an acceptance, besides missed criteria that are waived."""
        plan = self.plan
        scope, waived = plan.scope, untested_waivers(plan.waivers)
        if scope is not None and risks(scope) != risks(scope, waived):
            for each in scope.untested:
                if each.component in waived:
                    yield f"no planned test covers {each.component}, waived by {waived[each.component].who_why_until}"
        if plan.unit is not None and plan.unit.type == "latest":
            yield f"{plan.unit.unit} is a latest release, which is never certified for production"
        for part in plan.composition.parts if plan.composition else ():
            if part.decision is Decision.ACCEPTED_WITH_CONDITIONS:
                under = "; ".join(part.conditions)
                yield f"it builds on {part.unit} (record {part.record[:12]}), accepted with conditions: {under}"
        if scope is not None and scope.elsewhere:
            cases = ", ".join(sorted(each.subject for each in scope.elsewhere)[:4])
            count = len(scope.elsewhere)
            yield f"tests of other domains cover what it can break, and were not run here ({count}): {cases}"

    def _holes(self) -> Iterable[TestResult]:
        """Planned tests of which nothing was heard."""
        for planned in self.plan.planned:
            if planned.test not in self.tests:
                yield TestResult(
                    test=planned.test,
                    title=planned.title,
                    verdict=Verdict.NOT_RUN,
                    sentence=f"{planned.test}: planned, but never reported",
                )


def from_events(events: Iterable[Event]) -> Record:
    """The record of a run, decided anew from what its events say.

    Raises ValueError when the events do not begin with run-started.
    """
    facts: RunFacts | None = None
    finished: RunFinished | None = None
    gatherings: dict[str, _Gathering] = {}
    general: list[Finding] = []
    resumptions: list[Resumption] = []
    leases: list[LeaseLogged] = []
    for event in events:
        match event:
            case RunStarted():
                facts = event.facts
            case RunResumed():
                resumptions.append(_resumption(event, finished, general))
                general = [finding for finding in general if finding.subject not in OF_ONE_PART]
                finished = None
            case RunFinished():
                finished = event
            case StreamPlanned():
                gatherings.setdefault(event.plan.stream, _Gathering(event.plan))
            case LeaseLogged():
                leases.append(event)
            case Trouble():
                (general if event.stream is None else gatherings[event.stream].trouble).append(event.finding)
            case _:
                gatherings[event.stream].take(event)
    if facts is None:
        raise ValueError("the events do not tell of a run: run-started is missing")
    if finished is None:
        general.append(
            Finding(
                verdict=Verdict.INCONCLUSIVE,
                subject="run",
                sentence=KILLED.format("what it had written is all there is"),
            )
        )
    return Record(
        run=facts,
        finished=finished.at if finished else None,
        interrupted=finished is None or finished.interrupted,
        resumptions=tuple(resumptions),
        streams=tuple(gathering.record(general) for gathering in gatherings.values()),
        leases=tuple(leases),
    )


def follows(stream: StreamRecord) -> bool:
    """Whether what was measured and observed leads to an acceptance, where the record says so."""
    plan, said = stream.plan, stream.judgement.decision
    if said not in (Decision.ACCEPTED, Decision.ACCEPTED_WITH_CONDITIONS):
        return True
    again = decide(
        plan.criteria,
        stream.measurements,
        [planned.test for planned in plan.planned],
        stream.tests,
        waivers=plan.waivers,
        conditions=stream.judgement.conditions,
        baseline_of=plan.baselines(stream.fingerprint).of,
    )
    there = plan.unit is None or (bool(stream.presence) and all(row.present for row in stream.presence))
    risky = plan.scope is not None and risks(plan.scope, untested_waivers(plan.waivers))
    return again.decision is said and there and not risky and not stream.judgement.findings


KILLED = "the run was killed before its end; {}"
OF_ONE_PART = {"run", "results"}
"""Subjects of trouble that is over when a run goes on: what it lacked is run now."""


def _resumption(event: RunResumed, finished: RunFinished | None, general: Iterable[Finding]) -> Resumption:
    why = next((finding.sentence for finding in general if finding.subject in OF_ONE_PART), "")
    return Resumption(
        at=event.at,
        command=event.command,
        user=event.user,
        because=why or ("it had ended" if finished else KILLED.format("it went on later")),
    )
