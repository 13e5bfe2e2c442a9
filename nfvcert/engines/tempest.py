"""Tempest, the conformance suite of OpenStack: the tests that an interoperability guideline requires, on a cloud.

Its configuration is made from the cloud: endpoint and account, services of the catalogue, extensions. Features that
a required test needs are declared to be there: a cloud that lacks one fails that test, and hides nothing by a skip.
"""

from __future__ import annotations

import configparser
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nfvcert import environments
from nfvcert.engines import command
from nfvcert.errors import EngineError, LabError, SuiteError
from nfvcert.foreign import ForeignOutcome, ForeignTest, Guideline, compared, required_tests
from nfvcert.judge import ForeignResult
from nfvcert.protocols import CloudSession

__all__ = [
    "NEED_GUESTS",
    "NEED_UNCHECKED_IMAGES",
    "NEED_VOLUMES",
    "Admin",
    "Parts",
    "configuration",
    "guideline",
    "prove",
    "read_stream",
]

LOCK = Path(__file__).with_name("tempest.lock")
GUIDELINE = Path(__file__).with_name("interop-2020.06.json")
LIST_TIMEOUT_S = 120.0
DAMAGED = "subunit.parser"
"""The test that subunit reports where bytes of a stream make no sense."""
NEED_GUESTS = ("id-cbc0f52f-05aa-492b-bdc1-84b575ca294b", "id-ac1ad47f-984b-4441-9274-c9079b7a0666")
"""Tests that log in to a server: they prove nothing where guests do not run."""
NEED_VOLUMES = ("id-d8f1ca95-3d5b-44a3-b8ca-909691c9532d", "id-54a01030-c7fc-447c-86ee-c1182beae638")
"""Tests that copy between an image and a volume: they prove nothing where volumes are simulated."""
NEED_UNCHECKED_IMAGES = (
    "id-622b925c-479f-4736-860d-adeaf13bc371",
    "id-25c8d7b2-df21-460f-87ac-93130bcdc684",
    "id-9959ca1d-1aa7-4b7a-a1ea-0fff0499b37e",
    "id-4a4735a7-f22f-49b6-b0d9-66e1ef7453eb",
    "id-e914a891-3cc8-4b40-ad32-e0a39ffbddbb",
    "id-4ad8c157-971a-4ba8-aa84-ed61154b1e7f",
    "id-cf1b9a48-8340-480e-af7b-fe7e17690876",
    "id-7fc9e369-0f58-4d05-9aa5-0969e2d59d15",
    "id-7a95bb92-d99e-4b12-9718-7bc6ab73e6d2",
    "id-1e341d7a-90a9-494c-b143-2cdf2aeb6aee",
)
"""Tests whose class uploads what is no image: where the image service looks into what it is given, as it does by
default since 2025, they cannot be set up, and tempest skips them with their class."""
OUTCOMES: TypeAdapter[list[ForeignOutcome]] = TypeAdapter(list[ForeignOutcome])


@dataclass(frozen=True)
class Admin:
    """The administrator that it works as. It makes its projects in this one's domain, whose name tells of the run:
    their own names do not.
    """

    username: str
    password: str = field(repr=False)
    project: str
    domain: str


@dataclass(frozen=True)
class Parts:
    """What its tests make servers of: ids of resources of the cloud."""

    images: tuple[str, str]
    flavors: tuple[str, str]
    public_network: str
    admin: Admin
    images_are_checked: bool = False
    """Whether the image service refuses what is not what it is said to be."""


def guideline() -> Guideline:
    """The interoperability guideline that decides which tests are required."""
    return Guideline.model_validate_json(GUIDELINE.read_bytes())


