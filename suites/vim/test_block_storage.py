"""Volumes: the resources of OpenStack's Block Storage API v3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import CloudSession

if TYPE_CHECKING:
    from suites.vim.conftest import Basics

pytestmark = [pytest.mark.vim, pytest.mark.small, pytest.mark.covers("cinder", "storage-agent", "message-broker")]


@pytest.mark.expected_seconds(8)
def test_a_volume_lives_its_life(cloud: CloudSession) -> None:
    """Made, extended, snapshot, cloned, made of its snapshot; sizes are as asked for."""
    storage = cloud.sdk.block_storage
    volume = cloud.create("block_storage.volume", size=1)
    storage.extend_volume(volume, 2)
    extended = cloud.wait(volume, "available")
    assert extended.size == 2, f"extended to 2 GiB, the volume has {extended.size}"
    snapshot = cloud.create("block_storage.snapshot", volume_id=volume.id)
    restored = cloud.create("block_storage.volume", snapshot_id=snapshot.id, size=2)
    clone = cloud.create("block_storage.volume", source_volume_id=volume.id, size=2)
    assert (restored.size, clone.size) == (2, 2), f"copies of 2 GiB have {restored.size} and {clone.size}"
    assert cloud.refuses(lambda: storage.delete_volume(volume.id, force=False), 400, 409), (
        "a volume is deleted below its snapshot"
    )


@pytest.mark.covers("nova")
@pytest.mark.expected_seconds(8)
def test_a_volume_is_attached_and_detached(cloud: CloudSession, basics: Basics) -> None:
    """In use while it is attached, and then free again."""
    server = basics.server(cloud)
    volume = cloud.create("block_storage.volume", size=1)
    cloud.sdk.compute.create_volume_attachment(server, volume_id=volume.id)
    used = cloud.wait(volume, "in-use")
    assert [each["server_id"] for each in used.attachments] == [server.id], f"it is attached to {used.attachments}"
    cloud.sdk.compute.delete_volume_attachment(server, volume.id)
    freed = cloud.wait(volume, "available")
    assert not freed.attachments, f"detached, it is still attached to {freed.attachments}"


@pytest.mark.covers("keystone")
@pytest.mark.expected_seconds(5)
def test_a_volume_changes_its_project(cloud: CloudSession) -> None:
    """By a transfer, which needs its key."""
    giver, taker = cloud.project(), cloud.project()
    volume = giver.create("block_storage.volume", size=1)
    transfer = giver.sdk.block_storage.create_transfer(volume_id=volume.id, name=giver.name())
    assert taker.refuses(
        lambda: taker.sdk.block_storage.accept_transfer(transfer.id, auth_key="wrong"), 400, 403, 404
    ), "a transfer is accepted with a wrong key"
    taker.sdk.block_storage.accept_transfer(transfer.id, auth_key=transfer.auth_key)
    taker.track("block_storage.volume", volume)
    taker.wait(volume, "available")
    assert not [each for each in giver.sdk.block_storage.volumes() if each.id == volume.id], "its giver still has it"


@pytest.mark.expected_seconds(3)
def test_a_volume_type_is_chosen(cloud: CloudSession) -> None:
    """A volume is of the type that was asked for; of one that is not there, none is made."""
    kind = cloud.create("block_storage.type")
    volume = cloud.create("block_storage.volume", size=1, volume_type=kind.name)
    assert volume.volume_type == kind.name, f"asked for type {kind.name}, it is of {volume.volume_type}"
    wrong = lambda: cloud.create("block_storage.volume", size=1, volume_type="nfvcert-none")  # noqa: E731
    assert cloud.refuses(wrong, 400, 404), "a volume of a type that is not there is made"
