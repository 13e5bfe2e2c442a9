"""Volumes, many at once: each gets into its state and size, and the quota counts them (Block Storage API v3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from nfvcert.suite import CloudSession, KpiRecorder, Parameters, Progress, response_to

pytestmark = [pytest.mark.storage, pytest.mark.small, pytest.mark.needs("cloud")]

POLL_S = 0.3


@pytest.mark.covers("cinder", "storage", "storage-agent", "message-broker", "database")
@pytest.mark.measures("storage.volume.ready_time", "storage.volume.failures", "storage.volume.quota_drift")
@pytest.mark.expected_seconds(40)
def test_volumes_come_and_go_under_load(
    cloud: CloudSession, kpi: KpiRecorder, parameters: Parameters, progress: Progress
) -> None:
    """Made, snapshot, cloned, extended and deleted, each many at once; the quota counts them, and no more after it."""
    at_once, longest_s = parameters.volume_at_once, parameters.volume_seconds_max
    user = cloud.project()
    limits = {"volumes": 3 * at_once, "snapshots": 2 * at_once, "gigabytes": 20 * at_once}
    cloud.sdk.block_storage.update_quota_set(user.project_id, **limits)
    load = _Load(user, longest_s)
    drift = []

    def step(operation: str, took: float | None) -> None:
        progress(len(load.steps), 5, f"{operation} of {at_once} volumes at once")
        load.steps.append(operation)
        if took is not None:
            kpi.measure("storage.volume.ready_time", took, operation=operation, at_once=at_once)

    volumes = load.made("volume", [{"size": 1} for _ in range(at_once)])
    step("create", load.until("volume", volumes, size=1))
    snapshots = load.made("snapshot", [{"volume_id": each.id} for each in volumes])
    step("snapshot", load.until("snapshot", snapshots, size=1))
    clones = load.made("volume", [{"source_volume_id": each.id, "size": 1} for each in volumes])
    step("clone", load.until("volume", clones, size=1))
    load.ask(partial(user.sdk.block_storage.extend_volume, size=2), clones)
    step("extend", load.until("volume", clones, size=2))
    assert load.failures or len(volumes) == len(snapshots) == len(clones) == at_once, "not all were asked for"
    drift += _drift(cloud, user, longest_s)

    began = time.monotonic()
    load.ask(user.sdk.block_storage.delete_snapshot, snapshots)
    gone = [load.until_gone("snapshot", snapshots)]
    load.ask(user.sdk.block_storage.delete_volume, [*clones, *volumes])
    gone.append(load.until_gone("volume", [*clones, *volumes]))
    step("delete", time.monotonic() - began if all(gone) else None)
    drift += _drift(cloud, user, longest_s)

    kpi.note(volumes=len(volumes), snapshots=len(snapshots), clones=len(clones), failures=load.failures, drift=drift)
    kpi.measure("storage.volume.failures", len(load.failures))
    kpi.measure("storage.volume.quota_drift", sum(by for _, by in drift))


class _Load:
    """Requests that are sent all at once, and the wait until each is done; what goes wrong is a sentence."""

    def __init__(self, user: CloudSession, longest_s: float) -> None:
        self.steps: list[str] = []
        self.failures: list[str] = []
        self._user = user
        self._storage = user.sdk.block_storage
        self._longest_s = longest_s

    def ask(self, request: Callable[[Any], Any], each_of: Sequence[Any]) -> list[Any]:
        """What the API answers to a request for each, all at once; of one that it refuses, nothing."""
        if not each_of:
            return []
        with ThreadPoolExecutor(len(each_of)) as pool:
            responses = list(pool.map(lambda subject: response_to(request, subject), each_of))
        self.failures += [response.trouble for response in responses if response.trouble]
        return [response.answer for response in responses if not response.trouble]

    def made(self, noun: str, wanted: Sequence[dict[str, Any]]) -> list[Any]:
        """Volumes or snapshots, which go with the test whatever becomes of them."""
        named = [{"name": self._user.name(), **attributes} for attributes in wanted]
        create = getattr(self._storage, f"create_{noun}")
        found = self.ask(lambda attributes: create(**attributes), named)
        return [self._user.track(f"block_storage.{noun}", each) for each in found]

    def until(self, noun: str, made: Sequence[Any], *, size: int) -> float | None:
        """Seconds until all are available with a size in GiB; None where they are not in time, or there are none."""

        def trouble(found: Any) -> str:
            if found is None:
                return "is not there"
            good = found.status == "available" and found.size == size
            return "" if good else f"is {found.status} with {found.size} GiB, not available with {size}"

        return self._wait(noun, made, trouble)

    def until_gone(self, noun: str, made: Sequence[Any]) -> float | None:
        """Seconds until none is there any more."""
        return self._wait(noun, made, lambda found: f"is still there ({found.status})" if found else "")

    def _wait(self, noun: str, made: Sequence[Any], trouble: Callable[[Any], str]) -> float | None:
        began = time.monotonic()
        while True:
            found = {each.id: each for each in getattr(self._storage, f"{noun}s")()}
            took = time.monotonic() - began
            wrong = [(each.name, told) for each in made if (told := trouble(found.get(each.id)))]
            hopeless = all(told.startswith("is error") for _, told in wrong)
            if not wrong or hopeless or took > self._longest_s:
                self.failures += [f"{noun} {name} {told} after {took:.0f} s" for name, told in wrong]
                return took if made and not wrong else None
            time.sleep(POLL_S)


def _drift(cloud: CloudSession, user: CloudSession, longest_s: float) -> list[tuple[str, int]]:
    """What the quota counts otherwise than the project has it, once nothing of it changes any more, and by how much."""
    deadline = time.monotonic() + longest_s
    while True:
        answer = cloud.sdk.block_storage.get(f"/os-quota-sets/{user.project_id}", params={"usage": "True"})
        assert answer.status_code == 200, f"the usage of a quota is answered with {answer.status_code}"
        counted = answer.json()["quota_set"]
        wrong = [*_differences(counted, user)]
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(POLL_S)


def _differences(counted: dict[str, Any], user: CloudSession) -> Iterable[tuple[str, int]]:
    volumes = [each.size for each in user.sdk.block_storage.volumes()]
    snapshots = [each.size for each in user.sdk.block_storage.snapshots()]
    # A cloud may leave snapshots out of the gibibytes (no_snapshot_gb_quota).
    owned = {
        "volumes": {len(volumes)},
        "snapshots": {len(snapshots)},
        "gigabytes": {sum(volumes) + sum(snapshots), sum(volumes)},
    }
    for name, right in owned.items():
        used, reserved = counted[name]["in_use"], counted[name]["reserved"]
        if reserved or used not in right:
            told = (
                f"{name}: {used} in use and {reserved} reserved, where there are {' or '.join(map(str, sorted(right)))}"
            )
            yield told, max(1, min(abs(used - each) for each in right))
