# ruff: noqa: INP001 - no part of our package
"""Nova's fake hypervisor, of a size to certify with, whose snapshots become images as those of a real one do.

It runs in the cloud's own environment. Interface: nova.virt.driver.ComputeDriver.
"""

import io
import sys

import nfvcert_guest
import nova.virt
from nova.compute import task_states
from nova.image import glance
from nova.virt import fake

SNAPSHOT = bytes(range(256)) * 256


class SimulatedDriver(fake.PredictableNodeUUIDDriver):
    """Keeps servers in memory; nothing of them runs."""

    vcpus = 64
    memory_mb = 262144
    local_gb = 4096

    def spawn(
        self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None, **more
    ):
        """Let its ports answer, too."""
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations, network_info, **more)
        self._plug(network_info)

    def power_on(self, context, instance, network_info, *rest, **more):
        """Let its ports answer again."""
        super().power_on(context, instance, network_info, *rest, **more)
        self._plug(network_info)

    def destroy(self, context, instance, network_info, *rest, **more):
        """With its ports."""
        self._unplug(network_info)
        super().destroy(context, instance, network_info, *rest, **more)

    def power_off(self, instance, *rest, **more):
        """What is off answers nothing."""
        self._unplug(instance.get_network_info())
        super().power_off(instance, *rest, **more)

    def attach_interface(self, context, instance, image_meta, vif):
        """Let the port answer."""
        super().attach_interface(context, instance, image_meta, vif)
        nfvcert_guest.plug(vif)

    def detach_interface(self, context, instance, vif):
        """With the port."""
        nfvcert_guest.unplug(vif)
        super().detach_interface(context, instance, vif)

    def _plug(self, network_info):
        for vif in network_info or ():
            nfvcert_guest.plug(vif)

    def _unplug(self, network_info):
        for vif in network_info or ():
            nfvcert_guest.unplug(vif)

    def snapshot(self, context, instance, image_id, update_task_state):
        """Upload something, with which the image becomes active."""
        super().snapshot(context, instance, image_id, update_task_state)
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_UPLOADING)
        metadata = {"disk_format": "raw", "container_format": "bare", "status": "active"}
        glance.API().update(context, image_id, metadata, io.BytesIO(SNAPSHOT))


def install():
    """Let Nova find it: it looks below nova.virt only."""
    nova.virt.simulated = sys.modules["nova.virt.simulated"] = sys.modules[__name__]
