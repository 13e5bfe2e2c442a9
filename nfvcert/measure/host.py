"""What a Linux host tells of itself, understood: what it is, who used its processors, how late it wakes, its clock.

Each ``…_COMMAND`` is a line for a POSIX shell; the function beside it reads what that prints. Whatever cannot be
understood raises InvalidMeasurement, since nothing may pass on an answer that was not given.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from nfvcert.errors import InvalidMeasurement
from nfvcert.lab import Platform
from nfvcert.measure.stats import Estimate
from nfvcert.protocols import Shell

__all__ = [
    "ASPECTS",
    "PLATFORM_COMMAND",
    "USAGE_COMMAND",
    "ClockOffset",
    "ClockReading",
    "Deviation",
    "HostLoad",
    "Load",
    "Usage",
    "clock_offsets",
    "cpu_command",
    "deviations",
    "host_load",
    "kernel_errors",
    "load",
    "memory_command",
    "platform_facts",
    "undeclared",
    "usage",
    "wakeup_command",
    "wakeup_latency_p99",
]

ASPECTS = (
    *("threads", "memory_kib", "cpu_model", "numa_nodes", "hugepages", "isolated_cpus", "kernel", "microcode"),
    "firmware",
)
"""What an inventory can declare of a platform, and is compared."""

PLATFORM_COMMAND = r"""
echo "threads=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)"
echo "isolated_cpus=$(cat /sys/devices/system/cpu/isolated)"
echo "memory_kib=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
echo "cpu_model=$(LC_ALL=C lscpu | sed -n 's/^Model name: *//p' | sort -u)"
echo "numa_nodes=$(ls -d /sys/devices/system/node/node[0-9]* | wc -l)"
echo "kernel=$(uname -r)"
echo "microcode=$(sed -n 's/^microcode[[:space:]]*: *//p' /proc/cpuinfo | sort -u | tr '\n' ' ')"
for size in /sys/kernel/mm/hugepages/hugepages-*; do echo "hugepages ${size##*-}=$(cat "$size"/nr_hugepages)"; done
"""

Found = Mapping[str, str | Mapping[str, str]]
"""Aspect → what the host tells of it."""


def platform_facts(printed: str, firmware: Mapping[str, str] | None) -> dict[str, str | Mapping[str, str]]:
    """Aspect → what is there, from what `PLATFORM_COMMAND` printed and what the BMC told."""
    lines = dict(line.partition("=")[::2] for line in printed.splitlines() if "=" in line)
    found: dict[str, str | Mapping[str, str]] = {
        name: value.strip() for name, value in lines.items() if name in ASPECTS and name != "threads"
    }
    # A session runs on the processors that are not isolated.
    if allowed := _cpus(lines.get("threads", "")):
        found["threads"] = str(len(allowed | _cpus(lines.get("isolated_cpus", ""))))
    found["hugepages"] = {
        name.removeprefix("hugepages "): value
        for name, value in lines.items()
        if name.startswith("hugepages ") and value not in {"", "0"}
    }
    found["firmware"] = dict(firmware or {})
    return found


@dataclass(frozen=True)
class Deviation:
    """An aspect of a host that is declared, and whether it is as declared."""

    aspect: str
    """`kernel`, or with the part that it is of: `firmware bios`, `hugepages 2048kB`."""
    declared: str
    found: str
    deviates: bool


def deviations(platform: Platform, found: Found) -> list[Deviation]:
    """Each aspect that is declared, compared; nothing that is found counts as nothing that is declared."""
    compared = []
    for aspect in ASPECTS:
        declared = getattr(platform, aspect)
        if declared is None:
            continue
        told = found.get(aspect, "")
        if isinstance(declared, dict):
            parts: Mapping[str, str] = told if isinstance(told, Mapping) else {}
            # Huge pages of a size that is not declared are memory that nobody planned to lose.
            names = list(dict.fromkeys([*declared, *(parts if aspect == "hugepages" else ())]))
            for name in names:
                wanted, there = str(declared.get(name, 0)), parts.get(name, "")
                shown = there or ("0" if aspect == "hugepages" else "nothing")
                compared.append(Deviation(f"{aspect} {name}", wanted, shown, wanted != shown))
        elif aspect == "isolated_cpus":
            there = told if isinstance(told, str) else ""
            differs = "isolated_cpus" not in found or _cpus(there) != _cpus(declared)
            compared.append(Deviation(aspect, declared or "none", there or "none", differs))
        else:
            there = told if isinstance(told, str) else ""
            compared.append(Deviation(aspect, str(declared), there or "nothing", _differs(aspect, declared, there)))
    return compared


def _differs(aspect: str, declared: int | str, there: str) -> bool:
    if aspect == "memory_kib":
        return not there.isdigit() or int(there) < int(declared)
    return there != str(declared)


def undeclared(platform: Platform) -> list[str]:
    """The aspects that an inventory says nothing of, so that nothing of them is certified."""
    return [aspect for aspect in ASPECTS if getattr(platform, aspect) is None]


def _cpus(listed: str) -> frozenset[int]:
    """`0-1,4` → 0, 1, 4. Raises InvalidMeasurement."""
    found: set[int] = set()
    for part in filter(None, listed.strip().split(",")):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise InvalidMeasurement(f"{listed!r} is no list of processors")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)


# ── load ──


def cpu_command(threads: int, seconds: float) -> str:
    """Compute primes with so many threads for so long (sysbench cpu)."""
    return _timed(f"sysbench cpu --threads={threads} --time={seconds:.0f} --cpu-max-prime=10000 run")


def memory_command(seconds: float) -> str:
    """Write a buffer that is larger than caches, over and over (sysbench memory)."""
    sizes = "--memory-block-size=64M --memory-total-size=1024T --memory-oper=write"
    return _timed(f"sysbench memory --threads=1 --time={seconds:.0f} {sizes} run")


def _timed(command: str) -> str:
    return "bash -c " + shlex.quote(f"TIMEFORMAT='processor time %U %S of %R'; time LC_ALL=C {command}")


@dataclass(frozen=True)
class Load:
    """What a load got done, and the processor time that it was given."""

    events: int
    cpu_seconds: float
    seconds: float

    @property
    def per_cpu_second(self) -> float:
        """What is done in a second of processor time: that of which others take a part is not slower by it."""
        return self.events / self.cpu_seconds


def load(printed: str) -> Load:
    """From what `cpu_command` or `memory_command` printed, both streams. Raises InvalidMeasurement."""
    events = re.search(r"total number of events:\s+(\d+)", printed)
    took = re.search(r"processor time ([\d.]+) ([\d.]+) of ([\d.]+)", printed)
    if events is None or took is None:
        raise InvalidMeasurement(f"sysbench tells no result: {printed.strip()[-200:]!r}")
    result = Load(int(events[1]), float(took[1]) + float(took[2]), float(took[3]))
    if not (result.events and result.cpu_seconds > 0 and result.seconds > 0):
        raise InvalidMeasurement(f"sysbench did nothing: {result}")
    return result


# ── who used the processors ──

USAGE_COMMAND = r"""
mine=$(readlink /proc/self/ns/net)
echo "ticks $(getconf CLK_TCK) uptime $(cut -d' ' -f1 /proc/uptime)"
for process in /proc/[0-9]*; do
  [ "$(readlink "$process/ns/net" 2>/dev/null)" = "$mine" ] || continue
  sed 's/^\([0-9]*\) (.*) /\1 /' "$process/stat" 2>/dev/null
