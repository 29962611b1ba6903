"""fork() with a queue open: the child is told, the parent goes on, the file stays whole."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import _oracle as oracle
from sprag.queue import QueueService
from tests.conftest import MakeQueue
from tests.support import DEADLINE, finished, raw, wait_until

# In children of their own, because pytest's process has threads of other tests to fork with.
PROGRAM = """
    import multiprocessing, os, signal, sys, threading, time, warnings
    from sprag.queue import QueueClosed, QueueService

    # Newer Pythons warn of every fork beside threads; here it is on purpose.
    warnings.simplefilter("ignore", DeprecationWarning)
    path = sys.argv[1]

    def say(*words):
        os.write(1, (" ".join(map(str, words)) + "\\n").encode())

    class Work(QueueService):
        name = "work"
        worker_count = 2
        grace_seconds = 30.0

        def handle_item(self, item):
            return os.getpid()

    def forked(target):
        # The exit code of a child that runs `target`; 0 unless it raises.
        pid = os.fork()
        if pid == 0:
            try:
                target()
            except BaseException as error:
                say("child:", type(error).__name__, error)
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def refused(what):
        try:
            what()
        except QueueClosed as error:
            assert "fork" in str(error), error
        else:
            raise AssertionError("it was not refused")
"""


def run(code: str, database: Path) -> str:
    """PROGRAM and `code`, in a process that must succeed; what they said."""
    whole = textwrap.dedent(PROGRAM) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", whole, str(database)],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


def audit(path: Path) -> list[str]:
    with raw(path) as connection:
        return oracle.audit(connection)


def test_a_forked_child_cannot_use_its_parent_s_queue_and_is_told_so(
    make_queue: MakeQueue, database: Path
) -> None:
    run(
        """
        with Work(database=path) as queue:
            first = queue.enqueue(1)
            subscription = queue.subscribe(lambda signal: None)

            def child():
                for use in (
                    lambda: queue.start(),
                    lambda: queue.enqueue(1),
                    lambda: queue.enqueue_many([1]),
                    lambda: queue.get(first.id),
                    lambda: queue.jobs(),
                    lambda: queue.counts(),
                    lambda: queue.history(first.id),
                    lambda: queue.cancel(first.id),
                    lambda: queue.requeue(first.id),
                    lambda: queue.wait(first.id),
                    lambda: queue.subscribe(print),
                    lambda: queue.prune(keep=1),
                    lambda: queue.backup(path + ".copy"),
                ):
                    refused(use)
                queue.stop()

            assert forked(child) == 0
            # The parent is not harmed.
            assert queue.wait(queue.enqueue(2).id, 30).result == os.getpid()
        """,
        database,
    )
    assert audit(database) == []
    assert make_queue().counts()["completed"] == 2


def test_children_of_a_busy_parent_are_told_and_end_however_the_fork_falls(
    database: Path,
) -> None:
    run(
        """
        with Work(database=path, durability="normal") as queue:
            stop = threading.Event()

            def use(what):
                while not stop.is_set():
                    what()

            uses = [lambda: queue.enqueue(1), lambda: queue.jobs(), lambda: queue.counts()]
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
        """,
        database,
    )
    assert audit(database) == []


def test_the_child_s_end_frees_nothing_of_the_parent_s(
    make_queue: MakeQueue, database: Path
) -> None:
    # Each child ends in another way; the owner's lock and the running job stay the parent's.
    said = run(
        """
        begun, go = threading.Event(), threading.Event()

        class Held(Work):
            def handle_item(self, item):
                begun.set()
                go.wait(30)
                return os.getpid()

        with Held(database=path) as queue:
            job = queue.enqueue(1)
            begun.wait(30)
            for end in (lambda: None, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                forked(end)
            pid = os.fork()
            if pid == 0:
                sys.exit(0)  # by way of the block's end, and of atexit
            os.waitpid(pid, 0)

            # Another process looks for dead owners' jobs of any queue, and finds none.
            code = (
                "import sys; from sprag.queue import QueueService\\n"
                "class Work(QueueService):\\n"
                "    name = 'other'\\n"
                "    def handle_item(self, item): return item\\n"
                "with Work(database=sys.argv[1]) as queue:\\n"
                "    queue.wait(queue.enqueue(2).id, 30)\\n"
            )
            import subprocess
            subprocess.run([sys.executable, "-c", code, path], check=True)
            assert queue.get(job.id).status == "running"
            go.set()
            assert queue.wait(job.id, 30).result == os.getpid()
            say([move.event for move in queue.history(job.id)])
        """,
        database,
    )
    assert said.strip() == "['enqueue', 'start', 'complete']"
    assert audit(database) == []
    assert list(Path(f"{database}-sprag").glob("*.lock")) == []


def test_a_child_that_makes_a_queue_of_its_own_shares_the_file(
    make_queue: MakeQueue, database: Path
) -> None:
    run(
        """
        with Work(database=path) as queue:
            queue.enqueue_many(range(20))

            def child():
                with Work(database=path) as own:
                    job = own.enqueue("of the child")
                    own.wait(job.id, 30)
                    seen = []
                    with own.subscribe(seen.append, after=0):
                        while not seen or seen[-1]["seq"] < 1:
                            time.sleep(0.001)

            assert forked(child) == 0
            assert forked(lambda: forked(child)) == 0  # a grandchild too
            queue.wait(queue.enqueue("after").id, 30)
        """,
        database,
    )
    queue = make_queue().start()
    wait_until(lambda: queue.counts()["queued"] + queue.counts()["running"] == 0)
    assert queue.counts()["completed"] == 23
    assert audit(database) == []


def test_a_writer_at_work_when_the_process_forks_does_not_lock_the_child_out(
    database: Path,
) -> None:
    run(
        """
        queue = Work(database=path, busy_seconds=2.0, durability="normal")
        stop = threading.Event()

        def write():
            while not stop.is_set():
                queue.enqueue_many(["x" * 1000] * 200)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(15):
                def child():
                    own = Work(database=path, busy_seconds=20.0, durability="normal")
                    own.enqueue("of the child")
                    own.stop()

                assert forked(child) == 0
        finally:
            stop.set()
            thread.join()
        queue.stop()
        """,
        database,
    )
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
    said = run(
        """
        queue = Work(database=path, durability="normal")
        queue.enqueue_many(range(50))
        ready, ended = os.pipe(), os.pipe()

        def child():
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

        pids = []
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                os.close(ended[1])
                try:
                    child()
                except BaseException as error:
                    say("child:", type(error).__name__, error)
                    os._exit(1)
                os._exit(0)
            pids.append(pid)
        for _ in pids:
            os.read(ready[0], 1)
        for _ in range(3):
            queue.stop()
            time.sleep(0.1)
            queue.enqueue("of the parent")
        queue.stop()
        os.close(ended[1])
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        assert codes == [0, 0], codes
        """,
        database,
    )
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert set(said.split()) <= set(file.jobs)
    assert len(file.jobs) == len(said.split()) + 53


@pytest.mark.parametrize("inside", [False, True], ids=["main", "handler"])
def test_multiprocessing_children_of_a_queue_s_process_work(
    make_queue: MakeQueue, database: Path, *, inside: bool
) -> None:
    said = run(
        f"""
        inside = {inside}

        def square(n):
            return n * n

        def compute():
            with multiprocessing.get_context("fork").Pool(2) as pool:
                return sum(pool.map(square, range(10)))

        class Computing(Work):
            def handle_item(self, item):
                return compute()

        with Computing(database=path) as queue:
            if inside:
                print(queue.wait(queue.enqueue(1).id, 40).result)
            else:
                print(compute())
        """,
        database,
    )
    assert said.strip() == "285"
    queue: QueueService = make_queue().start()
    assert finished(queue, queue.enqueue(1))[0].status == "completed"
    assert audit(database) == []


@pytest.mark.parametrize("when", ["as early as can be", "later"])
def test_a_forked_child_ends_by_sigterm_whenever_that_comes(database: Path, when: str) -> None:
    early = """
        import os, signal
        armed = False

        def terminate():
            if armed:
                os.kill(os.getpid(), signal.SIGTERM)

        os.register_at_fork(after_in_child=terminate)  # before sprag's own
    """
    later = """
        with Work(database=path) as queue:
            armed = early = sys.argv[2] == "as early as can be"

            def child():
                if not early:
                    os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(30)

            assert forked(child) == -signal.SIGTERM
            armed = False
            # The parent still stops in order.
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
    """
    whole = "".join(map(textwrap.dedent, (early, PROGRAM, later)))
    done = subprocess.run(
        [sys.executable, "-c", whole, str(database), when],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def test_a_child_forked_while_the_main_thread_commits_minds_its_signals(database: Path) -> None:
    run(
        """
        import signal, threading
        from sprag.queue import interrupts

        with Work(database=path) as queue:
            queue.enqueue(1)  # which makes the shield effective

            def child():
                signal.raise_signal(signal.SIGINT)

            codes = []
            with interrupts.shielded:
                thread = threading.Thread(target=lambda: codes.append(forked(child)))
                thread.start()
                thread.join(30)
            assert codes and codes != [0], codes
        """,
        database,
    )


def test_a_handler_that_forks_leaves_no_child_behind(database: Path) -> None:
    run(
        """
        class Forking(QueueService):
            name = "forking"

            def handle_item(self, item):
                child = os.fork()
                if child:
                    children.append(child)
                # The child goes on here too, and must come to its end.

        children = []
        with Forking(database=path) as queue:
            for job in queue.enqueue_many(range(10)):
                assert queue.wait(job.id, 30).status == "completed"
            for child in children:
                os.waitpid(child, 0)
            assert len(children) == 10
        """,
        database,
    )
