"""Let Ctrl-C arrive at each moment of one call, and see that it ends and leaves nothing half.

    python life.py DATABASE CALL

A moment is an event that a profile of the call has, known by its place and its caller's: also one
right before a call of C code, such as a wait, since Python looks for signals only after it. At each
a Ctrl-C comes once. Whenever it comes, the call ends, in order or by KeyboardInterrupt, and the
queue can be stopped for good. Prints how many times the call was interrupted.
"""

from __future__ import annotations

import _thread
import faulthandler
import gc
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import sprag.queue
from sprag.queue import QueueService
from sprag.queue.threads import elsewhere, interrupts
from sprag.queue.work import pool

HANGS_SECONDS = 60
FILES = str(Path(sprag.queue.__file__).parent), threading.__file__
# Threads do not repeat themselves: a moment that did not come in so many calls does not come.
IN_VAIN = 5
# A call that comes to one moment so often waits for ever; those that end do so half as often.
ROUND_AND_ROUND = 40

begun = threading.Event()


class Work(QueueService):
    name = "work"
    worker_count = 1

    def handle_item(self, item: Any) -> None:
        begun.set()
        while True:
            self.check_cancelled()
            threading.Event().wait(0.001)


class Now:
    """`-now` is Ctrl-C; as an operator it is no call, after which Python would look for signals."""

    __neg__ = staticmethod(_thread.interrupt_main)


now = Now()


class Profile:
    """Sends Ctrl-C at the first moment that is none of `seen`, or once the call waits for ever."""

    def __init__(self, seen: set[tuple[object, ...]]) -> None:
        self.found = False
        self._seen = seen
        self._times = Counter[tuple[object, ...]]()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(FILES):
            return
        caller = frame.f_back
        place, of_caller = (code, frame.f_lasti), caller and (caller.f_code, caller.f_lasti)
        moment = (event, place, of_caller)
        is_new = moment not in self._seen
        self._seen.add(moment)
        self.found = is_new
        self._times[moment] += 1
        if self.found or self._times[moment] > ROUND_AND_ROUND:
            sys.setprofile(None)
            -now  # noqa: B018 - see there


def block(queue: Work) -> None:
    with queue:
        pass


CALLS: dict[str, Callable[[Work, str], object]] = {
    "start": lambda queue, job_id: queue.start(),
    "stop": lambda queue, job_id: queue.stop(),
    "stop at once": lambda queue, job_id: queue.stop(0),
    "wait": lambda queue, job_id: queue.wait(job_id),
    "block": lambda queue, job_id: block(queue),
}


def main(path: str, call: str) -> None:
    # So that a Ctrl-C which is slept through is noticed soon.
    for module in (elsewhere, interrupts, pool):
        vars(module)["PIECE_SECONDS"] = 0.01
    gc.disable()  # Python drops what is raised in its callbacks
    gc.freeze()  # what was imported need not be looked through for each moment
    queue = Work(database=path, durability="normal", grace_seconds=600)
    job = queue.enqueue(1)
    queue.stop()
    seen: set[tuple[object, ...]] = set()
    in_vain = interrupted = 0
    while in_vain < IN_VAIN:
        begun.clear()
        queue = Work(database=path, durability="normal", grace_seconds=600)
        gc.collect()
        if call not in ("start", "block"):
            queue.start()
            begun.wait()
        if call == "block":
            queue.grace_seconds = 0.0
        profile = Profile(seen)
        faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
        try:
            sys.setprofile(profile)
            CALLS[call](queue, job.id)
            sys.setprofile(None)
        except KeyboardInterrupt:
            interrupted += 1
        sys.setprofile(None)
        queue.stop(0)
        for thread in threading.enumerate():
            # Without an identity: a thread whose start() Ctrl-C has ended before it began.
            if thread.name.startswith("sprag-") and thread.ident is not None:
                thread.join()
        faulthandler.cancel_dump_traceback_later()
        in_vain = 0 if profile.found else in_vain + 1
    print(interrupted)


if __name__ == "__main__":
    main(*sys.argv[1:])
