"""A whole NFVI point of presence on one Linux machine, made from an inventory with ``provider: embedded``.

    lab = embedded.up(read_lab("opco-ru"))     # namespaces, cables, an sshd in each host, a device under test
    with lab.connect("leaf-1", 5.0) as sock:   # TCP to the host's sshd, through its namespace
        ...
    lab.down()

Everything that a lab holds is below one folder, `EmbeddedLab.run_dir`: its state, its keys, its logs
and the files that pin its network namespaces. So a second process finds it, and `sweep` removes what a
killed one left. The machine's own network gets no interface, no route and no listening port.
"""

from nfvcert.embedded.lifecycle import cloud_of, down, find, start_cloud, start_disks, sweep, up
from nfvcert.embedded.pop import EmbeddedLab
from nfvcert.embedded.ports import EmbeddedPort
from nfvcert.embedded.privileges import ensure_privileges

__all__ = [
    "EmbeddedLab",
    "EmbeddedPort",
    "cloud_of",
    "down",
    "ensure_privileges",
    "find",
    "start_cloud",
    "start_disks",
    "sweep",
    "up",
]
