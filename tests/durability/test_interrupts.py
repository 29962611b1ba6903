"""Ctrl-C and SIGTERM raise in the main thread, between any two instructions, and nothing hangs."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import _oracle as oracle
from tests.support import DEADLINE, child, python, raw, unmeasured

SWEEP = """
    # Let a signal arrive at each instruction that one call runs in the main thread, where locks
    # are taken and connections counted. Python delivers it at its next own look. After each,
    # others must be able to do everything.
    import contextlib, ctypes, faulthandler, os, signal, sys, threading
    from sprag.queue import QueueService, commit, database, interrupts

    faulthandler.dump_traceback_later(100, exit=True)
    path, call, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    raised = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}[number]
    files = {module.__file__ for module in (commit, database, interrupts, contextlib)}

    # As a trace function this makes the signal pending and runs no instruction of Python's,
    # which would be where it is delivered. What the trace function is given is ignored.
    arrive = ctypes.pythonapi.PyErr_SetInterrupt
    arrive.argtypes = [ctypes.py_object] * 3
    arrive.restype = None

    def deliver(handler):
        def delivered(number, frame):
            sys.settrace(None)
            handler(number, frame)

        return delivered

    class Work(QueueService):
        name = "work"
        worker_count = 2

        def handle_item(self, item):
            return item

    class At:
        def __init__(self, instruction):
            self.left = instruction
            self.place = None

        def __call__(self, frame, event, argument):
            if event == "call":
                frame.f_trace_opcodes = frame.f_code.co_filename in files
                return self if frame.f_trace_opcodes else None
            if event == "opcode":
                self.left -= 1
                if self.left == 0:
                    self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                    return arrive
            return self

    def others_can(what):
        done = []
        thread = threading.Thread(target=lambda: done.append(what()), daemon=True)
        thread.start()
        thread.join(20)
        return bool(done)

    def drained(queue):
        while (counts := queue.counts())["queued"] + counts["running"]:
            threading.Event().wait(0.01)
        return True

    def give_up(problem):
        # Not by way of the queue's end, which would hang as well.
        print(problem, file=sys.stderr, flush=True)
        faulthandler.dump_traceback()
        os._exit(1)

    def main():
        interrupted, instruction, missed = 0, 0, 0
        # Python 3.12 traces instructions only if some frame wanted it when tracing began.
        sys._getframe().f_trace_opcodes = True
        with Work(database=path, durability="normal") as queue:
            first = queue.enqueue(0)
            queue.wait(first.id, 60)
            # It is always SIGINT that arrives.
            signal.signal(signal.SIGINT, deliver(signal.getsignal(number)))
            calls = {
                "enqueue": lambda: queue.enqueue(1),
                "cancel": lambda: queue.cancel(first.id),
                "get": lambda: queue.get(first.id),
                "jobs": lambda: queue.jobs(limit=1),
            }
            # Not every call takes the same path: the end is where none comes this far.
            while missed < 20:
                instruction += 1
                at = At(instruction)
                try:
                    sys.settrace(at)
                    calls[call]()
                    sys.settrace(None)
                except raised:
                    interrupted += 1
                sys.settrace(None)
                if at.place is None:
                    missed += 1
                    continue
                missed = 0
                if not others_can(lambda: queue.wait(queue.enqueue(2).id, 15)):
                    give_up(f"a signal at {at.place}: {call} left a queue that hangs")
                if not others_can(lambda: queue.jobs(limit=1)):
                    give_up(f"a signal at {at.place}: {call} left a queue without reads")
            if not others_can(lambda: drained(queue)):
                give_up(f"{call} left a job that nobody runs: {queue.counts()}")
            if not others_can(lambda: queue.stop(0) or True):
                give_up(f"{call} left a queue that cannot be stopped")
        print(interrupted)

    main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("call", ["enqueue", "cancel", "get", "jobs"])
def test_a_signal_at_any_instruction_leaves_the_queue_usable(
    tmp_path: Path, call: str, number: signal.Signals
) -> None:
    database = tmp_path / "jobs.db"
    done = python(SWEEP, database, call, int(number))
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) > 50
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    # What was started was also run: no start was left without a worker.
    assert {job.status for job in file.jobs.values()} <= {"completed", "cancelled"}


