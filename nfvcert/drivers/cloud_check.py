"""Whether a cloud works, as a user sees it: a token, images, a server that becomes ACTIVE, and all of it gone again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nfvcert.drivers.cloud import explained
from nfvcert.errors import ApiFault
from nfvcert.protocols import Cloud

__all__ = ["Step", "steps"]

READY_S = 60.0
DATA = bytes(range(256)) * 64
"""An image that boots nothing."""


@dataclass(frozen=True)
class Step:
    """One thing that a user does."""

    what: str
    seconds: float
    trouble: str = ""
    """What the cloud says; empty where it did what it must."""


def steps(cloud: Cloud, *, ready_s: float = READY_S) -> Iterator[Step]:
    """Do one after the other, up to the first that fails; what was made is deleted at the end, which is a step too.

    ``ready_s``: how long each may take. Raises LabError where the way to the cloud is broken.
    """
    session = cloud.session("check", "check", ready_s=ready_s)
    made: dict[str, Any] = {}

    def server() -> None:
        flavor = session.create("compute.flavor", ram=64, vcpus=1, disk=1)
        network = {"uuid": made["network"].id}
        session.create("compute.server", flavor_id=flavor.id, image_id=made["image"].id, networks=[network])

    def network() -> None:
        made["network"] = session.create("network.network")
        session.create("network.subnet", network_id=made["network"].id, ip_version=4, cidr="10.76.0.0/24")

    def image() -> None:
        made["image"] = session.create("image.image", data=DATA, container_format="bare", disk_format="raw")
        with explained("the images cannot be listed"):
            listed = any(each.id == made["image"].id for each in session.sdk.image.images())
        if not listed:
            raise ApiFault("a new image is not listed")

    def token() -> None:
        with explained("no token is issued"):
            session.sdk.session.auth.get_token(session.sdk.session)

    todo = (
        ("a token is issued", token),
        ("an image is uploaded and listed", image),
        ("a network with a subnet is made", network),
        ("a server becomes ACTIVE", server),
    )
    for what, action in todo:
        done = _done(what, action)
        yield done
        if done.trouble:
            break
    yield _done("all of it is deleted", session.close)


def _done(what: str, action: Callable[[], None]) -> Step:
    began = time.monotonic()
    try:
        action()
    except ApiFault as error:
        return Step(what, time.monotonic() - began, str(error))
    return Step(what, time.monotonic() - began)
