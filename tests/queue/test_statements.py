from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import apsw
import pytest

import sprag
from sprag.queue.sql import statements
from sprag.queue.sql.statements import SCHEMA, STATEMENTS
from sprag.queue.store import audit, ownership, records
from sprag.queue.store.moves import Cancelled
from sprag.queue.store.tickets import Run
from tests.support import DEADLINE, unmeasured, zipped

# These look at everything: counts and rates of moves, and the checks of a whole file.
WHOLE = {
    "counts", "rates", "strays", "broken_chains", "loose_links", "orphans", "gaps", "integrity",
    "owners", "kinds_of_moves", "misfits", "misfolds", "structure",
}  # fmt: skip


RECORDS: dict[str, type] = {
    "job": records.JobRow, "jobs": records.JobRow,
    "transitions": records._MoveRow, "transitions_of_audiences": records._MoveRow,
    "progress_since": records._ProgressRow, "progress_of_audiences_since": records._ProgressRow,
    "claim": Run, "start": Run, "cancel": Cancelled, "owners": ownership._OwnerRow,
    "recover": ownership.Recovered, "cancelling": ownership.Fence, "unowned": ownership.Unowned,
    "broken_chains": audit.BrokenChain, "loose_links": audit.LooseLink, "misfits": audit.Misfit,
    "rules": audit.Rule,
}  # fmt: skip
# Columns that a record calls otherwise.
RENAMED = {
    (records.JobRow, "job"): "reported", (records._MoveRow, "job"): "reported",
    (records._ProgressRow, "to_status"): "status", (Run, "item"): "item_json",
}  # fmt: skip


@pytest.fixture
def empty() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    connection.execute(SCHEMA)
    yield connection
    connection.close()


def plan(connection: apsw.Connection, name: str) -> list[str]:
    statement = STATEMENTS[name]
    bindings = dict.fromkeys(re.findall(r":([a-z_]+)", statement))
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", bindings)
    return [row[3] for row in rows]


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_prepares_against_the_schema(empty: apsw.Connection, name: str) -> None:
    # A plan is made of a prepared statement, and runs nothing.
    plan(empty, name)


@pytest.mark.parametrize("name", RECORDS)
def test_the_columns_of_a_statement_are_the_fields_of_its_record(
    empty: apsw.Connection, name: str
) -> None:
    columns: list[str] = []

    def trace(cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        columns.extend(column for column, _type in cursor.get_description())
        return False  # it is not run

    cursor = empty.cursor()
    cursor.exec_trace = trace
    statement = STATEMENTS[name]
    with pytest.raises(apsw.ExecTraceAbort):
        cursor.execute(statement, dict.fromkeys(re.findall(r":([a-z_]+)", statement)))
    fields: tuple[str, ...] = getattr(RECORDS[name], "_fields")  # noqa: B009  # of a NamedTuple
    plain = [re.sub(r"^CAST\((?:\w+\.)?(\w+) AS BLOB\)$", r"\1", column) for column in columns]
    named = [RENAMED.get((RECORDS[name], column), column) for column in plain]
    assert named == list(fields)


def test_no_statement_is_left_without_a_use() -> None:
    package = Path(sprag.__file__).parent
    code = "\n".join(file.read_text(encoding="utf-8") for file in package.rglob("*.py"))
    unused = [name for name in STATEMENTS if f'"{name}"' not in code]
    assert unused == []


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - WHOLE))
def test_a_statement_never_reads_all_jobs_or_transitions(empty: apsw.Connection, name: str) -> None:
    scans = [step for step in plan(empty, name) if re.match(r"SCAN (job|journal)\b", step)]
    # The newest transition is the first step of a scan from the end.
    newest = "(SELECT job FROM journal ORDER BY seq DESC LIMIT 1)"
    assert scans == ["SCAN journal"] * STATEMENTS[name].count(newest)


