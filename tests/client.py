"""Visitors of an application: in this process, and over real connections to a real server."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
import uvicorn
from starlette.exceptions import StarletteDeprecationWarning
from websockets.sync.client import ClientConnection, connect

from tests.support import DEADLINE, wait_until

with warnings.catch_warnings():
    # It would rather have httpx2, but works with httpx.
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

__all__ = ["Events", "Socket", "TestClient", "Visitor", "call", "cookie_of", "served"]

Signal = dict[str, Any]
JOB_CHANGED = "sprag:queue.job.changed"
FINISHED = "sprag:action.finished"


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[str]:
    """The application on a port of this machine, by default a free one: its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=1,
        # A visitor who is kept waiting may be about to ask when an idle connection is closed.
        timeout_keep_alive=int(DEADLINE),
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def call(client: httpx.Client, name: str, /, **payload: Any) -> httpx.Response:
    """The answer to a call of an action."""
    return client.post(f"/_sprag/actions/{name}", json=payload)


def cookie_of(client: httpx.Client) -> tuple[str, str]:
    """The name and the value of the one session that a visitor has."""
    [found] = [(c.name, c.value) for c in client.cookies.jar if c.name.startswith("sprag_session_")]
    assert found[1] is not None
    return found[0], found[1]


class Signals:
    """What a page is told, one after the other, over whichever transport."""

    def __init__(self) -> None:
        self.all: list[Signal] = []
        self.cursor = ""
        """The newest cursor: where to resume."""

    def next(self) -> Signal:
        """The next signal."""
        raise NotImplementedError

    def until(self, wanted: Callable[[Signal], object]) -> list[Signal]:
        """All from here on up to the first that is wanted, and that one."""
        found = [self.next()]
        while not wanted(found[-1]):
            found.append(self.next())
        return found

    def until_status(self, job_id: str, status: str) -> list[Signal]:
        """All up to the one that says that the job has this status."""
        return self.until(lambda s: (s.get("job_id"), s.get("status")) == (job_id, status))

    def _keep(self, text: str) -> Signal:
        signal: Signal = json.loads(text)
        self.all.append(signal)
        self.cursor = signal["cursor"]
        return signal


class Socket(Signals):
    """A page's WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self.connection = connection

    def next(self) -> Signal:
        text = self.connection.recv(DEADLINE)
        assert isinstance(text, str)
        return self._keep(text)


class Events(Signals):
    """A page's Server-Sent Events."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.ids: list[str] = []
        self._lines = response.iter_lines()

    def next(self) -> Signal:
        id_ = ""
        for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "id":
                id_ = value
            elif field == "data":
                self.ids.append(id_)
                signal = self._keep(value)
                assert id_ == signal["cursor"]
                return signal
        raise EOFError("the stream has ended")


class Visitor:
    """A browser without a window: keeps its cookies, calls actions, and is told signals."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = url
        # To read certificates for https takes longer than most tests.
        self.http = httpx.Client(
            base_url=url, headers=headers, timeout=DEADLINE, trust_env=False, verify=False
        )

    def __enter__(self) -> Self:
        # Each page gives its visitor a session, if there is none yet.
        self.http.get("/")
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def call(self, name: str, /, **payload: Any) -> Any:
        """What an action gave back, which must have gone well."""
        answer = call(self.http, name, **payload)
        assert answer.is_success, answer.text
        return answer.json()["value"]

    @property
    def cookies(self) -> str:
        """As a request sends them."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)

    @contextmanager
    def socket(self, after: str | None = None, **options: Any) -> Iterator[Socket]:
        """A WebSocket of this visitor, that was told that it is connected."""
        url = f"ws{self.url.removeprefix('http')}/_sprag/socket"
        if after is not None:
            url += f"?after={after}"
        with connect(
            url, additional_headers={"Cookie": self.cookies}, proxy=None, open_timeout=DEADLINE,
            # What was sent and not read would keep the answer to a farewell from arriving.
            close_timeout=0.1, **options,
        ) as connection:  # fmt: skip
            socket = Socket(connection)
            assert socket.next()["signal"] == "sprag:connected"
            yield socket

    @contextmanager
    def events(self, after: str | None = None, last: str | None = None) -> Iterator[Events]:
        """Like `socket`, but Server-Sent Events; `last` is sent as Last-Event-ID."""
        headers = {} if last is None else {"Last-Event-ID": last}
        query = {} if after is None else {"after": after}
        with self.http.stream("GET", "/_sprag/events", params=query, headers=headers) as response:
            assert response.status_code == 200
            events = Events(response)
            assert events.next()["signal"] == "sprag:connected"
            yield events
