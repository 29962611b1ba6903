"""The demo of the terminal, in this interpreter, whose environment has all it needs. The image
called "gate" says that it is in work, and waits for a line.

PYTHONPATH has the folder tools; the arguments are those of `tools/demo.py --terminal`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from _demo import app, arguments
from examples.thumbnails import ThumbnailQueue


class Gated(ThumbnailQueue):
    grace_seconds = 3600

    def handle_item(self, item: Any) -> Any:
        if "gate" in Path(item["source"]).name:
            print("at the gate", flush=True)
            sys.stdin.readline()
        return super().handle_item(item)


if __name__ == "__main__":
    options = arguments.parse(["--terminal", *sys.argv[1:]])
    assert isinstance(options, arguments.TerminalOptions)
    sys.exit(app.main(options, Gated))
