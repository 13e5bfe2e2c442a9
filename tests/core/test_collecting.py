"""What the suites of a project have, without a lab; and a sentence where that cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcert.collecting import collect_suites
from nfvcert.errors import UsageError

SUITE = """
import pytest
pytestmark = [pytest.mark.network, pytest.mark.medium, pytest.mark.covers("nic", "vswitch")]

@pytest.mark.measures("network.throughput.ndr")
def test_speed(trials, frame_bytes):
    "How fast it is."

@pytest.mark.covers("nic")
def test_link(lab):
    print("never run")
"""


def project(folder: Path, suite: str = SUITE, ini: str = "") -> Path:
    """A project of one suite."""
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = --strict-markers\ntestpaths = suites\n{ini}")
    (folder / "suites").mkdir()
    (folder / "suites/test_it.py").write_text(suite)
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        collect_suites(folder)
    assert "see it whole: python -m pytest --collect-only -q" in str(caught.value)
    return caught.value.sentence


def test_tests_are_collected_without_a_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")  # of a run around us
    speed, link = collect_suites(project(tmp_path))
    assert (speed.test, speed.title) == ("suites/test_it.py::test_speed", "How fast it is")
    assert speed.covers == {"nic", "vswitch"}
    assert speed.measures == ("network.throughput.ndr",)
    assert speed.size == "medium"
    assert speed.domains == {"network"}
    assert {(claim.kind, claim.exclusive) for claim in speed.claims} >= {("generator", True)}
    assert link.covers == {"nic"}
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.rglob(".pytest_cache"))


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("import no_such_thing", "No module named 'no_such_thing'"),
        ("def test_it(:\n", "SyntaxError"),
        ("raise RuntimeError('the suite is broken')", "the suite is broken"),
        ("import pytest\npytestmark = pytest.mark.smal\ndef test_it(): pass", "'smal' not found in `markers`"),
        ("import pytest\n@pytest.mark.covers(7)\ndef test_it(): pass", "takes names of components, not 7"),
        ("import os\nos._exit(9)", "pytest says nothing"),
        ("", "there is no test in"),
    ],
)
def test_why_suites_cannot_be_collected_is_told_in_a_sentence(tmp_path: Path, suite: str, said: str) -> None:
    sentence = refused(project(tmp_path, suite))
    assert sentence.startswith("the suites cannot be collected: ")
    assert said in sentence
    assert "\n" not in sentence


def test_a_wrong_option_of_the_project_is_told(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    assert "--no-such-option" in refused(tmp_path)
