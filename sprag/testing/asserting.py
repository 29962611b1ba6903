"""Assertions about what has been enqueued."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final, TypedDict, Unpack

from sprag.queue import ConfigurationError, Job, QueueService, TaskCall
from sprag.queue.byhand import alike, point_in_time, seconds

# A delay counts from the call, and the job is created a moment later.
_SECOND: Final = 1.0
_SHOWN: Final = 20
_CHARS: Final = 300


class _Anything:
    def __repr__(self) -> str:
        return "<anything>"


_ANYTHING: Final[Any] = _Anything()


class Expected(TypedDict, total=False):
    """What a job must be like, by the names of `enqueue` and the attributes of a `Job`. Each is
    compared by equality, or by a function that returns whether the value will do."""

    task: Any
    """The name of its task; None for `handle_item`."""
    status: Any
    delay: Any
    """How long it is held back, as a duration, to the second; None: not at all."""
    run_at: Any
    """When it is due, as an aware datetime or unix seconds."""
    priority: Any
    max_attempts: Any
    time_limit: Any
    label: Any
    audience: Any
    unique: Any
    unique_for: Any


def assert_enqueued(
    queue: QueueService,
    item: Any = _ANYTHING,
    *,
    count: int | None = None,
    **options: Unpack[Expected],
) -> list[Job]:
    """Assert that the queue has a job like this, in whatever state, and return all of them, in the
    order in which they were enqueued.

    `item` is compared as it was enqueued: with a value, what `task.args(…)` returns, or a function
    that returns whether it will do. Such functions, and `unittest.mock.ANY`, may stand inside of
    dicts and lists, too. A task's item has its arguments by name, those that were given. `count` is
    how many such jobs there must be; without it, one or more. `options` are `task`, `status`,
    `delay`, `run_at`, `priority`, `max_attempts`, `time_limit`, `label`, `audience`, `unique` and
    `unique_for`.
    """
    return _checked(queue, _all(queue), item, options, count, "")


def assert_nothing_enqueued(
    queue: QueueService, item: Any = _ANYTHING, **options: Unpack[Expected]
) -> None:
    """Assert that the queue has no job, or none like this; see `assert_enqueued`."""
    _checked(queue, _all(queue), item, options, 0, "")


@contextmanager
def assert_enqueues(
    queue: QueueService,
    item: Any = _ANYTHING,
    *,
    count: int | None = None,
    **options: Unpack[Expected],
) -> Iterator[list[Job]]:
    """Like `assert_enqueued`, of the jobs that are enqueued inside of a `with` block only. They are
    in the list that `as` gives once the block has ended. With `count=0`, there must be none."""
    _check_names(options)
    before = {job.id for job in _all(queue)}
    found = list[Job]()
    yield found
    new = [job for job in _all(queue) if job.id not in before]
    found += _checked(queue, new, item, options, count, " in the block")


def _all(queue: QueueService) -> list[Job]:
    """Every job of the queue, the oldest first."""
    jobs = list[Job]()
    after = None
    while True:
        page = queue.jobs(limit=1000, after=after)
        jobs += page.jobs
        after = page.next
        if after is None:
            return jobs[::-1]


def _checked(
    queue: QueueService,
    jobs: list[Job],
    item: Any,
    options: Expected,
    count: int | None,
    where: str,
) -> list[Job]:
    _check_names(options)
    if count is not None and count < 0:
        raise ConfigurationError(f"count: expected a number of jobs, got {count!r}")
    differences = [_differences(queue, job, item, options) for job in jobs]
    found = [job for job, differing in zip(jobs, differences, strict=True) if not differing]
    if len(found) == count or (count is None and found):
        return found
    wanted = {} if item is _ANYTHING else {"item": item}
    wanted.update(options)
    like = ", ".join(f"{name}={_cut(repr(value))}" for name, value in wanted.items())
    number = "at least 1 job" if count is None else "1 job" if count == 1 else f"{count} jobs"
    lines = [
        f"expected {number} of queue {queue.name!r}{where}{' with ' if like else ''}{like}; "
        f"got {len(found)} of {len(jobs)}{':' if jobs else ''}"
    ]
    shown = list(zip(jobs, differences, strict=True))[-_SHOWN:]
    lines += [f"  … {len(jobs) - _SHOWN} earlier ones"] if len(jobs) > _SHOWN else []
    lines += [f"  {_line(job)}: {', '.join(said) or 'like this'}" for job, said in shown]
    raise AssertionError("\n".join(lines))


def _check_names(options: Expected) -> None:
    known = Expected.__annotations__
    for name in options:
        if name not in known:
            meant = get_close_matches(name, known, 1)
            hint = f"did you mean {meant[0]!r}?" if meant else f"expected {', '.join(known)}"
            raise ConfigurationError(f"a job is not compared by {name!r}: {hint}")


def _differences(queue: QueueService, job: Job, item: Any, options: Mapping[str, Any]) -> list[str]:
    """What of the job is not as expected."""
    said = [] if _has_item(queue, job, item) else ["another item"]
    for name, expected in options.items():
        value = _value(job, name)
        if not _is(name, expected, value):
            said.append(f"{name} {value!r}")
    return said


def _has_item(queue: QueueService, job: Job, item: Any) -> bool:
    if item is _ANYTHING:
        return True
    if isinstance(item, TaskCall):
        return alike(queue, item, job)
    return _matches(item, job.item) or (not callable(item) and alike(queue, item, job))


def _value(job: Job, name: str) -> Any:
    if name == "run_at":
        return job.due_at
    if name == "delay":
        waits = job.due_at - job.created_at
        return waits if waits > 0 else None
    return getattr(job, name)


def _is(name: str, expected: Any, value: Any) -> bool:
    if callable(expected):
        return bool(expected(value))
    if name == "delay" and isinstance(expected, float | int | str | timedelta):
        return math.isclose(seconds(name, expected), value or 0.0, abs_tol=_SECOND)
    if name == "run_at" and isinstance(expected, datetime):
        return bool(point_in_time(name, expected) == value)
    return bool(expected == value)


def _matches(expected: Any, value: Any) -> bool:
    """Equality, with functions and `ANY` at every depth."""
    if callable(expected):
        return bool(expected(value))
    if isinstance(expected, dict) and isinstance(value, dict):
        same_keys = expected.keys() == value.keys()
        return same_keys and all(_matches(each, value[key]) for key, each in expected.items())
    if isinstance(expected, list | tuple) and type(expected) is type(value):
        alike_long = len(expected) == len(value)
        return alike_long and all(map(_matches, expected, value))
    return bool(expected == value)


def _line(job: Job) -> str:
    task = "" if job.task is None else f"{job.task} "
    return f"{task}{_cut(job.item_json)} ({job.status}, {job.id[:8]})"


def _cut(text: str) -> str:
    return text if len(text) <= _CHARS else f"{text[:_CHARS]}…"
