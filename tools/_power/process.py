"""As much of a process as uses a queue's file: several of them can be inside this one."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sprag.queue import Backoff, Job, QueueService, Retry, Signal, task
from sprag.queue.file import checkpoints
from sprag.queue.service import life_of
from sprag.queue.work import engine as engine_module
from sprag.queue.work import execution, keeper

from .log import Durability
from .recorder import RecordingVFS

DATABASE = "jobs.db"
DEADLINE = 60.0
"""Seconds after which something that must happen is taken for something that never will."""
Tell = Callable[..., None]

_LENGTHS = checkpoints.LENGTHS


class PowerQueue(QueueService):
    """A queue whose jobs do what their item says, and tell that they do it."""

    name = "power"
    worker_count = 2
    max_attempts = 3
    grace_seconds = 0.0
    backoff = Backoff(first=0.002, limit=0.01)
    # Set after construction; the class has no such options.
    tell: Tell = staticmethod(lambda *words: None)
    patient = True
    """Whether jobs that are to be cancelled wait for it."""

    @task
    def does(self, number: int, what: str) -> Any:
        """The same as `handle_item`, as a task."""
        return self.handle_item((number, what))

    def handle_item(self, item: Any) -> Any:
        job = self.current_job
        self.tell("running", job.id, job.run.starts)
        number, does = item
        match does:
            case "steps":
                for step in range(4):
                    self.report_progress(current=step, total=4, message=f"step {step}")
                    self.check_cancelled()
                    time.sleep(0.002)
            case "fails":
                raise ValueError("as it should")
            case "flaky" if job.attempt < 3:
                raise ValueError("not yet")
            case "again" if job.run.starts == 1:
                raise Retry(counted=False, after=0)
            case "held" if self.patient and job.run.starts == 1:
                while True:
                    self.check_cancelled()
                    time.sleep(0.001)
            case _:
                pass
        return 2 * number


class Process:
    """An owner with its own connections, VFS and lock file, and a subscriber that is told all."""

    def __init__(
        self, folder: Path, vfs: RecordingVFS, tell: Tell, durability: Durability = "full"
    ) -> None:
        self.vfs = vfs
        self._tell = tell
        self._files: Any = weakref.WeakValueDictionary()
        self._heard = threading.Condition()
        self._seq = 0
        self.queue = PowerQueue(
            database=folder / DATABASE, vfs=vfs.name, durability=durability
        )  # fmt: skip
        self.queue.tell = tell

    def start(self, after: int = 0) -> None:
        """Open the file, recover, run jobs; hear of every move after this seq."""
        with self._inside():
            self.queue.start()
        self.queue.subscribe(self._hear, after=after)

    @property
    def owner(self) -> int:
        """Its id in the file."""
        return self.engine.owner or 0

    @property
    def engine(self) -> engine_module.Engine:
        """What it has the file open with."""
        return life_of(self.queue).open()

    def stop(self) -> None:
        """Leave in order."""
        with self._inside():
            self.queue.stop()

    def die(self) -> None:
        """What SIGKILL does: no more writes, and the kernel lets go of the lock."""
        self._tell("died", self.owner)
        self.vfs.dead = True
        lock = self.engine.ownership._lock
        if lock is not None and lock._fd is not None:
            os.close(lock._fd)
            lock._fd = None
        self.stop()  # so that threads and connections go

    def catch_up(self) -> int:
        """Return when the subscriber has heard of all that there is; the newest seq."""
        head, _tick = self.engine.store.journal.head()
        with self._heard:
            if not self._heard.wait_for(lambda: self._seq >= head, DEADLINE):
                raise TimeoutError(f"the subscriber stays at seq {self._seq} of {head}")
        return head

    def _hear(self, signal: Signal) -> None:
        self._tell(
            "signal", signal["seq"], signal["job_id"], signal["event"], signal["status"],
            signal["attempt"],
        )  # fmt: skip
        with self._heard:
            self._seq = max(self._seq, signal["seq"])
            self._heard.notify_all()

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Another process would not share this one's engines."""
        engine_module._files, shared = self._files, engine_module._files
        try:
            yield
        finally:
            engine_module._files = shared


def tell_end(tell: Tell, job: Job) -> None:
    """The caller has been told how a job ended."""
    tell("ended", job.id, job.status, job.result)


@contextmanager
def hurried(pages: int = 40) -> Iterator[None]:
    """While this lasts, keepers look often, what is not counted is soon tried again, and the WAL
    begins anew after `pages` pages."""
    ticks, least, lengths = keeper.TICK_SECONDS, execution._LEAST_SECONDS, dict(_LENGTHS)
    setattr(keeper, "TICK_SECONDS", 0.004)  # noqa: B010  # it is Final
    setattr(execution, "_LEAST_SECONDS", 0.002)  # noqa: B010  # as above
    _LENGTHS["full"], _LENGTHS["normal"] = (pages, pages), (pages, 2 * pages)
    try:
        yield
    finally:
        setattr(keeper, "TICK_SECONDS", ticks)  # noqa: B010  # as above
        setattr(execution, "_LEAST_SECONDS", least)  # noqa: B010  # as above
        _LENGTHS.update(lengths)
