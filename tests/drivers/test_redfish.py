"""What a BMC tells, what it fails to tell, and what is said then. The controllers are real servers on the loopback."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import logging
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nfvcert.drivers import redfish
from nfvcert.drivers.redfish import RedfishBmc, secret
from nfvcert.errors import LabError, Unreachable
from nfvcert.protocols import Bmc

ROOT = "/redfish/v1"
PASSWORD = "not-to-be-printed-1d9f"  # noqa: S105 - of servers that are made here
Resources = dict[str, Any]


def link(path: str) -> dict[str, str]:
    return {"@odata.id": f"{ROOT}{path}"}


def collection(*paths: str) -> dict[str, Any]:
    return {"Name": "collection", "Members": [link(path) for path in paths]}


def server_blade() -> Resources:
    """A controller of one system with all that is asked for, as vendors' controllers have it."""
    return {
        "/": {"Id": "root", "Name": "root", "RedfishVersion": "1.6.0", "Systems": link("/Systems")}
        | {"UpdateService": link("/UpdateService"), "Managers": link("/Managers"), "Chassis": link("/Chassis")},
        "/Systems": collection("/Systems/1"),
        "/Systems/1": {"Id": "1", "Name": "System", "UUID": "u-1", "HostName": "compute-1", "BiosVersion": "2.19.1"}
        | {"Storage": link("/Systems/1/Storage")}
        | {"Links": {"Chassis": [link("/Chassis/1")], "ManagedBy": [link("/Managers/1")]}},
        "/Managers/1": {"Id": "1", "Name": "BMC", "FirmwareVersion": "7.10.30"},
        "/Chassis/1": {
            "Id": "1",
            "Name": "Chassis",
            "ChassisType": "Rack",
            "NetworkAdapters": link("/Chassis/1/NetworkAdapters"),
        },
        "/Chassis/1/NetworkAdapters": collection("/Chassis/1/NetworkAdapters/A", "/Chassis/1/NetworkAdapters/B"),
        "/Chassis/1/NetworkAdapters/A": adapter("A", "8.30"),
        "/Chassis/1/NetworkAdapters/B": adapter("B", "8.30"),
        "/Systems/1/Storage": collection("/Systems/1/Storage/1"),
        "/Systems/1/Storage/1": {
            "Id": "1",
            "Name": "RAID",
            "StorageControllers": [{"MemberId": "0", "Name": "PERC", "FirmwareVersion": "51.16"}],
        },
        "/UpdateService": {
            "Id": "UpdateService",
            "Name": "Update",
            "ServiceEnabled": True,
            "FirmwareInventory": link("/Inventory"),
        },
        "/Inventory": collection("/Inventory/BIOS", "/Inventory/CPLD"),
        "/Inventory/BIOS": {"Id": "BIOS", "Name": "System BIOS", "Version": "2.19.1"},
        "/Inventory/CPLD": {"Id": "CPLD", "Name": "System CPLD", "Version": "1.1.2"},
    }


def adapter(name: str, *versions: str) -> dict[str, Any]:
    return {"Id": name, "Name": name, "Controllers": [{"FirmwarePackageVersion": version} for version in versions]}


