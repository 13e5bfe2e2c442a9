"""What every Shell must do, whatever carries it.

A driver's test class inherits this and gives the fixture ``shell``.
"""

from __future__ import annotations

import re
import time

import pytest

from nfvcert.errors import CommandFailed, CommandTimeout
from nfvcert.protocols import Shell

TEN_MB = 10_000_000


class ShellContract:
    @pytest.fixture
    def shell(self) -> Shell:
        raise NotImplementedError

    def test_is_a_shell(self, shell: Shell) -> None:
        assert isinstance(shell, Shell)

    def test_outputs_and_status_are_kept_apart(self, shell: Shell) -> None:
        completed = shell.run("echo out; echo err >&2; exit 7", check=False)
        assert (completed.stdout, completed.stderr, completed.status) == ("out\n", "err\n", 7)
        assert completed.host == shell.host
        assert completed.command == "echo out; echo err >&2; exit 7"

    @pytest.mark.parametrize("status", [0, 1, 2, 126, 127, 128, 255])
    def test_every_status_arrives_unchanged(self, shell: Shell, status: int) -> None:
        assert shell.run(f"exit {status}", check=False).status == status

    def test_a_checked_command_that_fails_names_host_command_status_and_output(self, shell: Shell) -> None:
        with pytest.raises(CommandFailed) as caught:
            shell.run("echo no such link >&2; exit 3")
        sentence = str(caught.value)
        assert shell.host in sentence
        assert "`echo no such link >&2; exit 3`" in sentence
        assert "status 3" in sentence
        assert "stderr: no such link" in sentence
        assert caught.value.what == shell.host

    def test_a_program_that_does_not_exist_is_status_127(self, shell: Shell) -> None:
        assert shell.run("no-such-program-anywhere", check=False).status == 127

    @pytest.mark.parametrize(("signal", "status"), [("KILL", 137), ("TERM", 143), ("SEGV", 139), ("USR1", 138)])
    def test_a_command_ended_by_a_signal_has_the_status_that_shells_give(
        self, shell: Shell, signal: str, status: int
    ) -> None:
        completed = shell.run(f"echo before; kill -{signal} $$; echo after", check=False)
        assert (completed.stdout, completed.status) == ("before\n", status)

    def test_ten_megabytes_on_both_outputs_arrive_whole(self, shell: Shell) -> None:
        # stderr first and whole: a reader that drains stdout before would wait for ever.
        command = f"head -c {TEN_MB} /dev/zero | tr '\\0' e >&2; head -c {TEN_MB} /dev/zero | tr '\\0' o"
        completed = shell.run(command, timeout_s=60)
        assert completed.stderr == "e" * TEN_MB
        assert completed.stdout == "o" * TEN_MB

    def test_input_larger_than_any_buffer_comes_back(self, shell: Shell) -> None:
        text = "0123456789abcde\n" * 300_000
        assert shell.run("cat", stdin=text, timeout_s=60).stdout == text

    def test_input_that_nobody_reads_holds_nothing_up(self, shell: Shell) -> None:
        assert shell.run("echo done", stdin="x" * 5_000_000).stdout == "done\n"

    def test_without_input_a_reader_sees_its_end(self, shell: Shell) -> None:
        assert shell.run("cat; echo read", timeout_s=10).stdout == "read\n"

    def test_text_beyond_ascii_passes_both_ways(self, shell: Shell) -> None:
        text = "κόσμε ☎ “déjà” 网络 'quoted' \"twice\" $HOME `x` \\ \t🛰"
        assert shell.run("cat", stdin=text).stdout == text
        assert shell.run("printf %s 'Größe ☎ 网络'").stdout == "Größe ☎ 网络"

    def test_bytes_that_are_no_text_are_replaced(self, shell: Shell) -> None:
        assert shell.run(r"printf 'a\377\376z'; printf '\300' >&2").stdout == "a\ufffd\ufffdz"

    def test_a_command_of_several_lines(self, shell: Shell) -> None:
        assert shell.run("for i in 1 2\ndo\n  echo $i\ndone\n").stdout == "1\n2\n"

    def test_time_is_measured(self, shell: Shell) -> None:
        assert 0.3 <= shell.run("sleep 0.3").seconds < 5

    def test_a_hanging_command_ends_at_its_deadline_with_what_it_printed(self, shell: Shell) -> None:
        started = time.monotonic()
        with pytest.raises(CommandTimeout) as caught:
            shell.run("echo so far; echo trouble >&2; sleep 300", timeout_s=0.5)
        assert time.monotonic() - started < 10
        sentence = str(caught.value)
        assert "`echo so far; echo trouble >&2; sleep 300` did not end within 0.5 s" in sentence
        assert "stdout: so far" in sentence
        assert "stderr: trouble" in sentence
        assert shell.host in sentence
        assert shell.run("echo alive").stdout == "alive\n"

    @pytest.mark.parametrize(
        "command",
        [
            "exec sleep 300",
            "sleep 300; echo never",
            "timeout 200 sleep 300; echo never",  # a process group of its own
            "trap '' TERM; while :; do sleep 300; done",
            "exec >/dev/null 2>&1; sleep 300",  # both outputs end, the process does not
        ],
    )
    def test_a_command_given_up_on_is_gone_from_the_host(self, shell: Shell, command: str) -> None:
        with pytest.raises(CommandTimeout, match="its process was ended") as caught:
            shell.run(f"echo leader $$; {command}", timeout_s=0.5)
        found = re.search(r"leader (\d+)", str(caught.value))
        assert found is not None
        left = shell.run(f"ps -o pid=,stat=,args= --sid {found[1]}", check=False).stdout
        assert [line for line in left.splitlines() if " Z" not in line] == []

    def test_closing_twice_is_closing_once_and_run_opens_again(self, shell: Shell) -> None:
        shell.run("true")
        shell.close()
        shell.close()
        assert shell.run("echo again").stdout == "again\n"
