"""Try cases in a process of its own: one JSON object a line comes in, and one goes out.

    {"kind": "file", "name": "cut anywhere", "seed": 7}         a case
    {"problems": []}                                            what came of it

A case that takes longer than the first argument says ends the process, with the stacks of all
threads on standard error.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import shutil
import sys
from pathlib import Path

from _fuzz.cases import Case


def main() -> None:
    """Answer until there are no more cases."""
    deadline, folder = float(sys.argv[1]), Path(sys.argv[2])
    logging.getLogger("sprag").addHandler(logging.NullHandler())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a case prints is no answer.
    os.dup2(2, 1)
    for number, line in enumerate(sys.stdin):
        faulthandler.dump_traceback_later(deadline, exit=True)
        room = folder / str(number)
        problems = Case.of(json.loads(line)).run(room)
        faulthandler.cancel_dump_traceback_later()
        shutil.rmtree(room, ignore_errors=True)
        print(json.dumps({"problems": problems}), file=answers, flush=True)


if __name__ == "__main__":
    main()
