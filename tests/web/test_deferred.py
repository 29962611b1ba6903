"""Deferred actions: answered at once, and told of when they end, whatever becomes of them."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import pytest

from sprag.web import App, live
from tests.client import FINISHED, Visitor, call, served
from tests.support import Gate, sql
from tests.web.conftest import Browse, MakeApp

DEFERRED = """
    import asyncio
    import sys
    from sprag import ActionError, Controller, Field, Schema, action

    GATE = None
    X = Schema("x", {"x": Field(int, required=True)})

    class Home(Controller):
        route = "/"

        @action(defer=True, schema=X)
        def plain(self, x):
            return {"x": x}

        @action(defer=True, schema=X)
        async def other(self, x):
            await asyncio.sleep(0)
            return {"x": x}

        @action(defer=True)
        def hold(self):
            GATE.hold()
            return "held"

        @action(defer=True)
        async def for_ever(self):
            await asyncio.Event().wait()

        @action(defer=True)
        def fails(self):
            raise RuntimeError("the password is swordfish")

        @action(defer=True)
        def exits(self):
            sys.exit("the password is swordfish")

        @action(defer=True)
        async def exits_in_the_loop(self):
            sys.exit("the password is swordfish")

        @action(defer=True)
        def refuses(self):
            raise ActionError("Not on Sundays", status=409, type="sunday")

        @action(defer=True)
        def returns_nonsense(self):
            return object()

        @action
        def quick(self):
            return "quick"
"""


def gated(app: App) -> Gate:
    """The gate that the application's `hold` waits at."""
    app.build()
    gate = Gate()
    module: Any = importlib.import_module(f"{app._parts.routes}.page")
    module.GATE = gate
    return gate


def ended(signal: dict[str, Any]) -> bool:
    return bool(signal["signal"] == FINISHED)


@pytest.mark.parametrize("transport", ["socket", "events"])
@pytest.mark.parametrize("name", ["plain", "other"])
def test_a_deferred_action_is_answered_with_a_task_and_its_result_is_told(
    name: str, transport: str, make_app: MakeApp
) -> None:
    with served(make_app(DEFERRED)) as url, Visitor(url) as visitor:
        opened = visitor.socket() if transport == "socket" else visitor.events()
        with opened as page:
            answer = call(visitor.http, name, x="5")
            assert answer.status_code == 202
            value = answer.json()["value"]
            assert set(value) == {"accepted", "task_id", "action"}
            told = page.until(ended)[-1]
    told.pop("cursor")
    assert told == {
        "signal": FINISHED, "task_id": value["task_id"], "action": name, "ok": True,
        "value": {"x": 5}, "error": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("fails", {"type": "internal", "message": "Something went wrong on the server"}),
        ("exits", {"type": "internal", "message": "Something went wrong on the server"}),
        (
            "exits_in_the_loop",
            {"type": "internal", "message": "Something went wrong on the server"},
        ),
        ("returns_nonsense", {"type": "internal", "message": "Something went wrong on the server"}),
        ("refuses", {"type": "sunday", "message": "Not on Sundays"}),
    ],
)
def test_how_it_failed_is_told_without_what_is_inside(
    name: str, error: dict[str, str], make_app: MakeApp
) -> None:
    with served(make_app(DEFERRED)) as url, Visitor(url) as visitor, visitor.socket() as page:
        visitor.call(name)
        told = page.until(ended)[-1]
    assert (told["ok"], told["value"], told["error"]) == (False, None, error)
    assert "swordfish" not in str(told)


def test_a_payload_is_validated_before_it_is_accepted(make_app: MakeApp, browse: Browse) -> None:
    client = browse(make_app(DEFERRED))
    assert call(client, "plain", x="five").status_code == 400
    assert call(client, "plain").status_code == 400


def test_it_holds_up_nothing_while_it_runs(make_app: MakeApp) -> None:
    app = make_app(DEFERRED, threads=1)
    gate = gated(app)
    with served(app) as url, Visitor(url) as visitor, visitor.socket() as page:
        for _ in range(5):
            visitor.call("hold")
        gate.wait_held(5)
        assert visitor.call("quick") == "quick"
        gate.open()
        assert [page.until(ended)[-1]["value"] for _ in range(5)] == ["held"] * 5


def test_a_page_that_was_away_is_told_afterwards(make_app: MakeApp) -> None:
    app = make_app(DEFERRED)
    gate = gated(app)
    with served(app) as url, Visitor(url) as visitor:
        with visitor.socket() as page:
            task = visitor.call("hold")["task_id"]
            gate.wait_held()
            cursor = page.cursor
        gate.open()
        with visitor.events(after=cursor) as later:
            told = later.until(ended)[-1]
            assert told["task_id"] == task
        # Once alone.
        with visitor.socket(after=told["cursor"]) as again:
            second = visitor.call("plain", x=1)["task_id"]
            assert [signal["task_id"] for signal in again.until(ended)] == [second]


def test_another_session_is_told_nothing(make_app: MakeApp) -> None:
    with (
        served(make_app(DEFERRED)) as url, Visitor(url) as ann, Visitor(url) as ben,
        ben.socket() as page, ben.events() as other, ann.socket() as own,
    ):  # fmt: skip
        ann.call("plain", x=1)
        own.until(ended)
        task = ben.call("plain", x=2)["task_id"]
        for told in (page, other):
            assert [signal["task_id"] for signal in told.until(ended)] == [task]


def test_a_visitor_without_a_session_gets_one_for_it(make_app: MakeApp, browse: Browse) -> None:
    answer = call(browse(make_app(DEFERRED)), "plain", x=1)
    assert answer.status_code == 202
    assert "sprag_session" in answer.headers["set-cookie"]


def test_the_server_waits_for_it_when_it_stops(make_app: MakeApp, database: Path) -> None:
    app = make_app(DEFERRED)
    gate = gated(app)
    with served(app) as url, Visitor(url) as visitor:
        visitor.call("hold")
        gate.wait_held()
        threading.Timer(0.2, gate.open).start()
    assert sql(database, "SELECT data ->> 'value' FROM notice") == [("held",)]


def test_what_does_not_end_in_time_is_cut_off_and_told(
    make_app: MakeApp, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_STOP_SECONDS", 0.1)
    app = make_app(DEFERRED)
    gate = gated(app)
    with served(app) as url, Visitor(url) as visitor:
        visitor.call("hold")
        visitor.call("for_ever")
        gate.wait_held()
    try:
        told = sql(database, "SELECT data ->> 'action', data ->> '$.error.type' FROM notice")
        assert sorted(told) == [("for_ever", "stopped"), ("hold", "stopped")]
    finally:
        gate.open()
