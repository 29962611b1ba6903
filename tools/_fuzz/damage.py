"""Every way in which a file, and what lies beside it, is damaged here.

A damage changes the files in place. Each is one function under a name, drawn with a
`random.Random` of its own, so that a name and a seed say what was done.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from .specimens import DATABASE, FOLDER, PIPE, Files, lay, plain, specimens, strangers, taken

Damage = Callable[[random.Random, Files], None]

WAL: Final = f"{DATABASE}-wal"
SHM: Final = f"{DATABASE}-shm"
JOURNAL: Final = f"{DATABASE}-journal"
OWNERS: Final = f"{DATABASE}-sprag"
_PAGE: Final = 2048
_SECTOR: Final = 512
_WAL_HEADER: Final = 32
_FRAME: Final = 24 + _PAGE

# The first byte of a b-tree page, behind the file's header on page 1.
_PAGES: Final = {"index inner page": 2, "table inner page": 5, "index leaf": 10, "table leaf": 13}


def damaged(name: str, seed: int) -> Files:
    """The files of a specimen after the damage of this name."""
    rng = random.Random(f"{name} {seed}")
    which = "rollback" if name.startswith("hot journal") else rng.choice(["open", "closed"])
    if name.startswith("log"):
        which = "open"
    files = dict(specimens()[which])
    DAMAGES[name](rng, files)
    return files


def _content(files: Files, name: str) -> bytearray:
    content = files.get(name, b"")
    return bytearray(content if isinstance(content, bytes) else b"")


# ---------------------------------------------------------------- bytes of the file


def _flips(name: str, least: int, most: int, count: int) -> Damage:
    """Other bytes at `count` places between two offsets."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, name)
        end = min(most, len(content))
        for _ in range(rng.randint(1, count) if end > least else 0):
            content[rng.randrange(least, end)] = rng.choice([0, 255, 1, rng.randrange(256)])
        files[name] = bytes(content)

    return damage


