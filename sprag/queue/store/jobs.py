"""Reads of the jobs. Each returns records of one instant."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from typing import Final

import apsw

from ..file.database import Database
from ..job import Job, Page
from ..states import STATUSES, Status
from ..threads.inside import here
from .records import JobRow, found, page_of
from .rows import newest_keys, queue_names, row_of, rows_of, shown, value_of

_LATEST: Final = (1 << 63) - 1
_CHUNK: Final = 1000


class Jobs:
    """What can be asked of the jobs of one `Database`, from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, id_: str, queue: str | None = None) -> Job:
        """One job. Raises JobNotFound, also if it belongs to another queue."""
        with here.inside, self._database.reading() as reader:
            row = row_of(reader, "job", id=id_)
        return found(row, id_, queue, self._database.path)

    def ended(self, ids: Sequence[str]) -> list[str]:
        """The ids of those jobs that have ended or do not exist."""
        with here.inside, self._database.reading() as reader:
            rows = rows_of(reader, "going", ids=apsw.carray(tuple(ids)))
        going = {id_ for (id_,) in rows}
        return [id_ for id_ in ids if id_ not in going]

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
        last = before if before is not None else _LATEST
        keys: list[int] = []
        with here.inside, self._database.snapshot() as reader:
            for queue in queues or queue_names(reader):
                for status in statuses:
                    keys += _newest(reader, queue, status, last, count + 1, tasks)
            return self._page(reader, heapq.nlargest(count + 1, keys), count)

    def page_of(self, audience: str, queue: str, count: int, before: int | None = None) -> Page:
        """Like `page`, of one queue's jobs that are for `audience`, in all states."""
        with here.inside, self._database.snapshot() as reader:
            rows = rows_of(
                reader, "keys_of_audience", audience=audience, queue=queue, count=count + 1,
                before=before if before is not None else _LATEST,
            )  # fmt: skip
            return self._page(reader, [key for (key,) in rows], count)

    def ids(self, prefix: str, count: int) -> list[str]:
        """The first `count` ids that begin with `prefix`, some hexadecimal digits."""
        with here.inside, self._database.reading() as reader:
            return [id_ for (id_,) in rows_of(reader, "ids", prefix=prefix, count=count)]

    def queues(self) -> list[str]:
        """The names of all queues that have a job or a schedule, or are paused."""
        with here.inside, self._database.reading() as reader:
            return queue_names(reader)

    def queued(self, queue: str, most: int) -> int:
        """How many jobs of the queue are queued, counted up to `most`."""
        with here.inside, self._database.reading() as reader:
            return int(value_of(reader, "queued", queue=queue, most=most))

    def counts(self, queue: str | None = None) -> dict[str, dict[Status, int]]:
        """Jobs by queue and status, all six of them, of one queue or of all that have jobs."""
        counted: dict[str, dict[Status, int]] = {}
        with here.inside, self._database.snapshot() as reader:
            for name in queue_names(reader) if queue is None else [queue]:
                counted[name] = dict.fromkeys(STATUSES, 0)
                counted[name].update(rows_of(reader, "counts", queue=name))
        return counted

    def next_ready(self, queue: str) -> float | None:
        """Since when the job that starts next could have; None if none is ready."""
        with here.inside, self._database.reading() as reader:
            due_at = value_of(reader, "next_ready", queue=queue, count=1)
            return None if due_at is None else float(due_at)

    def ready_by_task(self, queue: str, most: int) -> dict[str | None, int]:
        """How many jobs of each task of the queue can start, each counted up to `most`; those of
        None belong to no task."""
        with here.inside, self._database.reading() as reader:
            rows = rows_of(reader, "ready_by_task", queue=queue, most=most)
        return {shown((task,))[0]: count for task, count in rows if count}

    def next_due(self, queue: str) -> float | None:
        """When the next waiting job is due, in unix seconds; None if none waits."""
        with here.inside, self._database.reading() as reader:
            due_at = value_of(reader, "next_due", queue=queue)
            return None if due_at is None else float(due_at)

    def _page(self, reader: apsw.Connection, keys: Sequence[int], count: int) -> Page:
        rows = rows_of(reader, "jobs", keys=json.dumps(keys))
        return page_of(list(map(JobRow._make, rows)), count, self._database.path)


def _newest(
    reader: apsw.Connection,
    queue: str,
    status: Status,
    before: int,
    count: int,
    tasks: Sequence[str],
) -> list[int]:
    """The keys of the newest jobs of these tasks; none given: of all."""
    if not tasks:
        return newest_keys(reader, queue, status, before, count)
    found: list[int] = []
    names = json.dumps(tuple(tasks))
    while len(found) < count and (keys := newest_keys(reader, queue, status, before, _CHUNK)):
        before = keys[-1]
        rows = rows_of(reader, "keys_of_tasks", keys=json.dumps(keys), tasks=names)
        found += sorted((key for (key,) in rows), reverse=True)
    return found[:count]
