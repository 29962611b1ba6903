"""`tools/soak.py` with a handler that keeps a file, a thread and some memory of each job."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import soak
from _soak.work import Plain

MOST = 400
kept: list[object] = []
handle = Plain.handle_item


def leak(queue: Plain, item: Any) -> Any:
    if len(kept) < 3 * MOST:
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
        kept.extend((os.open(os.devnull, os.O_RDONLY), thread, b"x" * 400_000))
    return handle(queue, item)


if __name__ == "__main__":
    Plain.handle_item = leak  # type: ignore[method-assign, assignment]
    sys.exit(soak.main())
