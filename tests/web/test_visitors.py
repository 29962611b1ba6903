"""Who may see what: sessions, owners, topics; and what other sites can make a browser do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed

from sprag.queue import ConfigurationError, QueueService, new_job_id
from tests.client import TestClient, Visitor, call, served
from tests.support import Gate, finished, named
from tests.web.conftest import Browse, MakeApp, work

ACCOUNT = """
    from starlette.responses import RedirectResponse
    from sprag import Controller, Field, Schema, action

    JOB = {"job_id": Field(str, required=True)}

    class Home(Controller):
        route = "/"
        template = "page.html"

        @action(schema=Schema("login", {"user": Field(str, required=True)}))
        def login(self, user):
            self.session["user"] = user

        @action
        def logout(self):
            self.session.clear()

        @action(name="enqueue", schema=Schema("enqueue", {
            "item": Field(int, default=0), "owner": Field(str), "topic": Field(str),
            "job_id": Field(str), "unique": Field(str),
        }))
        def enqueue_one(self, item, owner, topic, job_id, unique):
            return self.enqueue(
                "work", item, owner=owner, topic=topic, job_id=job_id, unique=unique
            )

        @action(schema=Schema("status", JOB))
        def status(self, job_id):
            return self.job_status("work", job_id)

        @action(schema=Schema("cancel", JOB))
        def cancel(self, job_id):
            return self.request_job_cancel("work", job_id)

        @action
        def mine(self):
            return [job["id"] for job in self.jobs("work")]

    class Leave(Controller):
        route = "/leave"

        def load(self):
            self.session.clear()
            return RedirectResponse("/")
