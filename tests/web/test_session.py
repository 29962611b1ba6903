"""The session: what a visitor's signed cookie keeps, and what it refuses to keep."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from sprag.web import App
from sprag.web.errors import SessionTooLarge
from sprag.web.session import Cookie, Session
from tests.client import TestClient, call, cookie_of
from tests.support import queue_class
from tests.web.conftest import Browse, MakeApp, WritePackage

KEEPING = """
    from sprag import Controller, Field, Schema, action

    class Home(Controller):
        route = "/"
        template = "page.html"

        def load(self):
            return {"kept": len(self.session.get("cart", []))}

        @action(name="enqueue", schema=Schema("enqueue", {"item": Field(int)}))
        def enqueue_one(self, item):
            return self.enqueue("work", item)

        @action(schema=Schema("status", {"job_id": Field(str, required=True)}))
        def status(self, job_id):
            return self.job_status("work", job_id)

        @action(schema=Schema("keep", {"size": Field(int), "inside": Field(bool)}))
        def keep(self, size, inside):
            if inside:
                self.session["cart"].append("x" * size)
            else:
                self.session["cart"] = ["x" * size]

        @action(schema=Schema("login", {"user": Field(str)}))
        def login(self, user):
            self.session["user"] = user

    class Full(Controller):
        route = "/full"
        template = "page.html"

        def load(self):
            self.session["seen"] = "x" * 5000
            return {"kept": 0}
