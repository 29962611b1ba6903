"""Which host names the application answers to, and that no redirect leads to another."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.responses import RedirectResponse
from starlette.websockets import WebSocketDisconnect

from sprag.web import StartupError
from tests.client import TestClient
from tests.web.conftest import Browse, MakeApp

HERE = ("127.0.0.1", 5000)
ELSEWHERE = ("203.0.113.9", 5000)
OWN = ["localhost", "LOCALHOST:8000", "app.localhost", "127.0.0.1:8000", "[::1]:8000", "127.9.9.9",
       "192.168.1.5:8000", "localhost."]  # fmt: skip
FOREIGN = ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example",
           "evillocalhost", "[::1].evil.example", "127.0.0.1@evil.example", "127.0.0.1:80:80",
           "evil.example."]  # fmt: skip


def status(client: TestClient, host: str, path: str = "/", **headers: str) -> int:
    return int(client.get(path, headers={"Host": host, **headers}).status_code)


def listens(client: TestClient, host: str) -> bool:
    """Whether a page of this host is let in. Its browser says that it is of the same origin."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"Host": host, "Origin": f"http://{host}", "Cookie": cookies}
    try:
        with client.websocket_connect("/_sprag/socket", headers=headers):
            return True
    except WebSocketDisconnect:
        return False


@pytest.mark.parametrize("host", OWN)
def test_this_machine_is_answered_by_its_own_names(
    host: str, make_app: MakeApp, browse: Browse
) -> None:
    client = browse(make_app(), client=HERE)
    assert status(client, host) == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_was_bound_to_this_machine_is_refused(
    host: str, make_app: MakeApp, browse: Browse, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    client = browse(app, client=HERE)
    assert client.get("/", headers={"Host": "localhost"}).status_code == 200
    # A script of the page may send these, so they say nothing of a proxy.
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "localhost"}
    for path in ("/", "/_sprag/events", "/_sprag/assets/sprag.js", "/nowhere"):
        assert status(client, host, path) == 400
        assert status(client, host, path, **forged) == 400
    answer = client.post("/_sprag/actions/enqueue", json={"item": 1}, headers={"Host": host})
    assert answer.status_code == 400
    assert "App(hosts=[...])" in answer.text
    assert not listens(client, host)
    assert not app.queues["work"].jobs().jobs
    assert caplog.text.count("App(hosts=[") == 1


def test_a_page_of_this_machine_listens(make_app: MakeApp, browse: Browse) -> None:
    client = browse(make_app(), "http://127.0.0.1:8000", client=HERE)
    client.get("/")
    assert listens(client, "127.0.0.1:8000")


def test_others_are_answered_by_any_name_unless_the_application_says_which(
    make_app: MakeApp, browse: Browse
) -> None:
    assert status(browse(make_app(), client=ELSEWHERE), "whatever.example") == 200


@pytest.mark.parametrize(
    ("hosts", "host", "right"),
    [
        (["example.org"], "example.org", True), (["example.org"], "EXAMPLE.org:8443", True),
        (["Example.org"], "example.org.", True), (["example.org"], "www.example.org", False),
        (["example.org"], "localhost", False), (["example.org"], "127.0.0.1", False),
        (["*.example.org"], "a.b.example.org", True), (["*.example.org"], "example.org", False),
        (["*.example.org"], "evilexample.org", False), (["*.example.org"], "", False),
        (["*"], "whatever.example", True), ([], "example.org", False),
        (["[::1]"], "[::1]:80", True), ({"10.0.0.1"}, "10.0.0.1", True),
    ],
)  # fmt: skip
def test_an_application_answers_to_the_names_that_it_has(
    hosts: Any, host: str, right: bool, make_app: MakeApp, browse: Browse
) -> None:
    app = make_app(hosts=hosts)
    assert status(browse(app, client=ELSEWHERE), host) == (200 if right else 400)
    near = browse(app, client=HERE)
    assert status(near, "localhost") == 200
    assert status(near, "evil.example") == (200 if "*" in hosts else 400)


@pytest.mark.parametrize(
    "hosts", ["example.org", ["https://example.org"], ["example.org:80"], [5], [""], 5, ["a b"]]
)
def test_hosts_that_are_none(hosts: Any, make_app: MakeApp) -> None:
    with pytest.raises(StartupError, match="App: hosts: expected"):
        make_app(hosts=hosts)


# ---------------------------------------------------------------- redirects


async def leading(scope: Any, receive: Any, send: Any) -> None:
    """Leads to wherever the query says."""
    await RedirectResponse(scope["query_string"].decode())(scope, receive, send)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/ops", "/ops/"), ("/ops?next=5", "/ops/?next=5"), ("/ops/jobs/", "/ops/jobs"),
        ("/static", "/static/"), ("/to", "/to/"),
        ("//evil.example/ops/..%2f", None), ("/%5Cevil.example/", None),
    ],
)  # fmt: skip
def test_no_redirect_takes_its_host_from_the_request(
    path: str, location: str | None, make_app: MakeApp, browse: Browse, tmp_path: Any
) -> None:
    app = make_app(
        mounts={"/to": leading}, dashboard="/ops", dashboard_token="long enough a token",
        static=tmp_path,
    )  # fmt: skip
    client = browse(app, client=ELSEWHERE, follow_redirects=False)
    for host in ("evil.example", "evil.example:8000", "EVIL.example"):
        token = {"Authorization": "Bearer long enough a token"}
        answer = client.get(path, headers={"Host": host, **token})
        told = answer.headers.get("location")
        assert "evil.example/" not in str(told or "").lower().removeprefix("/evil.example/")
        if location is None:
            assert told is None or not told.startswith(("//", "/\\", "http"))
        else:
            assert (answer.status_code // 100, told) == (3, location)


def test_a_redirect_to_another_site_is_the_authors_own(make_app: MakeApp, browse: Browse) -> None:
    client = browse(make_app(mounts={"/to": leading}), follow_redirects=False)
    for there in ("https://example.org/x?y=1", "/x", "x", "//example.org/"):
        assert client.get(f"/to/?{there}").headers["location"] == there


def test_a_request_without_a_host_is_answered_by_default(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "sprag.web")
    app = make_app()
    scope = {"type": "http", "headers": [], "client": HERE}
    assert not app._hosts.refuses(scope)
    assert make_app(hosts=["example.org"])._hosts.refuses({**scope, "client": ELSEWHERE})