"""
SOURCES = {"page.py": ACCOUNT, "page.html": "<h1>Page</h1>"}


def user_of(connection: HTTPConnection) -> object:
    return connection.session.get("user")


# ---------------------------------------------------------------- other visitors


def test_another_session_sees_nothing_of_a_job(make_app: MakeApp, browse: Browse) -> None:
    app = make_app(SOURCES)
    ann, ben = browse(app), browse(app)
    ben.get("/")
    id_ = call(ann, "enqueue", item=1).json()["value"]["job_id"]
    finished(work(app), id_)
    for name in ("status", "cancel"):
        refused = call(ben, name, job_id=id_)
        assert refused.status_code == 404
        # The same as of one that never was.
        assert refused.json() == call(ben, name, job_id="f" * 32).json()
    assert call(ben, "mine").json()["value"] == []
    assert call(ann, "mine").json()["value"] == [id_]


def test_a_unique_job_is_found_by_its_own_user_and_hidden_from_others(
    make_app: MakeApp, browse: Browse
) -> None:
    gate = Gate()
    app = make_app(SOURCES, handler=lambda queue, item: gate.hold())
    ann, ben = browse(app), browse(app)
    first = call(ann, "enqueue", item=1, unique="key").json()["value"]
    again = call(ann, "enqueue", item=2, unique="key").json()["value"]
    assert (first["existing"], again["existing"]) == (False, True)
    assert first["job_id"] == again["job_id"]
    refused = call(ben, "enqueue", item=1, unique="key")
    assert refused.status_code == 409
    assert refused.json()["error"]["type"] == "job_exists"
    assert first["job_id"] not in refused.text
    gate.open()


def test_another_session_gets_no_job_by_repeating_its_enqueue(
    make_app: MakeApp, browse: Browse
) -> None:
    app = make_app(SOURCES)
    ann, ben = browse(app), browse(app)
    id_ = new_job_id()
    first = call(ann, "enqueue", item=5, job_id=id_)
    assert first.json()["value"]["job_id"] == id_
    finished(work(app), id_)
    for item in (5, 6):
        refused = call(ben, "enqueue", item=item, job_id=id_)
        assert refused.status_code == 409
        assert refused.json()["error"]["type"] == "job_exists"
    again = call(ann, "enqueue", item=5, job_id=id_)
    assert again.json()["value"]["job"]["result"] == 5


def test_another_session_cannot_cancel_a_job_that_waits(make_app: MakeApp, browse: Browse) -> None:
    app = make_app(SOURCES, run_jobs=False)
    ann, ben = browse(app), browse(app)
    id_ = call(ann, "enqueue").json()["value"]["job_id"]
    assert call(ben, "cancel", job_id=id_).status_code == 404
    assert call(ann, "status", job_id=id_).json()["value"]["status"] == "queued"


def listening(visitor: Visitor, transport: str, after: str | None = None) -> Any:
    return visitor.socket(after) if transport == "socket" else visitor.events(after)


@pytest.mark.parametrize("transport", ["socket", "events"])
def test_another_session_is_told_nothing_live_or_afterwards(
    make_app: MakeApp, transport: str
) -> None:
    app = make_app(SOURCES)
    with served(app) as url, Visitor(url) as ann, Visitor(url) as ben:
        with listening(ben, transport) as page:
            theirs = [ann.call("enqueue")["job_id"] for _ in range(5)]
            finished(work(app), *theirs)
            own = ben.call("enqueue")["job_id"]
            assert {s["job_id"] for s in page.until_status(own, "completed")} == {own}
        with listening(ben, transport, "0.0.0") as page:
            assert {s["job_id"] for s in page.until_status(own, "completed")} == {own}


def test_an_owner_sees_the_jobs_in_all_sessions(make_app: MakeApp) -> None:
    app = make_app(SOURCES, identify=user_of)
    with served(app) as url, Visitor(url) as desk, Visitor(url) as phone, Visitor(url) as ben:
        for visitor, user in ((desk, "ann"), (phone, "ann"), (ben, "ben")):
            visitor.call("login", user=user)
        with phone.socket() as page:
            id_ = desk.call("enqueue")["job_id"]
            page.until_status(id_, "completed")
        assert phone.call("status", job_id=id_)["status"] == "completed"
        assert phone.call("mine") == [id_]
        assert call(ben.http, "status", job_id=id_).status_code == 404
        given = ben.call("enqueue", owner="ann")["job_id"]
        assert phone.call("status", job_id=given)
        assert call(ben.http, "status", job_id=given).status_code == 404


NOBODY: list[Any] = [None, "", " ", "\t\n", 0, 0.0, False]


@pytest.mark.parametrize("nobody", NOBODY, ids=repr)
def test_an_identity_that_names_nobody_leaves_each_session_its_own(
    nobody: Any, make_app: MakeApp, browse: Browse
) -> None:
    app = make_app(SOURCES, identify=lambda connection: nobody)
    ann, ben = browse(app), browse(app)
    id_ = call(ann, "enqueue").json()["value"]["job_id"]
    assert call(ann, "mine").json()["value"] == [id_]
    assert call(ben, "mine").json()["value"] == []
    assert call(ben, "status", job_id=id_).status_code == 404
    given = call(ann, "enqueue", owner=nobody if isinstance(nobody, str) else None)
    assert call(ben, "status", job_id=given.json()["value"]["job_id"]).status_code == 404


@pytest.mark.parametrize("key", ["ann", 5, -1, UUID(int=0), "0", "False"], ids=repr)
def test_an_identity_may_be_a_text_a_number_or_a_uuid(
    key: Any, make_app: MakeApp, browse: Browse
) -> None:
    app = make_app(SOURCES, identify=lambda connection: key)
    ann, ben = browse(app), browse(app)
    id_ = call(ann, "enqueue").json()["value"]["job_id"]
    assert call(ben, "status", job_id=id_).status_code == 200


async def _later() -> None: ...


@pytest.mark.parametrize("key", [True, b"ann", 1.5, ["ann"], object(), _later], ids=named)
def test_an_identity_of_another_type_is_an_error_that_says_what_to_return(
    key: Any, make_app: MakeApp, browse: Browse, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(SOURCES, identify=lambda connection: key() if key is _later else key)
    assert call(browse(app), "enqueue").status_code == 500
    assert "App(identify=): expected the key of the jobs' owner" in caplog.text
    assert "for a user, give its id" in caplog.text


@pytest.mark.parametrize("topics", [5, [5], ["news", ""], [None]], ids=repr)
def test_topics_that_are_none_are_an_error(
    topics: Any, make_app: MakeApp, browse: Browse, caplog: pytest.LogCaptureFixture
) -> None:
    client = browse(make_app(SOURCES, topics=lambda connection: topics))
    assert call(client, "status", job_id=new_job_id()).status_code in (404, 500)
    client.get("/")
    with pytest.raises((TypeError, ConfigurationError), match="topic"):
        client.get("/_sprag/events")


def test_followers_of_a_topic_see_its_jobs(make_app: MakeApp) -> None:
    def topics(connection: HTTPConnection) -> Iterable[str]:
        return "news" if connection.session.get("user") == "ann" else ()

    app = make_app(SOURCES, topics=topics)
    with served(app) as url, Visitor(url) as ann, Visitor(url) as ben:
        ann.call("login", user="ann")
        with ann.events() as page:
            id_ = ben.call("enqueue", topic="news")["job_id"]
            page.until_status(id_, "completed")
        assert ann.call("status", job_id=id_)
        assert call(ben.http, "status", job_id=id_).status_code == 404


def test_an_owner_is_not_a_topic_of_the_same_name(make_app: MakeApp, browse: Browse) -> None:
    app = make_app(SOURCES, topics=lambda connection: ["ann", "x:owner:ann"])
    client = browse(app)
    id_ = call(client, "enqueue", owner="ann").json()["value"]["job_id"]
    assert call(client, "status", job_id=id_).status_code == 404


@pytest.mark.parametrize("transport", ["socket", "events"])
def test_who_logs_in_is_told_of_the_owners_jobs_from_then_on(
    make_app: MakeApp, transport: str
) -> None:
    app = make_app(SOURCES, identify=user_of)
    with served(app) as url, Visitor(url) as desk, Visitor(url) as phone:
        desk.call("login", user="ann")
        with listening(phone, transport) as page:
            phone.call("login", user="ann")
            with pytest.raises((ConnectionClosed, EOFError)):
                page.next()
            cursor = page.cursor
        id_ = desk.call("enqueue")["job_id"]
        with listening(phone, transport, cursor) as page:
            page.until_status(id_, "completed")


@pytest.mark.parametrize("way", ["action", "page"])
@pytest.mark.parametrize("transport", ["socket", "events"])
def test_who_logs_out_is_told_no_more(make_app: MakeApp, transport: str, way: str) -> None:
    app = make_app(SOURCES, identify=user_of)
    with served(app) as url, Visitor(url) as phone:
        phone.call("login", user="ann")
        with listening(phone, transport) as page:
            if way == "action":
                phone.call("logout")
            else:
                phone.http.get("/leave")
            with pytest.raises((ConnectionClosed, EOFError)):
                page.next()


def test_a_call_that_changes_nothing_closes_no_page(make_app: MakeApp) -> None:
    app = make_app(SOURCES, identify=user_of)
    with served(app) as url, Visitor(url) as phone:
        phone.call("login", user="ann")
        with phone.socket() as page:
            phone.call("login", user="ann")
            phone.http.get("/")
            page.until_status(phone.call("enqueue")["job_id"], "completed")


# ---------------------------------------------------------------- other sites

OURS: list[dict[str, str]] = [
    {}, {"Origin": "http://testserver"}, {"Origin": "HTTP://TestServer"},
    {"Origin": "http://testserver:80"}, {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"}, {"Origin": "https://testserver", "Host": "testserver"},
    {"Origin": "https://friend.example"}, {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
    {"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"},
]  # fmt: skip
THEIRS: list[dict[str, str]] = [
    {"Origin": "null"}, {"Origin": ""}, {"Origin": "http://evil.example"},
    {"Origin": "http://sub.testserver"}, {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://eviltestserver"}, {"Origin": "http://testserver:8080"},
    {"Origin": "http://testserver@evil.example"}, {"Origin": "http://evil.example@testserver"},
    {"Origin": "http://user:pw@testserver"}, {"Origin": "http://evil.example\\@testserver"},
    {"Origin": "http://evil.example#@testserver"}, {"Origin": "http://evil.example/testserver"},
    {"Origin": "http://testserver/"}, {"Origin": "http://testserver, http://evil.example"},
    {"Origin": "file://testserver"}, {"Origin": "chrome-extension://testserver"},
    {"Origin": "//testserver"}, {"Origin": "testserver"}, {"Origin": "http://"},
    {"Origin": "http://testserver:0x50"}, {"Origin": "http://testserver:"},
    {"Origin": "http://[::1"}, {"Origin": "http://testserver."},
    {"Origin": "http://friend.example"}, {"Origin": "https://friend.example:444"},
    {"Origin": "https://sub.friend.example"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "x"},
    {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://testserver", "Sec-Fetch-Site": "same-site"},
]  # fmt: skip


def some(headers: dict[str, str]) -> str:
    return " ".join(headers.values()) or "nothing"


@pytest.fixture
def client(make_app: MakeApp, browse: Browse) -> TestClient:
    started = browse(make_app(origins=["https://friend.example"]))
    started.get("/")
    return started


@pytest.mark.parametrize("headers", OURS, ids=some)
def test_this_sites_pages_may_call_and_listen(headers: dict[str, str], client: TestClient) -> None:
    answer = client.post("/_sprag/actions/enqueue", json={"item": 1}, headers=headers)
    assert answer.status_code == 200, answer.text
    with client.websocket_connect("/_sprag/socket", headers=headers) as page:
        assert page.receive_json()["signal"] == "sprag:connected"


@pytest.mark.parametrize("headers", THEIRS, ids=lambda headers: repr(some(headers)))
def test_other_sites_pages_may_not(headers: dict[str, str], client: TestClient) -> None:
    answer = client.post("/_sprag/actions/enqueue", json={"item": 1}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "forbidden")
    answer = client.get("/_sprag/events", headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "forbidden")
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect("/_sprag/socket", headers=headers),
    ):
        pass
    assert closed.value.code == 1008


def test_no_answer_invites_other_sites(client: TestClient) -> None:
    for method, path in (("GET", "/"), ("OPTIONS", "/_sprag/actions/enqueue")):
        answer = client.request(method, path, headers={"Origin": "http://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# ---------------------------------------------------------------- pages


def policy(answer: httpx.Response) -> dict[str, str]:
    parts = answer.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (part.partition(" ") for part in parts)}


PYTHON = "from sprag import Module\n\nclass Home(Module):\n    pass\n"
SCRIPT = "import { Module } from './sprag.js'\nexport class Home extends Module {}\n"
PAGE = """
    from sprag import Controller
    class Home(Controller):
        route = "/"
        title = "<Title>"
        def load(self):
            return {"text": "</script><script>alert(1)</script><!--\\u2028&"}
