"""The thread that keeps watch over one file, for all its queues in this process.

Twenty times a second it looks: it stores progress, notices what other processes committed or that
they died, lets waiting jobs become due, enqueues those of schedules, hands out again what a signal
handler has torn, and copies the log.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from .. import errors
from ..liveness.recovery import Recovery
from ..store.store import Store
from ..threads.inside import here
from ..threads.logs import Log
from ..threads.starting import start
from ..threads.wakeup import Latch
from ..watch.observer import Observers
from .crew import Crew
from .owner import Ownership
from .space import SECONDS as SPACE_SECONDS
from .space import Space
from .timetable import Timetable

log: Final = Log("sprag.queue")

# How late this process may be in noticing another's commit or death, or a due time.
TICK_SECONDS: Final = 0.05
_PROGRESS_SECONDS: Final = 0.1
_COMPLAINT_SECONDS: Final = 10.0
_FAILURES_SECONDS: Final = 5.0


class Keeper:
    """Started by `keep_watch`, ended by `closing`."""

    def __init__(
        self,
        store: Store,
        observers: Observers,
        ownership: Ownership,
        crew: Crew,
        recovery: Recovery,
        space: Space,
        timetable: Timetable,
        closing: Latch,
    ) -> None:
        self._store = store
        self._database = store.database
        self._observers = observers
        self._ownership = ownership
        self._crew = crew
        self._recovery = recovery
        self._space = space
        self._timetable = timetable
        self._closing = closing
        self._mutex = threading.Lock()
        """Held while a thread becomes the keeper's."""
        self._thread: threading.Thread | None = None
        self._version = -1
        self._unheard = False
        self._due: dict[str, float | None] = {}
        self._times: dict[str, float] = {}

    def keep_watch(self) -> None:
        """Start the thread, unless it runs. RuntimeError if the system has no more."""
        if self._thread is None:
            start(self._keep, "sprag-keeper", daemon=True)

    def join(self) -> None:
        """Wait for its end; not in the thread itself."""
        with here.inside, self._mutex:  # or it may be started, but not known yet
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def mind(self, queue: str) -> None:
        """Let this queue's jobs become due, at the next look first."""
        self._due.setdefault(queue, None)
        self._version = -1

    def look(self) -> None:
        """Do all of it once. What fails is done at a later look."""
        owner = self._ownership.id
        self._database.check_in_place()
        if owner is not None:
            if self._crew.dirty and self._every("progress", _PROGRESS_SECONDS):
                self._crew.store_progress(owner)
            if self._crew.limited:
                self._crew.store_overdue(owner)
            self._store.give_back(owner, self._crew.tickets)
            self._crew.announce(owner)
        version = self._database.version()
        if version != self._version:
            # Not the other way round: `mind` may ask for another look meanwhile.
            self._version = version
            try:
                self._changed(owner)
            except BaseException:
                self._version = -1
                raise
        elif self._unheard and owner is not None:
            self._pass_on_cancellations(owner)
        self._promote()
        if owner is not None:
            self._recovery.sweep()
        if self._crew.failures and self._every("failures", _FAILURES_SECONDS):
            for failures in self._crew.failures:
                failures.look()
        if self._space.in_use and self._every("space", SPACE_SECONDS):
            self._space.restore(self._crew.tickets)
        self._database.checkpoint()
        if owner is not None:
            self._timetable.look(owner)

    def _keep(self) -> None:
        failing = False
        # Inside for all its life: what interrupts it must not keep it waiting.
        with here.inside:
            with here.inside, self._mutex:
                if self._thread is not None or self._closing.is_set():
                    return  # two were started at once, or one too late
                self._thread = threading.current_thread()
            while not self._closing.wait(TICK_SECONDS):
                try:
                    self.look()
                    failing = False
                except errors.QueueClosed:
                    return
                except BaseException as error:  # noqa: BLE001  # the next look may succeed
                    if not failing and self._every("complaint", _COMPLAINT_SECONDS):
                        log.error("%s cannot be watched, and is tried again: %s",
                                  self._database.path, errors.told(error))  # fmt: skip
                    failing = True

    def _changed(self, owner: int | None) -> None:
        """Someone committed, perhaps another process: whatever may follow from that."""
        self._observers.changed()
        if owner is None:
            return
        self._pass_on_cancellations(owner)
        for queue in tuple(self._due):
            self._due[queue] = self._store.jobs.next_due(queue)
        self._timetable.changed()
        self._recovery.refresh()
        self._store.nudge(self._crew.tickets)

    def _pass_on_cancellations(self, owner: int) -> None:
        cancelling = self._store.owners.cancelling(owner)
        told = [self._crew.interrupt(key, starts) for key, starts in cancelling]
        # A worker that has just been given its run, or has just ended it, cannot be told: again.
        self._unheard = not all(told)

    def _promote(self) -> None:
        now = self._store.clock()
        for queue, due in tuple(self._due.items()):
            if due is not None and due <= now:
                self._store.promote(queue)
                self._due[queue] = self._store.jobs.next_due(queue)

    def _every(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._times.get(what, 0.0):
            return False
        self._times[what] = now + seconds
        return True
