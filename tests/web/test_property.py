"""Whatever is sent to an action, the answer is JSON that says what was wrong, never a 500."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sprag.web import App
from tests.client import TestClient, cookie_of
from tests.support import examples
from tests.web.conftest import MakeApp

ECHO = """
    from typing import Any
    from sprag import Controller, Field, Schema, Upload, action

    class Home(Controller):
        route = "/"

        @action(schema=Schema("any", {"x": Field(Any)}))
        def any(self, x):
            return x

        @action(schema=Schema("typed", {
            "text": Field(str, required=True, max_length=20), "number": Field(int, min=0, max=9),
            "list": Field(list[float], default=[]), "map": Field(dict[str, bool]),
            "file": Field(Upload),
        }))
        async def typed(self, text, number, list, map, file):
            return [text, number, list, map]

        @action
        def nothing(self):
            return None
"""

QUIET = settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)
odd_text = st.text(st.characters(exclude_categories=()))
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_text,
    lambda inner: st.lists(inner) | st.dictionaries(odd_text, inner),
    max_leaves=15,
)
names = st.sampled_from(["any", "typed", "nothing", "unknown"])
KINDS = (
    "application/json", "multipart/form-data; boundary=b", "multipart/form-data", "text/plain", "",
    "application/json; charset=utf-16",
)  # fmt: skip


@pytest.fixture
def client(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> Iterator[TestClient]:
    app: App = make_app(ECHO)
    with TestClient(app) as started:
        yield started
    # What goes wrong inside is logged with its traceback.
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def check(status: int, text: str) -> dict[str, Any]:
    """An answer as it must be, whatever was asked."""
    body: dict[str, Any] = json.loads(text)
    assert status in (200, 400, 403, 404, 405, 413, 415)
    assert "Traceback" not in text
    assert body["ok"] is (status == 200)
    if not body["ok"]:
        assert set(body["error"]) == {"type", "message", "fields"}
    return body


@QUIET
@given(name=names, payload=odd)
def test_any_json(client: TestClient, name: str, payload: Any) -> None:
    answer = client.post(
        f"/_sprag/actions/{name}", content=json.dumps(payload).encode(),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    check(answer.status_code, answer.text)


@QUIET
@given(
    name=names,
    kind=st.sampled_from(KINDS),
    body=st.binary(max_size=200)
    | st.binary(max_size=60).map(lambda part: b"--b\r\nContent-Disposition: form-data; " + part),
)
def test_any_bytes(client: TestClient, name: str, kind: str, body: bytes) -> None:
    answer = client.post(f"/_sprag/actions/{name}", content=body, headers={"Content-Type": kind})
    check(answer.status_code, answer.text)


value = st.binary(max_size=40).map(
    lambda raw: bytes(byte for byte in raw if byte >= 32 and byte != 127)
)


@QUIET
@given(
    name=names,
    headers=st.dictionaries(
        st.sampled_from([
            "Content-Type", "Content-Length", "Origin", "Sec-Fetch-Site", "Cookie", "Host",
            "Accept-Encoding", "X-Forwarded-For", "Last-Event-ID",
        ]),
        value,
    ),
)  # fmt: skip
def test_any_headers(client: TestClient, name: str, headers: dict[str, bytes]) -> None:
    given = {"Content-Type": b"application/json", **headers}
    answer = client.post(f"/_sprag/actions/{name}", content=b'{"x": 1}', headers=given)
    check(answer.status_code, answer.text)


@QUIET
@given(value=value)
def test_any_cookie(client: TestClient, value: bytes) -> None:
    client.cookies.clear()
    client.get("/")
    name = cookie_of(client)[0].encode()
    client.cookies.clear()
    headers = {"Cookie": name + b"=" + value, "Content-Type": b"application/json"}
    answer = client.post("/_sprag/actions/nothing", content=b"{}", headers=headers)
    assert check(answer.status_code, answer.text)["ok"]


@QUIET
@given(payload=plain.filter(lambda found: "nan" not in str(found) and "inf" not in str(found)))
def test_what_is_valid_reaches_the_method_exactly_so(client: TestClient, payload: Any) -> None:
    answer = client.post("/_sprag/actions/any", json={"x": payload})
    assert answer.status_code == 200, answer.text
    assert answer.json()["value"] == payload


@QUIET
@given(
    text=st.text(max_size=20),
    number=st.integers(0, 9),
    list_=st.lists(st.floats(allow_nan=False, allow_infinity=False)),
    map_=st.dictionaries(st.text(), st.booleans()),
)
def test_what_the_schema_takes_reaches_the_method_as_it_was_sent(
    client: TestClient, text: str, number: int, list_: list[float], map_: dict[str, bool]
) -> None:
    payload = {"text": text, "number": number, "list": list_, "map": map_}
    answer = client.post("/_sprag/actions/typed", json=payload)
    assert answer.status_code == 200, answer.text
    assert answer.json()["value"] == list(payload.values())


@QUIET
@given(cursor=odd_text.map(lambda text: text.encode(errors="replace").decode()))
def test_any_cursor(client: TestClient, cursor: str) -> None:
    client.get("/")
    query = urlencode({"after": cursor})
    with client.websocket_connect(f"/_sprag/socket?{query}") as page:
        assert page.receive_json()["cursor"] == "0.0.0"
