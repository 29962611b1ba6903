"""What is posted to the group commit: new jobs, a worker's exchange, any other change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import apsw

from ..job import JobError
from ..states import Event
from .commit import Ticket

R = TypeVar("R")


# Tuples, here and below: made for every job, where a frozen dataclass takes four times as long.
class Options(NamedTuple):
    """What jobs of one call have in common. `due_at` None: at once. A unique key is held until the
    job leaves `unique_for`, or for so many seconds."""

    queue: str
    priority: int = 0
    max_attempts: int = 1
    max_crashes: int = 3
    backoff: str | None = None
    label: str | None = None
    audience: str | None = None
    due_at: float | None = None
    max_queued: int | None = None
    time_limit: float | None = None
    unique_key: str | None = None
    unique_for: str | None = None
    unique_seconds: float | None = None
    task: str | None = None


Report = tuple[int, int, float | None, float | None, float | None, str | None]
"""key, starts, current, total, percent, message."""


class Run(NamedTuple):
    """A started job, as the claim returned it. `key` and `starts` fence its outcome."""

    key: int
    starts: int
    id: str
    attempt: int
    max_attempts: int
    backoff: bytes | None
    item_json: bytes
    time_limit: float | None = None
    task: str | None = None


class Outcome(NamedTuple):
    """What became of a run: "complete", "fail", "retry", "release" or "confirm"."""

    run: Run
    event: Event
    result: str | None = None
    error: JobError | None = None
    due_at: float | None = None
    # The last progress, stored before the outcome; as in Report.
    report: Report | None = None


class Enqueue(Ticket):
    """New jobs: their ids and, in the same order, their items. `at` is when they were accepted."""

    __slots__ = ("at", "ids", "items", "options")

    def __init__(self, options: Options, ids: Sequence[str], items: Sequence[str]) -> None:
        super().__init__()
        self.options = options
        self.ids = ids
        self.items = items
        self.at = 0.0


Change = Callable[[apsw.Connection, float], R]
"""What is called inside the transaction, with its time."""


class Write(Protocol):
    """Makes a change: returns what it returned, after COMMIT."""

    def __call__(self, run: Change[R], *, lasting: bool = False) -> R: ...


class Call(Ticket):
    """Any other change: `run` is called inside the transaction. A `lasting` one survives power
    loss whatever the file's durability, for what is done next outside of the file."""

    __slots__ = ("lasting", "result", "run")

    def __init__(self, run: Change[Any], *, lasting: bool = False) -> None:
        super().__init__()
        self.run = run
        self.lasting = lasting
        self.result: Any = None


class Exchange(Ticket):
    """A worker's standing ticket: it hands in an outcome and asks for the next run.

    Made once a worker and used again and again. `stopping` withdraws the
    request, and is set by `Dealer.dismiss` alone. `claimed` is the run that the
    worker has, from the commit of its start to that of its outcome. `tasks` are
    those whose jobs it runs, as the statement takes them; None: only jobs that
    belong to no task.
    """

    __slots__ = ("claimed", "outcome", "owner", "queue", "refused", "stopping", "tasks")
    patient = True

    def __init__(self, queue: str, owner: int, tasks: str | None = None) -> None:
        super().__init__()
        self.queue = queue
        self.owner = owner
        self.tasks = tasks
        self.outcome: Outcome | None = None
        self.claimed: Run | None = None
        self.refused = False
        self.stopping = False
