"""Every error of `sprag.queue`, each with its data as attributes.

`QueueError` is the base of all that a caller can get wrong or run into.
`JobInterrupted` is apart: it unwinds a handler, so it derives from
BaseException, as asyncio's CancelledError does, and `except Exception` in a
handler does not swallow it.
"""

from __future__ import annotations

_PATH_CHARS = 200


def shown(value: object, most: int = 250) -> str:
    """What a caller gave, for a message: its repr, cut if it is long, or only its type if it
    cannot be shown."""
    try:
        text = repr(value[:most] if type(value) is str else value)
    except Exception:  # noqa: BLE001  # a __repr__ may raise anything; an int of 5,000 digits does
        text = f"<{type(value).__qualname__}>"
    return text if len(text) <= most else f"{text[:most]}…"


def told(error: BaseException) -> str:
    """The text of an exception for a log line; only its type if it has no text, or raises."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  # it may be anybody's
        text = ""
    return text or type(error).__name__


class QueueError(Exception):
    """Something `sprag.queue` refuses to do, or could not do."""


# ---------------------------------------------------------------- a user's mistakes


class ConfigurationError(QueueError):
    """A queue is described in a way that cannot work: a name, a count, an option."""


class PayloadError(QueueError):
    """An item or a result that cannot be stored.

    `path` points at the offending value, as in `item["sizes"][2]`. In the message, the middle of
    a long one is left out.
    """

    def __init__(self, message: str, path: str) -> None:
        half = _PATH_CHARS // 2
        if len(path) > _PATH_CHARS:
            message = message.replace(path, f"{path[:half]}…{path[-half:]}")
        super().__init__(message)
        self.path = path


class PayloadTooLarge(PayloadError):
    """An item or a result above the cap; `size` and `limit` are bytes of UTF-8 JSON."""

    def __init__(self, path: str, size: int, limit: int) -> None:
        super().__init__(
            f"{path} takes {size:,} bytes as JSON, expected at most {limit:,} "
            "(max_payload_bytes): store the data elsewhere and pass a reference to it",
            path,
        )
        self.size = size
        self.limit = limit


class ArgumentError(PayloadError, TypeError):
    """Arguments that the signature of a task does not take; `task` is its name.

    Raised by `enqueue`. In the history of a job, they do not fit the task as it is now.
    """

    def __init__(self, task: str, message: str, path: str = "") -> None:
        super().__init__(message, path)
        self.task = task


class QueueFull(QueueError):
    """`max_queued` jobs are waiting already; nothing of this call was stored."""

    def __init__(self, queue: str, offered: int, limit: int) -> None:
        super().__init__(
            f"queue {queue!r} is full: it holds max_queued={limit} waiting jobs, or would with "
            f"the {offered} offered now; none of them was stored"
        )
        self.queue = queue
        self.offered = offered
        self.limit = limit


class JobNotFound(QueueError, LookupError):
    """No job of this id in this queue: never accepted, pruned, or of another queue."""

    def __init__(self, job_id: object, queue: str | None) -> None:
        where = f"queue {queue!r}" if queue is not None else "this file"
        super().__init__(f"no job {shown(job_id)} in {where}")
        self.job_id = job_id
        self.queue = queue


class JobExists(QueueError):
    """The job id given to `enqueue` belongs to a job with another queue or item."""

    def __init__(self, job_id: str, queue: str) -> None:
        super().__init__(
            f"job {job_id!r} exists already, in queue {queue!r}, with another queue or item than "
            "the one offered now; the job that exists is left as it is"
        )
        self.job_id = job_id
        self.queue = queue


class IllegalMove(QueueError):
    """The job's state does not allow what was asked."""

    def __init__(self, job_id: str, status: str, event: str, allowed: tuple[str, ...]) -> None:
        super().__init__(
            f"cannot {event} job {job_id!r}: it is {status}, expected {' or '.join(allowed)}; "
            "it is left as it is"
        )
        self.job_id = job_id
        self.status = status
        self.event = event
        self.allowed = allowed


class NoRunningJob(QueueError):
    """A handler's method was called where no job runs."""


