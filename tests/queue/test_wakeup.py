"""A thread is woken from wherever the other is, also from within its own wait."""

from __future__ import annotations

import signal
import threading
import time

from sprag.queue.threads.wakeup import Latch, Wakeup
from tests.support import DEADLINE


def test_what_was_set_before_the_wait_ends_it_at_once() -> None:
    wakeup = Wakeup()
    wakeup.set()
    assert wakeup.is_set()
    assert wakeup.wait(60)


def test_a_wait_that_nobody_ends_says_so() -> None:
    assert not Wakeup().wait(0.001)


def test_what_was_cleared_is_set_no_more() -> None:
    wakeup = Wakeup()
    wakeup.set()
    wakeup.set()
    wakeup.clear()
    assert not wakeup.is_set()
    assert not wakeup.wait(0.001)


def test_another_thread_ends_a_wait() -> None:
    wakeup = Wakeup()
    thread = threading.Timer(0.01, wakeup.set)
    thread.start()
    assert wakeup.wait(60)
    thread.join()


def test_a_signal_handler_ends_the_wait_that_it_interrupts() -> None:
    wakeup = Wakeup()
    before = signal.signal(signal.SIGALRM, lambda *_: wakeup.set())
    try:
        begun = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert wakeup.wait(60)
        assert time.monotonic() - begun < 30
    finally:
        signal.signal(signal.SIGALRM, before)


def test_signals_to_the_thread_that_waits_do_not_make_it_wait_longer() -> None:
    """Python's own SimpleQueue waits forever where one comes as the time is up."""
    wakeup, waited, over = Wakeup(), threading.Event(), threading.Event()

    def wait() -> None:
        for _ in range(300):
            wakeup.wait(0.002)
        waited.set()
        over.wait()  # a thread that has ended must not be sent a signal

    before = signal.signal(signal.SIGALRM, lambda *_: None)
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert thread.ident is not None
    end = time.monotonic() + DEADLINE
    try:
        while not waited.wait(0.0005):
            assert time.monotonic() < end, "it waits forever"
            signal.pthread_kill(thread.ident, signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)
        over.set()


def test_a_latch_lets_everybody_go_on_and_stays_set() -> None:
    latch = Latch()
    assert not latch.wait(0.001)
    gone: list[bool] = []
    threads = [threading.Thread(target=lambda: gone.append(latch.wait(60))) for _ in range(4)]
    for thread in threads:
        thread.start()
    latch.set()
    latch.set()
    for thread in threads:
        thread.join()
    assert gone == [True] * 4
    assert latch.wait(60)
