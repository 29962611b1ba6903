"""What an action takes and answers, whatever is sent to it."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sprag.queue import QueueService, task
from sprag.web import ActionError, Field, Schema
from tests.client import TestClient, call
from tests.support import Gate, finished, queue_class, raw, sql
from tests.web.conftest import Browse, MakeApp, work

ECHO = """
    from pathlib import Path
    from typing import Any, Literal, Optional
    from pydantic import BaseModel
    from sprag import ActionError, Controller, Field, Schema, Upload, action

    class Size(BaseModel):
        width: int
        height: int = 10

    def echo(name, type_=str, **options):
        return Schema(name, {"x": Field(type_, **options)})

    class Home(Controller):
        route = "/"

        @action(schema=echo("text", str, required=True, min_length=2, max_length=5))
        def text(self, x):
            return x

        @action(schema=echo("pattern", str, pattern="^[a-z]+$"))
        def pattern(self, x):
            return x

        @action(schema=echo("number", int, default=7, min=1, max=10))
        def number(self, x):
            return x

        @action(schema=echo("flag", bool))
        def flag(self, x):
            return x

        @action(schema=echo("choice", str, choices=("a", "b"), default="a"))
        def choice(self, x):
            return x

        @action(schema=echo("numbers", list[int], default=[1], max_length=3))
        def numbers(self, x):
            x.append(99)
            return x

        @action(schema=echo("size", Size))
        def size(self, x):
            return None if x is None else [type(x).__name__, x.width, x.height]

        @action(schema=echo("sizes", dict[str, Size]))
        def sizes(self, x):
            return x

        @action(schema=echo("anything", Any))
        def anything(self, x):
            return x

        @action(schema=echo("bounded", Any, min=1))
        def bounded(self, x):
            return x

        @action
        def nothing(self):
            return "done"

        @action(name="dotted.name-2")
        async def other(self):
            return "async"

        @action(schema=echo("files", list[Upload], required=True, max_length=2))
        def files(self, x):
            return [[file.name, file.size, file.read().decode()] for file in x]

        @action(schema=Schema("file", {"x": Field(Upload, required=True), "title": Field(str)}))
        def file(self, x, title):
            x.save(self.app.database + ".copy")
            return [x.name, x.size, x.content_type, title]

        @action
        def fails(self):
            raise RuntimeError("the password is swordfish")

        @action
        async def fails_too(self):
            raise RuntimeError("the password is swordfish")

        @action
        def refuses(self):
            raise ActionError("Not on Sundays", status=409, type="sunday")

        @action
        def returns_nonsense(self):
            return object()

        @action
        def returns_all(self):
            return {"t": (1, 2), "s": {3}, "b": b"x", "nan": float("nan"), "p": Path("a/b"), 5: 6}

        @action
        def wants_unknown_queue(self):
            return self.enqueue("no" + "where", 1)

        @action
        def enqueues_nonsense(self):
            return self.enqueue("work", object())
"""


@pytest.fixture
def client(make_app: MakeApp, browse: Browse) -> TestClient:
    return browse(make_app(ECHO, max_body_bytes=10_000, max_upload_bytes=100_000))


def refused(answer: httpx.Response, status: int, type_: str) -> dict[str, Any]:
    """The error of an answer that must be one."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"ok", "error"}
    assert body["ok"] is False
    error: dict[str, Any] = body["error"]
    assert set(error) == {"type", "message", "fields"}
    assert error["type"] == type_
    assert isinstance(error["message"], str)
    return error


# ---------------------------------------------------------------- payloads that are taken


