"""The kinds of resources in an OpenStack cloud: how each is made, read, deleted and found through openstacksdk."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "Kind"]


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

    def all(self, sdk: Any) -> Iterable[Any]:
        """All that an administrator sees."""
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
