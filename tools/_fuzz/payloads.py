"""Payloads, ids and options drawn at random, given to a queue as a program would."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sprag.queue import JobNotFound, PayloadError, QueueError, QueueService

from .hostile import ODD, Spite, identical, text, value

_ROUNDS: Final = 40
_LONGEST: Final = 5_000


class Given(QueueService):
    """Gives back what it is given."""

    name = "given"
    worker_count = 2
    grace_seconds = 0.0

    def handle_item(self, item: Any) -> Any:
        return item


def job_id(rng: random.Random, known: str) -> Any:
    """What may be given in place of a job's id: never the id of one."""
    kinds: list[Callable[[], Any]] = [
        lambda: known[: rng.randrange(32)],
        lambda: known.upper() + "A",
        lambda: known[:31] + rng.choice("*?%_g\0\n٣"),
        lambda: f"{known[:8]}%",
        lambda: f"{known[:8]}*",
        lambda: "[0-9a-f]" * 32,
        lambda: f"' OR id GLOB '{known[:4]}*' --",
        lambda: f"{known}'; DROP TABLE job; --",
        lambda: f"{known} ",
        lambda: f"{known}\0",
        known.encode,
        lambda: "a" * 10_000_000,
        lambda: "0" * 32,
        lambda: None,
        lambda: rng.choice([True, 0, -1, 10**5000, 1.5, [], {}, known.split, (known,)]),
        lambda: text(rng),
        rng.choice(list(ODD.values())),
    ]  # fmt: skip
    return rng.choice(kinds)()


def attempt(rng: random.Random, room: Path) -> list[str]:
    """Some dozens of calls; what is wrong with what came of them."""
    problems: list[str] = []
    with Given(database=room / "jobs.db") as queue:
        known = queue.enqueue("known").id
        queue.wait(known, 60)
        for _ in range(_ROUNDS):
            _item(rng, queue, problems)
            _id(rng, queue, known, problems)
        if queue.get(known).result != "known" or queue.get(known).status != "completed":
            problems.append("the job that nobody named is not what it was")
        if queue.wait(queue.enqueue("last").id, 60).status != "completed":
            problems.append("the queue does not go on")
    return problems


def _item(rng: random.Random, queue: QueueService, problems: list[str]) -> None:
    name = rng.choice(["", *ODD])
    name = "" if name == "dataclass with a property" else name  # nothing can set it again
    item = ODD[name]() if name and rng.random() < 0.3 else value(rng)
    before = sum(queue.counts().values())
    try:
        job = queue.enqueue(item)
    except (PayloadError, Spite) as error:
        if sum(queue.counts().values()) != before:
            problems.append(f"an item was refused, and stored: {error!r:.200}")
    except Exception as error:  # noqa: BLE001 - what must not come is what is looked for
        problems.append(f"the item {name or type(item)!r} raised {error!r:.200}")
    else:
        ended = queue.wait(job.id, 60)
        try:
            if ended.status != "completed" and not isinstance(item, OSError):
                problems.append(f"the item {name or type(item)!r} came to {ended.error}")
            elif not (identical(ended.item, item) and identical(ended.result, item)):
                problems.append(f"the item {name or type(item)!r} came back as another")
        except PayloadError as error:
            problems.append(f"the item {name or type(item)!r} does not come back: {error!r:.200}")


def _id(rng: random.Random, queue: QueueService, known: str, problems: list[str]) -> None:
    given = job_id(rng, known)
    for use in (queue.get, queue.cancel, queue.requeue, queue.history, queue.wait):
        try:
            found = use(given)
        except JobNotFound as error:
            if len(str(error)) > _LONGEST:
                problems.append(f"{use.__name__} says {len(str(error))} characters")
        except Spite:
            pass
        except Exception as error:  # noqa: BLE001 - see above
            problems.append(f"{use.__name__} of an id raised {error!r:.200}")
        else:
            problems.append(f"{use.__name__} of {given!r:.100} found {found!r:.100}")
    try:
        queue.enqueue(1, job_id=given) if given != "0" * 32 else None
    except (QueueError, Spite):
        pass
    except Exception as error:  # noqa: BLE001 - see above
        problems.append(f"enqueue(job_id=) raised {error!r:.200}")
