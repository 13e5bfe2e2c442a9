"""Published shapes of pod descriptors become inventories, and nothing gets lost without a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nfvcert import files, pharos
from nfvcert.errors import FileError
from nfvcert.lab import Lab

DATA = Path(__file__).parent.parent / "data" / "pharos"
SAMPLES = sorted(path.stem for path in DATA.glob("*.yaml") if not path.stem.startswith("idf-"))
SECRETS = (
    "correct-horse",
    "QUJDREVG",
    "tr0ub4dor",
    "changeme",
    "secret-of-all",
    "another-secret",
    "early-secret",
    "12345",
)


def converted(name: str, tmp_path: Path, *, with_idf: bool = True) -> tuple[Lab, str, list[str]]:
    """The lab, its text and what was not carried over, by way of a file as a person would save it."""
    idf = DATA / f"idf-{name}.yaml"
    conversion = pharos.convert(DATA / f"{name}.yaml", idf if with_idf and idf.exists() else None)
    path = tmp_path / f"{conversion.name}.yaml"
    path.write_text(conversion.yaml_text, encoding="utf-8")
    return files.read_lab(path), conversion.yaml_text, list(conversion.not_carried_over)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_shape_becomes_a_lab_that_can_be_read(name: str, tmp_path: Path) -> None:
    lab, text, lost = converted(name, tmp_path)
    assert lab.provider == "existing"
    assert lab.lab == name
    assert lab.traffic is None
    assert text.startswith("# yaml-language-server: $schema=schema/lab.schema.json\n# Converted from")
    assert all(re.match(r"(version|details|jumphost|nodes|idf|xci|rack)\b.*: ", sentence) for sentence in lost)
    assert len(set(lost)) == len(lost)
    said = text + "".join(lost)
    assert not [secret for secret in SECRETS if secret in said]
    assert "ENC[" not in said


def test_blades_with_their_idf(tmp_path: Path) -> None:
    lab, text, lost = converted("blades", tmp_path)
    assert list(lab.hosts) == ["blades-jump", "blades-node1", "blades-node2"]
    assert lab.profile == "physical-40g"
    assert lab.environment == "production"
    assert {name: network.subnet for name, network in lab.networks.items()} == {
        "oob": "172.20.8.64/26",
        "admin": "192.168.21.0/24",
        "mgmt": "10.67.4.0/24",
        "private": "10.61.0.0/24",
        "public": "172.20.10.0/24",
    }
    assert lab.networks["public"].gateway == "172.20.10.1"
    jump, node = lab.hosts["blades-jump"], lab.hosts["blades-node1"]
    assert jump.roles == ("jumphost",)
    assert jump.addresses == {"admin": "192.168.21.1"}
    assert jump.ssh is not None
    assert jump.ssh.address == "192.168.21.1"
    assert node.roles == ("compute",)
    assert node.memory == "32G"
    assert node.ssh is not None
    assert node.ssh.address == "blades-node1"
    assert node.bmc is not None
    assert node.bmc.model_dump(exclude={"verify_tls"}) == {
        "address": "172.20.8.75",
        "protocol": "ipmi",
        "user": "operator",
        "password": "env:BMC_PASSWORD_BLADES",
    }
    assert [(disk.name, disk.kind, disk.size) for disk in node.disks] == [("disk1", "hdd", "2400G")]
    assert list(node.nics) == ["enp6s0", "enp7s0"]
    nic = node.nics["enp6s0"]
    assert (nic.mac, nic.speed, nic.vlan, nic.features) == ("02:25:b5:00:00:2a", 40e9, None, ("dpdk", "sriov"))
    assert 'enp6s0: {mac: "02:25:b5:00:00:2a", speed: 40 Gbit/s, features: [dpdk, sriov]}  # nic1, 0000:06:00.0' in text
    assert (
        "# Blade Works, BW-200, x86_64, haswell, 2 CPUs, 8 cores, OS centos-7, bridges: admin pxebr, mgmt br-ctl\n"
        in text
    )
    assert "mgmt: {subnet: 10.67.4.0/24}  # vlan 300, interface 0\n" in text
    assert (
        "nodes[*].remote_management.pass (2 times): a secret is never copied; env:BMC_PASSWORD_BLADES is asked for it"
        in lost
    )
    assert "nodes[*].interfaces (2 times): no address for SSH; the machine's name must resolve to one" in lost
    assert "idf.net_config.*.ip-range, .dns (2 times): an inventory has no place for it" in lost
    assert "nodes[*].disks[*].disk_interface, .disk_rotation (2 times): an inventory has no place for it" in lost
    # what needs a person comes first
    assert [sentence.endswith("an inventory has no place for it") for sentence in lost][-1]
    assert "a secret is never copied" in lost[0]


def test_blades_without_their_idf(tmp_path: Path) -> None:
    lab, _, lost = converted("blades", tmp_path, with_idf=False)
    assert lab.networks == {}
    assert list(lab.hosts["blades-node1"].nics) == ["nic1", "nic2"]
    assert lab.hosts["blades-jump"].ssh is not None
    assert lab.hosts["blades-jump"].ssh.address == "192.168.21.1"
    assert "jumphost.interfaces[0].address: no network is known that holds it" in lost


def test_encrypted_values_and_dummies(tmp_path: Path) -> None:
    lab, _, lost = converted("vault", tmp_path)
    assert lab.environment == "lab"
    assert lab.hosts["vault-jump"].bmc is None
    first, second = lab.hosts["vault-node1"], lab.hosts["vault-node2"]
    assert first.bmc is not None
    assert second.bmc is not None
    assert first.bmc.user is None
    # two secrets, so that each machine has a variable of its own
    assert [first.bmc.password, second.bmc.password] == ["env:BMC_PASSWORD_VAULT_NODE1", "env:BMC_PASSWORD_VAULT_NODE2"]
    assert first.disks[0].kind == "nvme"
    assert first.nics["nic2"].mac == "02:4a:a4:05:ee:86"
    assert "jumphost.remote_management.user: encrypted (eyaml), which is not read" in lost
    assert "jumphost.remote_management.address: no address; bmc is left out" in lost
    assert "jumphost.remote_management.pass: a secret is never copied" in lost
    assert "nodes[0].interfaces[0].address: encrypted (eyaml), which is not read" in lost


def test_virtual_nodes(tmp_path: Path) -> None:
    lab, _, lost = converted("cloudlet", tmp_path)
    assert list(lab.networks) == ["admin", "public"]
    assert lab.hosts["node-1"].bmc is None
    assert list(lab.hosts["node-1"].nics) == ["ens3", "nic2"]
    assert {nic.mac for nic in lab.hosts["node-2"].nics.values()} == {None}
    assert lab.hosts["cloudlet"].addresses == {"public": "100.64.202.5"}
    assert lab.hosts["cloudlet"].bmc is not None
    assert lab.hosts["cloudlet"].bmc.address == "172.26.1.22"
    assert "idf.net_config.oob: left out, as network or mask is missing or wrong" in lost
    assert "idf.net_config.mgmt: left out, as 10.20.7.0/24 overlaps with network admin" in lost
    assert "nodes[*].interfaces[*].mac_address (4 times): left out, as all zeros stand for an unknown one" in lost
    assert "nodes[*].node.type (2 times): virtual: a lab of real gear is assumed" in lost
    protocol = "libvirt is no protocol that an inventory knows; bmc is left out"
    assert f"nodes[*].remote_management.type (2 times): {protocol}" in lost


def test_roles_come_from_the_idf(tmp_path: Path) -> None:
    lab, _, lost = converted("roles", tmp_path)
    assert {name: host.roles for name, host in lab.hosts.items()} == {
        "ci-pod9-jump": ("jumphost",),
        "roles-node1": ("controller",),
        "roles-node2": ("compute", "storage"),
        "roles-node3": ("compute",),
    }
    node = lab.hosts["roles-node1"]
    # one port with two VLANs is one MAC address twice
    assert [nic.mac for nic in node.nics.values()] == ["02:1e:67:00:01:02", "02:1e:67:00:01:02", "02:1e:67:00:01:03"]
    assert node.addresses == {"admin": "192.168.112.4", "mgmt": "192.168.103.4", "public": "172.22.12.84"}
    assert node.ssh is not None
    assert node.ssh.address == "192.168.103.4"
    assert lab.hosts["roles-node2"].nics["nic1"].vlan == "201|202"
    assert lab.hosts["roles-node3"].bmc is not None
    assert lab.hosts["roles-node3"].bmc.protocol == "redfish"
    assert lab.profile == "physical-25g"
    assert "jumphost.name: 'CI_POD9.JUMP' is called ci-pod9-jump" in lost
    assert "jumphost.disks[0].disk_type: cdrom is no kind of disk that an inventory knows" in lost
    assert "idf.net_config.public.gateway: 172.22.12.1 is no address of 172.22.12.64/26" in lost
    taken = "on network admin, 192.168.112.1 is another machine's or the gateway's"
    assert f"jumphost.interfaces[0].address: {taken}" in lost
    read = "settings of an installer; of them, networks, roles, interface names and bridges are read"
    assert {f"idf.installer, .osa: {read}", f"xci: {read}"} <= set(lost)


def test_the_unfilled_template(tmp_path: Path) -> None:
    lab, _, lost = converted("template", tmp_path)
    assert lab.environment == "production"
    assert lab.networks["net-10-92-4-0"].subnet == "10.92.4.0/24"
    assert lab.hosts["pod1-node1"].addresses == {"net-10-92-4-0": "10.92.4.7"}
    assert lab.hosts["pod1-node1"].nics["nic1"].vlan == "201"
    unfilled = [sentence for sentence in lost if "a placeholder of the template that nobody filled in" in sentence]
    assert any(sentence.startswith("details.type: ") for sentence in unfilled)
    assert any(".disk_type, .disk_interface, .name, .disk_capacity" in sentence for sentence in unfilled)
    assert "nodes[0].interfaces[1].address: a machine has one address on network net-10-92-4-0" in lost


def test_the_first_published_version(tmp_path: Path) -> None:
    lab, text, lost = converted("early", tmp_path)
    assert list(lab.hosts["early-jump"].nics) == ["nic1", "nic2"]
    assert lab.hosts["early-node1"].bmc is not None
    assert lab.hosts["early-node1"].bmc.address == "10.94.8.7"
    assert "Lab Owner; email@address.example" in text
    assert "jumphost.remote_mangement.pass: a secret is never copied; env:BMC_PASSWORD_EARLY is asked for it" in lost


def test_rough_descriptors(tmp_path: Path) -> None:
    lab, _, lost = converted("rough", tmp_path)
    assert list(lab.hosts) == ["a", "a-2", "node-3"]
    nics = lab.hosts["a"].nics
    assert [(name, nic.speed) for name, nic in nics.items()] == [("nic1", 10e9), ("nic2", 10e9), ("nic3", None)]
    assert nics["nic1"].features == ("dpdk", "sriov")
    assert nics["nic1"].vlan == "201|202"
    assert lab.hosts["a-2"].nics["nic1"].speed == 100e9
    assert lab.hosts["a-2"].bmc is not None
    assert lab.hosts["a-2"].bmc.address == "bmc.example.org"
    for sentence in (
        "version: found 2.0, read as 1.0",
        "details, jumphost: found a string, expected a mapping",
        "rack: an inventory has no place for it",
        "nodes[0].disks: found a string, expected a list",
        "nodes[0].interfaces[0].speed: 10000 has no unit; read as Mbit/s",
        "nodes[0].interfaces[1].speed: 10 has no unit; read as Gbit/s",
        "nodes[0].interfaces[2].speed: 'fast' is no speed",
        "nodes[0].interfaces[0].mac_address: left out, as it is no MAC address",
        "nodes[0].interfaces[0].address: '999.1.2.3' is no address of a machine",
        "nodes[0].interfaces[1].bandwidth: an inventory has no place for it",
        "nodes[0].interfaces[3]: left out, as nic2 is described already",
        "nodes[0].interfaces[4]: found a string, expected a mapping",
        "nodes[0].node.cores: found a list of 2, expected a word or a number",
        "nodes[1].interfaces[0].mac_address: left out, as an interface of another machine has it too",
        "nodes[1].name: 'a' is called a-2",
        "nodes[2].name: without a name; called node-3",
    ):
        assert sentence in lost


@pytest.mark.parametrize(
    ("speed", "bits_per_second"),
    [
        ("1gb", 1e9),
        ("10gb", 10e9),
        ("25GbE", 25e9),
        ("40G", 40e9),
        ("2.5 Gbit/s", 2.5e9),
        ("100 Mb/s", 100e6),
        ("1000M", 1e9),
        ("1", 1e9),
        ("100", 100e9),
        ("1000", 1e9),
        ("25000", 25e9),
        ("1t", 1e12),
        ("0gb", None),
        ("2t", None),
        ("0.001k", None),
        ("fast", None),
        ("-1gb", None),
        ("1gb 2gb", None),
        ("999999999999t", None),
    ],
)
def test_speeds(speed: str, bits_per_second: float | None, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(f"nodes: [{{name: n, interfaces: [{{name: e, speed: {speed}}}]}}]\n")
    conversion = pharos.convert(tmp_path / "pod.yaml")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "pod.yaml").write_text(conversion.yaml_text)
    assert files.read_lab(tmp_path / "made" / "pod.yaml").hosts["n"].nics["e"].speed == bits_per_second


def test_comments_cannot_become_data(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(
        'details: {contact: "a\\nhosts: {}", lab: "# x: {", location: "}: \\"quoted\\" [\\n"}\n'
        'nodes: [{name: n, os: "x\\ndestructive: true", node: {vendor: "v\\u2028lab: evil", memory: "1: 2"}}]\n'
    )
    (tmp_path / "made").mkdir()
    made = tmp_path / "made" / "pod.yaml"
    made.write_text(pharos.convert(tmp_path / "pod.yaml").yaml_text, encoding="utf-8")
    lab = files.read_lab(made)
    assert (lab.lab, lab.destructive, list(lab.hosts)) == ("pod", False, ["n"])
    assert lab.owner.organisation == "# x: {"
    assert lab.title == 'OPNFV Pharos POD, }: "quoted" ['
    assert lab.hosts["n"].memory == "1: 2"


def test_a_lab_is_named_as_asked_or_as_its_file(tmp_path: Path) -> None:
    for name in ("POD 7_b.yaml", "___.yaml"):
        (tmp_path / name).write_text("nodes: [{name: n}]")
    assert pharos.convert(tmp_path / "POD 7_b.yaml").name == "pod-7-b"
    assert pharos.convert(tmp_path / "___.yaml").name == "pod"
    assert pharos.convert(tmp_path / "___.yaml", name="Riga Lab").name == "riga-lab"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no Pharos descriptor, expected a mapping with the key nodes or jumphost"),
        ("[1, 2]", "no Pharos descriptor"),
        ("version: 1.0\nnetwork: {}", "no Pharos descriptor"),
        ("idf: {version: 0.1}", "no Pharos descriptor, expected a mapping with the key nodes or jumphost\n  this"),
        ("nodes: []", "nodes: no machine is described, expected a list of nodes, or a jumphost"),
        ("nodes: many", "nodes: no machine is described"),
        ("nodes:\n  - name: {{ name }}", ":2: a Jinja template, no descriptor yet"),
        ("{% for n in nodes %}\n{% endfor %}", ":1: a Jinja template, no descriptor yet"),
        ("nodes:\n  - name: [", ":2: no valid YAML"),
    ],
)
def test_no_descriptor(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(text)
    with pytest.raises(FileError) as caught:
        pharos.convert(path)
    assert caught.value.path == path
    assert words in str(caught.value)


def test_no_idf(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no Pharos descriptor, expected a mapping with the key idf"):
        pharos.convert(DATA / "blades.yaml", DATA / "blades.yaml")
    with pytest.raises(FileError, match="No such file"):
        pharos.convert(DATA / "blades.yaml", tmp_path / "absent.yaml")
