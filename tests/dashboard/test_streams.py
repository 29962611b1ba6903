"""Live news: bounded, coalesced, of one subscription for all pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from starlette.requests import Request

from sprag.dashboard import streams
from sprag.dashboard.streams import Stream, Streams
from sprag.queue.operators import QueueFile
from sprag.queue.work.engine import Engine
from tests.conftest import MakeQueue
from tests.dashboard.conftest import TestClient
from tests.support import DEADLINE


def signal(job: str = "a", event: str = "start") -> dict[str, Any]:
    return {"job_id": job, "event": event, "status": "running", "seq": 1}


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine to its end, or to the deadline."""
    asyncio.run(asyncio.wait_for(test(), DEADLINE))


class Listener:
    """A page that listens: what it was told, until it leaves."""

    def __init__(self, open_: Streams, query: str = "") -> None:
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        self.status = 0
        self._left = asyncio.Event()
        self._begun = asyncio.Event()
        self._task = asyncio.create_task(self._listen(open_, query))

    async def _listen(self, open_: Streams, query: str) -> None:
        scope = {"type": "http", "method": "GET", "path": "/events", "headers": [],
                 "query_string": query.encode(), "http_version": "1.1"}  # fmt: skip
        answer = await open_.open(Request(scope))
        await answer(scope, self._receive, self._send)

    async def _receive(self) -> Any:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._begun.set()
        for line in message.get("body", b"").decode().splitlines():
            if line.startswith("data: "):
                self.said.put_nowait(json.loads(line[6:]))

    async def begun(self) -> int:
        """The status, once there is one."""
        await self._begun.wait()
        return self.status

    async def leave(self) -> None:
        self._left.set()
        await self._task


def test_a_flood_of_signals_is_one_piece_of_news() -> None:
    async def test() -> None:
        stream = Stream(None)
        for n in range(500):
            stream.take(signal(str(n), "progress"))
        assert await stream.next() == {"moved": False, "signal": None}
        stream.take(signal())
        stream.take(signal(event="progress"))
        assert await stream.next() == {"moved": True, "signal": None}
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.next(), 0.01)

    run(test)


def test_the_page_of_a_job_is_told_of_this_job_alone() -> None:
    async def test() -> None:
        stream = Stream("a")
        stream.take(signal("b"))
        stream.take(signal("a", "start"))
        stream.take(signal("a", "progress"))
        stream.take(signal("b"))
        told = await stream.next()
        assert told == {"moved": True, "signal": signal("a", "progress")}

    run(test)


def test_a_page_is_let_go_when_the_server_stops(engine: Engine) -> None:
    async def test() -> None:
        ending = anyio.Event()
        told = Streams(lambda: QueueFile(engine))._events(None, ending)
        assert "moved" in (await anext(told))["data"]
        ending.set()
        assert [news async for news in told] == []
        assert engine.observers._subscriptions == []

    run(test)


def test_all_pages_share_one_subscription_that_ends_with_the_last(
    engine: Engine, make_queue: MakeQueue
) -> None:
    queue = make_queue()
    many = Streams(lambda: QueueFile(engine))

    async def test() -> None:
        pages = [Listener(many) for _ in range(3)]
        for page in pages:
            assert await page.said.get() == {"moved": True, "signal": None}
        assert len(engine.observers._subscriptions) == 1
        await asyncio.to_thread(queue.enqueue, 1)
        for page in pages:
            assert (await page.said.get())["moved"]
            await page.leave()
        assert engine.observers._subscriptions == []
        again = Listener(many)
        await again.said.get()
        assert len(engine.observers._subscriptions) == 1
        await again.leave()

    run(test)


def test_no_more_pages_listen_than_may(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 1)
    many = Streams(lambda: QueueFile(engine))

    async def test() -> None:
        first = Listener(many)
        await first.said.get()
        second = Listener(many)
        assert await second.begun() == 503
        await second.leave()
        await first.leave()
        third = Listener(many)
        assert await third.begun() == 200
        await third.said.get()
        await third.leave()

    run(test)


@pytest.mark.parametrize("job", ["x", "", "0" * 31])
def test_what_is_no_job_id_is_not_listened_to(client: TestClient, job: str) -> None:
    assert client.get("/events", params={"job": job}).status_code == 400
