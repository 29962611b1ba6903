"""Accepting jobs: they are checked and encoded first, and then stored in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import checks, errors
from .ids import new_ids
from .job import Job
from .lifecycle import Lifecycle
from .options import JobOptions, options_of
from .payload.codec import encode, encode_each, same
from .store.tickets import Options


def enqueue(life: Lifecycle, item: Any, job_id: str | None, given: JobOptions) -> Job:
    """Check one job, store it and return it. Blocks until the commit has returned."""
    settings = life.settings
    options = options_of(settings, life.plain, given, "enqueue")
    text = encode(item, settings.max_payload_bytes)
    key = checks.unique_key(given["unique"], item) if "unique" in given else None
    if job_id is not None:
        return _accept_once(life, options, checks.new_job_id(job_id), text, key)
    if key is not None:
        return _accept_each(life, options, new_ids(1), [text], [key])[0]
    return _accept(life, options, [text])[0]


def enqueue_many(life: Lifecycle, items: Iterable[Any], given: JobOptions) -> list[Job]:
    """Like `enqueue`, but for several jobs, in one commit."""
    settings = life.settings
    options = options_of(settings, life.plain, given, "enqueue_many")
    limit = settings.max_payload_bytes
    unique = given.get("unique")
    if unique is None:
        return _accept(life, options, encode_each(items, limit, "items"))
    if not callable(unique):
        raise errors.ConfigurationError(
            "unique: expected a function of the item in enqueue_many(), because with one key for "
            f"all items only the first would be stored; got {errors.shown(unique)}"
        )
    items = list(items)
    texts = encode_each(items, limit, "items")
    keys = [checks.unique_key(unique, item) for item in items]
    return _accept_each(life, options, new_ids(len(texts)), texts, keys)


def _accept(life: Lifecycle, options: Options, texts: Sequence[str]) -> list[Job]:
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
    """Like `_accept`, but for one job whose id the caller chose. If a job has that id already, it
    is returned as it is."""
    [job] = _accept_each(life, options, [job_id], [text], [key])
    if job.id == job_id and (job.queue != options.queue or not same(job.item_json, text)):
        raise errors.JobExists(job_id, job.queue)
    return job


def _accept_each(
    life: Lifecycle,
    options: Options,
    ids: Sequence[str],
    texts: Sequence[str],
    keys: Sequence[str | None],
) -> list[Job]:
    """Like `_accept`, but where there is a job with the id or the unique key, it is returned."""
    engine = life.open()
    engine.accepts()
    jobs = engine.store.enqueue_each(options, ids, texts, keys)
    made = [job.created_at for job in jobs if not job.existing]
    if made and made[0] >= life.offers.look_at:
        life.offers.enqueued(made[0], engine, options.queue)
    return jobs
