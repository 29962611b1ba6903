"""Interrupt one call of a queue at each of its events by another call, in the same thread.

That is what finalizers, signal handlers and trace functions do. Whatever the moment, the call that
interrupts is carried out or refused, nothing hangs, and what was acknowledged is stored.

    reentry_sweep.py FILE OUTER INNER,INNER,… WAY PART

WAY "hook" calls from a trace function, and catches what it raises; "signal" calls from a handler
of a real signal, and lets it through into whatever was interrupted. Of the events a PART is tried,
"2/5" for every fifth from the second on, each with the next of the inner calls. Prints how many
inner calls were carried out and how many refused.
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import gc
import os
import queue as standard_queue
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import sprag.queue
from sprag.queue import Job, QueueError, QueueService, ReentrantCall
from sprag.queue.threads.inside import here

SECONDS = 40
FILES = (
    str(Path(sprag.queue.__file__).parent),
    threading.__file__,
    contextlib.__file__,
    standard_queue.__file__,
    weakref.__file__,
)


class Now:
    """-now lets SIGINT arrive: as an operator, and so with no look for signals after it."""

    __neg__ = staticmethod(_thread.interrupt_main)


now: Any = Now()


class Work(QueueService):
    name = "work"
    worker_count = 2
    durability = "normal"
    grace_seconds = 5.0

    def handle_item(self, item: Any) -> Any:
        return item


class At:
    """A trace function that does something at one event of the queue's own code, or lets a signal
    arrive there, which Python's next look for signals notices."""

    def __init__(self, event: int, does: Callable[[], Any] | None) -> None:
        self.left = event
        self.place: str | None = None
        self._does = does

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes = frame.f_code.co_filename.startswith(FILES)
            if not frame.f_trace_opcodes:
                return None
        # For an instruction that begins a line, Python calls once more, whatever we say.
        self.left -= event == "opcode" or self._does is not None
        if self.left == 0:
            self.place = f"{frame.f_code.co_filename}:{frame.f_lineno} {event}"
            sys.settrace(None)
            if self._does is None:
                -now  # noqa: B018
            else:
                self._does()
        return self


class Sweep:
    """One pair of calls, interrupted at one event after the other."""

    def __init__(self, path: str, outer: str, inner: str, way: str) -> None:
        self.path, self.way = path, way
        self.queue = Work(database=path)
        self.ended = self.queue.start().enqueue("ended").id
        self.queue.wait(self.ended, SECONDS)
        self.accepted: list[str] = []
        self.refused_items: list[str] = []
        self.done = self.refused = 0
        self.count = 0
        self.outer = self.calls("outer")[outer]
        self.inners = [self.calls("inner")[name] for name in inner.split(",")]
        self.inner = self.inners[0]
        if way == "signal":
            signal.signal(signal.SIGINT, self.on_signal)

    def calls(self, who: str) -> dict[str, Callable[[], Any]]:
        def enqueue() -> None:
            item = f"{who} {self.count}"
            try:
                job: Job = self.queue.enqueue(item)
            except ReentrantCall:
                self.refused_items.append(item)
                raise
            self.accepted.append(job.id)

        def enqueue_full() -> None:
            """By a whole transaction, not the INSERT that is one by itself."""
            self.accepted += [job.id for job in self.queue.enqueue_many([who] * 2, delay=0)]

        def subscribe() -> None:
            with self.queue.subscribe(lambda signal_: None):
                pass

        return {
            "enqueue": enqueue,
            "enqueue_many": enqueue_full,
            "get": lambda: self.queue.get(self.ended),
            "cancel": lambda: self.queue.cancel(self.ended),
            "wait": lambda: self.queue.wait(self.ended, 10),
            "wait for one": lambda: self.queue.wait(self.queue.enqueue(who).id, 10),
            "subscribe": subscribe,
            "start": self.queue.start,
            "stop": lambda: self.queue.stop(5),
            "block": self.block,
        }

    def block(self) -> None:
        with self.queue:
            pass

    def interrupt(self) -> None:
        try:
            self.inner()
        except ReentrantCall:
            self.refused += 1
            raise
        except QueueError:
            pass  # the outer call has closed the queue, or is about to open it
        self.done += 1

    def in_hook(self) -> None:
        with contextlib.suppress(ReentrantCall):
            self.interrupt()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.interrupt()

    def once(self, event: int) -> bool:
        """Whether the outer call has come to this event."""
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        self.inner = self.inners[self.count % len(self.inners)]
        self.count += 1
        if self.outer == self.queue.start:
            self.queue.stop(5)
        at = At(event, self.in_hook if self.way == "hook" else None)
        try:
            sys.settrace(at)
            self.outer()
            sys.settrace(None)
        except (QueueError, RuntimeError):
            # Python's own Thread.start() raises the latter where a signal's handler has torn it.
            sys.settrace(None)
        if here.is_inside():
            self.give_up(f"at {at.place} the mark was left behind")
        self.queue.start()
        if not others_can(lambda: self.queue.wait(self.queue.enqueue("after").id, 15)):
            self.give_up(f"at {at.place} it left a queue that hangs")
        faulthandler.cancel_dump_traceback_later()
        return at.place is not None

    def give_up(self, problem: str) -> None:
        print(problem, file=sys.stderr, flush=True)
        faulthandler.dump_traceback()
        os._exit(1)

    def check(self) -> None:
        """Nothing is lost, and nothing that was refused is there."""
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        self.queue.start()
        for id_ in self.accepted:
            self.queue.wait(id_, SECONDS)
        page = self.queue.jobs(limit=10_000)
        stored = {job.item for job in page.jobs}
        if self.way == "hook" and not stored.isdisjoint(self.refused_items):
            self.give_up("a call was refused, and its job stored")
        self.queue.stop(5)


def others_can(what: Callable[[], Any]) -> bool:
    done: list[bool] = []

    def run() -> None:
        what()
        done.append(True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    return bool(done)


def main() -> None:
    path, outer, inner, way, part = sys.argv[1:]
    first, step = map(int, part.split("/"))
    gc.disable()  # other finalizers are not what this is about
    # Python 3.12 traces instructions only if some frame wanted it when tracing began.
    sys._getframe().f_trace_opcodes = True
    sweep = Sweep(path, outer, inner, way)
    event, missed = first, 0
    # Not every call takes the same path: the end is where none comes this far.
    while missed < 5:
        missed = 0 if sweep.once(event) else missed + 1
        event += step
    sweep.check()
    print(sweep.done, sweep.refused, event)


if sys.argv[4] == "hook":
    # As finalizers may run in any thread. In the main one, starts and stops would only be waited
    # for: another thread does them.
    calls = threading.Thread(target=main)
    calls.start()
    calls.join()
else:
    main()
