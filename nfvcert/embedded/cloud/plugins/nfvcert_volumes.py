# ruff: noqa: INP001 - no part of our package
"""Cinder's fake back end of before 2023.1, which could not extend a volume.

It runs in the cloud's own environment. Interface: cinder.interface.volume_driver.
"""

from cinder.tests import fake_driver


class SimulatedVolumes(fake_driver.FakeLoggingVolumeDriver):
    """Keeps nothing of what is written."""

    def extend_volume(self, volume, new_size):
        """What keeps nothing is of any size."""
