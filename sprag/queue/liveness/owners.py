"""Who is alive: each process that runs jobs locks a file of its own, and the kernel releases the
lock when the process dies. There is no heartbeat and no time-out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shlex
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from ..file.beside import LOCK_SUFFIX, Folder
from ..file.disk import sync_folder

_TOKEN: Final = re.compile(r"[0-9a-z]{1,64}", re.ASCII)

Liveness = Literal["alive", "dead", "unknown"]


class OwnerLock:
    """An exclusive flock on the new file `folder/<token>.lock`, held until `release()` or death.

    Take it before the owner's row is written, and release it after the row is gone for good:
    then a row whose file nobody has locked is that of a dead owner. The file must survive a
    power loss too, or nobody could tell.
    """

    def __init__(self, folder: Path) -> None:
        self.token = os.urandom(16).hex()
        self._fd: int | None = None
        self._folder = Folder(folder)
        try:
            self._fd = self._folder.create(_name(self.token))
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sync_folder(folder)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Remove the file and let go; for after the owner's row is gone for good."""
        if self._fd is not None:
            forget(self._folder.path, self.token)
        self.abandon()

    def abandon(self) -> None:
        """Close the file and leave it where it is. In a forked child this closes a copy: the
        parent's lock stays, since only unlocking would end it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._folder.close()


class Doubt(NamedTuple):
    """Why nobody can tell whether an owner lives, and what to do about it."""

    reason: str
    remedy: str


def liveness(folder: Path, token: str) -> Liveness:
    """Return whether the owner with this token lives. If that is unknown, `doubt` says why."""
    if not _is_ours(token):
        return "unknown"  # another program wrote it: it must not lead to other files
    try:
        # Without O_NONBLOCK, opening a named pipe in its place would wait.
        fd = os.open(_file(folder, token), os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return "unknown"
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return "unknown"
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "alive"
    except OSError:
        return "unknown"
    else:
        return "dead"
    finally:
        os.close(fd)


def forget(folder: Path, token: str) -> None:
    """Remove the file of an owner whose row is gone for good. If it cannot be removed, it belongs
    to nobody and does no harm."""
    if _is_ours(token):
        with suppress(OSError):
            _file(folder, token).unlink()


def doubt(folder: Path, token: str, owner: int) -> Doubt | None:
    """Why `liveness` cannot tell whether this owner lives; None if it can after all."""
    by_hand = f"if the process is certainly gone, run `sprag recover --owner {owner}`"
    if not _is_ours(token):
        return Doubt("its row does not name a lock file", by_hand)
    file = _file(folder, token)
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return Doubt(f"its lock file {file} is missing", by_hand)
    except PermissionError:
        return Doubt(f"this user may not read its lock file {file}{_rights(file)}",
                     f"let this user read it (for instance `chmod g+r {shlex.quote(str(file))}`), "
                     f"or run the workers as one user; {by_hand}")  # fmt: skip
    except OSError as error:
        remedy = by_hand
        if error.errno in (errno.EMFILE, errno.ENFILE):
            remedy = "it is looked at again as soon as this process can open more files"
        return Doubt(f"its lock file {file} cannot be opened ({error.strerror})", remedy)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return Doubt(f"its lock file {file} is not a regular file", by_hand)
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError as error:
        return Doubt(f"its lock file {file} cannot be locked ({error.strerror})",
                     f"keep the database on a local disk; {by_hand}")  # fmt: skip
    finally:
        os.close(fd)
    return None


def _rights(file: Path) -> str:
    try:
        found = file.stat()
    except OSError:
        return ""  # not even the folder may be entered
    return f" (mode {found.st_mode & 0o777:04o}, user {found.st_uid}, group {found.st_gid})"


def _is_ours(token: object) -> bool:
    return isinstance(token, str) and _TOKEN.fullmatch(token) is not None


def _name(token: str) -> str:
    return f"{token}{LOCK_SUFFIX}"


def _file(folder: Path, token: str) -> Path:
    return folder / _name(token)
