"""Users, roles, services and endpoints of a new cloud, straight into Keystone's database, in one process.

    PYTHON populate.py KEYSTONE.CONF WANTED.JSON

It runs in the cloud's own environment, by the functions that `keystone-manage bootstrap` calls; that command and
the sixty of `openstack` would each import for seconds.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any


def _main(configuration: str, wanted: dict[str, Any]) -> None:
    from keystone.cmd.bootstrap import Bootstrapper
    from keystone.common import provider_api
    from keystone.server import configure

    sys.argv = sys.argv[:1]  # oslo.config would read the rest
    configure(config_files=[configuration])
    bootstrapper = Bootstrapper()
    bootstrapper.admin_username = bootstrapper.project_name = bootstrapper.admin_role_name = "admin"
    bootstrapper.admin_password = wanted["admin_password"]
    bootstrapper.region_id = wanted["region"]
    bootstrapper.immutable_roles = True
    bootstrapper.bootstrap()

    api = provider_api.ProviderAPIs
    project_id = _new()
    api.resource_api.create_project(
        project_id,
        {"id": project_id, "name": "service", "domain_id": "default", "enabled": True, "description": ""},
    )
    for service in wanted["services"]:
        user = api.identity_api.create_user(
            {"name": service["name"], "password": wanted["password"], "domain_id": "default", "enabled": True}
        )
        for role in (bootstrapper.admin_role_id, bootstrapper.service_role_id):
            api.assignment_api.add_role_to_user_and_project(user["id"], project_id, role)
        service_id = _new()
        api.catalog_api.create_service(
            service_id, {"id": service_id, "name": service["name"], "type": service["type"], "enabled": True}
        )
        for interface, url in service["endpoints"].items():
            endpoint = {"id": _new(), "service_id": service_id, "interface": interface, "url": url, "enabled": True}
            api.catalog_api.create_endpoint(endpoint["id"], endpoint | {"region_id": wanted["region"]})
    for name in ("heat_stack_user", "heat_stack_owner", "swiftoperator", "ResellerAdmin"):
        role_id = _new()
        api.role_api.create_role(role_id, {"id": role_id, "name": name})
        if name == "ResellerAdmin":  # the administrator sees what is stored in any project
            api.assignment_api.add_role_to_user_and_project(
                bootstrapper.admin_user_id, bootstrapper.project_id, role_id
            )
    # Heat keeps the users of stacks in a domain of its own (heat-keystone-setup-domain).
    domain_id = _new()
    api.resource_api.create_domain(domain_id, {"id": domain_id, "name": "heat", "enabled": True})
    admin = api.identity_api.create_user(
        {"name": "heat_domain_admin", "password": wanted["password"], "domain_id": domain_id, "enabled": True}
    )
    api.assignment_api.create_grant(bootstrapper.admin_role_id, user_id=admin["id"], domain_id=domain_id)


def _new() -> str:
    return uuid.uuid4().hex


if __name__ == "__main__":
    configuration_file, wanted_file = sys.argv[1:]
    _main(configuration_file, json.loads(Path(wanted_file).read_text(encoding="utf-8")))
