"""Every way in which a file, and what lies beside it, is damaged here.

A damage changes the files in place. Each is one function under a name, drawn with a
`random.Random` of its own, so that a name and a seed say what was done.
"""

from __future__ import annotations

import random
from typing import Final

from .specimens import DATABASE, FOLDER, PIPE, Files, specimens
from .ways import (
    FRAME,
    JOURNAL,
    OWNERS,
    PAGE,
    PAGES,
    SECTOR,
    SHM,
    WAL,
    WAL_HEADER,
    Damage,
    blank,
    cut,
    drop,
    extend,
    flips,
    flips_in,
    freelist,
    number,
    older_file,
    older_log,
    own_lock,
    put,
    schema_text,
    sql,
    stranger,
    swap,
)

_HUGE: Final = 2**63 - 1
# One job of those that wait to run, always the same of a file: the second to start.
_ONE: Final = (
    "(SELECT key FROM job WHERE queue = 'work' AND status = 'queued' AND waiting = 0 "
    "ORDER BY priority DESC, key LIMIT 1 OFFSET 1)"
)
_DEEP: Final = "printf('%.*c', 900, '[') || printf('%.*c', 900, ']')"
_LONG: Final = "'1' || printf('%.*c', 6000, '0')"
_NOT_UTF8: Final = "CAST(x'22ff22' AS TEXT)"


def _set(column: str, *values: str, lax: bool = False) -> Damage:
    return sql(*(f"UPDATE job SET {column} = {value} WHERE key = {_ONE}" for value in values),
               lax=lax)  # fmt: skip


def _insert(columns: str, *values: str) -> Damage:
    """A new job by another program, with all triggers there."""
    return sql(
        *(f"INSERT INTO job (queue, {columns}) VALUES ('work', {value})" for value in values),
        triggers=True,
    )


