"""A healthy bench and its generator, made once for this folder, and mended between tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from nfvcert.drivers.traffic.software import SoftwareGenerator
from tests.drivers.traffic.bench import Bench


@pytest.fixture(scope="package")
def shared_bench() -> Iterator[Bench]:
    if os.geteuid():
        pytest.skip("network namespaces need root")
    bench = Bench()
    yield bench
    bench.remove()


@pytest.fixture(scope="package")
def shared_generator(shared_bench: Bench) -> Iterator[SoftwareGenerator]:
    generator = SoftwareGenerator(shared_bench.ports, shared_bench.loop)
    yield generator
    generator.close()


@pytest.fixture(scope="package")
def routed_bench() -> Iterator[Bench]:
    """A router with two ports: tg0, tg1."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    bench = Bench(2, router=True)
    yield bench
    bench.remove()


@pytest.fixture
def bench(shared_bench: Bench) -> Iterator[Bench]:
    """A bridge with three ports: tg0, tg1, tg2."""
    yield shared_bench
    shared_bench.heal()


@pytest.fixture
def generator(bench: Bench, shared_generator: SoftwareGenerator) -> SoftwareGenerator:  # noqa: ARG001 - healed after
    return shared_generator
