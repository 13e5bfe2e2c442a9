"""An ordinary user has embedded labs in a user namespace: up, found by a second process, under traffic, down."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from nfvcert.embedded import ensure_privileges

ROOT = Path(__file__).parents[2]

# The interpreter, its packages and the project may be where no ordinary user can look, and no such user may exist.
# So all of it is mounted where anybody can, with a user added to the passwd file, in a mount namespace of the test; and
# anybody may open /dev/fuse, as where udev is, which a small machine has not.
WORLD = """
set -eu
cd "$WORLD"
mount --bind "$BASE" python; mount --bind "$SITE" site; mount --bind "$ROOT" project; mount --bind passwd /etc/passwd
test -e fuse || mknod -m 666 fuse c 10 229
mount --bind fuse /dev/fuse
cd project
exec setpriv --reuid=2000 --regid=2000 --clear-groups --bounding-set=-all --inh-caps=-all "$@"
"""


@pytest.fixture
def world() -> Iterator[Path]:
    """A folder that anybody may look into, with a home for the user."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-user-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        for name in ("python", "site", "project", "home", "run"):
            (path / name).mkdir()
        for name in ("home", "run"):
            os.chown(path / name, 2000, 2000)
        passwd = path / "passwd"
        passwd.write_text(f"{Path('/etc/passwd').read_text()}tester:x:2000:2000::{path}/home:/bin/sh\n")
        passwd.chmod(0o644)
        yield path


# A machine that forbids user namespaces: this one, from within one in which no other may be made.
FORBIDDEN = """
echo 0 >/proc/sys/user/max_user_namespaces
exec setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all "$@"
"""


def nfvcert(world: Path, *arguments: str) -> str:
    """Run a command as the user, in a process of its own; what it printed."""
    ended = as_user(world, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def as_user(
    world: Path, *arguments: str, within: Sequence[str] = (), module: str = "nfvcert.cli", timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    python = world / "python/bin" / f"python3.{sys.version_info.minor}"
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": f"{world}/home",
        "XDG_RUNTIME_DIR": f"{world}/run",
        "PYTHONPATH": f"{world}/site:{world}/project",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": f"{world}/python/lib",
        "WORLD": str(world),
        "BASE": sys.base_prefix,
        "SITE": str(Path(pytest.__file__).parents[1]),
        "ROOT": str(ROOT),
    }
    command = ["unshare", "--mount", "sh", "-c", WORLD, "sh", *within, str(python), "-m", module, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)


def test_a_lab_of_an_ordinary_user(world: Path) -> None:
    assert "lab opco-ru is up after" in nfvcert(world, "lab", "up", "--without-cloud", "opco-ru")
    try:
        assert "lab opco-ru was up" in nfvcert(world, "lab", "up", "--without-cloud", "opco-ru")
        checked = as_user(world, "lab", "check", "opco-ru")
        assert "leaf-1" in checked.stdout
        assert "latency p50" in checked.stdout, "frames went round the generator's loop"
        # An ordinary user may not raise a priority: on a busy machine, the generator says that it is too slow.
        assert checked.returncode == 0 or "generator      problem" in checked.stdout, checked.stderr
    finally:
        down = nfvcert(world, "lab", "down", "opco-ru")
    assert "lab opco-ru is down" in down
    assert not list((world / "run/nfvcert").glob("*.json")), "the anchor of the user namespace is still there"


def test_disks_of_an_ordinary_user(world: Path) -> None:
    one = (
        "-m",
        "storage",
        "-k",
        "test_data_reads_as_it_was_written",
        "--lab=opco-ru",
        f"--reports={world}/home/reports",
    )
    ended = as_user(world, *one, "-p", "no:cacheprovider", module="pytest", timeout_s=180)
    assert "test_data_reads_as_it_was_written[opco-ru]" in ended.stdout, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
    assert not list((world / "run/nfvcert").glob("*.json")), "the run left its lab up"


def test_a_machine_that_forbids_user_namespaces(world: Path) -> None:
    within = ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-euc", FORBIDDEN, "sh"]
    ended = as_user(world, "lab", "up", "--without-cloud", "opco-ru", within=within)
    assert ended.returncode != 0
    assert "this machine lets no ordinary user make namespaces (No space left on device)" in ended.stderr
    assert "run it with sudo, or allow user namespaces: sudo sysctl user.max_user_namespaces=10000" in ended.stderr
    assert not list((world / "run").glob("nfvcert/opco-ru"))


def test_root_without_rights(tmp_path: Path) -> None:
    code = "from nfvcert.embedded import ensure_privileges; ensure_privileges(['true'])"
    ended = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT), "NFVCERT_RUN_DIR": str(tmp_path / "run")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "NotPermitted: this is root without CAP_SYS_ADMIN and CAP_NET_ADMIN, as in a container" in ended.stderr


def test_with_rights_nothing_is_run_anew() -> None:
    ensure_privileges(["false"])
