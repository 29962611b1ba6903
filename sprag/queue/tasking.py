"""`@task`: methods of a queue whose calls become jobs.

class Mail(QueueService):
    name = "mail"

    @task
    def welcome(self, user_id: int) -> None: ...

    @task(max_attempts=5)
    async def receipt(self, order_id: int, lang: str = "en") -> Receipt: ...

mail.welcome.enqueue(user_id=7)
mail.receipt.using(delay=60, priority=5).enqueue(42, lang="de")
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, Unpack, overload

from . import checks, enqueuing
from .awaitable import for_loops
from .declared import DeclaredQueue
from .errors import ConfigurationError
from .ids import new_ids
from .job import Job
from .lifecycle import Lifecycle
from .options import JobOptions, TaskOptions, TaskSettings, options_of, task_settings
from .signature.arguments import Bound
from .store.tickets import Options
from .tasks import TaskDefinition

P = ParamSpec("P")
C = TypeVar("C")
R = TypeVar("R")


class TaskMethod(TaskDefinition, Generic[P, C, R]):
    """What `@task` makes of a method: `queue.method` is a `Task`."""

    @overload
    def __get__(self, queue: None, kind: type) -> Self: ...

    @overload
    def __get__(self, queue: object, kind: type) -> Task[P, C, R]: ...

    def __get__(self, queue: object | None, kind: type) -> Self | Task[P, C, R]:
        return self if queue is None else Task(queue, self)

    def __call__(self, queue: Any, *args: P.args, **kwargs: P.kwargs) -> C:
        made: C = self.function(queue, *args, **kwargs)
        return made


class TaskCall(Generic[P]):
    """The arguments of one job of a task, which fit its signature; see `Task.args`."""

    __slots__ = ("_bound", "_task")

    def __init__(self, task: TaskDefinition, bound: Bound) -> None:
        self._task = task
        self._bound = bound

    def __repr__(self) -> str:
        return f"<TaskCall {self._task.name} {self._bound}>"


class Task(Generic[P, C, R]):
    """A task of one queue object, as in `mail.welcome`.

    To call it runs the method here and now, like any other; `enqueue` accepts a job that will run
    it in a worker. `name` is what jobs call it.
    """

    __slots__ = ("_job_id", "_options", "_queue", "_task", "name")

    def __init__(
        self,
        queue: object,
        task: TaskDefinition,
        options: JobOptions | None = None,
        job_id: str | None = None,
    ) -> None:
        self.name: str = task.name
        self._queue = queue
        self._task = task
        self._options: JobOptions = {} if options is None else options
        self._job_id = job_id

    def __repr__(self) -> str:
        return f"<task {self._task.arguments} of {type(self._queue).__name__}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        made: C = self._task.function(self._queue, *args, **kwargs)
        return made

    def using(self, *, job_id: str | None = None, **options: Unpack[JobOptions]) -> Self:
        """The same task with options for its next jobs: those of `QueueService.enqueue`. They come
        before the task's own, which come before the queue's."""
        return type(self)(self._queue, self._task, {**self._options, **options},
                          self._job_id if job_id is None else job_id)  # fmt: skip

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Accept a job that calls the method with these arguments.

        Like `QueueService.enqueue` in all else. Arguments are stored by name, those that were
        given only: where one is left out, the default at the time of the run applies. They are
        converted to what the annotations say, and made again by them.

        Raises ArgumentError if the signature does not take them, and PayloadError, which names the
        argument that cannot be stored.
        """
        return self._accepted(self._task.arguments.bound(args, kwargs))

    def args(self, /, *args: P.args, **kwargs: P.kwargs) -> TaskCall[P]:
        """The arguments of one job, for `enqueue_many`. Raises ArgumentError."""
        return TaskCall(self._task, self._task.arguments.bound(args, kwargs))

    def enqueue_many(self, calls: Iterable[TaskCall[P]]) -> list[Job]:
        """Like `enqueue`, but for several jobs in one commit: all are stored, or none. As in
        `mail.welcome.enqueue_many(mail.welcome.args(user) for user in users)`."""
        life, options = self._accepting("using")
        if self._job_id is not None:
            raise ConfigurationError("enqueue_many: expected no job_id, because it makes many jobs")
        limit, arguments = life.settings.max_payload_bytes, self._task.arguments
        unique = enqueuing.unique_of(self._options)
        texts: list[str] = []
        keys: list[str | None] = []
        for number, call in enumerate(calls):
            bound = self._bound(call)
            if unique is not None:
                keys.append(checks.unique_key(unique, dict(bound)))
            texts.append(arguments.encoded(bound, limit, f"calls[{number}]: "))
        if unique is None:
            return enqueuing.accept(life, options, texts)
        return enqueuing.accept_each(life, options, new_ids(len(texts)), texts, keys)

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Like `enqueue`, but awaitable: it does not block asyncio's event loop."""
        made: Job = (
            await for_loops()
            .calls_of(self._life)
            .write(functools.partial(self.enqueue, *args, **kwargs))
        )
        return made

    async def aenqueue_many(self, calls: Iterable[TaskCall[P]]) -> list[Job]:
        """Like `enqueue_many`, but awaitable. `calls` is read in another thread."""
        made: list[Job] = (
            await for_loops()
            .calls_of(self._life)
            .write(functools.partial(self.enqueue_many, calls))
        )
        return made

    def result(self, job: Job) -> R | None:
        """What the method returned in this job, made again by the annotation; None until the job
        is completed. Raises PayloadError if it cannot be."""
        read, result = self._task.arguments.result.read, job.result
        made: R | None = result if job.result_json is None or read is None else read(
            result, "result"
        )  # fmt: skip
        return made

    # ------------------------------------------------------------ inside

    @property
    def _life(self) -> Lifecycle:
        if not isinstance(self._queue, DeclaredQueue):
            raise ConfigurationError(
                f"{self.name}: its jobs need a QueueService, and {type(self._queue).__name__} is "
                "not derived from it"
            )
        return self._queue._sprag_life

    def _accepted(self, bound: Bound) -> Job:
        life, options = self._accepting("using")
        given = dict(bound) if "unique" in self._options else bound
        text = self._task.arguments.encoded(bound, life.settings.max_payload_bytes)
        return enqueuing.accept_one(life, options, given, text, self._job_id, self._options)

    def _accepting(self, call: str) -> tuple[Lifecycle, Options]:
        life = self._life
        plain = self._task.settings.of_jobs(life.plain, self.name)
        return life, options_of(life.settings, plain, self._options, call)

    def _bound(self, call: object) -> Bound:
        if not isinstance(call, TaskCall) or call._task is not self._task:
            raise ConfigurationError(
                f"enqueue_many: expected what {self._task.attribute}.args(…) returns, got {call!r}"
            )
        return dict(call._bound)


