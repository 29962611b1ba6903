"""The state of a file's queues: counts, pace, the latest failures, schedules, who runs jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from ..queue.operators import STATES, Glance, QueueFile, Sparing, percentile
from .pace import Pace
from .schedules import schedules_of
from .shapes import glance_shape, process_shape

_FAILURES: Final = 400
_KINDS: Final = 6


class Overview:
    """Reads what the first page shows. The cheaper a part is, the more often it is read.
    `standing` returns how many jobs each queue has."""

    def __init__(
        self, file: Callable[[], QueueFile], standing: Callable[[], dict[str, dict[str, Any]]]
    ) -> None:
        self._file = file
        self._standing = standing
        self._now = Sparing(self._state)
        self._times = Sparing(self._times_of)
        self._pace = Pace(file)

    def shape(self, span: int) -> dict[str, Any]:
        """Its JSON form; `span` is one of `pace.SPANS`."""
        return {
            **self._now(),
            "pace": self._pace.shape(span),
            "now": self._file().now(),
        }

    def forget(self) -> None:
        """Read how things stand the next time it is asked for."""
        self._now.forget()

    def _state(self) -> dict[str, Any]:
        file = self._file()
        standing, times = self._standing(), self._times()
        now = file.now()
        queues = [
            {
                "name": name,
                **of_queue,
                "wait": None if (ready := file.next_ready(name)) is None else max(now - ready, 0.0),
                "next_due": file.next_due(name),
                "times": times.get(name),
            }
            for name, of_queue in standing.items()
        ]
        return {
            "queues": queues,
            "counts": {s: sum(of["counts"][s] for of in standing.values()) for s in STATES},
            "at_least": sorted({state for of in standing.values() for state in of["at_least"]}),
            "failures": _kinds(file.search.failures(_FAILURES)),
            "processes": [process_shape(process) for process in file.processes()],
            "schedules": schedules_of(file),
        }

    def _times_of(self) -> dict[str, dict[str, Any]]:
        """Return by queue how long the last jobs ran, and how long they had been ready before."""
        found = {}
        for queue, runs in self._file().statistics.runs().items():
            ran, waited = [run.ran for run in runs], [run.waited for run in runs]
            found[queue] = {
                "runs": len(runs),
                "ran": {"p50": percentile(ran, 0.5), "p95": percentile(ran, 0.95)},
                "waited": {"p50": percentile(waited, 0.5), "p95": percentile(waited, 0.95)},
            }
        return found


def _kinds(failures: list[Glance]) -> list[dict[str, Any]]:
    """The latest failure of each kind, and how many of the same kind there are: the same error
    in the same queue."""
    alike: Counter[tuple[str, str, str | None]] = Counter()
    first: dict[tuple[str, str, str | None], Glance] = {}
    for job in failures:
        kind = (job.queue, job.error_type, job.error_message)
        alike[kind] += 1
        first.setdefault(kind, job)
    return [{**glance_shape(job), "alike": alike[kind]} for kind, job in first.items()][:_KINDS]
