"""The services of an embedded cloud from Debian's own packages, unpacked into a folder instead of installed.

Nothing of the machine changes: apt-get works out what the services need as if nothing were installed, and fetches it
into the cache (what it fetches is signed by Debian); each package is unpacked, and none of its scripts is run. The
folder is laid out as a virtual environment: `bin/` has its interpreter and the projects' programs, `etc/` what their
configuration files refer to. The C library is the machine's: only where that is Debian's, or newer, does it run.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

from nfvcert import environments
from nfvcert.embedded.programs import environment, require
from nfvcert.errors import LabError

__all__ = ["make"]

FETCH_TIMEOUT_S = 900.0
PROJECTS = ("keystone", "glance", "placement", "nova", "neutron", "cinder", "heat")
ROOTS = (
    *(f"python3-{project}" for project in PROJECTS),
    # Where Debian keeps the files that configurations refer to.
    *(f"{project}-common" for project in ("glance", "nova", "neutron", "cinder", "heat")),
    "python3-pymysql",
    "python3-setproctitle",
    "python3-waitress",
)
_MACHINES = ("libc6", "libc-bin", "libc-l10n", "libc-dev-bin", "libnss-nis", "libnss-nisplus")
"""The machine's own are taken: a C library works with its own loader only."""
_UNPACKED = re.compile(r"(lib|python3|zlib).*|.*-common")
_LEFT = re.compile(r".*-(dev|doc|dbg)|python3-(mypy|sphinx|pip)|libicu-dev")
_CONFIGURATION = {
    "glance": ("usr/share/glance-common/glance-api-paste.ini",),
    "nova": ("usr/share/nova-common/api-paste.ini",),
    "neutron": ("usr/share/neutron-common/api-paste.ini",),
    "cinder": (
        "usr/share/cinder-common/api-paste.ini",
        "etc/cinder/resource_filters.json",
        "etc/cinder/rootwrap.conf",
        "etc/cinder/rootwrap.d",
    ),
    "heat": ("etc/heat/api-paste.ini", "etc/heat/environment.d", "etc/heat/templates"),
}
"""Project → files and folders that its configuration refers to."""


def make(name: str, versions: Mapping[str, str], *, tell: Callable[[str], None] = lambda _: None) -> Path:
    """The environment of a release; fetched and unpacked where it is not there yet, which ``tell`` is told.

    ``versions``: package → how its version begins in that release. Raises LabError, in words of apt-get, and where
    the archive that this machine uses has another release; MissingPackage where this is no Debian.
    """
    content = repr((sorted(versions.items()), ROOTS, sorted(_CONFIGURATION.items()))).encode()

    def build(place: Path) -> None:
        require(["apt-get", "dpkg-deb"])
        tell(f"fetching and unpacking the Debian packages of {name}, once for this user (two minutes)")
        place.mkdir(mode=0o700)
        archives = _fetched(name, place / "archives", versions)
        root = place / "debian"
        for archive in archives:
            _run(["dpkg-deb", "-x", str(archive), str(root)])
        (place / "packages.txt").write_text("".join(f"{unquote(each.stem)}\n" for each in archives), encoding="ascii")
        shutil.rmtree(place / "archives")
        _lay_out(place, root)
        _compile(place, root)

    return environments.once(name, content, build)


