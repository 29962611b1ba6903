"""The group commit alone, with a `write` that the test holds up as it likes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest

from sprag.queue.store import commit
from sprag.queue.store.commit import GroupCommit, Ticket
from tests.support import DEADLINE, wait, wait_until


class Patient(Ticket):
    patient = True


class Disk:
    """Where batches are written: it remembers them, and can be stopped in the middle of one."""

    def __init__(self) -> None:
        self.batches: list[list[Ticket]] = []
        self.writers: list[int] = []
        self.expected = 0
        self.slow = 0.0
        self.entered = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.commits: GroupCommit[Ticket] = GroupCommit(self.write)

    def write(self, batch: list[Ticket]) -> int:
        self.batches.append(batch)
        self.writers.append(threading.get_ident())
        self.entered.set()
        wait(self.free)
        if self.slow:
            threading.Event().wait(self.slow)
        for ticket in batch:
            ticket.done = True
        return self.expected


@contextmanager
def posting(*tickets: Ticket, disk: Disk, rounds: int = 1) -> Iterator[None]:
    """A thread for each ticket, which submits it `rounds` times; ended when the block is left."""

    def post(ticket: Ticket) -> None:
        for _ in range(rounds):
            disk.commits.submit(ticket)

    threads = [threading.Thread(target=post, args=(ticket,), daemon=True) for ticket in tickets]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive(), "a poster was never woken"


def posted(disk: Disk, *tickets: Ticket) -> Callable[[], bool]:
    return lambda: all(ticket in disk.commits._posted for ticket in tickets)


def test_a_lone_poster_writes_itself() -> None:
    disk, ticket = Disk(), Ticket()
    disk.commits.submit(ticket)
    assert disk.batches == [[ticket]]
    assert disk.writers == [threading.get_ident()]


@pytest.mark.parametrize("fails", [False, True])
def test_who_writes_alone_wakes_those_who_have_posted_meanwhile(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(commit, "LOOK_SECONDS", 2 * DEADLINE)
    disk, other = Disk(), Ticket()
    thread = threading.Thread(target=disk.commits.submit, args=(other,), daemon=True)

    def write() -> str:
        thread.start()
        wait_until(posted(disk, other))
        if fails:
            raise LookupError
        return "written"

    with pytest.raises(LookupError) if fails else nullcontext():
        assert disk.commits.alone(write) == "written"
    thread.join(DEADLINE)
    assert not thread.is_alive(), "a poster was never woken"
    assert disk.batches == [[other]]


def test_nobody_writes_alone_while_others_write_or_wait_for_it() -> None:
    disk, first, second = Disk(), Ticket(), Ticket()
    called: list[str] = []
    disk.free.clear()
    with posting(first, disk=disk):
        wait(disk.entered)
        assert disk.commits.alone(called.append, "beside a writer") is None
        disk.free.set()
    disk.commits._posted[second] = None
    assert disk.commits.alone(called.append, "before others") is None
    assert called == []


def test_what_is_posted_while_one_writes_goes_together_into_the_next_batch() -> None:
    disk, first, others = Disk(), Ticket(), [Ticket() for _ in range(5)]
    disk.free.clear()
    with posting(first, disk=disk):
        wait(disk.entered)
        with posting(*others, disk=disk):
            wait_until(posted(disk, *others))
            disk.free.set()
    assert disk.batches[0] == [first]
    assert sorted(map(id, disk.batches[1])) == sorted(map(id, others))
    assert len(disk.batches) == 2


def test_an_error_reaches_its_own_poster_alone() -> None:
    disk = Disk()
    bad, good = Ticket(), Ticket()
    bad.error = ValueError("mine")
    with pytest.raises(ValueError, match="mine"):
        disk.commits.submit(bad)
    disk.commits.submit(good)


def test_the_patient_gather_as_long_as_they_find_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # To write takes longer than anyone lingers: whoever finds out that its moment has passed
    # while its batch is being written has not lingered in vain.
    monkeypatch.setattr(commit, "LINGER_SECONDS", 0.05)
    disk = Disk()
    disk.expected, disk.slow = 4, 0.1
    disk.commits._quorum = 4
    with posting(*(Patient() for _ in range(4)), disk=disk, rounds=6):
        pass
    assert [len(batch) for batch in disk.batches] == [4] * 6


def test_to_linger_in_vain_is_given_up_for_a_while() -> None:
    disk, ticket = Disk(), Patient()
    disk.expected = 2  # of whom one never comes
    disk.commits._quorum = 2
    lingered = []
    for _ in range(100):
        before = disk.commits._vain
        disk.commits.submit(ticket)
        lingered.append(disk.commits._vain > before or disk.commits._pause == 30)
    assert [len(batch) for batch in disk.batches] == [1] * 100
    assert 5 <= sum(lingered) < 10


def test_an_impatient_one_takes_those_who_linger_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LINGER_SECONDS", DEADLINE)
    disk, patient, hasty = Disk(), Patient(), Ticket()
    disk.commits._quorum = 2
    with posting(patient, disk=disk):
        wait_until(posted(disk, patient))
        disk.commits.submit(hasty)
    assert disk.batches == [[patient, hasty]]


def test_an_heir_that_was_interrupted_passes_the_lead_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LOOK_SECONDS", 2 * DEADLINE)
    disk, first, last = Disk(), Ticket(), Ticket()

    class Interrupted(Ticket):
        def __init__(self) -> None:
            super().__init__()
            self._wakeup = self  # type: ignore[assignment]  # sleeps and is woken as below
            self.heir = threading.Event()

        def clear(self) -> None:
            pass

        def set(self) -> None:
            self.heir.set()

        def wait(self, timeout: float | None = None) -> bool:
            wait(self.heir)
            raise KeyboardInterrupt

    heir = Interrupted()
    ended = threading.Event()

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            disk.commits.submit(heir)
        ended.set()

    disk.free.clear()
    with posting(first, disk=disk):
        wait(disk.entered)
        threading.Thread(target=interrupted, daemon=True).start()
        wait_until(posted(disk, heir))
        with posting(last, disk=disk):
            wait_until(posted(disk, last))
            disk.free.set()
    wait(ended)
    assert disk.batches == [[first], [last]]
    disk.commits.submit(Ticket())  # nobody leads any more, so this one does


def test_who_is_never_woken_looks_and_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a signal handler ends the leader on its way out."""
    disk, first, other = Disk(), Ticket(), Ticket()
    monkeypatch.setattr(disk.commits, "_pass_on", lambda: None)
    disk.free.clear()
    with posting(first, disk=disk):
        wait(disk.entered)
        with posting(other, disk=disk):
            wait_until(posted(disk, other))
            disk.free.set()
    assert disk.batches == [[first], [other]]


