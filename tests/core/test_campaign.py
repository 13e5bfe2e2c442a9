"""What a campaign may say, which streams it stands for, and where its file is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nfvcert import campaign_files, files, testmodel_files
from nfvcert.campaign import MAX_STREAMS, Campaign, CampaignStream, stream_name
from nfvcert.errors import FileError
from nfvcert.parts import Contradiction

ROOT = Path(__file__).parent.parent.parent
SHIPPED = sorted((ROOT / "campaigns").glob("*.yaml"))
WEEKLY = """\
campaign: 2026-w48
title: Weekly round
streams:
  - {unit: nic-fw-8.30, lab: opco-ru}
  - {unit: ovs-3.3.2, lab: [opco-kz, vendor-a], model: network, priority: 10, deadline: 2026-11-27T18:00:00+03:00}
  - {unit: host-os-12.8, lab: opco-ru, after: [nic-fw-8.30@opco-ru]}
"""


def written(tmp_path: Path, *entries: str) -> Path:
    """A campaign's file, the first entry on its line 3."""
    path = tmp_path / "weekly.yaml"
    path.write_text("".join(["campaign: c\nstreams:\n", *(f"  - {{{entry}}}\n" for entry in entries)]))
    return path


def names(tmp_path: Path, *entries: str) -> list[str]:
    return [stream.name for stream in campaign_files.read_campaign(written(tmp_path, *entries)).streams]


def refused(path: Path) -> FileError:
    with pytest.raises(FileError) as caught:
        campaign_files.read_campaign(path)
    return caught.value


# what an entry stands for


def test_a_campaign_stands_for_its_streams(tmp_path: Path) -> None:
    path = tmp_path / "weekly.yaml"
    path.write_text(WEEKLY)
    campaign = campaign_files.read_campaign(path)
    assert (campaign.campaign, campaign.title) == ("2026-w48", "Weekly round")
    nic, kz, vendor, host_os = campaign.streams
    assert [stream.name for stream in campaign.streams] == [
        "nic-fw-8.30@opco-ru",
        "ovs-3.3.2@opco-kz",
        "ovs-3.3.2@vendor-a",
        "host-os-12.8@opco-ru",
    ]
    assert (nic.unit, nic.lab, nic.model, nic.priority, nic.deadline, nic.after) == (
        *("nic-fw-8.30", "opco-ru", None, 0, None, ()),
    )
    assert (kz.unit, kz.lab, kz.model, kz.priority) == ("ovs-3.3.2", "opco-kz", "network", 10)
    assert kz.deadline == vendor.deadline == datetime(2026, 11, 27, 15, tzinfo=UTC)
    assert vendor.deadline is not None
    assert vendor.deadline.utcoffset() == timedelta(hours=3)
    assert host_os.after == ("nic-fw-8.30@opco-ru",)
    assert [stream.entry for stream in campaign.streams] == [0, 1, 1, 2]
    assert Campaign.model_validate_json(campaign.model_dump_json(by_alias=True)) == campaign


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["lab: a"], ["a"]),
        (["lab: [a, b]"], ["a", "b"]),
        (["lab: a, model: m"], ["a"]),
        (["lab: a, model: [m, n]"], ["a:m", "a:n"]),
        (["unit: u, lab: a, model: [m]"], ["u@a"]),
        (["unit: u, lab: a, model: [m, n]"], ["u@a:m", "u@a:n"]),
        (["unit: u, lab: a, model: m", "unit: u, lab: [a, b], model: n"], ["u@a:m", "u@a:n", "u@b"]),
        (["unit: u, lab: a", "unit: v, lab: a", "lab: a"], ["u@a", "v@a", "a"]),
        (["unit: [u, v], lab: [a, b]"], ["u@a", "u@b", "v@a", "v@b"]),
    ],
)
def test_names_of_streams(tmp_path: Path, entries: list[str], expected: list[str]) -> None:
    assert names(tmp_path, *entries) == expected


def test_a_name_is_made_of_what_the_stream_is() -> None:
    assert stream_name("ovs-3.3.2", "opco-kz") == "ovs-3.3.2@opco-kz"
    assert stream_name("ovs-3.3.2", "opco-kz", "network") == "ovs-3.3.2@opco-kz:network"
    assert stream_name(None, "opco-kz") == "opco-kz"


