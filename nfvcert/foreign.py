"""Results of suites that others wrote: which of their tests are required, and what became of each. Pure.

An engine (tempest, rally) runs them; here its words become our verdicts. Only what was required by name and told to
have passed is PASS: a test that was skipped, never begun or never ended is NOT_RUN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    guideline: Guideline, capabilities: Sequence[str], known: Mapping[str, Sequence[str]]
) -> tuple[tuple[ForeignTest, ...], tuple[ForeignTest, ...]]:
    """(tests to run, tests that are required and that the suite does not have).

    ``capabilities`` are those to prove; "all" stands for every one. ``known``: idempotent id → names of the tests
    that carry it. Flagged tests are not asked for. Raises ValueError for a capability that the guideline does not
    have, and when nothing at all would be required.
    """
    wanted = list(guideline.capabilities) if "all" in capabilities else list(capabilities)
    if unknown := sorted(set(wanted) - set(guideline.capabilities)):
        raise ValueError(f"guideline {guideline.guideline} has no capability {', '.join(unknown)}")
    proves: dict[tuple[str, str], list[str]] = {}
    for capability in wanted:
        for test in guideline.capabilities[capability].tests:
            if not test.flagged:
                named = f"interop.{guideline.guideline}.{capability}".lower()
                proves.setdefault((test.id, test.name), []).append(named)
    if not proves:
        raise ValueError(f"guideline {guideline.guideline} requires no test of {', '.join(wanted) or 'nothing'}")
    run: list[ForeignTest] = []
    absent: list[ForeignTest] = []
    for (identity, name), requirements in proves.items():
        names = sorted(known.get(identity, ()))
        current = name if name in names else next(iter(names), "")
        wanted_test = ForeignTest(name=current or name, id=identity, requirements=tuple(requirements))
        (run if current else absent).append(wanted_test)
    return tuple(run), tuple(absent)


def compared(
    engine: str, required: Iterable[ForeignTest], outcomes: Sequence[ForeignOutcome]
) -> tuple[ForeignResult, ...]:
    """Each required test with its verdict, in the order in which they are required.

    Of several outcomes of one test the worst counts.
    """
    told: dict[str, list[ForeignOutcome]] = {}
    for outcome in outcomes:
        told.setdefault(outcome.name, []).append(outcome)
    set_up = {name[len(SET_UP) : -1]: found[-1] for name, found in told.items() if name.startswith(SET_UP)}
    return tuple(_result(engine, test, told.get(test.name, []), set_up) for test in required)


SET_UP = "setUpClass ("
"""So unittest names what fails before the tests of a class."""
OF_THE_CLOUD = ("tempest.lib.exceptions.", "tempest.exceptions.")
OF_THE_LAB = ("InvalidConfiguration", "InvalidCredentials", "InvalidServiceTag", "PluginRegistrationException")
"""Of tempest's errors, those that say that it was set up wrongly."""


def _result(
    engine: str, test: ForeignTest, found: Sequence[ForeignOutcome], set_up: Mapping[str, ForeignOutcome]
) -> ForeignResult:
    verdict, sentence = Verdict.NOT_RUN, f"{engine} told nothing of it: it did not run"
    seconds = 0.0
    above = set_up.get(test.name.rpartition(".")[0])
    begun = [each for each in found if each.status != "exists"]
    if begun:
        worst_first = sorted(begun, key=lambda each: _ORDER.index(each.status))
        verdict, sentence = _judged(worst_first[0])
        seconds = sum(each.seconds for each in begun)
    elif above is not None:
        said = _last_line(above.said)
        if above.status == "skip":
            sentence = f"skipped with its class: {said}"
        elif said.startswith(OF_THE_CLOUD) and not any(word in said for word in OF_THE_LAB):
            # What a class sets up, it asks of the cloud under test, which refused or failed.
            verdict, sentence = Verdict.FAIL, f"the set-up of its class failed: {said}"
        else:
            sentence = f"the set-up of its class broke off: {said}"
    elif found:
        sentence = "it was listed, and never begun"
    return ForeignResult(
        engine=engine,
        id=test.name,
        verdict=verdict,
        sentence=f"{test.name}: {sentence}",
        seconds=round(seconds, 3),
        requirements=test.requirements,
    )


_ORDER = ("fail", "uxsuccess", "inprogress", "unknown", "xfail", "skip", "success")
"""The worst first; `exists`, which stestr tells of each test before the first one runs, is no outcome."""


def _judged(outcome: ForeignOutcome) -> tuple[Verdict, str]:
    match outcome.status:
        case "success":
            return Verdict.PASS, "passed"
        case "fail":
            return Verdict.FAIL, _last_line(outcome.said) or "failed"
        case "skip":
            return Verdict.NOT_RUN, f"skipped: {_last_line(outcome.said) or 'no reason told'}"
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
