"""`sprag pause` and `resume`."""

from __future__ import annotations

import click

from .. import options
from ..settings import Settings
from ..text import one_line


@click.command("pause", short_help="Let no process start jobs of a queue.")
@click.argument("queue")
@click.option("--reason", metavar="TEXT", help="Why, for everyone who asks.")
@options.shared()
@options.settings
def pause(settings: Settings, queue: str, reason: str | None) -> None:
    """Pause QUEUE: no process that has the file open starts a job of it until `sprag resume`.

    Running jobs go on, and jobs can be enqueued. The pause is stored in the
    file, so it outlasts every process. To pause a queue again changes only the
    reason.

    JSON: {"queue", "paused": {"reason": text or null, "since"}}.
    """
    with settings.opened() as file:
        file.pause(queue, reason)
        paused = file.pauses().get(queue)
    if settings.as_json:
        settings.emit({"queue": queue, "paused": None if paused is None else paused._asdict()})
    else:
        settings.write(f"{queue} is paused\n")


@click.command("resume", short_help="Let the jobs of a paused queue start again.")
@click.argument("queue")
@options.shared()
@options.settings
def resume(settings: Settings, queue: str) -> None:
    """Resume QUEUE: its workers, in every process, start jobs again.

    JSON: {"queue", "resumed": false if it was not paused}.
    """
    with settings.opened() as file:
        resumed = file.resume(queue)
    if settings.as_json:
        settings.emit({"queue": queue, "resumed": resumed})
    else:
        settings.write(
            f"{one_line(queue)} {'starts jobs again' if resumed else 'was not paused'}\n"
        )
