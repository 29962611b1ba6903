"""fork() with a queue open: the child is told, the parent goes on, the file stays whole."""

from __future__ import annotations

from pathlib import Path

import pytest

import _oracle as oracle
from sprag.queue import QueueService
from tests.conftest import MakeQueue
from tests.support import finished, raw, said, wait_until

PROGRAMS = Path(__file__).with_name("programs")


def run(way: str, database: Path) -> str:
    """What `forking.py` said, which must succeed."""
    return said(PROGRAMS / "forking.py", database, way)


def audit(path: Path) -> list[str]:
    with raw(path) as connection:
        return oracle.audit(connection)


def test_a_forked_child_cannot_use_its_parent_s_queue_and_is_told_so(
    make_queue: MakeQueue, database: Path
) -> None:
    run("every_call", database)
    assert audit(database) == []
    assert make_queue().counts()["completed"] == 2


def test_children_of_a_busy_parent_are_told_and_end_however_the_fork_falls(
    database: Path,
) -> None:
    run("busy_parent", database)
    assert audit(database) == []


def test_the_child_s_end_frees_nothing_of_the_parent_s(
    make_queue: MakeQueue, database: Path
) -> None:
    # Each child ends in another way; the owner's lock and the running job stay the parent's.
    told = run("ends_of_children", database)
    assert told == "['enqueue', 'start', 'complete']"
    assert audit(database) == []
    assert list(Path(f"{database}-sprag").glob("*.lock")) == []


def test_a_child_that_makes_a_queue_of_its_own_shares_the_file(
    make_queue: MakeQueue, database: Path
) -> None:
    run("queues_of_their_own", database)
    queue = make_queue().start()
    wait_until(lambda: queue.counts()["queued"] + queue.counts()["running"] == 0)
    assert queue.counts()["completed"] == 23
    assert audit(database) == []


def test_a_writer_at_work_when_the_process_forks_does_not_lock_the_child_out(
    database: Path,
) -> None:
    run("beside_a_writer", database)
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
        children = connection.execute(
            "SELECT count(*) FROM job WHERE item = '\"of the child\"'"
        ).get
    assert children == 15
    assert file.owners == set()


def test_the_file_stays_whole_when_the_parent_closes_it_under_its_children(
    database: Path,
) -> None:
    # SQLite keeps locks by process: a child that inherits connections could believe that it
    # holds what only its parent does, and the parent's close would pull the log from under it.
    told = run("parent_that_closes", database)
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert set(told.split()) <= set(file.jobs)
    assert len(file.jobs) == len(told.split()) + 53


@pytest.mark.parametrize("way", ["pool_in_main", "pool_in_handler"])
def test_multiprocessing_children_of_a_queue_s_process_work(
    make_queue: MakeQueue, database: Path, way: str
) -> None:
    told = run(way, database)
    assert told == "285"
    queue: QueueService = make_queue().start()
    assert finished(queue, queue.enqueue(1))[0].status == "completed"
    assert audit(database) == []


@pytest.mark.parametrize("when", ["early", "later"])
def test_a_forked_child_ends_by_sigterm_whenever_that_comes(database: Path, when: str) -> None:
    said(PROGRAMS / "terminated_child.py", database, when)


@pytest.mark.parametrize("way", ["in_a_handler", "in_a_handler_while_another_thread_writes"])
def test_a_handler_that_forks_leaves_no_child_behind(database: Path, way: str) -> None:
    run(way, database)