def test_who_is_written_and_never_told_looks() -> None:
    class Unheard(Ticket):
        def wake(self) -> None:
            pass

    disk, first, second, other = Disk(), Ticket(), Ticket(), Unheard()
    disk.free.clear()
    with posting(first, disk=disk):
        wait(disk.entered)
        with posting(second, disk=disk):
            wait_until(posted(disk, second))
            with posting(other, disk=disk):
                wait_until(posted(disk, other))
                disk.free.set()
    assert disk.batches == [[first], [second, other]]


def test_who_is_taken_along_by_a_leader_that_is_torn_writes_itself() -> None:
    disk, first, other = Disk(), Ticket(), Ticket()
    disk.free.clear()
    with posting(first, disk=disk):
        wait(disk.entered)
        with posting(other, disk=disk):
            wait_until(posted(disk, other))
            disk.commits._posted.clear()
            disk.free.set()
    assert disk.batches == [[first], [other]]


def test_a_ticket_is_refused_before_it_is_posted_where_the_stack_might_not_suffice() -> None:
    disk = Disk()

    def submit_with(frames: int) -> None:
        try:
            sys._getframe(sys.getrecursionlimit() - frames)
        except ValueError:
            submit_with(frames)
        else:
            disk.commits.submit(Ticket())

    with pytest.raises(RecursionError, match="too few frames"):
        submit_with(90)
    assert disk.batches == []
    assert disk.commits._posted == {}
    submit_with(200)
    assert len(disk.batches) == 1
