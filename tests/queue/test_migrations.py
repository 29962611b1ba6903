"""Files of older formats are brought to ours when they are opened, or refused.

There is no older format yet that can be. So the format of today is the older one here, and the
newer ones are made up.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sprag.queue import DatabaseError, DatabaseRefused
from sprag.queue.file import identity
from sprag.queue.file.database import Database
from sprag.queue.file.identity import FORMAT
from sprag.queue.sql.statements import MIGRATIONS
from tests.conftest import MakeQueue
from tests.support import finished, raw, sql

STEPS = (
    """
    ALTER TABLE job ADD COLUMN colour TEXT CHECK (colour <> '');
    CREATE TABLE paint (colour TEXT PRIMARY KEY) STRICT
    """,
    # A move more, as a new feature may need one.
    """
    DROP TRIGGER move_unadded;
    INSERT INTO move (id, event, source, target) VALUES (16, 'skip', 'queued', 'completed');
    CREATE TRIGGER move_unadded BEFORE INSERT ON move
    BEGIN
        SELECT RAISE(ABORT, 'the table of moves is fixed');
    END;
    INSERT INTO paint VALUES ('red'); UPDATE job SET colour = (SELECT colour FROM paint)
    """,
)


@pytest.fixture
def old(make_queue: MakeQueue, database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of today's format, with a job that waits and one that was cancelled, while sprag is
    two formats on."""
    with make_queue() as queue:
        queue.stop()
        queue.enqueue("first")
        queue.cancel(queue.enqueue(2).id)
    for number, script in enumerate(STEPS, FORMAT + 1):
        monkeypatch.setitem(MIGRATIONS, number, script)
    monkeypatch.setattr(identity, "FORMAT", FORMAT + len(STEPS))
    return database


def schema(path: Path) -> list[tuple[str]]:
    return sorted(sql(path, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))


def test_there_is_a_step_to_every_format_since_the_first() -> None:
    assert sorted(MIGRATIONS) == list(range(5, FORMAT + 1))


@pytest.mark.parametrize("format_", [1, 2, 3])
def test_a_file_from_before_the_first_release_is_refused_and_left(
    make_queue: MakeQueue, database: Path, format_: int
) -> None:
    queue = make_queue()
    queue.counts()
    queue.stop()
    sql(database, f"PRAGMA user_version = {format_}")
    before = database.read_bytes()
    with pytest.raises(DatabaseRefused) as refusal:
        make_queue().counts()
    assert database.read_bytes() == before
    said = str(refusal.value)
    assert f"has format {format_}, written before the first release" in said
    assert f"knows format {FORMAT}" in said
    assert "move it away" in said


def test_an_older_file_keeps_its_jobs_and_takes_new_ones(make_queue: MakeQueue, old: Path) -> None:
    queue = make_queue()
    first, second = reversed(queue.jobs().jobs)
    assert (first.item, second.status) == ("first", "cancelled")
    new = queue.enqueue("new")
    queue.start()
    assert [job.result for job in finished(queue, first, new)] == ["first", "new"]
    assert [move.event for move in queue.history(second.id)] == ["enqueue", "cancel"]
    assert sql(old, "PRAGMA user_version") == [(FORMAT + 2,)]
    assert sql(old, "SELECT colour FROM job ORDER BY key") == [("red",), ("red",), (None,)]
    assert sql(old, "PRAGMA integrity_check") == [("ok",)]


def test_the_moves_of_a_newer_format_are_legal_and_no_others(
    make_queue: MakeQueue, old: Path
) -> None:
    make_queue().counts()
    sql(old, """UPDATE job SET status = 'completed', event = 'skip', result = '1' WHERE key = 1""")
    with pytest.raises(Exception, match="legal_move"):
        sql(old, "UPDATE job SET status = 'completed', event = 'skip', result = '1' WHERE key = 2")
    with pytest.raises(Exception, match="the table of moves is fixed"):
        sql(old, "INSERT INTO move (id, event, target) VALUES (17, 'appear', 'running')")


def test_connections_that_migrate_at_once_do_it_once(old: Path) -> None:
    start = threading.Barrier(4)
    failed: list[DatabaseError] = []

    def open_it() -> None:
        try:
            start.wait()
            Database(str(old), "full").close()
        except DatabaseError as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sql(old, "PRAGMA user_version") == [(FORMAT + 2,)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    make_queue: MakeQueue, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema(old)
    monkeypatch.setitem(MIGRATIONS, FORMAT + 2, STEPS[1] + "; SELECT nonsense()")
    with pytest.raises(DatabaseError, match="nonsense"):
        make_queue().counts()
    assert schema(old) == before
    assert sql(old, "PRAGMA user_version") == [(FORMAT,)]


def test_a_file_that_two_formats_lie_behind_takes_only_the_steps_that_it_lacks(
    make_queue: MakeQueue, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(identity, "FORMAT", FORMAT + 1)
        earlier.delitem(MIGRATIONS, FORMAT + 2)
        Database(str(old), "full").close()
        assert sql(old, "PRAGMA user_version") == [(FORMAT + 1,)]
    with raw(old) as file:
        assert file.execute("SELECT count(*) FROM paint").get == 0
    make_queue().counts()
    assert sql(old, "SELECT colour FROM paint") == [("red",)]
