"""Who is told of what was committed: subscribers and those who wait for a job.

A subscription is a cursor into the journal and a thread that reads from there
and calls back. The journal is the only buffer, so a slow subscriber falls
behind, never overflows, holds up nobody and misses nothing. Commits only wake
these threads; they read what is there, whichever process wrote it.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Protocol, Self

from . import errors
from .inside import here, refuse_reentry
from .interrupts import PIECE_SECONDS
from .job import Notice, Progress, Reported, Transition
from .journal import Journal
from .logs import Log, write_here
from .wakeup import Wakeup

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
        journal: Journal,
        callback: Callback,
        queue: str | None,
        after: int | None,
        on_close: Callable[[Subscription], None],
        *,
        notices: bool = False,
    ) -> None:
        self._journal = journal
        self._callback = callback
        self._queue = queue
        self._on_close = on_close
        head, tick = journal.head()
        self.seq = head if after is None else after
        """The newest transition that was handed over: where to resume with `after=`."""
        self._tick = tick if after is None else 0
        self._notice = journal.last_notice() if notices else None
        self._news = Wakeup()
        self._closed = False
        self._end = Wakeup()
        self._news.set()
        self._thread = threading.Thread(target=self._run, name="sprag-subscriber", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Something was committed. Cheap, and safe from any thread."""
        if not self._news.is_set():
            self._news.set()

    def close(self, timeout: float | None = None) -> None:
        """Stop calling back. Returns when a call that is under way has ended, or after `timeout`
        seconds; at once inside the callback itself."""
        refuse_reentry()
        self.end(timeout)

    def end(self, timeout: float | None = None) -> None:
        """Like `close`, but for the queue itself, which may be inside."""
        with here.inside:  # a join within a join may wait for ever
            if not self._closed:
                self._closed = True
                self._end.set()
                self._news.set()
                self._on_close(self)
            if threading.current_thread() is not self._thread:
                self._join(math.inf if timeout is None else timeout)

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
        deadline = time.monotonic() + seconds
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
        """Hand over one page of the journal; whether there may be more."""
        moves, reports = self._journal.news(self.seq, self._tick, _PAGE)
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
            page = self._journal.notices(self._notice, _PAGE)
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
        except BaseException:  # a thread of ours; CancelledError is one
            log.exception("a subscriber raised after seq %s; the next signal follows", self.seq)


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


class Bell(Protocol):
    """What wakes someone who waits: a Wakeup, or its like of an event loop."""

    def set(self) -> None:
        """Wake. Cheap, does not raise, and safe at any moment in any thread."""


class Observers:
    """The subscriptions and waiters of one open file."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._mutex = threading.Lock()
        self._closed = False
        self._subscriptions: list[Subscription] = []
        self._waiters: dict[str, list[Bell]] = {}
        self._left: deque[tuple[str, Bell]] = deque()
        """Who waits no more, and is to be taken out of `_waiters`."""

    @property
    def any(self) -> bool:
        """True if anyone subscribes or waits."""
        return bool(self._subscriptions or self._waiters)

    def subscribe(
        self,
        callback: Callback,
        queue: str | None = None,
        after: int | None = None,
        *,
        notices: bool = False,
    ) -> Subscription:
        subscription = Subscription(
            self._journal, callback, queue, after, self._forget, notices=notices
        )
        with here.inside, self._mutex:
            # Under the mutex: what `close` does not find here would never be told of its end.
            self.check_open()
            self._subscriptions.append(subscription)
        try:
            subscription.start()
        except BaseException:  # the system has no more threads
            self._forget(subscription)
            raise
        return subscription

    def committed(self, finished: Sequence[str]) -> None:
        """A commit took place here, and these jobs came to an end in it."""
        if self._subscriptions:
            for subscription in tuple(self._subscriptions):
                subscription.wake()
        if self._waiters:
            with here.inside, self._mutex:
                waiting = [tuple(self._waiters.get(id_, ())) for id_ in finished]
            for bells in waiting:
                for bell in bells:
                    bell.set()

    def changed(self) -> None:
        """Something was committed, perhaps elsewhere: subscribers read on, and those are woken
        whose job has come to an end."""
        self.committed(())
        self._take_out()
        with here.inside, self._mutex:
            waited = list(self._waiters)
        if waited:
            # One read for all: thousands may wait, and each would read for itself at every tick.
            self.committed(self._journal.ended(waited))

    def wake_all(self) -> None:
        """Whoever waits looks."""
        with here.inside, self._mutex:
            waited = list(self._waiters)
        self.committed(waited)

    def expect(self, id_: str, bell: Bell) -> None:
        """Set the bell whenever the job may have come to an end, until `unexpect`."""
        with here.inside, self._mutex:
            self._waiters.setdefault(id_, []).append(bell)

    def unexpect(self, id_: str, bell: Bell) -> None:
        # Of a task that nobody awaits any more, the garbage collector calls this: in any thread,
        # also in one that holds the mutex. Then the next one to come takes it out.
        self._left.append((id_, bell))
        if not here.is_inside():
            self._take_out()

    def _take_out(self) -> None:
        while self._left:
            with here.inside, self._mutex, suppress(IndexError):
                id_, bell = self._left.popleft()
                bells = self._waiters[id_]
                bells.remove(bell)
                if not bells:
                    del self._waiters[id_]

    def check_open(self) -> None:
        """Raise QueueClosed if nobody is told of anything any more."""
        if self._closed:
            raise errors.QueueClosed("the queue was stopped")

    def close(self) -> None:
        """End all subscriptions and wake all who wait. None begins from now on."""
        with here.inside, self._mutex:
            self._closed = True
            subscriptions = tuple(self._subscriptions)
        for subscription in subscriptions:
            subscription.end(CLOSE_SECONDS)
        self.wake_all()

    def _forget(self, subscription: Subscription) -> None:
        with here.inside, self._mutex:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
