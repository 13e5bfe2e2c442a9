"""What pytest collected, as the planner sees it: a test's stream, its domain, what it measures, needs and shares."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import pytest

from nfvcert.claims import Claim, claims_of, parse
from nfvcert.testcase import CollectedTest, case_of
from nfvcert.testmodel import LAB_KINDS, Parameters, Size

__all__ = ["DOMAINS", "collected", "opens_lab", "stream_of"]

DOMAINS = frozenset({"compute", "storage", "network", "vim", "vnf"})
SIZES: tuple[Size, ...] = ("small", "medium", "large")
DURATIONS = [name for name, field in Parameters.model_fields.items() if field.annotation is float and "seconds" in name]
"""Parameters of test models that are times."""
OURS = "nfvcert.plugin"
"""Module of our own fixtures."""
IN_ANY_WORKER = {"stream", "lab", "parameters", "shell"}
"""Our fixtures that several workers may have at the same time, each its own."""
COLLECTED: pytest.StashKey[CollectedTest] = pytest.StashKey()


def stream_of(item: pytest.Item) -> str | None:
    """The stream that a collected test is parametrised for; None for a test that needs no lab."""
    callspec = getattr(item, "callspec", None)
    stream = callspec.params.get("stream") if callspec else None
    return stream if isinstance(stream, str) else None


def collected(item: pytest.Item) -> CollectedTest:
    """A pytest item as the planner sees it. Raises pytest.UsageError for a marker that is misused."""
    if COLLECTED not in item.stash:
        item.stash[COLLECTED] = _collected(item)
    return item.stash[COLLECTED]


def opens_lab(item: pytest.Item) -> bool:
    """Whether setting the test up opens its lab: a suite may have a fixture ``stream`` of its own."""
    for definition in reversed(_fixtures(item).get("stream", ())):
        if _is_ours(definition):
            return True
        if "stream" not in definition.argnames:
            return False
    return False


def _collected(item: pytest.Item) -> CollectedTest:
    doc = (getattr(getattr(item, "obj", None), "__doc__", None) or item.name).strip()
    measures = [name for marker in item.iter_markers("measures") for name in marker.args]
    if not all(isinstance(name, str) for name in measures):
        raise pytest.UsageError(
            f"{item.nodeid}: measures('domain.subject.quantity', …) takes KPI names, not {measures!r}"
        )
    expected = item.get_closest_marker("expected_seconds")
    if expected and not (len(expected.args) == 1 and isinstance(expected.args[0], int | float)):
        raise pytest.UsageError(f"{item.nodeid}: expected_seconds(seconds) takes one number")
    at_most = expected.kwargs.get("at_most", "") if expected else ""
    if at_most and at_most not in DURATIONS:
        close = "".join(f", did you mean {name!r}?" for name in get_close_matches(str(at_most), DURATIONS, 1))
        raise pytest.UsageError(
            f"{item.nodeid}: expected_seconds(at_most=…) names a parameter of test models in seconds, "
            f"found {at_most!r}{close}"
        )
    destructive = item.get_closest_marker("destructive") is not None
    return CollectedTest(
        test=item.nodeid,
        title=doc.splitlines()[0].rstrip("."),
        domains=frozenset(marker.name for marker in item.iter_markers()) & DOMAINS,
        measures=tuple(dict.fromkeys(measures)),
        case=case_of(item.nodeid, stream_of(item) or ""),
        needs=frozenset(_needs(item)),
        expected_seconds=float(expected.args[0]) if expected else None,
        seconds_max_parameter=at_most,
        claims=(*_claims(item), *([Claim("lab", exclusive=True)] if destructive else ())),
        shared_fixtures=frozenset(_shared(item)),
        destructive=destructive,
        frame_bytes=item.callspec.params.get("frame_bytes") if hasattr(item, "callspec") else None,
        covers=frozenset(_covers(item)),
        size=next((size for size in SIZES if item.get_closest_marker(size)), SIZES[0]),
    )


def _covers(item: pytest.Item) -> Iterable[str]:
    """Those of its closest marker: a test says more exactly than its module what it can find."""
    marker = item.get_closest_marker("covers")
    for name in marker.args if marker else ():
        if not isinstance(name, str):
            raise pytest.UsageError(f"{item.nodeid}: covers('component', …) takes names of components, not {name!r}")
        yield name


def _needs(item: pytest.Item) -> Iterable[str]:
    """What its lab must be or have. A name that no lab has would leave the test out everywhere, so it is refused."""
    for marker in item.iter_markers("needs"):
        for name in (*marker.args, *marker.kwargs):
            if name not in LAB_KINDS or name in marker.kwargs:
                raise pytest.UsageError(f"{item.nodeid}: needs(…) takes one of {', '.join(LAB_KINDS)}, not {name!r}")
            yield name


def _claims(item: pytest.Item) -> Iterable[Claim]:
    """Those of its markers, and of every fixture that it uses, also where a fixture overrides one that it uses."""
    for marker in item.iter_markers("claims"):
        try:
            yield parse(marker.args, marker.kwargs)
        except ValueError as error:
            raise pytest.UsageError(f"{item.nodeid}: {error}") from error
    for definitions in _fixtures(item).values():
        for definition in definitions:
            yield from claims_of(definition.func)


def _shared(item: pytest.Item) -> Iterable[str]:
    """Names of fixtures that live longer than one test and are set up for its stream, directly or through others."""
    fixtures = _fixtures(item)
    of_the_stream: dict[str, bool] = {"stream": True}

    def needs_stream(name: str) -> bool:
        if name not in of_the_stream:
            of_the_stream[name] = False  # a fixture that overrides another of its name asks for itself
            asked = {each for definition in fixtures.get(name, ()) for each in definition.argnames}
            of_the_stream[name] = any(needs_stream(each) for each in asked)
        return of_the_stream[name]

    for name, definitions in fixtures.items():
        if not definitions or definitions[-1].scope == "function" or not needs_stream(name):
            continue
        if name in IN_ANY_WORKER and all(_is_ours(definition) for definition in definitions):
            continue
        node: pytest.Item | pytest.Collector | None = None
        if definitions[-1].scope == "module":
            node = item.getparent(pytest.Module)
        elif definitions[-1].scope == "class":
            node = item.getparent(pytest.Class)
        yield f"{name} of {node.nodeid if node else definitions[-1].baseid or 'nfvcert'}"


def _fixtures(item: pytest.Item) -> dict[str, Any]:
    """Fixture name → its definitions, the one in force last."""
    info = getattr(item, "_fixtureinfo", None)
    return info.name2fixturedefs if info else {}


def _is_ours(definition: pytest.FixtureDef[Any]) -> bool:
    return getattr(definition.func, "__module__", "") == OURS
