"""Requirements and tests, both ways: a gap is never hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcert.errors import FileError
from nfvcert.requirements import Requirement, Requirements, matrix
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel_files import read_kpis, read_requirements

FOLDER = Path(__file__).parents[2] / "testmodels"
NDR, OUTAGE, RTT = "network.throughput.ndr", "network.failover.outage", "network.vm_to_vm.rtt"


def requirement(*kpis: str) -> Requirement:
    return Requirement(title="t", source="s", kpis=kpis)


def collected(case: str, *measures: str) -> CollectedTest:
    return CollectedTest(test=f"{case}[ru]", title="t", domains=frozenset(), measures=measures, case=case)


ALL = Requirements({"group.net.001": requirement(NDR, OUTAGE), "group.net.002": requirement(RTT), "x.y": requirement()})


def test_both_ways() -> None:
    found = matrix(ALL, [collected("a", NDR, OUTAGE), collected("b", OUTAGE), collected("c"), collected("a", NDR)])
    assert found.tests == {"group.net.001": ("a", "b"), "group.net.002": (), "x.y": ()}
    assert found.requirements == {"a": ("group.net.001",), "b": ("group.net.001",), "c": ()}
    assert found.unverified == ("group.net.002", "x.y")
    assert found.purposeless == ("c",)


def test_what_a_kpi_verifies() -> None:
    assert ALL.of(OUTAGE) == ("group.net.001",)
    assert ALL.of("network.latency.p99") == ()


def test_those_that_ship_can_be_read_and_name_their_document() -> None:
    shipped = read_requirements(FOLDER, read_kpis(FOLDER)).all
    begins = {
        "anuket": "Anuket",
        "etsi": "ETSI",
        "ietf": "RFC",
        "ieee": "IEEE",
        "group": "Group",
        "openstack": "OpenStack",
    }
    for name, each in shipped.items():
        assert each.source.startswith(begins[name.partition(".")[0]]), name
        if name.startswith("anuket."):
            assert name.split(".", 2)[2] in each.source  # the document's own id, as it is found there


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f"group.a: {{title: t, source: s, kpis: [{NDR}s]}}\n", 1, f"did you mean {NDR}?"),
        ("group: {title: t, source: s}\n", 1, "a requirement's id reads"),
        ("group.a: {title: t}\n", 1, "missing"),
        ("group.a:\n  title: t\n  source: s\n  kpi: []\n", 4, "did you mean kpis?"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, line: int, said: str) -> None:
    (tmp_path / "requirements.yaml").write_text(text)
    with pytest.raises(FileError) as caught:
        read_requirements(tmp_path, read_kpis(FOLDER))
    assert said in str(caught.value)
    assert caught.value.line == line


def test_a_folder_without_requirements_has_none(tmp_path: Path) -> None:
    assert read_requirements(tmp_path, {}).all == {}
