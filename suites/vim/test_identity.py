"""Identity: tokens, roles, isolation between projects, application credentials, quotas (OpenStack Identity API v3)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import CloudSession, KpiRecorder

if TYPE_CHECKING:
    from suites.vim.conftest import Basics

pytestmark = [pytest.mark.vim, pytest.mark.small]


@pytest.mark.covers("keystone")
@pytest.mark.expected_seconds(5)
def test_a_token_is_issued_and_revoked(cloud: CloudSession) -> None:
    """What was revoked opens nothing any more (Identity API v3, DELETE /v3/auth/tokens)."""
    user = cloud.project()
    token = user.sdk.session.get_token()
    assert token, "no token was issued"
    headers = {"X-Subject-Token": token}
    assert cloud.sdk.identity.get("/auth/tokens", headers=headers).status_code == 200, "a new token is not valid"
    cloud.sdk.identity.delete("/auth/tokens", headers=headers)
    answer = cloud.sdk.identity.get("/auth/tokens", headers=headers, raise_exc=False)
    assert answer.status_code == 404, f"a revoked token is told to be valid (status {answer.status_code})"


@pytest.mark.covers("keystone")
@pytest.mark.expected_seconds(3)
def test_a_wrong_password_is_refused(cloud: CloudSession) -> None:
    """Status 401, and no token (Identity API v3, POST /v3/auth/tokens)."""
    user = cloud.project()
    password = {"user": {"id": user.user_id, "password": "wrong"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": password}}}
    answer = cloud.sdk.identity.post("/auth/tokens", json=body, raise_exc=False)
    assert answer.status_code == 401, f"a wrong password is answered with status {answer.status_code}"
    assert "X-Subject-Token" not in answer.headers, "a wrong password is answered with a token"


@pytest.mark.covers("keystone", "nova", "neutron", "glance")
@pytest.mark.expected_seconds(8)
def test_a_role_allows_what_it_says_and_no_more(cloud: CloudSession) -> None:
    """Reader, member and administrator (OpenStack's consistent and secure RBAC)."""
    reader, member = cloud.project("reader"), cloud.project("member")
    assert list(reader.sdk.network.security_groups()), "a reader does not see the default group of its project"
    assert reader.refuses(lambda: reader.create("network.network")), "a reader makes a network"
    member.create("network.network")
    for what, forbidden in (
        ("makes a flavor", lambda: member.sdk.compute.create_flavor(name=member.name(), ram=64, vcpus=1, disk=0)),
        ("lists hypervisors", lambda: list(member.sdk.compute.hypervisors())),
        ("lists all users", lambda: list(member.sdk.identity.users())),
        ("makes a project", lambda: member.sdk.identity.create_project(name=member.name(), domain_id="default")),
    ):
        assert member.refuses(forbidden), f"a member of a project {what}"


@pytest.mark.covers("keystone", "nova", "neutron", "glance", "cinder")
@pytest.mark.measures("vim.isolation.leaks")
@pytest.mark.expected_seconds(15)
def test_projects_are_isolated(cloud: CloudSession, basics: Basics, kpi: KpiRecorder) -> None:
    """A user of one project neither sees nor touches what another one has, in any service."""
    one, other = cloud.project(), cloud.project()
    network = one.create("network.network")
    one.create("network.subnet", network_id=network.id, ip_version=4, cidr="10.78.0.0/24")
    volume = one.create("block_storage.volume", size=1)
    image = one.create("image.image", data=b"secret", container_format="bare", disk_format="raw", visibility="private")
    server = one.create(
        "compute.server", flavor_id=basics.flavor.id, image_id=basics.image.id, networks=[{"uuid": network.id}]
    )
    group = one.create("network.security_group")
    leaks = []
    for proxy, what, made in (
        (other.sdk.network, "network", network),
        (other.sdk.network, "security_group", group),
        (other.sdk.block_storage, "volume", volume),
        (other.sdk.image, "image", image),
        (other.sdk.compute, "server", server),
    ):
        if any(each.id == made.id for each in getattr(proxy, f"{what}s")()):
            leaks.append(f"{what} is listed")
        if not other.refuses(partial(getattr(proxy, f"get_{what}"), made.id)):
            leaks.append(f"{what} is read")
        if not other.refuses(partial(getattr(proxy, f"update_{what}"), made.id, name="taken")):
            leaks.append(f"{what} is changed")
        if not other.refuses(partial(getattr(proxy, f"delete_{what}"), made.id, ignore_missing=False)):
            leaks.append(f"{what} is deleted")
    if not other.refuses(partial(other.sdk.compute.stop_server, server.id)):
        leaks.append("server is stopped")
    kpi.note(leaks=leaks)
    kpi.measure("vim.isolation.leaks", len(leaks))


@pytest.mark.covers("keystone")
@pytest.mark.expected_seconds(5)
def test_an_application_credential_lives_and_dies(cloud: CloudSession) -> None:
    """It lets its holder in until it is deleted (Identity API v3, application credentials)."""
    user = cloud.project()
    made = user.sdk.identity.create_application_credential(user.user_id, name=user.name())
    credential = {"id": made.id, "secret": made.secret}
    body = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}}
    assert cloud.sdk.identity.post("/auth/tokens", json=body, raise_exc=False).status_code == 201, "it lets nobody in"
    user.sdk.identity.delete_application_credential(user.user_id, made.id)
    answer = cloud.sdk.identity.post("/auth/tokens", json=body, raise_exc=False)
    assert answer.status_code in (401, 404), f"deleted, it still lets in (status {answer.status_code})"


@pytest.mark.covers("nova", "neutron", "cinder")
@pytest.mark.expected_seconds(6)
def test_a_quota_is_enforced(cloud: CloudSession, basics: Basics) -> None:
    """One more than the quota is refused (Compute, Network and Block Storage API, quota sets)."""
    user = cloud.project()
    cloud.sdk.network.update_quota(user.project_id, networks=1)
    cloud.sdk.compute.update_quota_set(user.project_id, instances=0)
    cloud.sdk.block_storage.update_quota_set(user.project_id, volumes=1)
    network = user.create("network.network")
    user.create("network.subnet", network_id=network.id, ip_version=4, cidr="10.83.0.0/24")
    user.create("block_storage.volume", size=1)
    for what, beyond in (
        ("network", partial(user.create, "network.network")),
        ("volume", partial(user.create, "block_storage.volume", size=1)),
        ("server", partial(basics.server, user, networks=[{"uuid": network.id}])),
    ):
        assert user.refuses(beyond, 403, 409, 413), f"a {what} more than the quota allows is made"
    # It was the quota, and nothing else, that stood in the way.
    cloud.sdk.network.update_quota(user.project_id, networks=2)
    cloud.sdk.compute.update_quota_set(user.project_id, instances=1)
    cloud.sdk.block_storage.update_quota_set(user.project_id, volumes=2)
    user.create("network.network")
    user.create("block_storage.volume", size=1)
    basics.server(user, networks=[{"uuid": network.id}])