class QueueClosed(QueueError):
    """The queue is stopped, or the handle belongs to the parent of this process."""


class StopInsideHandler(QueueError):
    """A handler asked its own queue to stop, which would wait for that handler."""


class WaitInsideHandler(QueueError):
    """A handler would wait for a job forever, or hold up all other handlers until it ends.
    `job_id` is the job that it would have waited for; that job goes on."""

    def __init__(self, message: str, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class ReentrantCall(QueueError):
    """A finalizer or a signal handler called the queue while the thread that it interrupted was
    inside the queue. The call changed nothing."""

    def __init__(self) -> None:
        super().__init__(
            "this call was refused and changed nothing: it came from a finalizer, a signal "
            "handler or a trace function that interrupted this thread inside the queue, so it "
            "would wait for itself forever. Set an event there, or put the work into a "
            "queue.SimpleQueue, and let another thread call the queue"
        )


class WaitTimeout(QueueError, TimeoutError):
    """The job was not finished in time; it goes on regardless. `status` is its last one, and
    `unattended` the name of its queue if no process runs that. `why` says what else it waits for,
    if that is known: its queue is paused, or no process knows its task."""

    def __init__(
        self,
        job_id: str,
        timeout: float,
        status: str,
        unattended: str | None = None,
        *,
        why: str | None = None,
    ) -> None:
        message = f"job {job_id!r} is still {status} after {timeout:g} s"
        if unattended is not None:
            message += (
                f": no process runs queue {unattended!r}. Call start() on a queue object that has "
                "a handler, use `with queue:`, or run `sprag work`"
            )
        elif why is not None:
            message += f": {why}"
        super().__init__(message)
        self.job_id = job_id
        self.timeout = timeout
        self.status = status
        self.unattended = unattended


# ---------------------------------------------------------------- the file


class DatabaseError(QueueError):
    """The database file cannot be used, or failed in use. `path` is the file."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class DatabaseRefused(DatabaseError):
    """A file that this version must not open: not a database, another application's, of a newer
    format, or where SQLite's locks do not hold; a path that no database can have; or an SQLite
    that is too old. Also a file that was deleted or replaced while it was open. What is there is
    left untouched."""


class DatabaseReadOnly(DatabaseError):
    """The process may not write to the file, to those beside it, or to their folder."""


class DatabaseLocked(DatabaseError):
    """Another connection holds the lock and did not let go within `busy_seconds`."""


class DatabaseFull(DatabaseError):
    """The disk is full: nothing of this call was stored. Running jobs have the room that was set
    aside for their outcomes; reading and cancelling go on."""


class DatabaseCorrupt(DatabaseError):
    """The file's content is damaged."""


class ReadFailed(DatabaseError):
    """The disk failed, or memory ran out, while the file was opened or read. The call that
    raised this has changed nothing; it can simply be repeated."""


class WriteUnknown(DatabaseError):
    """The disk failed during a commit, so it is unknown whether the change was stored.

    Repeating `enqueue` with the same `job_id` is safe: a job is stored once.
    `job_ids` are those of the enqueue that failed, if it was one.
    """

    def __init__(self, message: str, path: str, job_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message, path)
        self.job_ids = job_ids


# ---------------------------------------------------------------- what unwinds a handler


class JobInterrupted(BaseException):
    """Base of what `check_cancelled()` raises; let it pass through the handler."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class JobCancelled(JobInterrupted):
    """Someone asked to cancel this job."""

    def __str__(self) -> str:
        return f"job {self.job_id!r} was asked to cancel"


class JobTimeout(JobInterrupted):
    """The attempt has run for longer than its time limit, `time_limit` seconds. It fails, and is
    followed by another one as after any other error."""

    def __init__(self, job_id: str, time_limit: float) -> None:
        super().__init__(job_id)
        self.time_limit = time_limit

    def __str__(self) -> str:
        return f"job {self.job_id!r} ran for longer than its time limit of {self.time_limit:g} s"


class JobReleased(JobInterrupted):
    """The queue stops and this job's grace has ended: it goes back to the queue."""

    def __str__(self) -> str:
        return f"job {self.job_id!r} went back to its queue: the queue is stopping"
