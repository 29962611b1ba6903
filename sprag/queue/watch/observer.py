"""Who is told of commits: subscribers, and whatever waits for a job."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from .. import errors
from ..store.store import Store
from ..threads.inside import here
from .subscription import Callback, Subscription, join_together, tell_together


class Bell(Protocol):
    """What wakes a waiting thread or task: a Wakeup, or the same for an event loop."""

    def set(self) -> None:
        """Wake. Cheap, does not raise, and safe at any moment in any thread."""

    @property
    def is_left(self) -> bool:
        """True if nothing can wait for it any more."""


class Observers:
    """The subscriptions and waiters of one open file."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._closed = False
        self._subscriptions: list[Subscription] = []
        self._ended: tuple[Subscription, ...] = ()
        self._waiters: dict[str, list[Bell]] = {}
        self._left: deque[tuple[str, Bell]] = deque()
        """Those that no longer wait, and are to be removed from `_waiters`."""

    def subscribe(
        self,
        callback: Callback,
        queue: str | None = None,
        after: int | None = None,
        *,
        notices: bool = False,
    ) -> Subscription:
        subscription = Subscription(
            self._store, callback, queue, after, self._forget, notices=notices
        )
        with here.inside, self._mutex:
            # Under the mutex: a subscription that `close` does not find here would never end.
            self.check_open()
            self._subscriptions.append(subscription)
        try:
            subscription.start()
        except BaseException:  # the system has no more threads
            self._forget(subscription)
            raise
        return subscription

    def committed(self, finished: Sequence[str]) -> None:
        """Take note of a commit of this process, in which these jobs ended."""
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
        """Take note of a commit, perhaps of another process: subscribers read on, and those whose
        job has ended are woken."""
        self.committed(())
        with here.inside, self._mutex:
            bells = [(id_, bell) for id_, bells in self._waiters.items() for bell in bells]
        # Waiters of tasks whose event loop was closed: they refer to each other, so they stay.
        self._left.extend(waiter for waiter in bells if waiter[1].is_left)
        self._take_out()
        with here.inside, self._mutex:
            waited = list(self._waiters)
        if waited:
            # One read for all: thousands may wait, and otherwise each would read at every tick.
            self.committed(self._store.jobs.ended(waited))

    def wake_all(self) -> None:
        """Wake all, so that each looks for itself."""
        with here.inside, self._mutex:
            waited = list(self._waiters)
        self.committed(waited)

    def expect(self, id_: str, bell: Bell) -> None:
        """Set the bell whenever the job may have ended, until `unexpect`."""
        with here.inside, self._mutex:
            self._waiters.setdefault(id_, []).append(bell)

    def unexpect(self, id_: str, bell: Bell) -> None:
        # If nobody awaits a task any more, the garbage collector calls this: in any thread, also
        # in one that holds the mutex. Then the next call removes the waiter.
        self._left.append((id_, bell))
        if not here.is_inside():
            self._take_out()

    def _take_out(self) -> None:
        while self._left:
            with here.inside, self._mutex, suppress(LookupError, ValueError):  # gone by now
                id_, bell = self._left.popleft()
                bells = self._waiters[id_]
                bells.remove(bell)
                if not bells:
                    del self._waiters[id_]

    def check_open(self) -> None:
        """Raise QueueClosed if everything here has ended."""
        if self._closed:
            raise errors.QueueClosed("the queue was stopped")

    def close(self) -> None:
        """End all subscriptions and wake everything that waits. Nothing new begins. `join` waits
        for calls that are under way."""
        with here.inside, self._mutex:
            self._closed = True
            self._ended = tuple(self._subscriptions)
        tell_together(self._ended)
        self.wake_all()

    def join(self) -> None:
        """Wait until the calls that were under way at `close` have ended, but not for long."""
        join_together(self._ended)

    def _forget(self, subscription: Subscription) -> None:
        with here.inside, self._mutex:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
