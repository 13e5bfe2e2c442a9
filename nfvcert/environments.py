"""Virtual environments for programs that cannot share ours: the services of an embedded cloud, foreign suites.

An environment is made once for a lock file with hashes, and kept in the user's cache, so that the second start finds
it. Two that ask for it at once make it once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from nfvcert.errors import LabError

__all__ = ["cache", "make", "once"]

MAKE_TIMEOUT_S = 1800.0


def cache() -> Path:
    """Where nfvcert keeps what takes long to make, for this user: NFVCERT_CACHE_DIR, else below XDG_CACHE_HOME."""
    told = os.environ.get("NFVCERT_CACHE_DIR")
    root = Path(told) if told else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nfvcert"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def make(name: str, lock: Path, *, tell: Callable[[str], None] = lambda _: None) -> Path:
    """The virtual environment with what a lock file lists; made where it is not there yet, which ``tell`` is told.

    ``lock`` is a requirements file with a hash for each package. Raises LabError with the last words of who failed.
    """
    python = sys.executable
    content = lock.read_bytes() + sys.version.encode() + Path(sys.base_prefix).as_posix().encode()

    def build(place: Path) -> None:
        tell(f"installing the Python packages of {name}, once for this user (a minute)")
        _install(python, place, lock)

    return once(name, content, build)


def once(name: str, content: bytes, build: Callable[[Path], None]) -> Path:
    """The folder of an environment; ``build`` fills it where it is not there yet, or was broken off.

    ``content`` is all that it is made of: other content is another environment. Raises LabError.
    """
    place = cache() / "environments" / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    if (place / "complete").exists():
        return place
    place.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        with FileLock(place.with_suffix(".lock"), timeout=MAKE_TIMEOUT_S):
            if not (place / "complete").exists():
                # In its place from the start: scripts carry the path of their interpreter.
                shutil.rmtree(place, ignore_errors=True)
                build(place)
                (place / "complete").touch()
    except Timeout as error:
        raise LabError(f"another process makes the environment {place} for too long", what=name) from error
    return place


def _install(python: str, place: Path, lock: Path) -> None:
    uv = shutil.which("uv", path=f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise LabError("the program uv is not found, which is installed together with nfvcert", what="uv")
    # Where a company's proxy signs with a certificate of its own, it is among those of the system.
    system_certificates = Path("/etc/ssl/certs/ca-certificates.crt").exists()
    environment = os.environ | ({"UV_SYSTEM_CERTS": "true"} if system_certificates else {})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    _run([uv, "venv", "--quiet", "--no-project", "--python", python, str(place)], environment)
    target = str(place / "bin" / "python")
    uv_install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--require-hashes", "--python", target]
    try:
        _run([*uv_install, "-r", str(lock)], environment)
    except LabError:
        # pip is slower, but knows of mirrors and certificates that only pip's configuration names.
        pip = [python, "-m", "pip", "--python", target, "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "--require-hashes", "-r", str(lock)], environment)


def _run(command: list[str], environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=MAKE_TIMEOUT_S, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"{' '.join(command[:3])} does not end within {MAKE_TIMEOUT_S:g} s", what="environment"
        ) from error
    if done.returncode:
        last = " / ".join(line for line in done.stderr.strip().splitlines()[-4:] if line.strip())
        raise LabError(f"{' '.join(command[:3])} failed: {last or f'status {done.returncode}'}", what="environment")
