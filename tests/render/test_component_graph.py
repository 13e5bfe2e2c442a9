"""Pictures of components: complete, legible, standing alone; and the page and picture of the docs are up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Browser

from nfvcert.catalogue import Catalogue
from nfvcert.catalogue_files import read_catalogue
from nfvcert.collecting import collect_suites
from nfvcert.render.component_graph import of_catalogue, of_change
from nfvcert.render.components import about, markdown, table

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(ROOT / "testmodels")


def hostile() -> Catalogue:
    title = '</title><script>alert(1)</script> & "quotes" | `code` [bold]'
    component = {"title": title, "domain": "vim", "owner": "group"}
    return Catalogue.model_validate({"a": component, "b": component | {"talks_to": ["a"]}})


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - our own


def drawn(picture: str) -> list[str]:
    """Names in the boxes."""
    boxes = parsed(picture).iter(f"{SVG}g")
    return [text.text or "" for box in boxes for text in box.findall(f"{SVG}text")]


def lines(picture: str) -> list[str]:
    """What the lines say when pointed at."""
    found = []
    for path in parsed(picture).iter(f"{SVG}path"):
        if path.get("marker-end"):
            title = path.find(f"{SVG}title")
            assert title is not None
            found.append(title.text or "")
    return found


def test_every_component_and_every_dependency_is_drawn_once(catalogue: Catalogue) -> None:
    picture = of_catalogue(catalogue)
    assert sorted(drawn(picture)) == sorted(catalogue.components)
    assert sorted(lines(picture)) == sorted(map(str, catalogue.dependencies()))


def test_no_box_lies_on_another_and_all_are_inside(catalogue: Catalogue) -> None:
    for picture in (of_catalogue(catalogue), of_change(catalogue, "host-os", 2)):
        root = parsed(picture)
        width, height = float(root.get("width", "")), float(root.get("height", ""))
        found = [rect for box in root.iter(f"{SVG}g") for rect in box.findall(f"{SVG}rect")]
        places = [tuple(float(rect.get(key, "")) for key in ("x", "y", "width", "height")) for rect in found]
        assert all(x > 0 and y > 0 and x + w < width and y + h < height for x, y, w, h in places)
        for (x1, y1, w, h), (x2, y2, *_) in combinations(places, 2):
            assert abs(x1 - x2) >= w or abs(y1 - y2) >= h


def test_a_picture_stands_alone(catalogue: Catalogue) -> None:
    picture = of_catalogue(catalogue)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)|url\((?!#)|@import|<script|href", picture)
    assert "prefers-color-scheme: dark" in picture


def test_a_change_is_drawn_as_far_as_it_is_followed(catalogue: Catalogue) -> None:
    for radius in (0, 1, 2):
        picture = of_change(catalogue, "nic", radius)
        reached = catalogue.reached(["nic"], radius)
        assert sorted(drawn(picture)) == sorted(reached)
        assert sorted(lines(picture)) == sorted(str(path[-1].dependency) for path in reached.values() if path)


def test_a_component_in_no_catalogue_cannot_be_drawn(catalogue: Catalogue) -> None:
    with pytest.raises(LookupError):
        of_change(catalogue, "nics", 1)


def test_a_picture_is_the_same_each_time(catalogue: Catalogue) -> None:
    assert of_catalogue(catalogue) == of_catalogue(Catalogue.model_validate(catalogue.model_dump()))


def test_no_title_becomes_markup() -> None:
    assert "<script" not in of_catalogue(hostile())
    assert "script" not in {element.tag.removeprefix(SVG) for element in parsed(of_catalogue(hostile())).iter()}
    page = markdown(hostile(), ())
    assert "<script" not in page.replace("\\<", "")
    row = next(line for line in page.splitlines() if line.startswith("| `a`"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
    assert "[bold]" in about(hostile(), "a", (), width=100, colour=False)
    assert "a" in table(hostile(), width=60, colour=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_name_fits_into_its_box_and_can_be_read(
    browser: Browser, catalogue: Catalogue, tmp_path: Path, scheme: str
) -> None:
    file = tmp_path / "all.svg"
    file.write_text(of_catalogue(catalogue), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, color_scheme="dark" if scheme == "dark" else None)
    page.goto(file.as_uri())
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("g.box")].map(box => {
             const text = box.querySelector("text"), rect = box.querySelector("rect");
             return [text.textContent, text.getBBox().width, rect.getBBox().width,
                     parseFloat(getComputedStyle(text).fontSize), getComputedStyle(text).fill,
                     getComputedStyle(rect).fill];
           })"""
    )
    page.close()
    assert len(sizes) == len(catalogue)
    for name, text, box, font, ink, ground in sizes:
        assert text <= box - 6, name
        assert font >= 11, name
        assert ink != ground, name


# the docs


def test_the_page_of_the_docs_is_up_to_date(catalogue: Catalogue) -> None:
    committed = (ROOT / "docs/components.md").read_text(encoding="utf-8")
    fresh = markdown(catalogue, collect_suites(ROOT))
    assert committed == fresh, "make it anew: the command is in its first line"


def test_the_picture_of_the_docs_is_up_to_date(catalogue: Catalogue) -> None:
    committed = (ROOT / "docs/images/components.svg").read_text(encoding="utf-8")
    assert committed == of_catalogue(catalogue), "make it anew: the command is in docs/components.md"


def nfvcert(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nfvcert.cli", "catalogue", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def test_the_commands_of_the_page_make_it_and_its_picture() -> None:
    page = (ROOT / "docs/components.md").read_text(encoding="utf-8")
    assert "python -m nfvcert.cli catalogue show --markdown > docs/components.md" in page
    assert nfvcert("show", "--markdown").stdout == page
    assert nfvcert("graph").stdout == (ROOT / "docs/images/components.svg").read_text(encoding="utf-8")


def test_all_about_one_component_is_told() -> None:
    said = nfvcert("show", "nic").stdout
    assert "runs on motherboard" in said
    assert "host-os: it runs on this" in said
    assert "rack-switch: the two talk" in said
    assert "redfish nic" in said
    assert "suites/network/test_throughput.py::test_throughput" in said
    assert "never be accepted by tests alone" in nfvcert("show", "bss").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("show", "nicc"), 4, "did you mean nic?"),
        (("graph", "nicc"), 4, "did you mean nic?"),
        (("graph", "--radius", "2"), 4, "name it"),
        (("graph", "nic", "--radius", "-1"), 2, "no number of steps"),
        (("graph", "nic", "-o", "nic.png"), 4, "NAME.svg"),
        (("graph", "nic", "-o", "no/such/folder.svg"), 4, "cannot be written"),
        (("show", "nic", "--markdown"), 4, "leave out NAME"),
        (("show", "--models", "tests"), 4, "there is no component catalogue"),
    ],
)
def test_mistakes_of_the_command_line_are_told(arguments: tuple[str, ...], status: int, said: str) -> None:
    ended = nfvcert(*arguments)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert said in ended.stderr


def test_a_picture_is_written(tmp_path: Path) -> None:
    target = tmp_path / "nic.svg"
    assert nfvcert("graph", "nic", "--radius", "2", "-o", str(target)).stdout == f"written to {target}\n"
    assert "guest-os" in drawn(target.read_text(encoding="utf-8"))
