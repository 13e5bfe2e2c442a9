"""The report as text: what it says, in which order, and that nothing in it can do harm."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nfvcert.judge import Decision, Verdict
from nfvcert.record import Record, RunFinished
from nfvcert.render import acceptance, words
from tests.render import sample
from tests.render.conftest import RECORDS

VOID = {"meta", "link", "br", "img", "hr", "input"}
TEMPLATES = Path(acceptance.__file__).parent / "templates"


class Page(HTMLParser):
    """A report taken apart. Complains when tags do not balance."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.said.append(data)

    @property
    def text(self) -> str:
        return plain(" ".join(self.said))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def plain(text: str) -> str:
    """Text without its line breaks and kinds of space."""
    return re.sub(r"\s+", " ", text)


def fragment(page: str, key: str) -> str:
    """What stands between an id and the next section."""
    return page.partition(f'id="{key}"')[2].partition("<section")[0]


def changed(*, judgement: dict[str, object] | None = None, **parts: object) -> Record:
    """The accepted sample with parts of its stream or of its judgement replaced, and without its charts."""
    record = sample.accepted()
    (stream,) = record.streams
    parts = {"judgement": stream.judgement.model_copy(update=judgement), "series": (), **parts}
    return record.model_copy(update={"streams": (stream.model_copy(update=parts),)})


