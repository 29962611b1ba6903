"""The `sprag` command, for operators of queues and their scripts.

Needs the extra `sprag-queue[cli]` (click and rich). Nothing in `sprag.queue` imports it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from .exits import NO_EXTRA

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sprag` with these arguments (default: the command line). Return the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        from .program import run_program  # noqa: PLC0415 - so that a missing extra gets a sentence
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("click", "rich"):
            raise
        return _without_extra(error.name, as_json="--json" in given)
    return run_program(given)


def _without_extra(missing: str, *, as_json: bool) -> int:
    message = (
        f"this command needs {missing}, which is not installed: pip install 'sprag-queue[cli]'"
    )
    if as_json:
        error = {"kind": "extra_missing", "message": message, "exit_code": NO_EXTRA}
        print(json.dumps({"error": error}), file=sys.stderr)
    else:
        print(f"sprag: {message}", file=sys.stderr)
    return NO_EXTRA
