"""The kinds of resources in an OpenStack cloud: how each is made, read, deleted and found through openstacksdk."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from openstack import exceptions as sdk_errors

__all__ = ["KINDS", "Kind"]

EMPTY_S = 20.0
"""For the listing of a container that was emptied to show that."""


@dataclass(frozen=True)
class Kind:
    """One kind of resource of one service."""

    name: str
    """`compute.server`: openstacksdk's service and resource."""
    ready: str = ""
    """The status in which it can be used; empty for one that can be at once."""
    failures: tuple[str, ...] = ("error",)
    named: bool = True
    described: bool = False
    """It has no name, but a description."""
    lingers: bool = False
    """It is still there for a while after it was deleted."""
    listed: str = ""
    """The method that lists them, where it is no plain plural."""
    everywhere: str = ""
    """The parameter with which an administrator lists those of all projects."""

    @property
    def service(self) -> str:
        """openstacksdk's proxy."""
        return self.name.partition(".")[0]

    @property
    def noun(self) -> str:
        """As it is called in the proxy's methods."""
        return self.name.partition(".")[2]

    def create(self, sdk: Any, attributes: dict[str, Any]) -> Any:
        """Make one."""
        return getattr(getattr(sdk, self.service), f"create_{self.noun}")(**attributes)

    def read(self, sdk: Any, made: Any) -> Any:
        """What the API tells of it now."""
        return getattr(getattr(sdk, self.service), f"get_{self.noun}")(made.id)

    def delete(self, sdk: Any, made: Any) -> None:
        """Delete one; one that is gone already is no error."""
        getattr(getattr(sdk, self.service), f"delete_{self.noun}")(made.id, ignore_missing=True)

    def wait_gone(self, sdk: Any, made: Any, *, timeout_s: float = 60.0) -> None:
        """Wait until a deleted one is not listed any more. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while self.lingers and any(each.id == made.id and not self.is_gone(each) for each in self.all(sdk)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"it is still there {timeout_s:g} s after its deletion")
            time.sleep(0.3)

    def all(self, sdk: Any, projects: Collection[str] = ()) -> Iterable[Any]:
        """All that an administrator sees; where that is but its own, those of ``projects`` too (their ids)."""
        del projects
        wanted = {self.everywhere: True} if self.everywhere else {}
        return getattr(getattr(sdk, self.service), self.listed or f"{self.noun}s")(**wanted)  # type: ignore[no-any-return]

    def is_gone(self, found: Any) -> bool:
        """Whether what the API still tells of it means that it is no more: a stack is told of for ever."""
        return str(getattr(found, "status", "")).lower() == "delete_complete"


class _Router(Kind):
    """A router is deleted with its ports and its gateway."""

    def delete(self, sdk: Any, made: Any) -> None:
        for port in list(sdk.network.ports(device_id=made.id)):
            if port.device_owner in ("network:router_interface", "network:router_interface_distributed"):
                sdk.network.remove_interface_from_router(made.id, None, port.id)
        super().delete(sdk, made)


class _Domain(Kind):
    """A domain is deleted with its projects and users, and only when it is disabled."""

    def delete(self, sdk: Any, made: Any) -> None:
        if sdk.identity.find_domain(made.id, ignore_missing=True):
            sdk.identity.update_domain(made.id, enabled=False)
        super().delete(sdk, made)


@dataclass(frozen=True)
class StoredContainer:
    """A container of some project, as its administrator reaches it."""

    name: str
    project_id: str
    url: str

    @property
    def id(self) -> str:
        """What it is told apart by."""
        return self.url


class _Container(Kind):
    """A container is deleted with the objects in it. Whoever deletes those of others has the role ResellerAdmin."""

    def read(self, sdk: Any, made: Any) -> Any:
        return sdk.object_store.get_container_metadata(made.name)

    def delete(self, sdk: Any, made: Any) -> None:
        store = sdk.object_store
        url = made.url if isinstance(made, StoredContainer) else f"{store.get_endpoint()}/{quote(made.name, safe='')}"
        deadline = time.monotonic() + EMPTY_S
        while True:
            for each in _listed(store, url):
                _confirmed(store.delete(f"{url}/{quote(each['name'])}"), 404)
            # A listing may still be behind what is deleted, or what was stored at the last moment.
            patient = (409,) if time.monotonic() < deadline else ()
            if _confirmed(store.delete(url), 404, *patient).status_code != 409:
                return
            time.sleep(0.3)

    def all(self, sdk: Any, projects: Collection[str] = ()) -> Iterator[StoredContainer]:
        if not sdk.has_service("object-store"):
            return
        endpoint, own = str(sdk.object_store.get_endpoint()), sdk.current_project_id
        for project in {own, *projects}:
            account = endpoint.replace(own, project)
            try:
                for each in _listed(sdk.object_store, account):
                    yield StoredContainer(each["name"], project, f"{account}/{quote(each['name'], safe='')}")
            except sdk_errors.ForbiddenException as error:
                # Who may not list its own containers made none; those of a project that is left may be there.
                if project != own:
                    raise sdk_errors.SDKException(
                        f"containers of project {project} are not shown to us, without the role ResellerAdmin: {error}"
                    ) from error


def _listed(store: Any, url: str) -> Iterator[dict[str, Any]]:
    """The entries of a container, or an account, page by page; of one that is not there, none."""
    marker = ""
    while True:
        answer = _confirmed(store.get(url, params={"format": "json", "marker": marker}), 404)
        page = answer.json() if answer.status_code == 200 else []
        yield from page
        if not page:
            return
        marker = page[-1]["name"]


def _confirmed(answer: Any, *also: int) -> Any:
    """An answer that is no error, or has one of some statuses. Raises HttpException."""
    if answer.status_code not in also:
        sdk_errors.raise_from_response(answer)
    return answer


# In the order in which they can be deleted.
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "orchestration.stack",
            ready="CREATE_COMPLETE",
            failures=("create_failed", "rollback_complete", "rollback_failed", "delete_failed", "update_failed"),
            lingers=True,
        ),
        Kind("compute.server", ready="ACTIVE", lingers=True, everywhere="all_projects"),
        Kind("block_storage.backup", ready="available", lingers=True, everywhere="all_tenants"),
        Kind("block_storage.snapshot", ready="available", lingers=True, everywhere="all_projects"),
        Kind("block_storage.volume", ready="available", lingers=True, everywhere="all_projects"),
        Kind("network.trunk"),
        Kind("network.ip", named=False, described=True),
        _Router("network.router"),
        Kind("network.port"),
        Kind("network.subnet"),
        Kind("network.network"),
        Kind("network.security_group"),
        Kind("network.qos_policy", listed="qos_policies"),
        Kind("network.subnet_pool"),
        Kind("network.address_scope"),
        _Container("object_store.container"),
        Kind("image.image", ready="active", failures=("killed", "deleted")),
        Kind("compute.keypair"),
        Kind("compute.server_group", everywhere="all_projects"),
        Kind("compute.flavor"),
        Kind("compute.aggregate"),
        Kind("block_storage.type"),
        Kind("identity.user"),
        Kind("identity.project"),
        _Domain("identity.domain"),
    )
}
