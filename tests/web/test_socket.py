"""The socket is found wherever the application is, though no middleware comes before it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.websockets import WebSocketDisconnect

from tests.client import TestClient
from tests.web.conftest import SECRET, MakeApp


def connected(client: TestClient, path: str, **headers: str) -> Any:
    with client.websocket_connect(path, headers=headers) as socket:
        return socket.receive_json()["signal"]


def test_a_page_listens_below_the_path_of_an_outer_application(make_app: MakeApp) -> None:
    app = make_app(secret=SECRET)
    outer = Starlette(routes=[Mount("/inside", app)], lifespan=app.lifespan)
    with TestClient(outer) as client:
        client.get("/inside/")
        assert connected(client, "/inside/_sprag/socket") == "sprag:connected"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_sprag/socket"):
            pass


@pytest.mark.parametrize("path", ["/proxied/_sprag/socket", "/_sprag/socket"])
def test_a_page_listens_behind_a_proxy_that_tells_its_path(make_app: MakeApp, path: str) -> None:
    with TestClient(make_app(secret=SECRET), root_path="/proxied") as client:
        client.get("/proxied/")
        # A browser sends it to the path that it knows; the proxy may pass on another one.
        cookie = "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)
        assert connected(client, path, cookie=cookie) == "sprag:connected"


def test_there_is_no_socket_elsewhere(make_app: MakeApp) -> None:
    with TestClient(make_app(secret=SECRET)) as client:
        client.get("/")
        for path in ("/", "/_sprag/socket/", "/other/_sprag/socket"):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(path):
                pass


def test_who_listens_is_told_by_session_and_application(make_app: MakeApp) -> None:
    found: list[tuple[Any, Any]] = []

    def identify(connection: Any) -> None:
        found.append((dict(connection.session), connection.app))

    app = make_app(secret=SECRET, identify=identify)
    with TestClient(app) as client:
        client.get("/")
        assert connected(client, "/_sprag/socket") == "sprag:connected"
    session, application = found[-1]
    assert "sprag_id" in session
    assert application is app.build()


def test_a_socket_without_a_session_is_refused(make_app: MakeApp) -> None:
    with (
        TestClient(make_app(secret=SECRET)) as client,
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/_sprag/socket"),
    ):
        pass
