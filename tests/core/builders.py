"""Small real objects for tests of the pure modules."""

from __future__ import annotations

from nfvcert.judge import TestResult, Verdict
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.record import (
    Event,
    Measured,
    PlannedTest,
    RunFacts,
    RunFinished,
    RunStarted,
    StreamPlan,
    StreamPlanned,
    TestFinished,
)
from nfvcert.testmodel import Criterion, Parameters

KPI = "network.throughput.ndr"
TEST = "suites/network/test_throughput.py::test_throughput[opco-ru-64B]"


def small_lab() -> Lab:
    """A lab of one host."""
    return Lab.model_validate(
        {
            "lab": "opco-ru",
            "owner": {"organisation": "OpCo RU", "role": "opco"},
            "environment": "lab",
            "provider": "embedded",
            "profile": "software-switch",
            "hosts": {"leaf-1": {"roles": ["switch"]}},
        }
    )


def plan(*tests: str) -> StreamPlan:
    """A plan of some tests, with one criterion: NDR ≥ 600 pps."""
    criterion = Criterion(kpi=KPI, at_least=600, unit="pps", as_written="≥ 600 pps", source="RFC 2544 §26.1")
    kpi = Kpi(title="Non-drop rate", definition="d", unit="pps", better="higher", method="m", source="s")
    return StreamPlan(
        stream="opco-ru",
        lab=small_lab(),
        inventory="opco-ru.yaml",
        inventory_sha256="0" * 64,
        model="network 2026.1",
        model_file="network.yaml",
        model_sha256="1" * 64,
        profile="software-switch",
        profile_title="a bridge",
        parameters=Parameters(),
        criteria=(criterion,),
        kpis={KPI: kpi},
        planned=tuple(
            PlannedTest(test=test, title=test, measures=(KPI,), reason="required") for test in tests or (TEST,)
        ),
    )


def measurement(value: float = 700.0) -> Measurement:
    """An exact measurement of the criterion's KPI."""
    return Measurement(
        kpi=KPI, value=value, low=value, high=value, unit="pps", test=TEST, at="2026-11-25T10:00:00.000+00:00"
    )


def result(test: str = TEST, verdict: Verdict = Verdict.PASS) -> TestResult:
    """What became of a test."""
    return TestResult(test=test, title=test, verdict=verdict, sentence=verdict.lower(), seconds=1.5)


def accepted_run() -> list[Event]:
    """The events of a run that was accepted."""
    facts = RunFacts(
        run="20261125-100000-opco-ru",
        command="pytest -m network --lab=opco-ru",
        started="2026-11-25T10:00:00+00:00",
        nfvcert="0.1.0",
        python="3.11.7",
        pytest="9.2.0",
        platform="Linux",
        user="tester",
        suites_sha256="2" * 64,
    )
    return [
        RunStarted(facts=facts),
        StreamPlanned(plan=plan()),
        Measured(stream="opco-ru", measurement=measurement()),
        TestFinished(stream="opco-ru", result=result()),
        RunFinished(at="2026-11-25T10:01:00+00:00"),
    ]
