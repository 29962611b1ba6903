"""A thread is woken from wherever the other is, also from within its own wait."""

from __future__ import annotations

import signal
import threading
import time

from sprag.queue.wakeup import Latch, Wakeup


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
