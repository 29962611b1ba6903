"""`sprag counts`."""

from __future__ import annotations

import time
from typing import Final

import click
from rich.text import Text

from .. import options
from ..idle import pause_shapes, remarks
from ..numbers import count, counts_table, measure, rates_table
from ..owners import owners_of
from ..settings import Settings
from ..text import duration

_MOST_SECONDS: Final = 1e11


@click.command("counts", short_help="Count jobs by state, and show rates.")
@options.queues
@click.option("--within", type=options.span, default="5m", show_default=True,
              help="Measure rates over this much time until now.")  # fmt: skip
@options.shared()
@options.settings
def command(settings: Settings, queues: tuple[str, ...], within: float) -> None:
    """Count the jobs of each queue by state, and show their rates.

    WAIT is how long the job that will start next has been ready. LOST jobs are
    running or cancelling, but their process died; a worker that runs or starts
    takes them over.

    JSON: {"seconds": the time over which moves were counted, "queues": {name:
    {"counts": {status: n, …}, "lost": how many of the running and cancelling
    ones are lost, "moves": {event: n, …}, "wait": seconds or null, "paused":
    {"reason", "since"} or null}, …}}.
    """
    if not 0 < within < _MOST_SECONDS:
        raise click.BadParameter(
            "expected a duration longer than zero and not infinite", param_hint="--within"
        )
    now = time.time()
    with settings.opened() as file:
        rates = measure(file, now, within)
        names = list(dict.fromkeys(queues)) or file.queues()
        counts = count(file, owners_of(file), names)
        ready = {name: file.next_ready(name) for name in names}
        pauses = {name: pause for name, pause in file.pauses().items() if name in names}
    waits = {name: None if at is None else max(now - at, 0.0) for name, at in ready.items()}
    if settings.as_json:
        settings.emit(
            {
                "seconds": rates.seconds,
                "queues": {
                    name: {
                        "counts": counts[name].by_status,
                        "lost": counts[name].all_lost,
                        "moves": rates.moves.get(name, {}),
                        "wait": waits[name],
                        "paused": pause_shapes(pauses).get(name),
                    }
                    for name in names
                },
            }
        )
    elif not names:
        settings.say("no jobs")
    else:
        span = duration(rates.seconds)
        settings.show(counts_table(counts), Text(""), rates_table(names, rates, waits, span))
        for remark in remarks(pauses, {}, {}, now):
            settings.show(Text(remark))