def test_after_may_name_streams_that_stand_below_and_streams_with_a_model(tmp_path: Path) -> None:
    path = written(tmp_path, "lab: a, after: ['b:m', c]", "lab: b, model: [m, n], after: c", "lab: c, after: []")
    assert [stream.after for stream in campaign_files.read_campaign(path).streams] == [
        *(("b:m", "c"), ("c",), ("c",), ()),
    ]


@st.composite
def lists_of_names(draw: st.DrawFn, prefix: str, *, optional: bool) -> Any:
    """One name, a list of different ones, or nothing where that may be."""
    one = st.integers(1, 9).map(lambda number: f"{prefix}{number}")
    many = st.lists(one, min_size=1, max_size=4, unique=True)
    return draw(st.one_of(one, many, st.none()) if optional else st.one_of(one, many))


@given(
    unit=lists_of_names("u", optional=True),
    lab=lists_of_names("l", optional=False),
    model=lists_of_names("m", optional=True),
    priority=st.integers(-5, 5),
)
@settings(max_examples=100, deadline=None)
def test_an_entry_stands_for_every_combination_once(unit: Any, lab: Any, model: Any, priority: int) -> None:
    entry = {"unit": unit, "lab": lab, "model": model, "priority": priority}
    campaign = Campaign.model_validate({"campaign": "c", "streams": [entry, {"lab": "other"}]})
    sizes = [len(each) if isinstance(each, list) else 1 for each in (unit, lab, model)]
    assert len(campaign.streams) == sizes[0] * sizes[1] * sizes[2] + 1
    assert len({stream.name for stream in campaign.streams}) == len(campaign.streams)
    assert len({(stream.unit, stream.lab, stream.model) for stream in campaign.streams}) == len(campaign.streams)
    for stream in campaign.streams[:-1]:
        for value, given_value in ((stream.unit, unit), (stream.lab, lab), (stream.model, model)):
            assert value == given_value or value in (given_value or ())
        assert (stream.priority, stream.entry) == (priority, 0)
        assert all((":" in each.name) == (sizes[2] > 1) for each in campaign.streams[:-1])


