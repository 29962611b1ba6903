"""What the handlers of races do."""

from __future__ import annotations

import functools

from sprag.queue.verdicts import Retry
from sprag.queue.work.running import RunningJob

from . import primitives


def quick(_job: RunningJob) -> None:
    """A handler that does nothing and does not look."""


def looks(job: RunningJob) -> None:
    """A handler that looks once."""
    job.check_cancelled()


def fails(_job: RunningJob) -> None:
    """A handler that raises."""
    raise ValueError


def asks_once(job: RunningJob) -> None:
    """A handler that asks for an attempt that does not count, when it runs first."""
    if job.run.starts == 1:
        raise Retry(counted=False)


def waits(job: RunningJob) -> None:
    """A handler that goes on until it is told to end."""
    told = functools.partial(object.__getattribute__, job, "_interrupt")
    flag = (object.__getattribute__(job, "_shared_name"), "_interrupt")
    primitives.run().pause("wait to be told", lambda: told() is not None, flag)
    job.check_cancelled()
