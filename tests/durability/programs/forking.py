"""Forks in many ways beside a queue. Arguments: the file, and which of the functions below runs.

In a process of its own, because pytest's has threads of other tests to fork with. A child that
fails says why, and ends with 1.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from sprag.queue import QueueClosed, QueueService, Signal
from sprag.queue.service import life_of

# Newer Pythons warn of every fork beside threads; here it is on purpose.
warnings.simplefilter("ignore", DeprecationWarning)
path, wanted = sys.argv[1:]


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Work(QueueService):
    name = "work"
    worker_count = 2
    grace_seconds = 30.0

    def handle_item(self, item: Any) -> Any:
        return os.getpid()


def child_of(target: Callable[[], object]) -> int:
    """The pid of a child that runs `target`; it exits with 0 unless that raises."""
    pid = os.fork()
    if pid == 0:
        try:
            target()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the child says it
            say("child:", type(error).__name__, error)
            os._exit(1)
        os._exit(0)
    return pid


def code_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def forked(target: Callable[[], object]) -> int:
    """The exit code of a child that runs `target`."""
    return code_of(child_of(target))


def refused(what: Callable[[], object]) -> None:
    try:
        what()
    except QueueClosed as error:
        assert "fork" in str(error), error
    else:
        raise AssertionError("it was not refused")


def every_call() -> None:
    with Work(database=path) as queue:
        first = queue.enqueue(1)
        queue.subscribe(lambda signal: None)

        def child() -> None:
            uses: list[Callable[[], object]] = [
                queue.start,
                lambda: queue.enqueue(1),
                lambda: queue.enqueue_many([1]),
                lambda: queue.get(first.id),
                queue.jobs,
                queue.counts,
                lambda: queue.history(first.id),
                lambda: queue.cancel(first.id),
                lambda: queue.requeue(first.id),
                lambda: queue.wait(first.id),
                lambda: queue.subscribe(print),
                lambda: queue.prune(keep=1),
                lambda: queue.backup(path + ".copy"),
            ]
            for use in uses:
                refused(use)
            queue.stop()

        assert forked(child) == 0
        # The parent is not harmed.
        assert queue.wait(queue.enqueue(2).id, 30).result == os.getpid()


def busy_parent() -> None:
    with Work(database=path, durability="normal") as queue:
        stop = threading.Event()

        def use(what: Callable[[], object]) -> None:
            while not stop.is_set():
                what()

        uses: list[Callable[[], object]] = [
            lambda: queue.enqueue(1), queue.jobs, queue.counts,
        ]  # fmt: skip
        threads = [threading.Thread(target=use, args=(what,)) for what in uses]
        for thread in threads:
            thread.start()
        try:
            for _ in range(25):
                assert forked(lambda: refused(lambda: queue.enqueue(1))) == 0
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        queue.wait(queue.enqueue(2).id, 30)


def ends_of_children() -> None:
    """Each child ends in another way; the owner's lock and the running job stay the parent's."""
    begun, go = threading.Event(), threading.Event()

    class Held(Work):
        def handle_item(self, item: Any) -> int:
            begun.set()
            go.wait(30)
            return os.getpid()

    with Held(database=path) as queue:
        job = queue.enqueue(1)
        begun.wait(30)
        forked(lambda: None)
        forked(lambda: os.kill(os.getpid(), signal.SIGKILL))
        pid = os.fork()
        if pid == 0:
            sys.exit(0)  # by way of the block's end, and of atexit
        os.waitpid(pid, 0)

        # Another process looks for dead owners' jobs of any queue, and finds none.
        subprocess.run([sys.executable, __file__, path, another.__name__], check=True)
        assert queue.get(job.id).status == "running"
        go.set()
        assert queue.wait(job.id, 30).result == os.getpid()
        say([move.event for move in queue.history(job.id)])


def another() -> None:
    """A process without forks, which runs another queue of the file."""

    class Other(Work):
        name = "other"

    with Other(database=path) as queue:
        queue.wait(queue.enqueue(2).id, 30)


def queues_of_their_own() -> None:
    with Work(database=path) as queue:
        queue.enqueue_many(range(20))

        def child() -> None:
            with Work(database=path) as own:
                job = own.enqueue("of the child")
                own.wait(job.id, 30)
                seen: list[Signal] = []
                with own.subscribe(seen.append, after=0):
                    while not seen or seen[-1]["seq"] < 1:
                        time.sleep(0.001)

        assert forked(child) == 0
        assert forked(lambda: forked(child)) == 0  # a grandchild too
        queue.wait(queue.enqueue("after").id, 30)


def beside_a_writer() -> None:
    queue = Work(database=path, busy_seconds=2.0, durability="normal")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            queue.enqueue_many(["x" * 1000] * 200)

    def child() -> None:
        own = Work(database=path, busy_seconds=20.0, durability="normal")
        own.enqueue("of the child")
        own.stop()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(15):
            assert forked(child) == 0
    finally:
        stop.set()
        thread.join()
    queue.stop()


def parent_that_closes() -> None:
    queue = Work(database=path, durability="normal")
    queue.enqueue_many(range(50))
    ready, ended = os.pipe(), os.pipe()

    def child() -> None:
        os.close(ended[1])
        own = Work(database=path, durability="normal")
        # The log has to have some length.
        ids = [own.enqueue("x" * 300).id for _ in range(800)]
        os.write(ready[1], b".")
        os.set_blocking(ended[0], False)
        while True:
            try:
                os.read(ended[0], 1)
                break
            except BlockingIOError:
                ids.append(own.enqueue("x" * 300).id)
        for id_ in ids:
            say(own.get(id_).id)
        own.stop()

    pids = [child_of(child), child_of(child)]
    for _ in pids:
        os.read(ready[0], 1)
    for _ in range(3):
        queue.stop()
        time.sleep(0.1)
        queue.enqueue("of the parent")
    queue.stop()
    os.close(ended[1])
    codes = [code_of(pid) for pid in pids]
    assert codes == [0, 0], codes


def square(n: int) -> int:
    return n * n


def compute() -> int:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.map(square, range(10)))


class Computing(Work):
    def handle_item(self, item: Any) -> int:
        return compute()


def pool_in_main() -> None:
    with Computing(database=path):
        say(compute())


def pool_in_handler() -> None:
    with Computing(database=path) as queue:
        say(queue.wait(queue.enqueue(1).id, 40).result)


def in_a_handler() -> None:
    children: list[int] = []

    class Forking(QueueService):
        name = "forking"

        def handle_item(self, item: Any) -> None:
            child = os.fork()
            if child:
                children.append(child)
            # The child goes on here too, and must come to its end.

    with Forking(database=path) as queue:
        for job in queue.enqueue_many(range(10)):
            assert queue.wait(job.id, 30).status == "completed"
        for child in children:
            os.waitpid(child, 0)
        assert len(children) == 10


def in_a_handler_while_another_thread_writes() -> None:
    children: list[int] = []

    class Forking(QueueService):
        name = "forking"

        def handle_item(self, item: Any) -> None:
            # In the child it stays held, as by a thread that the child lacks.
            lead = life_of(self).open().store._commits._lead_lock
            lead.acquire()
            child = os.fork()
            if child:
                lead.release()
                children.append(child)

    with Forking(database=path, worker_count=1) as queue:
        assert queue.wait(queue.enqueue(1).id, 30).status == "completed"
        for child in children:
            os.waitpid(child, 0)


WAYS: dict[str, Callable[[], None]] = {
    way.__name__: way
    for way in (
        every_call, busy_parent, ends_of_children, another, queues_of_their_own, beside_a_writer,
        parent_that_closes, pool_in_main, pool_in_handler,
        in_a_handler, in_a_handler_while_another_thread_writes,
    )
}  # fmt: skip

WAYS[wanted]()
