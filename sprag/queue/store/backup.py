"""A copy of the database, which is a database too, made while work goes on."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..errors import DatabaseCorrupt, DatabaseError, DatabaseRefused
from ..file.beside import adapt
from ..file.database import Database
from ..file.disk import sync, sync_folder
from ..file.place import check_length
from .store import Store


def backup(database: Database, target: str) -> None:
    """Write the state of one instant to the new file `target`, which appears only when complete.

    It has the mode of the original, and its group if this user may give it that. No process of
    the original runs jobs in the copy, so what was running is given back to its queue there,
    without costing an attempt. Raises DatabaseCorrupt if pages of the original are damaged.
    """
    if os.path.lexists(target):
        raise DatabaseRefused(f"{target} exists already; a backup is a new file", target)
    if not Path(target).parent.is_dir():
        raise DatabaseRefused(f"{target} cannot be made: its folder does not exist", target)
    # A unique name, so that the clean-up below never removes another process's file.
    partial = f"{target}.{os.urandom(4).hex()}.partial"
    check_length(partial, shown=target, system=database.vfs is None)
    try:
        # SQLite takes an empty file for a new database. Nobody else could ever read this one.
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        database.backup(partial)
        copy = Database(partial, "full", vfs=database.vfs)
        try:
            store = Store(copy)
            damage = store.audit.damage()
            if damage is not None:
                # Writing to it would make it worse, and keeping it would hide the damage.
                raise DatabaseCorrupt(
                    f"{database.path} is damaged ({damage}), so a copy would be too, and none "
                    "was made. `sprag check` says more",
                    database.path,
                )
            for owner in store.owners.all():
                store.owners.leave(owner.id)
        finally:
            copy.close()
        with Path(partial).open("rb") as file:
            adapt(file.fileno(), database.path)
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
