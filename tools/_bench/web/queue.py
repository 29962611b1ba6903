"""The queue of both applications, which jobs can be held up in, and what is asked about it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sprag.queue import QueueService, Status
from sprag.queue.file.checkpoints import Durability
from sprag.queue.service import life_of

from ..measures import wait
from ..process import resident_bytes
from ..subjects import WORKERS

FILE = "jobs.db"
NAME = "image_processing"
ITEM = {"file_path": "a.png", "resize_to": (1200, 800)}
UNFINISHED: tuple[Status, ...] = ("queued", "running", "cancelling")


class ImageQueue(QueueService):
    """Its jobs wait until the gate is open, and then for `pause` seconds, give or take a fifth."""

    name = NAME
    worker_count = WORKERS

    def __init__(self, folder: Path, sync: str, *, held: bool, pause: float) -> None:
        super().__init__(database=folder / FILE, durability=cast("Durability", sync))
        self._pause = pause
        self._random = random.Random(0)
        self.gate = threading.Event()
        if not held:
            self.gate.set()
        self._handled = count(1)
        self._expected = 0
        self._last = threading.Event()

    def expect(self, jobs: int) -> threading.Event:
        """What is set when the last one of `jobs` begins, once the gate is open."""
        self._expected = jobs
        return self._last

    def handle_item(self, item: Any) -> dict[str, str]:
        self.gate.wait()
        if next(self._handled) == self._expected:
            self._last.set()
        if self._pause:
            time.sleep(self._pause * self._random.uniform(0.8, 1.2))
        return {"output": item["file_path"]}


class Desk:
    """What the measuring process asks of a server, in an application beside the measured one."""

    def __init__(self, queue: ImageQueue) -> None:
        self._queue = queue
        self._committed: dict[str, float] = {}

    def watch_commits(self) -> None:
        """Note from now on when the commit of each job's end has returned. The queue runs."""
        # Nobody is told earlier, and there is no public door as early.
        engine: Any = life_of(self._queue).engine
        tell = engine.observers.committed

        def committed(finished: Sequence[str]) -> None:
            now = time.time()
            for job_id in finished:
                self._committed[job_id] = now
            tell(finished)

        engine.observers.committed = committed

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/commits", self._commits),
                Route("/state", self._state),
                Route("/drain", self._drain, methods=["POST"]),
            ]
        )

    async def _commits(self, _request: Request) -> JSONResponse:
        return JSONResponse(self._committed)

    async def _state(self, _request: Request) -> JSONResponse:
        counts = await run_in_threadpool(self._queue.counts)
        return JSONResponse({**counts, "resident": resident_bytes()})

    async def _drain(self, _request: Request) -> JSONResponse:
        return JSONResponse({"seconds": await run_in_threadpool(self._drained)})

    def _drained(self) -> float:
        """Open the gate; seconds until the end of the last job is committed."""
        counts = self._queue.counts()
        last = self._queue.expect(counts["queued"] + counts["running"])
        started = time.perf_counter()
        self._queue.gate.set()
        wait(last, "the last job's handler")
        while self._queue.jobs(UNFINISHED, limit=1).jobs:
            time.sleep(0.0005)
        return time.perf_counter() - started
