"""Live news: one subscription to the journal for all pages that are open."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

import anyio
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..queue import Signal, Subscription
from ..queue.operators import QueueFile, is_job_id
from .answers import refusal

MOST: Final = 64
"""How many pages may listen at once."""

PAUSE_SECONDS: Final = 0.25
_PING_SECONDS: Final = 15
_FAREWELL_SECONDS: Final = 1.0  # for streams to end by themselves when the server stops


class Stream:
    """What one page has not received yet: not every signal, only that there were some."""

    def __init__(self, job: str | None) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._ended = False
        self._moved = False
        self._reported = False
        self._signal: Signal | None = None
        self._mutex = threading.Lock()

    def take(self, signal: Signal) -> None:
        """Take note of a signal, from any thread."""
        if self._job is not None and signal["job_id"] != self._job:
            return
        with self._mutex:
            idle = not (self._moved or self._reported)
            self._moved = self._moved or signal["event"] != "progress"
            self._reported = True
            self._signal = signal
        if idle:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._news.set)

    async def end_with(self, event: anyio.Event) -> None:
        """End the stream once this event is set."""
        await event.wait()
        self._ended = True
        self._news.set()

    async def next(self) -> dict[str, Any] | None:
        """Return what is new: {"moved": whether there was more than progress, "signal": the
        latest one if the page is of one job}. Return None at the end."""
        await self._news.wait()
        self._news.clear()
        if self._ended:
            return None
        with self._mutex:
            told = {
                "moved": self._moved,
                "signal": self._signal if self._job is not None else None,
            }
            self._moved = self._reported = False
        return told


class Streams:
    """The endpoint `events`: Server-Sent Events, four a second at most for each page.

    The subscription begins with the first page and ends with the last one.
    """

    def __init__(self, file: Callable[[], QueueFile]) -> None:
        self._file = file
        self._mutex = threading.Lock()
        self._streams: set[Stream] = set()
        self._source: Subscription | None = None
        self._source_of: QueueFile | None = None

    async def open(self, request: Request) -> Response:
        """`?job=ID` reports only this job."""
        job = request.query_params.get("job")
        if job is not None and not is_job_id(job):
            return refusal(request, 400, "invalid_query", "job: expected a job id")
        if len(self._streams) >= MOST:
            answer = refusal(
                request,
                503,
                "too_many",
                f"{MOST} pages are already open. Close one, or try again later.",
            )
            answer.headers["Retry-After"] = "10"
            return answer
        self._file()  # it fails now or never: once the stream has begun, no error could be sent
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        ending = anyio.Event()
        return EventSourceResponse(
            self._events(job, ending), headers=headers, ping=_PING_SECONDS,
            shutdown_event=ending, shutdown_grace_period=_FAREWELL_SECONDS,
        )  # fmt: skip

    async def _events(self, job: str | None, ending: anyio.Event) -> AsyncIterator[dict[str, str]]:
        stream = Stream(job)
        end = asyncio.create_task(stream.end_with(ending))
        try:
            with self._mutex:
                self._streams.add(stream)
            await run_in_threadpool(self._subscribe)
            # Whatever the page showed before may be old: it listens from here on.
            yield {"data": json.dumps({"moved": True, "signal": None})}
            while (news := await stream.next()) is not None:
                yield {"data": json.dumps(news)}
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            end.cancel()
            self._leave(stream)

    def _subscribe(self) -> None:
        file = self._file()
        with self._mutex:
            if not self._streams or (self._source is not None and self._source_of == file):
                return
            self._source = file.subscribe(self._tell)
            self._source_of = file

    def _leave(self, stream: Stream) -> None:
        with self._mutex:
            self._streams.discard(stream)
            if self._streams:
                return
            source, self._source = self._source, None
        if source is not None:
            source.close(0.0)

    def _tell(self, signal: Signal) -> None:
        for stream in tuple(self._streams):
            stream.take(signal)
