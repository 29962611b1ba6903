"""The backend: it stores Django's tasks as jobs, and makes the queues that run them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from django.db import close_old_connections
from django.utils import timezone

from ...queue import Job, JobNotFound, QueueService, task
from ...queue.operators import enqueue_task, open_file
from .names import (
    BaseTaskBackend,
    TaskContext,
    TaskResultDoesNotExist,
    TaskResultStatus,
    signals,
)
from .results import result_of

_BUSY_SECONDS: Final = 10.0


class _Site:
    """What all backend objects of one alias share: Django makes one for each thread."""

    def __init__(self) -> None:
        self.tasks: dict[str, Any] = {}
        """By the path of their function: those of the modules that are imported."""
        self.queues: dict[str, QueueService] = {}
        """Those that enqueue, by name."""
        self.mutex = threading.Lock()


_sites: Final[dict[str, _Site]] = {}


class SpragBackend(BaseTaskBackend):  # type: ignore[misc]  # Django has no types
    """`OPTIONS` are those of a QueueService: `database`, `worker_count`, `max_attempts`, …"""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self._site = _sites.setdefault(alias, _Site())
        self._path = str(self.options.get("database", QueueService.database))

    def validate_task(self, task: Any) -> None:
        """Refuse a task that cannot be run, and take note of it: only what was noted is run."""
        super().validate_task(task)
        self._site.tasks[task.module_path] = task

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Accept a job; its result as of now. It is stored at once, whatever becomes of a
        transaction of Django's: enqueue in `transaction.on_commit`."""
        self.validate_task(task)
        item = json.loads(json.dumps({"args": list(args), "kwargs": dict(kwargs)}))
        [job] = enqueue_task(
            self.queue(task.queue_name), task.module_path, [item], priority=task.priority,
            run_at=_aware(task.run_after),
        )  # fmt: skip
        result = result_of(job, [], task, self.alias)
        signals.task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """The job of this id as it is now. Raises TaskResultDoesNotExist."""
        if not Path(self._path).is_file():
            raise TaskResultDoesNotExist(result_id)
        with closing(open_file(self._path, busy_seconds=_BUSY_SECONDS)) as file:
            try:
                job, moves = file.job(result_id), file.history(result_id)
            except JobNotFound as error:
                raise TaskResultDoesNotExist(result_id) from error
        known = self._site.tasks.get(job.task or "")
        if known is None:
            raise TaskResultDoesNotExist(
                f"{result_id} is of task {job.task}, whose module is not imported here"
            )
        return result_of(job, moves, known, self.alias)

    def queue(self, name: str) -> QueueService:
        """The queue of this name, to enqueue and to look at jobs."""
        with self._site.mutex:
            if name not in self._site.queues:
                self._site.queues[name] = QueueService(name=name, **self.options)
            return self._site.queues[name]

    def worker(self, name: str) -> QueueService:
        """A queue that runs the jobs of the tasks that are imported by now, once it is started.
        Jobs of others wait."""
        body: dict[str, Any] = {
            f"task_{number}": task(name=path)(_runner(self, path))
            for number, path in enumerate(sorted(self._site.tasks))
        }
        body["on_failure"] = lambda _queue, job, _error: self.finished(job)
        kind = cast("type[QueueService]", type("DjangoQueue", (QueueService,), body))
        return kind(name=name, **self.options)

    def run(self, path: str, job: Job, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call the function of a task in this thread, as Django wants it."""
        task = self._site.tasks[path]
        result = self.get_result(job.id)
        signals.task_started.send(type(self), task_result=result)
        given = [TaskContext(task_result=result), *args] if task.takes_context else args
        returned = task.call(*given, **kwargs)
        # It is stored once this has returned.
        object.__setattr__(result, "status", TaskResultStatus.SUCCESSFUL)
        object.__setattr__(result, "_return_value", returned)
        signals.task_finished.send(type(self), task_result=result)
        return returned

    def finished(self, job: Job) -> None:
        """Say that a job has failed for good."""
        signals.task_finished.send(type(self), task_result=self.get_result(job.id))


def _runner(backend: SpragBackend, path: str) -> Callable[..., Any]:
    def run(queue: QueueService, args: list[Any], kwargs: dict[str, Any]) -> Any:
        close_old_connections()
        try:
            return backend.run(path, queue.get(queue.current_job.id), args, kwargs)
        finally:
            close_old_connections()

    return run


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or timezone.is_aware(moment):
        return moment
    aware: datetime = timezone.make_aware(moment)
    return aware
