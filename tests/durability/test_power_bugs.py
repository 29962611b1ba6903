"""Bugs are planted, and the search for lost power must find each, and say what it is."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import apsw
import pytest

from _power import workload
from _power.log import Durability, Log
from _power.search import Failure, Search
from _power.workload import Scene, record
from sprag.queue.file.checkpoints import Checkpoints
from sprag.queue.file.connections import Connections
from sprag.queue.file.database import Database
from sprag.queue.sql.statements import SCHEMA
from sprag.queue.store.store import Store
from sprag.queue.watch.observer import Observers
from sprag.queue.watch.subscription import Subscription
from tests.support import PATIENCE, for_tool, some

POWER = Path(__file__).parents[2] / "tools" / "power.py"
GONE = r"job \w+ was acknowledged and is gone"
DAMAGED = r"integrity_check|plain SQLite cannot read it"

Shape = Callable[[Scene], None]
Found = Callable[..., Failure | None]


def burst(scene: Scene) -> None:
    """Some jobs, one by one, and nothing that looks at them before all were accepted."""
    process = scene.process()
    for _ in range(12):
        scene.one(process, "quick")
    wait_for_writers()
    scene.rest(process)
    process.catch_up()


def pair(scene: Scene) -> None:
    """A second process starts while the first one runs a job."""
    first = scene.process()
    scene.held(first)
    scene.process().catch_up()


def copied(scene: Scene) -> None:
    """A backup, and nothing after it that would sync its folder."""
    process = scene.process()
    scene.many(process)
    scene.rest(process)
    scene.backup(process)
    scene.one(process)
    scene.rest(process)
    process.catch_up()


_writers: list[threading.Thread] = []


def wait_for_writers() -> None:
    while _writers:
        _writers.pop().join()


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    """`found(shape, wanted)`: a failure with such a problem; None if there is none."""

    def find(
        shape: Shape,
        wanted: str,
        *,
        durability: Durability = "full",
        lies: frozenset[str] = frozenset(),
        most: int | None = None,
    ) -> Failure | None:
        workload.SHAPES["planted"] = shape
        log = record(tmp_path, "planted", 1, durability, lies)
        search = Search(log, tmp_path / "images", "1")
        points = log.points()
        random.Random(1).shuffle(points)
        for n in range(0, len(points[:most]), 5):
            for failure in search.run(points[n : n + 5]).failures:
                if any(re.search(wanted, problem) for problem in failure.problems):
                    return failure
        return None

    yield find
    workload.SHAPES.pop("planted", None)


@pytest.mark.parametrize("shape", [burst, pair, copied])
def test_where_no_bug_was_planted_none_is_found(found: Found, shape: Shape) -> None:
    levels: tuple[Durability, ...] = ("full", "normal")
    for durability in some(levels, 2):
        failure = found(shape, "", durability=durability, most=3)
        assert failure is None, failure.problems


@pytest.mark.parametrize(("level", "wanted"), [("NORMAL", GONE), ("OFF", DAMAGED)])
def test_commits_that_are_not_synced(
    found: Found, monkeypatch: pytest.MonkeyPatch, level: str, wanted: str
) -> None:
    settle = Connections.settle

    def planted(self: Connections, connection: apsw.Connection) -> None:
        settle(self, connection)
        connection.execute(f"PRAGMA synchronous = {level}")

    monkeypatch.setattr(Connections, "settle", planted)
    assert found(burst, wanted)


def test_checkpoints_that_are_not_synced(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Checkpoints.copy

    def planted(
        self: Checkpoints, connection: apsw.Connection, *mode: int
    ) -> tuple[int, int] | None:
        connection.execute("PRAGMA synchronous = OFF")
        try:
            return copy(self, connection, *mode)
        finally:
            connection.execute("PRAGMA synchronous = FULL")

    monkeypatch.setattr(Checkpoints, "copy", planted)
    assert found(burst, f"{GONE}|{DAMAGED}")


@pytest.mark.parametrize(("file", "wanted"), [("-wal", GONE), ("", f"{GONE}|{DAMAGED}")])
def test_syncs_that_lie(found: Found, file: str, wanted: str) -> None:
    assert found(burst, wanted, lies=frozenset([file]))


def test_jobs_that_are_acknowledged_before_their_commit(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue = Store.enqueue

    def planted(self: Store, *arguments: Any) -> float:
        writer = threading.Thread(target=enqueue, args=(self, *arguments))
        _writers.append(writer)
        writer.start()
        return self.clock()

    monkeypatch.setattr(Store, "enqueue", planted)
    assert found(burst, GONE)


def test_signals_that_are_sent_before_their_commit(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe, commit, snapshot = Observers.subscribe, Database.commit, Database.snapshot
    subscriptions: list[Subscription] = []
    committing = threading.local()

    def planted_subscribe(self: Observers, *arguments: Any) -> Subscription:
        subscriptions.append(subscribe(self, *arguments))
        subscriptions[-1]._read_on()
        return subscriptions[-1]

    def planted_snapshot(self: Database) -> AbstractContextManager[apsw.Connection]:
        early = getattr(committing, "now", False)
        return nullcontext(self.writer) if early else snapshot(self)

    def planted_commit(self: Database) -> None:
        committing.now = True
        for subscription in subscriptions:
            if subscription._store.database is self:
                subscription._read_on()
        committing.now = False
        commit(self)

    monkeypatch.setattr(Subscription, "_run", lambda self: None)
    monkeypatch.setattr(Observers, "subscribe", planted_subscribe)
    monkeypatch.setattr(Database, "snapshot", planted_snapshot)
    monkeypatch.setattr(Database, "commit", planted_commit)
    assert found(burst, r"the journal ends at seq \d+, but seq \d+ was signalled")


def test_moves_whose_row_in_the_journal_is_a_transaction_of_its_own(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Database.commit

    def planted(self: Database) -> None:
        commit(self)
        self.writer.execute(
            "INSERT INTO journal (job, previous, move, attempt, owner, at) "
            "SELECT key, past.seq, move.id, job.attempt, coalesce(job.owner, past.owner), moved_at "
            "FROM job JOIN transition AS past ON past.seq = job.newest "
            "JOIN move ON move.event = job.event AND move.source = past.to_status "
            "WHERE past.event <> job.event"
        )
        self.writer.execute(
            "UPDATE job SET newest = (SELECT max(seq) FROM journal WHERE journal.job = job.key)"
        )

    monkeypatch.setattr(
        "sprag.queue.file.identity.SCHEMA",
        f"{SCHEMA}; DROP TRIGGER job_moved; DROP TRIGGER job_newest;",
    )
    monkeypatch.setattr(Database, "commit", planted)
    assert found(burst, r"the row says .*, its transitions add up to")


def test_jobs_that_are_taken_from_a_process_that_lives(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sprag.queue.liveness.recovery.liveness", lambda folder, token: "dead")
    assert found(pair, r"was taken from owner 1, which lived")


def test_lock_files_whose_names_are_not_synced(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sprag.queue.liveness.owners.sync_folder", lambda folder: None)
    assert found(burst, r"is left with owner \d+, which is dead")


def test_lock_files_that_go_before_it_is_certain_that_their_rows_have_gone(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Database.begin
    monkeypatch.setattr(Database, "begin", lambda self, lasting: begin(self))
    assert found(burst, r"is left with owner \d+, which is dead", durability="normal")


def test_backups_whose_names_are_not_synced(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sprag.queue.store.backup.sync_folder", lambda folder: None)
    assert found(copied, r"backup-\d+.db was made at seq \d+ and has nothing")


def test_a_failure_that_was_saved_is_the_same_in_another_process(
    found: Found, tmp_path: Path
) -> None:
    failure = found(burst, GONE, lies=frozenset(["-wal"]))
    assert failure is not None
    file, case = tmp_path / "failure.log.gz", failure.case
    failure.log.save(file, point=case.point, model=case.model, seed=case.seed)
    assert Log.load(file)[0].entries == failure.log.entries
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(POWER), "--here", "--replay", str(file), "--dir", str(tmp_path)],
            capture_output=True, text=True, timeout=PATIENCE, check=False, env=for_tool(),
        )  # fmt: skip
        said = re.findall("^WRONG: (.*)", done.stdout, re.MULTILINE)
        assert (done.returncode, said) == (1, failure.problems), done.stderr
