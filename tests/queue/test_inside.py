"""A thread carries a mark wherever it takes a lock, and a call that would wait for its own thread
is refused."""

from __future__ import annotations

import ast
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sprag import queue
from sprag.queue import QueueError, QueueService, ReentrantCall, new_job_id
from sprag.queue.service import life_of
from sprag.queue.threads.inside import here
from tests.conftest import MakeQueue
from tests.support import finished

QUEUE = Path(queue.__file__).parent
LOCKS = (
    "_lead_lock", "_lock", "_life", "_mutex", "choosing", "_parking", "_registry", "mutex", "turn",
)  # fmt: skip
"""What the package's locks are called; a `with` also uses a connection to read by these."""
READS = ("reading", "snapshot")
UNDER_ANOTHER_MARK = {
    "commit.py": "submit() carries the mark around all of it",
    "database.py": "its callers carry it: reads, the writer in `commit`, the keeper",
    "usage.py": "as in database",
    "batch.py: with database.turn": "as in commit",
    "dealing.py: with self._parking": "as in commit, but for dismiss()",
    "ids.py: with _lock": "by acquire() and release()",
    "engine.py: with _registry": "in own(), which carries it",
    "lifecycle.py: with roster.choosing()": "in _start(), which carries it",
    "sparing.py: with self._mutex": "of those who look at a file: no call of a queue waits for it",
}


def taken() -> Iterator[tuple[str, str]]:
    """(file, `with` statement) of each place where a lock is taken, or the file is read, without
    the mark. Other packages have locks of their own."""
    for file in sorted(QUEUE.parent.rglob("*.py")):
        watched = (*LOCKS, *READS) if file.is_relative_to(QUEUE) else READS
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.With):
                continue
            items = [ast.unparse(item.context_expr) for item in node.items]
            last = [item.removesuffix("()").rpartition(".")[2] for item in items]
            if any(name in watched for name in last) and items[0] != "here.inside":
                yield file.name, f"with {', '.join(items)}"


def test_every_lock_is_taken_with_the_mark_of_its_thread() -> None:
    unmarked = {
        f"{file}: {statement}"
        for file, statement in taken()
        if file not in UNDER_ANOTHER_MARK and f"{file}: {statement}" not in UNDER_ANOTHER_MARK
    }
    assert unmarked == set()


CALLS: dict[str, Callable[[QueueService, str], Any]] = {
    "enqueue": lambda queue, _: queue.enqueue(1),
    "enqueue with an id": lambda queue, id_: queue.enqueue(1, job_id=id_),
    "enqueue_many": lambda queue, _: queue.enqueue_many([1, 2]),
    "get": lambda queue, id_: queue.get(id_),
    "jobs": lambda queue, _: queue.jobs(),
    "jobs of an audience": lambda queue, _: queue.jobs(audience="me"),
    "history": lambda queue, id_: queue.history(id_),
    "wait": lambda queue, id_: queue.wait(id_, 1),
    "cancel": lambda queue, id_: queue.cancel(id_),
    "requeue": lambda queue, id_: queue.requeue(id_),
    "counts": lambda queue, _: queue.counts(),
    "subscribe": lambda queue, _: queue.subscribe(print),
    "prune": lambda queue, _: queue.prune(keep=0),
    "backup": lambda queue, _: queue.backup(f"{queue.path}.copy"),
    "start": lambda queue, _: queue.start(),
    "stop": lambda queue, _: queue.stop(0),
    "place": lambda _queue, _id: QueueService(name="other").place("elsewhere.db"),
    "new_job_id": lambda _queue, _id: new_job_id(),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_interrupts_its_own_thread_inside_is_refused_and_changes_nothing(
    make_queue: MakeQueue, call: str
) -> None:
    queue = make_queue().start()
    (job,) = finished(queue, queue.enqueue("before"))
    moves = len(queue.history(job.id))
    with here.inside, pytest.raises(ReentrantCall, match="changed nothing"):
        CALLS[call](queue, job.id)
    assert queue.counts() == {**dict.fromkeys(queue.counts(), 0), "completed": 1}
    assert len(queue.history(job.id)) == moves
    assert not Path(f"{queue.path}.copy").exists()
    finished(queue, queue.enqueue("after"))


def test_closing_a_subscription_inside_is_refused_and_it_goes_on(make_queue: MakeQueue) -> None:
    heard = threading.Event()
    queue = make_queue().start()
    subscription = queue.subscribe(lambda signal: heard.set())
    with here.inside, pytest.raises(ReentrantCall):
        subscription.close()
    queue.enqueue(1)
    assert heard.wait(60)
    subscription.close()


def test_the_mark_is_of_one_thread_only(make_queue: MakeQueue) -> None:
    queue = make_queue()
    accepted: list[str] = []
    with here.inside:
        thread = threading.Thread(target=lambda: accepted.append(queue.enqueue(1).id))
        thread.start()
        thread.join(60)
    assert queue.get(accepted[0]).status == "queued"


def test_no_call_leaves_the_mark_behind(make_queue: MakeQueue) -> None:
    queue = make_queue().start()
    job = queue.enqueue("before")
    for call in CALLS.values():
        with suppress(QueueError):  # some of them do not fit the job
            call(queue, job.id)
        assert not here.is_inside()


def test_items_that_are_made_on_the_way_may_use_the_queue(make_queue: MakeQueue) -> None:
    queue = make_queue()
    made = queue.enqueue_many(queue.enqueue(n).id for n in range(3))
    assert len(made) == 3
    assert queue.counts()["queued"] == 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_by_what_interrupts_a_write_does_not_wait_for_that_write(
    make_queue: MakeQueue,
) -> None:
    queue = make_queue().start()
    (before,) = finished(queue, queue.enqueue("before"))
    database = life_of(queue).open().database
    begun = time.monotonic()
    with here.inside, database.turn:
        child = os.fork()
        if not child:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert time.monotonic() - begun < 5  # it would wait for twice as long
    finished(queue, queue.enqueue("after"))
    assert queue.get(before.id).status == "completed"
