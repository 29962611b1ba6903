"""What `test_machine` has in its hands: a host, its owners, a caller, and what must be true."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import apsw
from hypothesis.stateful import RuleBasedStateMachine

import _oracle as oracle
from _power.log import Durability
from sprag.queue import JobError, QueueService
from sprag.queue.service import life_of
from sprag.queue.states import OWNED, Event
from sprag.queue.store.store import Store
from sprag.queue.store.tickets import Exchange, Options, Outcome, Run
from tests.durability.machine.host import Host, Owner
from tests.durability.machine.model import Besides, Model, Past, Row, Stale

QUEUE = "work"
KNOWN: tuple[tuple[str | None, ...], ...] = ((None,), ("old",), (None, "old", "new"))
"""The tasks that each process knows."""
ERROR = JobError("ValueError", "no")


class World(RuleBasedStateMachine):
    """The machine without its rules: what they share."""

    durability: Durability = "full"

    def __init__(self) -> None:
        super().__init__()
        self.host = Host(self.durability)
        self.clock = self.host.clock
        self.dead: list[Owner] = []
        self.jobs: dict[str, Model] = {}
        self.accepted = 0
        self.newest: str | None = None
        self.besides = Besides()
        self._open()
        self.past = Past([], None, self.besides, len(self.host.log.entries))
        self.lasting = False

    # ------------------------------------------------------------ opening and looking

    def _open(self) -> None:
        self.owners = [Owner(self.host, tasks) for tasks in KNOWN]
        self.gone: list[Owner] = []
        self.stale: list[Stale] = []
        self.caller = QueueService(
            name=QUEUE, database=self.host.path, durability=self.durability, vfs=self.host.vfs
        )
        self.eye = apsw.Connection(str(self.host.path))
        self.in_use = True
        self.steps = 0

    def _close(self) -> None:
        """Nobody has the file open any more, and of whoever has not left, nobody lives."""
        self.in_use = False
        self.eye.close()
        self.caller.stop()
        for owner in (*self.owners, *self.gone):
            owner.close()
            if owner not in self.dead:
                self.dead.append(owner)

    def _cut(self, point: int, how: str, seed: int) -> None:
        promised = self.durability == "full" or how == "kept"
        possible = self.past.possible(point, promised=promised)
        files = self.host.image(point, how, seed)
        self.host.log.close()
        self._close()
        self.host.shut()
        self.host.boot(files)
        with self._look() as connection:
            assert oracle.audit(connection) == []
            rows, besides = self._rows(connection), Besides.of(connection)
        found = [state for state in possible if (state.rows, state.besides) == (rows, besides)]
        assert found, f"the power was cut, and left {rows}, expected {possible[-1].rows}"
        self.jobs, self.newest, self.besides = found[-1].copy(), found[-1].newest, besides
        for job in self.jobs.values():
            if job.owner is not None and job.owner not in self.dead:
                self.dead.append(job.owner)  # its jobs had been recovered, and that was lost
        self.past = Past(self.jobs.values(), self.newest, besides, 0)
        self._open()

    @contextmanager
    def _look(self) -> Iterator[apsw.Connection]:
        """The file as it is: what is in its WAL stays there."""
        connection = apsw.Connection(str(self.host.path))
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        try:
            yield connection
        finally:
            connection.close()

    @staticmethod
    def _rows(connection: apsw.Connection) -> dict[str, Row]:
        file = oracle.read(connection)
        more = connection.execute(
            "SELECT job.id, job.waiting AND job.status = 'queued', progress.percent "
            "FROM job LEFT JOIN progress "
            "ON progress.job = job.key AND progress.starts = job.starts"
        )
        rows: dict[str, Row] = {}
        for id_, waiting, percent in more:
            job = file.jobs[id_]
            rows[id_] = (
                job.status, job.attempt, job.crashes, job.starts, job.owner, bool(waiting),
                percent, job.unique_key, bool(job.owner and job.overdue == job.starts),
                tuple(move.event for move in job.moves),
            )  # fmt: skip
        return rows

    # ------------------------------------------------------------ helpers

    def _caller_store(self) -> Store:
        """The store of the queue that only calls, on the machine's clock."""
        store = life_of(self.caller).open().store
        store.clock = self.clock
        return store

    def _any_store(self, which: int) -> Store:
        living = self._living()
        stores = [self._caller_store(), *(owner.store for owner in living)]
        return stores[which % len(stores)]

    def _enqueue(
        self,
        store: Store,
        ids: Sequence[str],
        priority: int,
        delay: float,
        max_attempts: int,
        max_crashes: int,
        task: str | None = None,
    ) -> None:
        due_at = self.clock.now + delay if delay else None
        options = Options(QUEUE, priority, max_attempts, max_crashes, due_at=due_at, task=task)
        store.enqueue(options, ids, ["{}"] * len(ids))
        for id_ in ids:
            if id_ not in self.jobs:
                self._accepted(id_, options)

    def _accepted(self, id_: str, options: Options) -> None:
        self.accepted += 1
        due_at, now = options.due_at, self.clock.now
        self.jobs[id_] = Model(
            id_, self.accepted, options.priority, options.max_attempts, options.max_crashes,
            due_at or now, due_at is not None, now, task=options.task,
        )  # fmt: skip
        self.newest = id_

    def _new_ids(self, count: int) -> list[str]:
        # Alike in every run of an example: what is found after a power cut depends on the pages.
        return [f"{self.accepted + n:032x}" for n in range(count)]

    def _exchange(
        self, owner: Owner, outcome: Outcome | None, *, wanted: bool = True
    ) -> Run | None:
        ticket = Exchange(QUEUE, owner.id, owner.claims)
        if not wanted:
            owner.store.dismiss([ticket])
        # A run that does not come would be waited for without end.
        timer = threading.Timer(30, owner.store.dismiss, ([ticket],))
        timer.daemon = True
        timer.start()
        try:
            run = owner.store.exchange(ticket, outcome)
        finally:
            timer.cancel()
        assert not ticket.refused
        return run

    def _started(self, owner: Owner, run: Run | None) -> None:
        assert run is not None, "a job is ready, but no worker gets it"
        job = self.jobs[run.id]
        first = min(self._ready(owner), key=lambda other: (-other.priority, other.order))
        assert job is first, "another job should have come first"
        self._moved(job, "start", owner=owner)
        assert (run.attempt, run.starts) == (job.attempt, job.starts)
        owner.runs[job.id] = run
        for stale in self.stale:
            if stale.run.key == run.key:
                outcome = Outcome(stale.run, "fail", error=ERROR)
                ended = stale.owner.store.finish(stale.owner.id, [outcome])
                assert not ended, "a run that was over has ended the next one"

    def _outcome(self, run: Run, what: int, wait: float, reported: bool) -> Outcome:
        job = self.jobs[run.id]
        events: list[Event] = ["complete", "fail", "release"]
        if job.attempt < job.max_attempts:
            events.append("retry")
        if job.status == "cancelling":
            events.append("confirm")
        event = events[what % len(events)]
        retries = event == "retry" or (event == "release" and wait > 1)  # the latter does not count
        report = (run.key, run.starts, None, None, 99.0, "last") if reported else None
        if reported:
            job.progress = 99.0
        return Outcome(
            run,
            event,
            "1" if event == "complete" else None,
            ERROR if event == "fail" or retries else None,
            self.clock.now + wait if retries else None,
            report,
        )

    def _ended(self, outcome: Outcome) -> None:
        job = self.jobs[outcome.run.id]
        event = outcome.event
        if job.status == "cancelling":
            # Asked to cancel, it is not queued again.
            event = {"retry": "fail", "release": "confirm"}.get(event, event)  # type: ignore[assignment]  # both are events
        self._moved(job, event)
        if event in ("retry", "release"):
            job.due_at = job.due_at if outcome.due_at is None else outcome.due_at
            job.waiting = outcome.due_at is not None and outcome.due_at > self.clock.now

    def _moved(
        self, job: Model, event: Event, *, owner: Owner | None = None, ends_run: bool = True
    ) -> None:
        if job.owner is not None and job.owner.speaks and ends_run:
            run = job.owner.runs.pop(job.id)
            self.stale = [*self.stale[-20:], Stale(job.owner, run)]
        job.move(event, self.clock.now, owner)
        self.newest = job.id

    def _recovered(self, lost: Sequence[Model]) -> None:
        self.lasting = True
        for job in lost:
            if job.status == "cancelling":
                self._moved(job, "confirm")
            else:
                self._moved(job, "lose" if job.crashes + 1 >= job.max_crashes else "recover")
            job.waiting, job.due_at = False, self.clock.now

    def _left(self, owner: Owner) -> None:
        self.lasting = True
        held = [job for job in self._held() if job.owner is owner]
        assert sorted(owner.store.owners.leave(owner.id)) == sorted(job.id for job in held)
        owner.lock.release()
        for job in held:
            self._moved(job, "release" if job.status == "running" else "confirm")

    def _between(self) -> None:
        """A transaction is over, but not the step."""
        self.past.between(self.jobs.values(), self.newest, self.besides)

    def _rest(self) -> None:
        """A step is over."""
        end, lasting = len(self.host.log.entries), self.lasting or self.durability == "full"
        self.past.rest(self.jobs.values(), self.newest, self.besides, end, lasting=lasting)
        self.lasting = False
        self.steps += 1

    def _replace(self, owner: Owner) -> None:
        """The process is started again. What it was lives on, to speak out of turn."""
        self.owners[self.owners.index(owner)] = Owner(self.host, owner.tasks)
        self.gone.append(owner)

    def _in(self, *statuses: str) -> list[Model]:
        return [job for job in self.jobs.values() if job.status in statuses]

    def _held(self) -> list[Model]:
        return self._in(*OWNED)

    def _run(self) -> list[Model]:
        """Those that somebody runs, or believes to."""
        return [job for job in self._held() if job.owner is not None and job.owner.speaks]

    def _ready(self, owner: Owner) -> list[Model]:
        """What this process can start: of other tasks it leaves everything as it is."""
        if self.besides.paused:
            return []
        return [j for j in self._in("queued") if not j.waiting and j.task in owner.tasks]

    def _living(self) -> list[Owner]:
        return [owner for owner in self.owners if owner.alive]

    @staticmethod
    def _among(jobs: Sequence[Model], which: int) -> Model:
        return jobs[which % len(jobs)]

    def _pick(self, which: int) -> Model:
        return self._among(list(self.jobs.values()), which)

    def _pick_owner(self, which: int) -> Owner:
        living = self._living()
        return living[which % len(living)]

    def _pick_run(self, which: int) -> tuple[Owner, Run]:
        job = self._among(self._run(), which)
        assert job.owner is not None
        return job.owner, job.owner.runs[job.id]
