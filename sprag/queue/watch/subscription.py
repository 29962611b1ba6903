"""A subscription: a cursor into the journal, and a thread that reads after it and calls back.

The journal is the only buffer. So a slow subscriber falls behind, but takes no memory, holds up
nobody and misses nothing. Commits only wake these threads, which read what is there, whichever
process wrote it.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Any, Final, Self

from .. import errors
from ..job import Notice, Progress, Reported, Transition
from ..store.store import Store
from ..threads.elsewhere import PIECE_SECONDS
from ..threads.inside import here, refuse_reentry
from ..threads.logs import Log, write_here
from ..threads.wakeup import Wakeup

log: Final = Log("sprag.queue")

SIGNAL: Final = "sprag:queue.job.changed"
Signal = dict[str, Any]
Callback = Callable[[Signal], object]

_PAGE: Final = 500
_RETRY_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 1.0


class Subscription:
    """Calls `callback(signal)` for every transition after `seq` and for stored progress.

    One thread, so never two calls at once, in the order of the journal. What
    the callback raises is logged and the next signal follows. Ends with
    `close()`, as a context manager, or with its queue.
    """

    def __init__(
        self,
        store: Store,
        callback: Callback,
        queue: str | None,
        after: int | None,
        on_close: Callable[[Subscription], None],
        *,
        notices: bool = False,
    ) -> None:
        self._store = store
        self._callback = callback
        self._queue = queue
        self._on_close = on_close
        head, tick = store.journal.head()
        self.seq = head if after is None else after
        """The newest transition that was handed over: where to resume with `after=`."""
        self._tick = tick if after is None else 0
        self._notice = store.journal.last_notice() if notices else None
        self._news = Wakeup()
        self._closed = False
        self._end = Wakeup()
        self._news.set()
        self._thread = threading.Thread(target=self._run, name="sprag-subscriber", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Wake the thread: something was committed. Cheap, and safe from any thread."""
        if not self._news.is_set():
            self._news.set()

    def close(self, timeout: float | None = None) -> None:
        """Stop calling back. Returns when a call that is under way has ended, or after `timeout`
        seconds; at once inside the callback itself."""
        refuse_reentry()
        self.end(timeout)

    def end(self, timeout: float | None = None) -> None:
        """Like `close`, but for the queue itself, which may have its mark on this thread."""
        self._tell_end()
        self._join(math.inf if timeout is None else timeout)

    def _tell_end(self) -> None:
        """Let no further call begin. Does not wait for one that is under way."""
        if not self._closed:
            self._closed = True
            self._end.set()
            self._news.set()
            self._on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _join(self, seconds: float) -> None:
        """Wait for the end of a call that is under way. Inside that call, return at once."""
        if threading.current_thread() is self._thread:
            return
        deadline = time.monotonic() + seconds
        with here.inside:  # a join within a join may wait forever
            while self._thread.is_alive() and (left := deadline - time.monotonic()) > 0:
                self._thread.join(min(left, PIECE_SECONDS))

    def _run(self) -> None:
        write_here()
        while not self._closed:
            self._news.wait()
            self._news.clear()
            try:
                while self._read_on():
                    pass
                self._read_notices()
            except errors.QueueClosed:
                return
            except Exception:
                log.exception("a subscriber cannot read the journal; it goes on after seq %d",
                              self.seq)  # fmt: skip
                self._end.wait(_RETRY_SECONDS)
                self._news.set()

    def _read_on(self) -> bool:
        """Hand over one page of the journal. True if there may be more."""
        moves, reports = self._store.journal.news(self.seq, self._tick, _PAGE)
        full = len(moves) == _PAGE
        last = moves[-1].seq if full else None
        for entry in merged(moves, reports, last):
            if self._closed:
                return False
            if entry.queue == self._queue or self._queue is None:
                self._call(signal_of(entry))
            if isinstance(entry, Transition):
                self.seq = entry.seq
            else:
                self._tick = max(self._tick, entry.tick)
        return full

    def _read_notices(self) -> None:
        while self._notice is not None:
            page = self._store.journal.notices(self._notice, _PAGE)
            for notice in page:
                if self._closed:
                    return
                self._call(notice_signal(notice))
                self._notice = notice.id
            if len(page) < _PAGE:
                return

    def _call(self, signal: Signal) -> None:
        try:
            self._callback(signal)
        except BaseException:  # it is a thread of ours; CancelledError derives from it
            log.exception("a subscriber raised after seq %s; the next signal follows", self.seq)


def end_together(subscriptions: Collection[Subscription]) -> None:
    """End all of them. Calls that do not return cost one second together, not one each."""
    tell_together(subscriptions)
    join_together(subscriptions)


def tell_together(subscriptions: Collection[Subscription]) -> None:
    """Let no further call begin. Does not wait for those that are under way."""
    for subscription in subscriptions:
        subscription._tell_end()


def join_together(subscriptions: Collection[Subscription]) -> None:
    """Wait for the end of calls that are under way, for a second at the most."""
    deadline = time.monotonic() + CLOSE_SECONDS
    for subscription in subscriptions:
        subscription._join(deadline - time.monotonic())


def notice_signal(notice: Notice) -> Signal:
    """The signal for a notice."""
    return {
        "signal": notice.signal,
        "notice": notice.id,
        "audience": notice.audience,
        "data": json.loads(notice.data),
    }


def signal_of(entry: Transition | Reported) -> Signal:
    """The signal for a transition, or for stored progress (its event is "progress")."""
    if isinstance(entry, Reported):
        return _signal(entry, "progress", entry.status, None, entry.progress, entry.tick)
    return _signal(entry, entry.event, entry.to_status, entry.at, entry.progress, None)


def _signal(
    entry: Transition | Reported,
    event: str,
    status: str,
    at: float | None,
    progress: Progress | None,
    tick: int | None,
) -> Signal:
    return {
        "signal": SIGNAL,
        "job_id": entry.job_id,
        "queue": entry.queue,
        "task": entry.task,
        "status": status,
        "event": event,
        "seq": entry.seq,
        "attempt": entry.attempt,
        "at": at,
        "progress": progress.to_dict() if progress is not None else None,
        "audience": entry.audience,
        "tick": tick,
    }


def merged(
    moves: Sequence[Transition], reports: Sequence[Reported], last: int | None
) -> list[Transition | Reported]:
    """In the journal's order, progress after the transition it followed; progress beyond `last`
    is left for the next page."""
    held = [report for report in reports if last is None or report.seq < last]
    both: list[Transition | Reported] = [*moves, *held]
    both.sort(key=lambda entry: (entry.seq, isinstance(entry, Reported)))
    return both
