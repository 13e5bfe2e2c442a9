"""A run while it goes: on a terminal, which is emulated here line by line, and where nothing can be redrawn."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from rich.cells import cell_len

from nfvcert.judge import TestResult, Verdict
from nfvcert.record import Event, LeaseLogged, RunFinished, RunStarted, StreamPlanned, TestFinished, TestStarted
from nfvcert.render.live import LiveView, status_text
from nfvcert.status import RunStatus
from tests.core import builders
from tests.render import sample

START = sample.CAMPAIGN_START


class Terminal(io.StringIO):
    """What stands on a terminal of so many columns: cursor up, erase below, erase line, colours."""

    def __init__(self, columns: int = 80) -> None:
        super().__init__()
        self.columns = columns
        self.rows: list[str] = [""]
        self.row = 0
        self.codes: set[str] = set()

    def write(self, text: str) -> int:
        for piece in re.split(r"(\x1b\[[\d;?]*[A-Za-z]|\n)", text):
            if piece == "\n":
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append("")
            elif match := re.fullmatch(r"\x1b\[([\d;?]*)([A-Za-z])", piece):
                self._obey(match[1], match[2])
            elif piece:
                assert cell_len(piece) + cell_len(self.rows[self.row]) <= self.columns, f"wraps: {piece!r}"
                self.rows[self.row] += piece
        return len(text)

    def _obey(self, number: str, letter: str) -> None:
        if letter == "A":
            assert int(number) <= self.row, "the cursor would leave the top"
            self.row -= int(number)
        elif letter == "J":
            del self.rows[self.row + 1 :]
            self.rows[self.row] = ""
        elif letter == "K":
            self.rows[self.row] = ""
        else:
            assert letter == "m"
            self.codes.add(number)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.rows]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def began(streams: int = 4, workers: int = 8) -> RunStatus:
    facts = builders.accepted_run()[0]
    assert isinstance(facts, RunStarted)
    begun = facts.facts.model_copy(update={"workers": workers, "started": START.isoformat()})
    status = RunStatus()
    status.take(RunStarted(facts=begun))
    feed(status, (StreamPlanned(plan=plan) for plan in sample.campaign_plans(streams)))
    return status


def feed(status: RunStatus, events: Iterable[Event]) -> None:
    for event in events:
        status.take(event)


def starts(status: RunStatus, stream: int, test: int = 0, seconds: float = 0, worker: str = "w1") -> None:
    plan = list(status.streams.values())[stream].plan
    assert plan is not None
    at = (START + timedelta(seconds=seconds)).isoformat()
    status.take(TestStarted(stream=plan.stream, test=plan.planned[test].test, at=at, worker=worker))


def ends(status: RunStatus, stream: int, test: int, verdict: Verdict = Verdict.PASS) -> None:
    plan = list(status.streams.values())[stream].plan
    assert plan is not None
    result = TestResult(test=plan.planned[test].test, title="t", verdict=verdict, sentence="s")
    status.take(TestFinished(stream=plan.stream, result=result))


def view_of(terminal: Terminal, clock: Clock | None = None, *, lines: int = 24, colour: bool = False) -> LiveView:
    clock = clock or Clock()
    return LiveView(terminal, clock=clock, in_place=True, colour=colour, size=lambda: (terminal.columns, lines))


def now(seconds: float = 60) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_line_a_stream_and_one_for_the_run() -> None:
    status, terminal = began(), Terminal(110)
    ends(status, 0, 0)
    ends(status, 0, 1, Verdict.FAIL)
    starts(status, 0, 2, 30)
    view = view_of(terminal)
    view.start()
    view.update(status, now())
    assert len(terminal.lines) == 4 + 1 + 1, "and where the cursor is"
    first, second, *_, run, _ = terminal.lines
    assert re.match(r"nic-fw-8\.30@opco-00 +█░+ +2/12  1✓ 1✕ +0:30 throughput_zero_loss\[512\]", first)
    assert re.search(r"10:\d\d +in \d+ min$", first)
    assert second.startswith("host-os-12.8@opco-01")
    assert run.startswith("2/48 tests  1✓ 1✕  ends about 10:")
    assert "1 of 8 workers busy" in run


def test_it_is_redrawn_in_place() -> None:
    status, terminal, clock = began(), Terminal(100), Clock()
    view = view_of(terminal, clock)
    view.start()
    for test in range(5):
        ends(status, 1, test)
        view.update(status, now(test))
        clock.now += 1
    assert len(terminal.lines) == 6
    assert "5/12  5✓" in terminal.lines[1]
    view.stop()
    assert terminal.lines[-1] == ""


def test_it_is_not_redrawn_for_every_event() -> None:
    status, terminal, clock = began(), Terminal(100), Clock()
    view = view_of(terminal, clock)
    view.update(status, now())
    ends(status, 0, 0)
    view.update(status, now())
    assert " 0/12" in terminal.lines[0]
    clock.now += 0.3
    view.update(status, now())
    assert " 1/12" in terminal.lines[0]
    ends(status, 0, 1)
    view.update(status, now())
    view.stop()
    assert " 2/12" in terminal.lines[0], "the last state stands"


def test_what_is_printed_stays_above() -> None:
    status, terminal, clock = began(), Terminal(100), Clock()
    view = view_of(terminal, clock)
    view.print("before")
    view.update(status, now())
    view.print("FAIL test_x\n\x1b[31m  a sentence", "red")
    view.hide()
    terminal.write("somebody else\n")
    view.update(status, now())
    assert terminal.lines[:4] == ["before", "FAIL test_x", "[31m  a sentence", "somebody else"]
    assert len(terminal.lines) == 4 + 5 + 1


def test_more_streams_than_lines_show_what_runs_and_what_failed() -> None:
    status, terminal = began(60), Terminal(90)
    for test in range(12):
        ends(status, 50, test, Verdict.FAIL if test == 3 else Verdict.PASS)
        ends(status, 10, test)
    starts(status, 40)
    starts(status, 59, worker="w2")
    view_of(terminal, lines=8).update(status, now())
    assert len(terminal.lines) <= 8
    *streams, more, _, _ = terminal.lines
    names = [line.split()[0] for line in streams]
    assert names == ["nic-fw-8.30@opco-00", "nic-fw-8.30@opco-40", "ovs-3.3.2@opco-50", "network-pack-2026.11@opco-59"]
    assert more == "… and 56 more: 55 waiting, 1 done"


@pytest.mark.parametrize("columns", [20, 24, 40, 60, 80, 200])
@pytest.mark.parametrize("lines", [2, 5, 50])
def test_it_fits_any_terminal(columns: int, lines: int) -> None:
    status, terminal, clock = began(20), Terminal(max(columns, 25)), Clock()
    starts(status, 0)
    ends(status, 1, 0, Verdict.INCONCLUSIVE)
    view = view_of(terminal, clock, lines=lines)
    for _ in range(3):
        view.update(status, now())
        clock.now += 1
    assert len(terminal.lines) <= max(2, lines)


def test_a_narrower_window_gets_a_frame_below_and_a_wider_one_the_same() -> None:
    status, terminal, clock = began(2), Terminal(100), Clock()
    view = view_of(terminal, clock)
    view.update(status, now())
    terminal.columns = 120
    clock.now += 1
    view.update(status, now())
    assert len(terminal.lines) == 4
    terminal.columns = 60
    for _ in range(4):
        clock.now += 1
        view.update(status, now())
    assert len(terminal.lines) == 3 + 4 + 1, "the old frame stands once, and nothing above it was touched"


def test_colour_only_when_asked() -> None:
    status = began()
    ends(status, 0, 0, Verdict.FAIL)
    for colour in (True, False):
        terminal = Terminal(100)
        view_of(terminal, colour=colour).update(status, now())
        assert bool(terminal.codes) is colour


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal(100)
    view = LiveView(terminal, in_place=True, size=lambda: (100, 24))
    view.update(began(), now())
    view.print("x", "red")
    assert not terminal.codes


def test_without_a_terminal_a_line_now_and_then() -> None:
    status, clock, file = began(), Clock(), io.StringIO()
    view = LiveView(file, clock=clock)
    assert not view.in_place
    view.start()
    for _ in range(100):
        clock.now += 1
        view.update(status, now())
    view.print("FAIL test_x", "red")
    view.stop()
    *told, last = file.getvalue().splitlines()
    assert len(told) == 3
    assert all(line.startswith("0/48 tests  ends about") for line in told)
    assert last == "FAIL test_x"
    assert "\x1b" not in file.getvalue()


def test_a_terminal_of_ascii_gets_ascii() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    status = began(60)
    ends(status, 0, 0, Verdict.FAIL)
    view = LiveView(file, clock=Clock(), in_place=True, size=lambda: (100, 10))
    view.update(status, now())
    view.stop()
    assert b"1x" in raw.getvalue()
    assert b"~ and" in raw.getvalue()


@pytest.mark.parametrize("width", [24, 40, 80, 160])
def test_the_status_of_another_process_fits_and_says_what_is_waited_for(width: int) -> None:
    status = began(3)
    plan = status.streams["nic-fw-8.30@opco-00"].plan
    assert plan is not None
    holder = "ana@bastion"
    feed(status, [LeaseLogged(at=now().isoformat(), resource="opco-00", what="waiting", holder=holder)])
    told = status_text(status, now(), width, colour=False)
    assert max(cell_len(line) for line in told.splitlines()) <= width
    assert told.endswith("\n")
    if width == 160:
        assert "waits for opco-00, held by ana@bastion" in told
        assert "began 10:22" in told


@pytest.mark.parametrize(
    ("ending", "alive", "said"),
    [
        ([RunFinished(at=now(125).isoformat())], True, "the run ended after 2:05"),
        ([RunFinished(at=now(125).isoformat(), interrupted=True)], True, "the run was interrupted after 2:05"),
        ([], False, "the run was killed"),
    ],
)
def test_a_run_that_is_over_says_how(ending: list[Event], alive: bool, said: str) -> None:
    status = began(2)
    starts(status, 0)
    status.alive = alive
    feed(status, ending)
    told = status_text(status, now(7200), 120, colour=False)
    assert said in told
    assert "broke off: reachability_every_host" in told
    assert "12 never began" in told
    assert "ends about" not in told


def test_times_are_told_in_the_offset_of_now() -> None:
    there = now().astimezone(datetime.fromisoformat("2026-11-25T00:00:00+03:00").tzinfo)
    assert "began 13:22" in status_text(began(), there, 100, colour=False)
