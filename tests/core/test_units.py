"""Units at the edge: what a person writes becomes a number in the KPI's unit, or a sentence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.judge import readable
from nfvcert.measure.kpi import Kpi
from nfvcert.testmodel import TestModel
from nfvcert.units import UNITS, USUAL, BoundProblem, convert, criteria, size_by_pint

NDR = "network.throughput.ndr"
LEAKED = "network.isolation.leaked_frames"


def kpi(unit: str) -> Kpi:
    return Kpi(title="t", definition="d", unit=unit, better="higher", method="m", source="s")


KPIS = {NDR: kpi("pps"), LEAKED: kpi("count")}


def model(*rules: Mapping[str, object]) -> TestModel:
    return TestModel.model_validate(
        {
            "model": "network",
            "version": "1",
            "domain": "network",
            "title": "t",
            "profiles": {"software": "a bridge", "physical": "a switch"},
            "criteria": [{"source": "s", **rule} for rule in rules],
        }
    )


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("0.60 Mpps", "pps", 600_000),
        ("13 kpps", "pps", 13_000),
        ("0.5 Mframe/s", "pps", 500_000),
        ("5 %", "ratio", 0.05),
        ("0.1%", "ratio", 0.001),
        ("500 us", "s", 500e-6),
        ("500 µs", "s", 500e-6),
        ("20 ms", "s", 0.02),
        ("9000 B", "B", 9000),
        ("5 GB", "B", 5e9),
        ("1.5 KiB", "B", 1536),
        ("15 GB/s", "B/s", 15e9),
        ("8 Mbit/s", "B/s", 1e6),
        ("40 Gbps", "bit/s", 40e9),
        ("1.5 kIOPS", "IOPS", 1500),
        ("500 kflows", "flows", 500_000),
        ("100 kflows/s", "flows/s", 100_000),
        (1200, "score", 1200),
        ("350 W", "W", 350),
        ("12.5 W/core", "W/core", 12.5),
        ("500 pJ/bit", "J/bit", 500e-12),
        ("3 W/Gbps", "J/bit", 3e-9),
        ("20 nJ/B", "J/B", 20e-9),
        ("1 vCPU/core", "vCPU/core", 1),
        ("100 frames", "frames", 100),
        (0, "count", 0),
        (3, "frames", 3),
        (0, "pps", 0),
    ],
)
def test_quantities(text: str | float, unit: str, value: float) -> None:
    assert convert(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit", "sentence"),
    [
        ("5 bananas", "pps", "unknown unit"),
        ("5 s", "pps", "no quantity in kpps"),
        ("5 %", "s", "no quantity in s"),
        (5, "pps", "has no unit"),
        ("5", "pps", "has no unit"),
        ("", "s", "is no quantity"),
        ("fast", "s", "is no quantity"),
        ("1/0 s", "s", "is no quantity"),
        ("__import__('os')", "s", "is no quantity"),
        ("9**9**9 s", "s", "is no quantity"),
        ("1e99 Yms", "s", "unknown unit|is no quantity|not finite"),
        ("99 %", "count", "no quantity in count"),
        ("64 B", "count", "no quantity in count"),
        ("8 bit", "ratio", "no quantity in %"),
        ("3 radian", "ratio", "unknown unit"),
        ("1500 Hz", "IOPS", "unknown unit"),
        ("1500 flows/s", "IOPS", "no quantity in IOPS"),
        ("1 kpps", "bit/s", "no quantity in bit/s"),
        ("5 %", "score", "no quantity in score"),
        (1500, "IOPS", "has no unit"),
        ("6000 KB/s", "B/s", "unknown unit"),
        ("1 W", "J/bit", "no quantity in J/bit"),
        ("1 mpps", "pps", "m is milli, M is mega"),
        ("100 mbit/s", "bit/s", "m is milli, M is mega"),
        ("5 Ms", "s", "m is milli, M is mega"),
        (float("nan"), "count", "not finite"),
    ],
)
def test_what_is_no_quantity_is_a_sentence(text: str | float, unit: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        convert(text, unit)


@pytest.mark.parametrize(
    ("text", "unit", "value"), [("5 us", "s", 5e-6), ("100 ppm", "ratio", 1e-4), ("57 %", "ratio", 0.57)]
)
def test_a_bound_is_the_very_number_that_was_written(text: str, unit: str, value: float) -> None:
    assert convert(text, unit) == value  # a measurement that touches the bound meets it


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_every_unit_reads_back_what_it_prints(unit: str) -> None:
    for value in (0.0, 0.25, 3.0, 64.0, 1500.0, 2.5e9):
        assert convert(readable(value, unit), unit) == pytest.approx(value)


@given(text=st.text(max_size=30), unit=st.sampled_from(sorted(UNITS)))
def test_any_text_is_a_number_or_a_sentence(text: str, unit: str) -> None:
    try:
        assert isinstance(convert(text, unit), float)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - any sentence will do


@pytest.mark.parametrize(("written", "unit"), USUAL)
def test_usual_units_are_as_pint_has_them(written: str, unit: str) -> None:
    assert USUAL[written, unit] == size_by_pint(written, unit)


def test_the_shipped_model_is_read_without_pint() -> None:
    """It takes as long to load as pytest itself."""
    reading = (
        "import sys; from pathlib import Path\n"
        "from nfvcert.testmodel_files import read_kpis, read_model; from nfvcert.units import criteria\n"
        "folder = Path('testmodels'); kpis = read_kpis(folder)\n"
        "assert criteria(read_model(folder / 'network.yaml', kpis), kpis, 'physical-10g', 'l2')\n"
        "assert 'pint' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", reading], cwd=Path(__file__).parents[2], check=True)


def test_a_rule_with_lists_is_one_criterion_each() -> None:
    rule = {"kpi": NDR, "where": {"frame_bytes": [64, 512], "flows": 1}, "at_least": "1 kpps"}
    found = criteria(model(rule), KPIS, "software", "l2")
    assert [criterion.where for criterion in found] == [
        {"frame_bytes": 64, "flows": 1},
        {"frame_bytes": 512, "flows": 1},
    ]
    assert {criterion.at_least for criterion in found} == {1000}
    assert found[0].as_written == "≥ 1 kpps"


def test_a_bound_by_profile() -> None:
    rule = {"kpi": NDR, "at_least": {"software": "1 kpps", "physical": "1 Mpps"}}
    assert criteria(model(rule), KPIS, "physical", "l2")[0].at_least == 1e6


def test_a_rule_for_another_kind_of_device_stays_visible() -> None:
    (found,) = criteria(model({"kpi": LEAKED, "at_most": 0, "applies_to": "l2"}), KPIS, "software", "l3")
    assert not found.applies


@pytest.mark.parametrize(
    ("kinds", "applies"), [({"l2", "cloud"}, False), ({"cloud", "object-store"}, True), (None, False)]
)
def test_a_rule_for_what_a_lab_has_not_stays_visible(kinds: set[str] | None, *, applies: bool) -> None:
    (found,) = criteria(model({"kpi": LEAKED, "at_most": 0, "applies_to": "object-store"}), KPIS, "software", kinds)
    assert found.applies is applies


@pytest.mark.parametrize(
    ("rule", "key", "text"),
    [
        ({"kpi": "network.throughput.ndf", "at_least": "1 kpps"}, ("criteria", 0, "kpi"), "network.throughput.ndf"),
        ({"kpi": NDR, "at_least": "1 parsec"}, ("criteria", 0, "at_least"), "parsec"),
        ({"kpi": NDR, "at_least": {"physical": "1 kpps"}}, ("criteria", 0, "at_least"), "software"),
        (
            {"kpi": NDR, "at_least": {"software": "x", "physical": "1 kpps"}},
            ("criteria", 0, "at_least", "software"),
            "'x'",
        ),
    ],
)
def test_a_bound_that_cannot_be_understood_names_its_key(
    rule: dict[str, object], key: tuple[str | int, ...], text: str
) -> None:
    with pytest.raises(BoundProblem, match=text) as caught:
        criteria(model(rule), KPIS, "software", "l2")
    assert caught.value.key == key


def test_a_criterion_that_cannot_fail_does_not_exist() -> None:
    with pytest.raises(ValueError, match="cannot fail"):
        model({"kpi": NDR})


def test_a_model_that_requires_nothing_does_not_exist() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        model()
