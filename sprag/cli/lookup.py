"""Finds the job that a person named."""

from __future__ import annotations

from ..queue import Job, JobNotFound
from ..queue.operators import QueueFile
from .exits import Refusal
from .text import moment

_DIGITS = 32
_SHOWN = 5


def find(file: QueueFile, reference: str) -> Job:
    """Return the job with this id, or the only one whose id begins with it. Raises JobNotFound or
    Refusal."""
    if len(reference) == _DIGITS:
        return file.job(reference)
    ids = file.ids(reference, _SHOWN + 1)
    if not ids:
        raise JobNotFound(reference, None)
    if len(ids) == 1:
        return file.job(ids[0])
    jobs = [file.job(id_) for id_ in ids[:_SHOWN]]
    named = [f"  {job.id}  {job.queue}, {job.status}, {moment(job.created_at)}" for job in jobs]
    if len(ids) > _SHOWN:
        named.append("  and more")
    raise Refusal(
        f"several jobs begin with {reference}; give more digits of the id:\n" + "\n".join(named),
        kind="job_ambiguous",
        job_id=reference,
        job_ids=ids,
    )
