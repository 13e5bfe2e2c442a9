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


def test_a_release_unit_is_shown_with_its_changes_size_class_and_what_its_file_tells(pages: dict[str, str]) -> None:
    unit = section(pages["released"], 'id="s1-unit"')
    for said in ("nic-firmware", "maintenance of nic-fw-8.0", "X710", "8.20", "8.30", "firmware", "NVM-1041"):
        assert said in unit
    for said in ("one component changes: nic", "keeps the leading release number", "d32f569d1644"):
        assert said in unit
    for said in ("host-os-12.8", "9a8b7c6d" * 8, "12 days", "Tested whole: nic"):
        assert said in unit


def test_a_lab_as_it_is_has_neither_unit_nor_scope_nor_presence(pages: dict[str, str]) -> None:
    for name in ("unit", "scope", "presence"):
        assert f"s1-{name}" not in pages["accepted"]
    assert "untested" not in Page(pages["accepted"]).text
    assert 'class="conditions"' not in pages["accepted"]


def test_conditions_stand_directly_below_the_decision_with_who_and_until_when(pages: dict[str, str]) -> None:
    page = pages["released"]
    card = plain(page.partition('class="decision accepted-with-conditions"')[2].partition("</article>")[0])
    places = [card.index(mark) for mark in ("ACCEPTED WITH CONDITIONS", "Accepted on condition", "<dl")]
    assert places == sorted(places)
    for said in ("network.failover.outage: 330 ms", "until 2026-12-31", "the redundant link is doubled", "OPS-17"):
        assert said in card.partition("Accepted on condition")[2]
    expired = card.partition("Waivers that expired")[2].partition("<dl")[0]
    assert "network.isolation.leaked" in expired
    assert "network.isolation.leaked" not in card.partition("Accepted on condition")[2].partition("Waivers that")[0]


def test_each_waiver_is_told_with_its_effect(pages: dict[str, str]) -> None:
    table = plain(pages["released"].partition("Waivers of the release unit")[2].partition("</table>")[0])
    effects = re.findall(r'mono muted">([\w.-]+)</div>.*?data-label="Effect">([^<]+)<', table)
    assert effects == [
        ("network.failover.outage", "missed, and answered for"),
        ("network.isolation.leaked", "none: it expired"),
        ("guest-os", "it stays untested"),
    ]


def test_a_waived_criterion_still_reads_as_missed(pages: dict[str, str]) -> None:
    rows = pages["released"].partition('id="s1-kpis-table"')[2].partition("</table>")[0].split("<tr ")
    (outage,) = [plain(row) for row in rows if "Failover outage" in row]
    assert 'data-verdict="FAIL"' in outage
    assert "waived by J. Doe, until 2026-12-31" in outage
    assert "etsi.nfv-rel001.10, group.net.004" in outage


def test_what_was_found_is_told_with_the_decision_and_what_was_not_is_worst(pages: dict[str, str]) -> None:
    assert "1 of 1 change was found in lab opco-ru, at its declared version." in Page(pages["released"]).text
    card = section(pages["absent"], 'class="decision inconclusive"', "</article>")
    assert "0 of 1 change were found in lab opco-ru; not at the declared version: nic X710." in card
    assert ">not found<" in card
    table = section(pages["absent"], 'id="s1-presence-table"', "</table>")
    assert re.findall(r">(there|not there)<", table) == ["not there", "there"]
    assert "compute-1 tells 8.20" in table


def test_a_release_that_nobody_looked_for_is_never_told_as_found() -> None:
    (stream,) = sample.released().streams
    record = sample.released().model_copy(update={"streams": (stream.model_copy(update={"presence": ()}),)})
    text = Page(acceptance.html(record)).text
    assert "Whether the release is in lab opco-ru was not checked" in text
    assert "was found" not in text


def test_a_change_without_a_row_is_not_found() -> None:
    """Two changes, of which the lab was asked for one."""
    (stream,) = sample.released().streams
    assert stream.plan.unit is not None
    (change,) = stream.plan.unit.changes
    other = change.model_copy(update={"component": "vswitch", "product": "Open vSwitch"})
    unit = stream.plan.unit.model_copy(update={"changes": (change, other)})
    plan = stream.plan.model_copy(update={"unit": unit})
    record = sample.released().model_copy(update={"streams": (stream.model_copy(update={"plan": plan}),)})
    text = Page(acceptance.html(record)).text
    assert "1 of 2 changes was found in lab opco-ru; not checked: vswitch Open vSwitch." in text


def test_the_scope_tells_the_untested_first_each_with_a_sentence(pages: dict[str, str]) -> None:
    scope = section(pages["released"], 'id="s1-scope"')
    assert "A small, minor release is followed 1 step" in scope
    assert "1 component changes, 5 further ones can break, and 2 of these 6 are covered by no planned test" in scope
    risk = scope.partition("Untested risk")[2].partition("Affected components")[0]
    assert "can break (driver-guest runs-on nic), and no planned test covers it." in risk
    assert "can break (guest-os runs-on nic), and no planned test covers it; waived by J. Doe, until 2026-12-31" in risk
    rows = re.findall(r'rowheader" scope="row" data-value="([a-z-]+)"', scope)
    assert rows == ["driver-guest", "guest-os", "nic", "host-os", "rack-switch", "vswitch"]
    assert "it covers network-gateway-router" in scope.partition("Criteria out of scope")[2]
    assert "#s1-plan" in scope


def test_a_component_whose_tests_did_not_run_is_not_told_as_tested(pages: dict[str, str]) -> None:
    scope = section(pages["absent"], 'id="s1-scope"')
    assert f"{words.ICON['NOT_RUN']} 9 open" in scope
    assert not re.findall(r"✓ \d+ tests?|✓</span>\d+ tests?", scope)


def test_advisory_criteria_stand_apart_and_count_for_nothing(pages: dict[str, str]) -> None:
    page = pages["released"]
    assert "Back-to-back" not in section(page, 'id="s1-kpis-table"', "</table>")
    advisory = section(page, 'id="s1-advisory-table"', "</table>")
    assert "Back-to-back" in advisory
    assert 'data-verdict="FAIL"' in advisory
    assert "1 missed, 13 met" in plain(page), "the advisory one would be a second missed"
    assert "deprecated: still decides" in section(page, 'id="s1-kpis-table"', "</table>")
    assert "s1-advisory" not in pages["accepted"]


def test_requirements_have_the_worst_verdict_of_their_criteria_and_gaps_show(pages: dict[str, str]) -> None:
    table = section(pages["released"], 'id="s1-requirements"', "</table>")
    found = re.findall(r'mono">([\w.-]+)</th>.*?class="badge ([a-z-]+)"', table)
    assert found == [
        ("etsi.nfv-rel001.10", "fail"),
        ("group.net.004", "fail"),
        ("group.net.007", "not-run"),
        ("etsi.nfv-tst009.11.2", "pass"),
    ]
    assert "no criterion of this stream asks for it" in table


def test_every_input_has_its_digest(pages: dict[str, str]) -> None:
    inputs = section(pages["released"], 'id="s1-inputs"')
    for said in ("group 2026.1", "0f1e2d3c" * 8, "b4c5d6e7" * 8, "9a8b7c6d" * 8, "opco-ru.yaml"):
        assert said in inputs


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
    alternatives = [a["aria-label"] or "" for a in page.all("svg") if (a.get("class") or "") == "chart"]
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
