"""All queues of this process, and how they are stopped together, or at its end."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

from .threads import interrupts
from .threads.elsewhere import elsewhere
from .threads.inside import here, refuse_reentry
from .threads.logs import Log

log: Final = Log("sprag.queue")


class Front(Protocol):
    """The object that an application has: its handler, and its `stop`, which it may override."""

    name: str

    def handle_item(self, item: Any, /) -> Any: ...
    def stop(self) -> None: ...


class Life(Protocol):
    """The inside of a queue."""

    def say_if_unattended(self) -> None:
        """Log that its jobs wait and nobody runs them, if that is so."""

    def hurry(self) -> None:
        """End the grace of a stop that is under way in another thread."""

    def leave(self) -> None:
        """Close the file, if it is open."""

    def make_locks(self) -> None:
        """Make new locks, in a forked child."""


lives: Final[weakref.WeakSet[Life]] = weakref.WeakSet()
"""Of every queue."""
started: Final[dict[Life, Front]] = {}
"""Of those whose workers run here."""
_names = threading.Lock()


def choosing() -> threading.Lock:
    """The lock that is held while the process decides which class may run a queue's jobs."""
    return _names


def stop_together(fronts: Iterable[Front]) -> None:
    """Stop all at the same time, so that each has its whole grace and none waits for another.

    Ctrl-C ends the grace of all, and is raised once they have stopped. Errors are logged.
    """
    refuse_reentry()
    fronts = tuple(fronts)
    elsewhere("stop", lambda: _stop_all(fronts), interrupted=hurry_of(fronts))


def hurry_of(fronts: Iterable[Front]) -> Callable[[], None]:
    """What ends the grace of those of them that run jobs now, when they are being stopped."""
    fronts = tuple(fronts)
    lives_of = [life for life, front in tuple(started.items()) if _has(fronts, front)]

    def hurry() -> None:
        for life in lives_of:
            life.hurry()

    return hurry


def _stop_all(fronts: Iterable[Front]) -> None:
    for thread in [_stopping(front) for front in fronts]:
        with here.inside, suppress(RuntimeError):  # one that never ran
            thread.join()


def _has(fronts: Collection[Front], front: Front) -> bool:
    # A queue may say itself what it equals.
    return any(front is one for one in fronts)


def _stopping(front: Front) -> threading.Thread:
    """A thread that stops the queue; one that never ran where the system has no more."""
    thread = threading.Thread(target=stop_or_say, args=(front,), name="sprag-stop")
    try:
        with here.inside:
            thread.start()
    except RuntimeError:
        stop_or_say(front)
    return thread


def stop_or_say(front: Front) -> None:
    """Stop the queue; an error is logged."""
    try:
        front.stop()
    except Exception:
        log.exception("queue %r did not stop in order", front.name)


def _stop_at_exit() -> None:
    try:
        for life in tuple(lives):
            life.say_if_unattended()
    finally:
        # One by one, because Python starts no more threads. A Ctrl-C ends the grace of all.
        interrupts.only_tell(_hurry_all)
        for front in tuple(started.values()):
            stop_or_say(front)
        for life in tuple(lives):
            life.leave()


def _hurry_all() -> None:
    for life in tuple(lives):
        life.hurry()


def _forked() -> None:
    global _names  # noqa: PLW0603  # a thread that the child lacks may have held it
    _names = threading.Lock()
    started.clear()  # the workers are the parent's
    for life in tuple(lives):
        life.make_locks()


atexit.register(_stop_at_exit)
os.register_at_fork(after_in_child=_forked)
