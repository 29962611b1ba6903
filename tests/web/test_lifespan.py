"""An application starts with its server, and ends with it in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Collection, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from sprag.queue import DatabaseRefused, QueueClosed, QueueService
from sprag.queue.roster import stop_together
from sprag.web import App, StartupError
from tests.client import TestClient, Visitor, call, served
from tests.support import (
    DEADLINE,
    Gate,
    child,
    finished,
    queue_class,
    said,
    sql,
    threads_left,
    until_interrupted,
)  # fmt: skip
from tests.web.conftest import SECRET, MakeApp, WritePackage, work

ASKING = """
from sprag import Controller, action

class Home(Controller):
    route = "/"

    @action
    def ask(self):
        self.queue("nothing")
"""


def status(database: Path) -> list[str]:
    return [found for (found,) in sql(database, "SELECT status FROM job ORDER BY key")]


def in_a_loop(program: Coroutine[Any, Any, Any]) -> Any:
    """Run in an event loop of its own: this thread may have one already."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(program)))
    thread.start()
    thread.join()
    assert results, "it raised"
    return results[0]


async def ask(app: App, name: str = "enqueue", **payload: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.post(f"/_sprag/actions/{name}", json=payload)


def test_in_a_block_its_queues_run(make_app: MakeApp, database: Path) -> None:
    with make_app() as app:
        job = work(app).enqueue(1)
        assert finished(work(app), job)[0].status == "completed"
        assert app.file.engine.database.path == str(database)
    with pytest.raises(QueueClosed):
        _ = app.file
    assert sql(database, "SELECT count(*) FROM owner") == [(0,)]


def test_starts_nest_and_the_last_stop_counts(make_app: MakeApp) -> None:
    with make_app() as app:
        with app:
            pass
        with TestClient(app) as client:
            assert call(client, "enqueue", item=1).is_success
        assert finished(work(app), work(app).enqueue(1))
    app.stop()
    with pytest.raises(QueueClosed):
        _ = app.file


def test_it_can_be_started_again_after_it_was_stopped(make_app: MakeApp) -> None:
    app = make_app()
    for _ in range(3):
        with TestClient(app) as client:
            client.get("/")
            with client.websocket_connect("/_sprag/socket") as page:
                assert page.receive_json()["signal"] == "sprag:connected"
                id_ = call(client, "enqueue", item=1).json()["value"]["job_id"]
                while page.receive_json()["status"] != "completed":
                    pass
            finished(work(app), id_)


def test_the_first_request_starts_it_where_nobody_runs_its_lifespan(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    answers = in_a_loop(ask(app, item=1)), in_a_loop(ask(app, item=2))
    try:
        assert [answer.status_code for answer in answers] == [200, 200]
        finished(work(app), *(answer.json()["value"]["job_id"] for answer in answers))
        warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
        assert ["lifespan" in one.message for one in warnings] == [True]
    finally:
        app.stop()


def test_requests_that_come_first_together_start_it_once(make_app: MakeApp) -> None:
    app = make_app()

    async def many() -> list[int]:
        answers = await asyncio.gather(*(ask(app, item=n) for n in range(10)))
        return [answer.status_code for answer in answers]

    assert in_a_loop(many()) == [200] * 10
    app.stop()
    with pytest.raises(QueueClosed):
        _ = app.file


def test_it_works_in_one_event_loop_after_another(make_app: MakeApp) -> None:
    async def use(app: App) -> str:
        async with app.lifespan():
            answer = await ask(app, item=1)
            id_ = answer.json()["value"]["job_id"]
            job = await asyncio.to_thread(finished, work(app), id_)
            return str(job[0].status)

    app = make_app()
    assert [in_a_loop(use(app)) for _ in range(3)] == ["completed"] * 3


def test_an_application_around_it_runs_its_lifespan(make_app: MakeApp) -> None:
    app = make_app()
    outer = Starlette(routes=[Mount("/jobs", app)], lifespan=app.lifespan)
    with TestClient(outer) as client:
        assert client.get("/jobs/").status_code == 200
        assert app.file.path.endswith(".db")
        assert client.post("/jobs/_sprag/actions/enqueue", json={"item": 1}).is_success
    with pytest.raises(QueueClosed):
        _ = app.file


@pytest.mark.parametrize(
    ("module", "error", "sentence"),
    [
        (ASKING, StartupError, "there is no provider 'nothing'"),
        (None, StartupError, "there is no package 'nowhere_at_all'"),
        ("1 / 0", ZeroDivisionError, "division by zero"),
    ],
    ids=["provider", "package", "module"],
)
def test_a_client_for_tests_is_told_why_it_cannot_start(
    module: str | None,
    error: type[Exception],
    sentence: str,
    make_app: MakeApp,
    database: Path,
) -> None:
    raised: list[BaseException] = []

    def enter() -> None:
        try:
            if module is None:
                app = App(routes="nowhere_at_all", database=database)
            else:
                app = make_app({"page.py": module, "page.html": ""})
            with TestClient(app):
                pass
        except BaseException as caught:  # noqa: BLE001 - it is the result
            raised.append(caught)

    # A thread that the end of the tests does not wait for: a client that hangs, fails.
    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive(), "it hangs"
    [found] = raised
    assert type(found) is error
    assert sentence in str(found)


def test_a_provider_that_cannot_start_stops_the_others(make_app: MakeApp, database: Path) -> None:
    class Broken(QueueService):
        name = "broken"

        def handle_item(self, item: Any) -> None: ...

        def start(self) -> Any:
            super().start()
            raise OSError("no such device")

    first = queue_class()()
    app = make_app(providers={"work": first, "broken": Broken()})
    for _ in range(2):
        with pytest.raises(OSError, match="no such device"):
            app.start()
        with pytest.raises(QueueClosed):
            _ = app.file
        assert sql(database, "SELECT count(*) FROM owner") == [(0,)]
    assert not [
        one.name for one in threading.enumerate() if one.name.startswith(("sprag-worker", "work"))
    ]


def test_a_shutdown_that_is_cancelled_stops_the_queues_and_it_can_start_again(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(
        """
        import asyncio
        from sprag import Controller, action

        class Home(Controller):
            @action(defer=True)
            async def for_ever(self):
                await asyncio.Event().wait()

            @action(defer=True)
            def quick(self):
                pass
        """
    )

    async def live() -> int:
        async with app.lifespan():
            return (await ask(app, "for_ever")).status_code

    async def cut_short() -> bool:
        life = asyncio.create_task(live())
        while (await ask(app, "quick")).status_code != 503:
            await asyncio.sleep(0)  # until it waits for what is deferred
        life.cancel()
        await asyncio.wait([life])
        return life.cancelled()

    async def again() -> int:
        async with app.lifespan():
            return (await ask(app, "quick")).status_code

    with app:
        assert in_a_loop(cut_short())
        assert in_a_loop(again()) == 202
    with pytest.raises(QueueClosed):
        _ = app.file
    assert not [one for one in caplog.records if one.name == "asyncio"]


def test_a_stop_that_is_interrupted_closes_the_file(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(queues: Collection[QueueService]) -> None:
        stop_together(queues)
        raise KeyboardInterrupt

    monkeypatch.setattr("sprag.web.life.stop_together", interrupted)
    app = make_app()
    with pytest.raises(KeyboardInterrupt), app:
        pass
    with pytest.raises(QueueClosed):
        _ = app.file


def test_a_start_that_is_interrupted_leaves_nothing_running(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(queue: QueueService) -> QueueService:
        signal.raise_signal(signal.SIGINT)
        return start(queue)

    start = QueueService.start
    app = make_app()
    monkeypatch.setattr(QueueService, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), app:
        pytest.fail("it was entered")
    with pytest.raises(QueueClosed):
        _ = app.file
    assert threads_left() == []


def test_a_file_that_is_none_is_refused_at_the_start(make_app: MakeApp, database: Path) -> None:
    database.write_text("This is no database, but a text that someone wrote. " * 100)
    app = make_app()
    with pytest.raises(DatabaseRefused):
        app.start()
    with pytest.raises(QueueClosed):
        _ = app.file


def test_running_jobs_get_their_grace_and_go_back_then(make_app: MakeApp, database: Path) -> None:
    gate = Gate()

    def run(queue: QueueService, item: Any) -> Any:
        gate.hold()
        if item == "long":
            until_interrupted(queue)
        return item

    queue = queue_class(run)(grace_seconds=0.5)
    with make_app(providers={"work": queue}) as app:
        work(app).enqueue("short")
        work(app).enqueue("long")
        gate.wait_held(2)
        threading.Timer(0.1, gate.open).start()
    assert status(database) == ["completed", "queued"]


def test_two_queues_stop_at_the_same_time(make_app: MakeApp, database: Path) -> None:
    inside = threading.Barrier(2, timeout=60)

    def run(queue: QueueService, item: Any) -> Any:
        gate.hold()
        # Each is in its grace while the other one is.
        inside.wait()

    gate = Gate()
    queues = {name: queue_class(run, name)(grace_seconds=60.0) for name in ("work", "other")}
    with make_app(providers=queues) as app:
        for queue in app.queues.values():
            queue.enqueue(1)
        gate.wait_held(2)
        threading.Timer(0.1, gate.open).start()
    assert status(database) == ["completed", "completed"]


def test_open_pages_end_with_the_server(make_app: MakeApp) -> None:
    app = make_app()
    with served(app) as url, Visitor(url) as visitor:
        streams = [visitor.socket(), visitor.events()]
        pages = [stream.__enter__() for stream in streams]
        connections = list(pages)
    # The block ended, so the server did, although the pages were still there.
    assert connections
    with pytest.raises(QueueClosed):
        _ = app.file
    for stream in streams:
        stream.__exit__(None, None, None)


SECOND = """
    import sys
    sys.path[:0] = [{folder!r}]
    import socket
    import uvicorn
    from sprag import App, QueueService

    class Work(QueueService):
        name = "work"
        def handle_item(self, item):
            return item

    app = App(routes={routes!r}, database={database!r}, providers={{"work": Work()}},
              secret={secret!r})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        server.run(sockets=[listener])
"""


@pytest.mark.parametrize("transport", ["socket", "events"])
def test_pages_of_both_processes_see_every_move_and_one_may_be_killed(
    make_app: MakeApp, database: Path, tmp_path: Path, transport: str
) -> None:
    # This one leaves its jobs to the other, so every move but the first is another process's.
    app = make_app(run_jobs=False)
    code = SECOND.format(
        folder=str(tmp_path / "import"),
        routes=app._parts.routes,
        database=str(database),
        secret=SECRET,
    )
    with served(app) as url, Visitor(url) as visitor, child(code) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with Visitor(f"http://127.0.0.1:{port}") as there:
            there.http.cookies = visitor.http.cookies

            def opened(one: Visitor) -> Any:
                return one.socket() if transport == "socket" else one.events()

            with opened(visitor) as near, opened(there) as far:
                last = ""
                for n in range(20):
                    last = (visitor, there)[n % 2].call("enqueue", item=n)["job_id"]
                moves: list[list[int]] = []
                for page in (near, far):
                    while len(page.all) < 61:
                        page.next()
                    moves.append([signal["seq"] for signal in page.all[1:]])
                assert moves[0] == moves[1] == list(range(1, 61))
                process.kill()
                process.wait()
                last = visitor.call("enqueue", item="last")["job_id"]
                near.until_status(last, "queued")
                visitor.call("cancel", job_id=last)
                assert near.until_status(last, "cancelled")


def test_a_page_finds_everything_after_its_server_was_killed(
    write_package: WritePackage, make_app: MakeApp, database: Path, tmp_path: Path
) -> None:
    app = make_app()
    code = SECOND.format(
        folder=str(tmp_path / "import"),
        routes=app._parts.routes,
        database=str(database),
        secret=SECRET,
    )
    with child(code) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        with Visitor(url) as visitor, visitor.socket() as page:
            first = visitor.call("enqueue", item=1)["job_id"]
            told = page.until_status(first, "completed")
            cursor, cookies = page.cursor, visitor.http.cookies
            second = visitor.call("enqueue", item=2)["job_id"]
            process.kill()
            process.wait()
    with served(app) as url, Visitor(url) as visitor:
        visitor.http.cookies = cookies
        with visitor.events(last=cursor) as page:
            told += page.until_status(second, "completed")
        assert visitor.call("status", job_id=second)["job"]["result"] == 2
    seqs = [signal["seq"] for signal in told if signal["event"] != "progress"]
    assert seqs == [seq for (seq,) in sql(database, "SELECT seq FROM transition ORDER BY seq")]


def test_a_signal_handler_may_stop_the_application_of_a_queue_that_is_being_stopped(
    tmp_path: Path,
) -> None:
    program = Path(__file__).parent / "programs" / "stop_within_a_stop_of_an_app.py"
    assert said(program, tmp_path / "jobs.db") == "stopped\nstopped"
