"""The application: its queue, its pages and the dashboard, on the files of one folder."""

from __future__ import annotations

import sys
from pathlib import Path

from sprag import App

from ..arguments import DEMO
from .folder import MAX_UPLOAD_BYTES

# At the end, so that `examples` is found there and `sprag` where it is installed.
sys.path.append(str(DEMO.parent))
from examples.thumbnails import ThumbnailQueue

_MANY_CRASHES = 1000


def make_app(folder: Path, workers: int) -> App:
    """The application that keeps everything in `folder`: database, uploads and thumbnails."""
    return App(
        routes="_demo.page.routes",
        shell="shell.html",
        static="static",
        providers={
            "thumbnails": ThumbnailQueue(
                worker_count=workers,
                # Here someone kills on purpose; the default of 3 is for images that kill by
                # themselves.
                max_crashes=_MANY_CRASHES,
            ),
        },
        database=folder / "jobs.db",
        dashboard="/dashboard",
        # What is around the file in a request takes some room, too.
        max_upload_bytes=MAX_UPLOAD_BYTES + 64 * 1024,
    )
