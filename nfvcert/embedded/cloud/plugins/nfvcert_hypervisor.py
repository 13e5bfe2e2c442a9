# ruff: noqa: INP001 - no part of our package
"""Nova's fake hypervisor, of a size to certify with, whose snapshots become images as those of a real one do.

It runs in the cloud's own environment. Interface: nova.virt.driver.ComputeDriver.
"""

import io
import sys

import nova.virt
from nova.compute import task_states
from nova.image import glance
from nova.virt import fake

SNAPSHOT = bytes(range(256)) * 256


# Nova before 2023.1 knows its node again by its name alone.
BASE = getattr(fake, "PredictableNodeUUIDDriver", fake.FakeDriver)


class SimulatedDriver(BASE):
    """Keeps servers in memory; nothing of them runs."""

    vcpus = 64
    memory_mb = 262144
    local_gb = 4096

    def snapshot(self, context, instance, image_id, update_task_state):
        """Upload something, with which the image becomes active."""
        super().snapshot(context, instance, image_id, update_task_state)
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_UPLOADING)
        metadata = {"disk_format": "raw", "container_format": "bare", "status": "active"}
        glance.API().update(context, image_id, metadata, io.BytesIO(SNAPSHOT))


def install():
    """Let Nova find it: it looks below nova.virt only."""
    nova.virt.simulated = sys.modules["nova.virt.simulated"] = sys.modules[__name__]
