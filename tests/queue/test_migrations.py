"""Files of older formats are brought to ours when they are opened."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sprag.queue import DatabaseError
from sprag.queue.file.database import Database
from sprag.queue.file.identity import APPLICATION_ID, FORMAT
from sprag.queue.sql.statements import MIGRATIONS
from tests.conftest import MakeQueue
from tests.support import finished, raw, sql

FORMAT_1 = Path(__file__).with_name("format_1.sql").read_text(encoding="utf-8")


@pytest.fixture
def old(database: Path) -> Path:
    """A file of format 1 with a job that waits and one that was cancelled."""
    with raw(database) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute(FORMAT_1)
        file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        file.execute("PRAGMA user_version = 1")
        file.execute("""INSERT INTO job (queue, item) VALUES ('work', '"first"'), ('work', '2')""")
        file.execute("UPDATE job SET status = 'cancelled', event = 'cancel' WHERE item = '2'")
    return database


def columns(path: Path, table: str) -> list[str]:
    return sorted(name for (name,) in sql(path, f"SELECT name FROM pragma_table_info('{table}')"))


def objects(path: Path) -> list[tuple[str, str]]:
    return sorted(sql(path, "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"))


def test_there_is_a_step_to_every_format_but_the_first() -> None:
    assert sorted(MIGRATIONS) == list(range(2, FORMAT + 1))


def test_an_older_file_keeps_its_jobs_and_takes_new_ones(make_queue: MakeQueue, old: Path) -> None:
    queue = make_queue()
    first, second = reversed(queue.jobs().jobs)
    assert (first.item, first.audience, second.status) == ("first", None, "cancelled")
    new = queue.enqueue("new", audience="user:1")
    queue.start()
    assert [job.result for job in finished(queue, first, new)] == ["first", "new"]
    assert [move.event for move in queue.history(second.id)] == ["enqueue", "cancel"]
    assert sql(old, "PRAGMA user_version") == [(FORMAT,)]
    assert sql(old, "PRAGMA integrity_check") == [("ok",)]


def test_a_migrated_file_has_all_that_a_new_one_has(
    make_queue: MakeQueue, old: Path, tmp_path: Path
) -> None:
    make_queue().counts()
    make_queue(database=tmp_path / "new.db").counts()
    assert objects(old) == objects(tmp_path / "new.db")
    assert columns(old, "job") == columns(tmp_path / "new.db", "job")


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
    assert sql(old, "PRAGMA user_version") == [(FORMAT,)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    make_queue: MakeQueue, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = objects(old), columns(old, "job")
    monkeypatch.setitem(MIGRATIONS, 2, MIGRATIONS[2] + "; SELECT nonsense()")
    with pytest.raises(DatabaseError, match="nonsense"):
        make_queue().counts()
    assert (objects(old), columns(old, "job")) == before
    assert sql(old, "PRAGMA user_version") == [(1,)]
