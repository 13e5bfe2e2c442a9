"""A run while it goes, a line a stream: redrawn in place on a terminal, a line now and then elsewhere.

It draws by itself, a frame in one write and without a thread: the process that draws also forks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from rich.cells import cell_len, set_cell_size

from nfvcert.judge import Verdict
from nfvcert.render import words
from nfvcert.status import RunStatus, StreamStatus

__all__ = ["LiveView", "status_text"]

FRAME_SECONDS = 0.2
"""A terminal is not redrawn more often."""
PLAIN_SECONDS = 30.0
"""Where nothing can be redrawn, a line tells of the run this often at most."""
NARROWEST = 24
PLAIN_SIGNS = str.maketrans(dict(zip("█░✓✕…\N{EN DASH}", "#.+x~-", strict=True)))
"""For terminals that know ASCII only."""

Piece = tuple[str, str]
"""A text and its style."""
Size = tuple[int, int]
"""Columns and lines."""


class LiveView:
    """What people see of a run that goes on.

    Whoever else wants to write to the same terminal does so with `print`, or between `hide` and the
    next `update`. ``size`` and ``colour`` are found out where they are not given.
    """

    def __init__(
        self,
        file: IO[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        in_place: bool | None = None,
        colour: bool | None = None,
        size: Callable[[], Size] | None = None,
    ) -> None:
        self._file = file
        self._clock = clock
        able = file.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.in_place = able if in_place is None else in_place
        """Whether it redraws; else it tells a line every 30 s."""
        self._colour = (self.in_place and not os.environ.get("NO_COLOR")) if colour is None else colour
        self._size = size or self._terminal_size
        self._ascii = not (getattr(file, "encoding", None) or "utf-8").lower().startswith("utf")
        self._rows = 0
        """Lines of the frame that stands on the terminal."""
        self._frame: list[str] = []
        self._last_size = self._size()
        self._drawn = float("-inf")
        self._latest: tuple[RunStatus, datetime] | None = None

    def start(self) -> None:
        """From now on a frame may stand on the terminal."""
        self._drawn = float("-inf") if self.in_place else self._clock()

    def update(self, status: RunStatus, now: datetime) -> None:
        """Show where the run stands, unless that was shown just now. ``now`` has the offset of times told."""
        self._latest = status, now
        moment = self._clock()
        if moment - self._drawn < (FRAME_SECONDS if self.in_place else PLAIN_SECONDS):
            return
        self._drawn = moment
        if self.in_place:
            self._draw()
        else:
            line = _run_line(status, now)
            self._write(_styled(line, self._colour) + "\n")

    def print(self, text: str, style: str = "") -> None:
        """Write lines that stay, above the frame. Control characters in them are dropped."""
        lines = words.CONTROL.sub("", text).split("\n")
        told = "".join(f"{_styled([(line, style)], self._colour)}\n" for line in lines)
        if self._rows:
            # The frame is overwritten, and stands again below.
            self._write(f"\x1b[{self._rows}A\x1b[J{told}{self._frame_text()}")
        else:
            self._write(told)

    def hide(self) -> None:
        """Take the frame away; the next update draws it again, below what was written in between."""
        if self._rows:
            self._write(f"\x1b[{self._rows}A\x1b[J")
            self._rows = 0
        self._drawn = float("-inf") if self.in_place else self._drawn

    def stop(self) -> None:
        """Let the last state stand."""
        if self._latest is not None and self.in_place:
            self._draw()
        self._rows = 0

    # ── within ──

    def _draw(self) -> None:
        assert self._latest is not None
        width, height = size = self._size()
        before, self._last_size = self._last_size, size
        if size != before and self._rows:
            if width < before[0]:
                # Whether the terminal wrapped the old lines cannot be known: they stay, and the next frame is below.
                self._rows = 0
                self._drawn += FRAME_SECONDS  # the window may still be in somebody's hand
                return
            self._rows = min(self._rows, height - 1)
        status, now = self._latest
        lines = _lines(status, now, width - 1, height - 2)
        self._frame = [_styled(line, self._colour) for line in lines[-max(1, height - 1) :]]
        up = f"\x1b[{self._rows}A" if self._rows else ""
        self._write(f"{up}{self._frame_text()}\x1b[J")
        self._rows = len(self._frame)

    def _frame_text(self) -> str:
        return "".join(f"\x1b[2K{line}\n" for line in self._frame)

    def _write(self, text: str) -> None:
        self._file.write(text.translate(PLAIN_SIGNS) if self._ascii else text)
        self._file.flush()

    def _terminal_size(self) -> Size:
        with contextlib.suppress(OSError, ValueError):
            columns, lines = os.get_terminal_size(self._file.fileno())
            if columns and lines:
                return columns, lines
        return shutil.get_terminal_size()


def status_text(status: RunStatus, now: datetime, width: int, colour: bool) -> str:
    """Where a run stands, as text of lines of at most ``width`` columns (24 at least), with a last newline.

    ``now`` has the offset in which times are told.
    """
    lines: list[list[Piece]] = []
    if status.facts is not None:
        began = words.clock(datetime.fromisoformat(status.facts.started).astimezone(now.tzinfo), now)
        lines.append(_fitted([(status.facts.run, "bold"), (f"  began {began}", "dim")], max(width, NARROWEST)))
    lines += _lines(status, now, width, None)
    return "".join(f"{_styled(line, colour).rstrip()}\n" for line in lines)


@dataclass(frozen=True)
class _Columns:
    """How wide each column is; 0: not shown."""

    name: int
    bar: int
    done: int
    counts: int
    now: int
    end: int


def _lines(status: RunStatus, now: datetime, width: int, height: int | None) -> list[list[Piece]]:
    """The frame: as many streams as there is room for, what the others do, and the run."""
    width = max(width, NARROWEST)
    streams = list(status.streams.values())
    shown = streams
    if height is not None and len(streams) + 1 > height:
        foremost = sorted(streams, key=lambda stream: _rank(status, stream))[: max(0, height - 2)]
        names = {stream.name for stream in foremost}
        shown = [stream for stream in streams if stream.name in names]  # in place, so that lines do not jump
    ends = status.ends(now)
    columns = _columns(shown, width)
    lines = [_stream_line(status, stream, ends.get(stream.name), now, columns, width) for stream in shown]
    if len(shown) < len(streams):
        kept = {stream.name for stream in shown}
        hidden = [stream for stream in streams if stream.name not in kept]
        tally = Counter(_kind(status, stream) for stream in hidden)
        told = ", ".join(f"{tally[kind]} {kind}" for kind in ("running", "waiting", "ended", "done") if tally[kind])
        lines.append(_fitted([(f"… and {len(hidden)} more: {told}", "dim")], width))
    return [*lines, *_run_lines(status, now, width)]


def _kind(status: RunStatus, stream: StreamStatus) -> str:
    if stream.finished:
        return "done"
    if status.state != "running":
        return "ended"
    return "running" if stream.running else "waiting"


def _rank(status: RunStatus, stream: StreamStatus) -> tuple[int, int]:
    """Smaller is more worth a line."""
    bad = stream.counts[Verdict.FAIL] > 0 or stream.counts[Verdict.INCONCLUSIVE] > 0
    kind = _kind(status, stream)
    return ({"running": 0, "waiting": 2, "ended": 2, "done": 3}[kind] - (1 if bad and kind != "running" else 0), -bad)


def _columns(shown: Sequence[StreamStatus], width: int) -> _Columns:
    done = max((len(_done(stream)) for stream in shown), default=0)
    tally = max((_wide(_tally(stream.counts)) for stream in shown), default=0)
    longest = max((len(stream.name) for stream in shown), default=0)
    end = 15 if width >= 72 else 5 if width >= 34 else 0
    bar = 10 if width >= 90 else 0
    fixed = done + tally + end + (bar + 2 if bar else 0) + 3 * 2
    name = min(longest, max(8, (width - fixed) // 2 if width >= 60 else width - fixed))
    now = max(0, width - fixed - name - 2)
    return _Columns(name, bar, done, tally, now if now >= 10 else 0, end)


def _stream_line(
    status: RunStatus,
    stream: StreamStatus,
    end: datetime | None,
    now: datetime,
    columns: _Columns,
    width: int,
) -> list[Piece]:
    pieces: list[Piece] = [(_named(stream.name, columns.name), _name_style(stream)), ("  ", "")]
    if columns.bar:
        full = stream.done * columns.bar // stream.total if stream.total else 0
        pieces += [("█" * full, "blue"), ("░" * (columns.bar - full), "dim"), ("  ", "")]
    pieces += [(f"{_done(stream):>{columns.done}}", ""), ("  ", "")]
    tally = _tally(stream.counts)
    pieces += [*tally, (" " * (columns.counts - _wide(tally)), ""), ("  ", "")]
    if columns.now:
        text, style = _now(status, stream, now)
        pieces += [(_padded(text, columns.now), style), ("  ", "")]
    if columns.end and end is not None:
        left = words.remaining((end - now).total_seconds())
        pieces.append((f"{end.astimezone(now.tzinfo):%H:%M}", ""))
        if columns.end > 5:
            pieces.append((f" {left:>9}", "dim"))
    return _fitted(pieces, width)


def _name_style(stream: StreamStatus) -> str:
    counts = stream.counts
    if counts[Verdict.FAIL]:
        return "red"
    if counts[Verdict.INCONCLUSIVE] or counts[Verdict.NOT_RUN]:
        return "yellow"
    return "green" if stream.finished and stream.done else ""


def _done(stream: StreamStatus) -> str:
    return f"{stream.done}/{stream.total}"


def _tally(counts: Counter[Verdict]) -> list[Piece]:
    """Counts by verdict, each with its sign; those of which there are none are not told."""
    styles = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow", Verdict.NOT_RUN: "blue"}
    found: list[Piece] = []
    for verdict, style in styles.items():
        if counts[verdict]:
            found += [(" ", "")] if found else []
            found.append((f"{counts[verdict]}{words.ICON[verdict]}", style))
    return found


def _now(status: RunStatus, stream: StreamStatus, now: datetime) -> Piece:
    """What a stream does: the test that runs longest, or what keeps it."""
    if stream.running:
        test, *others = sorted(stream.running.values(), key=lambda test: test.since)
        if status.state != "running":
            return f"broke off: {_short(test.test, stream.name)}", "yellow"
        since = words.stopwatch((now - test.since).total_seconds())
        more = f" +{len(others)}" if others else ""
        return f"{since} {_short(test.test, stream.name)}{more}", ""
    if stream.trouble:
        return stream.trouble.partition("\n")[0], "yellow"
    if stream.finished:
        return ("done" if stream.done else "nothing to run"), "dim"
    if status.state != "running":
        return f"{len(stream.pending)} never began", "yellow"
    what = status.obstacle(stream.name)
    return (f"waits for {what}", "dim") if what else ("waits", "dim")


def _short(test: str, stream: str) -> str:
    """A node id as it is called in every lab, without its file."""
    name = test.rpartition("::")[2] or test
    return name.replace(f"[{stream}-", "[", 1).removesuffix(f"[{stream}]").removeprefix("test_")


def _run_lines(status: RunStatus, now: datetime, width: int) -> list[list[Piece]]:
    """The run in a line; in two where it would not fit."""
    line = _run_line(status, now)
    if _wide(line) <= width:
        return [line]
    half = next((index for index, (text, _) in enumerate(line) if index and len(text) > 2 and text[:2] == "  "), 1)
    first, (text, style), *rest = line[:half], *line[half:]
    return [_fitted(first, width), _fitted([(text.lstrip(), style), *rest], width)]


def _run_line(status: RunStatus, now: datetime) -> list[Piece]:
    counts = status.counts
    pieces: list[Piece] = [(f"{status.done}/{words.counted(status.total, 'test')}", "bold")]
    if tally := _tally(counts):
        pieces += [("  ", ""), *tally]
    elapsed = words.stopwatch(status.elapsed(now))
    if status.state != "running":
        told = {"finished": "the run ended", "interrupted": "the run was interrupted", "killed": "the run was killed"}
        return [
            *pieces,
            (f"  {told[status.state]}", "" if status.state == "finished" else "yellow"),
            (f" after {elapsed}" if status.state != "killed" else "", "dim"),
        ]
    end = status.end(now)
    if end is not None:
        left = words.remaining((end - now).total_seconds())
        pieces += [
            ("  ends about ", "dim"),
            (words.clock(end.astimezone(now.tzinfo), now), "bold"),
            (f", {left}", "dim"),
        ]
    pieces.append((f"  {elapsed} gone", "dim"))
    if status.workers > 1:
        pieces.append((f"  {len(status.running)} of {status.workers} workers busy", "dim"))
    return pieces


def _wide(pieces: Iterable[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)


def _padded(text: str, width: int) -> str:
    """Exactly so many columns, cut with a sign where it is longer."""
    text = words.CONTROL.sub("", text)
    if (wide := cell_len(text)) <= width:
        return text + " " * (width - wide)
    return set_cell_size(text, width - 1) + "…" if width else ""


def _named(name: str, width: int) -> str:
    """A stream's name, cut in its middle: what tells streams apart stands at either end."""
    if len(name) <= width:
        return f"{name:<{width}}"
    tail = (width - 1) * 2 // 3
    return f"{name[: width - 1 - tail]}…{name[-tail:]}"


def _fitted(pieces: Iterable[Piece], width: int) -> list[Piece]:
    """At most so many columns."""
    found: list[Piece] = []
    for text, style in pieces:
        wide = cell_len(text)
        if wide > width:
            found.append((_padded(text, width), style))
            break
        found.append((text, style))
        width -= wide
    return found


def _styled(pieces: Iterable[Piece], colour: bool) -> str:
    return "".join(
        f"\x1b[{words.SGR[style]}m{text}\x1b[0m" if colour and style and text else text for text, style in pieces
    )
