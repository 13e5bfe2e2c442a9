"""Test models as files: overlays beside their base, versions that are immutable once released."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given

from nfvcert import files
from nfvcert.document import parse_document
from nfvcert.errors import FileError, UsageError
from nfvcert.measure.kpi import Kpi
from nfvcert.model_releases import check_steps, newest_released, release_model
from nfvcert.testmodel_files import (
    base_file,
    find_model,
    group_models,
    model_files,
    read_kpis,
    read_model,
    read_released,
)
from tests.core.test_mutated_files import PLAIN, examples, is_read_or_refused, mutated_bytes, mutated_structure

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "testmodels"
KPIS = {
    name: Kpi(title="t", definition="d", unit=unit, better="higher", method="m", source="s")
    for name, unit in (("network.throughput.ndr", "pps"), ("network.failover.outage", "s"))
}
MODEL = """\
model: network
version: "2026.1"
domain: network
title: t
profiles: {soft: a bridge}
sizes:
  small: {radius: 1}
criteria:
  - {kpi: network.throughput.ndr, at_least: 1 kpps, source: s}
  - {kpi: network.failover.outage, at_most: 500 ms, source: s}
"""
OVERLAY = """\
model: network-ru
overlays: network
base_version: "2026.1"
version: "2026.1-ru.1"
criteria:
  - kpi: network.failover.outage
    at_most: 300 ms
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "network.yaml").write_text(MODEL)
    (tmp_path / "network-ru.yaml").write_text(OVERLAY)
    return tmp_path


def change(path: Path, before: str, after: str) -> None:
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))


def refusal(path: Path) -> FileError:
    with pytest.raises(FileError) as caught:
        read_model(path, KPIS)
    return caught.value


# overlays


def test_an_overlay_is_read_with_the_base_beside_it(folder: Path) -> None:
    path = find_model("network-ru", folder)
    model = read_model(path, KPIS)
    assert (model.based_on, model.domain) == ("network 2026.1", "network")
    assert base_file(path, model) == folder / "network.yaml"
    assert base_file(folder / "network.yaml", read_model(folder / "network.yaml", KPIS)) is None


def test_an_overlay_judges_only_by_name(folder: Path) -> None:
    assert {path.stem for path in model_files(folder)} == {"network", "network-ru"}
    assert [path.stem for path in group_models(folder)] == ["network"]


@pytest.mark.parametrize(
    ("before", "after", "line", "key", "text"),
    [
        ("at_most: 300 ms", "at_most: 800 ms", 7, "criteria[0].at_most", "800 ms is looser than 500 ms in network"),
        ("at_most: 300 ms", "state: advisory", 7, "criteria[0].state", "is required in network 2026.1"),
        ("failover.outage", "failover.outrage", 6, "criteria[0].kpi", "did you mean network.failover.outage?"),
        ("overlays: network", "overlays: netwrk", 2, "overlays", "did you mean network?"),
        ("overlays: network", "overlays: network-ru", 2, "overlays", "an overlay itself"),
        ('base_version: "2026.1"', 'base_version: "2025.9"', 3, "base_version", "which is at 2026.1 now"),
        ('base_version: "2026.1"', "base_version: 2026.1", 3, "base_version", "quote it"),
        ("criteria:", "sizes: {small: {radius: 0}}\ncriteria:", 5, "sizes.small.radius", "0 steps are less than 1"),
        ("criteria:", "parameters: {repeats: 1}\ncriteria:", 5, "parameters.repeats", "repeats 1 is less than 3"),
        ("criteria:", "based_on: network 2026.1\ncriteria:", 5, "based_on", "unknown key"),
        ("criteria:", "domain: network\ncriteria:", 5, "domain", "unknown key"),
    ],
)
def test_mistakes_of_an_overlay(folder: Path, before: str, after: str, line: int, key: str, text: str) -> None:
    change(folder / "network-ru.yaml", before, after)
    error = refusal(folder / "network-ru.yaml")
    assert text in str(error)
    assert (error.path.name, error.line, error.key) == ("network-ru.yaml", line, key)


def test_an_overlay_lies_over_no_overlay(folder: Path) -> None:
    (folder / "network-ru-east.yaml").write_text(
        OVERLAY.replace("network", "network-ru-east", 1).replace("s: n", "s: n")
    )
    change(folder / "network-ru-east.yaml", "overlays: network", "overlays: network-ru")
    assert "an overlay itself" in str(refusal(folder / "network-ru-east.yaml"))


