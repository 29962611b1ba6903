"""A process that the crash test kills: it enqueues, runs and cancels jobs of one shared file.

It says in lines what it is about to ask of sprag, and what came back; each is one `write`, so a
kill loses all of a line or nothing. Times are unix seconds. An item is `[kind, number, wish]`: the
wish names one enqueue, also where its answer never comes; it is the job's id, but for enqueue_many.

    opening <time>                  before the file is opened
    ready
    asking <wish> <kind> <number>   before `enqueue` is called
    enqueued <wish> <job>           after it returned
    refused <wish> <error>          after it raised: nothing is known of this one, or nothing stored
    refused <wish> Existing         after it found another job, which holds the unique key
    cancelled <job> <status>        after `cancel` returned, and what it returned
    requeued <job>
    running <job> <starts> <time>   inside the handler
    dying <job> <time>              inside a handler that kills its own process
    signal <seq> <job> <event> <status>
    drained                         no job is left to run
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import threading
import time
from typing import Any

from sprag.queue import (
    Backoff,
    DatabaseError,
    IllegalMove,
    JobNotFound,
    QueueService,
    Retry,
    Signal,
    new_job_id,
)

# Kinds of jobs, and how often each is enqueued.
KINDS = {
    "quick": 50, "steps": 15, "fails": 8, "flaky": 8, "later": 8, "unique": 8, "stubborn": 5,
    "again": 3, "slow": 1,
}  # fmt: skip
MANY_CRASHES = 100_000
"""So that no innocent job is taken for one that kills its process."""


def say(*words: object) -> None:
    """One line for the parent."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Torture(QueueService):
    """A queue whose jobs do what their kind says."""

    name = "torture"
    worker_count = 3
    backoff = Backoff(first=0.01, limit=0.05)

    def handle_item(self, item: Any) -> Any:
        job = self.current_job
        say("running", job.id, job.run.starts, time.time())
        kind, number, _wish = item
        match kind:
            case "steps":
                for step in range(10):
                    self.report_progress(current=step, total=10, message="step")
                    self.check_cancelled()
                    time.sleep(0.002 * (number % 5))
            case "fails":
                raise ValueError("as it should")
            case "flaky" if job.attempt < 3:
                raise ValueError("not yet")
            case "again" if job.run.starts == 1:
                raise Retry("it does not count", after=0, counted=False)
            case "stubborn":
                time.sleep(0.02 * (number % 10))
            case "slow":
                # Longer than the grace, and than most pauses.
                time.sleep(0.2 * (number % 5))
            case "poison":
                say("dying", job.id, time.time())
                os.kill(os.getpid(), signal.SIGKILL)
            case _:
                pass  # quick, later, unique, or one that has failed before
        return number


def main() -> None:
    """Run until killed, terminated or, with --drain, out of jobs."""
    options = _parse()
    logging.basicConfig(level=logging.WARNING)
    noise = random.Random(options.seed)
    queue = Torture(
        database=options.database, durability=options.durability, max_attempts=3, grace_seconds=0.3
    )
    say("opening", time.time())
    with queue:
        # From here on SIGTERM leaves the block in order.
        queue.subscribe(_tell, after=options.after)
        say("ready")
        if options.drain:
            _drain(queue)
        else:
            if options.repeat:
                wish, kind, number = options.repeat
                _enqueue(queue, kind, int(number), wish)
            if options.poison:
                _enqueue(queue, "poison", 0, max_crashes=3)
            threading.Thread(target=_meddle, args=(queue, noise.random()), daemon=True).start()
            _feed(queue, noise, f"{options.seed:x}")


def _tell(event: Signal) -> None:
    say("signal", event["seq"], event["job_id"], event["event"], event["status"])


_known: list[str] = []


def _enqueue(queue: Torture, kind: str, number: int, wish: str | None = None, **more: Any) -> None:
    wish = wish or new_job_id()
    if kind == "unique":
        more["unique"] = f"{number % 3}"
    say("asking", wish, kind, number)
    try:
        job = queue.enqueue(
            [kind, number, wish], job_id=wish, **{"max_crashes": MANY_CRASHES, **more}
        )
    except DatabaseError as error:
        say("refused", wish, type(error).__name__)
    else:
        if job.id == wish:
            say("enqueued", wish, job.id)
            _known.append(job.id)
        else:
            say("refused", wish, "Existing")


def _enqueue_many(queue: Torture, number: int, name: str) -> None:
    wishes = [f"{name}-{number}-{n}" for n in range(20)]
    for wish in wishes:
        say("asking", wish, "quick", number)
    try:
        jobs = queue.enqueue_many(
            [["quick", number, wish] for wish in wishes], max_crashes=MANY_CRASHES
        )
    except DatabaseError as error:
        for wish in wishes:
            say("refused", wish, type(error).__name__)
    else:
        for wish, job in zip(wishes, jobs, strict=True):
            say("enqueued", wish, job.id)


def _feed(queue: Torture, noise: random.Random, name: str) -> None:
    kinds, weights = list(KINDS), list(KINDS.values())
    number = 0
    while True:
        number += 1
        [kind] = noise.choices(kinds, weights)
        more: dict[str, Any] = {"priority": noise.randint(-1, 1)}
        if kind == "later":
            more["delay"] = noise.uniform(0.01, 0.3)
        if noise.random() < 0.02:
            _enqueue_many(queue, number, name)
        else:
            _enqueue(queue, kind, number, **more)
        while queue.counts()["queued"] > 150:
            time.sleep(0.02)
        if noise.random() < 0.5:
            time.sleep(noise.uniform(0, 0.01))


def _meddle(queue: Torture, seed: float) -> None:
    """Cancel and requeue what there is."""
    noise = random.Random(seed)
    while True:
        time.sleep(noise.uniform(0, 0.03))
        if not _known:
            continue
        # Mostly one of the newest: the others have ended.
        id_ = noise.choice(_known[-5:] if noise.random() < 0.8 else _known)
        try:
            if noise.random() < 0.7:
                say("cancelled", id_, queue.cancel(id_).status)
            else:
                queue.requeue(id_)
                say("requeued", id_)
        except (IllegalMove, JobNotFound):
            pass


def _drain(queue: Torture) -> None:
    while True:
        counts = queue.counts()
        if not counts["queued"] + counts["running"] + counts["cancelling"]:
            # Let the subscriber catch up: it hands over all that is in the file.
            time.sleep(0.5)
            say("drained")
            return
        time.sleep(0.05)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--after", type=int, required=True, help="the newest seq that was seen")
    parser.add_argument("--durability", default="full")
    parser.add_argument("--poison", action="store_true", help="enqueue a job that kills")
    parser.add_argument("--drain", action="store_true", help="only run what there is")
    parser.add_argument(
        "--repeat", nargs=3, metavar=("WISH", "KIND", "NUMBER"),
        help="enqueue this first: a predecessor died before it was answered",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    main()
