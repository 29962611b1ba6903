"""Where a database may be: what is said of a path before SQLite opens it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final, NoReturn

from .. import errors
from ..threads.logs import Log
from .beside import folder_of
from .mounts import ground

log: Final = Log("sprag.queue")

# SQLite's unix VFS takes paths of 512 bytes; its longest suffix is "-journal".
_PATH_BYTES: Final = 512 - len("-journal")
_NAME_BYTES: Final = 255
_JOURNAL: Final = len("-journal")

_told: Final[set[str]] = set()


def check_place(path: str, *, create: bool, system: bool = True) -> None:
    """Raise a DatabaseError where no database can be at `path`, an absolute one.

    `system` says that it will be opened by SQLite's own VFS, which limits its length.
    """
    check_text(path)
    check_length(path, system=system)
    found = _looked_at(path)
    if found is not None:
        _check_file(path, found)
    elif not create:
        raise errors.DatabaseRefused(f"{path} does not exist", path)
    else:
        _check_folder(path)
    _check_ground(path)


def check_text(path: str) -> None:
    """Raise DatabaseRefused for a path that no file can have, or that SQLite does not take."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise errors.DatabaseRefused(
            f"{path!r} is not valid UTF-8, which SQLite expects of a path: rename the file or the "
            "folder",
            path,
        ) from None
    if "\0" in path:
        raise errors.DatabaseRefused(f"{path!r} has a NUL character, which no path can have", path)


def check_length(path: str, *, shown: str | None = None, system: bool = True) -> None:
    """Raise DatabaseRefused for a path that is too long for a database, or its name for the files
    beside it. `shown` is the path as the caller knows it, where that one is shorter."""
    told = shown or path
    more = len(os.fsencode(path)) - len(os.fsencode(told))
    size, most = len(os.fsencode(told)), _PATH_BYTES - more
    if system and size > most:
        _refuse_long(told, f"it has {size} bytes, and SQLite takes at most {most}")
    folder, name = os.path.split(told)
    size, most = len(os.fsencode(name)), _name_bytes(folder) - _JOURNAL - more
    if size > most:
        _refuse_long(
            told,
            f"the file's name has {size} bytes, expected at most {most}, because files with longer "
            "names lie beside it (such as -journal)",
        )


def check_link(path: str) -> None:
    """Raise DatabaseRefused for a link to where there is no folder to make the file in."""
    check_text(path)
    if _is_link(path) and _looked_at(path) is None:
        target = Path(os.path.realpath(path))
        if not target.parent.is_dir():
            raise errors.DatabaseRefused(
                f"{path} is a link to {target}, and the folder {target.parent} does not exist: "
                "make the folder, or let the link lead to another one",
                path,
            )


def which(path: str) -> tuple[int, int] | None:
    """Which file this is, whatever its name; None if there is none."""
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def has_log(path: str) -> bool:
    """Say whether the file has a write-ahead log with something in it."""
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except OSError:
        return False


def may_write(path: str) -> bool:
    """Say whether this user may write beside the file, and to its shared memory."""
    memory = Path(f"{path}-shm")
    return memory.is_file() and all(os.access(each, os.W_OK) for each in (memory, memory.parent))


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False


def _looked_at(path: str) -> os.stat_result | None:
    """What is there, if anything."""
    try:
        return os.stat(path)  # noqa: PTH116  # Path.exists() would hide why it failed
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        _check_folder(path)
        return None
    except OSError as error:
        _refuse(path, error)


def _refuse(path: str, error: OSError) -> NoReturn:
    """Say why a path cannot be looked at."""
    match error.errno:
        case errno.ELOOP:
            refusal: errors.DatabaseError = errors.DatabaseRefused(
                f"{path} is reached by links that lead back to themselves, not to a file", path
            )
        case errno.ENAMETOOLONG:
            refusal = errors.DatabaseRefused(
                f"{path} is too long for this system, or a part of it is: use a shorter path", path
            )
        case errno.EACCES | errno.EPERM:
            refusal = errors.DatabaseReadOnly(
                f"{path} cannot be looked at ({error.strerror}): check that this user may enter "
                "every folder of the path",
                path,
            )
        case _:
            refusal = errors.ReadFailed(
                f"{path} cannot be looked at ({error.strerror}); nothing was changed", path
            )
    raise refusal from error


def _refuse_long(path: str, why: str) -> NoReturn:
    raise errors.DatabaseRefused(f"{path} is too long: {why}. Use a shorter path", path)


def _name_bytes(folder: str) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except OSError:
        return _NAME_BYTES


def _check_file(path: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise errors.DatabaseRefused(f"{path} is a folder, expected a file", path)
    if not stat.S_ISREG(found.st_mode):
        raise errors.DatabaseRefused(f"{path} is a device or a pipe, expected a file", path)
    if 0 < found.st_size < 512:
        # Too short for a first page: SQLite takes some such files for empty ones.
        raise errors.DatabaseRefused(f"{path} is not a SQLite database; it is left untouched", path)
    if found.st_nlink > 1:
        raise errors.DatabaseRefused(
            f"{path} has other names (hard links): opened by two of them, it would lose jobs. "
            "Remove the other names, or copy the file",
            path,
        )


def _check_folder(path: str) -> None:
    """Raise where there is no folder to make the file in."""
    folder = Path(path).parent
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        raise errors.DatabaseRefused(
            f"{path} cannot be made: the folder {folder} does not exist", path
        ) from None
    except NotADirectoryError:
        is_folder = False
    except OSError as error:
        _refuse(path, error)
    if not is_folder:
        raise errors.DatabaseRefused(
            f"{path} cannot be made: {folder}, or a part of it, is not a folder", path
        )


def _check_ground(path: str) -> None:
    on = ground(path)
    if on.sort == "network":
        raise errors.DatabaseRefused(
            f"{path} is on a network file system ({on.kind}), where SQLite's locks do not hold; "
            "use a local disk",
            path,
        )
    if on.sort == "shared":
        raise errors.DatabaseRefused(
            f"{path} is on a file system that a virtual machine or container shares with its host "
            f"({on.kind}). SQLite's locks and its write-ahead log do not work across the two, and "
            "databases there get damaged. Use a disk of the machine itself: with Docker or Podman "
            "a named volume (`-v jobs:/data`), in WSL a folder of Linux such as the home folder",
            path,
        )
    if path in _told:
        return
    if on.sort == "served":
        _told.add(path)
        log.warning(
            "%s is on a file system that a program serves (%s), and nobody can tell whether "
            "SQLite's locks and syncs work there: make sure that they do, or use a disk of this "
            "machine", path, on.kind,
        )  # fmt: skip
    if on.alone:
        _told.add(path)
        log.warning(
            "%s is mounted as a single file, so %s-wal, which holds the newest jobs, and %s are "
            "not where it is, and are lost with the container: mount the folder of the file "
            "instead", path, path, folder_of(path),
        )  # fmt: skip
