"""Group commit: whoever has something to write posts it, one of the posters writes for all.

There is no writer thread, so a lone writer pays no hand-off. While one thread
writes, the others' tickets pile up and go into its successor's transaction.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

from .inside import here
from .interrupts import shielded


class Ticket:
    """Something to be written, and what its poster sleeps on until it is done.

    Whoever writes it says `done`, with an `error` if it failed, or marks it
    `parked`: then its poster sleeps on until `wake_parked`.
    """

    __slots__ = ("_leads", "_led", "_wake", "done", "error", "parked")
    patient = False

    def __init__(self) -> None:
        # As fast as a lock, and one call too many only means one look too many.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._leads = False
        self._led: Sequence[Ticket] = ()
        """What its poster writes for, until all of them have been woken."""
        self.done = False
        self.parked = False
        self.error: BaseException | None = None

    def wake_parked(self) -> None:
        """Wake the poster of a parked ticket."""
        self.done = True
        self.parked = False
        self.wake()

    def wake(self) -> None:
        """Let its poster look; once too often does no harm."""
        self._wake.put(None)


def _check_stack() -> None:
    # An overrun later would also hit what has to put things right.
    try:
        sys._getframe(sys.getrecursionlimit() - _FRAMES)
    except ValueError:
        return
    raise RecursionError("too few frames are left to write to the queue's file")


T = TypeVar("T", bound=Ticket)

LINGER_SECONDS: Final = 0.0005
_MOST_VAIN: Final = 5
_FRAMES: Final = 100


class GroupCommit(Generic[T]):
    """Calls `write(tickets)` in one thread at a time, with all that was posted meanwhile.

    `write` must leave every ticket done or parked. Should it raise all the
    same, the tickets that are neither are written again by another poster, so
    what it does must bear repetition.

    A ticket that is `patient` does not insist on a transaction of its own:
    when `write` has said, by `expect`, how many such tickets will be back soon,
    the first ones wait for the others, `LINGER_SECONDS` at most (as
    PostgreSQL's commit_delay does), and the last one to come writes for all.
    Where that wait is in vain, it is not tried again for a while.
    """

    def __init__(self, write: Callable[[list[T]], None]) -> None:
        self._write = write
        self._mutex = threading.Lock()
        self._posted: list[T] = []
        self._busy = False
        self._quorum = 0
        self._vain = 0
        self._pause = 0

    def expect(self, patient: int) -> None:
        """To be called by `write`: so many patient tickets were answered just now."""
        self._quorum = patient

    def submit(self, ticket: T) -> None:
        """Return when `ticket` is done; raise its error if it has one.

        Raises RecursionError, before anything is done, where the stack might not suffice.
        """
        _check_stack()
        inside = here.inside
        try:
            # From its posting on, others may wait for this thread: it is inside all the while.
            inside.acquire()
            ticket.done = False
            while ticket._wake.qsize():
                ticket._wake.get()
            # A Ctrl-C may end the sleep, but tear nothing apart.
            with shielded:
                lingers = self._post(ticket)
                if ticket._leads:
                    self._lead(ticket)
            if lingers:
                self._linger(ticket)
            while not ticket.done:
                if ticket._leads:
                    with shielded:
                        self._lead(ticket)
                else:
                    ticket._wake.get()
        except BaseException:
            self._withdraw(ticket)
            raise
        finally:
            inside.release()
        if ticket.error is not None:
            raise ticket.error

    def _post(self, ticket: T) -> bool:
        """Join those who wait to be written; whether to linger for more of them."""
        with self._mutex:
            self._posted.append(ticket)
            if self._busy:
                return False
            if ticket.patient and self._gathers():
                return True
            self._busy = ticket._leads = True
            return False

    def _gathers(self) -> bool:
        """True if it is worth waiting a moment for more."""
        if len(self._posted) >= self._quorum:
            self._vain = 0
            return False
        if self._pause:
            self._pause -= 1
            return False
        return True

    def _linger(self, ticket: T) -> None:
        with suppress(Empty):
            ticket._wake.get(timeout=LINGER_SECONDS)
        with self._mutex:
            if not self._busy and ticket in self._posted:
                # Nobody made the number full.
                self._busy = ticket._leads = True
                self._vain = min(self._vain + 1, _MOST_VAIN)
                self._pause = (1 << self._vain) - 2  # 0, 2, 6, …

    def _lead(self, ticket: T) -> None:
        batch: list[T] = []
        try:
            with self._mutex:
                batch, self._posted = self._posted, []
                ticket._led = batch
                self._quorum = 0
            self._write(batch)
        except BaseException:
            again = [t for t in batch if not (t.done or t.parked or t is ticket)]
            with self._mutex:
                self._posted[:0] = again
            raise
        finally:
            # The heir first: its commit overlaps with what the others do next.
            self._pass_on(ticket)
            self._wake_others(ticket)

    def _pass_on(self, ticket: T) -> None:
        """Make the one who has waited longest the next leader, if `ticket` leads."""
        # Between these lines Python does not look for signals, so none can leave a leader asleep.
        with self._mutex:
            if not ticket._leads:
                return
            ticket._leads = False
            heir = self._posted[0] if self._posted else None
            if heir is None:
                self._busy = False
            else:
                heir._leads = True
                heir._wake.put(None)

    def _wake_others(self, ticket: T) -> None:
        """Wake those for whom `ticket` has written."""
        for other in ticket._led:
            if other.done and other is not ticket:
                other._wake.put(None)
        ticket._led = ()

    def _withdraw(self, ticket: T) -> None:
        """Its poster was interrupted, wherever it was: nobody wants this ticket any more, and the
        others must not notice."""
        with shielded:
            with self._mutex:
                if ticket in self._posted:
                    self._posted.remove(ticket)
            self._pass_on(ticket)
            self._wake_others(ticket)