def prove(
    cloud: CloudSession,
    capabilities: Sequence[str],
    parts: Parts,
    *,
    timeout_s: float,
    excused: Mapping[str, str] = MappingProxyType({}),
    tell: Callable[[str], None] = lambda _: None,
    workers: int = 2,
) -> tuple[ForeignResult, ...]:
    """Run the tests that prove some capabilities of a cloud, or ("all",): each with its verdict.

    What did not run within ``timeout_s``, was skipped or is not there any more is NOT_RUN; so is what is
    ``excused`` (idempotent id → why it cannot prove anything here), which decides nothing.
    Raises EngineError where tempest cannot be run, or its end contradicts its results; Unreachable where tests
    failed because the way to the cloud is broken.
    """
    environment = _environment(tell)
    try:
        tests = required_tests(guideline(), capabilities, _listed(environment), excused)
    except ValueError as error:
        raise SuiteError(str(error)) from error
    runnable = [test for test in tests if not test.absent and not test.excused]
    if not runnable:
        return compared("tempest", tests, [])
    tell(f"tempest runs {len(runnable)} required tests")
    # Its configuration has the password of an administrator: for nobody else, and not for long.
    with tempfile.TemporaryDirectory(prefix="nfvcert-tempest-") as temporary:
        ended, outcomes = _run(environment, cloud, runnable, parts, Path(temporary), timeout_s, workers)
    results = compared("tempest", tests, outcomes, "" if ended.well else f"tempest {ended.how}")
    command.contradict("tempest", ended, results)
    command.see_that_it_answers(cloud, results)
    return results


def _environment(tell: Callable[[str], None]) -> Path:
    try:
        return environments.make("tempest", LOCK, tell=tell)
    except LabError as error:  # another test may need no foreign suite
        raise EngineError(error.sentence, what="tempest", hint=error.hint) from error


def _listed(environment: Path) -> dict[str, list[str]]:
    """Idempotent id → names of the tests that carry it; asked once for an environment."""
    kept = environment / "tests.txt"
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix="nfvcert-tempest-") as temporary:
            folder = Path(temporary)
            program = str(environment / "bin" / "tempest")
            ended = command.run([program, "init", "workspace"], folder, timeout_s=LIST_TIMEOUT_S)
            if not ended.status:
                asked, listed_in = [program, "run", "--list-tests"], folder / "tests.txt"
                ended = command.run(asked, folder / "workspace", timeout_s=LIST_TIMEOUT_S, output=listed_in)
            if ended.status or not ended.in_time:
                raise EngineError(f"tempest cannot list its tests: {ended.last}", what="tempest")
            beside = environment / f"tests.txt.{folder.name}"
            beside.write_bytes((folder / "tests.txt").read_bytes())
            beside.replace(kept)
    listed: dict[str, list[str]] = {}
    for line in kept.read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"(\S+)\[(\S+)\]", line):
            for tag in found[2].split(","):
                if tag.startswith("id-"):
                    listed.setdefault(tag, []).append(found[1])
    return listed


def _run(
    environment: Path,
    cloud: CloudSession,
    tests: Sequence[ForeignTest],
    parts: Parts,
    folder: Path,
    timeout_s: float,
    workers: int,
) -> tuple[command.Ended, list[ForeignOutcome]]:
    written = configparser.RawConfigParser()
    written.read_dict(configuration(cloud, parts, folder))
    with (folder / "tempest.conf").open("w", encoding="utf-8") as file:
        written.write(file)
    program = [str(environment / "bin" / "tempest"), "run", "--config-file", str(folder / "tempest.conf")]
    options = ["--include-list", str(folder / "patterns.txt"), "--concurrency", str(workers), "--subunit"]
    patterns = "".join(f"^{re.escape(test.name)}\\[\n" for test in tests)
    (folder / "patterns.txt").write_text(patterns, encoding="utf-8")
    stream = folder / "results.subunit"
    ended = command.run([*cloud.command_prefix, *program, *options], folder, timeout_s=timeout_s, output=stream)
    outcomes = read_stream(environment, stream, folder)
    if all(each.status == "exists" for each in outcomes):
        raise EngineError(f"tempest ran no test at all: it {ended.how}: {ended.last}", what="tempest")
    return ended, outcomes