done
"""
"""The processor time of each process of the host: those in the network namespace of its SSH server. On a server that
is all but containers, of which `compute.cpu.obtained_ratio` tells."""


@dataclass(frozen=True)
class Usage:
    """Processor time by process at one moment, in seconds."""

    uptime_s: float
    by_process: Mapping[str, float]
    """Process number and start → its own time and that of its ended children."""

    def taken_since(self, before: Usage) -> float:
        """Processor time that processes used since then; one that is new counts whole."""
        return sum(max(0.0, spent - before.by_process.get(name, 0.0)) for name, spent in self.by_process.items())


def usage(printed: str) -> Usage:
    """From what `USAGE_COMMAND` printed. Raises InvalidMeasurement."""
    head, *lines = printed.strip().splitlines() or [""]
    match = re.fullmatch(r"ticks (\d+) uptime ([\d.]+)", head)
    if match is None:
        raise InvalidMeasurement(f"the host does not tell what its processes use: {head[:200]!r}")
    ticks = int(match[1])
    found = {}
    for line in lines:
        fields = line.split()
        if len(fields) > 20:  # proc(5): after pid and state, utime … cutime are 14 to 16 less the name
            # utime and stime are its own; what its ended children used is theirs, and would be counted twice.
            found[f"{fields[0]} {fields[20]}"] = (int(fields[12]) + int(fields[13])) / ticks
    if not found:
        raise InvalidMeasurement("the host shows no process of its own")
    return Usage(float(match[2]), found)


@dataclass(frozen=True)
class HostLoad:
    """A load of a host, and what others took of its processors meanwhile."""

    threads: int
    load: Load
    taken_s: float
    """Processor time that the host's other processes used."""
    span_s: float
    """From the look before to the look after it."""

    @property
    def taken_ratio(self) -> float:
        """Share of the time of the loaded processors that the host's other processes used."""
        return self.taken_s / (self.span_s * self.threads)

    @property
    def obtained_ratio(self) -> float:
        """Share of the time of the loaded processors that the load was given."""
        return min(1.0, self.load.cpu_seconds / (self.load.seconds * self.threads))


def host_load(shell: Shell, *, threads: int, seconds: float) -> HostLoad:
    """Load a host's processors, and see who else uses them. Raises InvalidMeasurement, LabError."""
    before = usage(shell.run(USAGE_COMMAND).stdout)
    ended = shell.run(cpu_command(threads, seconds), timeout_s=seconds * 5 + 30, check=False)
    after = usage(shell.run(USAGE_COMMAND).stdout)
    return HostLoad(
        threads=threads,
        load=load(ended.stdout + ended.stderr),
        taken_s=after.taken_since(before),
        span_s=max(after.uptime_s - before.uptime_s, 0.01),
    )


