"""The catalogue that ships: every domain, every KPI said once, in a unit of its kind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nfvcert.testmodel_files import model_files, read_kpis, read_model
from nfvcert.units import UNITS

FOLDER = Path(__file__).parents[2] / "testmodels"
KPIS = read_kpis(FOLDER)
DOMAINS = ["compute", "storage", "network", "vim", "vnf"]
QUANTITIES = {
    "s": ("time", "time_mean", "time_peak", "time_max", "latency", "outage", "duration", "error", "jitter", "rtt"),
    "ratio": ("ratio", "coverage", "availability", "utilisation"),
    "IOPS": ("iops",),
}
"""Unit → how the quantity of a name ends that is always in it."""


def test_the_domains_follow_each_other() -> None:
    assert list(dict.fromkeys(name.partition(".")[0] for name in KPIS)) == DOMAINS
    in_order = [DOMAINS.index(name.partition(".")[0]) for name in KPIS]
    assert in_order == sorted(in_order)


def test_every_unit_is_of_some_kpi() -> None:
    assert {kpi.unit for kpi in KPIS.values()} == set(UNITS)


@pytest.mark.parametrize("part", ["title", "definition"])
def test_nothing_is_said_of_two_kpis(part: str) -> None:
    said = Counter(getattr(kpi, part) for kpi in KPIS.values())
    assert [text for text, times in said.items() if times > 1] == []


@pytest.mark.parametrize("name", KPIS)
def test_a_kpi_is_told_in_single_sentences(name: str) -> None:
    kpi = KPIS[name]
    assert name.count(".") == 2
    for text in (kpi.title, kpi.definition, kpi.method, kpi.source):
        assert text == " ".join(text.split())
        assert not text.endswith(".")
    assert kpi.definition[0].isupper()
    assert ". " not in kpi.definition
    assert len(kpi.definition) > len(kpi.title)


@pytest.mark.parametrize("name", KPIS)
def test_the_quantity_of_a_name_goes_with_its_unit(name: str) -> None:
    quantity = f"_{name.rpartition('.')[2]}"
    for unit, endings in QUANTITIES.items():
        if quantity.endswith(tuple(f"_{ending}" for ending in endings)) and quantity != "_allocation_ratio":
            assert KPIS[name].unit == unit


def test_every_model_that_ships_reads_with_it() -> None:
    for path in model_files(FOLDER):
        used = {rule.kpi for rule in read_model(path, KPIS).criteria}
        assert used <= set(KPIS)
