"""Objects: stored and read whole, listed whole, kept from others, and in time (OpenStack Object Storage API v1)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from nfvcert.suite import (
    CloudSession,
    Estimate,
    KpiRecorder,
    Lab,
    LabError,
    Parameters,
    Progress,
    estimate_median,
    response_to,
)

pytestmark = [
    pytest.mark.storage,
    pytest.mark.small,
    pytest.mark.needs("object-store"),
    pytest.mark.covers("swift", "storage"),
]

SIZES = (0, 1, 4095, 65537, 1048576, 5242881)
"""Bytes of the objects that are stored and read: none, and around what stores and networks divide by."""
READS = 5
"""Of each object: a store that has three replicas shows each of them to most of them."""
SEGMENT = 1048576
REFUSED = (401, 403, 404)

User = Callable[..., CloudSession]


@pytest.fixture
def owner(cloud: CloudSession, lab: Lab) -> Callable[[], CloudSession]:
    """``owner()``: a new user of a new project, who may have containers in it."""
    assert lab.cloud is not None
    assert lab.cloud.object_store is not None
    role = lab.cloud.object_store.role

    def made() -> CloudSession:
        if cloud.sdk.identity.find_role(role) is None:
            raise LabError(f"the inventory names {role} as the role of who has containers: the cloud has none")
        return cloud.project(role)

    return made


class _Container:
    """A new container of a user, by plain requests: what is asked is what is certified."""

    def __init__(self, user: CloudSession) -> None:
        self.store = user.sdk.object_store
        self.name = user.create("object_store.container").name
        self.url = f"{self.store.get_endpoint()}/{quote(self.name)}"

    def of(self, name: str) -> str:
        """The address of an object."""
        return f"{self.url}/{quote(name)}"

    def put(self, name: str, data: bytes, **headers: str) -> Any:
        """Store an object, whose checksum the store must tell as we know it."""
        answer = self.store.put(self.of(name), data=data, headers=headers)
        assert answer.status_code == 201, f"object {name} is not stored: status {answer.status_code}"
        told = answer.headers.get("ETag", "").strip('"')
        assert told == _md5(data), f"object {name} is stored with ETag {told}, not {_md5(data)}"
        return answer

    def get(self, name: str, status: int = 200, **headers: str) -> Any:
        """Read it."""
        answer = self.store.get(self.of(name), headers=headers)
        assert answer.status_code == status, f"reading {name} is answered with {answer.status_code}, not {status}"
        return answer

    def listing(self, **asked: str | int) -> list[dict[str, Any]]:
        """A page of its listing."""
        answer = self.store.get(self.url, params={"format": "json", **asked})
        assert answer.status_code == 200, f"the listing is answered with {answer.status_code}"
        return answer.json()  # type: ignore[no-any-return]


@pytest.mark.covers("swift", "storage", "disk-drive", "disk-controller")
@pytest.mark.measures("storage.object.corrupt_reads")
@pytest.mark.expected_seconds(10)
def test_objects_come_back_as_they_were_stored(owner: User, kpi: KpiRecorder) -> None:
    """Content, length and checksum of objects from 0 bytes on, several times each."""
    container = _Container(owner())
    stored = {f"{size} bytes": _content(str(size), size) for size in SIZES}
    for name, content in stored.items():
        container.put(name, content, ETag=_md5(content))
    wrong = []
    for number in range(READS):
        for name, content in stored.items():
            answer = container.store.get(container.of(name))
            trouble = _unlike(answer, content)
            wrong += [f"read {number + 1} of {name}: {trouble}"] if trouble else []
    kpi.note(reads=READS * len(stored), wrong=wrong)
    kpi.measure("storage.object.corrupt_reads", len(wrong))


@pytest.mark.expected_seconds(4)
def test_a_part_of_an_object_is_read(owner: User) -> None:
    """Ranges of bytes: status 206 and those bytes, 416 beyond the end (RFC 9110 §14)."""
    container = _Container(owner())
    content = _content("ranges", 300_000)
    container.put("object", content)
    for asked, expected in (
        ("bytes=0-0", content[:1]),
        ("bytes=65535-65536", content[65535:65537]),
        ("bytes=100000-", content[100000:]),
        ("bytes=-777", content[-777:]),
        ("bytes=299990-400000", content[299990:]),
    ):
        answer = container.get("object", 206, Range=asked)
        assert answer.content == expected, f"{asked} gives {len(answer.content)} bytes that are not those"
    container.get("object", 416, Range="bytes=300000-300001")


@pytest.mark.expected_seconds(3)
def test_a_wrong_checksum_is_refused(owner: User) -> None:
    """What arrives with another checksum than its sender's is answered with 422, and not stored."""
    container = _Container(owner())
    answer = container.store.put(container.of("object"), data=b"arrived", headers={"ETag": _md5(b"sent")})
    assert answer.status_code == 422, f"an object with a wrong checksum is answered with {answer.status_code}"
    container.get("object", 404)
    container.put("object", b"before")
    answer = container.store.put(container.of("object"), data=b"arrived", headers={"ETag": _md5(b"sent")})
    assert answer.status_code == 422, f"an object with a wrong checksum is answered with {answer.status_code}"
    assert container.get("object").content == b"before", "what was refused has replaced what was there"


