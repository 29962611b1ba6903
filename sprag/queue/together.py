"""Several queues, stopped at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from .lifecycle import Front, started, stop_or_say
from .threads.elsewhere import elsewhere
from .threads.inside import here, refuse_reentry


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
