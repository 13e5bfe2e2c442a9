"""Rally, the benchmark of OpenStack: scenarios under load on a cloud, with what they took and how often they failed.

A task is made, run with a database of its own, and read back from rally's JSON report.
"""

from __future__ import annotations

import json
import math
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

__all__ = ["Scenario", "Workload", "loaded", "percentile", "platform", "read_report", "results", "task"]

LOCK = Path(__file__).with_name("rally.lock")
STEP_TIMEOUT_S = 120.0
MISSED = 2
"""Rally's status when iterations failed: its report tells which."""


@dataclass(frozen=True)
class Scenario:
    """A scenario of rally, and the load that it is run under."""

    name: str
    """As rally names it: `NovaFlavors.list_flavors`."""
    times: int
    concurrency: int
    arguments: Mapping[str, Any]
    requirements: tuple[str, ...] = ()
    """Ids of what it verifies."""


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


def percentile(seconds: Sequence[float], share: float) -> float:
    """The duration that a share (0…1) of some growing ones does not exceed (nearest rank)."""
    return seconds[max(0, math.ceil(share * len(seconds)) - 1)]


REPORT: TypeAdapter[list[Workload]] = TypeAdapter(list[Workload])


def loaded(
    cloud: CloudSession,
    user: CloudSession,
    scenarios: Sequence[Scenario],
    *,
    timeout_s: float,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[tuple[Workload, ...], tuple[ForeignResult, ...]]:
    """Run scenarios on a cloud as a ``user`` of it: (what was measured, each scenario with its verdict).

    What rally leaves is in the user's project, where the sweep finds it: rally's own names tell nothing of the run.
    Raises EngineError where rally cannot be run, or its end contradicts its report; Unreachable where iterations
    failed because the way to the cloud is broken.
    """
    try:
        environment = environments.make("rally", LOCK, tell=tell)
    except LabError as error:  # another test may need no foreign suite
        raise EngineError(error.sentence, what="rally", hint=error.hint) from error
    tell(f"rally runs {len(scenarios)} scenarios")
    with tempfile.TemporaryDirectory(prefix="nfvcert-rally-") as temporary:
        ended, workloads = _run(environment, cloud, user, scenarios, Path(temporary), timeout_s)
    told = results(scenarios, workloads)
    command.contradict("rally", ended, told)
    command.see_that_it_answers(cloud, told)
    return workloads, told


def results(scenarios: Sequence[Scenario], workloads: Sequence[Workload]) -> tuple[ForeignResult, ...]:
    """Each scenario with its verdict: PASS only where every wanted iteration was run, and none failed."""
    by_name: dict[str, list[Workload]] = {}
    for workload in workloads:
        by_name.setdefault(workload.name, []).append(workload)
    return tuple(_result(scenario, by_name.get(scenario.name, ())) for scenario in scenarios)


def _result(scenario: Scenario, found: Sequence[Workload]) -> ForeignResult:
    verdict, sentence = _judged(scenario, found)
    return ForeignResult(
        engine="rally",
        id=scenario.name,
        verdict=verdict,
        sentence=f"{scenario.name}: {sentence}",
        seconds=round(sum(told.load_duration for told in found), 3),
        requirements=scenario.requirements,
    )


def _judged(scenario: Scenario, found: Sequence[Workload]) -> tuple[Verdict, str]:
    if len(found) != 1:
        return Verdict.NOT_RUN, f"rally told {'nothing' if not found else f'{len(found)} times'} of it"
    (told,) = found
    ran, failed = len(told.data), told.failed
    if failed or told.failed_iteration_count:
        why = f": {failed[0]}" if failed else ""
        return Verdict.FAIL, f"{max(len(failed), told.failed_iteration_count)} of {ran} iterations failed{why}"
    if not ran == told.total_iteration_count == scenario.times:
        return Verdict.NOT_RUN, f"{ran} of {scenario.times} iterations were run{_broken_context(told)}"
    if not told.pass_sla:
        return (
            Verdict.NOT_RUN,
            f"rally is not content, and tells of no iteration that failed{_broken_context(told)}",
        )
    return Verdict.PASS, f"{ran} iterations, {scenario.concurrency} at once, none failed"


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
    environment: Path,
    cloud: CloudSession,
    user: CloudSession,
    scenarios: Sequence[Scenario],
    folder: Path,
    timeout_s: float,
) -> tuple[command.Ended, tuple[Workload, ...]]:
    """(How the task ended, what its report tells)."""
    (folder / "rally.conf").write_text(f"[database]\nconnection = sqlite:///{folder}/rally.sqlite\n", encoding="utf-8")
    (folder / "platform.json").write_text(json.dumps(platform(cloud, user)), encoding="utf-8")
    (folder / "task.json").write_text(json.dumps(task(scenarios)), encoding="utf-8")
    report = folder / "report.json"
    rally = [*cloud.command_prefix, str(environment / "bin" / "rally"), "--config-file", str(folder / "rally.conf")]

    def step(*words: str, allowed: tuple[int, ...] = (0,), within_s: float = STEP_TIMEOUT_S) -> command.Ended:
        ended = command.run([*rally, *words], folder, timeout_s=within_s)
        if not ended.in_time or ended.status not in allowed:
            raise EngineError(f"rally {' '.join(words[:2])} {ended.how}: {ended.last}", what="rally")
        return ended

    empty = environment / "empty.sqlite"
    if not empty.exists():  # made once for an environment: each command of rally takes seconds to begin
        step("db", "create")
        beside = environment / f"empty.sqlite.{folder.name}"
        beside.write_bytes((folder / "rally.sqlite").read_bytes())
        beside.replace(empty)
    (folder / "rally.sqlite").write_bytes(empty.read_bytes())
    step("env", "create", "--name", "cloud", "--spec", str(folder / "platform.json"))
    ended = step("task", "start", "--env", "cloud", str(folder / "task.json"), allowed=(0, MISSED), within_s=timeout_s)
    step("task", "report", "--json", "--env", "cloud", "--out", str(report))
    if not report.exists():
        raise EngineError("rally task report wrote no report", what="rally")
    return ended, read_report(report.read_text(encoding="utf-8"))