"""
SOURCES = {"page.py": KEEPING, "page.html": "<p>kept {{ kept }}</p>"}


def set_cookie(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"]


# ---------------------------------------------------------------- the cookie


def test_the_cookie_is_for_this_site_alone(make_app: MakeApp, browse: Browse) -> None:
    app = make_app()
    cookie = set_cookie(browse(app).get("/")).lower()
    assert re.match(r"sprag_session_[0-9a-f]{8}=", cookie)
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/;" in cookie
    assert "secure" not in cookie
    assert "domain" not in cookie
    assert "secure" in set_cookie(browse(app, "https://testserver").get("/")).lower()


def test_a_session_lasts_and_is_not_sent_again_each_time(make_app: MakeApp, browse: Browse) -> None:
    client = browse(make_app())
    first = client.get("/")
    assert "set-cookie" in first.headers
    assert "set-cookie" not in client.get("/").headers
    assert "set-cookie" not in call(client, "enqueue", item=1).headers


@pytest.mark.parametrize("forge", ["tampered", "cut", "unsigned", "other secret", "nonsense"])
def test_a_forged_cookie_is_nobody(forge: str, make_app: MakeApp, browse: Browse) -> None:
    app = make_app()
    client = browse(app)
    id_ = call(client, "enqueue", item=1).json()["value"]["job_id"]
    name, good = cookie_of(client)
    if forge == "other secret":
        other = browse(make_app(secret="another secret of the tests, as long"))
        other.get("/")
        bad = cookie_of(other)[1]
    else:
        bad = {
            "tampered": good[:5] + ("A" if good[5] != "A" else "B") + good[6:],
            "cut": good[:-1],
            "unsigned": good.partition(".")[0],
            "nonsense": "nonsense",
        }[forge]
    thief = TestClient(app, cookies={name: bad})
    assert call(thief, "status", job_id=id_).status_code == 404
    assert call(client, "status", job_id=id_).status_code == 200


def test_what_is_in_the_session_stays_the_sessions(make_app: MakeApp, browse: Browse) -> None:
    client = browse(make_app(SOURCES))
    call(client, "login", user="ann")
    said = json.loads(base64.b64decode(cookie_of(client)[1].partition(".")[0] + "=="))
    assert said["user"] == "ann"


def test_a_mounted_application_neither_sees_nor_replaces_the_session(
    make_app: MakeApp, browse: Browse
) -> None:
    seen: list[Any] = []

    async def look(request: Request) -> Response:
        seen.append(dict(request.scope.get("session", {})))
        request.session["theirs"] = 1
        return JSONResponse({})

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        seen.append("session" in scope)
        await Response("bare")(scope, receive, send)

    inner = Starlette(
        routes=[Route("/", look)], middleware=[Middleware(SessionMiddleware, secret_key="x")]
    )
    app = make_app(SOURCES, mounts={"/inner": inner, "/bare": bare})
    client = browse(app)
    call(client, "login", user="ann")
    before = cookie_of(client)
    assert client.get("/bare/").text == "bare"
    answer = client.get("/inner/")
    assert seen == [False, {}]
    assert [cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")] == [
        "session"
    ]
    assert cookie_of(client) == before


# ---------------------------------------------------------------- two applications on one host


@contextlib.contextmanager
def side_by_side(*apps: App) -> Iterator[TestClient]:
    """A visitor of several applications, at /0, /1, …"""

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for app in apps:
                await stack.enter_async_context(app.lifespan())
            yield

    mounts = [Mount(f"/{n}", app) for n, app in enumerate(apps)]
    with TestClient(Starlette(routes=mounts, lifespan=life)) as client:
        yield client


def test_two_applications_on_one_host_keep_their_sessions_apart(
    write_package: WritePackage, tmp_path: Path
) -> None:
    package = write_package(SOURCES)
    apps = [
        App(
            routes=package, database=tmp_path / f"{n}.db", secret="one secret of both sites",
            providers={"work": queue_class()()},
        )
        for n in range(2)
    ]  # fmt: skip
    with side_by_side(*apps) as client:
        for _ in range(2):
            for n in range(2):
                client.get(f"/{n}/")
        told = {(c.path, c.name) for c in client.cookies.jar}
        assert [path for path, _ in sorted(told)] == ["/0", "/1"]
        assert len({name for _, name in told}) == 2
        id_ = client.post("/0/_sprag/actions/enqueue", json={"item": 1}).json()["value"]["job_id"]
        client.get("/1/")
        client.post("/1/_sprag/actions/login", json={"user": "ann"})
        answer = client.post("/0/_sprag/actions/status", json={"job_id": id_})
        assert answer.status_code == 200, answer.text


def test_two_applications_on_two_ports_keep_their_sessions_apart(
    write_package: WritePackage, tmp_path: Path, browse: Browse
) -> None:
    package = write_package(SOURCES)
    jar = httpx.Cookies()
    ids = []
    for turn in range(2):
        for n in range(2):
            app = App(routes=package, database=tmp_path / f"{n}.db",
                      providers={"work": queue_class()()})  # fmt: skip
            client = browse(app, f"http://testserver:{8000 + n}")
            client.cookies = jar  # browsers send a host's cookies to all its ports
            if turn == 0:
                ids.append(call(client, "enqueue", item=1).json()["value"]["job_id"])
            else:
                assert call(client, "status", job_id=ids[n]).status_code == 200
            jar = client.cookies


def test_the_path_of_a_request_gets_nothing_into_the_cookie() -> None:
    scope = {"type": "http", "root_path": "/a; domain=evil\r\n", "scheme": "http"}
    cookie = Cookie("name", "a secret").header(Session({"x": 1}, 300), scope)
    assert "; path=/a%3B%20domain%3Devil%0D%0A; " in cookie


# ---------------------------------------------------------------- what no cookie can keep


def test_a_session_that_grows_past_what_browsers_keep_is_an_error_where_it_is_written(
    make_app: MakeApp, browse: Browse, caplog: pytest.LogCaptureFixture
) -> None:
    client = browse(make_app(SOURCES))
    assert call(client, "keep", size=2000).status_code == 200
    kept = cookie_of(client)
    refused = call(client, "keep", size=3000)
    assert (refused.status_code, refused.json()["error"]["type"]) == (500, "internal")
    assert "SessionTooLarge" in caplog.text
    assert "the largest key is 'cart'" in caplog.text
    assert 'self.session["cart"] = ["x" * size]' in caplog.text
    assert cookie_of(client) == kept
    # A change inside a value is kept, or refused, as well.
    assert call(client, "keep", size=500, inside=True).status_code == 200
    assert "kept 2" in client.get("/").text
    assert call(client, "keep", size=2000, inside=True).status_code == 500
    assert "kept 2" in client.get("/").text


def test_a_page_whose_session_grows_too_large_is_an_error(
    make_app: MakeApp, browse: Browse
) -> None:
    client = browse(make_app(SOURCES))
    with pytest.raises(SessionTooLarge):
        client.get("/full")


def test_the_largest_session_that_is_taken_is_one_that_browsers_keep(
    make_app: MakeApp, browse: Browse
) -> None:
    client = browse(make_app(SOURCES), "https://testserver")
    least, most = 1000, 5000
    while most - least > 1:
        size = (least + most) // 2
        answer = call(client, "keep", size=size)
        least, most = (size, most) if answer.is_success else (least, size)
    cookie = set_cookie(call(client, "keep", size=least - 1))
    assert 4085 <= len(cookie.replace("; max-age=2592000", "")) <= 4096


def test_a_session_that_could_not_be_kept_is_left_as_it_was() -> None:
    session = Session({"user": "ann"}, 300)
    wrong: list[tuple[Any, Any, type[Exception]]] = [
        ("cart", "x" * 300, SessionTooLarge), ("cart", {1, 2}, TypeError),
        ("cart", float("nan"), ValueError), (5, "x", TypeError), ("user", object(), TypeError),
    ]  # fmt: skip
    for name, value, kind in wrong:
        with pytest.raises(kind, match="session: "):
            session[name] = value
        with pytest.raises(kind, match="session: "):
            session.update({"other": 1, name: value})
        assert session == {"user": "ann"}
    with pytest.raises(SessionTooLarge):
        session.setdefault("cart", "x" * 300)
    with pytest.raises(SessionTooLarge):
        session |= {"cart": "x" * 300}
    session |= {"cart": 1}
    assert session.setdefault("cart", 2) == 1
    session.sent = True
    with pytest.raises(RuntimeError, match="user cannot be kept, as the answer"):
        session["user"] = "ben"
