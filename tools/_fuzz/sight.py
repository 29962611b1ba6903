"""What plain SQLite and the oracle see in a damaged file."""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import apsw

import _oracle as oracle

from .specimens import lay, plain, specimens


@dataclass
class Sight:
    """What plain SQLite sees in a damaged file."""

    jobs: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Queue and status of each job that can be read whole, by its id, and is as it should be."""
    sound: bool = False
    """Whether SQLite itself finds nothing wrong with it."""
    problems: list[str] | None = None
    """What the oracle says; None where it cannot read the file."""
    own_schema: bool = True
    """Whether tables, indexes, triggers and views are those of a healthy file."""
    own_header: bool = True
    """Whether it is marked as a file of sprag's, in the format of a healthy one."""


_ID: Final = re.compile("[0-9a-f]{32}")
_JOB: Final = (
    "SELECT job.*, progress.* FROM job LEFT JOIN progress ON progress.job = job.key AND "
    "progress.starts = job.starts WHERE job.id = ? AND typeof(job.item) = 'text' "
    "AND typeof(job.queue) = 'text' AND typeof(job.label) IN ('text', 'null') "
    "AND typeof(job.error) IN ('text', 'null') AND typeof(job.attempt) = 'integer' "
    "AND typeof(job.starts) = 'integer' AND typeof(job.max_attempts) = 'integer' "
    "AND typeof(job.priority) = 'integer' AND typeof(job.crashes) = 'integer' "
    "AND typeof(job.due_at) = 'real' AND typeof(job.created_at) = 'real'"
)


_SCHEMA: Final = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
_HEADER: Final = ("PRAGMA application_id", "PRAGMA user_version")


@functools.cache
def _shape() -> tuple[list[Any], list[Any]]:
    """Schema and marks of a healthy file."""
    with TemporaryDirectory(prefix="sprag-fuzz-") as room:
        path = lay(specimens()["closed"], Path(room) / "healthy")
        with plain(path) as connection:
            schema = connection.execute(_SCHEMA).fetchall()
            return schema, [connection.execute(one).get for one in _HEADER]


def sight(path: Path) -> Sight:
    """Look at a file without sprag."""
    seen = Sight()
    if not path.is_file():
        return seen
    with suppress(apsw.Error, UnicodeDecodeError), plain(path) as connection:
        answer = connection.execute("PRAGMA integrity_check").fetchall()
        seen.sound = answer == [("ok",)]
        schema, header = _shape()
        seen.own_schema = connection.execute(_SCHEMA).fetchall() == schema
        seen.own_header = [connection.execute(one).get for one in _HEADER] == header
        with suppress(apsw.Error, UnicodeDecodeError, ValueError, TypeError, AttributeError):
            seen.problems = oracle.audit(connection)
        ids: list[Any] = []
        with suppress(apsw.Error):
            ids.extend(id_ for (id_,) in connection.execute("SELECT CAST(id AS BLOB) FROM job"))
        wrong = " ".join(seen.problems or ())
        for raw in ids:
            with suppress(apsw.Error, UnicodeDecodeError, ValueError):
                id_ = raw.decode()
                rows: list[Any] = connection.execute(_JOB, (id_,)).fetchall()
                if len(rows) == 1 and _ID.fullmatch(id_) and id_ not in wrong:
                    seen.jobs[id_] = (rows[0][2], rows[0][3])
    return seen