"""


@pytest.mark.parametrize(
    ("module", "scripts"),
    [
        ({}, "'self'"), ({"page_module.js": SCRIPT}, "'self'"),
        ({"page_module.py": PYTHON}, "'self' 'unsafe-eval'"),
    ],
)  # fmt: skip
def test_a_page_says_what_it_may_load(
    module: dict[str, str], scripts: str, make_app: MakeApp, browse: Browse
) -> None:
    client = browse(make_app({"page.py": PAGE, "page.html": "<p>{{ text }}</p>", **module}))
    answer = client.get("/")
    said = policy(answer)
    assert said["script-src"] == scripts
    assert (said["object-src"], said["base-uri"], said["frame-ancestors"]) == ("'none'",) * 3
    assert answer.headers["cache-control"] == "private, no-cache"
    for name, value in {
        "x-content-type-options": "nosniff", "x-frame-options": "DENY",
        "referrer-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
    }.items():  # fmt: skip
        assert answer.headers[name] == value
        assert client.get("/_sprag/events", headers={"Origin": "null"}).headers[name] == value
        assert client.get("/nowhere").headers[name] == value


FILE = """
    from starlette.responses import FileResponse
    from sprag import Controller

    class Mine(Controller):
        route = "/mine"
        def load(self):
            return FileResponse(__file__)

    class Everyones(Controller):
        route = "/everyones"
        def load(self):
            return FileResponse(__file__, headers={"Cache-Control": "public, max-age=60"})
