"""How a thread is started, whatever the calling thread is doing itself."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable


def start(run: Callable[[], object], name: str, *, daemon: bool) -> None:
    """Start a thread that calls `run`. RuntimeError if the system has no more threads.

    `Thread.start()` waits until the thread has begun. A KeyboardInterrupt that ends this wait can
    leave a lock held for which the new thread then waits forever. So the main thread, in which
    signal handlers run, leaves that call to a thread of its own, which is made in one step.
    """
    # With `daemon` given, neither thread asks for the one it is called in, of which Python would
    # keep a dummy for ever.
    thread = threading.Thread(target=run, name=name, daemon=daemon)
    if threading.current_thread() is threading.main_thread():
        _thread.start_new_thread(_start, (thread,))
    else:
        thread.start()


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError:  # there was room for this one only
        thread.run()
