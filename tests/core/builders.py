"""Small real objects for tests of the pure modules."""

from __future__ import annotations

from collections.abc import Mapping

from nfvcert.judge import TestResult, Verdict
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.record import (
    Event,
    Measured,
    PlannedTest,
    RunFacts,
    RunFinished,
    RunResumed,
    RunStarted,
    StreamPlan,
    StreamPlanned,
    TestFinished,
    TestStarted,
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


def big_lab() -> Lab:
    """A lab with everything that tests can compete for."""
    return Lab.model_validate(
        {
            "lab": "opco-ru",
            "owner": {"organisation": "OpCo RU", "role": "opco"},
            "environment": "lab",
            "provider": "embedded",
            "profile": "software-switch",
            "hosts": {
                "leaf-1": {"roles": ["switch"]},
                "compute-1": {"roles": ["compute"], "components": ["host-os"], "cpus": 8},
                "compute-2": {"roles": ["compute", "controller"], "components": ["host-os", "nic"], "cpus": 16},
            },
            "network": {"dut": {"kind": "linux-bridge"}},
            "traffic": {
                "generator": "software",
                "ports": {
                    "tg0": {"attached_to": "leaf-1", "speed": "10 Gbit/s"},
                    "tg1": {"attached_to": "leaf-1", "speed": "10 Gbit/s"},
                },
            },
            "cloud": {"name": "pod", "quota": {"vcpus": 64, "instances": 20}},
            "shares": ["machine"],
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


def measurement(value: float = 700.0, test: str = TEST) -> Measurement:
    """An exact measurement of the criterion's KPI."""
    return Measurement(
        kpi=KPI, value=value, low=value, high=value, unit="pps", test=test, at="2026-11-25T10:00:00.000+00:00"
    )


def result(test: str = TEST, verdict: Verdict = Verdict.PASS) -> TestResult:
    """What became of a test."""
    return TestResult(test=test, title=test, verdict=verdict, sentence=verdict.lower(), seconds=1.5)


def run_facts() -> RunFacts:
    """The circumstances of a run."""
    return RunFacts(
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


def accepted_run() -> list[Event]:
    """The events of a run that was accepted."""
    return [
        RunStarted(facts=run_facts()),
        StreamPlanned(plan=plan()),
        Measured(stream="opco-ru", measurement=measurement()),
        TestFinished(stream="opco-ru", result=result()),
        RunFinished(at="2026-11-25T10:01:00+00:00"),
    ]


def events_of(test: str, verdict: Verdict = Verdict.PASS, worker: str = "w1") -> list[Event]:
    """A test begins, measures what fits its verdict, and ends."""
    value = 500.0 if verdict is Verdict.FAIL else 700.0
    return [
        TestStarted(stream="opco-ru", test=test, at="2026-11-25T10:00:02+00:00", worker=worker),
        Measured(stream="opco-ru", measurement=measurement(value, test)),
        TestFinished(stream="opco-ru", result=result(test, verdict)),
    ]


def run_of(verdicts: Mapping[str, Verdict], *, side_by_side: bool = False) -> list[Event]:
    """The events of a whole run with workers, its tests one after the other or interleaved."""
    each = [events_of(test, verdict, f"w{n}") for n, (test, verdict) in enumerate(verdicts.items())]
    ordered = [event for events in (zip(*each, strict=True) if side_by_side else each) for event in events]
    return [
        RunStarted(facts=run_facts()),
        StreamPlanned(plan=plan(*verdicts)),
        *ordered,
        RunFinished(at="2026-11-25T10:01:00+00:00"),
    ]


def resumed() -> RunResumed:
    """Somebody lets a run go on."""
    return RunResumed(at="2026-11-25T11:00:00+00:00", command="pytest --resume=latest", user="tester")