def test_a_mistake_of_the_base_is_told_of_the_base(folder: Path) -> None:
    change(folder / "network.yaml", "500 ms", "500 parsec")
    assert refusal(folder / "network-ru.yaml").path.name == "network.yaml"


def test_a_base_that_is_called_otherwise_is_none(folder: Path) -> None:
    change(folder / "network.yaml", "model: network", "model: netvork")
    assert refusal(folder / "network-ru.yaml").key == "model"


@pytest.mark.parametrize(
    ("before", "after", "line", "text"),
    [
        ("small: {radius: 1}", "small: {radius: 5}", 7, "medium releases are followed 2 steps, and small ones 5"),
        (
            "small: {radius: 1}",
            "small: {radius: 1, mandatory: [network.failover.outrage]}",
            7,
            "did you mean network.f",
        ),
        ("small: {radius: 1}", "small: {radius: 1, depth: basik}", 7, "did you mean basic?"),
        ("at_most: 500 ms", "at_most: {sofd: 500 ms}", 10, "did you mean soft?"),
        ("at_most: 500 ms", "at_most: 500 ms, state: removed", 10, "removed_in: VERSION is missing"),
    ],
)
def test_mistakes_of_a_model(folder: Path, before: str, after: str, line: int, text: str) -> None:
    change(folder / "network.yaml", before, after)
    error = refusal(folder / "network.yaml")
    assert text in str(error)
    assert error.line == line


# releases


def test_a_released_version_is_immutable(folder: Path) -> None:
    model, kept = release_model("network", folder, KPIS)
    assert kept == folder / "released" / "network-2026.1.yaml"
    assert kept.read_text() == MODEL
    assert read_released(folder) == {"network": {"2026.1": hashlib.sha256(MODEL.encode()).hexdigest()}}
    assert {path.stem for path in model_files(folder)} == {"network", "network-ru"}
    for path in (folder / "network.yaml", kept, folder / "network-ru.yaml"):
        assert read_model(path, KPIS).version.startswith(model.version)
    change(folder / "network.yaml", "500 ms", "501 ms")
    error = refusal(folder / "network.yaml")
    assert (error.key, error.line) == ("version", 2)
    assert "what is released is immutable" in str(error)
    assert refusal(folder / "network-ru.yaml").path.name == "network.yaml"
    change(folder / "network.yaml", '"2026.1"', '"2026.2"')
    assert read_model(folder / "network.yaml", KPIS).version == "2026.2"


def test_the_kept_copy_is_immutable_too(folder: Path) -> None:
    _, kept = release_model("network", folder, KPIS)
    change(kept, "500 ms", "5000 ms")
    assert "immutable" in str(refusal(kept))
    change(folder / "network.yaml", '"2026.1"', '"2026.2"')
    with pytest.raises(FileError, match="immutable"):
        release_model("network", folder, KPIS)
    kept.unlink()
    with pytest.raises(FileError, match="missing: released"):
        newest_released("network", folder, KPIS)


def test_a_comment_is_a_change_too(folder: Path) -> None:
    release_model("network", folder, KPIS)
    change(folder / "network.yaml", "title: t", "title: t  # as agreed")
    assert "immutable" in str(refusal(folder / "network.yaml"))


