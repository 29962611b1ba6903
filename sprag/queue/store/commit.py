"""Group commit: whoever has something to write posts it, one of the posters writes for all.

There is no writer thread, so a lone writer pays no hand-off. While one thread
writes, the others' tickets pile up and go into its successor's transaction.

Nothing that an exception of a signal handler tears can keep anyone waiting. Who
leads is who holds a lock, which C code takes and releases in one step with its
block. The leader wakes those for whom it has written, and who leads next; and
whoever still sleeps looks now and then, and leads if nobody does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar, TypeVarTuple

from ..threads.inside import here
from ..threads.wakeup import Wakeup


class Ticket:
    """Something to be written, and what its poster sleeps on until it is done.

    Whoever writes it says `done`, with an `error` if it failed, or marks it
    `parked`: then its poster sleeps on until `wake_parked`.
    """

    __slots__ = ("_lingers", "_wakeup", "done", "error", "parked")
    patient = False

    def __init__(self) -> None:
        self._wakeup = Wakeup()
        self._lingers = False
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
        self._wakeup.set()

    def sleep(self, seconds: float | None) -> None:
        """Return once somebody wakes its poster, or after so many seconds."""
        self._wakeup.wait(seconds)


def _check_stack() -> None:
    # An overrun later would also hit what has to put things right.
    try:
        sys._getframe(sys.getrecursionlimit() - _FRAMES)
    except ValueError:
        return
    raise RecursionError("too few frames are left to write to the queue's file")


R = TypeVar("R")
T = TypeVar("T", bound=Ticket)
Ts = TypeVarTuple("Ts")

LINGER_SECONDS: Final = 0.0005
# How late a poster may be to notice that nobody leads who should have woken it.
LOOK_SECONDS: Final = 0.2
_MOST_VAIN: Final = 5
_FRAMES: Final = 100


class GroupCommit(Generic[T]):
    """Calls `write(tickets)` in one thread at a time, with all that was posted meanwhile.

    `write` must leave every ticket done or parked. Should it raise all the
    same, the tickets that are neither are written again by another poster, so
    what it does must bear repetition.

    A ticket that is `patient` does not insist on a transaction of its own:
    `write` returns how many such tickets will be back soon, and the first ones
    wait for the others, `LINGER_SECONDS` at most (as
    PostgreSQL's commit_delay does), and the last one to come writes for all.
    Where that wait is in vain, it is not tried again for a while.
    """

    def __init__(self, write: Callable[[list[T]], int]) -> None:
        self._write = write
        # Held by who leads, for as long as it writes.
        self._lead_lock = threading.Lock()
        # In order. Each use is one step of C code, so there is no lock to it. Nothing depends on
        # its being complete: the poster of a ticket that is missing leads sooner or later.
        self._posted: dict[T, None] = {}
        self._quorum = 0
        self._vain = 0
        self._pause = 0

    def forked(self) -> None:
        """Begin anew: a thread that a forked child lacks may have led."""
        self._lead_lock = threading.Lock()
        self._posted.clear()

    def submit(self, ticket: T) -> None:
        """Return when `ticket` is done; raise its error if it has one.

        Raises RecursionError, before anything is done, where the stack might not suffice.
        """
        _check_stack()
        inside = here.inside
        try:
            # From its posting on, others may wait for this thread: it is inside all the while.
            inside.acquire()
            ticket.parked = ticket.done = False  # in this order: see `Dealer.deal_again`
            ticket._wakeup.clear()
            ticket._lingers = ticket.patient
            self._posted[ticket] = None
            if ticket.patient:
                self._linger(ticket)
            # Who finds the lock held after it has posted is seen by its holder, who looks for
            # posters once the lock is free.
            while not ticket.done:
                if ticket.parked:
                    ticket.sleep(None)
                elif self._lead_lock.locked():
                    ticket.sleep(LOOK_SECONDS)
                else:
                    self._lead(ticket)
        except BaseException:
            # Nobody wants this ticket any more, and it may have been its turn to lead.
            self._posted.pop(ticket, None)
            self._pass_on()
            raise
        finally:
            inside.release()
        if ticket.error is not None:
            raise ticket.error

    def alone(self, write: Callable[[*Ts], R | None], *arguments: *Ts) -> R | None:
        """Call `write` in place of a batch, if nobody writes or waits to be written: that spares a
        lone writer its ticket. None if somebody does; then, or if `write` returns None, submit one.

        Raises what `write` raises, and RecursionError as `submit` does.
        """
        if self._posted or self._lead_lock.locked():
            return None
        _check_stack()
        inside = here.inside
        try:
            inside.acquire()
            try:
                with self._lead_lock:
                    return write(*arguments)
            finally:
                self._pass_on()  # some may have posted meanwhile
        finally:
            inside.release()

    def _linger(self, ticket: T) -> None:
        """Wait a moment for more of them, if that is worth it."""
        if not self._lead_lock.locked() and self._gathers():
            ticket.sleep(LINGER_SECONDS)
            if not (ticket.done or self._lead_lock.locked()):
                # Nobody made the number full.
                self._vain = min(self._vain + 1, _MOST_VAIN)
                self._pause = (1 << self._vain) - 2  # 0, 2, 6, …
        ticket._lingers = False

    def _gathers(self) -> bool:
        """True if it is worth waiting a moment for more."""
        if len(self._posted) >= self._quorum:
            self._vain = 0
            return False
        if self._pause > 0:
            self._pause -= 1
            return False
        return True

    def _lead(self, ticket: T) -> None:
        """Write all that is posted, once nobody else does, unless `ticket` is written by then."""
        batch: list[T] = []
        try:
            with self._lead_lock:
                if ticket.done or ticket.parked:
                    return
                self._posted[ticket] = None  # a leader whom a signal handler ended may have had it
                batch = list(self._posted)
                for posted in batch:
                    self._posted.pop(posted, None)
                self._quorum = 0
                try:
                    expected = self._write(batch)
                    # Those who have posted meanwhile are still there when the expected ones come.
                    self._quorum = expected + len(self._posted)
                except BaseException:
                    for other in batch:
                        if not (other.done or other.parked or other is ticket):
                            self._posted[other] = None
                    raise
        finally:
            # Who leads next first: its commit overlaps with what the others do next.
            self._pass_on()
            for other in batch:
                if other.done and other is not ticket:
                    other.wake()

    def _pass_on(self) -> None:
        """Wake the one who has waited longest to be written, now that the lock is free."""
        for posted in list(self._posted) if self._posted else ():
            if not posted._lingers:  # or it would linger no more
                posted.wake()
                return
