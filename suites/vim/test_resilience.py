"""The control plane gets over the sudden end of each of its processes, without hands (OPNFV Yardstick HA)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

import pytest

from nfvcert.suite import (
    ApiFault,
    CloudSession,
    KpiRecorder,
    Lab,
    Parameters,
    Probe,
    Progress,
    Shell,
    Undeclared,
    outage,
)

if TYPE_CHECKING:
    from suites.vim.conftest import Basics

pytestmark = [
    pytest.mark.vim,
    pytest.mark.claims("cloud", exclusive=True),
    pytest.mark.measures("vim.process_kill.service_outage", "vim.process_kill.recovery_time"),
]

FIRST = ("keystone", "nova-api", "nova-scheduler", "nova-conductor", "neutron-server")
STORES = ("database", "message-broker")
PROBE_S = 0.25
TOLD = 200
"""Characters of an error that are told."""
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl certified"


Killing = Callable[[Iterable[str]], None]


@pytest.mark.small
@pytest.mark.covers("keystone", "nova", "neutron", "vim-failover-manager")
@pytest.mark.expected_seconds(45)
def test_apis_and_schedulers_come_back(kill_each: Killing) -> None:
    """Those without which no server is made, each killed in its turn."""
    kill_each(FIRST)


@pytest.mark.medium
@pytest.mark.covers(
    "database", "message-broker", "api-load-balancer", "cinder", "glance", "placement", "heat", "compute-agent", "swift"
)
@pytest.mark.expected_seconds(150)
def test_everything_else_comes_back(cloud: CloudSession, kill_each: Killing) -> None:
    """The database, the message broker, the agents and the other services, each killed in its turn."""
    rest = [name for name in cloud.control_plane if name not in FIRST]
    kill_each(sorted(rest, key=lambda name: name not in STORES))  # the dearest first


@pytest.fixture
def kill_each(
    lab: Lab,
    cloud: CloudSession,
    basics: Basics,
    shell: Callable[[str], Shell],
    kpi: KpiRecorder,
    parameters: Parameters,
    progress: Progress,
) -> Killing:
    """``kill_each(names)``: kill each process that the inventory knows, and see the cloud get over it."""
    longest_s = parameters.recovery_seconds_max
    stored: list[_StoredObject] = []

    def kill_one(name: str) -> None:
        place = cloud.control_plane[name]
        host = shell(place.host)
        before = set(host.run(place.pids).stdout.split())
        assert before, f"{name} does not run"
        with _Probing(cloud, stored[0].asked if stored else tuple) as probing:
            # The last thing that was confirmed: a database that forgets it would bring back what was deleted, too.
            confirmed = cloud.create("compute.keypair", public_key=PUBLIC_KEY)
            killed = time.monotonic()
            gone = host.run(f"kill -9 {' '.join(sorted(before))}", check=False)
            assert gone.status == 0, f"{name} does not run: {gone.stderr.strip()}"
            recovered = _recovered(host, place.pids, before, longest_s)
            assert recovered, f"{name} was killed, and {longest_s:g} s later it does not run again"
            probing.until_it_answers(longest_s, name)
        kept = any(each.name == confirmed.name for each in cloud.sdk.compute.keypairs())
        assert kept, f"{name} was killed, and what the cloud had confirmed before is forgotten"
        cloud.delete(confirmed)
        for each in stored:
            each.is_whole(name)
        kpi.measure("vim.process_kill.recovery_time", recovered - killed, service=name)
        kpi.measure("vim.process_kill.service_outage", outage(probing.probes), service=name)
        # The APIs read without a scheduler or a broker too: that the cloud works again, a new server shows.
        _makes_a_server(cloud, basics, killed + longest_s, name)

    def kill(names: Iterable[str]) -> None:
        wanted = [name for name in names if name in cloud.control_plane]
        if not wanted:
            raise Undeclared("the inventory names no process of the control plane that could be killed", what="cloud")
        cloud.delete(basics.server(cloud))  # what does not work before is no outage
        if lab.cloud and lab.cloud.object_store:
            stored.append(_StoredObject(cloud.project(lab.cloud.object_store.role)))
        for number, name in enumerate(wanted):
            progress(number, len(wanted), f"killing {name}")
            kill_one(name)

    return kill


def _makes_a_server(cloud: CloudSession, basics: Basics, deadline: float, killed: str) -> None:
    """Try until a new server becomes ACTIVE; those that did not go with the test."""
    while True:
        try:
            cloud.delete(basics.server(cloud))
        except ApiFault as error:
            if time.monotonic() > deadline:
                raise ApiFault(f"{killed} runs again, and no server becomes ACTIVE: {error}") from error
            time.sleep(1.0)
        else:
            return


def _recovered(host: Shell, pids: str, before: set[str], longest_s: float) -> float | None:
    """When other processes than before were seen to run; None when they were not in time."""
    deadline = time.monotonic() + longest_s
    while time.monotonic() < deadline:
        now = set(host.run(pids, check=False).stdout.split())
        alive = host.run(f"kill -0 {' '.join(sorted(now))}", check=False).status == 0 if now else False
        if now and not now & before and alive:
            return time.monotonic()
        time.sleep(0.1)
    return None


class _StoredObject:
    """An object that is read while something is broken, and that must still be there after it."""

    def __init__(self, user: CloudSession) -> None:
        self._store = user.sdk.object_store
        self._container = f"{self._store.get_endpoint()}/{user.create('object_store.container').name}"
        answer = self._store.put(f"{self._container}/object", data=b"confirmed")
        assert answer.status_code == 201, f"an object is not stored: status {answer.status_code}"

    def asked(self) -> tuple[Any, ...]:
        """Answers of all its servers: the object, its container's listing, its account's listing."""
        account = self._container.rpartition("/")[0]
        return tuple(self._store.get(url) for url in (f"{self._container}/object", self._container, account))

    def is_whole(self, killed: str) -> None:
        """See that it is as it was stored."""
        found = self._store.get(f"{self._container}/object")
        assert (found.status_code, found.content) == (200, b"confirmed"), (
            f"{killed} was killed, and an object that was stored before is answered with status {found.status_code}"
        )


class _Probing:
    """Asks the APIs as a user does, at short intervals, while something is broken."""

    def __init__(self, cloud: CloudSession, objects: Callable[[], tuple[Any, ...]]) -> None:
        """``objects``: asks the object store, where there is one."""
        self.probes: list[Probe] = []
        self._trouble = ""
        self._objects = objects
        self._cloud = cloud
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self.probes:
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def until_it_answers(self, longest_s: float, killed: str) -> None:
        """Go on until three probes in a row are good, and fail when that takes too long."""
        deadline = time.monotonic() + longest_s
        seen = len(self.probes)
        while len(self.probes) < seen + 3 or not all(probe.ok for probe in self.probes[-3:]):
            assert time.monotonic() < deadline, (
                f"{killed} was killed, and {longest_s:g} s after it ran again the APIs do not answer: {self._trouble}"
            )
            time.sleep(0.05)

    def _run(self) -> None:
        while not self._stop.is_set():
            asked = time.monotonic()
            ok = self._asked()
            self.probes.append(Probe(asked, time.monotonic(), ok))
            self._stop.wait(PROBE_S)

    def _asked(self) -> bool:
        sdk = self._cloud.sdk
        try:
            token = sdk.session.auth.get_token(sdk.session)
            answers = (
                sdk.identity.get("/auth/tokens", headers={"X-Subject-Token": token}),
                sdk.compute.get("/servers"),
                sdk.network.get("/networks?limit=1"),
                sdk.block_storage.get("/volumes?limit=1"),
                sdk.image.get("/images?limit=1"),
                *self._objects(),
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it was no answer
            self._trouble = f"{type(error).__name__}: {str(error)[:TOLD]}"
            return False
        refused = next((answer for answer in answers if answer.status_code >= 400), None)
        if refused is not None:
            self._trouble = f"status {refused.status_code} of {refused.request.method} {refused.request.path_url}"
        return refused is None
