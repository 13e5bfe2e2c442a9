"""Declared against found: what is there, what is not, and that silence is never taken for presence."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nfvcert.catalogue import FactSource
from nfvcert.lab import Lab
from nfvcert.presence import PresenceRow, check
from nfvcert.release import ReleaseUnit

SOURCES = {
    "nic": (FactSource(redfish="nic"), FactSource(ssh="nic-firmware")),
    "host-os": (FactSource(ssh="os"),),
    "vswitch": (FactSource(package="openvswitch-switch"), FactSource(package="openvswitch")),
    "rack-switch": (FactSource(ssh="os"),),
    "mute": (),
}


def lab(**hosts: list[str]) -> Lab:
    return Lab.model_validate(
        {
            "lab": "opco-ru",
            "owner": {"organisation": "OpCo RU", "role": "opco"},
            "environment": "lab",
            "provider": "embedded",
            "profile": "p",
            "hosts": {
                name.replace("_", "-"): {"roles": ["compute"], "components": components}
                for name, components in hosts.items()
            },
        }
    )


def unit(*changes: dict[str, Any]) -> ReleaseUnit:
    defaults = {"vendor": "V", "product": "P", "from": "0.1", "trigger": "swap"}
    return ReleaseUnit.model_validate(
        {"unit": "u", "type": "GA", "vendor": "V", "changes": [defaults | change for change in changes]}
    )


NIC = {"component": "nic", "to": "8.30"}
TWO = lab(compute_1=["nic", "host-os"], compute_2=["nic"])


def rows(changes: ReleaseUnit, facts: dict[str, dict[str, str]], where: Lab = TWO) -> list[tuple[str, bool, str]]:
    return [(row.host, row.present, row.found) for row in check(changes, where, facts, SOURCES)]


def the_row(changes: ReleaseUnit, facts: dict[str, dict[str, str]], where: Lab) -> PresenceRow:
    (row,) = check(changes, where, facts, SOURCES)
    return row


def test_every_host_that_has_the_component_must_have_the_version() -> None:
    there = {"redfish nic": "8.30"}
    assert rows(unit(NIC), {"compute-1": there, "compute-2": there}) == [
        ("compute-1", True, "8.30"),
        ("compute-2", True, "8.30"),
    ]
    # What is not there comes first.
    assert rows(unit(NIC), {"compute-1": there, "compute-2": {"redfish nic": "8.20"}}) == [
        ("compute-2", False, "8.20"),
        ("compute-1", True, "8.30"),
    ]


def test_the_sentence_says_what_was_found_and_what_the_unit_brings() -> None:
    row = the_row(unit(NIC), {"a": {"redfish nic": "8.20"}}, lab(a=["nic"]))
    assert row.why == "a has nic 8.20, and the unit brings 8.30"
    assert row.source == "redfish nic"


def test_a_component_that_no_host_has() -> None:
    row = the_row(unit(NIC), {"a": {"redfish nic": "8.30"}}, lab(a=["host-os"]))
    assert (row.present, row.host) == (False, "")
    assert "no host of lab opco-ru has this component" in row.why


def test_a_host_whose_inventory_forgot_the_component_is_not_passed_over() -> None:
    where = lab(a=["nic"], b=["host-os"])
    facts = {"a": {"redfish nic": "8.30"}, "b": {"redfish nic": "8.20", "os": "8.20"}}
    (absent, present) = check(unit(NIC), where, facts, SOURCES)
    assert (absent.host, absent.found, absent.present) == ("b", "8.20", False)
    assert absent.why.endswith("its inventory does not say that it has nic")
    assert present.present
    # Every host tells an operating system: that says nothing of what it is.
    assert all(row.present for row in check(unit({"component": "host-os", "to": "8.20"}), where, facts, SOURCES))


def test_a_host_that_does_not_tell_it() -> None:
    row = the_row(unit(NIC), {"a": {"os": "8.30"}}, lab(a=["nic"]))
    assert (row.present, row.found, row.why) == (False, "", "a does not tell it")
    assert row.source == "redfish nic, or nic-firmware"


def test_a_bmc_that_does_not_answer_is_the_reason() -> None:
    row = the_row(unit(NIC), {"a": {"redfish": "192.0.2.1 refuses the connection"}}, lab(a=["nic"]))
    assert row.why == "the BMC of a tells nothing: 192.0.2.1 refuses the connection"


def test_a_component_of_which_nobody_knows_how_to_read_it() -> None:
    row = the_row(unit({"component": "mute", "to": "1"}), {"a": {"os": "1"}}, lab(a=["mute"]))
    assert not row.present
    assert "nothing says how its version is read" in row.why


def test_the_best_way_counts_and_the_unit_knows_better() -> None:
    facts = {"a": {"redfish nic": "8.20", "nic-firmware": "8.30"}}
    assert not the_row(unit(NIC), facts, lab(a=["nic"])).present
    assert the_row(unit(NIC | {"present_if": {"ssh": "nic-firmware"}}), facts, lab(a=["nic"])).present


def test_one_adapter_at_another_version_is_not_hidden_by_the_others() -> None:
    assert not the_row(unit(NIC), {"a": {"redfish nic": "8.30, 8.20"}}, lab(a=["nic"])).present
    assert not the_row(unit(NIC), {"a": {"redfish nic": "8.20, 8.30"}}, lab(a=["nic"])).present


def test_two_products_of_a_component_may_both_be_told() -> None:
    both = unit(NIC | {"product": "X710"}, {"component": "nic", "product": "E810", "to": "4.50"})
    where = lab(a=["nic"])
    assert all(row.present for row in check(both, where, {"a": {"redfish nic": "8.30, 4.50"}}, SOURCES))
    assert not any(row.present for row in check(both, where, {"a": {"redfish nic": "8.30, 4.50, 4.40"}}, SOURCES))
    assert [row.present for row in check(both, where, {"a": {"redfish nic": "8.30"}}, SOURCES)] == [False, True]


def test_packages_carry_epoch_and_revision_and_appliances_do_not() -> None:
    ovs = unit({"component": "vswitch", "to": "3.3.2"})
    found = {"a": {"package openvswitch-switch": "1:3.3.2-1~bpo12+1"}}
    assert the_row(ovs, found, lab(a=["vswitch"])).present
    nos = unit({"component": "rack-switch", "to": "4.1.7"})
    assert not the_row(nos, {"a": {"os": "4.1.7-2"}}, lab(a=["rack-switch"])).present


def test_a_version_is_never_taken_for_a_longer_one() -> None:
    for declared, found in (("8.3", "8.30"), ("3.3.2", "3.3.20"), ("1", "1.0"), ("12.8", "12.8.1")):
        row = the_row(unit({"component": "host-os", "to": declared}), {"a": {"os": found}}, lab(a=["host-os"]))
        assert not row.present


VERSIONS = st.sampled_from(["1.0", "1.1", "1.10", "", "1.0, 1.1", "2:1.0-1"])
HOSTS = ("a", "b")


@given(told=st.fixed_dictionaries({host: st.fixed_dictionaries({"os": VERSIONS}) for host in HOSTS}))
def test_present_means_that_every_host_tells_exactly_the_declared_version(told: dict[str, dict[str, str]]) -> None:
    found = check(unit({"component": "host-os", "to": "1.0"}), lab(a=["host-os"], b=["host-os"]), told, SOURCES)
    assert {row.host for row in found} == {"a", "b"}
    assert all(row.present for row in found) == all(told[host]["os"] == "1.0" for host in HOSTS)
