"""What lies beside a database, in the folder `<database>-sprag`: with the database's own mode and
group, so that whoever may use the one may use the other, and removed when nobody needs it.

Every process that has a file in the folder holds a shared flock on the folder itself. Whoever
gets an exclusive one knows that nobody has anything there, and that nobody is just arriving.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from .. import errors
from ..threads.logs import Log
from .disk import sync_folder

SUFFIX: Final = "-sprag"
RESERVE: Final = "reserve"
LOCK_SUFFIX: Final = ".lock"
_DRAFT: Final = ".sprag"

_PATIENCE_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.002
_ATTEMPTS: Final = 100

log: Final = Log("sprag.queue")

_told: Final[set[Path]] = set()


def folder_of(database: str | Path) -> Path:
    """The folder beside a database."""
    return Path(f"{database}{SUFFIX}")


def database_of(folder: Path) -> Path:
    """The database that a folder lies beside."""
    return folder.with_name(folder.name.removesuffix(SUFFIX))


class Folder:
    """The folder at `path`, made if need be. Until `close()` nobody removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = _held(path)

    def create(self, name: str) -> int:
        """Make the new file `name`, with the mode and group of the database; its descriptor."""
        # Python opens with close-on-exec, so a program started from here does not inherit it.
        fd = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if not adapt(fd, database_of(self.path)):
                _tell_group(self.path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def close(self) -> None:
        """Hold it no longer. In a forked child this closes a copy: the parent's hold stays."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def adapt(fd: int, database: str | Path, *, whole: bool = True) -> bool:
    """Give an open file or folder the group and mode of the database; whether it has them.

    The umask has no say. Without `whole` the mode is only widened. Where the group cannot be
    given, no other group gets the rights that were meant for it. What belongs to another user
    stays as it is.
    """
    try:
        like = os.stat(database)  # noqa: PTH116  # a link is followed, as SQLite does
    except OSError:
        return True  # deleted: `check_in_place` tells
    found = os.fstat(fd)
    if not stat.S_ISREG(like.st_mode) or os.geteuid() not in (0, found.st_uid):
        return True
    if (found.st_uid, found.st_gid) != (like.st_uid, like.st_gid):
        with suppress(OSError):
            os.fchown(fd, like.st_uid if os.geteuid() == 0 else -1, like.st_gid)
        found = os.fstat(fd)
    mode = like.st_mode & 0o666 | 0o600
    fits = found.st_gid == like.st_gid or not mode & 0o060
    if not fits:
        mode &= ~0o070
    if stat.S_ISDIR(found.st_mode):
        mode |= (mode & 0o444) >> 2 | found.st_mode & stat.S_ISGID
    if not whole:
        mode |= stat.S_IMODE(found.st_mode)
    if mode != stat.S_IMODE(found.st_mode):
        with suppress(OSError):
            os.fchmod(fd, mode)
    return fits


def adopt(database: str) -> None:
    """Give the log and its index, which SQLite has made, the group of the database.

    SQLite gives them its mode, but its group only if root makes them. They are never opened
    here: to close a descriptor of theirs would drop all of SQLite's locks.
    """
    try:
        like = os.stat(database)  # noqa: PTH116  # a Path takes as long as the call itself
        for path in (f"{database}-wal", f"{database}-shm"):
            found = os.lstat(path)
            if found.st_gid != like.st_gid and found.st_uid == os.geteuid():
                os.chown(path, -1, like.st_gid, follow_symlinks=False)
    except OSError:
        pass  # not there, or not permitted: then a process that runs jobs says so


def tidy(path: Path, tokens: Callable[[], Collection[str]]) -> None:
    """Remove what no process needs any more, and the folder if nothing is left in it.

    `tokens` says whose lock files stay: those of the owners that the database knows. Does
    nothing while any process has something in the folder.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # there is none, as for a queue that only enqueues
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(fd, path):
            return
        # Nobody can arrive now, so a lock file that has no row will never have one.
        needed = {f"{token}{LOCK_SUFFIX}" for token in tokens()}
        for file in path.iterdir():
            if file.name == RESERVE or (file.suffix == LOCK_SUFFIX and file.name not in needed):
                with suppress(OSError):
                    file.unlink()
        path.rmdir()
    except (OSError, errors.QueueError):
        pass  # in use, or not empty, or nobody knows who is needed
    finally:
        os.close(fd)


def _held(path: Path) -> int:
    """A descriptor of the folder, which is there, with a shared lock on it."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(errno.ENOENT, "it is a link to a folder that does not exist", path)
    for _ in range(_ATTEMPTS):
        try:
            new = _made(path)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            if not path.parent.is_dir():
                raise
            continue  # removed this very moment, by one who left
        try:
            adapt(fd, database_of(path), whole=new)
            # Also where it was there before: whoever made it may not have come to this line yet.
            sync_folder(path.parent)
            _lock(fd, fcntl.LOCK_SH)
            if _is_at(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise FileNotFoundError(errno.ENOENT, "it is removed again and again", path)


def _made(path: Path) -> bool:
    """Make the folder, unless it is there. With its mode, its group and a first file at once: a
    process may die at any line, and a folder that is empty could be replaced by another one."""
    if path.exists():
        return False
    # The user's own, so that what a process left behind is in nobody else's way.
    draft = path.with_name(f"{_DRAFT}-{os.geteuid()}")
    with suppress(FileExistsError):
        draft.mkdir(0o700)
    fd = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(fd, fcntl.LOCK_EX)  # one at a time
        if not _is_at(fd, draft):
            return False  # it is the folder by now, or was it
        if path.exists():
            (draft / RESERVE).unlink(missing_ok=True)
            draft.rmdir()
            return False
        first = os.open(draft / RESERVE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            adapt(first, database_of(path))
        finally:
            os.close(first)
        adapt(fd, database_of(path))
        draft.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False  # another user was faster
    finally:
        os.close(fd)
    return True


def _lock(fd: int, kind: int) -> None:
    """Take the lock. It is only ever refused for the moment that another takes to make or remove
    the folder; a file system that knows no locks of folders does without, and `tidy` does nothing
    there."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return
            time.sleep(_PAUSE_SECONDS)
        except OSError:
            return
        else:
            return


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _tell_group(folder: Path) -> None:
    if folder in _told:
        return
    _told.add(folder)
    group = database_of(folder).stat().st_gid
    log.warning(
        "files in %s cannot be given the group of the database (%d), because this user is not a "
        "member of it: processes of other users cannot see that this one is alive, and leave its "
        "jobs alone when it dies. Add the user to the group, or run "
        "`chgrp %d %s && chmod g+s %s`",
        folder, group, group, folder, folder,
    )  # fmt: skip