@pytest.mark.parametrize(
    "name",
    [
        "claim",
        "next_due",
        "keys",
        "keys_upward",
        "waiting_keys",
        "count_waiting",
        "prunable",
        "failures",
        "runs",
        "promote",
        "prune",
        "transitions",
    ],
)
def test_an_order_comes_from_an_index_not_from_sorting(empty: apsw.Connection, name: str) -> None:
    assert [step for step in plan(empty, name) if "TEMP B-TREE" in step] == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("claim", "job_ready"),
        ("promote", "job_waiting"),
        ("next_due", "job_waiting"),
        ("keys", "job_by_status"),
        ("keys_upward", "job_by_status"),
        ("queued_keys", "job_ready"),
        ("queued_keys", "job_by_status"),
        ("queued_keys_upward", "job_ready"),
        ("queued_keys_upward", "job_by_status"),
        ("keys_of_audience", "job_by_audience"),
        ("waiting_keys", "job_waiting"),
        ("count_waiting", "job_waiting"),
        ("count_ready", "job_ready"),
        ("count_ready", "job_waiting"),
        ("count_status", "job_by_status"),
        ("count_running", "job_by_status"),
        ("prunable", "job_by_status"),
        ("prune", "job_by_status"),
        ("recover", "job_by_status"),
        ("progress_since", "progress_by_tick"),
        ("progress_of_audiences_since", "job_by_audience"),
    ],
)
def test_an_index_serves_what_it_was_made_for(
    empty: apsw.Connection, name: str, index: str
) -> None:
    assert any(re.search(rf"USING (COVERING )?INDEX {index}\b", step) for step in plan(empty, name))


@pytest.mark.parametrize("priorities", [1, 3, 100, 101, 400])
def test_queued_jobs_are_found_in_order_however_many_priorities_there_are(
    empty: apsw.Connection, priorities: int
) -> None:
    empty.execute(
        "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 900) "
        "INSERT INTO job (queue, item, priority, waiting) "
        "SELECT iif(x % 5, 'work', 'other'), '1', x * 7 % ?, x % 4 = 0 FROM n",
        (priorities,),
    )
    empty.execute("UPDATE job SET status = 'cancelled', event = 'cancel' WHERE key % 3 = 0")
    queued = "SELECT key FROM job WHERE queue = 'work' AND status = 'queued' ORDER BY key"
    all_ = [key for (key,) in empty.execute(queued)]

    def keys(name: str, **bounds: int) -> list[int]:
        bindings = {"queue": "work", "count": 50, **bounds}
        return [key for (key,) in empty.execute(STATEMENTS[name], bindings)]

    for low, high in [(0, 10**9), (1, 850), (200, 500), (400, 401), (895, 1000), (0, 1)]:
        upward = [key for key in all_ if low < key < high]
        assert keys("queued_keys_upward", after=low, high=high) == upward[:50]
        downward = [key for key in all_ if low <= key < high][::-1]
        assert keys("queued_keys", before=high, low=low) == downward[:50]


def test_a_statement_has_neither_comment_nor_line_break() -> None:
    for statement in STATEMENTS.values():
        assert "\n" not in statement
        assert "-- " not in statement
        assert not statement.endswith(";")


def test_every_name_stands_once_and_all_are_found() -> None:
    text = resources.files("sprag.queue.sql").joinpath("queries.sql").read_text(encoding="utf-8")
    names = re.findall(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    assert sorted(names) == sorted(STATEMENTS)
    assert len(names) == len(set(names))


def test_the_loader_takes_a_block_up_to_the_next_name_and_puts_parts_in() -> None:
    text = """-- What this file is.

-- part: two
-- Says two.
SELECT 2

-- name: first
-- Says one.
SELECT 1  -- a number
FROM ({two});

-- name: second
DELETE FROM job;
"""
    assert statements._load(text) == {
        "first": "SELECT 1 FROM (SELECT 2)",
        "second": "DELETE FROM job",
    }


def test_the_queue_runs_from_a_zip(tmp_path: Path) -> None:
    archive = zipped(tmp_path)
    program = Path(__file__).parent / "programs" / "zipped.py"
    done = subprocess.run(
        [sys.executable, str(program), str(archive), str(tmp_path / "jobs.db")],
        capture_output=True, text=True, timeout=DEADLINE, check=False, env=unmeasured(),
    )  # fmt: skip
    assert done.stdout == "completed\n", done.stderr
