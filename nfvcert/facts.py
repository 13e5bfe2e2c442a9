"""Asking a lab for its facts: every host by SSH and, where it has one, its BMC by Redfish, all side by side."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from nfvcert.access import has_bmc, has_shell
from nfvcert.catalogue import FactSource
from nfvcert.errors import CommandFailed, LabError
from nfvcert.presence import REDFISH, SEPARATOR, sources_of
from nfvcert.protocols import LabAccess
from nfvcert.release import ReleaseUnit

__all__ = ["FACTS", "fingerprint", "sources_by_host"]

_ADAPTERS = """
for i in /sys/class/net/*; do
  if [ -e $i/device ]; then ethtool -i ${{i##*/}} 2>/dev/null | sed -n 's/^{}: *//p' | tr '\\n' ' '; echo; fi
done | sed 's/ *$//' | sort -u
"""
FACTS = {
    "kernel": "uname -r",
    "architecture": "uname -m",
    # In a subshell: a shell that misses the file which it is to read ends, and an appliance may have none.
    "system": '( . /etc/os-release && echo "$PRETTY_NAME" )',
    # VERSION_ID of Debian lacks the point release.
    "os": '( . /etc/os-release && if [ "$ID" = debian ]; then cat /etc/debian_version; else echo "$VERSION_ID"; fi )',
    "openssh": "dpkg-query -W -f '${Version}' openssh-server 2>/dev/null || ssh -V 2>&1",
    "openvswitch": "ovs-vswitchd --version 2>/dev/null | head -n 1",
    "nftables": "nft --version 2>/dev/null",
    "cpu": "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1",
    "cpu-microcode": "sed -n 's/^microcode[^:]*: //p' /proc/cpuinfo | sort -u",
    "cpus": "nproc",
    "memory": "sed -n 's/^MemTotal: *//p' /proc/meminfo",
    "bios": "cat /sys/class/dmi/id/bios_version 2>/dev/null || dmidecode -s bios-version 2>/dev/null",
    "nic-firmware": _ADAPTERS.format("firmware-version"),
    "nic-driver": _ADAPTERS.format("\\(driver\\|version\\)"),
}
"""Fact → the shell command that prints it, a line a value. A fact that a host cannot tell is left out."""
MARK = "=nfvcert="
_PACKAGE = (
    "dpkg-query -W -f '${{db:Status-Status}} ${{Version}}\\n' {0} 2>/dev/null | sed -n 's/^installed //p'; "
    "rpm -q {0} >/dev/null 2>&1 && rpm -q --qf '%{{EVR}}\\n' {0}"
)
"""The version of an installed package: one that was removed, and left its configuration, has one too."""


def fingerprint(
    access: LabAccess, sources: Mapping[str, Sequence[FactSource]] | None = None
) -> dict[str, dict[str, str]]:
    """Host → fact → value, of every host with a shell or a BMC; ``sources``: host → what else it is asked.

    A BMC that does not answer is itself a fact, `redfish`: whether that matters is for who needs it to say.
    Raises LabError for a host that does not answer by SSH.
    """
    asked = sources or {}
    lab = access.lab
    shells = [name for name, host in lab.hosts.items() if has_shell(host, lab)]
    bmcs = [name for name, host in lab.hosts.items() if has_bmc(lab, host)]
    with ThreadPoolExecutor(max_workers=16) as pool:
        by_ssh = pool.map(lambda host: _by_ssh(access, host, asked.get(host, ())), shells)
        by_redfish = pool.map(lambda host: _by_redfish(access, host), bmcs)
        told = dict(zip(shells, by_ssh, strict=True))
        firmware = dict(zip(bmcs, by_redfish, strict=True))
    return {host: told.get(host, {}) | firmware.get(host, {}) for host in lab.hosts if host in told or host in firmware}


def sources_by_host(
    access: LabAccess, sources: Mapping[str, Sequence[FactSource]], unit: ReleaseUnit | None = None
) -> dict[str, list[FactSource]]:
    """Host → what it is asked: the facts of its components, and those of the changes that a unit brings to it.

    ``sources``: component → its facts.
    """
    found = {}
    for name, host in access.lab.hosts.items():
        wanted = [source for component in host.components for source in sources.get(component, ())]
        for change in unit.changes if unit else ():
            if change.component in host.components:
                wanted += sources_of(change, sources)
        found[name] = list(dict.fromkeys(wanted))
    return found


def _by_ssh(access: LabAccess, host: str, sources: Iterable[FactSource]) -> dict[str, str]:
    """All in one round trip."""
    commands = dict(FACTS)
    patterns = {}
    for source in sources:
        if source.package is not None:
            commands[source.fact] = _PACKAGE.format(shlex.quote(source.package))
        elif source.command is not None and source.pattern is not None:
            commands[source.fact] = f"( {source.command}\n) 2>&1"  # on a line of its own: a comment may end it
            patterns[source.fact] = source.pattern
    # Numbers, since a fact's name may hold anything.
    # Unforeseeable, since what is printed may hold anything too.
    mark = f"{MARK}{secrets.token_hex(8)}="
    script = "\n".join(f"echo; echo {mark}{number}\n{command}" for number, command in enumerate(commands.values()))
    printed = access.shell(host).run(f"sh -c {shlex.quote(script)}", check=False).stdout
    if mark not in printed:
        raise CommandFailed(f"{host} runs no shell commands: it printed {printed[:200]!r}", what=host)
    names = list(commands)
    found = {}
    for section in printed.split(mark)[1:]:
        number, _, value = section.partition("\n")
        name = names[int(number)]
        lines = _matches(patterns[name], value) if name in patterns else value.splitlines()
        if value := SEPARATOR.join(dict.fromkeys(line.strip() for line in lines if line.strip())):
            found[name] = value
    return found


def _matches(pattern: str, printed: str) -> list[str]:
    """Every version that an appliance prints: two that differ must both be seen."""
    return [match[1] for match in re.finditer(pattern, printed, re.MULTILINE) if match[1]]


def _by_redfish(access: LabAccess, host: str) -> dict[str, str]:
    try:
        firmware = access.bmc(host).firmware()
    except LabError as error:
        return {REDFISH: error.sentence}
    return {f"redfish {name}": version for name, version in firmware.items()}