"""


def test_what_load_sends_is_for_its_visitor_alone_unless_it_says_otherwise(
    make_app: MakeApp, browse: Browse
) -> None:
    client = browse(make_app({"page.py": FILE}))
    assert client.get("/mine").headers["cache-control"] == "private, no-cache"
    assert client.get("/everyones").headers["cache-control"] == "public, max-age=60"


def test_what_a_page_loads_never_becomes_html(make_app: MakeApp, browse: Browse) -> None:
    sources = {"page.py": PAGE, "page.html": "<p>{{ text }}</p>", "page_module.py": PYTHON}
    text = browse(make_app(sources)).get("/").text
    assert "alert(1)</script>" not in text
    assert "<title>&lt;Title&gt;</title>" in text
    assert "<p>&lt;/script&gt;" in text
    config = text.partition('id="sprag-page">')[2].partition("</script>")[0]
    assert not set("<>&\u2028") & set(config)
    assert json.loads(config)["state"]["text"].startswith("</script><script>alert(1)")


BROKEN = """
    from sprag import Controller
    from sprag.queue import JobNotFound
    class Home(Controller):
        route = "/"
        template = "page.html"
        def load(self):
            raise RuntimeError("the password is swordfish")
    class Away(Controller):
        route = "/away/{id}"
        template = "page.html"
        def load(self, id):
            raise JobNotFound(id, "secret-queue")
    class Nothing(Controller):
        route = "/nothing"
        template = "page.html"
        async def load(self):
            return None
