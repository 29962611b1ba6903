"""What SQLite's errors mean for the user of a file."""

from __future__ import annotations

from typing import Final

import apsw

from .. import errors

ENVIRONMENT: Final = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.ProtocolError,
    apsw.FullError,
    apsw.NoMemError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.IOError,
    apsw.CantOpenError,
    errors.QueueClosed,
)
"""What is wrong with the disk or the lock is so for every write: trying each one again would only
multiply the wait."""

SPOILS: Final = (apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError)
"""After these the writer may be one that cannot write any more."""

UNKNOWN: Final = (apsw.IOError, apsw.NoMemError)
"""What says of a COMMIT neither that it took place nor that it did not."""


def meaning(
    error: apsw.Error | UnicodeError, path: str, *, busy_seconds: float, writing: bool
) -> errors.QueueError:
    """Our error for an error of SQLite, which came from a write or a read of the file at `path`.

    A read stores nothing, so whether anything was stored is never in doubt after one.
    """
    stored = "; nothing was stored" if writing else "; nothing was read"
    match error:
        case UnicodeDecodeError():
            # SQLite stores any bytes: another program may have written some that are not UTF-8.
            return errors.DatabaseCorrupt(
                f"{path} holds text that is not valid UTF-8 ({error})", path
            )
        case UnicodeError():
            return errors.ConfigurationError(
                f"expected valid text, got some with a lone surrogate ({error})"
            )
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return errors.DatabaseLocked(
                f"{path} is locked by another connection that did not let go within "
                f"{busy_seconds:g} s{stored}",
                path,
            )
        case apsw.FullError():
            return errors.DatabaseFull(f"the disk of {path} is full{stored}", path)
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return errors.DatabaseReadOnly(
                f"{path}, its -wal or -shm file, or their folder is read-only for this user", path
            )
        case apsw.CantOpenError():
            return errors.DatabaseReadOnly(
                f"{path} cannot be opened ({error}): check that this user may write to its folder, "
                "may read and write the file and those named -wal and -shm beside it, and that "
                "this process may open more files",
                path,
            )
        case apsw.NotADBError():
            return errors.DatabaseRefused(
                f"{path} is not a SQLite database; it is left untouched", path
            )
        case apsw.CorruptError():
            return errors.DatabaseCorrupt(
                f"{path} is damaged ({error}): run `sprag check`, and restore a backup", path
            )
        case apsw.NoMemError() | apsw.IOError():
            return _failed(error, path, writing=writing)
        case _:
            return errors.DatabaseError(f"{path}: {error}", path)


def _failed(error: apsw.Error | UnicodeError, path: str, *, writing: bool) -> errors.DatabaseError:
    memory = isinstance(error, apsw.NoMemError)
    if writing:
        what = "no memory was left to use" if memory else "the disk failed under"
        return errors.WriteUnknown(
            f"{what} {path} ({error}); whether the last change was stored is unknown, and "
            "repeating it with the same job id is safe",
            path,
        )
    what = "no memory was left to open or read" if memory else "the disk failed when asked for"
    return errors.ReadFailed(f"{what} {path} ({error}); this call has changed no job", path)