@given(waits=st.lists(st.sets(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_streams_can_be_put_in_order_or_the_circle_is_told(waits: list[set[int]]) -> None:
    """Entry N is lab `lN`, and waits for some labs: what is accepted has an order, what is refused has none."""
    entries = [
        {"lab": f"l{number}", "after": [f"l{each}" for each in sorted(others) if each < len(waits)]}
        for number, others in enumerate(waits)
    ]
    data = {"campaign": "c", "streams": entries}
    try:
        campaign = Campaign.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]["ctx"]["error"]
        assert isinstance(first, Contradiction)
        *_, circle = first, *first.further
        *_, index, _, place = circle.key
        waiting, awaited = f"l{index}", entries[int(index)]["after"][int(place)]
        if waiting != awaited:
            steps = [step.split(" waits for ") for step in str(circle).partition(": ")[2].split(", ")]
            assert steps[0] == [waiting, awaited]
            assert [step[1] for step in steps] == [*(step[0] for step in steps[1:]), steps[0][0]]
            assert all(after in entries[int(name[1:])]["after"] for name, after in steps)
        return
    order = list(TopologicalSorter({stream.name: stream.after for stream in campaign.streams}).static_order())
    assert sorted(order) == sorted(stream.name for stream in campaign.streams)


# contradictions

CONTRADICTIONS: list[tuple[str, list[str], int, str, str]] = [
    # id, entries, line, key, what is said
    ("lab twice in a list", ["lab: [a, b, a]"], 3, "streams[0].lab[2]", "'a' is in this list already"),
    ("unit twice in a list", ["unit: [u, u], lab: a"], 3, "streams[0].unit[1]", "'u' is in this list already"),
    ("model twice in a list", ["lab: a, model: [m, m]"], 3, "streams[0].model[1]", "'m' is in this list already"),
    (
        "after twice in a list",
        ["lab: a", "lab: b, after: [a, a]"],
        4,
        "streams[1].after[1]",
        "'a' is in this list already",
    ),
    (
        "stream twice",
        ["lab: x", "unit: u, lab: a", "unit: u, lab: [b, a]"],
        5,
        "streams[2].lab[1]",
        "stream u@a is in streams[1] already",
    ),
    (
        "stream of a model twice",
        ["lab: a, model: [m, n]", "lab: a, model: n"],
        4,
        "streams[1].lab",
        "stream a:n is in streams[0] already",
    ),
    (
        "a model, and then none",
        ["unit: u, lab: a, model: m", "unit: u, lab: a"],
        4,
        "streams[1].model",
        "u@a is in streams[0] too, with a model; where there are two, each names its model",
    ),
    (
        "no model, and then one",
        ["lab: a", "lab: [b, a], model: [m]"],
        4,
        "streams[1].model[0]",
        "a is in streams[0] too, without a model; where there are two, each names its model",
    ),
    (
        "after an unknown stream",
        ["unit: nic-fw-8.30, lab: a", "lab: a, after: [nic-fw-8.3@a]"],
        4,
        "streams[1].after[0]",
        "no stream is named 'nic-fw-8.3@a' (there are: nic-fw-8.30@a, a)\n  did you mean nic-fw-8.30@a?",
    ),
    (
        "after a unit, its lab forgotten",
        ["unit: u-8.30, lab: opco-ru", "lab: a, after: u-8.30"],
        4,
        "streams[1].after",
        "no stream is named 'u-8.30' (there are: u-8.30@opco-ru, a)\n  did you mean u-8.30@opco-ru?",
    ),
    (
        "after a stream, its model forgotten",
        ["unit: ovs, lab: b, model: [m, n]", "lab: a, after: ovs@b"],
        4,
        "streams[1].after",
        "no stream is named 'ovs@b' (there are: ovs@b:m, ovs@b:n, a)\n  did you mean ovs@b:m or ovs@b:n?",
    ),
    (
        "many streams are not all listed",
        ["lab: [a, b, c, d, e, f, g, h, i, j]", "lab: x, after: zzzzz"],
        4,
        "streams[1].after",
        "no stream is named 'zzzzz' (there are: a, b, c, d, e, f, g, h, and 3 more)",
    ),
    ("after itself", ["lab: a, after: [a]"], 3, "streams[0].after[0]", "a would wait for itself"),
    ("after its own entry", ["lab: [a, b], after: b"], 3, "streams[0].after", "b would wait for itself"),
    (
        "circle of two",
        ["lab: a, after: b", "lab: b, after: a"],
        3,
        "streams[0].after",
        "these streams could never begin: a waits for b, b waits for a",
    ),
    (
        "circle that is not entered at its beginning",
        ["lab: x, after: d", "unit: u, lab: b, after: [c]", "lab: c, after: d", "lab: d, after: [x2, u@b]", "lab: x2"],
        4,
        "streams[1].after[0]",
        "these streams could never begin: u@b waits for c, c waits for d, d waits for u@b",
    ),
    (
        "long circle",
        [f"lab: l{number}, after: l{(number + 1) % 20}" for number in range(20)],
        3,
        "streams[0].after",
        "these streams could never begin: "
        + "".join(f"l{number} waits for l{number + 1}, " for number in range(7))
        + "and so on over 12 more, l19 waits for l0",
    ),
]


@pytest.mark.parametrize(
    ("entries", "line", "key", "said"), [each[1:] for each in CONTRADICTIONS], ids=[each[0] for each in CONTRADICTIONS]
)
def test_contradictions(tmp_path: Path, entries: list[str], line: int, key: str, said: str) -> None:
    path = written(tmp_path, *entries)
    assert str(refused(path)) == f"{path}:{line}: {key}: {said}"


def test_more_streams_than_any_campaign_has(tmp_path: Path) -> None:
    labs = ", ".join(f"l{number}" for number in range(40))
    units = ", ".join(f"u{number}" for number in range(25))
    assert len(names(tmp_path, f"unit: [{units}], lab: [{labs}]")) == MAX_STREAMS == 1000
    path = written(tmp_path, f"unit: [{units}], lab: [{labs}]", "lab: a")
    assert str(refused(path)) == f"{path}:2: streams: 1001 streams; a campaign has 1000 at most"
    path = written(tmp_path, *[f"unit: [{units}], lab: [{labs}], model: [{labs}]"] * 9)
    assert str(refused(path)) == f"{path}:2: streams: 360000 streams; a campaign has 1000 at most"


def test_several_contradictions_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "lab: [a, a]", "lab: b, after: [c, b]")
    assert str(refused(path)) == (
        f"{path}:3: streams[0].lab[1]: 'a' is in this list already\n"
        "  also line 4: streams[1].after[0]: no stream is named 'c' (there are: a, b)\n"
        "  also line 4: streams[1].after[1]: b would wait for itself"
    )


NO_NAME = "a name has lower-case letters, digits and inner dashes, 40 characters at most"
NO_UNIT = "a release unit's name has lower-case letters, digits and single inner dots and dashes, 60 characters at most"
NO_MOMENT = "a deadline is a day and a time with its offset, like 2026-11-27T18:00:00+03:00"
NO_OFFSET = "a deadline needs its offset from UTC, like +03:00 or Z: labs are in several time zones"


@pytest.mark.parametrize(
    ("entry", "key", "said"),
    [
        ("unit: u", "lab", "missing, expected a string like compute-1 or a list of 1 at least"),
        ("lab: []", "lab", "found an empty list, expected a string like compute-1 or a list of 1 at least"),
        ("lab: 5", "lab", "found 5 (a number), expected a string like compute-1 or a list of 1 at least"),
        ("lab: [a, 5]", "lab[1]", "found 5 (a number), expected a string like compute-1"),
        (
            "lab: ../a.yaml",
            "lab",
            f"{NO_NAME}; found '../a.yaml' (a string)",
        ),
        (
            "unit: [a..b], lab: a",
            "unit[0]",
            f"{NO_UNIT}; found 'a..b' (a string)",
        ),
        ("lab: a, prority: 1", "prority", "unknown key\n  did you mean priority?"),
        ("lab: a, priority: high", "priority", "found 'high' (a string), expected a whole number"),
        ("lab: a, priority: 1.5", "priority", "found 1.5 (a number), expected a whole number"),
        ("lab: a, after: ['']", "after[0]", "found '' (a string), expected a string, not empty"),
        (
            "lab: a, deadline: 2026-11-27T18:00:00",
            "deadline",
            f"{NO_OFFSET}; found '2026-11-27T18:00:00' (a string)",
        ),
        (
            "lab: a, deadline: 2026-11-27",
            "deadline",
            f"{NO_MOMENT}; found '2026-11-27' (a string)",
        ),
        (
            "lab: a, deadline: 1795791600",
            "deadline",
            f"{NO_MOMENT}; found 1795791600 (a number)",
        ),
        (
            "lab: a, deadline: '1795791600'",
            "deadline",
            f"{NO_MOMENT}; found '1795791600' (a string)",
        ),
        (
            "lab: a, deadline: 2026-02-30T18:00Z",
            "deadline",
            "there is no such moment (day is out of range for month); found '2026-02-30T18:00Z' (a string)",
        ),
        (
            "lab: a, deadline: 0001-01-01T00:00+14:00",
            "deadline",
            "there is no such moment (date value out of range); found '0001-01-01T00:00+14:00' (a string)",
        ),
    ],
)
def test_mistakes_of_entries(tmp_path: Path, entry: str, key: str, said: str) -> None:
    path = written(tmp_path, entry)
    assert str(refused(path)) == f"{path}:3: streams[0].{key}: {said}"


@pytest.mark.parametrize("moment", ["2026-11-27T18:00+03:00", "2026-11-27 18:00:00+03:00", "2026-11-27T15:00:00Z"])
def test_ways_to_write_a_deadline(tmp_path: Path, moment: str) -> None:
    (stream,) = campaign_files.read_campaign(written(tmp_path, f"lab: a, deadline: {moment}")).streams
    assert stream.deadline == datetime(2026, 11, 27, 15, tzinfo=UTC)


@pytest.mark.parametrize("moment", ["2026-11-27T24:00Z", "2026-11-27T18:00+0300", "2026-W48-5T18:00Z", "tomorrow"])
def test_other_ways_are_refused_by_every_python(tmp_path: Path, moment: str) -> None:
    assert refused(written(tmp_path, f"lab: a, deadline: {moment}")).key == "streams[0].deadline"


def test_a_campaign_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weekly.yaml"
    path.write_text("campaign: c\nstreams: []\n")
    assert str(refused(path)) == f"{path}:2: streams: found an empty list, expected a list of 1 at least"
    path.write_text("campaign: 2026\nstreams: [{lab: a}]\n")
    assert str(refused(path)) == f"{path}:1: campaign: found 2026 (a number), expected a string like 2026-w48"


# names that are known elsewhere


def test_names_that_exist_nowhere_are_told_at_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "weekly.yaml"
    path.write_text(WEEKLY)
    campaign = campaign_files.read_campaign(path)
    units, labs = ["nic-fw-8.30", "ovs-3.3.2", "host-os-12.8"], ["opco-ru", "opco-kz", "vendor-a"]
    campaign_files.check_names(path, campaign, units=units, labs=labs, models=["network"])
    with pytest.raises(FileError) as caught:
        campaign_files.check_names(
            path, campaign, units=[*units[:2], "host-os-12.9"], labs=labs[:2], models=["netwerk"]
        )
    assert str(caught.value) == (
        f"{path}:5: streams[1].model: no test model is named 'network' (there are: netwerk)\n  did you mean netwerk?\n"
        "  also line 5: streams[1].lab[1]: no lab is named 'vendor-a' (there are: opco-kz, opco-ru)\n"
        "  also line 6: streams[2].unit: no release unit is named 'host-os-12.8' "
        "(there are: host-os-12.9, nic-fw-8.30, ovs-3.3.2); did you mean host-os-12.9?"
    )
    assert (caught.value.line, caught.value.key) == (5, "streams[1].model")


def test_labs_without_a_unit_need_no_known_unit(tmp_path: Path) -> None:
    path = written(tmp_path, "lab: a")
    campaign_files.check_names(path, campaign_files.read_campaign(path), units=[], labs=["a"], models=[])


def problem(path: Path, stream: CampaignStream, key: Any) -> tuple[int, str]:
    error = campaign_files.campaign_problem(path, stream, key, problem="the plan misses it by 5 min", hint="begin now")
    assert str(error) == f"{path}:{error.line}: {error.key}: the plan misses it by 5 min\n  begin now"
    return error.line, error.key


def test_what_shows_later_is_told_at_the_line_too(tmp_path: Path) -> None:
    path = tmp_path / "weekly.yaml"
    path.write_text(
        "campaign: c\nstreams:\n  - lab: a\n  - unit: u\n    lab:\n      - a\n      - b\n"
        "    deadline: 2026-11-27T15:00:00Z\n    after: [a]\n"
    )
    first, _, third = campaign_files.read_campaign(path).streams
    assert problem(path, first, "lab") == (3, "streams[0].lab")
    assert problem(path, first, "unit") == (3, "streams[0].unit")  # not given: the line of its entry
    assert problem(path, third, "unit") == (4, "streams[1].unit")
    assert problem(path, third, "lab") == (7, "streams[1].lab[1]")
    assert problem(path, third, "deadline") == (8, "streams[1].deadline")
    assert problem(path, third, "after") == (9, "streams[1].after")


# what is shipped


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_shipped_campaigns_name_what_there_is_and_editors_agree(path: Path) -> None:
    campaign = campaign_files.read_campaign(path)
    campaign_files.check_names(
        path,
        campaign,
        units=files.named_files([ROOT / "releases"]),
        labs=files.lab_files([ROOT / "lab_inventory"]),
        models=[each.stem for each in testmodel_files.model_files(ROOT / "testmodels")],
    )
    validator = jsonschema.Draft202012Validator(files.schemas()["campaign"])
    validator.check_schema(files.schemas()["campaign"])
    assert not list(validator.iter_errors(files.read_document(path).data))
    assert path.read_text().startswith("# yaml-language-server: $schema=schema/campaign.schema.json\n")


def test_the_committed_schema_is_that_of_the_model() -> None:
    committed = ROOT / "campaigns" / "schema" / "campaign.schema.json"
    assert committed.read_text() == files.schema_text("campaign"), "write files.schema_text('campaign') to it"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026-11-27T18:00:00+03:00", "2026-11-27T18:00:00"),
        ("priority: 10", "priority: ten"),
        ("unit: nic-fw-8.30", "unit: NIC"),
        ("lab: opco-ru}", "labs: opco-ru}"),
        ("[opco-kz, vendor-a]", "[]"),
        ("[opco-kz, vendor-a]", "[opco-kz, 5]"),
    ],
)
def test_editors_see_mistakes_too(tmp_path: Path, old: str, new: str) -> None:
    assert WEEKLY.count(old) == 1
    path = tmp_path / "weekly.yaml"
    path.write_text(WEEKLY.replace(old, new))
    data = files.read_document(path).data
    assert list(jsonschema.Draft202012Validator(files.schemas()["campaign"]).iter_errors(data))