def read_stream(environment: Path, stream: Path, folder: Path) -> list[ForeignOutcome]:
    """The outcomes of a subunit stream; names are without tempest's tags."""
    reader = [str(environment / "bin" / "python"), "-P", str(Path(__file__).with_name("subunit_results.py"))]
    lines = folder / "results.jsonl"
    ended = command.run([*reader, str(stream)], folder, timeout_s=LIST_TIMEOUT_S, output=lines)
    if ended.status or not ended.in_time:
        raise EngineError(f"the results of tempest cannot be read: {ended.last}", what="tempest")
    told = lines.read_text(encoding="utf-8").splitlines()
    try:
        outcomes = OUTCOMES.validate_json(f"[{','.join(told)}]")
    except ValidationError as error:
        raise EngineError(
            f"the results of tempest cannot be read: {error.errors()[0]['msg']}", what="tempest"
        ) from error
    if DAMAGED in {each.name for each in outcomes}:
        raise EngineError("the results of tempest cannot be read: their stream is damaged or cut short", what="tempest")
    return [each.model_copy(update={"name": re.sub(r"\[[^]]*\]$", "", each.name)}) for each in outcomes]


def configuration(cloud: CloudSession, parts: Parts, folder: Path) -> dict[str, dict[str, str]]:
    """Tempest's configuration for a cloud: section → option → value."""
    sdk = cloud.sdk
    auth = sdk.config.get_auth_args()
    services = {str(service["type"]) for service in sdk.service_catalog}
    verify, _ = sdk.config.get_requests_verify_args()
    has = {
        "nova": "compute" in services,
        "neutron": "network" in services,
        "glance": "image" in services,
        "cinder": bool(services & {"block-storage", "volumev3", "volume"}),
        "swift": "object-store" in services,
    }
    volumes = next((name for name in ("block-storage", "volumev3", "volume") if name in services), "volumev3")
    region = sdk.config.get_region_name() or ""
    hypervisors = len(list(sdk.compute.hypervisors())) if has["nova"] else 0
    return {
        "DEFAULT": {
            "log_dir": str(folder),
            "log_file": "tempest.log",
            # What a killed run leaves behind is found by its name.
            "resource_name_prefix": cloud.short_name,
        },
        "oslo_concurrency": {"lock_path": str(folder / "locks")},
        "auth": {
            "use_dynamic_credentials": "true",
            "admin_username": _plain(parts.admin.username),
            "admin_password": _plain(parts.admin.password),
            "admin_project_name": _plain(parts.admin.project),
            "admin_domain_name": _plain(parts.admin.domain),
            "create_isolated_networks": "true",
            "default_credentials_domain_name": parts.admin.domain,
        },
        "identity": {
            "uri_v3": _v3(str(auth["auth_url"])),
            "auth_version": "v3",
            "region": region,
            "ca_certificates_file": verify if isinstance(verify, str) else "",
            "disable_ssl_certificate_validation": "true" if verify is False else "false",
        },
        "service_available": {name: str(there).lower() for name, there in has.items()},
        "compute": {
            "image_ref": parts.images[0],
            "image_ref_alt": parts.images[1],
            "flavor_ref": parts.flavors[0],
            "flavor_ref_alt": parts.flavors[1],
            "min_compute_nodes": str(max(1, hypervisors)),
            "max_microversion": "latest",
            "build_interval": "1",
            "ready_wait": "0",
        },
        "compute-feature-enabled": {"resize": "true"},
        "image": {"build_interval": "1"},
        "image-feature-enabled": {"image_format_enforcement": str(parts.images_are_checked).lower()},
        "network": {
            "public_network_id": parts.public_network,
            "build_interval": "1",
        },
        "network-feature-enabled": {"api_extensions": _extensions(sdk)},
        "validation": {"run_validation": "false"},
        "volume": {"max_microversion": "latest", "catalog_type": volumes, "build_interval": "1", "volume_size": "1"},
        "volume-feature-enabled": {"backup": "false"},  # the guideline asks for none
    }


def _extensions(sdk: Any) -> str:
    return ",".join(sorted(str(each.alias) for each in sdk.network.extensions()))


def _plain(value: object) -> str:
    """A value as oslo.config reads it back: a dollar sign would name another option."""
    return str(value).replace("$", "$$")


def _v3(url: str) -> str:
    return url if url.rstrip("/").endswith("/v3") else f"{url.rstrip('/')}/v3"
