"""Results of suites that others wrote: which of their tests are required, and what became of each. Pure.

An engine (tempest, rally) runs them; here its words become our verdicts. Only what was required by name and told to
have passed is PASS: a test that was skipped, never begun or never ended is NOT_RUN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from nfvcert.judge import ForeignResult, Verdict
from nfvcert.parts import Part, Text

__all__ = ["Capability", "ForeignOutcome", "ForeignTest", "Guideline", "GuidelineTest", "compared", "required_tests"]


class GuidelineTest(Part):
    """A test that proves a capability."""

    name: Text
    """Dotted name when the guideline was approved; since then it may have been renamed."""
    id: Text
    """Tempest's idempotent id, which stays: `id-6c0a0990-…`."""
    flagged: str = ""
    """Why it is not asked for, although the capability is required."""


class Capability(Part):
    """What a cloud must be able to do."""

    description: str = ""
    tests: tuple[GuidelineTest, ...]


class Guideline(Part):
    """An OpenStack interoperability guideline: the required capabilities of a component, and the tests of each."""

    guideline: Text
    """Its id, such as 2020.06."""
    component: Text
    source: Text
    licence: Text
    capabilities: Mapping[str, Capability]


class ForeignTest(Part):
    """A test of a foreign suite that must pass."""

    name: Text
    id: Text
    requirements: tuple[str, ...] = ()
    absent: bool = False
    """The suite has no test with this id any more."""
    excused: str = ""
    """Why it cannot prove anything in this lab: it is not run, not passed either, and told of."""


class ForeignOutcome(Part):
    """What an engine told of one test."""

    name: str
    """As the engine writes it, without its tags."""
    status: Literal["success", "fail", "skip", "xfail", "uxsuccess", "inprogress", "unknown", "exists"]
    """subunit's words; `inprogress`: it began, and nothing was heard of its end."""
    seconds: float = 0.0
    said: str = ""
    """Traceback or reason, as text."""


def required_tests(
    guideline: Guideline,
    capabilities: Sequence[str],
    known: Mapping[str, Sequence[str]],
    excused: Mapping[str, str] = MappingProxyType({}),
) -> tuple[ForeignTest, ...]:
    """The tests that prove some capabilities, or every one ("all").

    ``known``: idempotent id → names of the tests that carry it. A renamed test is found by its id; one whose id is
    gone stays required. ``excused``: id → why a test cannot prove anything here. Flagged tests are not asked for.
    Raises ValueError for a capability that the guideline does not have, and when nothing at all would be required.
    """
    wanted = list(guideline.capabilities) if "all" in capabilities else list(capabilities)
    if unknown := sorted(set(wanted) - set(guideline.capabilities)):
        raise ValueError(f"guideline {guideline.guideline} has no capability {', '.join(unknown)}")
    proves: dict[tuple[str, str], list[str]] = {}
    for capability in wanted:
        asked = [test for test in guideline.capabilities[capability].tests if not test.flagged]
        for test in asked:
            proves.setdefault((test.id, test.name), []).append(f"interop.{guideline.guideline}.{capability}".lower())
    if not proves:
        raise ValueError(f"guideline {guideline.guideline} requires no test of {', '.join(wanted) or 'nothing'}")
    return tuple(
        ForeignTest(
            name=_now(name, known.get(identity, ())),
            id=identity,
            requirements=tuple(requirements),
            absent=not known.get(identity),
            excused=excused.get(identity, ""),
        )
        for (identity, name), requirements in proves.items()
    )


def _now(name: str, names: Sequence[str]) -> str:
    """What a test is called today."""
    return name if name in names else min(names, default=name)


def compared(
    engine: str, tests: Iterable[ForeignTest], outcomes: Sequence[ForeignOutcome], ended: str = ""
) -> tuple[ForeignResult, ...]:
    """Each test with its verdict, in order. Of several outcomes of one test the worst counts.

    ``ended``: how the engine broke off, where it did; that is why the others were not run.
    """
    told: dict[str, list[ForeignOutcome]] = {}
    for outcome in outcomes:
        told.setdefault(outcome.name, []).append(outcome)
    return tuple(_result(engine, test, told, ended) for test in tests)


