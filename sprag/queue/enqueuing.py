"""Accepting jobs: they are checked and encoded first, and then stored in one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import checks, errors
from .ids import new_ids
from .job import Job
from .lifecycle import Lifecycle
from .options import JobOptions, options_of
from .payload.codec import encode, encode_each, same
from .signature.containers import read_by, written
from .signature.models import Form
from .store.tickets import Options


def enqueue(life: Lifecycle, item: Any, job_id: str | None, given: JobOptions) -> Job:
    """Check one job, store it and return it. Blocks until the commit has returned."""
    settings = life.settings
    if life.runs.needs_task:
        raise _without_task(life)
    options = options_of(settings, life.plain, given, "enqueue")
    form = life.runs.item
    text = encode(_stored(item, form, "item") if form.read else item, settings.max_payload_bytes)
    return accept_one(life, options, item, text, job_id, given)


def enqueue_many(life: Lifecycle, items: Iterable[Any], given: JobOptions) -> list[Job]:
    """Like `enqueue`, but for several jobs, in one commit."""
    if life.runs.needs_task:
        raise _without_task(life)
    options = options_of(life.settings, life.plain, given, "enqueue_many")
    return _accept_many(life, options, items, given)


def enqueue_named(
    life: Lifecycle, task: str, items: Iterable[Any], job_id: str | None, given: JobOptions
) -> list[Job]:
    """Like `enqueue_many`, for a task by its name, which the queue's class need not have. Each item
    has the arguments by name; whoever runs the job checks whether they fit. With a `job_id` or a
    key, there is one."""
    plain = life.plain._replace(task=checks.task_name("task", task))
    options = options_of(life.settings, plain, given, "enqueue")
    items = list(items)
    if len(items) != 1:
        return _accept_many(life, options, items, given)
    text = encode(items[0], life.settings.max_payload_bytes)
    return [accept_one(life, options, items[0], text, job_id, given)]


def accept_one(
    life: Lifecycle, options: Options, item: Any, text: str, job_id: str | None, given: JobOptions
) -> Job:
    """Store a job whose item is checked and encoded, unless its id or its unique key says that it
    is there."""
    key = checks.unique_key(given["unique"], item) if "unique" in given else None
    if job_id is not None:
        return _accept_once(life, options, checks.new_job_id(job_id), text, key)
    if key is not None:
        return accept_each(life, options, new_ids(1), [text], [key])[0]
    return accept(life, options, [text])[0]


def unique_of(given: JobOptions) -> Callable[[Any], str | None] | None:
    """What makes the unique key of each of several items; None if they have none."""
    unique = given.get("unique")
    if unique is None or callable(unique):
        return unique
    raise errors.ConfigurationError(
        "unique: expected a function of the item in enqueue_many(), because with one key for "
        f"all items only the first would be stored; got {errors.shown(unique)}"
    )


def _accept_many(
    life: Lifecycle, options: Options, items: Iterable[Any], given: JobOptions
) -> list[Job]:
    limit, form = life.settings.max_payload_bytes, life.runs.item
    unique = unique_of(given)
    if unique is not None:
        items = list(items)
    stored = items
    if form.read and options.task is None:
        stored = (_stored(item, form, f"items[{n}]") for n, item in enumerate(items))
    texts = encode_each(stored, limit, "items")
    if unique is None:
        return accept(life, options, texts)
    keys = [checks.unique_key(unique, item) for item in items]
    return accept_each(life, options, new_ids(len(texts)), texts, keys)


def accept(life: Lifecycle, options: Options, texts: Sequence[str]) -> list[Job]:
    """Store jobs with these items, which are checked and encoded."""
    ids = new_ids(len(texts))
    engine = life.open()
    engine.accepts()
    now = engine.store.enqueue(options, ids, texts)
    if now >= life.offers.look_at:
        life.offers.enqueued(now, engine, options.queue)
    due_at = now if options.due_at is None else max(options.due_at, now)
    if not ids:
        return []
    first = Job(
        ids[0], options.queue, "queued", texts[0], now, due_at, max_attempts=options.max_attempts,
        priority=options.priority, label=options.label, audience=options.audience,
        task=options.task, time_limit=options.time_limit,
    )  # fmt: skip
    if len(ids) == 1:
        return [first]
    # By name once: for a thousand jobs that would take longer than their ids.
    _id, queue, status, _item, *rest = first
    make = tuple.__new__
    others = [
        make(Job, (id_, queue, status, text, *rest))
        for id_, text in zip(ids[1:], texts[1:], strict=True)
    ]
    return [first, *others]


def _accept_once(life: Lifecycle, options: Options, job_id: str, text: str, key: str | None) -> Job:
    """Like `accept`, but for one job whose id the caller chose. If a job has that id already, it
    is returned as it is."""
    [job] = accept_each(life, options, [job_id], [text], [key])
    alike = (job.queue, job.task) == (options.queue, options.task)
    if job.id == job_id and not (alike and same(job.item_json, text)):
        raise errors.JobExists(job_id, job.queue)
    return job


def accept_each(
    life: Lifecycle,
    options: Options,
    ids: Sequence[str],
    texts: Sequence[str],
    keys: Sequence[str | None],
) -> list[Job]:
    """Like `accept`, but where there is a job with the id or the unique key, it is returned."""
    engine = life.open()
    engine.accepts()
    jobs = engine.store.enqueue_each(options, ids, texts, keys)
    made = [job.created_at for job in jobs if not job.existing]
    if made and made[0] >= life.offers.look_at:
        life.offers.enqueued(made[0], engine, options.queue)
    return jobs


def _stored(item: Any, form: Form, path: str) -> Any:
    """What the codec is to store of an item that the class says the type of."""
    return written(form, read_by(form, item, path), path)


def _without_task(life: Lifecycle) -> errors.ConfigurationError:
    tasks = [task.attribute for task in life.runs.tasks.values()]
    return errors.ConfigurationError(
        f"queue {life.settings.name!r} has tasks and no handle_item, so nothing would run this "
        f"job: expected a call of one of its tasks ({', '.join(tasks)}), as in "
        f"queue.{tasks[0]}.enqueue(…)"
    )