def enqueue_call(
    queue: DeclaredQueue, call: TaskCall[Any], job_id: str | None, **options: Unpack[JobOptions]
) -> Job:
    """Accept the job of a call whose arguments were given before, as by `mail.welcome.args(7)`."""
    task = call._task
    if queue._sprag_life.runs.tasks.get(task.name) is not task:
        raise ConfigurationError(
            f"enqueue: expected the arguments of a task of queue {queue.name!r}, got {call!r}"
        )
    made: Task[Any, Any, Any] = Task(queue, task, options, job_id)
    return made._accepted(dict(call._bound))


@overload
def task(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
) -> TaskMethod[P, Coroutine[Any, Any, R], R]: ...


@overload
def task(method: Callable[Concatenate[Any, P], R], /) -> TaskMethod[P, R, R]: ...


@overload
def task(**options: Unpack[TaskOptions]) -> _Decorator: ...


def task(method: Callable[..., Any] | None = None, /, **options: Unpack[TaskOptions]) -> Any:
    """Make a method of a QueueService a task: `queue.method.enqueue(…)` accepts jobs that call it.

    With or without options: `max_attempts`, `backoff`, `retry_on`, `fail_on`, `time_limit`,
    `max_crashes`, `priority` and `label` are for the jobs of this task, in place of the queue's
    own; `name` is what jobs call the task, if not by the name of the method. `schedule`, a `Cron`,
    an `Every` or several of them, says when the queue enqueues it by itself; their `item` has the
    arguments by name.
    """
    settings = task_settings("@task", options)
    return _Decorator(settings) if method is None else TaskMethod(method, settings)


class _Decorator:
    """What `@task(…)` returns, to be called with the method."""

    def __init__(self, settings: TaskSettings) -> None:
        self._settings = settings

    @overload
    def __call__(
        self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> TaskMethod[P, Coroutine[Any, Any, R], R]: ...

    @overload
    def __call__(self, method: Callable[Concatenate[Any, P], R], /) -> TaskMethod[P, R, R]: ...

    def __call__(self, method: Callable[..., Any], /) -> Any:
        return TaskMethod(method, self._settings)
