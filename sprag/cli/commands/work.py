"""`sprag work`."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ...queue import QueueService, Signal
from ...queue.operators import stop_together
from .. import options
from ..exits import USAGE, Refusal
from ..load import Found, load
from ..logs import LEVELS, log_to_stderr
from ..settings import Settings
from ..stops import StopRequests

log = logging.getLogger("sprag.cli")


@click.command("work", short_help="Run the jobs of queues until stopped.")
@click.argument("paths", nargs=-1, required=True, metavar="MODULE:QUEUE...")
@click.option("--workers", "-w", type=click.IntRange(1, 1000), metavar="N",
              help="How many jobs run at once.  [default: the class's worker_count]")  # fmt: skip
@click.option("--grace", type=options.span, metavar="DURATION",
              help="How long jobs may continue after a stop.  [default: the class's]")  # fmt: skip
@click.option("--verbose", "-v", is_flag=True, help="Log every move of every job.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@options.shared()
@options.settings
def command(
    settings: Settings, paths: Sequence[str], workers: int | None, grace: float | None,
    verbose: bool, log_level: str,
) -> None:  # fmt: skip
    """Run the queues at these import paths, as in

        sprag work examples.thumbnails:ThumbnailQueue

    The working directory is searched for modules first. If a module defines
    only one queue, its name is enough. The class must need no arguments; it
    uses --database or SPRAG_DATABASE if given, or else its own database.

    SIGTERM, SIGHUP and Ctrl-C stop in order, with exit code 0: no further job
    starts, running jobs have the grace to finish, and then they go back to the
    queue without losing an attempt. A second Ctrl-C ends the process at once;
    its jobs are recovered later. The log goes to standard error.

    JSON: the log, one object per line: {"at", "level", "logger", "message",
    "traceback"}.
    """
    log_to_stderr(log_level, as_json=settings.as_json)
    services = [_service(settings, path, load(path), workers, grace) for path in paths]
    names = [service.name for service in services]
    if len(set(names)) != len(names):
        raise Refusal(f"expected each queue once, got {', '.join(names)}", kind="usage", code=USAGE)
    requests = StopRequests()
    try:
        for service in services:
            if verbose:
                service.subscribe(_log_move)
            service.start()
            log.info(
                "queue %s runs with %d workers on %s (process %d)",
                service.name,
                service.worker_count,
                Path(service.database).absolute(),
                os.getpid(),
            )
        told = requests.wait()
        log.info("stopping (%s): no further job starts; press Ctrl-C to end at once", told)
    finally:
        stop_together(services)
    log.info("stopped")


def _service(
    settings: Settings, path: str, found: Found, workers: int | None, grace: float | None
) -> QueueService:
    given: dict[str, Any] = {"database": settings.database, "worker_count": workers,
                             "grace_seconds": grace}  # fmt: skip
    chosen = {name: value for name, value in given.items() if value is not None}
    if isinstance(found, QueueService):
        if chosen:
            raise Refusal(
                f"{path} is an instance with its own settings (its database is {found.database}): "
                "remove --database, SPRAG_DATABASE, --workers and --grace, or name its class",
                kind="usage",
                code=USAGE,
            )
        return found
    try:
        return found(**chosen)
    except TypeError as error:
        raise Refusal(
            f"{path} cannot be created as {found.__name__}("
            f"{', '.join(f'{name}=…' for name in chosen)}): {error}. Create an instance in its "
            "module and name that",
            kind="usage",
            code=USAGE,
        ) from error


def _log_move(signal_: Signal) -> None:
    if signal_["event"] != "progress":
        log.info("job %s of %s: %s, %s at attempt %d", signal_["job_id"], signal_["queue"],
                 signal_["event"], signal_["status"], signal_["attempt"])  # fmt: skip
