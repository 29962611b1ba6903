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
    if job_id is None:
        return _accept(life, options, [text])[0]
    return _accept_once(life, options, checks.new_job_id(job_id), text)


def enqueue_many(life: Lifecycle, items: Iterable[Any], given: JobOptions) -> list[Job]:
    """Like `enqueue`, but for several jobs, in one commit."""
    settings = life.settings
    options = options_of(settings, life.plain, given, "enqueue_many")
    limit = settings.max_payload_bytes
    return _accept(life, options, encode_each(items, limit, "items"))


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


def _accept_once(life: Lifecycle, options: Options, job_id: str, text: str) -> Job:
    """Like `_accept`, but for one job whose id the caller chose. If a job has that id already, it
    is returned as it is."""
    engine = life.open()
    engine.accepts()
    job = engine.store.enqueue_once(options, job_id, text)
    if job.queue != options.queue or not same(job.item_json, text):
        raise errors.JobExists(job_id, job.queue)
    return job
