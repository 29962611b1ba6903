"""The life of an application: its queues, started and stopped, and their open file in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from ..queue import QueueClosed, QueueService, ReentrantCall
from ..queue.operators import (
    Log,
    QueueFile,
    elsewhere,
    hurry_of,
    open_beside,
    owned,
    refuse_reentry,
    runs_jobs,
    settle,
    stop_together,
)

log: Final = Log("sprag.web")


class Life:
    """Starts and stops the queues, which share the file `path`. Whoever starts it stops it again;
    the last one to do so ends it.

    `prepare` is called before a start and `opened` once the file is open; both raise what stands
    against a start. `leave` is called before the file is closed.
    """

    def __init__(
        self,
        queues: Mapping[str, QueueService],
        path: str,
        *,
        run_jobs: bool,
        prepare: Callable[[], object],
        opened: Callable[[], object],
        leave: Callable[[], object],
    ) -> None:
        self._queues = queues
        self._path = path
        self._run_jobs = run_jobs
        self._prepare = prepare
        self._opened = opened
        self._leave = leave
        self.lock = threading.RLock()
        """Held by who starts or stops it, or puts the application together."""
        self._is_starting_or_stopping = owned(self.lock)
        self._users = 0
        self._file: QueueFile | None = None

    @property
    def has_begun(self) -> bool:
        return self._file is not None

    @property
    def file(self) -> QueueFile:
        """The open file. Raises QueueClosed before the start and after the stop."""
        file = self._file
        if file is None:
            raise QueueClosed("the application is not started")
        return file

    def start(self) -> None:
        """Open the file and start the queues. Each start needs a stop."""
        self._refuse_reentry()
        self._prepare()  # here: a module of controllers may have to be imported in this thread
        elsewhere("start", self._start, undo=self._stop)
        settle()

    def start_late(self) -> None:
        """Start for a server that runs no lifespan, unless someone has started it meanwhile."""
        with self.lock:
            if self._users == 0:
                log.warning(
                    "the server did not run the application's lifespan: its queues start with the "
                    "first request, and will not be stopped in order. See App.lifespan"
                )
                self._start()
        settle()

    def stop(self) -> None:
        """Stop all queues at the same time, each with its grace, and close the file."""
        self._refuse_reentry()
        elsewhere("stop", self._stop, interrupted=hurry_of(self._queues.values()))
        settle()

    def _start(self) -> None:
        with self.lock:
            self._prepare()
            if self._users == 0:
                self._begin()
            self._users += 1

    def _stop(self) -> None:
        with self.lock:
            if self._users == 0:
                return
            self._users -= 1
            if self._users:
                return
            try:
                stop_together(self._queues.values())
            finally:
                self._close()

    def _refuse_reentry(self) -> None:
        """Raise ReentrantCall if this thread was interrupted in a start or a stop."""
        refuse_reentry()
        if self._is_starting_or_stopping():
            raise ReentrantCall

    def _begin(self) -> None:
        self._file = open_beside(self._queues.values(), self._path)
        begun: list[QueueService] = []
        try:
            self._opened()
            for queue in self._working():
                begun.append(queue)  # before: what fails may have opened the file
                queue.start()
        except BaseException:
            try:
                for queue in begun:
                    queue.stop(0.0)
            finally:
                self._close()
            raise

    def _working(self) -> list[QueueService]:
        """The queues whose jobs run here: not those that only enqueue."""
        return list(filter(runs_jobs, self._queues.values())) if self._run_jobs else []

    def _close(self) -> None:
        self._leave()
        file, self._file = self._file, None
        if file is not None:
            file.close()