LIFE = """
    # Let Ctrl-C arrive at each event that a profile of one call has: also right before a call of C
    # code, such as a wait, since Python looks for signals only after it. Whenever it comes, the
    # call ends, in order or by KeyboardInterrupt, and the queue can be stopped for good.
    import _thread, faulthandler, gc, os, sys, threading
    from sprag.queue import QueueService, interrupts, pool

    path, call = sys.argv[1:]
    files = os.path.dirname(interrupts.__file__), threading.__file__
    interrupts.PIECE_SECONDS = pool.PIECE_SECONDS = 0.02
    gc.disable()  # Python drops what is raised in its callbacks

    class Work(QueueService):
        name = "work"
        worker_count = 1

        def handle_item(self, item):
            begun.set()
            while True:
                self.check_cancelled()
                threading.Event().wait(0.001)

    class Now:
        # As an operator it is no call, after which Python would look for signals.
        __neg__ = staticmethod(_thread.interrupt_main)

    class At:
        def __init__(self, event):
            self.left = event
            self.waits = 0

        def __call__(self, frame, event, argument):
            if not frame.f_code.co_filename.startswith(files):
                return
            self.waits += event == "call" and frame.f_code in waiting
            self.left -= 1
            if self.left == 0:
                sys.setprofile(None)
                -now

    def block():
        with queue:
            pass

    waiting = interrupts.wait.__code__, pool.WorkerPool._spend_grace.__code__
    # The first wait for a job ends by itself, since its start is told to everyone.
    endless = {"stop": 1, "wait": 2}.get(call, 1000)
    now = Now()
    queue = Work(database=path, durability="normal", grace_seconds=600)
    job = queue.enqueue(1)
    queue.stop()
    number = past = interrupted = 0
    while past < 80:
        number += 1
        begun = threading.Event()
        queue = Work(database=path, durability="normal", grace_seconds=600)
        gc.collect()
        calls = {
            "start": queue.start,
            "stop": queue.stop,
            "stop at once": lambda: queue.stop(0),
            "wait": lambda: queue.wait(job.id),
            "block": block,
        }
        if call not in ("start", "block"):
            queue.start()
            begun.wait()
        if call == "block":
            queue.grace_seconds = 0.0
        at = At(number)
        faulthandler.dump_traceback_later(20, exit=True)
        try:
            sys.setprofile(at)
            calls[call]()
            sys.setprofile(None)
        except KeyboardInterrupt:
            interrupted += 1
        sys.setprofile(None)
        queue.stop(0)
        for thread in threading.enumerate():
            if thread.name.startswith("sprag-"):
                thread.join()
        faulthandler.cancel_dump_traceback_later()
        # One that waits on does so for ever; of the others all moments have been tried.
        past += at.waits >= endless or at.left > 0
    print(interrupted)
"""


@pytest.mark.parametrize("call", ["start", "stop", "stop at once", "wait", "block"])
def test_ctrl_c_at_any_moment_ends_a_call_and_leaves_no_half_of_a_queue(
    tmp_path: Path, call: str
) -> None:
    database = tmp_path / "jobs.db"
    done = python(LIFE, database, call)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 100
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert file.owners == set()
    assert {job.status for job in file.jobs.values()} == {"queued"}
    assert not any(move.event == "recover" for move in file.moves)


INTERRUPTED = """
    import faulthandler, sys
    from sprag.queue import QueueService

    faulthandler.dump_traceback_later(50, exit=True)

    class Work(QueueService):
        name = "work"
        worker_count = 3

        def handle_item(self, item):
            self.report_progress(current=item)
            return item

    interrupts = 0
    accepted = []
    with Work(database=sys.argv[1], durability="normal", grace_seconds=60) as queue:
        while interrupts < int(sys.argv[2]):
            try:
                print("ready", flush=True)
                while True:
                    accepted.append(queue.enqueue(len(accepted)).id)
            except KeyboardInterrupt:
                interrupts += 1
        while (counts := queue.counts())["queued"] + counts["running"]:
            pass
    lost = [id for id in accepted if queue.get(id).status != "completed"]
    queue.stop()
    print(len(lost), flush=True)
"""


def test_ctrl_c_while_the_main_thread_enqueues_loses_and_blocks_nothing(tmp_path: Path) -> None:
    rounds = 150
    noise = random.Random(5)
    database = tmp_path / "jobs.db"
    with child(INTERRUPTED, database, rounds) as process:
        assert process.stdout is not None
        for _ in range(rounds):
            assert process.stdout.readline() == "ready\n"
            time.sleep(noise.uniform(0, 0.006))
            process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0
    assert said == "0\n"
    with raw(database) as connection:
        assert oracle.audit(connection) == []


TERMINATED = """
    import os, sys
    from sprag.queue import QueueService

    class Work(QueueService):
        name = "work"
        worker_count = 3

        def handle_item(self, item):
            return item

    with Work(database=sys.argv[1], durability="normal") as queue:
        os.write(1, b"ready\\n")
        while True:
            job = queue.enqueue(1)
            os.write(1, job.id.encode() + b"\\n")
"""


def test_sigterm_while_the_main_thread_enqueues_ends_in_order(tmp_path: Path) -> None:
    noise = random.Random(6)
    database = tmp_path / "jobs.db"
    accepted: list[str] = []
    for _ in range(8):
        # Its own buffer would be a place to lose lines in.
        process = subprocess.Popen(
            [sys.executable, "-c", _dedented(TERMINATED), str(database)],
            env=unmeasured(),
            stdout=subprocess.PIPE,
        )
        with process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                time.sleep(noise.uniform(0, 0.05))
                process.send_signal(signal.SIGTERM)
                said, _ = process.communicate(timeout=DEADLINE)
            finally:
                process.kill()
        assert process.returncode == 128 + signal.SIGTERM
        accepted += said.decode().split()
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert set(accepted) <= set(file.jobs)
    assert file.owners == set()
    assert not any(job.status in oracle.HELD for job in file.jobs.values())
    assert not any(move.event == "recover" for move in file.moves)


def _dedented(code: str) -> str:
    lines = code.splitlines()
    return "\n".join(line[4:] for line in lines)