@pytest.mark.parametrize(
    ("name", "sent", "reached"),
    [
        ("text", {"x": "abc"}, "abc"),
        ("text", {"x": "äöü"}, "äöü"),
        ("pattern", {"x": "abc"}, "abc"),
        ("pattern", {}, None),
        ("pattern", {"x": None}, None),
        ("number", {"x": 5}, 5),
        ("number", {"x": "5"}, 5),
        ("number", {"x": 5.0}, 5),
        ("number", {}, 7),
        ("flag", {"x": "true"}, True),
        ("flag", {"x": 0}, False),
        ("choice", {"x": "b"}, "b"),
        ("choice", {}, "a"),
        ("numbers", {"x": ["1", 2]}, [1, 2, 99]),
        ("numbers", {}, [1, 99]),
        ("size", {"x": {"width": "3"}}, ["Size", 3, 10]),
        ("size", {}, None),
        ("sizes", {"x": {"a": {"width": 1, "height": 2}}}, {"a": {"width": 1, "height": 2}}),
        ("anything", {"x": [None, True, 1e300, {"a": {}}]}, [None, True, 1e300, {"a": {}}]),
        ("anything", {"x": 2**80}, 2**80),
        ("bounded", {"x": 3}, 3),
        ("nothing", {}, "done"),
        ("dotted.name-2", {}, "async"),
    ],
)
def test_a_valid_payload_reaches_the_method_as_the_schema_says(
    name: str, sent: dict[str, Any], reached: Any, client: TestClient
) -> None:
    answer = call(client, name, **sent)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"ok": True, "value": reached}


def test_a_default_is_fresh_for_each_call(client: TestClient) -> None:
    assert [call(client, "numbers").json()["value"] for _ in range(2)] == [[1, 99], [1, 99]]


def test_what_an_action_returns_becomes_json_as_far_as_it_can(client: TestClient) -> None:
    assert call(client, "returns_all").json()["value"] == {
        "t": [1, 2], "s": [3], "b": "eA==", "nan": None, "p": "a/b", "5": 6,
    }  # fmt: skip


# ---------------------------------------------------------------- payloads that are not


@pytest.mark.parametrize(
    ("name", "sent", "field", "type_"),
    [
        ("text", {}, "x", "missing"),
        ("text", {"x": None}, "x", "string_type"),
        ("text", {"x": 5}, "x", "string_type"),
        ("text", {"x": "a"}, "x", "string_too_short"),
        ("text", {"x": "abcdef"}, "x", "string_too_long"),
        ("text", {"x": "abc", "y": 1}, "y", "extra_forbidden"),
        ("pattern", {"x": "ABC"}, "x", "string_pattern_mismatch"),
        ("number", {"x": "five"}, "x", "int_parsing"),
        ("number", {"x": 5.5}, "x", "int_from_float"),
        ("number", {"x": 0}, "x", "greater_than_equal"),
        ("number", {"x": 11}, "x", "less_than_equal"),
        ("number", {"x": [1]}, "x", "int_type"),
        ("choice", {"x": "c"}, "x", "value_error"),
        ("numbers", {"x": [1, "b"]}, "x.1", "int_parsing"),
        ("numbers", {"x": [1, 2, 3, 4]}, "x", "too_long"),
        ("size", {"x": {"height": 1}}, "x.width", "missing"),
        ("sizes", {"x": {"a": {"width": "b"}}}, "x.a.width", "int_parsing"),
        ("nothing", {"x": 1}, "x", "extra_forbidden"),
        ("files", {"x": ["a.txt"]}, "x.0", "upload"),
        ("file", {"x": {"name": "a", "size": 1}}, "x", "upload"),
    ],
)
def test_an_invalid_payload_is_told_field_by_field(
    name: str, sent: dict[str, Any], field: str, type_: str, client: TestClient
) -> None:
    error = refused(call(client, name, **sent), 400, "invalid_payload")
    assert [(one["field"], one["type"]) for one in error["fields"]] == [(field, type_)]
    assert error["fields"][0]["message"]


def test_every_wrong_field_is_told_up_to_a_bound(client: TestClient) -> None:
    many = {f"f{n}": n for n in range(500)}
    for name in ("text", "nothing"):
        error = refused(call(client, name, **many), 400, "invalid_payload")
        assert len(error["fields"]) == 50


def test_the_sentence_about_a_payload_says_what_it_leaves_out(client: TestClient) -> None:
    def said(**sent: int) -> str:
        return str(refused(call(client, "text", **sent), 400, "invalid_payload")["message"])

    assert "more" not in said(a=1, b=2)  # and x is missing
    assert said(a=1, b=2, c=3, d=4).endswith("; and 2 more")


