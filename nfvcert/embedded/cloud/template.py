"""A new cloud's state, made once on a machine and copied for each later start: synced databases, keys, passwords."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from nfvcert.embedded.cloud import object_store, populate, rings
from nfvcert.embedded.cloud.configuration import DATABASES, LOOPBACK, REGION, Settings
from nfvcert.embedded.cloud.services import catalogue
from nfvcert.embedded.programs import program
from nfvcert.environments import cache
from nfvcert.errors import LabError

__all__ = ["ADDRESS", "database_command", "passwords", "state"]

ADDRESS = "cloud.example"
"""What stands for a cloud's public address in the template's catalogue."""
STEP_TIMEOUT_S = 900.0


def passwords(env: Path) -> dict[str, str]:
    """The passwords of all clouds of this user that are made of one template: `service` and `admin`."""
    place = _place(env)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = place / "passwords.json"
    with FileLock(place.with_suffix(".lock")):
        if not file.exists():
            made = {"service": secrets.token_hex(20), "admin": secrets.token_urlsafe(24)}
            file.touch(mode=0o600)
            file.write_text(json.dumps(made), encoding="ascii")
        found: dict[str, str] = json.loads(file.read_text(encoding="ascii"))
    return found


def state(
    settings: Settings, admin_password: str, launch: Callable[..., subprocess.Popen[bytes]], tell: Callable[[str], None]
) -> None:
    """Put the state of a new cloud into its folder: a copy of the template, which is made where there is none.

    ``launch`` starts a program within the cloud's network namespace. Raises LabError, OSError.
    """
    place = _place(settings.environment)
    with FileLock(place.with_suffix(".lock"), timeout=STEP_TIMEOUT_S):
        if not (place / "state").exists():
            tell("creating the databases of the cloud, once for this user (two minutes)")
            _make(settings, admin_password, launch)
            shutil.rmtree(place / "new", ignore_errors=True)
            shutil.copytree(settings.folder / "state", place / "new")
            (place / "new").rename(place / "state")
            return
    shutil.copytree(place / "state", settings.folder / "state", dirs_exist_ok=True)


def _place(env: Path) -> Path:
    """The folder of the template for an environment, whose name carries the digest of its lock."""
    made_by = ("template.py", "configuration.py", "populate.py", "rings.py")
    recipe = b"".join(Path(__file__).with_name(name).read_bytes() for name in made_by)
    recipe += json.dumps([catalogue(ADDRESS), object_store.SERVERS, object_store.DEVICES]).encode()
    return cache() / "clouds" / f"{env.name}-{hashlib.sha256(recipe).hexdigest()[:8]}"


def _make(settings: Settings, admin_password: str, launch: Callable[..., subprocess.Popen[bytes]]) -> None:
    folder, env = settings.folder, settings.environment
    etc = folder / "etc"
    data = folder / "state" / "mysql"
    data.mkdir(mode=0o700, parents=True)
    install = [program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    _finish(launch, [*install, "--auth-root-authentication-method=normal", *as_root], folder)
    for name in ("fernet", "credential"):
        (folder / "state" / "keystone" / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    with _database(settings, launch):
        _finish(launch, [program("mariadb"), *_client(folder)], folder, said=_schemas(settings.password))
        _together([functools.partial(_several, launch, folder, step) for step in _steps(env, etc, settings)])
        wanted: dict[str, Any] = {
            "admin_password": admin_password,
            "password": settings.password,
            "region": REGION,
            "services": catalogue(ADDRESS),
        }
        with _told(folder, wanted) as file:
            python = [str(env / "bin" / "python"), "-P", populate.__file__]
            _finish(launch, [*python, str(etc / "keystone" / "keystone.conf"), file], folder)
    if "swift" in settings.release.preload:
        _make_rings(settings, launch)


def _make_rings(settings: Settings, launch: Callable[..., subprocess.Popen[bytes]]) -> None:
    """Where Swift keeps what, for clouds that will have it."""
    folder, env = settings.folder, settings.environment
    swift = folder / "state" / "swift"
    swift.mkdir(mode=0o700)
    (swift / "swift.conf").touch(mode=0o600)
    (swift / "swift.conf").write_text(object_store.identity(settings), encoding="ascii")
    wanted = {"folder": str(swift), "rings": object_store.SERVERS, "devices": object_store.DEVICES, "address": LOOPBACK}
    with _told(folder, wanted) as file:
        _finish(launch, [str(env / "bin" / "python"), "-P", rings.__file__, file], folder)


@contextmanager
def _told(folder: Path, wanted: dict[str, Any]) -> Iterator[str]:
    """What a program of ours in the cloud's environment is to make, as the path of a file."""
    file = folder / "run" / "wanted.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(wanted), encoding="utf-8")
    yield str(file)
    file.unlink()


