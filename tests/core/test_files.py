"""From the bytes of a file to a model, and from every mistake to its file, line, key and words."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import Field

from nfvcert import files
from nfvcert.document import dotted
from nfvcert.errors import FileError, UsageError
from nfvcert.parts import Name, Part

ROOT = Path(__file__).parent.parent.parent
SHIPPED = sorted((ROOT / "lab_inventory").glob("*.yaml"))
BENCH = (Path(__file__).parent.parent / "data" / "labs" / "bench.yaml").read_text()


def read(tmp_path: Path, content: str | bytes, name: str = "file.yaml") -> files.Document:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return files.read_document(path)


def refused(tmp_path: Path, content: str | bytes) -> FileError:
    with pytest.raises(FileError) as caught:
        read(tmp_path, content)
    return caught.value


# YAML → plain data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-17", -17),
        ("0o17", 15),
        ("0x1F", 31),
        ("010", 10),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("yes", "yes"),
        ("off", "off"),
        ("2026-01-31", "2026-01-31"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("8.20.1", "8.20.1"),
        ('"8.20"', "8.20"),
        ("'8.20'", "8.20"),
        ("native", "native"),
        ("[1, [a], {b: c}]", [1, ["a"], {"b": "c"}]),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ('"\\u00e9\\t"', "é\t"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    data = read(tmp_path, f"key: {text}\n").data
    assert data == {"key": value}
    assert isinstance(data, dict)
    assert type(data["key"]) is type(value)


def test_aliases_and_merge_keys_are_unfolded(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        "base: &base {a: 1, b: 2}\nother: &other {b: 3, c: 4}\n"
        'one: {<<: *base, b: 5}\ntwo: {<<: [*base, *other]}\nthree: *base\n"<<": text\n',
    )
    assert document.data == {
        "base": {"a": 1, "b": 2},
        "other": {"b": 3, "c": 4},
        "one": {"b": 5, "a": 1},
        "two": {"a": 1, "b": 2, "c": 4},
        "three": {"a": 1, "b": 2},
        "<<": "text",
    }


def test_every_key_knows_its_line(tmp_path: Path) -> None:
    document = read(tmp_path, "# comment\na:\n  b: [1,\n    2]\n  c:\n    - d: x\n\ne: {f: 1,\n    g: 2}\n")
    lines = {dotted(key): document.line(key) for key in document.spots if key}
    assert lines == {
        "a": 2,
        "a.b": 3,
        "a.b[0]": 3,
        "a.b[1]": 4,
        "a.c": 5,
        "a.c[0]": 6,
        "a.c[0].d": 6,
        "e": 8,
        "e.f": 8,
        "e.g": 9,
    }
    assert document.line(("a", "c", 0, "missing", 5)) == 6


def test_dotted_keys_are_readable() -> None:
    assert dotted(("hosts", "compute-1", "roles", 0)) == "hosts.compute-1.roles[0]"
    assert dotted((0, "a.b", "x" * 70)) == "[0].'a.b'.'" + "x" * 57 + "…'"


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"a: 1\nb: \xff\xfe", 2, "byte 0xff is no UTF-8 text"),
        (b"a: 1\n\nb: x\0y", 3, "the control character U+0000 has no place in YAML"),
        ("a: 1\nb: \x1b[31mred", 2, "the control character U+001B"),
        ('a: "\\0"', 1, "a: the text holds the invisible character U+0000"),
        ('a:\n  - "\\e[31m"', 2, "a[0]: the text holds the invisible character U+001B"),
        ('a: "\\ud800"', 1, "the invisible character U+D800"),
        ("a: 'yes \u202eon'", 1, "the invisible character U+202E"),
        ('x: 1\na: "\\UFFFFFFFF"', 2, "no valid YAML: no such character"),
        ("a: !!python/object:os.system {}", 1, "the tag !!python/object:os.system is not read"),
        ("a: !!str 1", 1, "the tag !!str is not read; only plain values are"),
        ("a: &a\n  b: *a", 2, "alias *a contains itself"),
        ("a: *b", 1, "alias *b has no anchor &b before it"),
        ("a: 1\nb: 2\na: 3", 3, "a: this key is given twice, first on line 1"),
        ("1: a", 1, "found 1 as a key, expected a string: put it in quotes"),
        ("true: a", 1, "found true as a key"),
        ("~: a", 1, "found nothing as a key"),
        ("[a]: b", 1, "found a list as a key, expected a string"),
        ("? {a: b}\n: c", 1, "found a mapping as a key, expected a string"),
        ("a: .nan", 1, "a: found .nan, expected a finite number"),
        ("a: -.INF", 1, "a: found -.INF, expected a finite number"),
        ("a: 1e400", 1, "a: found 1e400, expected a finite number"),
        ("a: 9223372036854775808", 1, "a: the number 9223372036854775808… is too large"),
        ("a: " + "9" * 5000, 1, "a: the number 99999999999999999999… is too large"),
        ("a: 1\n---\nb: 2", 2, "a second document begins; a file holds one"),
        ("a:\n" + "[" * 50, 2, "nested more than 40 deep"),
        ("a:\n" + "".join(" " * n + "- \n" for n in range(60)), 41, "nested more than 40 deep"),
        ("<<: 3", 1, "'<<': expected an alias of a mapping, or a list of such"),
        # broken syntax, in words
        ("a:\n\t- b", 2, "a tab, where YAML wants spaces"),
        ("a: b: c", 1, "a second ': ' where none may be"),
        ("a: [1,\n  2\nb: 3", 3, "a list [ … ] lacks a comma or is not closed (it begins on line 1)"),
        ("a: {b: 1\nc: 2}", 2, "a mapping { … } lacks a comma or is not closed"),
        ('a: "open\nb: 1', 2, "a quote is opened and never closed (it begins on line 1)"),
        ("a: 1\n  b: 2", 2, "a second ': ' where none may be"),
        ("- a\nb: c", 2, "the indentation does not fit the lines above"),
        ("a: 1\nb\nc: 2", 3, "a key without its colon"),
        ("a: @here", 1, "a value that begins like this needs quotes"),
        ('a: "C:\\dir"', 1, "an unknown escape in double quotes"),
        ("%FOO\n", 2, "no valid YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, line: int, words: str
) -> None:
    error = refused(tmp_path, content)
    assert error.line == line
    assert words in str(error)
    assert str(error).startswith(f"{tmp_path / 'file.yaml'}:{line}: ")


def test_aliases_cannot_grow_without_end(tmp_path: Path) -> None:
    lists = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 8)}]\n" for n in range(20)
    )
    merges = "a0: &a0 {k: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}, *a{n}]}}\n" for n in range(30))
    for bomb in (lists, merges):
        assert "more than 50000 values, aliases unfolded" in str(refused(tmp_path, bomb))


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "a\0b", "null"),
        (tmp_path / ("x" * 300), "too long"),
    ):
        with pytest.raises(FileError, match=words) as caught:
            files.read_document(path)
        assert (caught.value.path, caught.value.line) == (path, 0)
    assert "no file of this kind is that long" in str(refused(tmp_path, "a: 1\n" * 250_000))


# plain data → model


class Bound(Part):
    """A part of a test model."""

    kpi: str
    at_least: float | Literal["baseline"] | None = None
    version: str = ""
    until: date | None = None
    weights: tuple[Annotated[int, Field(ge=1, le=10)], ...] = ()
    strict: bool = False
    pair: tuple[int, int] | None = None
    code: Annotated[str, Field(pattern="^[A-Z]+$")] | None = None
    short: Annotated[str, Field(max_length=3)] = ""
    any_of_two: dict[str, int] | list[int] | None = None


class Model(Part):
    """A test model."""

    model: Name
    criteria: tuple[Bound, ...] = Field(min_length=1)
    notes: dict[str, str] = {}


def wrong(tmp_path: Path, text: str, model: Any = Model) -> FileError:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(FileError) as caught:
        files.load(model, path)
    return caught.value


def test_a_good_file_becomes_a_model(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("model: m\ncriteria:\n  - {kpi: a, at_least: 1, until: 2026-01-31, weights: [1, 2]}\n")
    model = files.load(Model, path)
    assert model == Model(model="m", criteria=(Bound(kpi="a", at_least=1.0, until=date(2026, 1, 31), weights=(1, 2)),))


def test_any_type_can_be_read_and_any_part_of_a_document_built(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("kpis:\n  one: {kpi: a}\n  two: {kpi: b, wights: [1]}\n")
    document = files.read_document(path)
    assert files.build(Bound, document, ("kpis", "one")) == Bound(kpi="a")
    with pytest.raises(FileError) as caught:
        files.build(dict[str, Bound], document, ("kpis",))
    assert str(caught.value) == f"{path}:3: kpis.two.wights: unknown key\n  did you mean weights?"


@pytest.mark.parametrize(
    ("criterion", "key", "words"),
    [
        ("{kpi: a, version: 8.20}", "criteria[0].version", "found 8.20 (a number), expected a string: quote it"),
        ("{kpi: 5}", "criteria[0].kpi", "found 5 (a number), expected a string: quote it"),
        ("{kpi: }", "criteria[0].kpi", "found nothing, expected a string"),
        ("{kpi: [a]}", "criteria[0].kpi", "found a list of 1, expected a string"),
        ("{}", "criteria[0].kpi", "missing, expected a string"),
        ("{kpi: a, strict: 'no'}", "criteria[0].strict", "found 'no' (a string), expected true or false"),
        ("{kpi: a, strict: 'true'}", "criteria[0].strict", "expected true or false\n  write it without quotes"),
        ("{kpi: a, strict: 1}", "criteria[0].strict", "found 1 (a number), expected true or false"),
        ("{kpi: a, weights: 3}", "criteria[0].weights", "found 3 (a number), expected a list"),
        ("{kpi: a, weights: [3, 11]}", "criteria[0].weights[1]", "found 11 (a number), expected a whole number from 1"),
        ("{kpi: a, weights: [1.0]}", "criteria[0].weights[0]", "found 1.0 (a number), expected a whole number"),
        ("{kpi: a, weights: [true]}", "criteria[0].weights[0]", "found true (a truth value), expected a whole number"),
        ("{kpi: a, weights: ['3']}", "criteria[0].weights[0]", "found '3' (a string)"),
        ("{kpi: a, at_least: fast}", "criteria[0].at_least", "found 'fast' (a string), expected a number or baseline"),
        ("{kpi: a, at_lest: 1}", "criteria[0].at_lest", "unknown key\n  did you mean at_least?"),
        ("{kpi: a, zzz: 1}", "criteria[0].zzz", "keys here: any_of_two, at_least, code, kpi, pair, short, strict"),
        ("{kpii: a}", "criteria[0].kpii", "unknown key\n  did you mean kpi?"),
        ("{kpi: a, until: 2026-13-01}", "criteria[0].until", "found '2026-13-01' (a string), expected a valid date in"),
        ("{kpi: a, until: 5.5}", "criteria[0].until", "found 5.5 (a number), expected a valid date"),
        ("{kpi: a, pair: [1]}", "criteria[0].pair[1]", "missing, expected a whole number"),
        ("{kpi: a, pair: [1, 2, 3]}", "criteria[0].pair", "found a list of 3, expected a list of 2"),
        ("{kpi: a, pair: {a: 1}}", "criteria[0].pair", "found a mapping, expected a list of 2"),
        ("{kpi: a, code: abc}", "criteria[0].code", "found 'abc' (a string), expected a string that matches ^[A-Z]+$"),
        ("{kpi: a, short: abcd}", "criteria[0].short", "expected a string of 3 characters at most"),
        ("{kpi: a, any_of_two: x}", "criteria[0].any_of_two", "found 'x' (a string), expected a mapping or a list"),
        ("{kpi: a, any_of_two: [x]}", "criteria[0].any_of_two[0]", "found 'x' (a string), expected a whole number"),
        ("{kpi: a, any_of_two: {y: x}}", "criteria[0].any_of_two.y", "found 'x' (a string), expected a whole number"),
        ("text", "criteria[0]", "found 'text' (a string), expected a mapping"),
    ],
)
def test_mistakes_in_words(tmp_path: Path, criterion: str, key: str, words: str) -> None:
    error = wrong(tmp_path, f"model: m\ncriteria:\n  - {criterion}\n")
    assert str(error) == f"{tmp_path / 'file.yaml'}:3: {error.key}: {str(error).split(': ', 2)[2]}"
    assert error.key == key
    assert words in str(error)
    assert error.line == 3


def test_the_first_mistakes_of_the_file_are_told_and_the_others_counted(tmp_path: Path) -> None:
    bad = "\n".join(f"  - {{kpi: {n}}}" for n in range(8))
    error = wrong(tmp_path, f"model: M\ncriteria:\n{bad}\n")
    assert (error.line, error.key, error.found) == (1, "model", "'M' (a string)")
    assert error.hint.splitlines() == [
        "also line 3: criteria[0].kpi: found 0 (a number), expected a string: quote it",
        "  also line 4: criteria[1].kpi: found 1 (a number), expected a string: quote it",
        "  also line 5: criteria[2].kpi: found 2 (a number), expected a string: quote it",
        "  and 5 more",
    ]


def test_an_empty_file_lacks_everything(tmp_path: Path) -> None:
    for text in ("", "# nothing\n", "---\n"):
        assert str(wrong(tmp_path, text)) == f"{tmp_path / 'file.yaml'}: found nothing, expected a mapping"


# the labs


def wrong_lab(tmp_path: Path, old: str, new: str) -> FileError:
    """The error of the bench inventory in which some text, found once, is replaced."""
    assert BENCH.count(old) == 1, old
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH.replace(old, new))
    with pytest.raises(FileError) as caught:
        files.read_lab(path)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}:{caught.value.line}: {caught.value.key}: ")
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("lab: bench", "lab: bensch", 1, "lab", "found 'bensch' (a string), expected bench, as the file is named"),
        ("role: hq", "role: opcos", 3, "owner.role", "expected one of hq, opco, vendor\n  did you mean opco?"),
        ("role: hq", "rolle: hq", 3, "owner.rolle", "unknown key\n  did you mean role?"),
        (
            "environment: lab",
            "environment: prod",
            4,
            "environment",
            "found 'prod' (a string), expected one of lab, staging, production",
        ),
        ("environment: lab", "environment: stagging", 4, "environment", "did you mean staging?"),
        ("provider: embedded", "providr: embedded", 5, "providr", "unknown key\n  did you mean provider?"),
        ("provider: embedded", "provider: docker", 5, "provider", "expected one of embedded, existing"),
        ("destructive: false", "destructive: no", 7, "destructive", "found 'no' (a string), expected true or false"),
        (
            "mtu: 9000",
            "mtu: 90000",
            10,
            "networks.storage.mtu",
            "found 90000 (a number), expected a whole number from 576 to 9216",
        ),
        ("mtu: 9000", 'mtu: "9000"', 10, "networks.storage.mtu", "write it without quotes"),
        (
            "subnet: 10.90.0.0/24",
            "subnet: 10.90",
            9,
            "networks.management.subnet",
            "found 10.90 (a number), expected a string like 10.20.0.0/24",
        ),
        ("hosts:", "host:", 11, "host", "unknown key\n  did you mean hosts?"),
        ("leaf-1: {roles: [switch]", "leaf-1: {roles: [swich]", 12, "hosts.leaf-1.roles[0]", "did you mean switch?"),
        (
            "leaf-1: {roles: [switch]",
            "leaf-1: {roles: switch",
            12,
            "hosts.leaf-1.roles",
            "found 'switch' (a string), expected a list of 1 at least",
        ),
        ("leaf-1: {roles", "Leaf 1: {roles", 12, "hosts.'Leaf 1'", "40 characters at most; found 'Leaf 1' as a key"),
        (
            "management: 10.90.0.11",
            "management: 10.90.0.2",
            18,
            "hosts.compute-1.addresses.management",
            "address 10.90.0.2 is taken by leaf-1 on network management",
        ),
        (
            "storage: 10.90.1.11",
            "storrage: 10.90.1.11",
            19,
            "hosts.compute-1.addresses.storrage",
            "(there are: management, storage)\n  did you mean storage?",
        ),
        (
            "trunk-2: {a: leaf-1, b: leaf-2}",
            "trunk-2: {a: leaf-1, b: leaf-3}",
            25,
            "links.trunk-2.b",
            "no host is named 'leaf-3' (there are: leaf-1, leaf-2, compute-1)\n  did you mean leaf-1 or",
        ),
        ("kind: linux-bridge", "kind: linux-brigde", 28, "network.dut.kind", "did you mean linux-bridge?"),
        (
            "backup: trunk-2",
            "backup: trunk-1",
            29,
            "network.dut.redundancy.backup",
            "the backup of link trunk-1 is that link itself",
        ),
        ("generator: software", "generator: trex", 30, "traffic", "generator trex needs its address"),
        (
            "    tg1: {attached_to: leaf-2, tenant: tenant-a, speed: 10 Mbit/s}\n",
            "",
            32,
            "traffic.ports",
            "a generator needs two ports at least, 1 given",
        ),
        (
            "tg1: {attached_to: leaf-2",
            "tg1: {attached-to: leaf-2",
            34,
            "traffic.ports.tg1.attached-to",
            "unknown key\n  did you mean attached_to?",
        ),
        (
            "leaf-2, tenant: tenant-a, speed: 10 Mbit/s}",
            "leaf-2, tenant: tenant-a}",
            34,
            "traffic.ports.tg1.speed",
            "missing, expected a string like 25 Gbit/s or a number above 0 up to",
        ),
        ("shares: [machine]", "shares: machine", 35, "shares", "found 'machine' (a string), expected a list"),
    ],
)
def test_mistakes_of_inventories(tmp_path: Path, old: str, new: str, line: int, key: str, words: str) -> None:
    error = wrong_lab(tmp_path, old, new)
    assert (error.line, error.key) == (line, key)
    assert words in str(error)


@pytest.mark.parametrize("secret", ["hunter2", "h(hunter2", "[hunter2]", "{x: hunter2}", "12345"])
def test_a_secret_that_somebody_wrote_is_never_repeated(tmp_path: Path, secret: str) -> None:
    error = wrong_lab(tmp_path, '"env:BMC"', secret)
    assert error.key == "hosts.compute-1.bmc.password"
    chain = [error, error.__cause__, error.__context__]
    assert not [each for each in chain if "hunter2" in repr(each) or "12345" in repr(each)]
    assert "hunter2" not in str(error)
    assert "12345" not in str(error)


def test_a_lab_is_found_by_name_or_path(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
        (directory / "bench.yaml").write_text(BENCH)
    (second / "spare.yaml").write_text(BENCH.replace("lab: bench", "lab: spare"))
    assert files.find_lab("bench", [first, second]) == first / "bench.yaml"
    assert files.read_lab("spare", [first, second]).lab == "spare"
    assert files.read_lab(second / "spare.yaml").lab == "spare"
    assert list(files.lab_files([first, second, tmp_path / "absent"])) == ["bench", "spare"]


def test_an_unknown_lab_lists_near_misses_and_all_labs(tmp_path: Path) -> None:
    for name in ("opco-ru", "opco-kz", "vendor-a"):
        (tmp_path / f"{name}.yaml").write_text(BENCH)
    with pytest.raises(UsageError) as caught:
        files.find_lab("opco-ur", [tmp_path])
    assert str(caught.value) == (
        f"no lab is named 'opco-ur'\n  did you mean opco-ru?\n  labs: opco-kz, opco-ru, vendor-a (in {tmp_path})"
    )
    assert caught.value.exit_code == 4
    with pytest.raises(UsageError) as caught:
        files.find_lab("opco", [tmp_path])
    assert "did you mean opco-kz or opco-ru?" in str(caught.value)
    with pytest.raises(UsageError) as caught:
        files.find_lab(str(tmp_path / "opco-ur.yaml"), [])
    assert str(caught.value).endswith("there is no such file\n  did you mean opco-ru.yaml?")


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "/", "a\0b", "a\0/b.yaml", "x" * 5000, "x" * 5000 + "/y.yaml", "no/such.yaml"]
)
def test_no_name_of_a_lab_makes_it_stumble(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        files.find_lab(name, [tmp_path])
    assert len(str(caught.value)) < 300


def test_a_digest_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(FileError, match="No such file"):
        files.digest(tmp_path / "b")


# the schemas


def test_the_committed_schema_is_that_of_the_model() -> None:
    committed = ROOT / "lab_inventory" / "schema" / "lab.schema.json"
    assert committed.read_text() == files.schema_text("lab"), f"run: nfvcert lab schema > {committed}"


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_shipped_inventories_are_good_and_editors_agree(path: Path) -> None:
    assert files.read_lab(path).title
    validator = jsonschema.Draft202012Validator(files.schemas()["lab"])
    validator.check_schema(files.schemas()["lab"])
    assert not list(validator.iter_errors(files.read_document(path).data))
    assert path.read_text().startswith("# yaml-language-server: $schema=schema/lab.schema.json\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("role: hq", "role: boss"),
        ("environment: lab", "enviroment: lab"),
        ("mtu: 9000", "mtu: 90000"),
        ("leaf-1: {roles", "Leaf_1: {roles"),
        ("speed: 10 Gbit/s", "speed: fast"),
        ('"env:BMC"', "hunter2"),
        ("subnet: 10.90.0.0/24", "subnet: 10.90.0.0"),
        ("02:00:00:00:00:01", "02:00"),
    ],
)
def test_editors_see_mistakes_too(tmp_path: Path, old: str, new: str) -> None:
    assert BENCH.count(old) == 1
    data = read(tmp_path, BENCH.replace(old, new)).data
    assert list(jsonschema.Draft202012Validator(files.schemas()["lab"]).iter_errors(data))


def test_every_key_of_the_schema_of_labs_that_needs_words_has_them() -> None:
    described = json.dumps(files.schemas()["lab"])
    for words in ("Line rate, in bit/s.", "never the secret itself", "Network name → this host's address on it."):
        assert json.dumps(words)[1:-1] in described
