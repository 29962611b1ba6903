"""The process that `tools/torture.py` kills, with one bug planted into its sprag.

Its name is in the environment, SPRAG_PLANT; the command line is that of the real program.
"""

from __future__ import annotations

import os
import queue
import runpy
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sprag.queue.liveness.recovery
import sprag.queue.sql.statements
from sprag.queue import QueueService


def answer_early() -> None:
    """`enqueue` returns at once; what it was given is stored a little later."""
    late: queue.SimpleQueue[tuple[QueueService, Any, dict[str, Any]]] = queue.SimpleQueue()
    enqueue = QueueService.enqueue

    def store() -> None:
        while True:
            service, item, options = late.get()
            time.sleep(0.05)
            enqueue(service, item, **options)

    def answered(service: QueueService, item: Any, **options: Any) -> Any:
        late.put((service, item, options))
        return SimpleNamespace(id=options["job_id"])

    threading.Thread(target=store, daemon=True).start()
    QueueService.enqueue = answered  # type: ignore[method-assign, assignment]


def take_from_the_living() -> None:
    """Every other owner is held to be dead."""
    vars(sprag.queue.liveness.recovery)["liveness"] = lambda folder, token: "dead"


def let_keys_go() -> None:
    """Every enqueue takes the unique key from the job that holds it."""
    known = vars(sprag.queue.sql.statements)["STATEMENTS"]
    known["let_go"] = known["let_go"].replace("unique_until <= :now", ":now > 0")


CHILD = Path(__file__).parents[2] / "tools" / "_torture" / "child.py"
PLANTS = {
    "none": lambda: None,
    "early answer": answer_early,
    "takes from the living": take_from_the_living,
    "lets keys go": let_keys_go,
}

if __name__ == "__main__":
    PLANTS[os.environ["SPRAG_PLANT"]]()
    runpy.run_path(str(CHILD), run_name="__main__")
