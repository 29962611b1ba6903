"""The page of the demo, in this interpreter, whose environment has all it needs. Images of the
gate's size say that they are in work, and wait until there is a file called "open".

PYTHONPATH has the folder tools; the arguments are those of `tools/demo.py`.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from PIL import Image

from _demo import arguments, server
from _demo.page import app, folder
from examples.thumbnails import ThumbnailQueue


class Gated(ThumbnailQueue):
    def handle_item(self, item: Any) -> Any:
        with Image.open(item["source"]) as image:
            gated = image.size == (333, 222)
        gate = Path(item["folder"]).parent.parent / "open"
        if gated:
            self.report_progress(current=1, total=4, message="at the gate")
        while gated and not gate.exists():
            self.check_cancelled()
            threading.Event().wait(0.01)
        return super().handle_item(item)


if __name__ == "__main__":
    vars(folder)["SAMPLES"] = 2
    vars(app)["ThumbnailQueue"] = Gated
    options = arguments.parse(sys.argv[1:])
    assert isinstance(options, arguments.PageOptions)
    sys.exit(server.main(options))
