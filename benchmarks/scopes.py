"""How long it takes to say what 100 changes mean for 20,000 tests, on a catalogue of 1,000 components."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, repeated, summed
from nfvcert.catalogue import Catalogue
from nfvcert.scope import choose, scope_of, with_tests
from nfvcert.testcase import CollectedTest

COMPONENTS, CHANGES, TESTS = 1_000, 100, 20_000
SEED = 20261128


def figures() -> Iterator[Figure]:
    """Scope, selection and coverage together; the catalogue is read already."""
    world, tests = _world()
    changed = list(world.components)[:: COMPONENTS // CHANGES]
    for radius in (1, 3):

        def measure(radius: int = radius) -> float:
            started = time.perf_counter()
            scope = scope_of(
                {"": changed}, world, size="large", release_class="major", radius=radius, untested_at_most=0
            )
            choices = choose(scope, tests)
            with_tests(scope, [test for test in tests if choices[test.test].wanted], [])
            return time.perf_counter() - started

        how = f"{CHANGES} changes, {COMPONENTS:,} components, {TESTS:,} tests, radius {radius}"
        yield summed(f"scope of a release, radius {radius}", repeated(measure, 5), "s", 1.0, how)


def _world() -> tuple[Catalogue, list[CollectedTest]]:
    chance = random.Random(SEED)
    names = [f"component-{number}" for number in range(COMPONENTS)]
    components = {
        name: {
            "title": name,
            "domain": "compute",
            "owner": "group",
            "runs_on": chance.sample(names[:index], min(index, 2)),
            "talks_to": [other for other in chance.sample(names, 2) if other != name],
        }
        for index, name in enumerate(names)
    }
    tests = [
        CollectedTest(
            f"suites/some/test_{number}.py::test[lab]",
            f"test {number}",
            frozenset({"network"}),
            (f"some.kpi.k{number % 300}",),
            covers=frozenset(chance.sample(names, 3)),
            size=chance.choice(("small", "medium", "large")),
        )
        for number in range(TESTS)
    ]
    return Catalogue.model_validate(components), tests
