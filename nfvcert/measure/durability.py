"""Whether storage keeps what it has confirmed when its writer is killed.

On the host, a writer puts numbered blocks on the target one by one, each synced (fsync), and notes each that was
confirmed. It is killed with -9 in the middle. Then every block that was confirmed is read back and compared, around the
page cache. A power cut of the host, which would prove more, is not for a shell to do.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from nfvcert.errors import DeviceFault, InvalidMeasurement
from nfvcert.protocols import Shell

__all__ = [
    "BLOCK_BYTES",
    "Confirmed",
    "confirmed",
    "killed_writer_command",
    "overrun",
    "overrun_command",
    "run_killed_writer",
]

BLOCK_BYTES = 4096
COMPARED_AT_MOST = 2000
"""Blocks that are written; each is compared by programs of their own, which takes some milliseconds."""
SPARE_S = 60.0


def killed_writer_command(path: str, nonce: str, seconds: float, blocks: int) -> str:
    """A line for a POSIX shell; ``blocks``: how many fit. Needs GNU coreutils, diffutils and util-linux."""
    target, last = shlex.quote(path), min(blocks, COMPARED_AT_MOST)
    writer = f"""
i=0
while [ $i -lt {last} ]; do
  yes "{nonce} $i" | head -c {BLOCK_BYTES} >block
  dd if=block of={target} bs={BLOCK_BYTES} seek=$i oflag=direct conv=notrunc,fsync status=none 2>said ||
    {{ echo $i >failed; exit; }}
  echo $i >>confirmed
  i=$((i + 1))
done
echo $i >ended
"""
    return f"""
export LC_ALL=C
d=$(mktemp -d) && cd "$d" || exit 73
setsid sh -c {shlex.quote(writer)} &
sleep {seconds:g}
kill -9 -- -$! 2>/dev/null
wait $! 2>/dev/null
[ -e ended ] && echo "ended $(cat ended)"
[ -e failed ] && echo "failed $(cat failed) $(head -c 300 said | tr '\\n' ' ')"
touch confirmed
for i in $(cat confirmed); do
  yes "{nonce} $i" | head -c {BLOCK_BYTES} >wanted
  if dd if={target} bs={BLOCK_BYTES} skip=$i count=1 iflag=direct status=none of=got 2>said; then
    if cmp -s wanted got; then echo "kept $i"; else echo "lost $i"; fi
  else
    echo "unread $i $(head -c 300 said | tr '\\n' ' ')"
  fi
done
echo "confirmed $(grep -c . confirmed)"
cd / && rm -r "$d"
"""


@dataclass(frozen=True)
class Confirmed:
    """Blocks that storage confirmed, and those of them that it did not keep."""

    confirmed: int
    lost: tuple[int, ...]


def confirmed(printed: str, where: str) -> Confirmed:
    """From what `killed_writer_command` printed. Raises DeviceFault, InvalidMeasurement."""
    lines = [line.split(maxsplit=2) for line in printed.strip().splitlines()]
    told: dict[str, list[list[str]]] = {}
    for words in lines:
        told.setdefault(words[0] if words else "", []).append(words[1:])
    for what, done in (("failed", "written"), ("unread", "read back")):
        for block, *why in told.get(what, []):
            reason = why[0].strip() if why else "without a reason"
            if not re.search(r"Input/output error|No space left|Read-only|timed out|No such device|Remote I/O", reason):
                raise InvalidMeasurement(f"{where}: block {block} cannot be {done} ({reason})")
            raise DeviceFault(f"{where}: block {block} cannot be {done}: {reason}")
    if "ended" in told:
        raise InvalidMeasurement(f"{where}: the writer had ended before it was killed")
    try:
        ((number,),) = told["confirmed"]
        count, kept, lost = int(number), len(told.get("kept", [])), tuple(int(each[0]) for each in told.get("lost", []))
    except (KeyError, ValueError, IndexError) as problem:
        raise InvalidMeasurement(f"{where}: the writer tells nothing of its blocks: {printed[-300:]!r}") from problem
    if count == 0:
        raise InvalidMeasurement(f"{where}: no block was confirmed before the writer was killed")
    if kept + len(lost) != count:
        raise InvalidMeasurement(f"{where}: {count} blocks were confirmed, and {kept + len(lost)} were looked at")
    return Confirmed(count, lost)


def run_killed_writer(shell: Shell, path: str, nonce: str, seconds: float, size_bytes: int) -> Confirmed:
    """Let a writer be killed, and compare. Raises DeviceFault, InvalidMeasurement, LabError."""
    line = killed_writer_command(path, nonce, seconds, size_bytes // BLOCK_BYTES)
    ended = shell.run(line, timeout_s=seconds + SPARE_S + COMPARED_AT_MOST * 0.1, check=False)
    return confirmed(ended.stdout, f"{path} of {shell.host}")


# ── beyond the end ──


def overrun_command(path: str, size_bytes: int) -> str:
    """A line for a POSIX shell that tries to write a block of ones behind the last byte."""
    return (
        f"export LC_ALL=C; tr '\\000' '\\377' </dev/zero | head -c {BLOCK_BYTES} | "
        f"dd of={shlex.quote(path)} bs={BLOCK_BYTES} seek={-(-size_bytes // BLOCK_BYTES)} iflag=fullblock count=1 "
        "oflag=direct conv=notrunc,fsync 2>&1"
    )


def overrun(printed: str, where: str) -> bool:
    """Whether a write beyond the end was accepted. Raises InvalidMeasurement."""
    if re.search(r"No space left on device|Input/output error|Invalid argument|File too large", printed):
        return False
    if re.search(r"^1\+0 records out", printed, re.MULTILINE):
        return True
    raise InvalidMeasurement(f"{where}: dd does not tell whether it wrote beyond the end: {printed[-300:]!r}")