def test_of_very_many_mistakes_none_is_told() -> None:
    # To read 300,000 of them held up the event loop for more than a second.
    schema = Schema("numbers", {"x": Field(list[int])})
    with pytest.raises(ActionError) as caught:
        schema.validate({"x": ["a"] * 1_001})
    assert caught.value.message == "Not valid: 1,001 mistakes"
    assert caught.value.fields == []
    with pytest.raises(ActionError) as caught:
        schema.validate({"x": ["a"] * 1_000})
    assert len(caught.value.fields) == 50


def test_a_choice_says_what_is_allowed(client: TestClient) -> None:
    error = refused(call(client, "choice", x="c"), 400, "invalid_payload")
    assert error["fields"][0]["message"] == "expected one of a, b"


def test_a_bound_that_the_value_cannot_be_compared_with(client: TestClient) -> None:
    refused(call(client, "bounded", x="abc"), 400, "invalid_payload")
    refused(call(client, "bounded", x=[1]), 400, "invalid_payload")


JSON = {"Content-Type": "application/json"}


def sent(client: TestClient, name: str, body: bytes | Iterator[bytes]) -> httpx.Response:
    answer: httpx.Response = client.post(f"/_sprag/actions/{name}", content=body, headers=JSON)
    return answer


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b"[1]", b"5", b"null", b'"text"', b'{"x": NaN}', b'{"x": Infinity}',
        b"\xff\xfe", b'{"x": "\xff"}', b"{'x': 1}", b'{"x": 1,}', b"\0", b"[" * 9_000,
        b'{"x":' + b"9" * 5_000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(body: bytes, client: TestClient) -> None:
    refused(sent(client, "anything", body), 400, "invalid_json")


def test_what_is_nested_deeper_than_it_could_be_stored_is_refused(client: TestClient) -> None:
    def nested(depth: int) -> bytes:
        return b'{"x":' + b"[" * depth + b"]" * depth + b"}"

    assert sent(client, "anything", nested(90)).status_code == 200
    for depth in (150, 500, 900, 2_000, 4_000):
        error = refused(sent(client, "anything", nested(depth)), 400, "invalid_json")
        assert error["message"] == "The body has more than 100 levels of nesting"
    wide = json.dumps({"x": [[[]]] * 1000}).encode()
    assert sent(client, "anything", wide).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"\\ud800": 1}', b'{"x": "\\ud800"}', b'{"x": {"\\udfff": 1}}',
        b'{"x": "\xed\xa0\x80"}', '{"x": "\\ud800"}'.encode("utf-16-le"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["anything", "text", "nothing", "size", "sizes", "choice"])
def test_lone_surrogates_are_refused(name: str, body: bytes, client: TestClient) -> None:
    assert sent(client, name, body).status_code == 400


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "\xe4"],
)
def test_another_media_type_is_refused(kind: str, client: TestClient) -> None:
    headers = {"Content-Type": kind.encode("latin-1")}
    answer = client.post("/_sprag/actions/nothing", content=b"{}", headers=headers)
    refused(answer, 415, "unsupported_media_type")


def test_a_media_type_may_have_parameters_and_capitals(client: TestClient) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/_sprag/actions/nothing", content=b"{}", headers=headers).is_success


# ---------------------------------------------------------------- names and methods


@pytest.mark.parametrize("name", ["unknown", "Text", "load", "enqueue", "__init__", "a%00b", "..."])
def test_an_unknown_action_is_not_found(name: str, client: TestClient) -> None:
    answer = client.post(f"/_sprag/actions/{name}", json={})
    refused(answer, 404, "unknown_action")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"])
@pytest.mark.parametrize("name", ["nothing", "unknown"])
def test_another_method_is_refused(method: str, name: str, client: TestClient) -> None:
    answer = client.request(method, f"/_sprag/actions/{name}")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


# ---------------------------------------------------------------- bounds


def test_a_body_above_the_bound_is_refused(client: TestClient) -> None:
    large = json.dumps({"x": "a" * 10_000}).encode()
    refused(sent(client, "anything", large), 413, "too_large")
    refused(sent(client, "anything", iter([large[:6_000], large[6_000:]])), 413, "too_large")
    assert sent(client, "anything", large[:5_000] + b'"}').status_code == 200