@contextmanager
def served(resources: Resources, *, delay_s: float = 0.0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a controller with these resources; a status in place of one is answered as it is."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(delay_s)
            path = self.path.removeprefix(ROOT).rstrip("/") or "/"
            told = resources.get(path, 404)
            if path != "/" and self.headers["Authorization"] != f"Basic {basic}":
                told = 401
            error = {"error": {"code": "Base.1.0.GeneralError", "message": f"no: {self.headers['Authorization']}"}}
            body = json.dumps(error).encode() if isinstance(told, int) else b""
            body = body or (told.encode() if isinstance(told, str) else json.dumps(told).encode())
            self.send_response(told if isinstance(told, int) else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    basic = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is no news
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bmc(url: str, *, password: str | None = PASSWORD, verify_tls: bool = True, system: str = "") -> RedfishBmc:
    user = "admin" if password is not None else None
    return RedfishBmc("compute-1", url=url, user=user, password=lambda: password, verify_tls=verify_tls, system=system)


def told(resources: Resources, *, system: str = "") -> dict[str, str]:
    with served(resources) as url:
        controller = bmc(url, system=system)
        try:
            return dict(controller.firmware())
        finally:
            controller.close()


# what it tells


def test_everything() -> None:
    assert isinstance(bmc("http://127.0.0.1:1"), Bmc)
    assert told(server_blade()) == {
        "bios": "2.19.1",
        "bmc": "7.10.30",
        "nic": "8.30",
        "disk-controller": "51.16",
        "cpld": "1.1.2",
        "inventory BIOS": "2.19.1",
        "inventory CPLD": "1.1.2",
    }


def test_an_adapter_that_was_forgotten_does_not_hide() -> None:
    resources = server_blade() | {"/Chassis/1/NetworkAdapters/B": adapter("B", "8.20")}
    assert told(resources)["nic"] == "8.30, 8.20"


def test_a_port_of_an_adapter_that_was_forgotten_does_not_hide() -> None:
    resources = server_blade() | {"/Chassis/1/NetworkAdapters/B": adapter("B", "8.30", "8.20")}
    assert told(resources)["nic"] == "8.30, 8.20"


def test_an_adapter_that_tells_no_version_does_not_hide_behind_one_that_does() -> None:
    silent = adapter("B") | {"Controllers": []}
    assert told(server_blade() | {"/Chassis/1/NetworkAdapters/B": silent})["nic"] == "8.30, not told"
    alone = adapter("A") | {"Controllers": []}
    nothing = {"/Chassis/1/NetworkAdapters/A": alone, "/Chassis/1/NetworkAdapters/B": silent}
    assert "nic" not in told(server_blade() | nothing)


def test_the_adapters_of_every_chassis() -> None:
    resources = server_blade()
    resources["/Systems/1"]["Links"]["Chassis"].append(link("/Chassis/2"))
    resources["/Chassis/2"] = {
        "Id": "2",
        "Name": "Riser",
        "ChassisType": "Module",
        "NetworkAdapters": link("/Chassis/2/NetworkAdapters"),
    }
    resources["/Chassis/2/NetworkAdapters"] = collection("/Chassis/2/NetworkAdapters/C")
    resources["/Chassis/2/NetworkAdapters/C"] = adapter("C", "7.00")
    assert told(resources)["nic"] == "8.30, 7.00"


def test_storage_controllers_in_a_collection_of_their_own() -> None:
    """Storage 1.9 and later; the older list may be there besides, and may be stale."""
    resources = server_blade()
    resources["/Systems/1/Storage/1"]["Controllers"] = link("/Systems/1/Storage/1/Controllers")
    resources["/Systems/1/Storage/1/Controllers"] = collection("/Systems/1/Storage/1/Controllers/0")
    resources["/Systems/1/Storage/1/Controllers/0"] = {"Id": "0", "Name": "RAID", "FirmwareVersion": "51.15"}
    assert told(resources)["disk-controller"] == "51.16, 51.15"


def test_what_was_installed_once_is_not_what_is() -> None:
    resources = server_blade()
    resources["/Inventory"] = collection("/Inventory/P", "/Inventory/A", "/Inventory/I")
    for path, name, version in (
        ("P", "Previous-1-1.1.2__CPLD", "1.1.2"),
        ("A", "Available-1-1.1.2__CPLD", "1.1.2"),
        ("I", "Installed-1-1.0.9__CPLD", "1.0.9"),
    ):
        resources[f"/Inventory/{path}"] = {"Id": name, "Name": "System CPLD", "Version": version}
    found = told(resources)
    assert found["cpld"] == "1.0.9"
    assert [name for name in found if name.startswith("inventory ")] == ["inventory Installed-1-1.0.9__CPLD"]


def test_what_it_has_not_is_left_out() -> None:
    resources = server_blade()
    for path in ("/Chassis/1/NetworkAdapters", "/Systems/1/Storage", "/UpdateService"):
        del resources[path]
    assert told(resources) == {"bios": "2.19.1", "bmc": "7.10.30"}


def test_one_of_several_systems() -> None:
    resources = server_blade()
    resources["/Systems"] = collection("/Systems/1", "/Systems/2")
    resources["/Systems/2"] = {**resources["/Systems/1"], "Id": "2", "UUID": "u-2", "HostName": "compute-2"}
    resources["/Systems/2"]["BiosVersion"] = "1.0"
    assert told(resources, system="compute-1")["bios"] == "2.19.1"
    assert told(resources, system="u-2")["bios"] == "1.0"
    with pytest.raises(LabError, match="no single system"):
        told(resources)


# what it fails to tell


def failing(resources: Resources, **how: Any) -> LabError:
    with served(resources, **how) as url, pytest.raises(LabError) as caught:
        bmc(url).firmware()
    encoded = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()  # these servers give back what they were sent
    assert not any(hidden in str(caught.value) + repr(caught.value) for hidden in (PASSWORD, encoded))
    return caught.value


def test_a_wrong_password() -> None:
    with served(server_blade()) as url, pytest.raises(LabError) as caught:
        bmc(url, password="wrong-4711").firmware()  # noqa: S106
    assert "does not let us in as admin" in str(caught.value)
    assert "4711" not in str(caught.value)
    assert not isinstance(caught.value, Unreachable)


def test_a_controller_that_tells_nothing() -> None:
    resources = server_blade()
    resources["/Systems/1"]["BiosVersion"] = None
    for path in ("/Chassis/1/NetworkAdapters", "/Systems/1/Storage", "/UpdateService"):
        del resources[path]
    resources["/Managers/1"]["FirmwareVersion"] = ""
    assert "tells no firmware version" in str(failing(resources))


@pytest.mark.parametrize(
    "resources",
    [{}, {"/": "<html>welcome</html>"}, {"/": []}, {"/": {"Id": "root"}}],
    ids=["404", "html", "list", "bare"],
)
def test_no_redfish_there(resources: Resources) -> None:
    assert "speaks no Redfish that is understood" in str(failing(resources))


def test_half_an_answer_is_none() -> None:
    """A part that fails while the others tell: what is not asked is not known, so nothing is."""
    error = failing(server_blade() | {"/Systems/1/Storage/1": 500})
    assert isinstance(error, Unreachable)
    assert "HTTP 500" in str(error)


@pytest.mark.parametrize("broken", [404, {"Name": "no identity"}])
def test_an_adapter_that_is_listed_and_not_told(broken: object) -> None:
    assert "is understood" in str(failing(server_blade() | {"/Chassis/1/NetworkAdapters/B": broken}))


def test_out_of_order() -> None:
    error = failing(server_blade() | {"/Systems": 503})
    assert isinstance(error, Unreachable)
    assert "out of order: it answers HTTP 503" in str(error)


def test_nobody_there() -> None:
    with served({}) as url:
        pass
    with pytest.raises(Unreachable, match="does not answer"):
        bmc(url).firmware()


def test_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redfish, "TIMEOUT_S", 0.2)
    started = time.monotonic()
    error = failing(server_blade(), delay_s=1.0)
    assert isinstance(error, Unreachable)
    assert "in time" in str(error)
    assert time.monotonic() - started < 3, "it was asked once"


def test_the_library_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("sushy").propagate = False  # pytest has a handler of its own; a run of ours has none
    try:
        failing({})
    finally:
        logging.getLogger("sushy").propagate = True
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that its owner signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc.example")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "bmc.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_nobody_trusts(tls: ssl.SSLContext) -> None:
    with served(server_blade(), tls=tls) as url, pytest.raises(LabError) as caught:
        bmc(url).firmware()
    assert "shows a certificate that is not trusted" in str(caught.value)
    assert "verify_tls: false" in caught.value.hint
    assert not isinstance(caught.value, Unreachable)


def test_a_certificate_that_need_not_be_trusted(tls: ssl.SSLContext) -> None:
    with served(server_blade(), tls=tls) as url:
        assert bmc(url, verify_tls=False).firmware()["bios"] == "2.19.1"


def test_an_issuer_that_is_trusted(tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with served(server_blade(), tls=tls) as url:
        assert bmc(url).firmware()["bios"] == "2.19.1"


# passwords by reference


def test_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BMC_PASSWORD", PASSWORD)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    assert secret("env:BMC_PASSWORD") == PASSWORD
    assert secret(f"file:{tmp_path}/password") == PASSWORD


@pytest.mark.parametrize(
    ("reference", "says"),
    [("env:NO_SUCH_NAME", "has no NO_SUCH_NAME"), ("file:/no/such/file", "cannot be read: FileNotFoundError")],
)
def test_references_to_nothing(reference: str, says: str) -> None:
    with pytest.raises(LabError, match=says):
        secret(reference)


def test_a_password_that_is_not_there_is_told_by_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BMC_PASSWORD", raising=False)
    controller = RedfishBmc(
        "compute-1", url="https://192.0.2.1", user="admin", password=lambda: secret("env:BMC_PASSWORD")
    )
    with pytest.raises(LabError, match="BMC_PASSWORD"):
        controller.firmware()
