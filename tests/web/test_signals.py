"""Pages are told every move of their jobs, once and in order, over either transport."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from sprag.queue import QueueService
from sprag.web import App
from sprag.web.hub import Hub
from sprag.web.news import Position
from tests.client import Signal, Signals, Visitor, served
from tests.support import Gate, finished, sql, wait_until
from tests.web.conftest import MakeApp, work

Listen = Callable[..., contextlib.AbstractContextManager[Signals]]


@pytest.fixture(params=["socket", "events"])
def transport(request: pytest.FixtureRequest) -> str:
    """Either transport."""
    name: str = request.param
    return name


def listen(visitor: Visitor, transport: str, after: str | None = None) -> Any:
    return visitor.socket(after) if transport == "socket" else visitor.events(after)


@contextlib.contextmanager
def visiting(app: App) -> Iterator[Visitor]:
    with served(app) as url, Visitor(url) as visitor:
        yield visitor


def hub(app: App) -> Hub:
    """The open pages of the server."""
    assert app._live._hub is not None
    return app._live._hub


def moves(signals: list[Signal]) -> list[tuple[str, str]]:
    return [(s["job_id"], s["event"]) for s in signals if s.get("event", "progress") != "progress"]


def seqs(signals: list[Signal]) -> list[int]:
    return [s["seq"] for s in signals if s.get("event", "progress") != "progress"]


def journal(database: Path) -> list[int]:
    return [seq for (seq,) in sql(database, "SELECT seq FROM transition ORDER BY seq")]


# ---------------------------------------------------------------- what is told


def test_every_move_of_a_job_is_told_in_order(make_app: MakeApp, transport: str) -> None:
    app = make_app()
    with visiting(app) as visitor, listen(visitor, transport) as page:
        id_ = visitor.call("enqueue", item=1)["job_id"]
        told = page.until_status(id_, "completed")
    assert moves(told) == [(id_, "enqueue"), (id_, "start"), (id_, "complete")]
    assert [s["status"] for s in told] == ["queued", "running", "completed"]
    first = told[0]
    assert set(first) == {
        "signal", "cursor", "seq", "job_id", "queue", "task", "status", "event", "attempt", "at",
        "progress",
    }  # fmt: skip
    assert (first["signal"], first["queue"]) == ("sprag:queue.job.changed", "work")


def test_both_transports_tell_the_same(make_app: MakeApp) -> None:
    def report(queue: QueueService, item: Any) -> Any:
        queue.report_progress(1, 2, message="half <b> \u2028")
        return "x"

    app = make_app(handler=report)
    with visiting(app) as visitor, visitor.socket() as one, visitor.events() as other:
        ids = [visitor.call("enqueue", item=n)["job_id"] for n in range(5)]
        for page in (one, other):
            waiting = set(ids)
            while waiting:
                signal = page.next()
                if signal["status"] == "completed":
                    waiting.discard(signal["job_id"])
        assert seqs(one.all[1:]) == seqs(other.all[1:])
        by_seq = [{s["seq"]: {**s, "cursor": ""} for s in page.all[1:] if s["event"] != "progress"}
                  for page in (one, other)]  # fmt: skip
        assert by_seq[0] == by_seq[1]


def test_progress_of_jobs_that_report_at_once_is_told_of_each(
    make_app: MakeApp, transport: str
) -> None:
    gate = Gate()

    def report(queue: QueueService, item: Any) -> Any:
        queue.report_progress(item, 10)
        gate.hold()

    app = make_app(handler=report)
    with visiting(app) as visitor, listen(visitor, transport) as page:
        ids = {visitor.call("enqueue", item=n)["job_id"] for n in range(4)}
        gate.wait_held(4)
        told: dict[str, Any] = {}
        while told.keys() != ids:
            (*_, signal) = page.until(lambda s: s["event"] == "progress")
            told[signal["job_id"]] = signal["progress"]
        assert sorted(progress["current"] for progress in told.values()) == [0, 1, 2, 3]
        gate.open()


def test_a_page_that_resumes_between_two_reports_gets_the_other(
    make_app: MakeApp, transport: str
) -> None:
    gate = Gate()

    def report(queue: QueueService, item: Any) -> Any:
        queue.report_progress(item, 10)
        gate.hold()

    app = make_app(handler=report)
    with visiting(app) as visitor:
        ids = {visitor.call("enqueue", item=n)["job_id"] for n in range(4)}
        gate.wait_held(4)
        wait_until(lambda: all(work(app).get(id_).progress for id_ in ids))
        cursor = "0.0.0"
        told: list[str] = []
        # Each time it is cut off after one report.
        while len(told) < 4:
            with listen(visitor, transport, cursor) as page:
                told += [page.until(lambda s: s["event"] == "progress")[-1]["job_id"]]
                cursor = page.cursor
        assert set(told) == ids
        gate.open()


def test_a_signal_comes_after_its_commit(make_app: MakeApp) -> None:
    app = make_app()
    with visiting(app) as visitor, visitor.socket() as page:
        for n in range(20):
            id_ = visitor.call("enqueue", item=n)["job_id"]
            for signal in page.until_status(id_, "completed"):
                assert signal["seq"] in journal(Path(app.database))
            assert visitor.call("status", job_id=id_)["status"] == "completed"


# ---------------------------------------------------------------- resuming


def test_a_page_that_comes_back_gets_what_it_missed_and_nothing_twice(
    make_app: MakeApp, transport: str, database: Path
) -> None:
    with visiting(make_app()) as visitor:
        with listen(visitor, transport) as page:
            first = visitor.call("enqueue", item=0)["job_id"]
            before = page.until_status(first, "running")
            cursor = page.cursor
        missed = [visitor.call("enqueue", item=n)["job_id"] for n in range(20)]
        with listen(visitor, transport, cursor) as page:
            after = page.until_status(missed[-1], "completed")
            while len(seqs(before + after)) < len(journal(database)):
                after.append(page.next())
    assert sorted(seqs(before + after)) == journal(database)
    assert seqs(after) == sorted(seqs(after))


def test_server_sent_events_resume_by_the_id_that_browsers_hand_back(make_app: MakeApp) -> None:
    with visiting(make_app()) as visitor:
        id_ = visitor.call("enqueue", item=0)["job_id"]
        with visitor.events(after="0.0.0") as page:
            told = page.until_status(id_, "completed")
            assert page.ids == [s["cursor"] for s in page.all]
        # It counts more than what the address said when the page was opened.
        with visitor.events(after="0.0.0", last=told[0]["cursor"]) as page:
            assert page.until_status(id_, "completed") == told[1:]


@pytest.mark.parametrize(
    "cursor",
    ["", "nonsense", "-1.0.0", "1", "1.2.3.4", "9" * 400, "٣.٣.٣", "999999.999999.999999", "1.2x"],
)
def test_a_cursor_that_is_none_begins_at_the_end(
    cursor: str, make_app: MakeApp, transport: str
) -> None:
    with visiting(make_app()) as visitor:
        first = visitor.call("enqueue", item=0)["job_id"]
        wait_until(lambda: visitor.call("status", job_id=first)["status"] == "completed")
        with listen(visitor, transport, cursor) as page:
            second = visitor.call("enqueue", item=0)["job_id"]
            told = page.until_status(second, "completed")
    assert {s["job_id"] for s in told} == {second}


def test_pages_that_reconnect_all_the_time_miss_nothing_while_four_workers_produce(
    make_app: MakeApp, transport: str, database: Path
) -> None:
    app = make_app()
    with visiting(app) as visitor:
        ids = visitor.call("enqueue_many", count=150)
        told: list[Signal] = []
        cursor = "0.0.0"
        while len(told) < 450:
            with listen(visitor, transport, cursor) as page:
                told += [page.next() for _ in range(min(40, 450 - len(told)))]
                cursor = page.cursor
    assert seqs(told) == journal(database)
    assert {s["job_id"] for s in told} == set(ids)


def test_a_page_that_is_far_behind_reads_page_after_page(
    make_app: MakeApp, transport: str, database: Path
) -> None:
    app = make_app()
    with visiting(app) as visitor:
        ids = visitor.call("enqueue_many", count=300)
        finished(work(app), *ids)
        with listen(visitor, transport, "0.0.0") as page:
            told = [page.next() for _ in range(900)]
    assert seqs(told) == journal(database)


def test_a_page_that_does_not_read_gets_it_all_in_order_when_it_does(
    make_app: MakeApp, database: Path
) -> None:
    app = make_app()
    with visiting(app) as visitor, visitor.socket(max_queue=1) as page:
        ids = visitor.call("enqueue_many", count=700)
        finished(work(app), *ids)
        told = [page.next() for _ in range(2_100)]
    assert seqs(told) == journal(database)


def test_what_one_page_does_not_read_holds_up_neither_workers_nor_other_pages(
    make_app: MakeApp,
) -> None:
    app = make_app()
    with visiting(app) as visitor, visitor.socket(max_queue=1), visitor.socket() as other:
        ids = visitor.call("enqueue_many", count=400)
        finished(work(app), *ids)
        told = [other.next() for _ in range(1_200)]
    assert len(set(seqs(told))) == 1_200


def test_an_older_file_lowers_the_cursor(make_app: MakeApp, transport: str) -> None:
    with visiting(make_app()) as visitor, listen(visitor, transport, "5000.70.9") as page:
        assert page.cursor == "0.0.0"
        id_ = visitor.call("enqueue", item=0)["job_id"]
        assert moves(page.until_status(id_, "completed"))[0] == (id_, "enqueue")


def test_a_restarted_server_goes_on_where_the_page_was(
    make_app: MakeApp, transport: str, database: Path
) -> None:
    app = make_app()
    with served(app) as url, Visitor(url) as visitor:
        port = httpx.URL(url).port
        with listen(visitor, transport) as page:
            first = visitor.call("enqueue", item=0)["job_id"]
            told = page.until_status(first, "completed")
            cursor = page.cursor
        second = visitor.call("enqueue", item=1)["job_id"]
        cookies = visitor.http.cookies
        finished(work(app), second)
    assert port is not None
    with served(app, port) as url, Visitor(url) as visitor:
        visitor.http.cookies = cookies
        with listen(visitor, transport, cursor) as page:
            told += page.until_status(second, "completed")
            third = visitor.call("enqueue", item=2)["job_id"]
            told += page.until_status(third, "completed")
    assert seqs(told) == journal(database)


# ---------------------------------------------------------------- bounds


def test_a_session_has_no_more_pages_than_it_may(make_app: MakeApp) -> None:
    app = make_app(max_session_connections=2)
    with visiting(app) as visitor, visitor.socket(), visitor.events() as second:
        with pytest.raises(InvalidStatus, match="403"), visitor.socket():
            pass
        answer = visitor.http.get("/_sprag/events")
        assert answer.status_code == 503
        assert answer.json()["error"]["type"] == "unavailable"
        assert answer.headers["retry-after"]
        with Visitor(visitor.url) as other, other.socket():
            pass
        second.response.close()
        wait_until(lambda: len(hub(app)) == 1)
        with visitor.socket():
            pass


def test_the_application_has_no_more_pages_than_it_may(make_app: MakeApp) -> None:
    app = make_app(max_connections=1)
    with visiting(app) as visitor, visitor.socket(), Visitor(visitor.url) as other:
        assert other.http.get("/_sprag/events").status_code == 503
        with pytest.raises(InvalidStatus), other.socket():
            pass


def test_a_page_that_comes_while_the_file_cannot_be_read_is_to_come_back_later(
    make_app: MakeApp, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with visiting(make_app()) as visitor:
        sql(database, "ALTER TABLE counter RENAME TO mislaid")
        assert visitor.http.get("/_sprag/events").status_code == 503
        with pytest.raises(InvalidStatus), visitor.socket():
            pass
        sql(database, "ALTER TABLE mislaid RENAME TO counter")
        with visitor.socket():
            pass
    told = [record.getMessage() for record in caplog.records if record.name == "sprag.web"]
    assert len([one for one in told if "no such table" in one]) == 2
    assert not [one for one in caplog.records if one.name != "sprag.queue" and one.exc_info]


def test_a_page_that_comes_while_the_application_stops_is_to_come_back_later(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    with visiting(app) as visitor:
        app.file.engine.database.close()
        assert visitor.http.get("/_sprag/events").status_code == 503
        with pytest.raises(InvalidStatus), visitor.socket():
            pass
    assert not [one for one in caplog.records if one.name != "sprag.queue" and one.exc_info]


@pytest.mark.parametrize("said", ["hello", b"bytes", "x" * 100_000])
def test_a_page_that_says_something_is_cut_off(said: str | bytes, make_app: MakeApp) -> None:
    app = make_app()
    with visiting(app) as visitor, visitor.socket() as page:
        page.connection.send(said)
        with pytest.raises(ConnectionClosed):
            page.next()
        wait_until(lambda: len(hub(app)) == 0)


def test_pages_that_leave_are_forgotten(make_app: MakeApp) -> None:
    app = make_app()
    with visiting(app) as visitor:
        for _ in range(5):
            with visitor.socket(), visitor.events():
                pass
        # Gone without a word of farewell.
        with visitor.socket() as page:
            page.connection.socket.close()
        # Asked for, but never read.
        for _ in range(5):
            assert visitor.http.head("/_sprag/events").status_code == 200
        wait_until(lambda: len(hub(app)) == 0)


def test_a_visitor_without_a_session_is_told_nothing(make_app: MakeApp) -> None:
    with served(make_app()) as url:
        answer = httpx.get(f"{url}/_sprag/events", trust_env=False, verify=False)
        assert answer.status_code == 403
        assert "session cookie" in answer.json()["error"]["message"]
        address = f"ws{url.removeprefix('http')}/_sprag/socket"
        with pytest.raises(InvalidStatus, match="403"), connect(address, proxy=None):
            pass


def test_a_position_is_read_as_it_is_written() -> None:
    assert Position.parse(str(Position(1, 2, 3))) == Position(1, 2, 3)
    assert Position.parse("4.5") == Position(4, 5, 0)
