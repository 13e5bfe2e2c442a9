"""How long it takes to find the baselines among 1,000 accepted records of 60 measurements each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, repeated, summed
from nfvcert.files import read_lab
from nfvcert.gathering import from_events
from nfvcert.history_files import INDEX, Histories
from nfvcert.judge import TestResult, Verdict
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.record import (
    Event,
    LabFingerprinted,
    Measured,
    PlannedTest,
    Record,
    RunFacts,
    RunFinished,
    RunStarted,
    StreamPlan,
    StreamPlanned,
    TestFinished,
)
from nfvcert.testmodel import Criterion, Parameters

RECORDS, MEASUREMENTS, SAMPLES, HOSTS, FACTS = 1_000, 60, 9, 10, 20
KPI = "network.throughput.ndr"
LAB = "opco-ru"


def figures() -> Iterator[Figure]:
    """Of a folder that was never read, and of one that was."""
    with tempfile.TemporaryDirectory() as folder:
        reports = Path(folder)
        size = _write(reports)

        def measure() -> float:
            started = time.perf_counter()
            found = Histories(reports).of(LAB, {KPI}, 3)
            taken = time.perf_counter() - started
            assert (found.accepted, len(found.runs), found.left_out) == (RECORDS, 3, ())
            return taken

        how = f"{RECORDS:,} records of {MEASUREMENTS} measurements, {size / 1e3:.0f} kB each"
        yield Figure("history, first reading", measure(), "s", 60.0, f"{how}, no index")
        index = (reports / INDEX).stat().st_size
        yield summed("history", repeated(measure, 5), "s", 1.0, f"{how}, index of {index / 1e6:.0f} MB")


def _write(reports: Path) -> int:
    """Records that differ in their ids and times; returns the bytes of each."""
    content = _record().canonical()
    for number in range(RECORDS):
        run = f"20250101-{number:06}-{LAB}"
        (reports / run).mkdir()
        ended = f"2025-{1 + number // 84:02}-{1 + number // 3 % 28:02}T{number % 3:02}:00:00+00:00".encode()
        told = content.replace(b"RUN", run.encode()).replace(b"2025-01-01T00:00:00+00:00", ended)
        (reports / run / "record.json").write_bytes(told)
    return len(told)


def _record() -> Record:
    at = "2025-01-01T00:00:00+00:00"
    facts = {f"host-{host}": {f"fact-{number}": "some value 1.2.3" for number in range(FACTS)} for host in range(HOSTS)}
    tests = {number: f"suites/network/test_rate.py::test_rate[{LAB}-{number}]" for number in range(MEASUREMENTS)}
    events: list[Event] = [
        RunStarted(
            facts=RunFacts.model_validate(
                dict.fromkeys(("command", "nfvcert", "python", "pytest", "platform", "user", "suites_sha256"), "-")
                | {"run": "RUN", "started": at}
            )
        ),
        StreamPlanned(plan=_plan(tests)),
        LabFingerprinted(stream=LAB, fingerprint=facts),
        *(Measured(stream=LAB, measurement=_measured(number, test)) for number, test in tests.items()),
        *(
            TestFinished(stream=LAB, result=TestResult(test=test, title="-", verdict=Verdict.PASS, sentence="passed"))
            for test in tests.values()
        ),
        LabFingerprinted(stream=LAB, fingerprint=facts),
        RunFinished(at=at),
    ]
    return from_events(events)


def _plan(tests: dict[int, str]) -> StreamPlan:
    digests = dict.fromkeys(("inventory_sha256", "model_sha256"), "0" * 64)
    return StreamPlan.model_validate(
        dict.fromkeys(("inventory", "model", "model_file", "profile", "profile_title"), "-")
        | digests
        | {
            "stream": LAB,
            "lab": read_lab(LAB, [Path("lab_inventory")]),
            "parameters": Parameters(),
            "criteria": [
                Criterion(kpi=KPI, where={"number": number}, at_least=1, unit="pps", as_written="≥ 1 pps", source="-")
                for number in tests
            ],
            "kpis": {KPI: Kpi(title="-", definition="-", unit="pps", better="higher", method="-", source="-")},
            "planned": [PlannedTest(test=test, title="-", measures=(KPI,), reason="-") for test in tests.values()],
        }
    )


def _measured(number: int, test: str) -> Measurement:
    return Measurement(
        kpi=KPI,
        value=100.0,
        low=99.0,
        high=101.0,
        confidence=0.95,
        samples=tuple(99.0 + sample / 4 for sample in range(SAMPLES)),
        conditions={"number": number},
        unit="pps",
        test=test,
        at="2025-01-01T00:00:01+00:00",
    )
