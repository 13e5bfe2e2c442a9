"""Leases in a folder of this machine, for all its users.

    lab%2Fopco-ru.lease     who holds one resource and who waits for it: one line of JSON, written in place
                            under a flock that lasts for this write only
    <token>.life            locked by a flock for as long as a process of one LeaseBook's run lives

A lease is held as long as its line says so *and* the life of its holder is locked. The kernel gives a flock
to the open file, which forked workers inherit: it is free when the last of them is gone, be it by kill -9.
(POSIX locks, as tooz's file driver has them, are gone with the process that took them.) No file is ever
replaced but by its owner, since the folder's sticky bit forbids it, and none is opened through a link.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from pydantic import TypeAdapter, ValidationError

from nfvcert.errors import LabError, NotPermitted
from nfvcert.leases.holder import UNKNOWN, Holder, Lease, Request

__all__ = ["Files", "default_folder"]

FOLDERS = (Path("/run/lock/nfvcert"), Path("/tmp/nfvcert-leases"))  # noqa: S108 - a place that all users share
"""Not below TMPDIR: two users whose variable differs would not see each other."""

PATIENCE_S = 5.0
"""Who has waited and has not asked for this long does not wait any more."""

BUSY_S = 1.0
"""A lease's file is locked for microseconds; after this long something is wrong."""

SIZE_MAX = 1 << 20
SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file is opened where anybody may have put anything: no link, no waiting for a FIFO's other end."""


class _Entry(Request):
    asked: float | None = None
    """None: holds it. Else waits for it, and asked last at this time of the machine's monotonic clock."""

    def bars(self, other: Request) -> bool:
        return not (self.shared and other.shared)


_Line = TypeAdapter(tuple[_Entry, ...])