@pytest.mark.parametrize("name", RECORDS)
def test_the_page_is_whole_and_needs_nothing_else(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id is used twice"
    targets = re.findall(r"""(?:href="|url\()#([^")]+)""", pages[name])
    assert targets
    assert set(targets) <= set(ids), "a reference leads nowhere"
    links = [a.get("href") or "" for tag, a in page.tags if tag in {"a", "link", "use", "image"}]
    assert not [link for link in links if not re.match(r"#|data:,$|evidence/|javascript%3A", link)]
    assert not [a for _, a in page.tags if "src" in a]
    style = pages[name].partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("name", RECORDS)
def test_tables_are_tables(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    assert pages[name].count("<table") == pages[name].count("<caption") > 4
    assert all(attributes.get("scope") in {"col", "row"} for attributes in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


@pytest.mark.parametrize("name", RECORDS)
def test_everything_that_was_judged_is_said(records: dict[str, Record], pages: dict[str, str], name: str) -> None:
    text = Page(pages[name]).text
    record = records[name]
    for stream in record.streams:
        said = [
            stream.judgement.decision,
            stream.judgement.summary,
            stream.plan.model,
            stream.plan.lab.owner.organisation,
        ]
        said += [finding.sentence for finding in stream.judgement.findings]
        said += [part for test in (*stream.tests, *stream.attempts) for part in (test.title, test.test, test.sentence)]
        said += [result.criterion.as_written for result in stream.judgement.criteria]
        said += [part for left in stream.plan.left_out for part in (left.test, left.reason)]
        said += [stream.plan.inventory_sha256, stream.plan.model_sha256]
        for sentence in said:
            assert plain(sentence) in text
    assert record.digest in text
    assert record.run.suites_sha256 in text
    assert plain(record.run.command) in text


def test_the_decision_comes_first_then_why_then_the_rest(pages: dict[str, str]) -> None:
    page = pages["rejected"]
    order = ["REJECTED</p>", "of 15 criteria", 'id="s1-findings"', 'id="s1-kpis"', 'id="s1-charts"', 'id="s1-tests"']
    order += ['id="s1-other"', 'id="s1-plan"', 'id="s1-generator"', 'id="s1-lab"', 'id="s1-inputs"', 'id="reproduce"']
    places = [page.index(mark) for mark in order]
    assert places == sorted(places)


def test_findings_stand_worst_first_with_the_one_to_blame(pages: dict[str, str]) -> None:
    rows = re.findall(r'data-verdict="(\w+)"', fragment(pages["rejected"], "s1-findings-table"))
    assert rows == ["FAIL"] * rows.count("FAIL") + ["INCONCLUSIVE"]
    assert ">Release<" in fragment(pages["rejected"], "s1-findings-table")
    assert ">Lab<" in fragment(pages["inconclusive"], "s1-findings-table")
    assert ">Release<" not in fragment(pages["inconclusive"], "s1-findings-table")


@pytest.mark.parametrize(
    ("name", "banner"),
    [
        ("accepted", ""),
        ("rejected", ""),
        ("interrupted", "interrupted before its end"),
        ("killed", "killed before its end"),
    ],
)
def test_only_an_incomplete_run_carries_a_banner(pages: dict[str, str], name: str, banner: str) -> None:
    assert ("Incomplete run" in pages[name]) == bool(banner)
    assert banner in pages[name]
    if banner:
        assert "ACCEPTED</p>" not in pages[name]


def test_a_run_without_streams_decides_nothing() -> None:
    page = acceptance.html(sample.record_of([], ending=[]))
    assert "NOTHING DECIDED" in page
    assert "ACCEPTED" not in page
    empty = acceptance.html(sample.record_of([], ending=[RunFinished(at="2026-11-25T10:25:46+00:00")]))
    assert "NOTHING DECIDED" in empty


def section(page: str, start: str, end: str = "</section>") -> str:
    return plain(page.partition(start)[2].partition(end)[0])


def test_of_many_streams_an_overview_comes_first_worst_first(pages: dict[str, str], records: dict[str, Record]) -> None:
    overview = section(pages["campaign"], 'id="overview"', "</table>")
    decisions = re.findall(
        r'class="badge ([a-z]+)"', re.sub(r'<span class="(pass|fail)">.*?</span></span>', "", overview)
    )
    assert decisions == ["rejected"] * 2 + ["inconclusive"] + ["accepted"] * 17
    links = re.findall(r'href="#(s\d+)">([^<]+)<', overview)
    assert sorted(links) == sorted((f"s{n}", s.plan.stream) for n, s in enumerate(records["campaign"].streams, 1))
    assert "11 of 15" in overview
    assert "<title>2 REJECTED, 1 INCONCLUSIVE, 17 ACCEPTED" in pages["campaign"]
    assert 'id="overview"' not in pages["accepted"]


def test_a_release_unit_is_shown_with_its_changes_and_never_as_verified(pages: dict[str, str]) -> None:
    unit = section(pages["campaign"], 'id="s1-unit"')
    for said in ("nic-fw-8.30", "X710", "8.20", "8.30", "firmware", "did not verify that it is installed"):
        assert said in unit
    assert "was not verified: the decision is about the lab as it was found" in plain(pages["campaign"])
    assert "was not verified" not in pages["accepted"]
    assert "s1-unit" not in pages["accepted"]


def test_a_deadline_is_met_or_missed_or_the_stream_is_not_done(pages: dict[str, str]) -> None:
    overview = section(pages["campaign"], 'id="overview"', "</table>")
    assert re.search(r"10:40.UTC.{0,200}missed.{0,60}by 14.min", overview)
    assert re.search(r"10:30.UTC.{0,200}met.{0,60}before", overview)
    record = sample.interrupted()
    (stream,) = record.streams
    plan = stream.plan.model_copy(update={"deadline": "2026-11-25T23:00:00+00:00"})
    late = record.model_copy(update={"streams": (stream.model_copy(update={"plan": plan}),)})
    assert "not done" in acceptance.html(late), "it was interrupted: nobody can say that it met its deadline"


def test_an_earlier_attempt_is_visible_with_its_verdict(pages: dict[str, str], records: dict[str, Record]) -> None:
    (attempt,) = [attempt for stream in records["campaign"].streams for attempt in stream.attempts]
    tests = plain(fragment(pages["campaign"], "s8-tests"))
    assert "1 test was begun more than once" in tests
    shown = tests.partition('class="attempt')[2]
    assert "INCONCLUSIVE" in shown.partition("</th>")[0]
    assert attempt.sentence in Page(pages["campaign"]).text
    assert pages["campaign"].count('class="attempt') == 1


def test_both_parts_of_a_resumed_run_are_told(pages: dict[str, str]) -> None:
    note = section(pages["campaign"], 'class="note"', "</div>")
    assert "made in 2 parts" in note
    assert "10:33" in note
    assert "because it had ended" in note
    assert 'class="note"' not in pages["accepted"]


def test_leases_are_told(pages: dict[str, str]) -> None:
    leases = section(pages["campaign"], 'id="leases"')
    assert "waited for, exclusive" in leases
    assert "ana@bastion, run 7" in leases
    assert 'id="leases"' not in pages["accepted"]


def test_the_timeline_shows_every_test_that_began(pages: dict[str, str], records: dict[str, Record]) -> None:
    timeline = section(pages["campaign"], 'id="timeline"')
    began = [
        test for stream in records["campaign"].streams for test in (*stream.tests, *stream.attempts) if test.started
    ]
    assert len(re.findall(r'<path class="v-', timeline)) == len(began) == 235
    assert len(re.findall(r'<path class="v-fail"', timeline)) == sum(test.verdict == "FAIL" for test in began)
    assert len(re.findall(r'<path class="v-inconclusive earlier"', timeline)) == 1
    assert 'id="timeline"' not in pages["accepted"], "one test after the other needs no picture"


def test_conditions_are_told_apart_from_acceptance() -> None:
    page = acceptance.html(changed(judgement={"decision": Decision.ACCEPTED_WITH_CONDITIONS}))
    assert 'class="decision accepted-with-conditions"' in page
    assert "ACCEPTED WITH CONDITIONS</p>" in page


def test_the_report_renders_and_does_not_judge() -> None:
    """A verdict that contradicts its measurement is shown as it was given."""
    first, *rest = sample.accepted().streams[0].judgement.criteria
    odd = first.model_copy(update={"verdict": Verdict.FAIL})
    table = fragment(acceptance.html(changed(judgement={"criteria": (odd, *rest)})), "s1-kpis-table")
    assert re.findall(r'data-verdict="(\w+)"', table) == ["FAIL"] + ["PASS"] * len(rest)


def test_hostile_text_stays_text(pages: dict[str, str]) -> None:
    page = Page(pages["hostile"])
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert plain(sample.HOSTILE) in page.text
    assert "{{ 7*7 }}" in page.text
    alternatives = [a["aria-label"] or "" for a in page.all("svg") if a.get("role") == "img"]
    assert len(alternatives) == 8
    assert all(plain(sample.HOSTILE) in plain(unescape(text)) for text in alternatives)


def test_evidence_links_stay_below_the_folder() -> None:
    odd = ("javascript:alert(3)", "//evil.example/x", "../../etc/passwd", "/etc/passwd", "a b/ü?#")
    tests = sample.accepted().streams[0].tests
    record = changed(
        tests=tuple(test.model_copy(update={"evidence": path}) for test, path in zip(tests, odd, strict=False))
    )
    links = [a["href"] or "" for a in Page(acceptance.html(record)).all("a") if not (a["href"] or "").startswith("#")]
    assert links == ["javascript%3Aalert%283%29", "evil.example/x", "etc/passwd", "etc/passwd", "a%20b/%C3%BC%3F%23"]
    based = [a["href"] for a in Page(acceptance.html(record, evidence_base="../run-1/")).all("a")]
    assert [f"../run-1/{link}" for link in links] == [link for link in based if link and link.startswith("../")]


def test_the_policy_allows_this_script_and_no_other(pages: dict[str, str]) -> None:
    script = pages["accepted"].partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for a in Page(pages["accepted"]).all("meta") if "http-equiv" in a)
    assert policy is not None
    assert f"script-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy


def test_what_no_criterion_asks_for_and_what_does_not_apply_is_shown_apart(pages: dict[str, str]) -> None:
    kpis = fragment(pages["accepted"], "s1-kpis")
    other = fragment(pages["accepted"], "s1-other")
    assert "Route convergence" in other
    assert "Route convergence" not in kpis
    assert "load 1.0" in other
    assert "load 1.0" not in kpis


def test_a_host_that_differs_stands_out(pages: dict[str, str]) -> None:
    lab = plain(fragment(pages["accepted"], "s1-lab"))
    assert re.search(r"kernel</th>.{0,120}>all<", lab)
    assert "leaf-1, leaf-2" in lab


def test_same_record_same_page(records: dict[str, Record], pages: dict[str, str]) -> None:
    assert acceptance.html(records["rejected"]) == pages["rejected"]


def test_a_large_record_is_still_one_page() -> None:
    """200 criteria and 600 tests, as a large release would have."""
    (stream,) = sample.accepted().streams
    tests = tuple(
        test.model_copy(update={"test": f"{test.test}-{number}"}) for number in range(50) for test in stream.tests
    )
    page = acceptance.html(changed(judgement={"criteria": stream.judgement.criteria * 14}, tests=tests))
    assert page.count("<tr role") > 800
    assert len(page) < 3_000_000


def _variables(style: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style))


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5:1."""
    light, _, rest = (TEMPLATES / "acceptance.css").read_text().partition("prefers-color-scheme: dark")
    colours = _variables(light if scheme == "light" else rest.partition("box-sizing")[0])
    pairs = [(text, "ground") for text in ("ink", "muted", "link")]
    pairs += [("ink", "panel")]
    for accent in ("pass", "conditions", "fail", "inconclusive", "not-run"):
        pairs += [
            (accent, "ground"),
            (accent, f"{accent}-tint"),
            ("ink", f"{accent}-tint"),
            ("muted", f"{accent}-tint"),
        ]
    low = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


def test_words_for_durations_and_moments() -> None:
    told = [words.duration(seconds).replace(words.NO_BREAK, " ") for seconds in (0.04, 9.95, 42.4, 59.7, 222, 3900)]
    assert told == ["0.0 s", "9.9 s", "42 s", "1 min 0 s", "3 min 42 s", "1 h 5 min"]
    assert words.moment("2026-11-25T12:22:04+02:00").replace(words.NO_BREAK, " ") == "25 Nov 2026, 10:22 UTC"
    assert words.moment("yesterday") == "yesterday"
    assert words.span("2026-11-25T10:22:04+00:00", None) == words.moment("2026-11-25T10:22:04+00:00")
