"""Run the program with each of some command lines, in a process that is forked from this one: what
it imports is loaded once.

    python each.py MODULE … < the command lines, as JSON

Prints exit code, output and errors of each, as JSON. The modules are imported before.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import tempfile
from typing import IO


def run(words: list[str], outputs: list[IO[bytes]]) -> None:
    """The program as `python -m` runs it, in a child whose output goes into these files."""
    for number, file in enumerate(outputs, 1):
        os.dup2(file.fileno(), number)
    sys.argv = ["sprag", *words]
    runpy.run_module("sprag.__main__", run_name="__main__", alter_sys=True)


def main() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    ended = []
    for words in json.load(sys.stdin):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                run(words, [out, err])
                return
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            for file in (out, err):
                file.seek(0)
            ended.append([code, out.read().decode(), err.read().decode()])
    print(json.dumps(ended))


if __name__ == "__main__":
    main()
