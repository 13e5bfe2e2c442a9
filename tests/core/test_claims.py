"""Claims: what a test asks of a lab is given, or refused with what came near."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.claims import KINDS, Claim, Need, Refusal, Resource, allocate, claims, claims_of, parse, resources_of
from nfvcert.lab import Lab
from tests.core.builders import big_lab

LAB = Resource("opco-ru", "lab", {"environment": "lab", "profile": "software-switch"})
EVERYBODYS = {"opco-ru": "shared", "machine": "shared"}


def given_to(*wanted: Claim, lab: Lab | None = None) -> dict[str, str]:
    """Resource → how it is given; an amount as a number."""
    found = allocate(wanted, resources_of(lab or big_lab()))
    assert not isinstance(found, Refusal), str(found)
    return {need.resource: str(need.amount) if need.amount else need.how for need in found}


def refused(*wanted: Claim) -> str:
    found = allocate(wanted, resources_of(big_lab()))
    assert isinstance(found, Refusal), found
    return str(found)


def test_a_lab_has_what_its_inventory_declares() -> None:
    assert [(resource.name, resource.kind, resource.capacity) for resource in resources_of(big_lab())] == [
        ("opco-ru", "lab", None),
        ("opco-ru/leaf-1", "host", None),
        ("opco-ru/compute-1", "host", None),
        ("opco-ru/compute-2", "host", None),
        ("opco-ru/generator", "generator", None),
        ("opco-ru/cloud", "cloud", None),
        ("opco-ru/cloud/vcpus", "quota", 64),
        ("opco-ru/cloud/instances", "quota", 20),
        ("machine", "shares", None),
    ]


def test_every_test_shares_the_lab_and_what_it_has_in_common_with_others() -> None:
    assert given_to() == EVERYBODYS


@pytest.mark.parametrize(
    ("claim", "needs"),
    [
        (Claim("generator", exclusive=True), {"opco-ru/generator": "exclusive"}),
        (Claim("generator", where={"ports": 2, "speed": "10 Gbit/s"}), {"opco-ru/generator": "shared"}),
        (Claim("lab", exclusive=True), {"opco-ru": "exclusive"}),
        (Claim("shares", exclusive=True, every=True), {"machine": "exclusive"}),
        (Claim("host", where={"roles": "compute", "cpus": 16}), {"opco-ru/compute-2": "shared"}),
        (
            Claim("host", every=True, where={"components": "host-os"}),
            {"opco-ru/compute-1": "shared", "opco-ru/compute-2": "shared"},
        ),
        (Claim("host", every=True, where={"components": "bios"}), {}),
        (Claim("quota", amount=8, where={"name": "vcpus"}), {"opco-ru/cloud/vcpus": "8"}),
        (Claim("cloud", where={"name": "pod"}), {"opco-ru/cloud": "shared"}),
    ],
)
def test_what_is_claimed_is_given(claim: Claim, needs: Mapping[str, str]) -> None:
    assert given_to(claim) == {**EVERYBODYS, **needs}


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (
            Claim("generator", exclusive=True, where={"ports": 4, "speed": "25 Gbit/s"}),
            (
                "the lab cannot give exclusively a generator with ports≥4, speed≥25 Gbit/s: "
                "opco-ru/generator has ports=2, speed=10000000000.0"
            ),
        ),
        (
            Claim("host", where={"roles": "storage"}),
            (
                "the lab cannot give a host with roles=storage: opco-ru/leaf-1 has roles=switch; "
                "opco-ru/compute-1 has roles=compute; opco-ru/compute-2 has roles=compute, controller"
            ),
        ),
        (
            Claim("host", where={"roles": "switch", "gpus": 1}),
            (
                "the lab cannot give a host with roles=switch, gpus≥1: opco-ru/leaf-1 has no gpus; "
                "opco-ru/compute-1 has roles=compute, no gpus; opco-ru/compute-2 has roles=compute, controller, no gpus"
            ),
        ),
        (
            Claim("quota", amount=65, where={"name": "vcpus"}),
            (
                "the lab cannot give 65 of a quota with name=vcpus: opco-ru/cloud/vcpus has a capacity of 64; "
                "opco-ru/cloud/instances has name=instances, a capacity of 20"
            ),
        ),
    ],
)
def test_a_refusal_names_the_near_misses(claim: Claim, sentence: str) -> None:
    assert refused(claim) == sentence


def test_a_lab_without_the_kind_says_so() -> None:
    found = allocate([Claim("generator")], [LAB])
    assert str(found) == "the lab cannot give a generator: it has no generator at all"


def test_of_two_claims_the_stronger_counts_and_amounts_add_up() -> None:
    host = Claim("host", where={"name": "leaf-1"})
    alone = Claim("host", exclusive=True, where={"name": "leaf-1"})
    assert given_to(host, alone) == given_to(alone, host) == {**EVERYBODYS, "opco-ru/leaf-1": "exclusive"}
    half = Claim("quota", amount=32, where={"name": "vcpus"})
    assert given_to(half, half)["opco-ru/cloud/vcpus"] == "64"
    assert given_to(half, Claim("quota", exclusive=True, where={"name": "vcpus"}))["opco-ru/cloud/vcpus"] == "exclusive"


def test_claims_that_are_too_much_only_together_are_refused() -> None:
    """Else the test would wait for ever."""
    half = Claim("quota", amount=40, where={"name": "vcpus"})
    assert "opco-ru/cloud/vcpus has a capacity of 64, of which this test claims 40 already" in refused(half, half)


def test_claims_spread_over_what_matches() -> None:
    used: Counter[str] = Counter()
    claim = Claim("host", exclusive=True, where={"roles": "compute"})
    given_hosts = []
    for _ in range(4):
        needs = allocate([claim], resources_of(big_lab()), used)
        assert not isinstance(needs, Refusal)
        given_hosts.append(needs[-1].resource)
    assert given_hosts == ["opco-ru/compute-1", "opco-ru/compute-2"] * 2


@given(
    st.lists(
        st.one_of(
            st.builds(Claim, st.sampled_from(["lab", "host", "generator", "cloud", "shares"]), st.booleans()),
            st.builds(lambda n: Claim("quota", amount=n), st.integers(1, 40)),
        ),
        max_size=6,
    )
)
def test_whatever_is_given_can_be_had(wanted: list[Claim]) -> None:
    resources = {resource.name: resource for resource in resources_of(big_lab())}
    needs = allocate(wanted, list(resources.values()))
    if isinstance(needs, Refusal):
        assert needs.claim.kind == "quota"
        return
    assert len({need.resource for need in needs}) == len(needs)
    assert all(need.amount <= (resources[need.resource].capacity or 0) for need in needs)
    for claim in wanted:
        mine = [need for need in needs if resources[need.resource].kind == claim.kind]
        assert mine
        assert not claim.exclusive or any(need.how == "exclusive" for need in mine)


# ── markers and fixtures ──


def test_a_marker_becomes_a_claim() -> None:
    assert parse(("generator",), {"exclusive": True, "ports": 2}) == Claim(
        "generator", exclusive=True, where={"ports": 2}
    )


@pytest.mark.parametrize(
    ("args", "kwargs", "sentence"),
    [
        ((), {}, "takes one kind of resource"),
        (("generator", "lab"), {}, "takes one kind of resource"),
        (("genrator",), {}, f"one of {', '.join(KINDS)}, not \\('genrator',\\)"),
        ((["lab"],), {}, "takes one kind of resource"),
        (("lab",), {"exclusive": 1}, r"claims\('lab', exclusive=…\) cannot be 1"),
        (("lab",), {"every": "yes"}, r"claims\('lab', every=…\) cannot be 'yes'"),
        (("quota",), {"amount": -1}, r"claims\('quota', amount=…\) cannot be -1"),
        (("quota",), {"amount": True}, r"claims\('quota', amount=…\) cannot be True"),
        (("quota",), {"amount": "4"}, r"claims\('quota', amount=…\) cannot be '4'"),
        (("quota",), {"name": "vcpus"}, "either amount=… or exclusive=True"),
        (("quota",), {"amount": 1, "exclusive": True}, "either amount=… or exclusive=True"),
        (("quota",), {"amount": 1, "every": True}, "an amount of one quota"),
        (("host",), {"amount": 2}, "only a quota has an amount"),
        (("generator",), {"ports": [2]}, "takes a number or a text, not \\[2\\]"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(args: tuple[Any, ...], kwargs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(args, kwargs)


@pytest.fixture
@claims("generator", exclusive=True, ports=2)
@claims("shares", exclusive=True, every=True)
def quiet_generator() -> str:
    """A fixture that carries two claims."""
    return "generator"


def test_a_fixture_carries_its_claims(request: pytest.FixtureRequest, quiet_generator: str) -> None:
    assert quiet_generator == "generator"
    (definition,) = request._fixturemanager.getfixturedefs("quiet_generator", request.node) or ()
    assert claims_of(definition.func) == (
        Claim("shares", exclusive=True, every=True),
        Claim("generator", exclusive=True, where={"ports": 2}),
    )
    assert claims_of(test_a_fixture_carries_its_claims) == ()


def test_a_claim_above_the_fixture_would_be_lost_and_is_refused() -> None:
    with pytest.raises(TypeError, match=r"claims\('lab', …\) stands below @pytest.fixture"):
        claims("lab")(quiet_generator)


def test_a_fixture_cannot_claim_what_does_not_exist() -> None:
    with pytest.raises(ValueError, match="one kind of resource"):
        claims("switch")


def test_needs_and_claims_are_words() -> None:
    assert str(Need(resource="opco-ru/generator", how="exclusive")) == "opco-ru/generator (exclusive)"
    assert str(Need(resource="opco-ru/cloud/vcpus", amount=8)) == "opco-ru/cloud/vcpus (8 of it)"
    assert str(Claim("quota", amount=8, where={"name": "vcpus"})) == "8 of a quota with name=vcpus"
