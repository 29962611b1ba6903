"""The schema by itself: what it refuses whoever writes, tried with raw SQL on a real file."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sprag.queue import Job, QueueService, states
from sprag.queue.ids import is_job_id
from sprag.queue.sql.statements import STATEMENTS
from sprag.queue.states import MOVES, OWNED, STATUSES, Event, Folded, Status, fold
from tests.conftest import MakeQueue
from tests.support import Seen, finished, python, sql

EVENTS: tuple[Event, ...] = tuple(dict.fromkeys(move.event for move in MOVES))
SOURCES: tuple[Status | None, ...] = (None, *STATUSES)

# The shortest way into each state that leaves an attempt behind, so that a release
# is not refused for taking the attempts below zero.
WAYS: dict[Status, tuple[Event, ...]] = {
    "queued": ("start", "retry"),
    "running": ("start",),
    "cancelling": ("start", "cancel"),
    "completed": ("start", "complete"),
    "failed": ("start", "fail"),
    "cancelled": ("start", "cancel", "confirm"),
}


@pytest.fixture
def file(make_queue: MakeQueue, database: Path) -> Iterator[apsw.Connection]:
    """A plain connection to a new file of ours, without the settings of the package."""
    with make_queue() as queue:
        queue.counts()
    connection = apsw.Connection(str(database))
    yield connection
    connection.close()


def insert(file: apsw.Connection, **columns: Any) -> int:
    """The key of a new job."""
    columns = {"queue": "work", "item": "1", **columns}
    names = ", ".join(columns)
    marks = ", ".join(f":{name}" for name in columns)
    return int(
        file.execute(f"INSERT INTO job ({names}) VALUES ({marks}) RETURNING key", columns).get
    )


def move(file: apsw.Connection, key: int, event: str, status: str, **columns: Any) -> None:
    """Set what a move sets, its implications too, as a program that knows the rules would."""
    columns = {
        "attempt = attempt + 1": event == "start",
        "starts = starts + 1": event == "start",
        "attempt = attempt - 1": event == "release",
        "crashes = crashes + 1": event in ("recover", "lose"),
        "attempt = 0, crashes = 0": event == "requeue",
        "owner = coalesce(owner, 1)": status in OWNED,
        "owner = NULL": status not in OWNED,
        "result = '1'": status == "completed",
        "result = NULL": status != "completed",
        **{f"{name} = {value}": True for name, value in columns.items()},
    }
    implied = ", ".join(name for name, wanted in columns.items() if wanted)
    file.execute(
        f"UPDATE job SET event = ?, status = ?, {implied} WHERE key = ?", (event, status, key)
    )


def bring(file: apsw.Connection, status: Status) -> int:
    """The key of a new job that was brought into this state."""
    key = insert(file)
    at: Status = "queued"
    for event in WAYS[status]:
        after = states.target(at, event)
        assert after is not None
        move(file, key, event, after)
        at = after
    assert at == status
    return key


def row(file: apsw.Connection, key: int) -> Folded:
    found = file.execute(
        "SELECT status, attempt, starts, crashes, owner FROM job WHERE key = ?", (key,)
    ).fetchone()
    assert found is not None
    return Folded(*found)


def journal(file: apsw.Connection, key: int) -> list[Any]:
    return file.execute(
        "SELECT event, from_status, to_status FROM transition WHERE job = ? ORDER BY seq", (key,)
    ).fetchall()


def refused(file: apsw.Connection, statement: str, bindings: Any = None) -> str:
    """What the schema says against a statement that must leave nothing behind."""
    before = file.execute("SELECT * FROM job ORDER BY key").fetchall()
    told = file.execute("SELECT * FROM transition ORDER BY seq").fetchall()
    with pytest.raises(apsw.ConstraintError) as refusal:
        file.execute(statement, bindings)
    assert file.execute("SELECT * FROM job ORDER BY key").fetchall() == before
    assert file.execute("SELECT * FROM transition ORDER BY seq").fetchall() == told
    return str(refusal.value)


# ---------------------------------------------------------------- the moves


def accepted(file: apsw.Connection, key: int | None, event: str, status: str) -> bool:
    """Whether the schema takes this move; the refusal must be that of the edge, no other."""
    file.execute("SAVEPOINT attempt")
    try:
        if key is None:
            owner = 1 if status in OWNED else None
            result = "1" if status == "completed" else None
            insert(file, event=event, status=status, owner=owner, result=result)
        else:
            move(file, key, event, status)
    except apsw.ConstraintError as error:
        told = str(error)
    else:
        return True
    finally:
        file.execute("ROLLBACK TO attempt; RELEASE attempt")
    assert "legal_move" in told
    return False


def test_python_and_schema_agree_on_every_triple(file: apsw.Connection) -> None:
    keys = {status: bring(file, status) for status in STATUSES}
    taken = set()
    for source, event, status in itertools.product(SOURCES, EVENTS, STATUSES):
        key = keys[source] if source is not None else None
        says = accepted(file, key, event, status)
        assert says == (states.target(source, event) == status), (source, event, status)
        if says:
            taken.add((source, event, status))
    assert taken == {move[:3] for move in MOVES}


def test_the_schema_s_table_of_moves_is_that_of_python(file: apsw.Connection) -> None:
    rows = file.execute("SELECT source, event, target FROM move ORDER BY id").fetchall()
    assert sorted(rows, key=repr) == sorted((move[:3] for move in MOVES), key=repr)


def test_an_event_that_has_no_name_is_refused(file: apsw.Connection) -> None:
    for event in ("", "finish", "ENQUEUE", "progress"):
        assert not accepted(file, None, event, "queued")
        assert not accepted(file, bring(file, "running"), event, "completed")


@settings(
    max_examples=40,
    deadline=None,
    # The file is shared by the examples, each with a job of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_the_row_is_the_fold_of_its_journal_on_any_walk(
    file: apsw.Connection, data: st.DataObject
) -> None:
    key = insert(file)
    job = fold(None, "enqueue")
    told: list[tuple[str, str | None, str]] = [("enqueue", None, "queued")]
    for _ in range(data.draw(st.integers(0, 15))):
        event = data.draw(st.sampled_from(EVENTS))
        status = data.draw(st.sampled_from(STATUSES))
        if states.target(job.status, event) == status:
            told.append((event, job.status, status))
            job = fold(job, event, 1)
            move(file, key, event, status)
        else:
            with pytest.raises(apsw.ConstraintError):
                move(file, key, event, status)
        assert row(file, key) == job
        assert journal(file, key) == told


def test_the_journal_tells_attempt_owner_time_and_error_of_each_move(file: apsw.Connection) -> None:
    key = insert(file, moved_at=100.0, due_at=100.5)
    move(file, key, "start", "running", owner=1, moved_at=101.0)
    move(file, key, "retry", "queued", moved_at=102.0, due_at=103.0, error="'{\"a\": 1}'")
    move(file, key, "start", "running", moved_at=104.0, error="NULL")
    move(file, key, "release", "queued", moved_at=105.0)
    assert file.execute(
        "SELECT event, attempt, owner, at, due_at, error FROM transition WHERE job = ?", (key,)
    ).fetchall() == [
        ("enqueue", 0, None, 100.0, 100.5, None),
        ("start", 1, 1, 101.0, None, None),
        ("retry", 1, 1, 102.0, 103.0, '{"a": 1}'),
        ("start", 2, 1, 104.0, None, None),
        ("release", 2, 1, 105.0, 103.0, None),
    ]


def test_seq_grows_by_one_over_all_jobs(file: apsw.Connection) -> None:
    for status in STATUSES:
        bring(file, status)
    seqs = [seq for (seq,) in file.execute("SELECT seq FROM transition ORDER BY seq")]
    assert seqs == list(range(1, len(seqs) + 1))


# ---------------------------------------------------------------- what follows from an event


@pytest.mark.parametrize(
    ("status", "event", "target", "forged"),
    [
        ("queued", "start", "running", "attempt = attempt + 2"),
        ("queued", "start", "running", "attempt = attempt"),
        ("queued", "start", "running", "starts = starts"),
        ("queued", "start", "running", "crashes = crashes + 1"),
        ("running", "release", "queued", "attempt = attempt"),
        ("running", "release", "queued", "starts = starts - 1"),
        ("running", "retry", "queued", "attempt = attempt - 1"),
        ("running", "retry", "queued", "attempt = 0"),
        ("running", "recover", "queued", "crashes = crashes"),
        ("running", "recover", "queued", "crashes = crashes + 2"),
        ("running", "lose", "failed", "crashes = crashes"),
        ("running", "complete", "completed", "attempt = 5"),
        ("running", "fail", "failed", "crashes = crashes + 1"),
        ("running", "cancel", "cancelling", "starts = starts + 1"),
        ("failed", "requeue", "queued", "attempt = attempt"),
        ("failed", "requeue", "queued", "crashes = 3"),
    ],
)
def test_counts_that_do_not_follow_from_the_event_are_refused(
    file: apsw.Connection, status: Status, event: str, target: str, forged: str
) -> None:
    key = bring(file, status)
    owner = "owner = coalesce(owner, 1)" if target in OWNED else "owner = NULL"
    result = "'1'" if target == "completed" else "NULL"
    # The last of several assignments to a column is the one that counts.
    implied = {
        "start": "attempt = attempt + 1, starts = starts + 1",
        "release": "attempt = attempt - 1",
        "recover": "crashes = crashes + 1",
        "lose": "crashes = crashes + 1",
        "requeue": "attempt = 0, crashes = 0",
    }.get(event, "attempt = attempt")
    said = refused(
        file,
        f"UPDATE job SET event = '{event}', status = '{target}', {owner}, result = {result}, "
        f"{implied}, {forged} WHERE key = {key}",
    )
    assert "do not follow from the event" in said


def test_a_running_job_cannot_change_its_owner(file: apsw.Connection) -> None:
    key = bring(file, "running")
    said = refused(file, f"UPDATE job SET owner = 2 WHERE key = {key}")
    assert "do not follow from the event" in said
    said = refused(
        file,
        f"UPDATE job SET status = 'cancelling', event = 'cancel', owner = 2 WHERE key = {key}",
    )
    assert "do not follow from the event" in said


def test_a_job_has_an_owner_exactly_while_it_runs(file: apsw.Connection) -> None:
    queued, running = bring(file, "queued"), bring(file, "running")
    said = refused(
        file,
        "UPDATE job SET status = 'running', event = 'start', attempt = attempt + 1, "
        f"starts = starts + 1 WHERE key = {queued}",
    )
    assert "owned_while_running" in said
    said = refused(file, f"UPDATE job SET status = 'failed', event = 'fail' WHERE key = {running}")
    assert "owned_while_running" in said


def test_a_job_has_a_result_exactly_when_it_is_completed(file: apsw.Connection) -> None:
    key = bring(file, "running")
    said = refused(
        file, f"UPDATE job SET status='completed', event='complete', owner=NULL WHERE key={key}"
    )
    assert "result_when_completed" in said
    said = refused(
        file,
        f"UPDATE job SET status='failed', event='fail', owner=NULL, result='1' WHERE key={key}",
    )
    assert "result_when_completed" in said


@pytest.mark.parametrize(
    "forged",
    [
        "event = 'requeue'",
        "status = 'queued'",
        "error = '{}'",
        "result = '2'",
        "attempt = 0",
        "crashes = 1",
        "starts = 9",
        "owner = 4",
    ],
)
def test_no_part_of_the_fold_changes_without_a_move(file: apsw.Connection, forged: str) -> None:
    key = bring(file, "completed")
    refused(file, f"UPDATE job SET {forged} WHERE key = {key}")


# ---------------------------------------------------------------- what never changes


@pytest.mark.parametrize(
    "forged",
    [
        "id = '0' || substr(id, 2)",
        "id = id",
        "queue = 'other'",
        "item = '2'",
        "created_at = 0",
        "audience = 'user:1'",
        "task = 'mail'",
        "lane = 'user:1'",
        "trace = 'x'",
        "key = key + 100",
        "rowid = 100",
        "_rowid_ = 100",
        "oid = 100",
    ],
)
@pytest.mark.parametrize("status", ["queued", "running", "completed"])
def test_identity_is_fixed(file: apsw.Connection, status: Status, forged: str) -> None:
    key = bring(file, status)
    assert "a job keeps its" in refused(file, f"UPDATE job SET {forged} WHERE key = {key}")


@pytest.mark.parametrize("status", ["queued", "running", "cancelling"])
def test_an_unfinished_job_cannot_be_deleted(file: apsw.Connection, status: Status) -> None:
    key = bring(file, status)
    said = refused(file, f"DELETE FROM job WHERE key = {key}")
    assert "only a completed, failed or cancelled job" in said


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_finished_job_takes_its_journal_and_progress_along(
    file: apsw.Connection, status: Status
) -> None:
    key = bring(file, status)
    file.execute("INSERT INTO progress VALUES (?, 1, 1, 2, 50.0, 'half', 1, 1)", (key,))
    moves = len(journal(file, key))
    kept = bring(file, "queued")
    file.execute("DELETE FROM job WHERE key = ?", (key,))
    assert journal(file, key) == []
    assert journal(file, kept) != []
    assert file.execute("SELECT count(*) FROM progress").get == 0
    assert file.execute("SELECT pruned FROM counter").get == moves


def test_the_job_of_the_newest_transition_cannot_be_deleted(file: apsw.Connection) -> None:
    key = bring(file, "completed")
    assert "append-only" in refused(file, f"DELETE FROM job WHERE key = {key}")


def test_a_seq_is_never_used_again(file: apsw.Connection) -> None:
    first, last = bring(file, "completed"), bring(file, "completed")
    head = file.execute("SELECT max(seq) FROM transition").get
    file.execute("DELETE FROM job WHERE key = ?", (first,))
    new = insert(file)
    assert file.execute("SELECT seq FROM transition WHERE job = ?", (new,)).get == head + 1
    file.execute("DELETE FROM job WHERE key = ?", (last,))
    assert file.execute("SELECT max(seq) FROM transition").get == head + 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET at = 0",
        "UPDATE journal SET seq = seq + 10",
        "UPDATE journal SET error = NULL WHERE seq = 1",
        "DELETE FROM journal",
        "DELETE FROM journal WHERE seq = 1",
        "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)",
    ],
)
def test_the_journal_is_append_only(file: apsw.Connection, statement: str) -> None:
    bring(file, "completed")
    assert "append-only" in refused(file, statement)


@pytest.mark.parametrize(
    "values",
    [
        "NULL, 2, 2, 'start', 'queued'",  # an edge, but the job has not moved
        "NULL, 1, 3, 'start', 'queued'",  # once more what the job did last
        "NULL, 1, 1, 'start', 'queued'",
        "NULL, 1, NULL, 'enqueue', NULL",
        "NULL, 2, NULL, 'enqueue', NULL",
        "NULL, 2, 2, 'enqueue', NULL",
        "NULL, 9, NULL, 'enqueue', NULL",  # of no job
        "NULL, 2, 2, 'finish', 'queued'",  # no move at all
        "1, 2, 2, 'start', 'queued'",
        "1000, 2, 2, 'start', 'queued'",
    ],
)
@pytest.mark.parametrize("verb", ["INSERT", "REPLACE", "INSERT OR IGNORE"])
def test_no_row_of_the_journal_can_be_forged(file: apsw.Connection, verb: str, values: str) -> None:
    assert insert(file) == 1
    assert insert(file) == 2
    move(file, 1, "start", "running")
    said = refused(
        file,
        f"WITH said (seq, job, previous, event, source) AS (VALUES ({values})) "
        f"{verb} INTO journal (seq, job, previous, move, attempt, at) "
        "SELECT seq, job, previous, (SELECT id FROM move WHERE move.event = said.event "
        "AND move.source IS said.source), 0, 0 FROM said",
    )
    assert "legal_move" in said


@pytest.mark.parametrize("policy", ["IGNORE", "REPLACE", "FAIL", "ROLLBACK"])
def test_no_conflict_clause_gets_an_illegal_move_past_the_journal(
    file: apsw.Connection, policy: str
) -> None:
    key = bring(file, "queued")
    said = refused(
        file,
        f"INSERT OR {policy} INTO job (queue, item, status, event, result) "
        "VALUES ('work', '1', 'completed', 'complete', '1')",
    )
    assert "legal_move" in said
    said = refused(
        file,
        f"UPDATE OR {policy} job SET status = 'completed', event = 'complete', result = '1' "
        f"WHERE key = {key}",
    )
    assert "legal_move" in said
    said = refused(file, f"REPLACE INTO job (key, queue, item) VALUES ({key}, 'work', '2')")
    assert "a key of its own" in said


@pytest.mark.parametrize("seq", ["0", "1", "2", "3", "NULL", "1000"])
def test_a_job_s_newest_move_cannot_be_made_another_one(file: apsw.Connection, seq: str) -> None:
    key = bring(file, "running")
    insert(file)
    assert "newest move" in refused(file, f"UPDATE job SET newest = {seq} WHERE key = {key}")


@pytest.mark.parametrize("seq", [1, 3, 4, 1000])
def test_a_seq_that_a_new_job_was_said_to_have_is_put_right_or_refused(
    file: apsw.Connection, seq: int
) -> None:
    bring(file, "running")
    if seq < 3:
        said = refused(file, f"INSERT INTO job (newest, queue, item) VALUES ({seq}, 'work', '1')")
        assert "legal_move" in said
        return
    key = insert(file, newest=seq)
    assert file.execute("SELECT newest FROM job WHERE key = ?", (key,)).get == 3
    assert file.execute("SELECT seq FROM transition WHERE job = ?", (key,)).get == 3


def test_jobs_of_one_statement_are_told_their_seq_even_if_some_are_left_out(
    file: apsw.Connection,
) -> None:
    insert(file, id="a" * 32)
    rows = tuple(letter * 32 + "1" for letter in "bacad")
    bindings = {
        **dict.fromkeys(re.findall(r":(\w+)", STATEMENTS["enqueue_many"])),
        "jobs": apsw.carray(rows), "queue": "work", "priority": 0, "max_attempts": 1,
        "max_crashes": 3, "waiting": 0, "now": 1.0, "due_at": 1.0,
    }  # fmt: skip
    file.execute(STATEMENTS["enqueue_many"], bindings)
    found = file.execute(
        "SELECT substr(id, 1, 1), newest, seq, previous "
        "FROM job JOIN transition ON job = key ORDER BY key"
    ).fetchall()
    assert found == [("a", 1, 1, None), ("b", 2, 2, None), ("c", 3, 3, None), ("d", 4, 4, None)]


def test_the_journal_leads_from_each_move_to_the_one_before(file: apsw.Connection) -> None:
    first, second = insert(file), insert(file)
    move(file, second, "start", "running")
    move(file, first, "start", "running")
    move(file, second, "retry", "queued")
    assert file.execute("SELECT key, newest FROM job").fetchall() == [(first, 4), (second, 5)]
    assert file.execute("SELECT seq, job, previous FROM transition ORDER BY seq").fetchall() == [
        (1, first, None), (2, second, None), (3, second, 2), (4, first, 1), (5, second, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO move (id, event, source, target) VALUES (99, 'hurry', 'queued', 'completed')",
        "UPDATE move SET target = 'completed' WHERE event = 'start'",
        "DELETE FROM move WHERE event = 'start'",
    ],
)
def test_the_table_of_moves_is_fixed(file: apsw.Connection, statement: str) -> None:
    assert "the table of moves is fixed" in refused(file, statement)


def test_a_unique_key_is_held_by_one_job_of_a_queue_and_not_taken_again(
    file: apsw.Connection,
) -> None:
    key = insert(file, unique_key="report", unique_for="unfinished")
    insert(file, queue="other", unique_key="report")
    said = refused(file, "INSERT INTO job (queue, unique_key, item) VALUES ('work', 'report', '1')")
    assert "UNIQUE" in said
    file.execute("UPDATE job SET unique_key = NULL WHERE key = ?", (key,))
    insert(file, unique_key="report")
    said = refused(file, f"UPDATE job SET unique_key = 'another' WHERE key = {key}")
    assert "lets it go" in said


# ---------------------------------------------------------------- new jobs


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"item": "{not json"}, "json_valid(item)"),
        ({"item": "NaN"}, "json_valid(item)"),
        ({"item": ""}, "json_valid(item)"),
        ({"item": None}, "NOT NULL"),
        ({"queue": ""}, "queue <> ''"),
        ({"queue": None}, "NOT NULL"),
        ({"id": "short"}, "length(id) = 32"),
        ({"id": None}, "NOT NULL"),
        ({"id": "A" * 32}, "GLOB"),
        ({"id": "a" * 31 + " "}, "GLOB"),
        ({"id": "a" * 31 + "ä"}, "GLOB"),
        ({"attempt": 1}, "a new job has no attempts"),
        ({"starts": 1}, "a new job has no attempts"),
        ({"crashes": 1}, "a new job has no attempts"),
        ({"attempt": -1}, "a new job has no attempts"),
        ({"owner": 1}, "owned_while_running"),
        ({"result": "1"}, "result_when_completed"),
        ({"status": "running", "owner": 1}, "legal_move"),
        ({"status": "completed", "result": "1"}, "legal_move"),
        ({"status": "running", "event": "start", "owner": 1}, "legal_move"),
        ({"status": "failed", "event": "fail"}, "legal_move"),
        ({"status": "done"}, "status IN"),
        ({"event": "start"}, "legal_move"),
        ({"event": None}, "NOT NULL"),
        ({"max_attempts": 0}, "max_attempts >= 1"),
        ({"max_crashes": 0}, "max_crashes >= 1"),
        ({"max_attempts": "many"}, "cannot store TEXT"),
        ({"priority": 1.5}, "cannot store REAL"),
        ({"due_at": "tomorrow"}, "cannot store TEXT"),
        ({"waiting": 2}, "waiting IN"),
        ({"key": 0}, "key > 0"),
        ({"key": -1}, "key > 0"),
        ({"key": 1}, "a key of its own"),
        ({"task": ""}, "task <> ''"),
        ({"time_limit": 0}, "time_limit > 0"),
        ({"unique_key": ""}, "unique_key <> ''"),
        ({"unique_for": "ever"}, "unique_for IN"),
        ({"backoff": "soon"}, "json_valid(backoff)"),
        ({"error": "oops"}, "json_valid(error)"),
        ({"item": b"\x01"}, "cannot store BLOB"),
    ],
    ids=lambda value: json.dumps(value, default=repr),
)
def test_a_new_job_that_makes_no_sense_is_refused(
    file: apsw.Connection, columns: dict[str, Any], reason: str
) -> None:
    insert(file)
    given = {"queue": "work", "item": "1", **columns}
    marks = ", ".join(f":{name}" for name in given)
    said = refused(file, f"INSERT INTO job ({', '.join(given)}) VALUES ({marks})", given)
    assert reason in said


def test_an_id_is_taken_once(file: apsw.Connection) -> None:
    insert(file, id="a" * 32)
    said = refused(file, f"INSERT INTO job (id, queue, item) VALUES ('{'a' * 32}', 'q', '1')")
    assert "UNIQUE" in said


# ---------------------------------------------------------------- another program's jobs

INSERT = "INSERT INTO job (queue, item) VALUES ('work', '{\"path\": \"a.jpg\"}')"


def test_a_plain_insert_is_a_whole_job(file: apsw.Connection) -> None:
    for _ in range(50):
        file.execute(INSERT)
    found: list[Any] = file.execute(
        "SELECT id, status, due_at, created_at FROM job ORDER BY key"
    ).fetchall()
    assert len({id_ for id_, *_ in found}) == 50
    for id_, status, due_at, created_at in found:
        assert is_job_id(id_)
        assert status == "queued"
        assert abs(due_at - created_at) < 1
        # The id begins with the time, as those made in Python do.
        assert abs(int(id_[:13], 16) / 1_000_000 - created_at) < 1
    assert [journal(file, key) for key in (1, 50)] == [[("enqueue", None, "queued")]] * 2


def test_the_product_runs_a_job_that_python_s_own_sqlite_inserted(
    make_queue: MakeQueue, database: Path
) -> None:
    with make_queue(lambda self, item: item["path"].upper()) as queue:
        done = python(
            """
            import sqlite3, sys
            with sqlite3.connect(sys.argv[1]) as file:
                file.execute(sys.argv[2])
            """,
            database,
            INSERT,
        )
        assert done.returncode == 0, done.stderr
        [(id_,)] = sql(database, "SELECT id FROM job")
        [job] = finished(queue, id_)
        assert (job.status, job.result, job.attempt) == ("completed", "A.JPG", 1)
        assert [moved.event for moved in queue.history(id_)] == ["enqueue", "start", "complete"]


def test_the_product_fails_a_job_whose_item_only_looks_tagged(
    make_queue: MakeQueue, database: Path
) -> None:
    with make_queue(max_attempts=5) as queue:
        sql(database, "INSERT INTO job (queue, item) VALUES ('work', '{\"$nonsense\": 1}')")
        job: Job = finished(queue, sql(database, "SELECT id FROM job")[0][0])[0]
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.type == "PayloadError"
    assert "$nonsense" in job.error.message


@pytest.mark.parametrize(
    ("columns", "values", "status"),
    [
        ("item", "CAST(x'22ff22' AS TEXT)", "failed"),  # JSON, but no UTF-8
        ("item, backoff", "'\"fail\"', '5'", "queued"),
        ("item, backoff", "'\"fail\"', '\"soon\"'", "completed"),
        ("item, backoff", "'\"fail\"', '[]'", "completed"),
        ("item, backoff", '\'"fail"\', \'{"first": "x"}\'', "completed"),
        ("item, backoff", "'\"fail\"', '{\"wait\": 5}'", "completed"),
    ],
)
def test_no_worker_dies_of_another_program_s_job(
    make_queue: MakeQueue, database: Path, columns: str, values: str, status: str
) -> None:
    seen = Seen()

    def handler(self: QueueService, item: str) -> None:
        if item == "fail" and self.current_job.attempt == 1:
            raise ValueError

    with make_queue(handler, worker_count=1, backoff=0) as queue:
        queue.subscribe(seen)
        sql(
            database,
            f"INSERT INTO job (queue, max_attempts, {columns}) VALUES ('work', 2, {values})",
        )
        [(id_,)] = sql(database, "SELECT id FROM job")
        # "queued" it is again after its start.
        seen.wait_status(id_, "running")
        seen.wait_for(
            lambda all_: any((s["status"], s["attempt"] > 0) == (status, True) for s in all_)
        )
        assert finished(queue, queue.enqueue("next"))[0].status == "completed"


def test_another_program_can_cancel_and_requeue(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    sql(
        database,
        "UPDATE job SET status = 'cancelled', event = 'cancel', moved_at = unixepoch('subsec') "
        "WHERE id = ?",
        (job.id,),
    )
    assert queue.get(job.id).status == "cancelled"
    sql(database, "UPDATE job SET status = 'queued', event = 'requeue' WHERE id = ?", (job.id,))
    queue.start()
    assert finished(queue, job)[0].status == "completed"
    assert [moved.event for moved in queue.history(job.id)] == [
        "enqueue", "cancel", "requeue", "start", "complete",
    ]  # fmt: skip