OF_THE_CLOUD = ("tempest.lib.exceptions.", "tempest.exceptions.", "urllib3.exceptions.")
"""Errors of what the cloud answered, or did not answer."""
OF_THE_LAB = ("InvalidConfiguration", "InvalidCredentials", "InvalidServiceTag", "PluginRegistrationException")
"""Of tempest's errors, those that say that it was set up wrongly."""


def _result(engine: str, test: ForeignTest, told: Mapping[str, Sequence[ForeignOutcome]], ended: str) -> ForeignResult:
    begun = [each for each in told.get(test.name, ()) if each.status != "exists"]
    if test.excused:
        verdict, sentence = Verdict.NOT_RUN, f"not applicable, and not run: {test.excused}"
    elif test.absent:
        verdict, sentence = Verdict.NOT_RUN, f"this {engine} has no test with {test.id}: it was removed"
    else:
        verdict, sentence = _judged(begun, _of_its_class(test.name, told), ended)
    return ForeignResult(
        engine=engine,
        id=test.name,
        verdict=verdict,
        sentence=f"{test.name}: {sentence}",
        seconds=round(sum(each.seconds for each in begun), 3),
        requirements=test.requirements,
        required=not test.excused,
    )


def _of_its_class(name: str, told: Mapping[str, Sequence[ForeignOutcome]]) -> list[tuple[str, ForeignOutcome]]:
    """(what, what became of it) of what surrounds the tests of a class; unittest tells of it where it fails."""
    of_class = name.rpartition(".")[0]
    return [
        (what, outcome)
        for prefix, what in (("setUpClass", "set-up"), ("tearDownClass", "clean-up"))
        for outcome in told.get(f"{prefix} ({of_class})", ())
    ]


def _judged(
    begun: Sequence[ForeignOutcome], of_class: Sequence[tuple[str, ForeignOutcome]], ended: str
) -> tuple[Verdict, str]:
    worst = min((_of_one(outcome) for outcome in begun), key=lambda judged: _ORDER.index(judged[0]), default=None)
    if worst is not None and worst[0] is Verdict.FAIL:
        return worst
    for what, outcome in of_class:
        said = _last_line(outcome.said)
        if outcome.status == "skip":
            return Verdict.NOT_RUN, f"skipped with its class: {said or 'no reason told'}"
        if _is_of_the_cloud(said):
            # What a class sets up and cleans up, it asks of the cloud under test, which refused or failed.
            return Verdict.FAIL, f"the {what} of its class failed: {said}"
        return Verdict.NOT_RUN, f"the {what} of its class broke off: {said}"
    return worst or (Verdict.NOT_RUN, f"it was never begun{f': {ended}' if ended else ''}")


def _is_of_the_cloud(said: str) -> bool:
    return said.startswith(OF_THE_CLOUD) and not _is_of_the_lab(said)


def _is_of_the_lab(said: str) -> bool:
    return said.partition(":")[0].endswith(OF_THE_LAB)


_ORDER = (Verdict.FAIL, Verdict.NOT_RUN, Verdict.PASS)
"""The worst first."""


def _of_one(outcome: ForeignOutcome) -> tuple[Verdict, str]:
    said = _last_line(outcome.said)
    match outcome.status:
        case "success":
            return Verdict.PASS, "passed"
        case "fail" if _is_of_the_lab(said):
            return Verdict.NOT_RUN, f"it was set up wrongly: {said}"
        case "fail":
            return Verdict.FAIL, said or "failed"
        case "skip":
            return Verdict.NOT_RUN, f"skipped: {said or 'no reason told'}"
        case "inprogress":
            return Verdict.NOT_RUN, "it began, and its end was never told"
        case _:
            return Verdict.NOT_RUN, f"it is told to be {outcome.status}, which proves nothing"


def _last_line(text: str) -> str:
    """What an exception says: the line behind the last frame of a traceback, without its indented frames."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    behind = lines[frames[-1] + 1 :] if frames else lines
    said = [line for line in behind if not line.startswith((" ", "}}}"))]
    return " ".join((said[0] if frames and said else lines[-1] if lines else "").split())[:400]
