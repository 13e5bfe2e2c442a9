"""From the words of a pod's descriptors to those of an inventory."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfvcert import files
from nfvcert.document import Document, parse_document, read_document
from nfvcert.errors import FileError
from nfvcert.lab import Lab
from nfvcert.parts import KeyPath
from nfvcert.pharos.descriptor import NO_PLACE, Part, Report
from nfvcert.pharos.installer import Installer, Interface
from nfvcert.pharos.networks import Networks, named, slug
from nfvcert.render.inventory import inventory_text

__all__ = ["Conversion", "convert"]

SSH_NETWORKS = ("mgmt", "management", "admin", "public")
"""Networks on which a machine most likely answers SSH, best first."""
HEAD = """\
Converted from the OPNFV Pharos descriptor {origin}.
Look through what is marked TODO; a descriptor does not know:
  network.dut, traffic   the device under test and the traffic generator (see physical-pod.yaml)
  cloud                  the entry of clouds.yaml
  ssh                    user, key_file and known_hosts, where the defaults do not fit
"""


@dataclass(frozen=True)
class Conversion:
    """An inventory made of a descriptor, and a sentence with its key for each thing that is not in it."""

    name: str
    """The lab's name; the inventory is to be saved as NAME.yaml."""
    yaml_text: str
    not_carried_over: tuple[str, ...]


def convert(pdf: Path, idf: Path | None = None, *, name: str | None = None) -> Conversion:
    """Turn a Pharos PDF, with its IDF if there is one, into the text of an inventory.

    The lab is named as asked, else as the file. Raises: FileError for a file that is no descriptor.
    """
    report = Report(r"\[\d+\]|(?<=^idf\.net_config\.)[^.[]+")
    pod = Part(report, _read(pdf, ("nodes", "jumphost"), "this looks like an IDF: the PDF comes first"))
    installer = Installer(Part(report, _read(idf, ("idf",))) if idf else None)
    lab = slug(name or pdf.stem) or "pod"
    converter = _Pod(report, lab, pod, installer)
    inventory = converter.inventory()
    if not inventory["hosts"]:
        raise FileError(pdf, key="nodes", problem="no machine is described", expected="a list of nodes, or a jumphost")
    head = HEAD.format(origin=f"{pdf.name} and {idf.name}" if idf else pdf.name)
    text = inventory_text(inventory, head=head, comments=converter.comments)
    # What is handed out can be read back: a slip in here is not to be found by whoever saves the file.
    files.build(Lab, parse_document(Path(f"{lab}.yaml"), text.encode()))
    return Conversion(lab, text, report.sentences())


def _read(path: Path, one_of: tuple[str, ...], hint: str = "") -> Document:
    try:
        document = read_document(path)
    except FileError as error:
        if path.is_file() and re.search(rb"\{\{|\{%", path.read_bytes()):
            problem = f"a Jinja template, no descriptor yet ({error.problem or error.found})"
            advice = "render the template, then convert the result"
            raise FileError(path, line=error.line, problem=problem, hint=advice) from None
        raise
    if not any((key,) in document.spots for key in one_of):
        is_idf = ("idf",) in document.spots
        expected = f"a mapping with the key {' or '.join(one_of)}"
        raise FileError(path, problem="no Pharos descriptor", expected=expected, hint=hint if is_idf else "")
    return document


