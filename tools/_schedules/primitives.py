"""Locks, queues, events and threads as the queue uses them, known to the scheduler.

Each stands in for the standard one of its name, in the modules of the queue, while a run is
played. Outside of an actor, on the stage, nothing waits: what would is a mistake.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from .scheduler import READ, WRITE, Run, Stuck

_playing: list[Run] = []


def play(run: Run | None) -> None:
    """From now on, everything is part of this run."""
    _playing[:] = [] if run is None else [run]


def run() -> Run:
    """The run that is played."""
    return _playing[0]


class Lock:
    """Like threading.Lock; nobody else can tell a section without a pause from one step."""

    reentrant = False

    def __init__(self) -> None:
        self._name = run().name("lock")
        self._holder: object = None
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        now, me = run(), threading.get_ident()
        if self.reentrant and self._holder == me:
            self._depth += 1
            return True
        if not blocking or timeout >= 0:
            now.pause("try a lock")
        else:
            now.pause("take a lock", self._free, ("lock", self._name))
        now.touch(("lock", self._name), WRITE)
        if self._holder is not None:
            if now.actor() is None:
                raise Stuck(f"{self._name} is held when the stage is set")
            return False
        self._holder, self._depth = me, 1
        return True

    def release(self) -> None:
        run().touch(("lock", self._name), WRITE)
        self._depth -= 1
        if not self._depth:
            self._holder = None

    def locked(self) -> bool:
        run().pause("look at a lock")
        run().touch(("lock", self._name), READ)
        return self._holder is not None

    def _free(self) -> bool:
        return self._holder is None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class RLock(Lock):
    """Like threading.RLock."""

    reentrant = True


class Wakeup:
    """Like the queue's own. To wait for some time may end either way."""

    def __init__(self) -> None:
        self._name = run().name("letters")
        self._set = False

    def clear(self) -> None:
        run().touch(("letters", self._name), WRITE)
        self._set = False

    def set(self) -> None:
        run().pause("wake")
        run().touch(("letters", self._name), WRITE)
        self._set = True

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            run().pause("sleep", self._is_set, ("letters", self._name))
        else:
            run().pause("sleep for a while")
        run().touch(("letters", self._name), WRITE)
        if not self._set and run().actor() is None:
            raise Stuck("whoever sets the stage is kept waiting")
        was_set, self._set = self._set, False
        return was_set

    def _is_set(self) -> bool:
        return self._set


class Event:
    """Like threading.Event. To wait for some time may end either way."""

    def __init__(self) -> None:
        self._name = run().name("event")
        self._set = False

    def is_set(self) -> bool:
        run().touch(("letters", self._name), READ)
        return self._set

    def set(self) -> None:
        run().pause("set an event")
        run().touch(("letters", self._name), WRITE)
        self._set = True

    def clear(self) -> None:
        run().touch(("letters", self._name), WRITE)
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            run().pause("wait", lambda: self._set, ("letters", self._name))
        else:
            run().pause("wait for a while")
        run().touch(("letters", self._name), READ)
        return self._set


class Thread:
    """Like threading.Thread: an actor. To join for some time may end either way."""

    def __init__(
        self,
        target: Callable[..., object],
        args: Iterable[Any] = (),
        name: str = "",
        daemon: bool = True,
    ) -> None:
        del name, daemon
        self._target = target
        self._args = args
        self.name = run().thread_name()

    def start(self) -> None:
        run().spawn(self.name, lambda: self._target(*self._args))

    def join(self, timeout: float | None = None) -> None:
        if timeout is None:
            run().pause("join", self._over, ("life", self.name))
        else:
            run().pause("join for a while")
        run().touch(("life", self.name), READ)

    def is_alive(self) -> bool:
        run().touch(("life", self.name), READ)
        return not self._over()

    def _over(self) -> bool:
        return run().actors[self.name].ended


class Threading:
    """The module `threading`, but for what is above."""

    Lock = Lock
    RLock = RLock
    Event = Event
    Thread = Thread

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)
