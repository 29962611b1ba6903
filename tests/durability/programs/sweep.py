"""Let a signal arrive at each instruction that one call runs in the main thread, where locks are
taken and connections counted. Python delivers it at its next own look. After each, others must be
able to do everything.

    python sweep.py DATABASE CALL SIGNAL PART

Of the instructions a PART is tried, "2/5" for every fifth from the second on.

Prints how many times the call was interrupted.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from sprag.queue import QueueService
from sprag.queue.file import database
from sprag.queue.store import batch, commit, dealing
from sprag.queue.threads import interrupts

HANGS_SECONDS = 60
FILES = {module.__file__ for module in (commit, batch, dealing, database, interrupts, contextlib)}
RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}

# As a trace function this makes the signal pending and runs no instruction of Python's, which
# would be where it is delivered. What the trace function is given is ignored.
arrive: Any = ctypes.pythonapi.PyErr_SetInterrupt
arrive.argtypes = [ctypes.py_object] * 3
arrive.restype = None


class Work(QueueService):
    name = "work"
    worker_count = 2

    def handle_item(self, item: Any) -> Any:
        return item


class At:
    """The trace function that lets the signal arrive at one instruction."""

    def __init__(self, instruction: int) -> None:
        self.place: str | None = None
        self._left = instruction

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "call":
            frame.f_trace_opcodes = frame.f_code.co_filename in FILES
            return self if frame.f_trace_opcodes else None
        if event == "opcode":
            self._left -= 1
            if self._left == 0:
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                return arrive
        return self


def deliver(handler: Any) -> Any:
    def delivered(number: int, frame: FrameType | None) -> None:
        sys.settrace(None)
        handler(number, frame)

    return delivered


def others_can(what: Callable[[], object]) -> bool:
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(what()), daemon=True)
    thread.start()
    thread.join(HANGS_SECONDS)
    return bool(done)


def drained(queue: Work) -> bool:
    while (counts := queue.counts())["queued"] + counts["running"]:
        threading.Event().wait(0.01)
    return True


def stopped(queue: Work) -> bool:
    queue.stop(0)
    return True


def give_up(problem: str) -> None:
    # Not by way of the queue's end, which would hang as well.
    print(problem, file=sys.stderr, flush=True)
    faulthandler.dump_traceback()
    os._exit(1)


def main(path: str, call: str, number: signal.Signals, part: str) -> None:
    instruction, step = map(int, part.split("/"))
    interrupted = missed = 0
    # Python 3.12 traces instructions only if some frame wanted it when tracing began.
    sys._getframe().f_trace_opcodes = True
    with Work(database=path, durability="normal") as queue:
        first = queue.enqueue(0)
        queue.wait(first.id, HANGS_SECONDS)
        # It is always SIGINT that arrives.
        signal.signal(signal.SIGINT, deliver(signal.getsignal(number)))
        calls: dict[str, Callable[[], object]] = {
            "enqueue": lambda: queue.enqueue(1),
            "cancel": lambda: queue.cancel(first.id),
            "get": lambda: queue.get(first.id),
            "jobs": lambda: queue.jobs(limit=1),
        }
        # Not every call takes the same path: the end is where none comes this far.
        while missed < 20:
            at = At(instruction)
            instruction += step
            try:
                sys.settrace(at)
                calls[call]()
                sys.settrace(None)
            except RAISED[number]:
                interrupted += 1
            sys.settrace(None)
            if at.place is None:
                missed += 1
                continue
            missed = 0
            if not others_can(lambda: queue.wait(queue.enqueue(2).id, HANGS_SECONDS - 5)):
                give_up(f"a signal at {at.place}: {call} left a queue that hangs")
            if not others_can(lambda: queue.jobs(limit=1)):
                give_up(f"a signal at {at.place}: {call} left a queue without reads")
        if not others_can(lambda: drained(queue)):
            give_up(f"{call} left a job that nobody runs: {queue.counts()}")
        if not others_can(lambda: stopped(queue)):
            give_up(f"{call} left a queue that cannot be stopped")
    print(interrupted)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], signal.Signals(int(sys.argv[3])), sys.argv[4])
