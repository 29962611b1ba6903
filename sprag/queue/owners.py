"""Who is alive: each process that runs jobs locks a file of its own, and the kernel lets go
of the lock when the process dies. There is no heartbeat and no time-out.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from .disk import make_folder, sync_folder

_TOKEN: Final = re.compile(r"[0-9a-z]{1,64}", re.ASCII)

Liveness = Literal["alive", "dead", "unknown"]


class OwnerLock:
    """An exclusive flock on the new file `folder/<token>.lock`, held until `release()` or death.

    Take it before the owner's row is written, and release it after the row is gone for good:
    then a row whose file nobody has locked is that of a dead owner. The file is there after a
    power loss too, or nobody could tell.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self.token = os.urandom(16).hex()
        self._path = _file(folder, self.token)
        # Python opens with close-on-exec, so a program started from here does not inherit it.
        self._fd: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sync_folder(folder)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Remove the file and let go; for after the owner's row is gone for good."""
        if self._fd is not None:
            forget(self._path.parent, self.token)
            os.close(self._fd)
            self._fd = None

    def abandon(self) -> None:
        """Close a forked child's copy. The parent's lock stays: only unlocking would end it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def liveness(folder: Path, token: str) -> Liveness:
    """Whether the owner with this token lives. Without its file nobody can tell."""
    if not _is_ours(token):
        return "unknown"  # none of ours: it must not lead anywhere else
    try:
        # A named pipe in its place would keep us waiting.
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
    """Remove the file of an owner whose row is gone for good. One that cannot be removed is
    nobody's, and does no harm."""
    if _is_ours(token):
        with suppress(OSError):
            _file(folder, token).unlink()


def is_missing(folder: Path, token: str) -> bool:
    """Whether there is no such file; not where it only cannot be opened just now."""
    return not (_is_ours(token) and os.path.lexists(_file(folder, token)))


def _is_ours(token: object) -> bool:
    return isinstance(token, str) and _TOKEN.fullmatch(token) is not None


def _file(folder: Path, token: str) -> Path:
    return folder / f"{token}.lock"
