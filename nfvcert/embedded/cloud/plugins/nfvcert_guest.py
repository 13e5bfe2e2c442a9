# ruff: noqa: INP001 - no part of our package
"""The guest of a simulated hypervisor, as far as the network sees it: a namespace with the addresses of a port.

It runs in the cloud's own environment. A port that Neutron's Open vSwitch agent rules gets an interface in the
agent's bridge, as libvirt would make it; its other end is in a namespace of its own, whose kernel answers. The pins
of the namespaces are where the lab has those of its hosts, and go with it.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
from pathlib import Path

CLONE_NEWNET = 0x40000000
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
INSIDE = "eth0"


def plug(vif):
    """Let a port's addresses answer; nothing for a port that has no data plane."""
    outside, place = vif["devname"], _place(vif)
    if place is None or not vif["details"].get("bridge_name"):
        return
    unplug(vif)
    place.touch(mode=0o600)
    _run("unshare", f"--net={place}", "ip", "link", "set", "lo", "up")
    mtu = str(vif["network"]["meta"].get("mtu") or 1500)
    ends = ["mtu", mtu, "type", "veth", "peer", "name", INSIDE, "netns", str(place)]
    _run("ip", "link", "add", outside, *ends, "address", vif["address"], "mtu", mtu)
    for subnet in vif["network"]["subnets"]:
        prefix = str(subnet["cidr"]).partition("/")[2]
        for address in subnet["ips"]:
            _inside(place, "ip", "address", "add", f"{address['address']}/{prefix}", "dev", INSIDE)
    _inside(place, "ip", "link", "set", INSIDE, "up")
    _compute_checksums(place)
    _run("ip", "link", "set", outside, "up")
    ids = {"iface-id": vif["id"], "attached-mac": vif["address"], "iface-status": "active"}
    told = [f'external_ids:{name}="{value}"' for name, value in ids.items()]
    port = ["--may-exist", "add-port", vif["details"]["bridge_name"], outside]
    _run("ovs-vsctl", "--timeout=20", *port, "--", "set", "interface", outside, *told)


def unplug(vif):
    """Take the port out of the bridge, and its addresses away; nothing where it has none."""
    place = _place(vif)
    if place is None or not place.exists():
        return
    _run("ovs-vsctl", "--timeout=20", "--if-exists", "del-port", vif["devname"])
    subprocess.run(["ip", "link", "delete", vif["devname"]], check=False, capture_output=True)
    subprocess.run(["umount", str(place)], check=False, capture_output=True)
    place.unlink(missing_ok=True)


def _place(vif):
    """The pin of its namespace; None in a cloud without a data plane."""
    pins = os.environ.get("NFVCERT_GUESTS")
    return Path(pins) / f"guest-{vif['id']}" if pins else None


def _run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def _inside(place, *command):
    _run("nsenter", f"--net={place}", *command)


def _compute_checksums(place):
    """A switch in userspace gets what the kernel left to the network card: an empty checksum."""

    def switch_off():
        handle = os.open(place, os.O_RDONLY)
        try:
            ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET)  # of this thread
        finally:
            os.close(handle)
        value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
        with socket.socket() as asked:
            fcntl.ioctl(asked, SIOCETHTOOL, struct.pack("16sP", INSIDE.encode(), ctypes.addressof(value)))

    thread = threading.Thread(target=switch_off)
    thread.start()
    thread.join()
