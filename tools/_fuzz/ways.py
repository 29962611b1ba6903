"""The ways to damage a file: its bytes, what lies beside it, its rows."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from .specimens import DATABASE, Files, lay, plain, specimens, strangers, taken

Damage = Callable[[random.Random, Files], None]
"""Changes the files in place."""

WAL: Final = f"{DATABASE}-wal"
SHM: Final = f"{DATABASE}-shm"
JOURNAL: Final = f"{DATABASE}-journal"
OWNERS: Final = f"{DATABASE}-sprag"
PAGE: Final = 2048
SECTOR: Final = 512
WAL_HEADER: Final = 32
FRAME: Final = 24 + PAGE

# The first byte of a b-tree page, behind the file's header on page 1.
PAGES: Final = {"index inner page": 2, "table inner page": 5, "index leaf": 10, "table leaf": 13}


def _content(files: Files, name: str) -> bytearray:
    content = files.get(name, b"")
    return bytearray(content if isinstance(content, bytes) else b"")


# ---------------------------------------------------------------- bytes of the file


def flips(name: str, least: int, most: int, count: int) -> Damage:
    """Other bytes at `count` places between two offsets."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, name)
        end = min(most, len(content))
        for _ in range(rng.randint(1, count) if end > least else 0):
            content[rng.randrange(least, end)] = rng.choice([0, 255, 1, rng.randrange(256)])
        files[name] = bytes(content)

    return damage


def flips_in(kind: int, *, head: bool) -> Damage:
    """Other bytes in b-tree pages of a kind: in their heads (with the cell pointers), or in what
    they hold."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, DATABASE)
        pages = [
            at for at in range(0, len(content), PAGE)
            if content[at + (100 if at == 0 else 0)] == kind
        ]  # fmt: skip
        for _ in range(rng.randint(1, 3) if pages else 0):
            at = rng.choice(pages)
            start, end = (0, 40) if head else (40, PAGE)
            if at == 0:
                start, end = start + 100, end + (100 if head else 0)
            content[at + rng.randrange(start, end)] = rng.randrange(256)
        files[DATABASE] = bytes(content)

    return damage


def blank(name: str, size: int) -> Damage:
    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, name)
        if len(content) >= size:
            at = rng.randrange(len(content) // size) * size
            content[at : at + size] = rng.choice([bytes(size), b"\xff" * size, rng.randbytes(size)])
        files[name] = bytes(content)

    return damage


def cut(name: str, size: int) -> Damage:
    """The end is missing, from a multiple of `size` on."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, name)
        files[name] = bytes(content[: rng.randrange(len(content) // size + 1) * size])

    return damage


def extend(name: str) -> Damage:
    def damage(rng: random.Random, files: Files) -> None:
        more = rng.choice([1, SECTOR, PAGE, FRAME, 5 * PAGE, 7777])
        content = _content(files, name)
        again = bytes(content[-more:])
        files[name] = bytes(content) + rng.choice([bytes(more), rng.randbytes(more), again])

    return damage


def swap(name: str, first: int, size: int) -> Damage:
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


def freelist(rng: random.Random, files: Files) -> None:
    content = _content(files, DATABASE)
    if rng.random() < 0.5:
        at = rng.choice([32, 36]) + rng.randrange(4)
        content[at] = rng.randrange(256)
    else:
        trunk = int.from_bytes(content[32:36], "big")
        at = max(trunk - 1, 0) * PAGE + rng.randrange(16)
        if at < len(content):
            content[at] = rng.randrange(256)
    files[DATABASE] = bytes(content)


def schema_text(rng: random.Random, files: Files) -> None:
    """Other letters in the words of the schema."""
    content = _content(files, DATABASE)
    for _ in range(rng.randint(1, 4)):
        word = rng.choice([b"CREATE", b"TRIGGER", b"job", b"journal", b"NOT NULL", b"CHECK"])
        at = content.find(word, rng.randrange(len(content)))
        if at >= 0:
            content[at + rng.randrange(len(word))] = rng.choice(b"xX1 _\xff\0")
    files[DATABASE] = bytes(content)


def number(at: int, size: int, *values: int) -> Damage:
    """A number in the header of the file (user_version at 60, application_id at 68)."""

    def damage(rng: random.Random, files: Files) -> None:
        content = _content(files, DATABASE)
        value = rng.choice(values) % 2 ** (8 * size)
        content[at : at + size] = value.to_bytes(size, "big")
        files[DATABASE] = bytes(content)

    return damage


# ---------------------------------------------------------------- beside the file


def put(name: str, *contents: Callable[[random.Random], bytes | str | None]) -> Damage:
    def damage(rng: random.Random, files: Files) -> None:
        for path in [path for path in files if path.startswith(f"{name}/")]:
            del files[path]
        files[name] = rng.choice(contents)(rng)

    return damage


def drop(name: str) -> Damage:
    def damage(_rng: random.Random, files: Files) -> None:
        for path in [path for path in files if path == name or path.startswith(f"{name}/")]:
            del files[path]

    return damage


def stranger(name: str, whose: str) -> Damage:
    def damage(_rng: random.Random, files: Files) -> None:
        files[name] = strangers()[whose]

    return damage


def older_log(_rng: random.Random, files: Files) -> None:
    """The log as it was some moves ago, beside a file that has gone on."""
    files[DATABASE] = specimens()["closed"][DATABASE]
    files[WAL] = specimens()["older"][WAL]


def older_file(_rng: random.Random, files: Files) -> None:
    files[DATABASE] = specimens()["older"][DATABASE]


def own_lock(*contents: Callable[[random.Random], bytes | str | None]) -> Damage:
    def damage(rng: random.Random, files: Files) -> None:
        for path in [path for path in files if path.endswith(".lock")]:
            del files[path]
            if contents:
                files[path] = rng.choice(contents)(rng)

    return damage


# ---------------------------------------------------------------- what SQL can do


def sql(*scripts: str, triggers: bool = False, lax: bool = False) -> Damage:
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
