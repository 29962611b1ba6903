"""Child: like `_bench.child`, but with the measures of the page.

Run as `python -m _bench.web.child` with the measurement as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..measures import Result
from . import actions, browsers, imports, sockets

MEASURES: dict[str, Callable[..., Result]] = {
    "commit to dom": browsers.commit_to_dom,
    "actions": actions.actions,
    "drain": sockets.drain,
    "memory": sockets.memory,
    "weight": browsers.weight,
    "imports": imports.imports,
}

ONE_SUBJECT = frozenset({"drain", "memory", "weight", "imports"})


def main() -> None:
    """Measure what the command line says."""
    wanted = json.loads(sys.argv[1])
    name, options = wanted["name"], wanted["options"]
    if name not in ONE_SUBJECT:
        options["subject"] = wanted["subject"]
    print(json.dumps(MEASURES[name](Path(wanted["folder"]), wanted["sync"], **options)), flush=True)


if __name__ == "__main__":
    main()
