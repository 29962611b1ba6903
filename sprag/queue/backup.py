"""A copy of the database that can be opened as one, taken while work goes on."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .database import Database
from .disk import sync, sync_folder
from .errors import DatabaseCorrupt, DatabaseError, DatabaseRefused
from .journal import Journal


def backup(database: Database, target: str) -> None:
    """Write the state of one instant to the new file `target`; appears there only when whole.

    No process of the original runs jobs in the copy, so what was running is
    given back to its queue there, without costing an attempt. Raises
    DatabaseCorrupt where the pages of the original are damaged.
    """
    if os.path.lexists(target):
        raise DatabaseRefused(f"{target} exists already; a backup is a new file", target)
    if not Path(target).parent.is_dir():
        raise DatabaseRefused(f"{target} cannot be made: its folder does not exist", target)
    # A name of its own: what is cleaned up below is never another's.
    partial = f"{target}.{os.urandom(4).hex()}.partial"
    try:
        database.backup(partial)
        copy = Database(partial, "full", vfs=database.vfs)
        try:
            journal = Journal(copy)
            damage = journal.damage()
            if damage is not None:
                # To write to it would make it worse, and to keep it would hide what is the matter.
                raise DatabaseCorrupt(
                    f"{database.path} is damaged ({damage}), so a copy would be as well: none was "
                    "made. `sprag check` tells more",
                    database.path,
                )
            for owner, *_ in journal.owners():
                journal.leave(owner)
        finally:
            copy.close()
        with Path(partial).open("rb") as file:
            sync(file.fileno())
        os.link(partial, target)
        sync_folder(Path(target).parent)
    except FileExistsError as error:
        raise DatabaseRefused(f"{target} exists already; a backup is a new file", target) from error
    except OSError as error:
        raise DatabaseError(
            f"{database.path} cannot be copied to {target}: {error.strerror}", target
        ) from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                Path(partial + suffix).unlink()
