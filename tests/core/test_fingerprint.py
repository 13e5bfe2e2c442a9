"""A lab's facts: their digest depends on them alone, and two of them are compared fact by fact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nfvcert.fingerprint import Difference, LabFacts, differences, digest

FACTS = st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), st.text(max_size=3)))


@given(facts=FACTS)
def test_the_digest_depends_on_the_content_alone(facts: dict[str, dict[str, str]]) -> None:
    turned = {host: dict(reversed(told.items())) for host, told in reversed(facts.items())}
    assert digest(turned) == digest(facts)
    assert LabFacts(lab="l", taken="now", facts=facts, sha256=digest(facts)).facts == facts


@given(before=FACTS, after=FACTS)
def test_what_has_the_same_digest_does_not_differ_in_a_told_fact(
    before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]
) -> None:
    found = list(differences(before, after))
    if digest(before) == digest(after):
        assert not found
    assert len(list(differences(after, before))) == len(found)
    for host, fact, was, became in found:
        assert before.get(host, {}).get(fact, "") == was
        assert after.get(host, {}).get(fact, "") == became


def test_a_fact_and_a_host_that_come_or_go_are_differences() -> None:
    before, after = {"a": {"os": "1", "cpu": "c"}, "b": {"os": "1"}}, {"a": {"os": "2"}}
    assert list(differences(before, after)) == [
        Difference("a", "cpu", "c", ""),
        Difference("a", "os", "1", "2"),
        Difference("b", "os", "1", ""),
    ]


def test_facts_that_were_altered_are_refused() -> None:
    with pytest.raises(ValidationError, match="they were altered"):
        LabFacts(lab="l", taken="now", facts={"a": {"os": "2"}}, sha256=digest({"a": {"os": "1"}}))