def _flips_in(kind: int, *, head: bool) -> Damage:
    """Other bytes in b-tree pages of a kind: in their heads (with the cell pointers), or in what
    they hold."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, DATABASE)
        pages = [
            at for at in range(0, len(content), _PAGE)
            if content[at + (100 if at == 0 else 0)] == kind
        ]  # fmt: skip
        for _ in range(rng.randint(1, 3) if pages else 0):
            at = rng.choice(pages)
            start, end = (0, 40) if head else (40, _PAGE)
            if at == 0:
                start, end = start + 100, end + (100 if head else 0)
            content[at + rng.randrange(start, end)] = rng.randrange(256)
        files[DATABASE] = bytes(content)

    return damage


def _blank(name: str, size: int) -> Damage:
    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, name)
        if len(content) >= size:
            at = rng.randrange(len(content) // size) * size
            content[at : at + size] = rng.choice([bytes(size), b"\xff" * size, rng.randbytes(size)])
        files[name] = bytes(content)

    return damage


def _cut(name: str, size: int) -> Damage:
    """The end is missing, from a multiple of `size` on."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, name)
        files[name] = bytes(content[: rng.randrange(len(content) // size + 1) * size])

    return damage


def _extend(name: str) -> Damage:
    def damage(rng: random.Random, files: Files) -> None:
        more = rng.choice([1, _SECTOR, _PAGE, _FRAME, 5 * _PAGE, 7777])
        content = _content(files, name)
        again = bytes(content[-more:])
        files[name] = bytes(content) + rng.choice([bytes(more), rng.randbytes(more), again])

    return damage


def _swap(name: str, first: int, size: int) -> Damage:
    """Two pages, or frames, in each other's place, or one twice."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, name)
        count = (len(content) - first) // size
        if count > 1:
            one, other = (first + n * size for n in rng.sample(range(count), 2))
            kept = bytes(content[one : one + size])
            content[one : one + size] = content[other : other + size]
            if rng.random() < 0.5:
                content[other : other + size] = kept
        files[name] = bytes(content)

    return damage


def _freelist(rng: random.Random, files: Files) -> None:
    content = _content(files, DATABASE)
    if rng.random() < 0.5:
        at = rng.choice([32, 36]) + rng.randrange(4)
        content[at] = rng.randrange(256)
    else:
        trunk = int.from_bytes(content[32:36], "big")
        at = max(trunk - 1, 0) * _PAGE + rng.randrange(16)
        if at < len(content):
            content[at] = rng.randrange(256)
    files[DATABASE] = bytes(content)


def _schema_text(rng: random.Random, files: Files) -> None:
    """Other letters in the words of the schema."""
    content = _content(files, DATABASE)
    for _ in range(rng.randint(1, 4)):
        word = rng.choice([b"CREATE", b"TRIGGER", b"job", b"journal", b"NOT NULL", b"CHECK"])
        at = content.find(word, rng.randrange(len(content)))
        if at >= 0:
            content[at + rng.randrange(len(word))] = rng.choice(b"xX1 _\xff\0")
    files[DATABASE] = bytes(content)


def _number(at: int, size: int, *values: int) -> Damage:
    """A number in the header of the file (user_version at 60, application_id at 68)."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, DATABASE)
        value = rng.choice(values) % 2 ** (8 * size)
        content[at : at + size] = value.to_bytes(size, "big")
        files[DATABASE] = bytes(content)

    return damage


# ---------------------------------------------------------------- beside the file


def _put(name: str, *contents: Callable[[random.Random], bytes | str | None]) -> Damage:
    def damage(rng: random.Random, files: Files) -> None:
        for path in [path for path in files if path.startswith(f"{name}/")]:
            del files[path]
        files[name] = rng.choice(contents)(rng)

    return damage


def _drop(name: str) -> Damage:
    def damage(_rng: random.Random, files: Files) -> None:
        for path in [path for path in files if path == name or path.startswith(f"{name}/")]:
            del files[path]

    return damage


def _stranger(name: str, whose: str) -> Damage:
    def damage(_rng: random.Random, files: Files) -> None:
        files[name] = strangers()[whose]

    return damage


def _older_log(_rng: random.Random, files: Files) -> None:
    """The log as it was some moves ago, beside a file that has gone on."""
    files[DATABASE] = specimens()["closed"][DATABASE]
    files[WAL] = specimens()["older"][WAL]


def _older_file(_rng: random.Random, files: Files) -> None:
    files[DATABASE] = specimens()["older"][DATABASE]


def _own_lock(*contents: Callable[[random.Random], bytes | str | None]) -> Damage:
    def damage(rng: random.Random, files: Files) -> None:
        for path in [path for path in files if path.endswith(".lock")]:
            del files[path]
            if contents:
                files[path] = rng.choice(contents)(rng)

    return damage


# ---------------------------------------------------------------- what SQL can do


def _sql(*scripts: str, triggers: bool = False, lax: bool = False) -> Damage:
    """One of the scripts, by another program: without triggers unless it is told to keep them,
    and with the schema's STRICT and NOT NULL gone if it is `lax`."""

    def damage(rng: random.Random, files: Files) -> None:
        room = Path(tempfile.mkdtemp(prefix="sprag-fuzz-"))
        try:
            path = lay(files, room / "there")
            with plain(path) as connection:
                _run(connection, rng.choice(scripts), triggers=triggers, lax=lax)
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            for name in [name for name in files if name.startswith(DATABASE)]:
                del files[name]
            files.update(taken(path.parent))
        finally:
            shutil.rmtree(room)

    return damage


def _run(connection: apsw.Connection, script: str, *, triggers: bool, lax: bool) -> None:
    connection.execute("PRAGMA ignore_check_constraints = ON")
    kept: list[str] = []
    if not triggers:
        for name, text in connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
            kept.append(str(text))
    tables = _tables(connection)
    if lax:
        loose = tables
        for words in ("TEXT", "INTEGER", "REAL"):
            loose = {name: text.replace(f"{words} NOT NULL", words) for name, text in loose.items()}
        _define(connection, {name: text.replace("STRICT", "") for name, text in loose.items()})
    connection.execute(script).fetchall()
    if lax:
        _define(connection, tables)
    for text in kept:
        with suppress(apsw.SQLError):  # of a table that is gone
            connection.execute(text)


def _tables(connection: apsw.Connection) -> dict[str, str]:
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    return {str(name): str(text) for name, text in rows}


def _define(connection: apsw.Connection, tables: dict[str, str]) -> None:
    """Change the text of the tables' definitions, and read the schema anew."""
    version = connection.execute("PRAGMA schema_version").get
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    connection.execute("PRAGMA writable_schema = ON")
    for name, text in tables.items():
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (text, name))
    connection.execute(f"PRAGMA schema_version = {version + 1}; PRAGMA writable_schema = RESET")


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
    return _sql(*(f"UPDATE job SET {column} = {value} WHERE key = {_ONE}" for value in values),
                lax=lax)  # fmt: skip


def _insert(columns: str, *values: str) -> Damage:
    """A new job by another program, with all triggers there."""
    return _sql(
        *(f"INSERT INTO job (queue, {columns}) VALUES ('work', {value})" for value in values),
        triggers=True,
    )


DAMAGES: Final[dict[str, Damage]] = {
    "bytes anywhere": _flips(DATABASE, 0, 10**9, 8),
    "many bytes anywhere": _flips(DATABASE, 100, 10**9, 400),
    "bytes of the header": _flips(DATABASE, 0, 100, 3),
    "bytes of the first page": _flips(DATABASE, 100, _PAGE, 5),
    **{f"head of a {kind}": _flips_in(code, head=True) for kind, code in _PAGES.items()},
    **{f"body of a {kind}": _flips_in(code, head=False) for kind, code in _PAGES.items()},
    "words of the schema": _schema_text,
    "freelist": _freelist,
    "a page blank": _blank(DATABASE, _PAGE),
    "a sector blank": _blank(DATABASE, _SECTOR),
    "cut at a page": _cut(DATABASE, _PAGE),
    "cut anywhere": _cut(DATABASE, 1),
    "garbage at the end": _extend(DATABASE),
    "pages exchanged": _swap(DATABASE, _PAGE, _PAGE),
    "no file": _drop(DATABASE),
    "user_version": _number(60, 4, 0, 1, 3, 99, -1, 2**31),
    "application_id": _number(68, 4, 0, 1, -1, 0x53505248),
    "page size": _number(16, 2, 0, 1, 512, 1000, 4096, 32768),
    "versions for reading and writing": _number(18, 2, 0, 0x0101, 0x0102, 0x0303, 0xFFFF),
    "text encoding": _number(56, 4, 0, 2, 3, 4),
    "log: bytes of its header": _flips(WAL, 0, _WAL_HEADER, 2),
    "log: bytes of the first frame's header": _flips(WAL, _WAL_HEADER, _WAL_HEADER + 24, 3),
    "log: bytes anywhere": _flips(WAL, _WAL_HEADER, 10**9, 5),
    "log: a page blank": _blank(WAL, _PAGE),
    "log: cut at a frame": _cut(WAL, _FRAME),
    "log: cut anywhere": _cut(WAL, 1),
    "log: garbage at the end": _extend(WAL),
    "log: frames exchanged": _swap(WAL, _WAL_HEADER, _FRAME),
    "log: gone": _drop(WAL),
    "log: garbage": _put(WAL, lambda rng: rng.randbytes(20_000), lambda rng: bytes(5000)),
    "log: a folder": _put(WAL, lambda rng: FOLDER),
    "log: of another sprag file": _stranger(WAL, "log of sprag"),
    "log: of another application": _stranger(WAL, "log of another"),
    "log: of large pages": _stranger(WAL, "log of large pages"),
    "log: older than the file": _older_log,
    "log: newer than the file": _older_file,
    "shared memory: garbage": _put(SHM, lambda rng: rng.randbytes(32768), lambda rng: b"x"),
    "shared memory: a folder": _put(SHM, lambda rng: FOLDER),
    "hot journal: its own": lambda rng, files: None,
    "hot journal: its own, damaged": _flips(JOURNAL, 0, 10**9, 4),
    "hot journal: its own, cut": _cut(JOURNAL, 1),
    "journal: of another database": _stranger(JOURNAL, "journal of another"),
    "journal: garbage": _put(JOURNAL, lambda rng: rng.randbytes(9000), lambda rng: bytes(600)),
    "journal: a folder": _put(JOURNAL, lambda rng: FOLDER),
    "owners: no folder": _drop(OWNERS),
    "owners: a file": _put(OWNERS, lambda rng: b"", lambda rng: rng.randbytes(100)),
    "owners: a pipe": _put(OWNERS, lambda rng: PIPE),
    "owners: garbage among the files": _put(f"{OWNERS}/x.lock", lambda rng: b"x",
                                            lambda rng: FOLDER),
    "owners: a lock missing": _own_lock(),
    "owners: a lock with content": _own_lock(lambda rng: rng.randbytes(10)),
    "owners: a lock that is a folder": _own_lock(lambda rng: FOLDER),
    "owners: a lock that is a pipe": _own_lock(lambda rng: PIPE),
    "reserve: huge": _put(f"{OWNERS}/reserve", lambda rng: bytes(9_000_000)),
    "reserve: a folder": _put(f"{OWNERS}/reserve", lambda rng: FOLDER),
    "reserve: a pipe": _put(f"{OWNERS}/reserve", lambda rng: PIPE),
    "schema: a trigger dropped": _sql(*(f"DROP TRIGGER {name}" for name in (
        "legal_move", "job_enqueued", "job_moved", "job_newest", "job_identity", "job_key",
        "job_begins", "job_kept", "job_pruned", "journal_fixed", "journal_kept", "move_fixed")),
        triggers=True),
    "schema: a trigger that refuses": _sql(*(
        f"CREATE TRIGGER mine BEFORE {what} BEGIN SELECT RAISE(ABORT, 'mine'); END"
        for what in ("INSERT ON job", "UPDATE ON job", "INSERT ON journal", "INSERT ON owner",
                     "DELETE ON owner", "UPDATE ON counter", "INSERT ON progress")),
        triggers=True),
    "schema: a trigger that ignores": _sql(*(
        f"CREATE TRIGGER mine BEFORE {what} BEGIN SELECT RAISE(IGNORE); END"
        for what in ("INSERT ON job", "UPDATE ON job", "INSERT ON journal", "INSERT ON owner")),
        triggers=True),
    "schema: an index dropped": _sql(*(f"DROP INDEX {name}" for name in (
        "job_ready", "job_waiting", "job_by_status", "job_by_audience", "job_by_lane",
        "job_by_unique_key", "progress_by_tick")), triggers=True),
    "schema: an index more": _sql("CREATE UNIQUE INDEX mine ON job (label)",
                                  "CREATE INDEX mine ON job (due_at, queue)", triggers=True),
    "schema: an index replaced": _sql(
        "DROP INDEX job_ready; CREATE INDEX job_ready ON job (key)",
        "DROP INDEX job_by_status; CREATE INDEX job_by_status ON job (status DESC)",
        triggers=True),
    "schema: a column missing": _sql(
        "DROP TRIGGER job_identity; DROP INDEX job_by_audience; "
        "ALTER TABLE job DROP COLUMN audience",
        "ALTER TABLE job DROP COLUMN label",
        "DROP VIEW transition; ALTER TABLE journal DROP COLUMN due_at",
        "ALTER TABLE job RENAME COLUMN backoff TO wait",
        "ALTER TABLE owner RENAME COLUMN token TO name", triggers=True),
    "schema: a column more": _sql("ALTER TABLE job ADD COLUMN mine TEXT", triggers=True),
    "schema: a table missing": _sql("DROP TABLE progress", "DROP TABLE notice",
                                    "DROP TABLE counter", "DROP TABLE owner", "DROP VIEW "
                                    "queue_name", "DROP VIEW transition", "DROP TABLE journal",
                                    "DROP TABLE move", "DROP TABLE job"),
    "schema: a table more": _sql("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)"),
    "schema: another view": _sql("DROP VIEW queue_name; CREATE VIEW queue_name (name) AS "
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
    "job: times": _sql(*(f"UPDATE job SET {column} = {value} WHERE key = {_ONE}"
                         for column in ("created_at", "due_at", "started_at", "moved_at")
                         for value in ("9e999", "-9e999", "1e300", "-1e300", "0", "1e15"))),
    "job: result": _sql(*(
        f"UPDATE job SET result = {value} WHERE key = (SELECT max(key) FROM job WHERE "
        "status = 'completed')" for value in ("NULL", "'not json'", _NOT_UTF8, _DEEP, _LONG))),
    "job: key": _set("key", "-1", str(_HUGE), f"-{_HUGE}", "0"),
    "job: of no journal": _sql(f"DELETE FROM journal WHERE job = {_ONE}"),
    "job: newest": _set("newest", "NULL", "1", "0", "newest + 1", "newest - 1", str(_HUGE)),
    "job: blobs in place of text": _set("item", "x'22ff22'", "x''", lax=True),
    "job: a label of bytes": _set("label", "x'ff'", "5", lax=True),
    "job: an error of bytes": _set("error", "x'7b7d'", "5", "1.5", lax=True),
    "job: text in place of numbers": _sql(*(
        f"UPDATE job SET {column} = {value} WHERE key = {_ONE}"
        for column in ("attempt", "starts", "max_attempts", "priority", "due_at", "created_at",
                       "crashes") for value in ("'x'", "x'ff'", "NULL")), lax=True),
    "job: running with no owner": _sql(
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
    "job: inserted in a queue": _sql(*(
        f"INSERT INTO job (queue, item) VALUES ({queue}, '1')"
        for queue in (_NOT_UTF8, "char(0)", "'a b'", "'sprag'", "printf('%.*c', 9000, 'q')")),
        triggers=True),
    "journal: a gap": _sql("DELETE FROM journal WHERE seq = 40",
                           "DELETE FROM journal WHERE seq BETWEEN 10 AND 60",
                           "UPDATE journal SET seq = seq + 1000 WHERE seq > 50"),
    "journal: seq": _sql(f"UPDATE journal SET seq = {_HUGE} WHERE seq = 40",
                         "UPDATE journal SET seq = -5 WHERE seq = 40",
                         "UPDATE journal SET seq = 0 WHERE seq = 1"),
    "journal: a row changed": _sql(*(
        f"UPDATE journal SET {change} WHERE seq = 40" for change in (
            "move = 99", "move = -1", "move = 6", "previous = seq", "previous = seq + 1",
            "previous = 1", "previous = NULL", "attempt = -1",
            f"attempt = {_HUGE}", "owner = 5", "at = 9e999", "due_at = -9e999",
            "error = 'not json'", f"error = {_NOT_UTF8}", f"error = {_DEEP}", f"error = {_LONG}",
            "job = 99999", "job = -1"))),
    "journal: a row more": _sql(
        "INSERT INTO journal (job, previous, move, attempt, at) "
        "SELECT job, previous, move, attempt, at FROM journal WHERE seq = 30",
        "INSERT INTO journal (job, move, attempt, at) VALUES (77777, 1, 0, 0)"),
    "move: changed": _sql("UPDATE move SET event = 'bogus' WHERE id = 5", "DELETE FROM move",
                          f"UPDATE move SET target = {_NOT_UTF8} WHERE id = 2",
                          "UPDATE move SET target = 'failed' WHERE id = 5",
                          "DELETE FROM move WHERE id = 2", "UPDATE move SET attempts = 7"),
    "journal: completed twice": _sql(
        "INSERT INTO journal (job, previous, move, attempt, owner, at) SELECT "
        "job, previous, move, attempt, owner, at FROM journal WHERE move = 5 LIMIT 1"),
    "progress: a row changed": _sql(*(
        f"UPDATE progress SET {change}" for change in (
            "current = x'ff', total = 'x'", "percent = 9e999", f"message = {_NOT_UTF8}",
            "starts = 99", f"seq = {_HUGE}", f"tick = {_HUGE}", "job = job + 5000",
            "percent = 'half'", "current = -9e999, total = 0"))),
    "counter: changed": _sql("DELETE FROM counter", f"UPDATE counter SET tick = {_HUGE}",
                             f"UPDATE counter SET pruned = {_HUGE}", "UPDATE counter SET "
                             "pruned = -5, tick = -5", "UPDATE counter SET pruned = pruned + 1"),
    "owner: changed": _sql(*(
        f"UPDATE owner SET {change}" for change in (
            "token = '../../x'", "token = ''", "token = 'a' || char(0)", f"token = {_NOT_UTF8}",
            "token = printf('%.*c', 5000, 't')", "pid = -1", f"pid = {_HUGE}", "pid = 0",
            f"host = {_NOT_UTF8}", "started_at = 9e999", f"id = {_HUGE}", "id = -1"))),
    "owner: more": _sql("INSERT INTO owner (token, pid, host, started_at) VALUES "
                        "('unknown', 1, 'h', 0)",
                        f"INSERT INTO owner (id, token, pid, host, started_at) VALUES ({_HUGE}, "
                        "'unknown', 1, 'h', 0)"),
    "notice: garbage": _sql(*(
        f"INSERT INTO notice (audience, signal, data, at) VALUES ({audience}, 's', {data}, 9e999)"
        for audience, data in (("'a'", "'not json'"), (_NOT_UTF8, "'1'"), ("'a'", _LONG)))),
    "sequence: changed": _sql(f"UPDATE sqlite_sequence SET seq = {_HUGE}",
                              "UPDATE sqlite_sequence SET seq = 'x'",
                              "DELETE FROM sqlite_sequence"),
}  # fmt: skip