"""


def test_what_goes_wrong_in_a_page_shows_nothing(make_app: MakeApp, browse: Browse) -> None:
    app = make_app({"page.py": BROKEN, "page.html": ""})
    client = browse(app, raise_server_exceptions=False)
    for path, status in {"/": 500, "/nothing": 500, "/away/<b>": 404, "/nowhere/<b>": 404}.items():
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text in ("Something went wrong on the server\n", "Not found\n")
    assert client.post("/").status_code == 405
    assert client.get("/_sprag/assets/..%2f..%2fsetup.py").status_code == 404
    assert client.get("/_sprag/assets/os.py").headers["content-type"].startswith("text/plain")


def test_what_a_job_says_is_never_sent_as_html(make_app: MakeApp, browse: Browse) -> None:
    gate = Gate()

    def say(queue: QueueService, item: Any) -> Any:
        queue.report_progress(1, 2, message="<script>alert(1)</script>")
        gate.hold()

    client = browse(make_app(handler=say))
    answer = call(client, "enqueue", item="<script>")
    gate.open()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_page_whose_template_was_not_found_says_to_the_server_which(
    make_app: MakeApp, browse: Browse
) -> None:
    source = """
        from sprag import Controller
        class Home(Controller):
            route = "/"
            def load(self):
                return dict(x=1)
    """
    client = browse(make_app({"page.py": source, "pag.html": ""}))
    with pytest.raises(TypeError, match=r"no template, got dict; for a page, write \S+/page\.html"):
        client.get("/")