class _Pod:
    """One pod on its way from the descriptors' words to the inventory's."""

    def __init__(self, report: Report, lab: str, pod: Part, installer: Installer) -> None:
        self.comments: dict[KeyPath, str] = {}
        self._report = report
        self._lab = lab
        self._pod = pod
        self._installer = installer
        self._networks = Networks(report, self.comments)
        self._hosts: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, str] = {}
        """MAC address, or address of an SSH server → the machine that has it."""
        self._fastest = 0.0
        self._secrets = {json.dumps(secret) for _, secret in pod.every("pass")}

    def inventory(self) -> dict[str, Any]:
        """The inventory as plain data; whatever did not get into it is in the report."""
        version = self._pod.text("version")
        if version not in (None, "1", "1.0"):
            self._pod.lost("version", f"found {version}, read as 1.0")
        head = self._head(self._pod.part("details"))
        if net_config := self._installer.net_config():
            self._networks.describe(net_config)
        self._networks.learn(self._pod)
        jumphost = self._pod.part("jumphost")
        if jumphost.given:
            self._host(jumphost, "jumphost", ["jumphost"], [])
        interfaces = self._installer.interfaces()
        for index, node in enumerate(self._pod.parts("nodes")):
            name = node.peek("name")
            roles = self._installer.roles((name, f"node{index + 1}"))
            if not roles:
                self._report.lost((*node.key, "name"), "no descriptor says its role; compute is assumed")
            known = interfaces[index] if index < len(interfaces) else []
            self._host(node, f"node-{index + 1}", roles or ["compute"], known)
        self._pod.close()
        self._installer.close()
        return head | self._body()

    def _head(self, details: Part) -> dict[str, Any]:
        organisation, location, kind = details.text("lab"), details.text("location"), details.text("type")
        about = details.comment("pod_owner", "pod owner", "contact", "link")
        details.close()
        self.comments[("owner",)] = "; ".join(["TODO: hq, opco or vendor?", *about])
        self.comments[("environment",)] = f"type {kind}" if kind else "TODO: no type is given; what forbids most"
        return {
            "lab": self._lab,
            "title": f"OPNFV Pharos POD, {location}" if location else "OPNFV Pharos POD",
            "owner": {"organisation": organisation or "unknown", "role": "opco"},
            "environment": "lab" if kind == "development" else "production",
            "provider": "existing",
        }

    def _body(self) -> dict[str, Any]:
        self.comments[("profile",)] = "TODO: by the fastest interface; a test model must have bounds for it"
        gigabits = round(self._fastest / 1e9)
        body: dict[str, Any] = {"profile": f"physical-{gigabits}g" if gigabits else "physical"}
        if networks := self._networks.inventory():
            body["networks"] = networks
        return body | {"hosts": self._hosts}

    def _host(self, part: Part, otherwise: str, roles: list[str], interfaces: list[Interface]) -> None:
        name = named(self._report, (*part.key, "name"), part.text("name") or "", otherwise, self._hosts)
        host: dict[str, Any] = {"roles": roles}
        self._hosts[name] = host
        if roles != ["jumphost"]:
            host["components"] = ["host-os", "nic"]
        nics, addresses, others = self._nics(name, part.parts("interfaces"), interfaces)
        bmc = self._bmc(part.part("remote_mangement" if "remote_mangement" in part else "remote_management"), name)
        memory, about = self._hardware(part.part("node"))
        login = self._login(name, addresses, others)
        if login is None:
            self._report.lost((*part.key, "interfaces"), "no address for SSH; the machine's name must resolve to one")
        parts: dict[str, Any] = {
            "addresses": addresses,
            "ssh": {"address": login or name},
            "bmc": bmc,
            "memory": memory,
            "disks": self._disks(part.parts("disks")),
            "nics": nics,
        }
        host |= {key: value for key, value in parts.items() if value}
        about += [f"OS {system}" for system in part.comment("os")]
        about += [self._installer.bridges()] if roles == ["jumphost"] else []
        self.comments[("hosts", name)] = ", ".join(filter(None, about))
        for anchor in ("remote_params", "remote_para"):  # merged into remote_management, hence read already
            part.take(anchor)
        part.close()

    def _hardware(self, node: Part) -> tuple[str | None, list[str]]:
        about = node.comment("vendor", "model", "arch", "cpu_cflags")
        cpus, cores = node.text("cpus"), node.text("cores")
        if cores:
            node.lost("cores", "labs count them by CPU or in all; kept as a comment, to be filled in as cpus")
        about += [f"{number} {unit}" for number, unit in ((cpus, "CPUs"), (cores, "cores")) if number]
        if (kind := node.text("type")) not in (None, "baremetal"):
            node.lost("type", f"{kind}: a lab of real gear is assumed")
        memory = node.text("memory")
        node.close()
        return memory, about

    def _disks(self, parts: list[Part]) -> list[dict[str, str]]:
        disks = []
        for number, part in enumerate(parts, start=1):
            kind, bus = part.text("disk_type"), part.text("disk_interface")
            disk = {"name": part.text("name") or f"disk{number}"}
            if bus == "nvme":
                kind = "nvme"
            elif bus:
                part.lost("disk_interface", NO_PLACE)
            if kind in ("hdd", "ssd", "nvme"):
                disk["kind"] = kind
            elif kind:
                part.lost("disk_type", f"{kind} is no kind of disk that an inventory knows")
            if size := part.text("disk_capacity"):
                disk["size"] = size
            part.close()
            disks.append(disk)
        return disks

    def _nics(
        self, host: str, parts: list[Part], interfaces: list[Interface]
    ) -> tuple[dict[str, Any], dict[str, str], list[str]]:
        """A machine's interfaces, its addresses by network, and the addresses that no network holds."""
        nics: dict[str, Any] = {}
        addresses: dict[str, str] = {}
        others: list[str] = []
        for index, part in enumerate(parts):
            label = part.text("name") or part.text("nic") or f"nic{index + 1}"
            known = interfaces[index] if index < len(interfaces) else Interface()
            name = known.name or label
            if name in nics:
                self._report.lost(part.key, f"left out, as {name} is described already")
                continue
            nic = {
                "mac": self._mac(part, host),
                "speed": self._speed(part),
                "vlan": _vlan(part),
                "features": _features(part),
            }
            nics[name] = {key: value for key, value in nic.items() if value}
            if about := [text for text in (label, known.bus) if text not in ("", name)]:
                self.comments[("hosts", host, "nics", name)] = ", ".join(about)
            self._networks.place(part, addresses, others)
            part.close()
        return nics, addresses, others

    def _mac(self, part: Part, host: str) -> str | None:
        mac = (part.text("mac_address") or "").lower().replace("-", ":")
        if not mac:
            return None
        if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac):
            part.lost("mac_address", "left out, as it is no MAC address")
        elif not mac.strip("0:"):
            part.lost("mac_address", "left out, as all zeros stand for an unknown one")
        elif self._owners.setdefault(mac, host) != host:
            part.lost("mac_address", "left out, as an interface of another machine has it too")
        else:
            return mac
        return None

    def _speed(self, part: Part) -> str | None:
        text = part.text("speed")
        match = re.fullmatch(
            r"(\d{1,12}(?:\.\d{1,3})?) ?(?:([kmgt])(?:b|be|bit|bps|b/s|bit/s)?)?", (text or "").lower()
        )
        if not match:
            if text:
                part.lost("speed", f"{text!r:.40} is no speed")
            return None
        number, unit = float(match[1]), match[2]
        if unit is None:
            unit = "g" if number < 1000 else "m"
            part.lost("speed", f"{text} has no unit; read as {unit.upper()}bit/s")
        bits = number * {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}[unit]
        if not 1e3 <= bits <= 1e12:
            part.lost("speed", f"{text} is no speed of an interface")
            return None
        self._fastest = max(self._fastest, bits)
        return f"{bits / 1e9:g} Gbit/s" if bits >= 1e9 else f"{bits / 1e6:g} Mbit/s"

    def _login(self, host: str, addresses: dict[str, str], others: list[str]) -> str | None:
        ranked = [addresses[name] for name in SSH_NETWORKS if name in addresses]
        for address in (*ranked, *addresses.values(), *others):
            if self._owners.setdefault(address, host) == host:
                return address
        return None

    def _bmc(self, part: Part, host: str) -> dict[str, str] | None:
        kind, user = part.text("type"), part.text("user")
        address = (part.text("address") or "").partition("/")[0]
        secret = part.take("pass")
        reference = ""
        if secret not in (None, ""):
            owner = self._lab if len(self._secrets) == 1 else host
            reference = f"env:BMC_PASSWORD_{owner.upper().replace('-', '_')}"
        if kind not in (None, "ipmi", "redfish"):
            part.lost("type", f"{kind} is no protocol that an inventory knows; bmc is left out")
        elif not re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*", address) or address == "0.0.0.0":  # noqa: S104
            if address:
                part.lost("address", "no address; bmc is left out")
        else:
            if reference:
                part.lost("pass", f"a secret is never copied; {reference} is asked for it")
            part.close()
            bmc = {"address": address, "protocol": kind or "ipmi", "user": user, "password": reference}
            return {key: value for key, value in bmc.items() if value}
        if reference:
            part.lost("pass", "a secret is never copied")
        part.close()
        return None


def _vlan(part: Part) -> str | None:
    value = part.peek("vlan")
    if isinstance(value, list) and all(isinstance(tag, int | str) for tag in value):
        part.take("vlan")
        return "|".join(map(str, value))
    return part.text("vlan")


def _features(part: Part) -> list[str]:
    value = part.peek("features")
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        part.take("features")
        return [str(word) for word in value if word]
    return re.findall(r"[^|,;\s]+", part.text("features") or "")