def test_a_copy_elsewhere_is_held_to_it_too(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    release_model("network", folder, KPIS)
    copy = tmp_path_factory.mktemp("elsewhere") / "lax.yaml"
    copy.write_text(MODEL.replace("500 ms", "5000 ms"))
    with pytest.raises(FileError, match="immutable"):
        read_model(copy, KPIS, folder)
    copy.write_text(copy.read_text().replace('"2026.1"', '"2026.1-lax"'))
    assert read_model(copy, KPIS, folder).version == "2026.1-lax"


def test_an_overlay_elsewhere_lies_over_the_model_of_the_project(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "network-ru.yaml"
    path.write_text(OVERLAY)
    model = read_model(path, KPIS, folder)
    assert base_file(path, model, folder) == folder / "network.yaml"
    assert "a test model" in str(refusal(path))


def test_a_version_is_released_once(folder: Path) -> None:
    release_model("network", folder, KPIS)
    with pytest.raises(UsageError, match=r"2026\.1 of network is released already"):
        release_model("network", folder, KPIS)


def test_the_next_version_follows_the_life_of_its_criteria(folder: Path) -> None:
    path = folder / "network.yaml"
    release_model("network", folder, KPIS)
    change(path, '"2026.1"', '"2026.2"')
    change(path, "at_most: 500 ms, source: s", 'at_most: 500 ms, source: s, state: removed, removed_in: "2026.2"')
    with pytest.raises(FileError, match=r"network\.failover\.outage is required in 2026\.1, and removed in 2026\.2"):
        release_model("network", folder, KPIS)
    with pytest.raises(FileError, match="it is deprecated first"):
        check_steps(path, read_model(path, KPIS), folder, KPIS)
    change(path, 'state: removed, removed_in: "2026.2"', "state: deprecated")
    release_model("network", folder, KPIS)
    change(path, '"2026.2"', '"2026.3"')
    change(path, "state: deprecated", 'state: removed, removed_in: "2026.3"')
    release_model("network", folder, KPIS)
    assert list(read_released(folder)["network"]) == ["2026.1", "2026.2", "2026.3"]
    newest = newest_released("network", folder, KPIS)
    assert newest is not None
    assert newest.version == "2026.3"


def test_what_may_still_change_is_no_base_of_what_may_not(folder: Path) -> None:
    with pytest.raises(FileError, match="nfvcert model release network"):
        release_model("network-ru", folder, KPIS)
    release_model("network", folder, KPIS)
    model, kept = release_model("network-ru", folder, KPIS)
    assert kept.name == "network-ru-2026.1-ru.1.yaml"
    # The group goes on; what was released stays readable, over the base that it was released with.
    change(folder / "network.yaml", '"2026.1"', '"2026.2"')
    again = read_model(kept, KPIS)
    assert again == model
    assert base_file(kept, again) == folder / "released" / "network-2026.1.yaml"


@pytest.mark.parametrize("text", ["network: {2026.1: abc}", "network: [x]", "network: {'2026.1': abc}"])
def test_a_broken_list_of_releases_is_refused(folder: Path, text: str) -> None:
    (folder / "released.yaml").write_text(text)
    assert refusal(folder / "network.yaml").path.name == "released.yaml"


# whatever is in the files

PLAIN |= {text.encode(): parse_document(Path("x.yaml"), text.encode()).data for text in (MODEL, OVERLAY)}


@examples(300)
@given(content=mutated_structure(MODEL.encode()) | mutated_bytes(MODEL.encode()))
def test_a_mutated_model_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    is_read_or_refused(lambda path: read_model(path, KPIS), tmp_path / "fuzzed.yaml", content)


@examples(300)
@given(content=mutated_structure(OVERLAY.encode()) | mutated_bytes(OVERLAY.encode()))
def test_a_mutated_overlay_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "network.yaml").write_text(MODEL)
    is_read_or_refused(lambda path: read_model(path, KPIS), tmp_path / "network-ru.yaml", content)


# what ships


@pytest.mark.parametrize("path", model_files(SHIPPED), ids=lambda path: path.stem)
def test_shipped_models_are_what_their_schema_asks_for(path: Path) -> None:
    assert read_model(path, read_kpis(SHIPPED)).model == path.stem
    schema = files.schemas()["model"]
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(files.read_document(path).data))
    assert not list(jsonschema.Draft202012Validator(schema).iter_errors(document))
    assert path.read_text().startswith("# yaml-language-server: $schema=schema/model.schema.json\n")


def test_released_models_are_as_they_were() -> None:
    for name, versions in read_released(SHIPPED).items():
        for version, digest in versions.items():
            assert files.digest(SHIPPED / "released" / f"{name}-{version}.yaml") == digest


@pytest.mark.parametrize(
    ("name", "committed"),
    [("model", "testmodels/schema/model.schema.json"), ("waivers", "waivers/schema/waivers.schema.json")],
)
def test_the_committed_schemas_are_those_of_the_models(name: str, committed: str) -> None:
    assert (ROOT / committed).read_text() == files.schema_text(name), f"run: nfvcert model schema > {committed}"
    described = files.schema_text(name)
    assert '"description"' in described


def test_the_shipped_model_grows_with_the_release() -> None:
    model = read_model(SHIPPED / "network.yaml", read_kpis(SHIPPED))
    assert set(model.sizes) == {"small", "medium", "large"}
    assert list(model.depths) == ["sanity", "basic", "confident", "thorough"]
    assert model.parameters_at("basic") == model.parameters  # what was measured before there were releases
    assert model.parameters_at("thorough").soak_seconds >= 3600
