"""What the logs of an embedded cloud tell of a request, and how it gets into the sentence of a fault."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from openstack.exceptions import raise_from_response

from nfvcert.drivers.cloud import OpenStackCloud, explained
from nfvcert.embedded.cloud.running import EmbeddedCloud
from nfvcert.errors import ApiFault
from nfvcert.files import read_lab
from tests.certify import ROOT

LOST, QUIET = "req-af0878fa-10bc-48e6-bed8-365e1f855744", "req-00000000-0000-0000-0000-000000000000"
LOG = f"""\
2026-11-29 12:02:43.1 9231 INFO heat.engine.service [None {LOST} admin] Creating stack
2026-11-29 12:02:43.2 9231 ERROR oslo_messaging.rpc.server [None {LOST} admin] Exception during message handling
2026-11-29 12:02:43.2 9231 ERROR oslo_messaging.rpc.server Traceback (most recent call last):
2026-11-29 12:02:43.2 9231 ERROR oslo_messaging.rpc.server oslo_db.exception.DBDeadlock: try again
2026-11-29 12:02:43.3 9231 INFO heat.engine.service [None {QUIET} admin] Listing stacks
2026-11-29 12:02:43.4 9231 ERROR heat.engine.other [None req-1 admin] of another request
"""


@pytest.fixture
def cloud(tmp_path: Path) -> EmbeddedCloud:
    (tmp_path / "cloud/log").mkdir(parents=True)
    (tmp_path / "cloud/log/heat.log").write_text(LOG)
    return EmbeddedCloud(read_lab(ROOT / "lab_inventory/opco-ru.yaml"), tmp_path)


def test_what_was_raised_is_found_by_the_request(cloud: EmbeddedCloud) -> None:
    assert cloud.logged(LOST) == "heat: oslo_messaging.rpc.server oslo_db.exception.DBDeadlock: try again"
    assert cloud.logged(QUIET) == ""
    assert cloud.logged("") == ""


@pytest.mark.filterwarnings("ignore")  # of openstacksdk
def test_the_fault_of_an_api_tells_it(cloud: EmbeddedCloud, tmp_path: Path) -> None:
    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500)
            self.send_header("x-openstack-request-id", LOST)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Failing) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        clouds = tmp_path / "clouds.yaml"
        clouds.write_text(f"clouds: {{c: {{auth_type: none, auth: {{endpoint: '{url}'}}}}}}\n")
        sdk = OpenStackCloud("c", config_file=clouds, logged=cloud.logged).sdk
        with (
            pytest.raises(ApiFault, match=r"cannot be made.*; its log: heat: .*DBDeadlock: try again$"),
            explained("a stack cannot be made"),
        ):
            raise_from_response(sdk.session.get(f"{url}/stacks", raise_exc=False))
        thread.join()