def _fetched(name: str, folder: Path, versions: Mapping[str, str]) -> list[Path]:
    """The packages to unpack, fetched into a folder."""
    (folder / "partial").mkdir(parents=True)
    (folder / "status").touch()
    (folder / "lists" / "partial").mkdir(parents=True)
    options = [
        *("-o", f"Dir::State::status={folder / 'status'}"),  # as if nothing were installed
        # The machine's own lists may be old, or not there: then apt asks for packages that are no more.
        *("-o", f"Dir::State::lists={folder / 'lists'}"),
        *("-o", f"Dir::Cache::archives={folder}"),
        *("-o", "Debug::NoLocking=1"),  # nothing is installed, and an ordinary user may hold no lock
        *("-o", "APT::Install-Suggests=0", "-o", f"APT::Sandbox::User={'root' if os.geteuid() == 0 else ''}"),
    ]
    _run(["apt-get", "update", "-qq", *options])
    apt = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *options]
    told = _run([*apt, "--print-uris", *ROOTS])
    offered = dict(re.findall(r"^'[^']*' ([^_\s]+)_([^_\s]+)_", told, re.MULTILINE))
    for package, beginning in versions.items():
        version = re.sub(r"^\d+:", "", unquote(offered.get(package, "")))
        if not version.startswith(beginning):
            raise LabError(
                f"the archive of this machine offers {package} {version or 'not at all'}, and release {name} has "
                f"{beginning.rstrip('.')}: it is that of another release of the distribution",
                what="cloud",
            )
    _run([*apt, "--download-only", *ROOTS])
    fetched = sorted(folder.glob("*.deb"))
    return [each for each in fetched if _is_unpacked(each.name.partition("_")[0])]


def _is_unpacked(package: str) -> bool:
    """Libraries and configuration: no programs, and nothing for developers."""
    return package not in _MACHINES and bool(_UNPACKED.fullmatch(package)) and not _LEFT.fullmatch(package)


def _lay_out(place: Path, root: Path) -> None:
    """bin/ and etc/ as a virtual environment has them."""
    interpreters = sorted((root / "usr" / "bin").glob("python3.*[0-9]"))
    if not interpreters:
        raise LabError(f"the packages in {root} have no interpreter of Python", what="cloud")
    folders = sorted(each for pattern in ("usr/lib/*-linux-gnu", "lib/*-linux-gnu") for each in root.glob(pattern))
    libraries = ":".join(str(each) for each in folders)
    (place / "bin").mkdir()
    _launcher(
        place / "bin" / "python",
        f"export LD_LIBRARY_PATH={shlex.quote(libraries)}",
        f'exec {shlex.quote(str(interpreters[-1]))} "$@"',
    )
    for program in _programs(root):
        python = shlex.quote(str(place / "bin" / "python"))
        _launcher(place / "bin" / program.name, f'exec {python} {shlex.quote(str(program))} "$@"')
    for project, sources in _CONFIGURATION.items():
        target = place / "etc" / project
        target.mkdir(parents=True)
        for source in sources:
            found = root / source
            if found.is_dir():
                shutil.copytree(found, target / found.name)
            elif found.is_file():
                shutil.copy(found, target / found.name)
            else:
                raise LabError(f"the packages in {root} have no {source}", what="cloud")


def _programs(root: Path) -> Iterable[Path]:
    """The projects' programs that are for an administrator: `nova-manage`, `nova-status`."""
    for project in PROJECTS:
        for kind in ("manage", "db-manage", "status"):
            if (found := root / "usr" / "bin" / f"{project}-{kind}").is_file():
                yield found


def _launcher(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("#!/bin/sh", *lines, "")), encoding="utf-8")
    path.chmod(0o700)


def _compile(place: Path, root: Path) -> None:
    """Else every process compiles for itself at its first start. What cannot be compiled is never imported."""
    packages = root / "usr" / "lib" / "python3" / "dist-packages"
    python = [str(place / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", "-x", "/tests?/"]
    _run([*python, str(packages)], statuses=(0, 1))


def _run(command: list[str], statuses: tuple[int, ...] = (0,)) -> str:
    """What a command prints. Raises LabError with its last words."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_TIMEOUT_S,
            env=os.environ | environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{command[0]} does not end within {FETCH_TIMEOUT_S:g} s", what="cloud") from error
    if done.returncode not in statuses:
        last = " / ".join(line for line in done.stderr.strip().splitlines()[-4:] if line.strip())
        raise LabError(f"{Path(command[0]).name} failed: {last or f'status {done.returncode}'}", what="cloud")
    return done.stdout
