"""A file that is open in this process, as those who run its queues see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .agenda import Plan, agenda
from .checks import queue_name, reason_text
from .ids import new_ids
from .job import Job, Notice, Page, Transition
from .liveness.owners import forget
from .liveness.processes import Process, processes_of
from .options import Settings, settings_of
from .service import QueueService
from .states import Status
from .store.audit import Audit
from .store.backup import backup
from .store.journal import Head, News
from .store.ownership import Recovered
from .store.pauses import Pause
from .store.pruning import Pruning
from .store.search import Search
from .store.statistics import Statistics
from .watch.subscription import Callback, Subscription
from .work.attendance import is_unknown, unattended, unknown_tasks
from .work.engine import Engine


def open_file(path: str, *, busy_seconds: float) -> QueueFile:
    """Open a file that exists. Each call needs a `close`. Raises a DatabaseError."""
    return QueueFile(Engine.open(path, create=False, busy_seconds=busy_seconds))


def open_beside(queues: Iterable[QueueService], path: str) -> QueueFile:
    """Open the file that these queues share, as the first of them says, and make it if need be."""
    first = next(iter(queues), None)
    settings = Settings() if first is None else settings_of(first)
    return QueueFile(
        Engine.open(
            path,
            settings.durability,
            vfs=settings.vfs,
            flags=settings.open_flags,
            busy_seconds=settings.busy_seconds,
        )
    )


@dataclass(frozen=True, slots=True)
class QueueFile:
    """A file that is open in this process, with all its queues. Every method may be called from any
    thread, and raises a DatabaseError if the file cannot be read or written."""

    engine: Engine

    @property
    def path(self) -> str:
        """The file's absolute path."""
        return self.engine.path

    def close(self) -> None:
        """Stop using the file; the last user in this process closes it."""
        self.engine.close()

    def now(self) -> float:
        """The time, in unix seconds, by the clock that the journal is written by."""
        return self.engine.store.clock()

    # ------------------------------------------------------------ jobs

    def job(self, id_: str) -> Job:
        """One job of any queue. Raises JobNotFound."""
        return self.engine.store.jobs.get(id_)

    def history(self, id_: str) -> list[Transition]:
        """Every move of a job, in order. Raises JobNotFound."""
        return self.engine.store.journal.history(id_)

    def ids(self, prefix: str, count: int) -> list[str]:
        """The first `count` ids that begin with `prefix`, some hexadecimal digits."""
        return self.engine.store.jobs.ids(prefix, count)

    def page(
        self,
        queues: Sequence[str],
        statuses: Sequence[Status],
        count: int,
        before: int | None = None,
        tasks: Sequence[str] = (),
    ) -> Page:
        """The `count` newest jobs of these queues, statuses and tasks; no queues or tasks given: of
        all."""
        return self.engine.store.jobs.page(queues, statuses, count, before, tasks)

    @property
    def search(self) -> Search:
        """Lists of jobs by state, text and time."""
        return self.engine.store.search

    # ------------------------------------------------------------ queues and processes

    def queues(self) -> list[str]:
        """The names of all queues that have a job or a schedule, or are paused."""
        return self.engine.store.jobs.queues()

    def counts(self, queue: str) -> dict[Status, int]:
        """The queue's jobs by status, all six of them."""
        return self.engine.store.jobs.counts(queue)[queue]

    def next_ready(self, queue: str) -> float | None:
        """Since when the job that starts next could have; None if none is ready."""
        return self.engine.store.jobs.next_ready(queue)

    def next_due(self, queue: str) -> float | None:
        """When the next waiting job is due; None if none waits."""
        return self.engine.store.jobs.next_due(queue)

    @property
    def statistics(self) -> Statistics:
        """How many jobs there are, how fast they come and end, and how long they take."""
        return self.engine.store.statistics

    def processes(self) -> list[Process]:
        """Every process that runs jobs, or that a job names."""
        return processes_of(self.engine.store, self.engine.folder)

    def unattended(self, queues: Iterable[str] = ()) -> dict[str, int]:
        """Count the waiting jobs of each queue that no process runs, among these or all."""
        return unattended(self.engine.store, self.engine.folder, queues)

    def unknown_tasks(self, queues: Iterable[str] = ()) -> dict[str, dict[str | None, int]]:
        """Count the ready jobs of each task that no process knows, in these queues or all that are
        run by some; those of None belong to no task."""
        return unknown_tasks(self.engine.store, self.engine.folder, queues)

    def is_unknown(self, queue: str, task: str | None) -> bool:
        """True if processes run the queue, and none of them knows the task."""
        return is_unknown(self.engine.store, self.engine.folder, queue, task)

    def pauses(self) -> dict[str, Pause]:
        """The queues that are paused, and why."""
        return self.engine.store.pauses.all()

    def pause(self, queue: str, reason: str | None) -> None:
        """Let no process start jobs of a queue. Raises ConfigurationError."""
        self.engine.store.pauses.pause(queue_name("queue", queue), reason_text(reason))

    def resume(self, queue: str) -> bool:
        """Let the jobs of a queue be started again; False if it was not paused. Raises
        ConfigurationError."""
        return self.engine.store.pauses.resume(queue_name("queue", queue))

    # ------------------------------------------------------------ schedules

    def schedules(self, queue: str | None = None) -> list[Plan]:
        """The schedules of a queue, or of all, and when they are due."""
        return agenda(self.engine.store, queue)

    def run_schedule(self, queue: str, name: str) -> str | None:
        """Enqueue a job of a schedule now; its id, None if there is no such schedule."""
        [id_] = new_ids(1)
        return id_ if self.engine.store.schedules.run_now(queue, name, id_) else None

    def pause_schedule(self, queue: str, name: str, reason: str | None) -> bool:
        """Leave out the slots of a schedule; False if there is none. Raises ConfigurationError."""
        return self.engine.store.schedules.pause(queue, name, reason_text(reason))

    def resume_schedule(self, queue: str, name: str) -> bool:
        """Go on with a schedule, from now; False if it was not paused."""
        return self.engine.store.schedules.resume(queue, name)

    def remove_schedule(self, queue: str, name: str) -> bool:
        """Forget a schedule; False if a running process has it, or there is none."""
        return self.engine.store.schedules.remove(queue, name)

    # ------------------------------------------------------------ moves

    def cancel(self, id_: str) -> Job:
        """Cancel a queued job, or ask a running one to stop; at once if it runs in this process."""
        return self.engine.cancel(id_)

    def cancel_many(self, ids: Sequence[str]) -> list[tuple[str, Status]]:
        """Cancel those of these jobs that can be, in one commit; their ids and new states."""
        return self.engine.store.cancel_many(ids)

    def requeue(self, id_: str) -> Job:
        """Run a failed or cancelled job again. Raises JobNotFound, IllegalMove."""
        return self.engine.store.requeue(id_)

    def requeue_many(self, ids: Sequence[str]) -> list[str]:
        """Requeue those of these jobs that can be, in one commit; their ids."""
        return self.engine.store.requeue_many(ids)

    def run_now(self, id_: str) -> None:
        """Let a waiting job start before it is due. Raises JobNotFound, IllegalMove."""
        self.engine.store.run_now(id_)

    def run_now_many(self, ids: Sequence[str]) -> list[str]:
        """Like `run_now`, for those of these jobs that wait, in one commit; their ids."""
        return self.engine.store.run_now_many(ids)

    @property
    def pruning(self) -> Pruning:
        """Deletes finished jobs: by name, by age or by number."""
        return self.engine.store.pruning

    def recover(self, process: Process) -> list[Recovered]:
        """Take the jobs of a process that is gone back."""
        moved = self.engine.store.owners.recover(process.id)
        if process.token is not None:
            forget(self.engine.folder, process.token)
        return moved

    # ------------------------------------------------------------ news

    def version(self) -> int:
        """A number that changes with every commit, of whichever process."""
        return self.engine.database.version()

    def head(self) -> Head:
        """The newest seq and progress tick; 0 if there is none."""
        return self.engine.store.journal.head()

    def news(self, after: int, tick: int, count: int) -> News:
        """The next `count` moves after `after`, and all progress stored since `tick`."""
        return self.engine.store.journal.news(after, tick, count)

    def news_of(self, audiences: Sequence[str], after: int, tick: int, count: int) -> News:
        """Like `news`, of only the jobs of these audiences."""
        return self.engine.store.journal.news_of(audiences, after, tick, count)

    def notify(self, audience: str, signal: str, data: str) -> None:
        """Store a notice: something that an audience gets to know and that is not a move."""
        self.engine.store.journal.notify(audience, signal, data)

    def notices(self, after: int, count: int) -> list[Notice]:
        """The next `count` notices after `after`."""
        return self.engine.store.journal.notices(after, count)

    def last_notice(self) -> int:
        """The id of the newest notice there ever was; 0 if there was none."""
        return self.engine.store.journal.last_notice()

    def subscribe(
        self, callback: Callback, *, after: int | None = None, notices: bool = False
    ) -> Subscription:
        """Call `callback` with the signals of all queues, also of what other processes commit."""
        self.engine.keep_watch()
        return self.engine.observers.subscribe(callback, None, after, notices=notices)

    # ------------------------------------------------------------ the file

    @property
    def audit(self) -> Audit:
        """The questions whose answers say whether the file is intact."""
        return self.engine.store.audit

    def backup(self, target: str) -> None:
        """Copy the file, while it is in use, to the new file `target`."""
        backup(self.engine.database, target)