def test_a_body_above_the_bound_is_not_read_to_its_end(client: TestClient) -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while given < 10_000_000:
            given += 1_000
            yield b" " * 1_000

    refused(sent(client, "anything", endless()), 413, "too_large")
    headers = {**JSON, "Content-Length": "99999999999"}
    answer = client.post("/_sprag/actions/anything", content=b"{}", headers=headers)
    refused(answer, 413, "too_large")


def test_a_form_above_the_bound_is_refused(client: TestClient) -> None:
    files = {"x": ("a.bin", b"a" * 100_001)}
    answer = client.post("/_sprag/actions/file", files=files)
    refused(answer, 413, "too_large")


def test_a_payload_above_what_the_queue_stores_is_refused(
    make_app: MakeApp, browse: Browse
) -> None:
    queue = queue_class()(max_payload_bytes=100)
    client = browse(make_app(providers={"work": queue}))
    refused(call(client, "enqueue", item="a" * 200), 413, "too_large")


# ---------------------------------------------------------------- files


def test_a_file_and_fields_beside_it(client: TestClient, database: Path) -> None:
    answer = client.post(
        "/_sprag/actions/file",
        files={"x": ("C:\\photos\\..\\a b.png", b"bytes", "image/png")},
        data={"payload": json.dumps({"title": "A"})},
    )
    assert answer.json()["value"] == ["a b.png", 5, "image/png", "A"]
    assert Path(f"{database}.copy").read_bytes() == b"bytes"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("../../etc/passwd", "passwd"), ("..", "file"), ("", "file"), ("a/", "a"),
        ("\u202egnp.exe", "gnp.exe"), (".hidden", "hidden"),
        ("x" * 300 + ".png", "x" * 196 + ".png"),
    ],
)  # fmt: skip
def test_a_files_name_is_no_path(sent: str, name: str, client: TestClient) -> None:
    part = f'--b\r\nContent-Disposition: form-data; name="x"; filename="{sent}"\r\n\r\n\r\n--b--'
    answer = client.post(
        "/_sprag/actions/files", content=part.encode(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )  # fmt: skip
    assert answer.json()["value"][0][0] == name


def test_several_files_of_one_name_are_a_list(client: TestClient) -> None:
    two = [("x", ("a.txt", b"1")), ("x", ("b.txt", b"22"))]
    answer = client.post("/_sprag/actions/files", files=two)
    assert answer.json()["value"] == [["a.txt", 1, "1"], ["b.txt", 2, "22"]]
    error = refused(client.post("/_sprag/actions/file", files=two), 400, "invalid_payload")
    assert error["fields"][0]["field"] == "x"
    three = [*two, ("x", ("c.txt", b"3"))]
    refused(client.post("/_sprag/actions/files", files=three), 400, "invalid_payload")


def test_one_file_is_a_list_of_one_where_a_list_is_expected(client: TestClient) -> None:
    answer = client.post("/_sprag/actions/files", files=[("x", ("a.txt", b"1"))])
    assert answer.json() == {"ok": True, "value": [["a.txt", 1, "1"]]}


FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--b--"),
        (FORM, b"nonsense"),
        (FORM, b"--b\r\nnonsense\r\n\r\nx\r\n--b--"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nA\r\n--b--'),
        (FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\nA\r\n--b--"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="payload"\r\n\r\n[1]\r\n--b--'),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="payload"\r\n\r\n\xff\r\n--b--'),
        (
            FORM,
            b'--b\r\nContent-Disposition: form-data; name="payload"; filename="a"\r\n\r\n\r\n--b--',
        ),
        (FORM + "; charset=nonsense", b"--b--"),
        ("multipart/form-data; boundary=", b"--b--"),
        ("multipart/form-data; boundary=" + "b" * 5_000, b"--b--"),
    ],
)
def test_a_broken_form_is_refused(kind: str, body: bytes, client: TestClient) -> None:
    answer = client.post("/_sprag/actions/file", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] in ("invalid_form", "invalid_json", "invalid_payload")


@pytest.mark.parametrize(
    "charset", ["punycode", "idna", "unicode_escape", "utf-7", "latin-1", '""']
)
def test_a_form_that_says_it_is_not_utf_8_is_refused(charset: str, client: TestClient) -> None:
    # Punycode takes the square of the length: 87 seconds for what one call may send.
    body = b'--b\r\nContent-Disposition: form-data; name="payload"\r\n\r\n{"title": "A"}\r\n--b--'
    kind = f"{FORM}; charset={charset}"
    answer = client.post("/_sprag/actions/files", content=body, headers={"Content-Type": kind})
    assert refused(answer, 400, "invalid_form")["message"] == "Expected a form in UTF-8"


def test_a_form_may_say_that_it_is_utf_8(client: TestClient) -> None:
    body = '--b\r\nContent-Disposition: form-data; name="x"; filename="ä"\r\n\r\nA\r\n--b--'
    kind = f"{FORM}; charset=UTF-8"
    answer = client.post(
        "/_sprag/actions/files", content=body.encode(), headers={"Content-Type": kind}
    )
    assert answer.json()["value"] == [["ä", 1, "A"]]


def test_a_form_of_too_many_parts_is_refused(client: TestClient) -> None:
    many = [("x", (f"{n}.txt", b"")) for n in range(101)]
    refused(client.post("/_sprag/actions/files", files=many), 400, "invalid_form")
    fields = {f"f{n}": "1" for n in range(11)}
    answer = client.post("/_sprag/actions/files", files=many[:1], data=fields)
    refused(answer, 400, "invalid_form")


# ---------------------------------------------------------------- what goes wrong inside


@pytest.mark.parametrize(
    "name",
    ["fails", "fails_too", "returns_nonsense", "wants_unknown_queue"],
)
def test_a_mistake_inside_shows_nothing_of_itself(
    name: str, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = call(client, name)
    error = refused(answer, 500, "internal")
    assert error["message"] == "Something went wrong on the server"
    for word in ("swordfish", "Error", "object", "nowhere", ".py", "Traceback"):
        assert word not in answer.text
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_an_action_may_refuse_in_its_own_words(client: TestClient) -> None:
    error = refused(call(client, "refuses"), 409, "sunday")
    assert error["message"] == "Not on Sundays"


def test_what_cannot_be_stored_is_the_callers_to_hear(client: TestClient) -> None:
    refused(call(client, "enqueues_nonsense"), 400, "invalid_payload")


def test_a_file_that_another_process_holds_makes_it_unavailable(
    make_app: MakeApp, browse: Browse, database: Path
) -> None:
    queue = queue_class()(busy_seconds=0.1)
    app = make_app(providers={"work": queue})
    client = browse(app)
    with raw(database) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = call(client, "enqueue", item=1)
        refused(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "5"
        assert str(database) not in answer.text
        other.execute("ROLLBACK")
    assert call(client, "enqueue", item=1).is_success


def test_a_stopped_queue_makes_it_unavailable(make_app: MakeApp, browse: Browse) -> None:
    app = make_app()
    client = browse(app)
    app.file.engine.database.close()
    refused(call(client, "enqueue", item=1), 503, "unavailable")


# ---------------------------------------------------------------- jobs

KEYS = {"accepted", "existing", "job_id", "job", "queue", "message", "status", "progress"}


def test_enqueue_status_and_cancel_answer_in_one_shape(make_app: MakeApp, browse: Browse) -> None:
    gate = Gate()

    def hold(queue: QueueService, item: Any) -> Any:
        queue.report_progress(1, 4, message="a <b>")
        gate.hold()
        queue.check_cancelled()
        return item

    app = make_app(handler=hold)
    client = browse(app)
    first = call(client, "enqueue", item={"a": 1}).json()["value"]
    assert set(first) == KEYS
    assert (first["accepted"], first["status"], first["queue"]) == (True, "queued", "work")
    assert (first["job"]["id"], first["message"]) == (first["job_id"], "Waiting")
    gate.wait_held()
    now = call(client, "status", job_id=first["job_id"]).json()["value"]
    assert set(now) == KEYS
    assert (now["status"], now["job"]["attempt"]) == ("running", 1)
    stopping = call(client, "cancel", job_id=first["job_id"]).json()["value"]
    assert set(stopping) == KEYS
    assert (stopping["accepted"], stopping["status"]) == (True, "cancelling")
    gate.open()
    finished(work(app), first["job_id"])
    end = call(client, "status", job_id=first["job_id"]).json()["value"]
    assert (end["status"], end["job"]["cancel_requested"]) == ("cancelled", True)
    assert end["progress"] == {"current": 1, "total": 4, "percent": 25, "message": "a <b>"}


def test_to_cancel_what_has_ended_is_not_accepted(make_app: MakeApp, browse: Browse) -> None:
    app = make_app()
    client = browse(app)
    id_ = call(client, "enqueue", item=1).json()["value"]["job_id"]
    finished(work(app), id_)
    late = call(client, "cancel", job_id=id_).json()["value"]
    assert (late["accepted"], late["status"]) == (False, "completed")
    assert late["message"] == "Too late: it is completed"
    assert late["job"]["result"] == 1


def test_a_full_queue_is_no_error(make_app: MakeApp, browse: Browse, database: Path) -> None:
    client = browse(make_app(
        providers={"work": queue_class()(max_queued=2, worker_count=1)}, run_jobs=False
    ))  # fmt: skip
    answers = [call(client, "enqueue", item=n) for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["value"]["accepted"] for answer in answers] == [True, True, False]
    last = answers[-1].json()["value"]
    assert set(last) == KEYS
    assert (last["job_id"], last["job"], last["status"]) == (None, None, None)
    assert "full" in last["message"]
    assert sql(database, "SELECT count(*) FROM job") == [(2,)]


@pytest.mark.parametrize("id_", ["", "nonsense", "0" * 32, "f" * 32, "../x", "\0", "a" * 5_000])
@pytest.mark.parametrize("name", ["status", "cancel"])
def test_a_job_that_never_was_is_not_found(
    name: str, id_: str, make_app: MakeApp, browse: Browse
) -> None:
    refused(call(browse(make_app()), name, job_id=id_), 404, "unknown_job")


def test_a_failed_job_says_why_but_not_where(make_app: MakeApp, browse: Browse) -> None:
    def fail(queue: QueueService, item: Any) -> Any:
        raise ValueError("no such picture <script>")

    app = make_app(handler=fail)
    client = browse(app)
    id_ = call(client, "enqueue", item=1).json()["value"]["job_id"]
    finished(work(app), id_)
    answer = call(client, "status", job_id=id_)
    value = answer.json()["value"]
    assert value["job"]["error"] == {"type": "ValueError", "message": "no such picture <script>"}
    assert value["message"] == "no such picture <script>"
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text


# ---------------------------------------------------------------- the event loop

HELD = """
    from sprag import Controller, action

    GATE = None

    class Home(Controller):
        route = "/"

        @action
        def hold(self):
            GATE.hold()
            return "held"

        @action
        async def quick(self):
            return "quick"
"""


def test_an_action_that_takes_long_holds_up_no_other(make_app: MakeApp, browse: Browse) -> None:
    app = make_app(HELD, threads=3)
    client = browse(app)
    gate = Gate()
    module: Any = importlib.import_module(f"{app._parts.routes}.page")
    module.GATE = gate
    answers: list[str] = []

    def ask() -> None:
        answers.append(call(client, "hold").json()["value"])

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    gate.wait_held(2)
    assert call(client, "quick").json()["value"] == "quick"
    assert client.get("/").status_code == 200
    assert answers == []
    gate.open()
    for thread in threads:
        thread.join()
    assert answers == ["held", "held"]


# ---------------------------------------------------------------- a visitor's options

OPTIONS = """
    from sprag import Controller, Field, Schema, action

    class Home(Controller):
        route = "/"

        @action(name="enqueue", schema=Schema("enqueue", {"options": Field(dict)}))
        def enqueue_one(self, options):
            return self.enqueue("work", 1, **options)

        @action(schema=Schema("directly", {"options": Field(dict)}))
        def directly(self, options):
            return self.queue("work").enqueue(1, **options).id

        @action(schema=Schema("listed", {"options": Field(dict)}))
        def listed(self, options):
            return self.queue("work").jobs(**options)

        @action(schema=Schema("again", {"job_id": Field(str)}))
        def again(self, job_id):
            return self.queue("work").requeue(job_id).id
"""


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        ("report.pdf", "report.pdf"), ("a\0b\nc\td", "a b c d"), ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"), ("ä🎉" * 300, ("ä🎉" * 300)[:199] + "…"),
        ("  a\r\n\u202e b\u2028", "a b"), ("", None), ("\0\n ", None), (None, None),
    ],
)  # fmt: skip
def test_any_text_of_a_visitor_becomes_a_label(
    label: str | None, kept: str | None, make_app: MakeApp, browse: Browse
) -> None:
    client = browse(make_app(OPTIONS))
    answer = call(client, "enqueue", options={"label": label})
    assert answer.status_code == 200, answer.text
    assert answer.json()["value"]["job"]["label"] == kept


@pytest.mark.parametrize("name", ["enqueue", "directly"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("label", 5), ("job_id", "nonsense"), ("job_id", "\0"), ("job_id", 5), ("priority", "high"),
        ("priority", 10**30), ("priority", 1.5), ("delay", -1), ("delay", 1e300), ("delay", "soon"),
        ("delay", 10**400), ("run_at", -1), ("run_at", "tomorrow"), ("max_attempts", 0),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_is_a_400_that_names_it(
    name: str, option: str, value: Any, make_app: MakeApp, browse: Browse
) -> None:
    client = browse(make_app(OPTIONS))
    answer = call(client, name, options={option: value})
    refused(answer, 400, "invalid_payload")
    [field] = answer.json()["error"]["fields"]
    assert field["field"] == option
    assert field["message"].startswith("expected ")


@pytest.mark.parametrize(
    "options", [{"topic": "t" * 300}, {"topic": " "}, {"owner": "o\0"}, {"topic": "\n"}]
)
def test_an_audience_that_cannot_be_is_a_400(
    options: dict[str, str], make_app: MakeApp, browse: Browse
) -> None:
    refused(call(browse(make_app(OPTIONS)), "enqueue", options=options), 400, "invalid_payload")


@pytest.mark.parametrize("options", [{"limit": 0}, {"after": "x"}, {"status": "nonsense"}])
def test_a_page_of_jobs_that_cannot_be_is_a_400(
    options: dict[str, Any], make_app: MakeApp, browse: Browse
) -> None:
    refused(call(browse(make_app(OPTIONS)), "listed", options=options), 400, "invalid_payload")


def test_a_full_queue_that_is_asked_directly_says_to_come_back(
    make_app: MakeApp, browse: Browse
) -> None:
    app = make_app(OPTIONS, providers={"work": queue_class()(max_queued=1)}, run_jobs=False)
    client = browse(app)
    id_ = call(client, "directly", options={}).json()["value"]
    answer = call(client, "directly", options={})
    refused(answer, 503, "queue_full")
    assert answer.headers["retry-after"] == "5"
    refused(call(client, "again", job_id=id_), 409, "illegal_move")


def test_a_mistake_of_the_author_is_a_500(make_app: MakeApp, browse: Browse) -> None:
    client = browse(make_app(OPTIONS))
    refused(call(client, "enqueue", options={"nonsense": 1}), 500, "internal")


class Tasks(QueueService):
    name = "tasks"
    worker_count = 1

    @task
    def welcome(self, user_id: int) -> int:
        return user_id


def test_an_action_enqueues_a_call_of_a_task_for_its_user(make_app: MakeApp) -> None:
    page = """
        from sprag import Controller, action

        class Home(Controller):
            route = "/"

            @action
            def welcome(self):
                call = self.queue("tasks").welcome.args(user_id=7)
                return self.enqueue("tasks", call, label="user 7")

            @action
            def elsewhere(self):
                return self.enqueue("work", self.queue("tasks").welcome.args(1))
    """
    queues = {"tasks": Tasks(grace_seconds=0.0), "work": queue_class()(grace_seconds=0.0)}
    app = make_app(page, providers=queues)
    with TestClient(app) as client:
        client.get("/")
        said = client.post("/_sprag/actions/welcome", json={}).json()["value"]
        assert said["accepted"]
        (job,) = finished(queues["tasks"], said["job_id"])
        assert (job.task, job.label, job.result) == ("welcome", "user 7", 7)
        assert job.audience
        failed = client.post("/_sprag/actions/elsewhere", json={})
        assert failed.status_code >= 400