class Files:
    """The leases in one folder. ``token`` is needed for taking some; not for looking.

    The life of the taker begins here: forked before, a process does not keep its leases alive.
    Raises: NotPermitted when the folder cannot be used.
    """

    checked_s = 1.0

    def __init__(self, folder: Path, *, token: str = "") -> None:
        self.folder = folder
        _prepare(folder)
        self._life = -1
        self._token = token
        if token:
            self._life = self._begin(token)

    def take(self, request: Request) -> Holder | None:
        """See Store: in the order of asking, but that what is shared passes others that share."""
        with self._opened(request.resource, create=True) as file:
            found = [entry for entry in file.read() if self._alive(entry)]
            mine = next((each for each in found if each.token == request.token), None)
            if mine and mine.asked is None and mine.shared == request.shared:
                return None
            before = found[: found.index(mine)] if mine else found
            after = found[len(before) + 1 :]
            now = time.monotonic()
            barring = [each for each in before if each.bars(request) and _waits_or_holds(each, now)]
            barring += [each for each in after if each.bars(request) and each.asked is None]
            fields = request.model_dump() | {"asked": now if barring else None}
            file.write([*before, _Entry.model_validate(fields), *after])
        if not barring:
            return None
        first = next((each for each in barring if each.asked is None), barring[0])
        if first.asked is None:
            return first.holder
        return first.holder.model_copy(update={"reason": f"{first.holder.reason} (next in line)"})

    def renew(self, request: Request) -> bool:
        """See Store: the kernel renews; this is whether somebody took it away."""
        with self._opened(request.resource) as file:
            return any(each.token == request.token and each.asked is None for each in file.read())

    def give_back(self, request: Request) -> None:
        """See Store."""
        with self._opened(request.resource) as file:
            found = file.read()
            left = [each for each in found if each.token != request.token]
            if len(left) < len(found):
                file.write(left)

    def wanted_by(self, request: Request) -> Holder | None:
        """See Store."""
        now = time.monotonic()
        with self._opened(request.resource) as file:
            others = [each for each in file.read() if each.token != request.token and each.asked is not None]
            waiting = (each.holder for each in others if _waits_or_holds(each, now) and self._alive(each))
            return next(waiting, None)

    def all(self) -> Sequence[Lease]:
        """See Store: also what the dead have left, and without those that wait."""
        found = []
        for path in sorted(self.folder.glob("*.lease")):
            resource = unquote(path.stem)
            with self._opened(resource) as file:
                for each in file.read():
                    if each.asked is None:
                        alive = self._alive(each)
                        found.append(Lease(resource=resource, holder=each.holder, shared=each.shared, alive=alive))
        return found

    def force(self, lease: Lease) -> bool:
        """See Store."""
        with self._opened(lease.resource) as file:
            found = file.read()
            left = [each for each in found if each.asked is not None or not each.holder.is_same(lease.holder)]
            if len(left) < len(found):
                file.write(left)
            return len(left) < len(found)

    def close(self) -> None:
        """See Store: the life goes on in the other processes that have it."""
        if self._life >= 0:
            os.close(self._life)
            self._life = -1

    def end(self) -> None:
        """See Store: takes the life's file away, too."""
        self.close()
        if self._token:
            self._path(self._token).unlink(missing_ok=True)

    def _path(self, token: str) -> Path:
        return self.folder / f"{token}.life"

    def _begin(self, token: str) -> int:
        new = self.folder / f"{token}.new"
        try:
            life = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE, 0o644)
        except OSError as error:
            raise _not_usable(self.folder, error) from error
        # Locked before it has its name, so that nobody ever sees it unlocked and takes us for dead.
        fcntl.flock(life, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(life, 0o644)
        new.rename(self._path(token))
        return life

    def _alive(self, entry: _Entry) -> bool:
        if not entry.token:  # a line that cannot be read: nobody knows that it is free
            return True
        path = self._path(entry.token)
        try:
            life = os.open(path, os.O_RDONLY | SAFE)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            fcntl.flock(life, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(life)
        with suppress(OSError):  # in a sticky folder, only its owner can tidy up; a reboot does else
            path.unlink()
        return False

    @contextmanager
    def _opened(self, resource: str, *, create: bool = False) -> Iterator[_File]:
        """The file of one resource, locked. One that is not there reads as empty, and is not written."""
        path = self.folder / f"{quote(resource, safe='')}.lease"
        file = _File(-1, resource, path)
        try:
            if (descriptor := _open(path, create=create)) is not None:
                file = file._replace(descriptor=descriptor)
                _lock(file)
            yield file
        except OSError as error:
            raise _not_usable(path, error) from error
        finally:
            if file.descriptor >= 0:
                os.close(file.descriptor)


class _File(NamedTuple):
    descriptor: int
    resource: str
    path: Path

    def read(self) -> tuple[_Entry, ...]:
        if self.descriptor < 0:
            return ()
        # Only the first line counts: what is behind it is the rest of a longer one, whose writer was killed.
        line = os.pread(self.descriptor, SIZE_MAX, 0).partition(b"\n")[0]
        try:
            return _Line.validate_json(line) if line else ()
        except ValidationError:
            return (_Entry(resource=self.resource, token="", holder=UNKNOWN),)

    def write(self, entries: Sequence[_Entry]) -> None:
        if self.descriptor < 0:
            return
        before = os.pread(self.descriptor, SIZE_MAX, 0)
        line = _Line.dump_json(tuple(entries)) + b"\n"
        try:
            written = os.pwrite(self.descriptor, line, 0)
        except OSError:
            written = 0
        if written < len(line):  # a full disk: what others have written must stay
            os.pwrite(self.descriptor, before, 0)
            os.ftruncate(self.descriptor, len(before))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.ftruncate(self.descriptor, len(line))


def _waits_or_holds(entry: _Entry, now: float) -> bool:
    return entry.asked is None or now - entry.asked < PATIENCE_S


def _open(path: Path, *, create: bool) -> int | None:
    """A descriptor of a plain file that nothing else links to; None when it is not there."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            # Without O_CREAT first: fs.protected_regular forbids it for others' files in a sticky folder.
            descriptor = os.open(path, os.O_RDWR | SAFE)
            break
        except FileNotFoundError:
            if not create:
                return None
        except PermissionError:  # it is being made at this moment, and its mode comes next
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
            continue
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE, 0o666)
        except FileExistsError:  # somebody was quicker
            if time.monotonic() > deadline:
                raise
            continue
        os.fchmod(descriptor, 0o666)
        break
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise OSError(errno.EPERM, "it is no plain file of one name")
    return descriptor


def _lock(file: _File) -> None:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LabError(
                    f"the lease file {file.path} is locked by a process that keeps it for more than {BUSY_S:g} s",
                    what=file.resource,
                ) from None
            time.sleep(0.001)
        else:
            return


def default_folder() -> Path:
    """The folder that all users of this machine have in common: the first that is there, else can be made."""
    for folder in FOLDERS:
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    return next((each for each in FOLDERS if os.access(each.parent, os.W_OK)), FOLDERS[-1])


def _prepare(folder: Path) -> None:
    """Make a folder that everybody may write in, or look whether the one that is there can be trusted."""
    try:
        try:
            folder.mkdir()
        except FileExistsError:
            pass
        else:
            folder.chmod(0o1777)
        mode = folder.lstat().st_mode
    except OSError as error:
        raise _not_usable(folder, error) from error
    if not stat.S_ISDIR(mode):
        raise _not_usable(folder, "it is no folder")
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise _not_usable(folder, f"everybody may take away files in it (chmod +t {folder})")


def _not_usable(path: Path, why: OSError | str) -> NotPermitted:
    said = why if isinstance(why, str) else why.strerror
    return NotPermitted(
        f"leases cannot be kept in {path}: {said}",
        what="leases",
        hint="another folder can be named in the environment, the same for all users: NFVCERT_LEASES=/path",
    )
