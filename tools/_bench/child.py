"""Child: one measurement in a process of its own.

Run as `python -m _bench.child` with the measurement as JSON; prints its figures as one JSON line.
Without it, measurements come as lines of standard input, and each is made in a fork.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import inside, large, load, raw
from .measures import MEASURES, Result
from .peers import PEERS
from .product import Product
from .subjects import Subject

OWN: dict[str, dict[str, Callable[..., Result]]] = {
    "raw": raw.MEASURES,
    "sprag": {
        "in handler": inside.in_handler,
        "make queued": large.make_queued,
        "make finished": large.make_finished,
        "drain part": large.drain_part,
        "look": large.look,
        "crash": large.crash,
        "reopen": large.reopen,
        "enqueue beside busy": load.enqueue_beside_busy,
        "memory": load.memory,
    },
}
"""Measures of one subject alone, as functions of a folder; all others are for every subject."""

SUBJECTS: dict[str, Callable[[Path, str], Subject]] = {"sprag": Product, **PEERS}


def measure(subject: str, name: str, sync: str, folder: Path, options: dict[str, Any]) -> Result:
    """The figures of one measurement on a file in `folder`."""
    own = OWN.get(subject, {}).get(name)
    if own is not None:
        return own(folder, sync, **options)
    result: Result = MEASURES[name](SUBJECTS[subject](folder, sync), sync, **options)
    return result


def wanted() -> Iterator[dict[str, Any]]:
    """The measurement of the command line, or those of standard input, each in a process of its
    own. Ends where one has failed, which has said why."""
    if len(sys.argv) > 1:
        yield json.loads(sys.argv[1])
        return
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            yield json.loads(line)
            return
        if os.waitpid(child, 0)[1] != 0:
            sys.exit(1)


def main() -> None:
    """Measure what is wanted. A failure ends the process even if threads are stuck."""
    for one in wanted():
        try:
            print(json.dumps(measure(**one | {"folder": Path(one["folder"])})), flush=True)
        except Exception:  # noqa: BLE001 - whatever it was, it is shown with what every thread does
            traceback.print_exc()
            faulthandler.dump_traceback()
            os._exit(1)


if __name__ == "__main__":
    main()