def _steps(env: Path, etc: Path, settings: Settings) -> list[list[list[str]]]:
    """Sequences of commands that may run side by side."""

    def of(name: str, *arguments: str, conf: str = "") -> list[str]:
        project = name.removesuffix("-manage").removesuffix("-db")
        return [str(env / "bin" / name), "--config-file", str(etc / (conf or f"{project}/{project}.conf")), *arguments]

    cell0, cell1 = settings.database("nova_cell0"), settings.database("nova_cell1")
    neutron = of("neutron-db-manage", "--config-file", str(etc / "neutron" / "ml2_conf.ini"), "upgrade", "heads")
    owner = [] if os.geteuid() else ["--keystone-user", "root", "--keystone-group", "root"]
    return [
        [
            of("nova-manage", "api_db", "sync"),
            of("nova-manage", "cell_v2", "map_cell0", "--database_connection", cell0),
            of("nova-manage", "db", "sync"),
            of(
                "nova-manage",
                "cell_v2",
                "create_cell",
                "--name",
                "cell1",
                "--database_connection",
                cell1,
                "--transport-url",
                settings.broker,
            ),
        ],
        [
            of("keystone-manage", "db_sync"),
            of("keystone-manage", "fernet_setup", *owner),
            of("keystone-manage", "credential_setup", *owner),
            of("glance-manage", "db_sync", conf="glance/glance-api.conf"),
            of("placement-manage", "db", "sync"),
            of("cinder-manage", "db", "sync"),
            neutron,
            of("heat-manage", "db_sync"),
        ],
    ]


def _several(launch: Callable[..., subprocess.Popen[bytes]], folder: Path, commands: Sequence[list[str]]) -> None:
    for command in commands:
        _finish(launch, command, folder)


def _together(works: Sequence[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(work) for work in works]:
            future.result()


def _finish(launch: Callable[..., subprocess.Popen[bytes]], command: list[str], folder: Path, said: str = "") -> None:
    """Run a command to its end. Raises LabError with its last words."""
    log = folder / "log" / f"template-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = launch(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        try:
            process.communicate(said.encode(), timeout=STEP_TIMEOUT_S)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        name = " ".join([Path(command[0]).name, *(word for word in command[1:] if not word.startswith(("-", "/")))])
        raise LabError(
            f"the cloud cannot be prepared: {name[:80]}: {lines[-1] if lines else process.returncode}", what="cloud"
        )
    log.unlink()


def database_command(folder: Path) -> list[str]:
    """How the database server of a cloud is started: loopback only; what it confirmed outlives it, not the machine."""
    return [
        program("mariadbd"),
        "--no-defaults",
        "--basedir=/usr",
        f"--datadir={folder / 'state' / 'mysql'}",
        f"--socket={folder / 'run' / 'mysql.sock'}",
        f"--pid-file={folder / 'run' / 'mysql.pid'}",
        f"--log-error={folder / 'log' / 'mariadb.log'}",
        "--bind-address=127.0.0.1",
        "--port=3306",
        "--innodb-flush-log-at-trx-commit=2",
        "--skip-innodb-doublewrite",
        "--innodb-buffer-pool-size=96M",
        "--innodb-log-file-size=24M",
        "--innodb-use-native-aio=0",
        "--performance-schema=OFF",
        "--max-connections=1000",
        "--skip-name-resolve",
        "--character-set-server=utf8mb3",
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]


def _client(folder: Path) -> list[str]:
    return ["--no-defaults", f"--socket={folder / 'run' / 'mysql.sock'}", "--user=root"]


def _schemas(password: str) -> str:
    user = "cloud@'127.0.0.1'"
    # On its databases and no more: who may administer the server is not bound by `read_only`.
    made = (f"CREATE DATABASE {name} CHARACTER SET utf8mb3; GRANT ALL ON {name}.* TO {user};\n" for name in DATABASES)
    return f"CREATE USER {user} IDENTIFIED BY '{password}';\n{''.join(made)}"


@contextmanager
def _database(settings: Settings, launch: Callable[..., subprocess.Popen[bytes]]) -> Iterator[None]:
    """A database server while the template is made; what it holds is on disk after it."""
    folder = settings.folder
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = launch(database_command(folder), **quiet)
    try:
        deadline = time.monotonic() + 60
        while not (folder / "run" / "mysql.sock").exists():
            if server.poll() is not None or time.monotonic() > deadline:
                raise LabError(
                    f"the database of the cloud does not start, see {folder / 'log' / 'mariadb.log'}", what="cloud"
                )
            time.sleep(0.05)
        yield
        server.terminate()
        server.wait(timeout=60)
    finally:
        server.kill()
        server.wait()
