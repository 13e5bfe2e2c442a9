"""Rally, the benchmark of OpenStack: scenarios under load on a cloud, with what they took and how often they failed.

A task is made, run with a database of its own, and read back from rally's JSON report.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from nfvcert import environments
from nfvcert.engines import command
from nfvcert.errors import EngineError, LabError
from nfvcert.judge import ForeignResult, Verdict
from nfvcert.parts import Part
from nfvcert.protocols import CloudSession

__all__ = ["Scenario", "Workload", "loaded", "platform", "read_report", "results", "task"]

LOCK = Path(__file__).with_name("rally.lock")
STEP_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Scenario:
    """A scenario of rally, and the load that it is run under."""

    name: str
    """As rally names it: `NovaFlavors.list_flavors`."""
    times: int
    concurrency: int
    arguments: Mapping[str, Any]


class _Told(Part):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Action(_Told):
    name: str
    duration: float = 0.0
    failed: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0

    @property
    def seconds(self) -> float:
        return self.duration or self.finished_at - self.started_at


class _Iteration(_Told):
    duration: float
    error: tuple[str, ...] = ()
    atomic_actions: tuple[_Action, ...] = ()


class Workload(_Told):
    """What rally told of one scenario under load."""

    scenario: dict[str, Any] = Field(min_length=1, max_length=1)
    load_duration: float
    total_iteration_count: int
    failed_iteration_count: int
    pass_sla: bool
    data: tuple[_Iteration, ...]
    contexts_results: tuple[dict[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """The scenario's."""
        return next(iter(self.scenario))

    @property
    def durations(self) -> list[float]:
        """Seconds of each iteration without an error, growing."""
        return sorted(each.duration for each in self.data if not each.error)

    @property
    def actions(self) -> dict[str, list[float]]:
        """Atomic action → its durations in seconds, growing, of iterations without an error."""
        found: dict[str, list[float]] = {}
        for iteration in self.data:
            for action in () if iteration.error else iteration.atomic_actions:
                found.setdefault(action.name, []).append(action.seconds)
        return {name: sorted(seconds) for name, seconds in found.items()}

    @property
    def failed(self) -> list[str]:
        """What each iteration with an error says."""
        return [" ".join(" ".join(each.error[:2]).split())[:300] for each in self.data if each.error]


REPORT: TypeAdapter[list[Workload]] = TypeAdapter(list[Workload])


