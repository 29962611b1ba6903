"""`sprag enqueue`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from ...queue import PayloadError, QueueService
from ...queue.operators import OWNED, decode, enqueue_task
from .. import options
from ..exits import USAGE, Refusal
from ..owners import lost_among
from ..settings import Settings
from ..shapes import whole_shape
from ..text import one_line, shortened


@click.command("enqueue", short_help="Enqueue a job with a JSON item.")
@click.argument("queue")
@click.argument("item")
@click.option("--lines", is_flag=True, help="With ITEM '-': one job per line, in one commit.")
@click.option(
    "--delay",
    type=options.span,
    metavar="DURATION",
    help="Start it no earlier than this long from now, as in 10m.",
)
@click.option("--at", "run_at", type=options.moment, metavar="TIME",
              help="Start it no earlier than this local time, as in 2030-12-31T23:59.")  # fmt: skip
@click.option(
    "--task",
    metavar="NAME",
    help="The task that it is for. ITEM is then an object with its arguments by name.",
)
@click.option("--priority", type=int, default=0, show_default=True, help="Higher starts first.")
@click.option("--label", help="A name for people.")
@click.option("--max-attempts", type=int, help="How many times it may be tried.  [default: 1]")
@click.option("--backoff", type=options.span, metavar="DURATION", help="The wait between attempts.")
@click.option("--time-limit", type=options.span, metavar="DURATION",
              help="How long an attempt may take.")  # fmt: skip
@click.option("--max-crashes", type=int,
              help="It fails once this many processes died running it.  [default: 3]")  # fmt: skip
@click.option("--id", "job_id", metavar="ID",
              help="The job's id. Repeating a call with the same id stores one job.")  # fmt: skip
@click.option("--unique", metavar="KEY", help="If a job holds this key, enqueue nothing.")
@click.option("--unique-for", metavar="STATE|DURATION",
              help="How long it holds the key: queued, unfinished, or as in 1h.  "
                   "[default: unfinished]")  # fmt: skip
@click.option("--tags/--no-tags", default=None,
              help='Read {"$tuple": [1, 2]} as a tuple, or as a dict.')  # fmt: skip
@options.shared()
@options.settings
def command(
    settings: Settings, /, queue: str, item: str, lines: bool, tags: bool | None,
    job_id: str | None, unique: str | None, unique_for: str | None, task: str | None, **given: Any,
) -> None:  # fmt: skip
    """Enqueue a job in QUEUE. ITEM is JSON, or '-' for standard input.

    Prints the job's id; with --unique, that of the job that holds the key.
    Creates the database if it does not exist. The settings of the queue's class
    and its tasks (max_attempts, max_queued and so on) do not apply here.

    JSON: {"jobs": [job, …]}, where each job also has "existing": true if it was
    there before.
    """
    if lines and (item != "-" or job_id is not None or unique is not None):
        raise click.UsageError(
            "--lines reads standard input: expected ITEM to be '-', and no --id or --unique"
        )
    given |= {} if unique is None else {"unique": unique}
    given |= {} if unique_for is None else {"unique_for": unique_for}
    texts = _texts(item, lines=lines)
    items = [_value(text, where, tags) for where, text in texts]
    is_new_file = not os.path.lexists(settings.path)
    service = QueueService(name=queue, database=settings.path)
    try:
        is_new_queue = is_new_file or not service.jobs(limit=1).jobs
        if task is not None:
            jobs = enqueue_task(service, task, map(_arguments, items), job_id, **given)
        elif lines:
            jobs = service.enqueue_many(items, **given)
        else:
            jobs = [service.enqueue(items[0], job_id=job_id, **given)]
    finally:
        service.stop()
    if is_new_file:
        settings.say(f"{settings.path} did not exist and was created")
    if is_new_queue:
        settings.say(f"{queue} is a new queue in this file")
    if settings.as_json:
        lost: frozenset[str] = frozenset()
        if any(job.status in OWNED for job in jobs):  # its id was used before
            with settings.opened() as file:
                lost = lost_among(file, jobs)
        shapes = [whole_shape(job, lost=job.id in lost) for job in jobs]
        for shape, job in zip(shapes, jobs, strict=True):
            shape["existing"] = job.existing
        settings.emit({"jobs": shapes})
        return
    for job in jobs:
        if job.existing:
            settings.say(f"the job was there before; it is {job.status}")
        settings.write(f"{job.id}\n")


def _texts(item: str, *, lines: bool) -> list[tuple[str, str]]:
    """Return the texts to parse, each with a name for errors."""
    if item != "-":
        return [("ITEM", item)]
    try:
        text = sys.stdin.buffer.read().decode() if sys.stdin is not None else ""
    except UnicodeDecodeError as error:
        raise Refusal(f"standard input is not UTF-8: {error}", kind="usage", code=USAGE) from error
    if not lines:
        return [("standard input", text)]
    numbered = enumerate(text.split("\n"), start=1)
    return [(f"line {number}", line) for number, line in numbered if line.strip()]


def _value(text: str, where: str, tags: bool | None) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(
            f"{where} is not valid JSON: {error}. A string needs its own quotation marks, as in "
            f"'\"text\"'; got {one_line(shortened(text, 100))!r}",
            kind="usage",
            code=USAGE,
        ) from error
    if tags is None and _tagged(value):
        raise Refusal(
            f'{where} has an object whose first key begins with "$". Add --tags if it stands for a '
            "tuple, bytes, a date and so on, as `sprag show` prints them; add --no-tags if it is "
            "plain data",
            kind="usage",
            code=USAGE,
        )
    if not tags:
        return value
    try:
        return decode(text)
    except PayloadError as error:
        raise Refusal(f"{where}: {error}", kind="usage", code=USAGE) from error


def _arguments(item: Any) -> dict[str, Any]:
    if isinstance(item, dict):
        return item
    raise Refusal(
        "--task: expected ITEM to be an object with the task's arguments by name, as in "
        f"'{{\"user_id\": 7}}', got {one_line(shortened(repr(item), 100))}",
        kind="usage",
        code=USAGE,
    )


def _tagged(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_tagged, value))
    if isinstance(value, dict):
        return next(iter(value), "").startswith("$") or any(map(_tagged, value.values()))
    return False
