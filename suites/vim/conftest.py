"""What the VIM tests share: an image, a flavor and a network, made by the first test that needs them."""

from __future__ import annotations

from typing import Any

import pytest

from nfvcert.suite import CloudSession

IMAGE_BYTES = bytes(range(256)) * 1024


class Basics:
    """Parts of servers. A test asks for them in its body: where they cannot be made, the release is to blame."""

    def __init__(self, cloud: CloudSession) -> None:
        self._cloud = cloud
        self._made: dict[str, Any] = {}

    @property
    def image(self) -> Any:
        """A small image that boots nothing; simulated hypervisors do not mind."""
        return self._once(
            "image.image", data=IMAGE_BYTES, container_format="bare", disk_format="raw", visibility="public"
        )

    @property
    def flavor(self) -> Any:
        """1 VCPU, 64 MiB."""
        return self._once("compute.flavor", ram=64, vcpus=1, disk=1)

    @property
    def network(self) -> Any:
        """A network of the administrator's project with a subnet."""
        network = self._once("network.network")
        self._once("network.subnet", network_id=network.id, ip_version=4, cidr="10.77.0.0/20")
        return network

    def server(self, cloud: CloudSession, **attributes: Any) -> Any:
        """A new server of these parts, ACTIVE, which goes with the test."""
        attributes.setdefault("networks", [{"uuid": self.network.id}])
        return cloud.create("compute.server", **{"flavor_id": self.flavor.id, "image_id": self.image.id} | attributes)

    def _once(self, kind: str, **attributes: Any) -> Any:
        if kind not in self._made:
            self._made[kind] = self._cloud.create(kind, **attributes)
        return self._made[kind]


@pytest.fixture(scope="session")
def basics(shared_cloud: CloudSession) -> Basics:
    """Image, flavor and network that servers are made of."""
    return Basics(shared_cloud)