def platform(cloud: CloudSession, user: CloudSession) -> dict[str, Any]:
    """Rally's description of a cloud: an administrator, and the user that scenarios are run as."""
    verify, _ = cloud.sdk.config.get_requests_verify_args()
    told: dict[str, Any] = {
        "auth_url": str(cloud.sdk.config.get_auth_args()["auth_url"]),
        "admin": _account(cloud),
        "users": [_account(user)],
        "https_insecure": verify is False,
    }
    if isinstance(verify, str):
        told["https_cacert"] = verify
    if region := cloud.sdk.config.get_region_name():
        told["region_name"] = region
    return {"existing@openstack": told}


def _account(session: CloudSession) -> dict[str, str]:
    auth = session.sdk.config.get_auth_args()
    return {
        "username": str(auth["username"]),
        "password": str(auth["password"]),
        "project_name": str(auth.get("project_name") or auth.get("tenant_name") or ""),
        "user_domain_name": str(auth.get("user_domain_name") or "Default"),
        "project_domain_name": str(auth.get("project_domain_name") or "Default"),
    }


def task(scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """Rally's task (format 2): every scenario under its load."""
    return {
        "version": 2,
        "title": "nfvcert",
        "subtasks": [
            {
                "title": scenario.name,
                "scenario": {scenario.name: dict(scenario.arguments)},
                "runner": {"constant": {"times": scenario.times, "concurrency": scenario.concurrency}},
                "contexts": {},
                "sla": {"failure_rate": {"max": 0}},
            }
            for scenario in scenarios
        ],
    }
