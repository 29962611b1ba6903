"""What may be asked of a queue: to accept jobs, to show them, to move them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

from . import checks, durations, enqueuing, errors, waiting
from .declared import DeclaredQueue, Item, Result
from .durations import Duration
from .job import Job, Page, Transition
from .options import JobOptions
from .states import STATUSES, Status
from .store.backup import backup
from .store.pauses import Pause
from .threads.inside import here
from .watch.subscription import Callback, Subscription


class QueueOperations(DeclaredQueue[Item, Result]):
    """The calls of a `QueueService`, from any thread and in any process."""

    def enqueue(
        self, item: Item, *, job_id: str | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Accept a job. When this returns, the job is stored and will run.

        `delay` (a duration: 90, "5m" or a timedelta) or `run_at` (an aware
        datetime or unix seconds) holds it back. Jobs with a higher `priority`
        start first. `max_attempts`, `backoff`, `time_limit` and `max_crashes`
        replace the queue's own. With a `unique` key, the job that holds the key is
        returned if there is one; it holds it until it has ended, or as
        `unique_for` says. `label` names the job for people; `audience` says who may
        see it. With a `job_id` from `new_job_id()` it is safe to repeat a call
        whose outcome is unknown: if the job exists with the same item, it is
        returned as it is.

        Blocks until the job is committed: up to `busy_seconds` while another
        process holds the file's lock. In an event loop, use `aenqueue`.

        Raises PayloadError, PayloadTooLarge, QueueFull, JobExists,
        ConfigurationError for a bad option, or a DatabaseError.
        """
        return enqueuing.enqueue(self._sprag_life, item, job_id, options)

    def enqueue_many(self, items: Iterable[Item], **options: Unpack[JobOptions]) -> list[Job]:
        """Like `enqueue`, but for all of `items` in one commit: all are stored, or none.

        A PayloadError's path includes the place of the item: `items[3]["size"]`.
        """
        return enqueuing.enqueue_many(self._sprag_life, items, options)

    def get(self, job_id: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        life = self._sprag_life
        return life.open().store.jobs.get(checks.job_id(job_id), life.settings.name)

    def jobs(
        self,
        status: Status | Iterable[Status] | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        audience: str | None = None,
        task: str | None = None,
    ) -> Page:
        """One page of the queue's jobs, newest first, with one status, several, or any, and of the
        `task` of that name, or of all.

        To continue where a page ended, pass its `next` as `after`. With `audience`,
        only jobs that were enqueued for it, in any state.
        """
        life = self._sprag_life
        name = life.settings.name
        statuses = checks.statuses(status)
        checks.whole("limit", limit, 1, 10_000)
        if audience is not None:
            if status is not None or task is not None:
                raise errors.ConfigurationError(
                    "jobs: expected audience= by itself, got status or task= as well"
                )
            mine = checks.audience(audience) or ""
            return life.open().store.jobs.page_of(mine, name, limit, checks.cursor(after))
        tasks = () if task is None else (checks.task_name("task", task),)
        return life.open().store.jobs.page([name], statuses, limit, checks.cursor(after), tasks)

    def history(self, job_id: str) -> list[Transition]:
        """Every move of the job, in order, with each attempt's error. Raises JobNotFound."""
        life = self._sprag_life
        return life.open().store.journal.history(checks.job_id(job_id), life.settings.name)

    def wait(self, job_id: str, timeout: Duration | None = None) -> Job:
        """Wait until the job is completed, failed or cancelled, in any process, and return it.

        Blocks the calling thread; in an event loop, use `await_job`. Raises
        WaitTimeout after `timeout`, JobNotFound, and QueueClosed if this queue is
        stopped meanwhile.
        """
        return waiting.wait(self._sprag_life, job_id, timeout)

    def cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once, or ask a running one to stop: its `check_cancelled()` raises
        from now on. A job that has ended stays as it is. Returns the job as it is afterwards."""
        life = self._sprag_life
        return life.open().cancel(checks.job_id(job_id), life.settings.name)

    def requeue(self, job_id: str) -> Job:
        """Run a failed or cancelled job again, with fresh attempts; its history stays.

        Raises JobNotFound, or IllegalMove for a job in another state.
        """
        life = self._sprag_life
        return life.open().store.requeue(checks.job_id(job_id), life.settings.name)

    def counts(self) -> dict[Status, int]:
        """How many jobs the queue has in each of the six states."""
        life = self._sprag_life
        name = life.settings.name
        return life.open().store.jobs.counts(name).get(name, dict.fromkeys(STATUSES, 0))

    def pause(self, reason: str | None = None) -> None:
        """Start no more jobs of this queue, in any process, until `resume`.

        Once this returns, no job starts. Running jobs go on, and jobs can be
        enqueued. The pause is stored in the file, with a `reason` for everyone
        who asks. If the queue is paused already, only the reason changes.
        """
        life = self._sprag_life
        life.open().store.pauses.pause(life.settings.name, checks.reason_text(reason))

    def resume(self) -> None:
        """Let the workers of all processes start jobs again. Does nothing if the queue is not
        paused."""
        life = self._sprag_life
        life.open().store.pauses.resume(life.settings.name)

    @property
    def paused(self) -> Pause | None:
        """Why and since when the queue is paused; None if it is not."""
        life = self._sprag_life
        return life.open().store.pauses.of(life.settings.name)

    def subscribe(self, callback: Callback, after: int | None = None) -> Subscription:
        """Call `callback(signal)` for each move and for progress of this queue's jobs.

        Signals come after COMMIT, in order, without gaps, for the moves of all
        processes, in a thread of the subscription. `after` is the `seq` to resume
        from: 0 for the whole journal, None for new signals only. A signal is a dict with
        `signal` ("sprag:queue.job.changed"), `job_id`, `queue`, `task`, `status`,
        `event` (a move's, or "progress"), `seq`, `attempt`, `at`, `progress`,
        `audience`, `tick` (of stored progress).
        """
        if not callable(callback):
            raise errors.ConfigurationError(
                f"callback: expected a callable, got {errors.shown(callback)}"
            )
        if after is not None:
            checks.whole("after", after, 0, 2**63 - 1)
        return self._sprag_life.subscribe(callback, after)

    def prune(self, *, older_than: Duration | None = None, keep: int | None = None) -> int:
        """Delete finished jobs and their history: those that ended more than `older_than` ago
        ("7d"), and all except the `keep` newest. Returns how many were deleted.

        Each limit that is given applies. The newest job of the file and the one that moved last
        always stay.
        """
        if older_than is None and keep is None:
            raise errors.ConfigurationError("prune: expected older_than=, keep= or both")
        age = None if older_than is None else durations.seconds("older_than", older_than)
        if keep is not None:
            checks.whole("keep", keep, 0, 2**62)
        life = self._sprag_life
        store = life.open().store
        before = None if age is None else store.clock() - age
        return store.pruning.prune(life.settings.name, before, keep)

    def backup(self, path: str | Path) -> None:
        """Write a consistent copy of the whole file to the new file `path` while work goes on.

        Jobs that are running are queued in the copy. A damaged file is not copied: DatabaseCorrupt.
        Never copy an open file by other means within this process: closing the copy's handle would
        drop SQLite's locks.
        """
        checks.file_path("backup", path)
        engine = self._sprag_life.open()
        with here.inside:
            backup(engine.database, str(Path(path).absolute()))