def loaded(
    cloud: CloudSession,
    scenarios: Sequence[Scenario],
    *,
    timeout_s: float,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[tuple[Workload, ...], tuple[ForeignResult, ...]]:
    """Run scenarios on a cloud: (what was measured, each scenario with its verdict).

    Raises EngineError where rally cannot be run.
    """
    try:
        environment = environments.make("rally", LOCK, tell=tell)
    except LabError as error:
        raise EngineError(error.sentence, what="rally", hint=error.hint) from error
    tell(f"rally runs {len(scenarios)} scenarios")
    with tempfile.TemporaryDirectory(prefix="nfvcert-rally-") as temporary:
        workloads = _run(environment, cloud, scenarios, Path(temporary), timeout_s)
    return workloads, results(scenarios, workloads)


def results(scenarios: Sequence[Scenario], workloads: Sequence[Workload]) -> tuple[ForeignResult, ...]:
    """Each scenario with its verdict: PASS only where every wanted iteration was run, and none failed."""
    by_name = {workload.name: workload for workload in workloads}
    return tuple(_result(scenario, by_name.get(scenario.name)) for scenario in scenarios)


def _result(scenario: Scenario, told: Workload | None) -> ForeignResult:
    seconds = 0.0
    if told is None:
        verdict, sentence = Verdict.NOT_RUN, "rally told nothing of it: it did not run"
    else:
        seconds = told.load_duration
        ran, failed = len(told.data), len(told.failed)
        if failed:
            verdict, sentence = Verdict.FAIL, f"{failed} of {ran} iterations failed: {told.failed[0]}"
        elif ran < scenario.times or told.total_iteration_count < scenario.times or not told.pass_sla:
            verdict = Verdict.NOT_RUN
            sentence = f"{ran} of {scenario.times} iterations were run{_broken_context(told)}"
        else:
            verdict, sentence = Verdict.PASS, f"{ran} iterations, {scenario.concurrency} at once, none failed"
    return ForeignResult(
        engine="rally",
        id=scenario.name,
        verdict=verdict,
        sentence=f"{scenario.name}: {sentence}",
        seconds=round(seconds, 3),
    )


def _broken_context(told: Workload) -> str:
    for context in told.contexts_results:
        for phase in ("setup", "cleanup"):
            error = context.get(phase, {}).get("error") if isinstance(context.get(phase), dict) else None
            if error:
                return f": {phase} of {context.get('plugin_name', 'a context')}: {str(error.get('msg', error))[:300]}"
    return ""


def read_report(text: str) -> tuple[Workload, ...]:
    """The workloads of rally's JSON report. Raises EngineError for one that is not whole."""
    try:
        told = json.loads(text)
        found = [
            workload for task in told["tasks"] for subtask in task["subtasks"] for workload in subtask["workloads"]
        ]
        return tuple(REPORT.validate_python(found))
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise EngineError(f"the report of rally cannot be read: {str(error).splitlines()[0]}", what="rally") from error


def _run(
    environment: Path, cloud: CloudSession, scenarios: Sequence[Scenario], folder: Path, timeout_s: float
) -> tuple[Workload, ...]:
    (folder / "rally.conf").write_text(f"[database]\nconnection = sqlite:///{folder}/rally.sqlite\n", encoding="utf-8")
    (folder / "platform.json").write_text(json.dumps(platform(cloud)), encoding="utf-8")
    (folder / "task.json").write_text(json.dumps(task(scenarios)), encoding="utf-8")
    rally = [*cloud.command_prefix, str(environment / "bin" / "rally"), "--config-file", str(folder / "rally.conf")]
    for step in (
        ["db", "create"],
        ["env", "create", "--name", "cloud", "--spec", str(folder / "platform.json")],
    ):
        ended = command.run([*rally, *step], folder, timeout_s=STEP_TIMEOUT_S)
        if ended.status or not ended.in_time:
            raise EngineError(f"rally {' '.join(step[:2])} failed: {_last(ended.said)}", what="rally")
    ended = command.run(
        [*rally, "task", "start", "--env", "cloud", str(folder / "task.json")], folder, timeout_s=timeout_s
    )
    if not ended.in_time or ended.status not in (0, 2):  # 2: an SLA was missed, which the report tells
        why = _last(ended.said) if ended.in_time else f"it did not end within {timeout_s:g} s"
        raise EngineError(f"rally task start failed: {why}", what="rally")
    report = folder / "report.json"
    ended = command.run(
        [*rally, "task", "report", "--json", "--env", "cloud", "--out", str(report)], folder, timeout_s=STEP_TIMEOUT_S
    )
    if ended.status or not ended.in_time or not report.exists():
        raise EngineError(f"rally task report failed: {_last(ended.said)}", what="rally")
    return read_report(report.read_text(encoding="utf-8"))


def platform(cloud: CloudSession) -> dict[str, Any]:
    """Rally's description of a cloud."""
    auth = cloud.sdk.config.get_auth_args()
    verify, _ = cloud.sdk.config.get_requests_verify_args()
    told: dict[str, Any] = {
        "auth_url": str(auth["auth_url"]),
        "admin": {
            "username": auth["username"],
            "password": auth["password"],
            "project_name": auth.get("project_name") or auth.get("tenant_name") or "",
            "user_domain_name": auth.get("user_domain_name") or "Default",
            "project_domain_name": auth.get("project_domain_name") or "Default",
        },
        "https_insecure": verify is False,
    }
    if isinstance(verify, str):
        told["https_cacert"] = verify
    if region := cloud.sdk.config.get_region_name():
        told["region_name"] = region
    return {"existing@openstack": told}


def task(scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """Rally's task (format 2): every scenario under its load, with users of its own."""
    return {
        "version": 2,
        "title": "nfvcert",
        "subtasks": [
            {
                "title": scenario.name,
                "scenario": {scenario.name: dict(scenario.arguments)},
                "runner": {"constant": {"times": scenario.times, "concurrency": scenario.concurrency}},
                "contexts": {"users": {"tenants": 1, "users_per_tenant": 1}},
                "sla": {"failure_rate": {"max": 0}},
            }
            for scenario in scenarios
        ],
    }


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["it says nothing"])[-1][:300]