@pytest.mark.expected_seconds(5)
def test_the_newest_is_read_and_the_deleted_is_gone(owner: User) -> None:
    """After it was written anew an object is never read as it was before, and after it was deleted never."""
    container = _Container(owner())
    for version in range(3):
        content = _content(f"version {version}", 10_000 + version)
        container.put("object", content)
        for _ in range(READS):
            trouble = _unlike(container.get("object"), content)
            assert not trouble, f"version {version + 1} was confirmed, and then read: {trouble}"
    deleted = container.store.delete(container.of("object"))
    assert deleted.status_code == 204, f"its deletion is answered with {deleted.status_code}"
    for _ in range(READS):
        container.get("object", 404)
    again = container.store.delete(container.of("object"))
    assert again.status_code == 404, f"to delete what is gone is answered with {again.status_code}"


@pytest.mark.expected_seconds(5)
def test_what_is_told_of_an_object_is_kept(owner: User) -> None:
    """Type and metadata, with the object and with its copy; a new set replaces the old one."""
    container = _Container(owner())
    own = {"X-Object-Meta-Release": "2026.1", "X-Object-Meta-Site": "Sankt-Peterburg", "Content-Type": "text/x-nfv"}
    container.put("прошивка/8.30", b"firmware", **own)
    copied = container.store.put(
        container.of("copy"), headers={"X-Copy-From": f"{quote(container.name)}/{quote('прошивка/8.30')}"}
    )
    assert copied.status_code == 201, f"a copy is answered with {copied.status_code}"
    for name in ("прошивка/8.30", "copy"):
        found = container.get(name)
        assert found.content == b"firmware", f"{name} has another content"
        assert {key: found.headers.get(key) for key in own} == own, f"of {name} is told {dict(found.headers)}"
    changed = container.store.post(container.of("copy"), headers={"X-Object-Meta-Site": "Kazan"})
    assert changed.status_code == 202, f"new metadata are answered with {changed.status_code}"
    for _ in range(READS):
        found = container.get("copy")
        assert found.headers.get("X-Object-Meta-Site") == "Kazan", "the new metadata are not told"
        assert "X-Object-Meta-Release" not in found.headers, "metadata that were replaced are still told"
    assert container.get("прошивка/8.30").headers["X-Object-Meta-Site"] == own["X-Object-Meta-Site"]


