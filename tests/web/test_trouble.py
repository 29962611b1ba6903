"""What goes wrong while a page or an action is answered: its author sees why, visitors do not."""

from __future__ import annotations

import pytest

from tests.client import call
from tests.web.conftest import Browse, MakeApp

BROKEN = """
    from sprag import ActionError, Controller, action

    class Home(Controller):
        route = "/"

        def load(self):
            raise RuntimeError("the <b>password</b> is swordfish")

        @action
        def go(self):
            raise RuntimeError("the password is swordfish")

    class Undefined(Controller):
        route = "/undefined"
        template = "undefined.html"

    class Refused(Controller):
        route = "/refused"

        def load(self):
            raise ActionError("Not before noon", status=409)
"""
SOURCES = {"page.py": BROKEN, "undefined.html": "<h1>Page</h1>\n{{ jobz }}"}
NEAR = ("127.0.0.1", 5000)
FAR = ("203.0.113.9", 5000)


def test_the_author_sees_the_traceback_in_development(make_app: MakeApp, browse: Browse) -> None:
    app = make_app(SOURCES, debug=True)
    client = browse(app, "http://localhost", client=NEAR, raise_server_exceptions=False)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "<h1>RuntimeError: the &lt;b&gt;password&lt;/b&gt; is swordfish</h1>" in answer.text
    assert "page.py&quot;, line " in answer.text
    assert "<b>" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "UndefinedError" in client.get("/undefined").text
    assert "undefined.html&quot;, line 2" in client.get("/undefined").text
    said = call(client, "go").json()["error"]["message"]
    assert said.startswith("Something went wrong on the server: RuntimeError: the password")


@pytest.mark.parametrize(
    ("debug", "client"), [(False, NEAR), (True, FAR), (True, ("testclient", 5))]
)
def test_nobody_else_sees_anything(
    debug: bool, client: tuple[str, int], make_app: MakeApp, browse: Browse
) -> None:
    app = make_app(SOURCES, debug=debug)
    visitor = browse(app, "http://localhost", client=client, raise_server_exceptions=False)
    for path in ("/", "/undefined"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.text) == (500, "Something went wrong on the server\n")
    assert call(visitor, "go").json()["error"]["message"] == "Something went wrong on the server"


def test_what_load_refuses_has_its_status_and_its_words(make_app: MakeApp, browse: Browse) -> None:
    answer = browse(make_app(SOURCES)).get("/refused")
    assert (answer.status_code, answer.text) == (409, "Not before noon\n")
    assert answer.headers["content-type"].startswith("text/plain")
