"""Accepting jobs: they are checked and encoded first, and then stored in one commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import checks, errors
from .ids import new_ids
from .job import Job
from .lifecycle import Lifecycle
from .options import JobOptions, options_of
from .payload.codec import encode, same
from .store.tickets import Options

Offer = tuple[Options, list[str], list[str]]
"""What jobs have in common, their ids, and their items as JSON."""


def offer(life: Lifecycle, item: Any, job_id: str | None, given: JobOptions) -> Offer:
    """Check one job. Nothing is opened or stored."""
    settings = life.settings
    options = options_of(settings, life.plain, given, "enqueue")
    text = encode(item, settings.max_payload_bytes)
    return options, new_ids(1) if job_id is None else [checks.new_job_id(job_id)], [text]


def offer_many(life: Lifecycle, items: Iterable[Any], given: JobOptions) -> Offer:
    """Check several jobs. Nothing is opened or stored."""
    settings = life.settings
    options = options_of(settings, life.plain, given, "enqueue_many")
    limit = settings.max_payload_bytes
    texts = [encode(item, limit, f"items[{n}]") for n, item in enumerate(items)]
    return options, new_ids(len(texts)), texts


def accept(life: Lifecycle, offered: Offer) -> list[Job]:
    """Store the jobs and return them. Blocks until the commit has returned."""
    options, ids, texts = offered
    engine = life.open()
    engine.accepts()
    now = engine.store.enqueue(options, ids, texts)
    if now >= life.look_at:
        life.enqueued(now)
    due_at = now if options.due_at is None else max(options.due_at, now)
    queue = options.queue
    rest = (None, None, None, 0, options.max_attempts, 0, options.priority, options.label,
            None, None, options.audience)  # fmt: skip
    return [
        Job._make((id_, queue, "queued", text, now, due_at, *rest))
        for id_, text in zip(ids, texts, strict=True)
    ]


def accept_once(life: Lifecycle, offered: Offer) -> Job:
    """Like `accept`, but for one job whose id the caller chose. If a job has that id already, it is
    returned as it is."""
    options, (job_id,), (text,) = offered
    engine = life.open()
    engine.accepts()
    job = engine.store.enqueue_once(options, job_id, text)
    if job.queue != options.queue or not same(job.item_json, text):
        raise errors.JobExists(job_id, job.queue)
    return job
