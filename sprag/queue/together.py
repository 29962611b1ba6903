"""Several queues, stopped at the same time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable

from .lifecycle import Front, started, stop_or_say
from .threads import interrupts
from .threads.inside import here, refuse_reentry


def stop_together(fronts: Iterable[Front]) -> None:
    """Stop all at the same time, so that each has its whole grace and none waits for another.

    Ctrl-C ends the grace of all, and is raised once they have stopped. Errors are logged.
    """
    refuse_reentry()
    fronts = tuple(fronts)
    lives_of = [life for life, front in tuple(started.items()) if _has(fronts, front)]
    with interrupts.shielded.throughout():
        threads = [_stopping(front) for front in fronts]
        while threads := [thread for thread in threads if thread.is_alive()]:
            if interrupts.shielded.interrupted:
                for life in lives_of:
                    life.hurry()
            with here.inside:
                threads[0].join(interrupts.PIECE_SECONDS)


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
