"""`QueueService`: what an application subclasses, enqueues into and operates.

class ThumbnailQueue(QueueService):
    name = "thumbnails"

    def handle_item(self, item):
        return make_thumbnail(item["path"])

with ThumbnailQueue(database="jobs.db") as queue:
    job = queue.enqueue({"path": "a.jpg"})
    print(queue.wait(job.id).result)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Never, Self, Unpack

from . import checks, definition, durations, enqueuing, errors
from .awaitable import AwaitableOperations
from .declared import LIFE, Item, Result
from .durations import Duration
from .ids import new_ids
from .job import Job
from .lifecycle import Lifecycle
from .options import OPTIONS, JobOptions


class QueueService(AwaitableOperations[Item, Result]):
    """A durable queue and the workers that run its jobs.

    Subclasses set `name` and define `handle_item`, plain or `async`, or methods
    with `@task`, one for each kind of jobs. `QueueService[Item, Result]` names
    the types of the items and results of `handle_item`. Each attribute below is
    also an argument of the constructor. Nothing is opened before the first use;
    `start()`, or `with queue:`, runs jobs. Without `handle_item` and tasks, a
    queue can do everything except run jobs: `QueueService(name="thumbnails")`
    enqueues for other processes.

    All other names are free for a subclass, which need not call
    `super().__init__()`.
    """

    # Its parts, from the bottom: the options and the handler are in `declared`, the calls in
    # `operations`, their twins for event loops in `awaitable`, start and stop here.

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        definition.check(cls, QueueService)

    if not TYPE_CHECKING:  # with it, a type checker would allow any attribute to be assigned

        def __setattr__(self, name: str, value: object) -> None:
            if name in OPTIONS or name in _RESERVED:
                _assign(self, name, value)
            super().__setattr__(name, value)

    def __reduce__(self) -> Never:
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled: it holds threads and an open "
            "file of this process. Make another one with the same arguments where it is needed"
        )

    def place(self, database: str | Path) -> None:
        """Use the file `database`, unless the class or the constructor has already named one.

        Raises ConfigurationError once the file is open.
        """
        checks.file_path(f"{type(self).__name__}.database", database)
        self._sprag_life.place(database)

    @property
    def path(self) -> str:
        """The absolute path of the file."""
        return self._sprag_life.path

    def start(self) -> Self:
        """Open the file, recover the jobs of dead processes and start the workers.

        In one process, one class runs a queue's jobs: a different one is refused
        with ConfigurationError. If a class is defined again (a notebook's cell, a
        reloaded module), the queue of its earlier definition is stopped first.
        """
        if not runs_jobs(self):
            raise errors.ConfigurationError(
                f"{type(self).__name__} has no handle_item(self, item) and no @task, so it cannot "
                "run jobs"
            )
        hook = self.on_failure if definition.says(self, QueueService, "on_failure") else None
        self._sprag_life.start(self, hook)
        return self

    def stop(self, grace: Duration | None = None) -> None:
        """Start no more jobs, give running ones `grace` (default: `grace_seconds`) to end, put the
        rest back in the queue without costing them an attempt, and close the file.

        Blocks until then. A Ctrl-C meanwhile, or a `stop` from another thread, ends a longer grace;
        Ctrl-C is raised once the file is closed. Raises StopInsideHandler in a handler of this
        queue. It is fine to stop twice.
        """
        life = self._sprag_life
        life.stop(
            life.settings.grace_seconds if grace is None else durations.seconds("grace", grace)
        )

    def __enter__(self) -> Self:
        life = self._sprag_life
        ran = life.pool is not None
        try:
            self.start()
            life.sigterm.mind()
        except BaseException:
            if life.pool is not None and not ran:
                self.__exit__(None, None, None)  # Python does that only for a block
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._sprag_life.sigterm.forget()


_RESERVED: Final = definition.reserved(QueueService)


def _assign(queue: QueueService, name: str, value: object) -> None:
    """Use an option that was assigned, or refuse the attribute."""
    kind = _RESERVED.get(name)
    if kind is not None:
        if not callable(value):
            raise definition.refusal(type(queue), name, kind, value)
    elif LIFE in vars(queue):
        life_of(queue).change(type(queue).__name__, name, value)


def life_of(queue: QueueService) -> Lifecycle:
    """The inside of a queue, for this package's own parts, tools and tests."""
    life: Lifecycle = getattr(queue, LIFE)
    return life


def runs_jobs(queue: QueueService) -> bool:
    """True if the queue's class has a handler or a task: others only enqueue."""
    return bool(life_of(queue).runs)


def enqueue_task(
    queue: QueueService,
    task: str,
    items: Iterable[Any],
    job_id: str | None = None,
    **options: Unpack[JobOptions],
) -> list[Job]:
    """Accept jobs of a task by its name, for programs that do not have its class: each item is a
    dict of arguments. Whether they fit is seen where they run."""
    return enqueuing.enqueue_named(life_of(queue), task, items, job_id, options)


def new_job_id() -> str:
    """Return a new job id, for an `enqueue` that may have to be repeated."""
    return new_ids(1)[0]
