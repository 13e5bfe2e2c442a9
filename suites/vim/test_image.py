"""Images: upload, import, integrity, sharing (OpenStack Image API v2)."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from nfvcert.suite import CloudSession

pytestmark = [pytest.mark.vim, pytest.mark.small, pytest.mark.covers("glance")]

SIZE = 2 * 1024 * 1024


@pytest.mark.expected_seconds(4)
def test_an_image_comes_back_as_it_was_uploaded(cloud: CloudSession) -> None:
    """The digest that is told is that of the data, and what is downloaded is what was uploaded."""
    data = os.urandom(SIZE)
    image = cloud.create("image.image", data=data, container_format="bare", disk_format="raw")
    told = cloud.sdk.image.get_image(image.id)
    assert told.size == SIZE, f"{SIZE} bytes were uploaded, {told.size} are told of"
    assert told.hash_algo, "no digest is told of"
    digest = hashlib.new(told.hash_algo, data).hexdigest()
    assert told.hash_value == digest, f"the {told.hash_algo} that is told is not that of the data"
    came = cloud.sdk.image.get(f"/images/{image.id}/file").content
    assert came == data, f"{len(came)} bytes come back, which are not those that were uploaded"


@pytest.mark.expected_seconds(5)
def test_an_image_is_imported(cloud: CloudSession) -> None:
    """Staged first, then imported (method glance-direct)."""
    data = os.urandom(SIZE // 4)
    image = cloud.track(
        "image.image",
        cloud.sdk.image.create_image(
            name=cloud.name(), container_format="bare", disk_format="raw", allow_duplicates=True
        ),
    )
    assert image.status == "queued", f"an image without data is {image.status}"
    cloud.sdk.image.stage_image(image, data=data)
    cloud.sdk.image.import_image(image, method="glance-direct")
    imported = cloud.wait(image, "active")
    assert imported.size == len(data), f"{len(data)} bytes were imported, {imported.size} are told of"
    # The image is active before its import is over, and may not be changed or deleted until then.
    deadline = time.monotonic() + 30
    while (task := _import_task(cloud, image.id)) != "success":
        assert task != "failure", "the image is active, and the task of its import has failed"
        assert time.monotonic() < deadline, f"the image is active, and 30 s later the task of its import is {task}"
        time.sleep(0.2)


def _import_task(cloud: CloudSession, image_id: str) -> str:
    """The status of the newest task of an image (API 2.12)."""
    answer = cloud.sdk.image.get(f"/images/{image_id}/tasks")
    assert answer.status_code == 200, f"the tasks of an image are answered with status {answer.status_code}"
    tasks = answer.json()["tasks"]
    assert tasks, "an image was imported, and the API tells of no task of its import"
    return str(max(tasks, key=lambda task: task["created_at"])["status"])


@pytest.mark.covers("keystone")
@pytest.mark.expected_seconds(6)
def test_an_image_is_shared_with_one_project(cloud: CloudSession) -> None:
    """Who accepted it lists it; another project does not see it."""
    owner, friend, stranger = cloud.project(), cloud.project(), cloud.project()
    image = owner.create("image.image", data=b"shared", container_format="bare", disk_format="raw", visibility="shared")
    owner.sdk.image.add_member(image.id, member_id=friend.project_id)
    friend.sdk.image.update_member(friend.project_id, image.id, status="accepted")
    assert any(each.id == image.id for each in friend.sdk.image.images()), "who accepted the image does not see it"
    assert not any(each.id == image.id for each in stranger.sdk.image.images()), "a third project sees the image"
    told = stranger.sdk.image.get(f"/images/{image.id}", raise_exc=False)
    assert told.status_code == 404, f"a third project reads the image (status {told.status_code})"