@pytest.mark.measures("storage.object.listing_delay")
@pytest.mark.expected_seconds(12)
def test_a_listing_is_complete_and_in_order(owner: User, kpi: KpiRecorder, parameters: Parameters) -> None:
    """Each object once, by name, with its size and checksum, over several pages; prefixes and delimiters."""
    container = _Container(owner())
    objects = {f"{group}/{number:05d}": _content(f"{group}{number}", number) for number, group in _numbered(parameters)}
    with ThreadPoolExecutor(10) as pool:
        for stored in [pool.submit(container.put, name, content) for name, content in objects.items()]:
            stored.result()
    expected = [(name, len(objects[name]), _md5(objects[name])) for name in sorted(objects)]
    began = time.monotonic()
    while True:
        found = _paged(container, page=max(7, len(objects) // 5))
        took = time.monotonic() - began
        if found == expected:
            break
        lacking = sorted({each[0] for each in expected} - {each[0] for each in found})
        assert took < parameters.object_listing_seconds_max, (
            f"{took:.0f} s after all was stored the listing has {len(found)} objects of {len(expected)}, "
            f"{f'without {lacking[0]}' if lacking else 'not as they were stored'}"
        )
        time.sleep(0.2)
    kpi.measure("storage.object.listing_delay", took)
    groups = container.listing(delimiter="/")
    assert [each.get("subdir") for each in groups] == ["a/", "b/", "ж/"], f"the groups are told as {groups}"
    of_b = [each["name"] for each in container.listing(prefix="b/")]
    assert of_b == [name for name in sorted(objects) if name.startswith("b/")], "a prefix gives other names"
    gone = sorted(objects)[3]
    container.store.delete(container.of(gone))
    deadline = time.monotonic() + parameters.object_listing_seconds_max
    while any(each["name"] == gone for each in container.listing(prefix=gone)):
        assert time.monotonic() < deadline, f"{gone} was deleted, and is still listed"
        time.sleep(0.2)


@pytest.mark.expected_seconds(8)
def test_large_objects_are_made_of_segments(owner: User) -> None:
    """Static and dynamic large objects: read as one, across segments too; a manifest that does not fit is refused."""
    container = _Container(owner())
    parts = [_content(f"segment {number}", size) for number, size in enumerate((SEGMENT, SEGMENT, 12_345))]
    whole = b"".join(parts)
    for number, part in enumerate(parts):
        container.put(f"parts/{number}", part)
    path = f"/{container.name}/parts"
    manifest = [
        {"path": f"{path}/{number}", "etag": _md5(part), "size_bytes": len(part)} for number, part in enumerate(parts)
    ]
    wrong = container.store.put(
        f"{container.of('static')}?multipart-manifest=put", data=json.dumps([manifest[0] | {"etag": _md5(b"")}])
    )
    assert wrong.status_code == 400, f"a manifest with a wrong checksum is answered with {wrong.status_code}"
    made = container.store.put(f"{container.of('static')}?multipart-manifest=put", data=json.dumps(manifest))
    assert made.status_code == 201, f"a manifest is answered with {made.status_code}: {made.text[:200]}"
    dynamic = container.store.put(
        container.of("dynamic"), data=b"", headers={"X-Object-Manifest": f"{container.name}/parts/"}
    )
    assert dynamic.status_code == 201, f"a dynamic manifest is answered with {dynamic.status_code}"
    for name in ("static", "dynamic"):
        found = container.get(name)
        assert found.content == whole, f"the {name} large object has {len(found.content)} bytes that are not its parts'"
        across = container.get(name, 206, Range=f"bytes={SEGMENT - 5}-{2 * SEGMENT + 5}")
        assert across.content == whole[SEGMENT - 5 : 2 * SEGMENT + 6], f"a range of the {name} one is not its parts'"
    container.store.delete(f"{container.of('static')}?multipart-manifest=delete")
    container.get("static", 404)
    container.get("parts/0", 404)


@pytest.mark.covers("swift", "keystone")
@pytest.mark.measures("storage.object.leaks")
@pytest.mark.expected_seconds(12)
def test_projects_are_isolated(cloud: CloudSession, owner: User, kpi: KpiRecorder) -> None:
    """Who has no right to a container is refused, until an access list lets in, and after it was taken back."""
    one, other = owner(), owner()
    container = _Container(one)
    container.put("object", b"secret")
    strangers: dict[str, Callable[..., Any]] = {
        "a user of another project": other.sdk.session.request,
        "an anonymous one": lambda *asked, **more: cloud.sdk.session.request(*asked, authenticated=False, **more),
    }
    leaks = [leak for who, request in strangers.items() for leak in _leaks(who, request, container)]

    if not leaks:  # else the object may be gone, or another one
        for readers, (who, request) in zip((f"{other.project_id}:*", ".r:*"), strangers.items(), strict=True):
            _allow(container, readers)
            let_in = request(container.of("object"), "GET", raise_exc=False)
            told = f"{who}, let in by {readers}, is answered with {let_in.status_code}"
            assert (let_in.status_code, let_in.content) == (200, b"secret"), told
            leaks += _leaks(f"{who}, let in to read,", request, container, reads=False)
        _allow(container, "")
        leaks += [
            leak for who, request in strangers.items() for leak in _leaks(f"{who}, shut out,", request, container)
        ]
        assert leaks or container.get("object").content == b"secret", "after all that the object is another one"
    reader = cloud.project("reader")
    answer = reader.sdk.object_store.put(f"{reader.sdk.object_store.get_endpoint()}/{reader.name()}")
    leaks += _leak("a reader of its project", "makes a container", answer)
    kpi.note(leaks=leaks)
    kpi.measure("storage.object.leaks", len(leaks))


@pytest.mark.needs("object-quotas")
@pytest.mark.expected_seconds(5)
def test_a_quota_is_enforced(owner: User) -> None:
    """One object, or one byte, more than the container's quota is refused with 413, and it was the quota."""
    container = _Container(owner())

    def limit(**quota: str) -> None:
        headers = {f"X-Container-Meta-Quota-{name}": value for name, value in quota.items()}
        answer = container.store.post(container.url, headers=headers)
        assert answer.status_code == 204, f"a quota is answered with {answer.status_code}"

    def refused(name: str, size: int) -> None:
        answer = container.store.put(container.of(name), data=b"x" * size)
        assert answer.status_code == 413, f"beyond its quota, the container answers {answer.status_code}"
        container.get(name, 404)

    limit(Count="1")
    container.put("first", b"x" * 100)
    refused("second", 1)
    limit(Count="2", Bytes="150")
    refused("second", 51)
    container.put("second", b"x" * 50)


@pytest.mark.covers("swift", "storage", "keystone", "api-load-balancer")
@pytest.mark.measures(
    "storage.object.response_p50",
    "storage.object.response_p99",
    "storage.object.throughput",
    "storage.object.rate",
    "storage.object.failure_ratio",
)
@pytest.mark.expected_seconds(40)
def test_objects_are_stored_and_read_in_time(
    owner: User, kpi: KpiRecorder, parameters: Parameters, progress: Progress
) -> None:
    """Response times, operations and bytes per second, by operation, size and number at once."""
    container = _Container(owner())
    rounds = [(size, at_once) for at_once in parameters.object_concurrency for size in parameters.object_bytes]
    failed: dict[int, list[str]] = {at_once: [] for at_once in parameters.object_concurrency}
    asked = dict.fromkeys(failed, 0)
    for number, (size, at_once) in enumerate(rounds):
        count = max(parameters.object_requests, 2 * at_once)
        content = _content(f"{size}", size)
        for operation, request in _operations(container, content).items():
            progress(number, len(rounds), f"{operation} of {size} bytes, {at_once} at once")
            began = time.monotonic()
            with ThreadPoolExecutor(at_once) as pool:
                answers = list(pool.map(_asked, [request] * count, [f"{size}/{each}" for each in range(count)]))
            took = time.monotonic() - began
            times = sorted(seconds for seconds, trouble in answers if not trouble)
            failed[at_once] += [f"{operation} of {size} bytes: {trouble}" for _, trouble in answers if trouble]
            asked[at_once] += count
            if not times:
                continue
            of: dict[str, Any] = {"operation": operation, "object_bytes": size, "concurrency": at_once}
            kpi.measure("storage.object.response_p50", estimate_median(times), **of)
            slowest = Estimate.exact(times[int(0.99 * (len(times) - 1) + 0.999)])
            kpi.measure("storage.object.response_p99", slowest, **of)
            kpi.measure("storage.object.rate", len(times) / took, **of)
            if operation in ("put", "get"):
                kpi.measure("storage.object.throughput", len(times) * size / took, **of)
            shares = [(1000 * seconds, 100 * (rank + 1) / len(times)) for rank, seconds in enumerate(times)]
            title = f"{operation} of {size} bytes, {at_once} at once"
            kpi.series(title, shares, x="response time in ms", y="% of the requests", kind="steps")
    for at_once, troubles in failed.items():
        kpi.note(concurrency=at_once, failed=troubles)
        kpi.measure("storage.object.failure_ratio", len(troubles) / asked[at_once], concurrency=at_once)


def _content(seed: str, size: int) -> bytes:
    """Bytes that no two seeds have in common, and that nothing makes smaller."""
    return hashlib.shake_256(seed.encode()).digest(size)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()  # the ETag of the API


def _unlike(answer: Any, content: bytes) -> str:
    """What is wrong with a whole object that was read; empty for nothing."""
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    if answer.content != content:
        where = next((at for at, (a, b) in enumerate(zip(answer.content, content, strict=False)) if a != b), None)
        return f"{len(answer.content)} bytes, {'cut short' if where is None else f'wrong from byte {where} on'}"
    told = answer.headers.get("ETag", "").strip('"')
    return "" if told == _md5(content) else f"right bytes with ETag {told}"


def _numbered(parameters: Parameters) -> list[tuple[int, str]]:
    return [(number, "abж"[number % 3]) for number in range(parameters.object_listed)]


def _paged(container: _Container, page: int) -> list[tuple[str, int, str]]:
    """The whole listing, read so many entries at a time: (name, bytes, checksum)."""
    found: list[tuple[str, int, str]] = []
    while entries := container.listing(limit=page, marker=found[-1][0] if found else ""):
        assert len(entries) <= page, f"a page of {page} entries has {len(entries)}"
        assert not found or entries[0]["name"] > found[-1][0], f"a page goes back to {entries[0]['name']}"
        found += [(each["name"], each["bytes"], each["hash"]) for each in entries]
    return found


def _allow(container: _Container, readers: str) -> None:
    answer = container.store.post(container.url, headers={"X-Container-Read": readers})
    assert answer.status_code == 204, f"access list {readers!r} is answered with {answer.status_code}"


def _leaks(who: str, request: Callable[..., Any], container: _Container, *, reads: bool = True) -> list[str]:
    """What somebody may do in a container that was given no right to write, nor, if it says so, to read."""
    account = container.store.get_endpoint()
    tried: Mapping[str, tuple[str, str]] = {
        "stores an object": ("PUT", container.of("foreign")),
        "overwrites an object": ("PUT", container.of("object")),
        "changes metadata": ("POST", container.of("object")),
        "changes the container": ("POST", container.url),
        "deletes an object": ("DELETE", container.of("object")),
        "makes a container": ("PUT", f"{account}/foreign"),
        "lists the containers": ("GET", account),
        **(
            {
                "reads an object": ("GET", container.of("object")),
                "asks for an object": ("HEAD", container.of("object")),
                "lists the objects": ("GET", container.url),
            }
            if reads
            else {}
        ),
    }
    return [
        leak
        for what, (method, url) in tried.items()
        for leak in _leak(who, what, request(url, method, raise_exc=False))
    ]


def _leak(who: str, what: str, answer: Any) -> list[str]:
    assert answer.status_code < 500, f"{who} {what}: answered with {answer.status_code}, neither yes nor no"
    return [] if answer.status_code in REFUSED else [f"{who} {what} (status {answer.status_code})"]


def _operations(container: _Container, content: bytes) -> dict[str, Callable[[str], str]]:
    """Operation → a request for an object of a name, which says what is wrong with its answer."""

    def stored(name: str) -> str:
        answer = container.store.put(container.of(name), data=content, headers={"ETag": _md5(content)})
        return "" if answer.status_code == 201 else f"status {answer.status_code}"

    def listed(name: str) -> str:
        answer = container.store.get(container.url, params={"format": "json", "prefix": name, "limit": 1})
        return "" if answer.status_code == 200 else f"status {answer.status_code}"

    def deleted(name: str) -> str:
        answer = container.store.delete(container.of(name))
        return "" if answer.status_code == 204 else f"status {answer.status_code}"

    return {
        "put": stored,
        "get": lambda name: _unlike(container.store.get(container.of(name)), content),
        "list": listed,
        "delete": deleted,
    }


def _asked(request: Callable[[str], str], name: str) -> tuple[float, str]:
    """Seconds until the answer, and what is wrong with it."""
    response = response_to(request, name)
    return response.seconds, response.trouble or response.answer or ""
