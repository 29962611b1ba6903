"""Child: like `_bench.child`, but with the measures of the page.

Run as `python -m _bench.web.child` with the measurement as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..child import wanted
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
    """Measure what is wanted."""
    for one in wanted():
        name, options = one["name"], one["options"]
        if name not in ONE_SUBJECT:
            options["subject"] = one["subject"]
        print(json.dumps(MEASURES[name](Path(one["folder"]), one["sync"], **options)), flush=True)


if __name__ == "__main__":
    main()
