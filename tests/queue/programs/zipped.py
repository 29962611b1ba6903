"""Runs a job with the package that a zip has."""

from __future__ import annotations

import importlib
import sys


def main(archive: str, database: str) -> None:
    sys.path.insert(0, archive)
    queue = importlib.import_module("sprag.queue")
    assert str(queue.__file__).startswith(archive), queue.__file__

    class Echo(queue.QueueService):  # type: ignore[name-defined, misc]  # imported just now
        name = "echo"

        def handle_item(self, item: object) -> object:
            return item

    with Echo(database=database) as echo:
        print(echo.wait(echo.enqueue(1).id, 30).status)


if __name__ == "__main__":
    main(*sys.argv[1:])