# ── how late a thread wakes ──

HISTOGRAM_US = 200_000


def wakeup_command(threads: int, wakeups: int) -> str:
    """Let a thread of ordinary priority on each processor sleep 1 ms, again and again (cyclictest of rt-tests)."""
    asked = f"cyclictest --quiet --policy=other --affinity --threads={threads} --interval=1000 --distance=0"
    return f"{asked} --loops={wakeups} --histogram={HISTOGRAM_US} --json=/dev/stdout"


def wakeup_latency_p99(printed: str) -> float:
    """99th percentile in seconds of all threads together. Raises InvalidMeasurement."""
    start = printed.find("{")
    try:
        told, _ = json.JSONDecoder().raw_decode(printed[max(0, start) :])
        threads = list(told["thread"].values())
        cycles = sum(int(each["cycles"]) for each in threads)
        longest = max(int(each["max"]) for each in threads)
        counted: dict[int, int] = {}
        for each in threads:
            for late_us, times in each["histogram"].items():
                counted[int(late_us)] = counted.get(int(late_us), 0) + int(times)
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise InvalidMeasurement(f"cyclictest tells no histogram: {printed.strip()[:200]!r}") from error
    if cycles <= 0:
        raise InvalidMeasurement("cyclictest woke no thread")
    seen = 0
    for late_us, times in sorted(counted.items()):
        seen += times
        if seen >= 0.99 * cycles:
            return late_us * 1e-6
    return longest * 1e-6  # beyond the histogram: what it does not show must not be taken for good


# ── the kernel's messages ──

_ERRORS = re.compile(
    r"Hardware Error|Machine [Cc]heck|\[mce\]|mce: .*error|Out of memory:|oom-kill|\bBUG:|\bOops\b|Kernel panic"
    r"|soft lockup|hard LOCKUP|blocked for more than \d+ seconds|general protection fault|I/O error"
    r"|EDAC .*\b[UC]E\b|rcu.*(?:stall|self-detected)|NETDEV WATCHDOG|AER: .*error|nvme.*timeout|link is flapping"
)


def kernel_errors(log: str) -> list[str]:
    """The lines that no healthy host's kernel writes. Raises InvalidMeasurement for a log without any line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if not lines:
        raise InvalidMeasurement("the kernel's log is empty, so it tells of no errors and of no health either")
    return [line for line in lines if _ERRORS.search(line)]


# ── clocks ──


@dataclass(frozen=True)
class ClockReading:
    """What a host's clock showed, and between which moments of ours it did."""

    shown_s: float
    asked_s: float
    answered_s: float

    @property
    def offset_s(self) -> float:
        """How far it is before ours, halfway through the round trip (as NTP, RFC 5905 §8)."""
        return self.shown_s - (self.asked_s + self.answered_s) / 2

    @property
    def uncertainty_s(self) -> float:
        """Half the round trip."""
        return (self.answered_s - self.asked_s) / 2


def clock_offsets(readings: Mapping[str, Sequence[ClockReading]], trusted_s: float) -> dict[str, ClockOffset]:
    """Host → how far its clock is from the median of all hosts' clocks and ours.

    Our clock is nobody's release: where it is further than ``trusted_s`` from that median (or from the only host's),
    either it is wrong or all hosts are, and who of both cannot be told. Raises InvalidMeasurement.
    """
    if not readings:
        raise InvalidMeasurement("no host told the time")
    best = {host: _best(host, its) for host, its in readings.items()}
    known = [each.offset_s for each in best.values()]
    # Of two clocks, the median would be in the middle, and each only half as wrong.
    middle = median([0.0, *known]) if len(known) > 1 else known[0]
    trusted_s = max(trusted_s, *(each.uncertainty_s for each in best.values()))
    if abs(middle) > trusted_s:
        raise InvalidMeasurement(
            f"the clock of this machine is {abs(middle):.3f} s {'behind' if middle > 0 else 'ahead of'} most of the "
            "hosts: set it by the lab's time source; while they disagree, neither shows the other wrong"
        )
    reference = middle if len(known) > 1 else 0.0
    return {host: ClockOffset(abs(each.offset_s - reference), each.uncertainty_s) for host, each in best.items()}


@dataclass(frozen=True)
class ClockOffset:
    """How far a clock is off, regardless of sign, and how well that is known; in seconds."""

    offset_s: float
    uncertainty_s: float

    @property
    def estimate(self) -> Estimate:
        """For the judge: a bound within the uncertainty decides nothing."""
        low, high = max(0.0, self.offset_s - self.uncertainty_s), self.offset_s + self.uncertainty_s
        return Estimate(self.offset_s, low, high, None, (self.offset_s,))


def _best(host: str, readings: Iterable[ClockReading]) -> ClockReading:
    found = min(readings, key=lambda each: each.uncertainty_s, default=None)
    if found is None:
        raise InvalidMeasurement(f"{host} did not tell the time")
    return found