DAMAGES: Final[dict[str, Damage]] = {
    "bytes anywhere": flips(DATABASE, 0, 10**9, 8),
    "many bytes anywhere": flips(DATABASE, 100, 10**9, 400),
    "bytes of the header": flips(DATABASE, 0, 100, 3),
    "bytes of the first page": flips(DATABASE, 100, PAGE, 5),
    **{f"head of a {kind}": flips_in(code, head=True) for kind, code in PAGES.items()},
    **{f"body of a {kind}": flips_in(code, head=False) for kind, code in PAGES.items()},
    "words of the schema": schema_text,
    "freelist": freelist,
    "a page blank": blank(DATABASE, PAGE),
    "a sector blank": blank(DATABASE, SECTOR),
    "cut at a page": cut(DATABASE, PAGE),
    "cut anywhere": cut(DATABASE, 1),
    "garbage at the end": extend(DATABASE),
    "pages exchanged": swap(DATABASE, PAGE, PAGE),
    "no file": drop(DATABASE),
    "user_version": number(60, 4, 0, 1, 3, 99, -1, 2**31),
    "application_id": number(68, 4, 0, 1, -1, 0x53505248),
    "page size": number(16, 2, 0, 1, 512, 1000, 4096, 32768),
    "versions for reading and writing": number(18, 2, 0, 0x0101, 0x0102, 0x0303, 0xFFFF),
    "text encoding": number(56, 4, 0, 2, 3, 4),
    "log: bytes of its header": flips(WAL, 0, WAL_HEADER, 2),
    "log: bytes of the first frame's header": flips(WAL, WAL_HEADER, WAL_HEADER + 24, 3),
    "log: bytes anywhere": flips(WAL, WAL_HEADER, 10**9, 5),
    "log: a page blank": blank(WAL, PAGE),
    "log: cut at a frame": cut(WAL, FRAME),
    "log: cut anywhere": cut(WAL, 1),
    "log: garbage at the end": extend(WAL),
    "log: frames exchanged": swap(WAL, WAL_HEADER, FRAME),
    "log: gone": drop(WAL),
    "log: garbage": put(WAL, lambda rng: rng.randbytes(20_000), lambda rng: bytes(5000)),
    "log: a folder": put(WAL, lambda rng: FOLDER),
    "log: of another sprag file": stranger(WAL, "log of sprag"),
    "log: of another application": stranger(WAL, "log of another"),
    "log: of large pages": stranger(WAL, "log of large pages"),
    "log: older than the file": older_log,
    "log: newer than the file": older_file,
    "shared memory: garbage": put(SHM, lambda rng: rng.randbytes(32768), lambda rng: b"x"),
    "shared memory: a folder": put(SHM, lambda rng: FOLDER),
    "hot journal: its own": lambda rng, files: None,
    "hot journal: its own, damaged": flips(JOURNAL, 0, 10**9, 4),
    "hot journal: its own, cut": cut(JOURNAL, 1),
    "journal: of another database": stranger(JOURNAL, "journal of another"),
    "journal: garbage": put(JOURNAL, lambda rng: rng.randbytes(9000), lambda rng: bytes(600)),
    "journal: a folder": put(JOURNAL, lambda rng: FOLDER),
    "owners: no folder": drop(OWNERS),
    "owners: a file": put(OWNERS, lambda rng: b"", lambda rng: rng.randbytes(100)),
    "owners: a pipe": put(OWNERS, lambda rng: PIPE),
    "owners: garbage among the files": put(f"{OWNERS}/x.lock", lambda rng: b"x",
                                            lambda rng: FOLDER),
    "owners: a lock missing": own_lock(),
    "owners: a lock with content": own_lock(lambda rng: rng.randbytes(10)),
    "owners: a lock that is a folder": own_lock(lambda rng: FOLDER),
    "owners: a lock that is a pipe": own_lock(lambda rng: PIPE),
    "reserve: huge": put(f"{OWNERS}/reserve", lambda rng: bytes(9_000_000)),
    "reserve: a folder": put(f"{OWNERS}/reserve", lambda rng: FOLDER),
    "reserve: a pipe": put(f"{OWNERS}/reserve", lambda rng: PIPE),
    "schema: a trigger dropped": sql(*(f"DROP TRIGGER {name}" for name in (
        "legal_move", "job_enqueued", "job_moved", "job_newest", "job_identity", "job_key",
        "job_begins", "job_kept", "job_pruned", "journal_fixed", "journal_kept", "move_fixed")),
        triggers=True),
    "schema: a trigger that refuses": sql(*(
        f"CREATE TRIGGER mine BEFORE {what} BEGIN SELECT RAISE(ABORT, 'mine'); END"
        for what in ("INSERT ON job", "UPDATE ON job", "INSERT ON journal", "INSERT ON owner",
                     "DELETE ON owner", "UPDATE ON counter", "INSERT ON progress")),
        triggers=True),
    "schema: a trigger that ignores": sql(*(
        f"CREATE TRIGGER mine BEFORE {what} BEGIN SELECT RAISE(IGNORE); END"
        for what in ("INSERT ON job", "UPDATE ON job", "INSERT ON journal", "INSERT ON owner")),
        triggers=True),
    "schema: an index dropped": sql(*(f"DROP INDEX {name}" for name in (
        "job_ready", "job_waiting", "job_by_status", "job_by_audience", "job_by_lane",
        "job_by_unique_key", "progress_by_tick")), triggers=True),
    "schema: an index more": sql("CREATE UNIQUE INDEX mine ON job (label)",
                                  "CREATE INDEX mine ON job (due_at, queue)", triggers=True),
    "schema: an index replaced": sql(
        "DROP INDEX job_ready; CREATE INDEX job_ready ON job (key)",
        "DROP INDEX job_by_status; CREATE INDEX job_by_status ON job (status DESC)",
        triggers=True),
    "schema: a column missing": sql(
        "DROP TRIGGER job_identity; DROP INDEX job_by_audience; "
        "ALTER TABLE job DROP COLUMN audience",
        "ALTER TABLE job DROP COLUMN label",
        "DROP VIEW transition; ALTER TABLE journal DROP COLUMN due_at",
        "ALTER TABLE job RENAME COLUMN backoff TO wait",
        "ALTER TABLE owner RENAME COLUMN token TO name", triggers=True),
    "schema: a column more": sql("ALTER TABLE job ADD COLUMN mine TEXT", triggers=True),
    "schema: a table missing": sql("DROP TABLE progress", "DROP TABLE notice",
                                    "DROP TABLE counter", "DROP TABLE owner", "DROP VIEW "
                                    "queue_name", "DROP VIEW transition", "DROP TABLE journal",
                                    "DROP TABLE move", "DROP TABLE job"),
    "schema: a table more": sql("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)"),
    "schema: another view": sql("DROP VIEW queue_name; CREATE VIEW queue_name (name) AS "
                                 "SELECT 'nobody'"),
        "job: status": _set("status", "'bogus'", "''", "'Queued'", _NOT_UTF8),
    "job: status that the journal does not know": _set("status", "'failed'", "'cancelled'"),
    "job: event": _set("event", "'bogus'", "'start'", _NOT_UTF8),
    "job: item": _set("item", "'not json'", "''", "'[1,'", "'{\"$tuple\": 1}'", "'NaN'",
                      _NOT_UTF8, _DEEP, _LONG, "'\"' || char(0) || '\"'"),
    "job: label": _set("label", _NOT_UTF8, "char(0)", "printf('%.*c', 100000, 'x')"),
    "job: audience": _set("audience", _NOT_UTF8, "''"),
    "job: error": _set("error", "'not json'", _DEEP, _LONG, _NOT_UTF8, "'[]'", "'5'"),
    "job: backoff": _set("backoff", "'not json'", _DEEP, _LONG, _NOT_UTF8, "'[]'", "'-5'",
                         "'{\"first\": 1e400}'"),
    "job: queue": _set("queue", "''", "'nobody''s'", _NOT_UTF8, "char(0)", "'WORK'",
                       "'x' || char(27)"),
    "job: id": _set("id", "'x'", "''", "upper(id)", "id || char(0) || 'more'", _NOT_UTF8,
                    "'../../etc/passwd'", "printf('%.*c', 5000, 'a')"),
    "job: attempt": _set("attempt", str(_HUGE), "-1", f"-{_HUGE}", "5"),
    "job: starts": _set("starts", str(_HUGE), "-1", "7"),
    "job: crashes": _set("crashes", str(_HUGE), "-1", "7"),
    "job: max_attempts": _set("max_attempts", str(_HUGE), "0", "-5"),
    "job: max_crashes": _set("max_crashes", str(_HUGE), "0", "-5"),
    "job: priority": _set("priority", str(_HUGE), f"-{_HUGE}"),
    "job: waiting": _set("waiting", "1", "2", "-1"),
    "job: owner": _set("owner", "1", str(_HUGE), "-1"),
    "job: times": sql(*(f"UPDATE job SET {column} = {value} WHERE key = {_ONE}"
                         for column in ("created_at", "due_at", "started_at", "moved_at")
                         for value in ("9e999", "-9e999", "1e300", "-1e300", "0", "1e15"))),
    "job: result": sql(*(
        f"UPDATE job SET result = {value} WHERE key = (SELECT max(key) FROM job WHERE "
        "status = 'completed')" for value in ("NULL", "'not json'", _NOT_UTF8, _DEEP, _LONG))),
    "job: key": _set("key", "-1", str(_HUGE), f"-{_HUGE}", "0"),
    "job: of no journal": sql(f"DELETE FROM journal WHERE job = {_ONE}"),
    "job: newest": _set("newest", "NULL", "1", "0", "newest + 1", "newest - 1", str(_HUGE)),
    "job: blobs in place of text": _set("item", "x'22ff22'", "x''", lax=True),
    "job: a label of bytes": _set("label", "x'ff'", "5", lax=True),
    "job: an error of bytes": _set("error", "x'7b7d'", "5", "1.5", lax=True),
    "job: text in place of numbers": sql(*(
        f"UPDATE job SET {column} = {value} WHERE key = {_ONE}"
        for column in ("attempt", "starts", "max_attempts", "priority", "due_at", "created_at",
                       "crashes") for value in ("'x'", "x'ff'", "NULL")), lax=True),
    "job: running with no owner": sql(
        "UPDATE job SET owner = NULL WHERE status = 'running'",
        "UPDATE job SET owner = 77 WHERE status = 'running'", "DELETE FROM owner"),
    "job: inserted, no UTF-8": _insert("item", _NOT_UTF8),
    "job: inserted with a back-off": _insert("item, max_attempts, backoff", *(
        f"'{{\"fail\": \"x\"}}', 2, {backoff}" for backoff in (_NOT_UTF8, _DEEP, _LONG, "'1e300'",
                                                          "'{\"limit\":1e308,\"first\":1e308}'"))),
    "job: inserted with an item": _insert("item", _DEEP, _LONG, "'{\"$dataclass\":\"os:path\"}'",
                                          "'{\"$set\":[[]]}'", "'1e999'"),
    "job: inserted with an id": _insert("item, id", "'1', printf('%032d', 0) || char(0) || 'x'"),
    "job: inserted with a label": _insert("item, label", f"'1', {_NOT_UTF8}",
                                          "'1', char(27) || '[2J' || char(10)"),
    "job: inserted with an error": _insert("item, error", f"'1', {_DEEP}", f"'1', {_LONG}"),
    "job: inserted with an audience": _insert("item, audience", f"'1', {_NOT_UTF8}"),
    "job: inserted with numbers": _insert(
        "item, priority, max_attempts, max_crashes", f"'1', {_HUGE}, {_HUGE}, {_HUGE}",
        f"'1', -{_HUGE}, 1, 1"),
    "job: inserted with times": _insert(
        "item, created_at, due_at, moved_at, started_at", "'1', 9e999, 9e999, 9e999, 9e999",
        "'1', -9e999, -9e999, -9e999, 1e300", "'1', 1e300, 1e300, 1e300, 1e300"),
    "job: inserted waiting": _insert("item, waiting, due_at", "'1', 1, 9e999", "'1', 1, -9e999"),
    "job: inserted in a queue": sql(*(
        f"INSERT INTO job (queue, item) VALUES ({queue}, '1')"
        for queue in (_NOT_UTF8, "char(0)", "'a b'", "'sprag'", "printf('%.*c', 9000, 'q')")),
        triggers=True),
    "journal: a gap": sql("DELETE FROM journal WHERE seq = 40",
                           "DELETE FROM journal WHERE seq BETWEEN 10 AND 60",
                           "UPDATE journal SET seq = seq + 1000 WHERE seq > 50"),
    "journal: seq": sql(f"UPDATE journal SET seq = {_HUGE} WHERE seq = 40",
                         "UPDATE journal SET seq = -5 WHERE seq = 40",
                         "UPDATE journal SET seq = 0 WHERE seq = 1"),
    "journal: a row changed": sql(*(
        f"UPDATE journal SET {change} WHERE seq = 40" for change in (
            "move = 99", "move = -1", "move = 6", "previous = seq", "previous = seq + 1",
            "previous = 1", "previous = NULL", "attempt = -1",
            f"attempt = {_HUGE}", "owner = 5", "at = 9e999", "due_at = -9e999",
            "error = 'not json'", f"error = {_NOT_UTF8}", f"error = {_DEEP}", f"error = {_LONG}",
            "job = 99999", "job = -1"))),
    "journal: a row more": sql(
        "INSERT INTO journal (job, previous, move, attempt, at) "
        "SELECT job, previous, move, attempt, at FROM journal WHERE seq = 30",
        "INSERT INTO journal (job, move, attempt, at) VALUES (77777, 1, 0, 0)"),
    "move: changed": sql("UPDATE move SET event = 'bogus' WHERE id = 5", "DELETE FROM move",
                          f"UPDATE move SET target = {_NOT_UTF8} WHERE id = 2",
                          "UPDATE move SET target = 'failed' WHERE id = 5",
                          "DELETE FROM move WHERE id = 2", "UPDATE move SET attempts = 7"),
    "journal: completed twice": sql(
        "INSERT INTO journal (job, previous, move, attempt, owner, at) SELECT "
        "job, previous, move, attempt, owner, at FROM journal WHERE move = 5 LIMIT 1"),
    "progress: a row changed": sql(*(
        f"UPDATE progress SET {change}" for change in (
            "current = x'ff', total = 'x'", "percent = 9e999", f"message = {_NOT_UTF8}",
            "starts = 99", f"seq = {_HUGE}", f"tick = {_HUGE}", "job = job + 5000",
            "percent = 'half'", "current = -9e999, total = 0"))),
    "counter: changed": sql("DELETE FROM counter", f"UPDATE counter SET tick = {_HUGE}",
                             f"UPDATE counter SET pruned = {_HUGE}", "UPDATE counter SET "
                             "pruned = -5, tick = -5", "UPDATE counter SET pruned = pruned + 1"),
    "owner: changed": sql(*(
        f"UPDATE owner SET {change}" for change in (
            "token = '../../x'", "token = ''", "token = 'a' || char(0)", f"token = {_NOT_UTF8}",
            "token = printf('%.*c', 5000, 't')", "pid = -1", f"pid = {_HUGE}", "pid = 0",
            f"host = {_NOT_UTF8}", "started_at = 9e999", f"id = {_HUGE}", "id = -1"))),
    "owner: more": sql("INSERT INTO owner (token, pid, host, started_at) VALUES "
                        "('unknown', 1, 'h', 0)",
                        f"INSERT INTO owner (id, token, pid, host, started_at) VALUES ({_HUGE}, "
                        "'unknown', 1, 'h', 0)"),
    "notice: garbage": sql(*(
        f"INSERT INTO notice (audience, signal, data, at) VALUES ({audience}, 's', {data}, 9e999)"
        for audience, data in (("'a'", "'not json'"), (_NOT_UTF8, "'1'"), ("'a'", _LONG)))),
    "sequence: changed": sql(f"UPDATE sqlite_sequence SET seq = {_HUGE}",
                              "UPDATE sqlite_sequence SET seq = 'x'",
                              "DELETE FROM sqlite_sequence"),
}  # fmt: skip


def damaged(name: str, seed: int) -> Files:
    """The files of a specimen after the damage of this name."""
    rng = random.Random(f"{name} {seed}")
    which = "rollback" if name.startswith("hot journal") else rng.choice(["open", "closed"])
    if name.startswith("log"):
        which = "open"
    files = dict(specimens()[which])
    DAMAGES[name](rng, files)
    return files
