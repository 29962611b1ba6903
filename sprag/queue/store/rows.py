"""Running the named statements of `queries.sql`, and the rows they return."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

from ..sql.statements import STATEMENTS
from ..states import Status

Row = tuple[Any, ...]


def rows_of(connection: apsw.Connection, name: str, **bindings: Any) -> list[Row]:
    """All rows of a named statement."""
    rows: list[Any] = connection.execute(STATEMENTS[name], bindings).fetchall()
    return rows


def each_of(connection: apsw.Connection, name: str, **bindings: Any) -> Iterator[Row]:
    """The rows of a named statement one by one, as far as it gets."""
    yield from connection.execute(STATEMENTS[name], bindings)


def row_of(connection: apsw.Connection, name: str, **bindings: Any) -> Row | None:
    """The first row of a named statement, None if it has none."""
    rows = rows_of(connection, name, **bindings)
    return rows[0] if rows else None


def value_of(connection: apsw.Connection, name: str, **bindings: Any) -> Any:
    """The value of a named statement with one column and at most one row; None if it has none."""
    return connection.execute(STATEMENTS[name], bindings).get


def changed_by(connection: apsw.Connection, name: str, **bindings: Any) -> int:
    """Run a named statement that returns no rows; how many rows of a table it changed."""
    connection.execute(STATEMENTS[name], bindings)
    return connection.changes()


def run(connection: apsw.Connection, name: str, *values: Any) -> None:
    """Run a named statement for what it does, at half the cost: its parameters are passed in the
    order in which it names them."""
    connection.execute(STATEMENTS[name], values)


def shown(row: Row) -> Row:
    """A row whose texts came as bytes; bytes that are not UTF-8 become U+FFFD."""
    return tuple(cell.decode(errors="replace") if isinstance(cell, bytes) else cell for cell in row)


def queue_names(connection: apsw.Connection) -> list[str]:
    """The names of all queues that have a job or a schedule, or are paused."""
    return [name for (name,) in rows_of(connection, "queues")]


def newest_keys(
    connection: apsw.Connection, queue: str, status: Status, before: int, count: int, low: int = 0
) -> list[int]:
    """The keys of jobs of one queue and status from `low` up to `before`, newest first."""
    name = "queued_keys" if status == "queued" else "keys"
    return _keys(connection, name, queue, status, before=before, low=low, count=count)


def oldest_keys(
    connection: apsw.Connection, queue: str, status: Status, after: int, high: int, count: int
) -> list[int]:
    """The keys of jobs of one queue and status after `after` up to `high`, oldest first."""
    name = "queued_keys_upward" if status == "queued" else "keys_upward"
    return _keys(connection, name, queue, status, after=after, high=high, count=count)


def _keys(
    connection: apsw.Connection, name: str, queue: str, status: Status, **bounds: int
) -> list[int]:
    bindings: dict[str, Any] = {"queue": queue, **bounds}
    if status != "queued":
        bindings["status"] = status
    return [key for (key,) in rows_of(connection, name, **bindings)]


@contextmanager
def savepoint(connection: apsw.Connection) -> Iterator[None]:
    """What fails in the block is undone, and nothing else of the transaction."""
    rows_of(connection, "savepoint")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            rows_of(connection, "undo")
            rows_of(connection, "keep")
        raise
    rows_of(connection, "keep")
