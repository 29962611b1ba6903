from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websockets

from sprag.queue import QueueService
from tests.cli import terminal
from tests.cli.terminal import line_with
from tests.conftest import MakeQueue
from tests.support import DEADLINE, PATIENCE, program, said, wait_until

PROGRAMS = Path(__file__).with_name("programs")

MAIN = (PROGRAMS / "application.py").read_text(encoding="utf-8")
PAGE = (PROGRAMS / "home.py").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with an application."""
    for name, code in {
        "main.py": MAIN,
        "pages/__init__.py": "",
        "pages/home.py": PAGE,
        "pages/home.html": "{{ word }} {{ pid }}",
        "two.py": "from main import app\nother = app",
        "broken.py": "1 / 0",
        "nothing.py": "",
        "lost.py": 'from sprag import App\napp = App(routes="no_such_package", database="x.db")',
        "wrong.py": "from sprag import App\n\napp = App(routes=3)",
        "raising.py": 'from sprag import App\napp = App(routes="raising_pages", database="x.db")',
        "raising_pages/__init__.py": "1 / 0",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
    return tmp_path


@contextmanager
def serving(
    folder: Path, *options: str, path: str = "main:app"
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program, and where it serves."""
    with terminal.beside("run", path, "--port", "0", *options, cwd=folder) as process:
        line = line_with(process, "http://")
        found = re.search(r"http://\S+:\d+", line)
        assert found is not None
        yield process, found[0]


def read(url: str) -> tuple[str, dict[str, str]]:
    with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
        return answer.read().decode(), dict(answer.headers)


def until(url: str, wanted: Callable[[str], bool]) -> None:
    """Return once the page is as wanted: several processes may have to start and to end for it, and
    one that ends may drop a request."""

    def is_so() -> bool:
        try:
            return wanted(read(url)[0])
        except urllib.error.HTTPError as error:
            return wanted(error.read().decode())
        except OSError:
            return False

    wait_until(is_so, PATIENCE)


def lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def pids_at(url: str, count: int) -> set[str]:
    """The processes that answer, once there are so many."""
    pids: set[str] = set()

    def seen(text: str) -> bool:
        pids.add(text.split("first ")[1].split(maxsplit=1)[0])
        return len(pids) >= count

    until(url, seen)
    return pids


def test_it_serves_until_sigterm_with_streams_open_and_ends_with_0(folder: Path) -> None:
    with serving(folder) as (process, url):
        text, headers = read(url)
        assert text.count("first") == 1
        assert "server" not in headers
        cookie = headers["set-cookie"].partition(";")[0]

        async def watch() -> None:
            address = url.replace("http", "ws") + "/_sprag/socket"
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[-1]))
            writer.write(
                "GET /_sprag/events HTTP/1.1\r\nHost: localhost\r\n"
                f"Cookie: {cookie}\r\n\r\n".encode()
            )
            async with websockets.connect(address, additional_headers={"Cookie": cookie}) as page:
                assert page.response is not None
                assert "Sec-WebSocket-Extensions" not in page.response.headers
                assert "sprag:connected" in str(await page.recv())
                while b"sprag:connected" not in await reader.readline():
                    pass
                process.send_signal(signal.SIGTERM)
                with pytest.raises(websockets.ConnectionClosed):
                    await page.recv()
            await reader.read()
            writer.close()

        asyncio.run(asyncio.wait_for(watch(), DEADLINE))
        out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out) == (0, "")
    assert err.rstrip().endswith("stopped")
    assert "GET /" not in err
    assert "Traceback" not in err
    assert "timeout graceful" not in err


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_connections_beyond_the_open_files_hold_up_nobody_else(folder: Path) -> None:
    with serving(folder) as (process, url):
        address = ("127.0.0.1", int(url.split(":")[-1]))
        with socket.create_connection(address, DEADLINE) as kept:
            ask(kept)
            # A connection that is idle for five seconds is closed; this one has begun to ask.
            kept.sendall(REQUEST)
            limit = len([*Path(f"/proc/{process.pid}/fd").iterdir()]) + 5
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (limit, limit))
            waiting = [socket.create_connection(address, DEADLINE) for _ in range(20)]
            line_with(process, "no further connection can be accepted")
            answered(kept)
            for _ in range(20):
                ask(kept)
            for one in waiting:
                one.close()
        until(url, lambda text: "first" in text)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE)
    assert "connection" not in err
    assert "Traceback" not in err


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux tells another's limits")
def test_it_may_open_more_files_than_the_shell_says(folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with serving(folder) as (process, _):
            given = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert given == (16_384 if hard == resource.RLIM_INFINITY else min(16_384, hard), hard)


REQUEST = b"GET /_sprag/nothing HTTP/1.1\r\n"


def ask(connection: socket.socket) -> None:
    """A request over a connection that stays open, up to its answer."""
    connection.sendall(REQUEST)
    answered(connection)


def answered(connection: socket.socket) -> None:
    """The end of a request, and its answer."""
    connection.sendall(b"Host: localhost\r\n\r\n")
    answer = b""
    while b"Not found" not in answer:
        read = connection.recv(4096)
        assert read, f"the connection was closed after {answer!r}"
        answer += read


def send_all(page: socket.socket, content: bytes, times: int) -> None:
    for _ in range(times):
        page.sendall(content)


def test_no_more_is_read_from_a_page_that_does_not_read(folder: Path) -> None:
    ping = b"\x89\xfd\0\0\0\0" + b"p" * 125
    with serving(folder) as (_, url):
        cookie = read(url)[1]["set-cookie"].partition(";")[0]
        with socket.create_connection(("127.0.0.1", int(url.split(":")[-1])), DEADLINE) as page:
            page.sendall(
                f"GET /_sprag/socket HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            assert page.recv(12) == b"HTTP/1.1 101"
            page.settimeout(2)
            # What the kernel holds is a part of this; the rest was the answers, in memory.
            with pytest.raises(TimeoutError):
                send_all(page, ping * 500, 1000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_running_job_goes_back_in_order(
    folder: Path, make_queue: MakeQueue, number: signal.Signals
) -> None:
    queue = make_queue(name="work", database=folder / "jobs.db")
    job = queue.enqueue(1)
    with serving(folder) as (process, _):
        line_with(process, "started", error=False)
        process.send_signal(number)
        assert process.wait(DEADLINE) == 0
    assert [move.event for move in queue.history(job.id)] == ["enqueue", "start", "release"]


def test_a_second_ctrl_c_ends_it_at_once(folder: Path, make_queue: MakeQueue) -> None:
    queue = make_queue(name="deaf", database=folder / "jobs.db")
    queue.enqueue(1)
    with serving(folder) as (process, _):
        line_with(process, "started", error=False)
        process.send_signal(signal.SIGINT)
        line_with(process, "Shutting down")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130


def test_several_processes_serve_one_port_and_stop_in_order(folder: Path) -> None:
    with serving(folder, "--workers", "2", path="main") as (process, url):
        victim = pids_at(url, 2).pop()
        os.kill(int(victim), signal.SIGKILL)
        line_with(process, "died")
        assert victim not in pids_at(url, 2)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_sighup_replaces_all_processes_while_the_port_is_served(folder: Path) -> None:
    with serving(folder, "--workers", "2") as (process, url):
        before = pids_at(url, 2)

        def replaced(text: str) -> bool:
            return text.split("first ")[1].split(maxsplit=1)[0] not in before and not any(
                map(lives, before)
            )

        # An application that is slow to import is replaced as well.
        (folder / "main.py").write_text(f"{MAIN}\nimport time\n\ntime.sleep(6)\n")
        process.send_signal(signal.SIGHUP)
        until(url, replaced)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def test_with_reload_a_changed_page_a_changed_module_and_a_mended_one_are_served(
    folder: Path,
) -> None:
    with serving(folder, "--reload") as (process, url):
        until(url, lambda text: "first" in text)
        (folder / "pages/home.html").write_text("changed {{ word }} {{ pid }}")
        until(url, lambda text: "changed" in text)
        (folder / "pages/home.py").write_text(PAGE + "    route = 'nonsense'\n")
        assert "expected a path such as /images" in line_with(process, "expected a path")
        (folder / "pages/home.py").write_text(PAGE.replace("first", "second"))
        until(url, lambda text: "second" in text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def test_the_log_can_be_json_and_tell_requests(folder: Path) -> None:
    with serving(folder, "--json", "--access-log") as (process, url):
        read(url)
        process.send_signal(signal.SIGTERM)
        records = [
            json.loads(line) for line in process.communicate(timeout=DEADLINE)[1].splitlines()
        ]
    assert any("GET /" in record["message"] for record in records)
    assert records[-1]["message"] == "stopped"


def test_an_access_log_shows_no_token(folder: Path) -> None:
    queries = [
        "token=swordfish", "a=1&Token=swordfish", "dashboard_token=swordfish&b=2",
        "t%6Fken=swordfish", "password=swordfish", "api_key=swordfish", "a=1;secret=swordfish",
        "token=sword%20swordfish",
    ]  # fmt: skip
    with serving(folder, "--access-log") as (process, url):
        for query in queries:
            read(f"{url}/?{query}&plain=shown")
        connection = socket.create_connection(("127.0.0.1", int(url.split(":")[-1])), DEADLINE)
        with connection:
            connection.sendall(
                b"GET /_sprag/socket?token=swordfish HTTP/1.1\r\nHost: localhost\r\n"
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert b"403" in connection.recv(100)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE)
    assert err.count("GET /?") == len(queries)
    assert err.count("plain=shown") == len(queries)
    assert "swordfish" not in err
    assert "token=***" in err


def test_with_reload_what_is_wrong_is_shown_in_the_browser_until_it_is_mended(
    folder: Path,
) -> None:
    with serving(folder, "--reload") as (process, url):
        until(url, lambda text: "first" in text)
        (folder / "pages/home.html").write_text('<b data-on-click="x">')
        until(url, lambda text: "the page has no module" in text)
        (folder / "pages/home.html").write_text("{{ word }} {{ jobz }}")
        until(url, lambda text: "&#x27;jobz&#x27; is undefined" in text)
        # Read on: each request to a page that fails writes a traceback, and a pipe takes few.
        line_with(process, "'jobz' is undefined")
        (folder / "pages/home.html").write_text("{{ word }} {{ pid }}")
        line_with(process, "Reloading")
        until(url, lambda text: "first" in text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


REFUSED = [
    ("no_such:app", 2, "module 'no_such' was not found"),
    ("main:missing", 2, "main has no 'missing'; it has main:app"),
    ("main:number", 2, "expected an instance of sprag.App, got int"),
    ("main:Work", 2, "got the class Work"),
    ("two", 2, "expected exactly one application; it has two:app, two:other"),
    ("nothing", 2, "it has no application"),
    ("main.py:app", 2, "write modules with dots"),
    ("lost:app", 2, "there is no package 'no_such_package'"),
    ("wrong:app", 2, "wrong.py:3)"),
    ("broken:app", 1, "ZeroDivisionError"),
    ("raising:app", 1, "ZeroDivisionError"),
]
"""What is given, the exit code, and words of the answer."""


def test_what_cannot_be_served_is_refused_in_words(folder: Path) -> None:
    lines = [("run", path, "--port", "0") for path, _, _ in REFUSED]
    ended = terminal.each(*lines, loaded=["sprag.cli.serve"], cwd=folder)
    for (path, code, words), done in zip(REFUSED, ended, strict=True):
        assert (done.returncode, done.stdout) == (code, ""), path
        assert words in done.stderr
        assert ("Traceback" in done.stderr) == (code == 1), path
        assert not [line for line in done.stderr.splitlines() if "/sprag/" in line], path
    assert not (folder / "x.db").exists()


def test_a_port_that_is_taken_and_wrong_options_are_told(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = terminal.run("run", "main:app", "--port", port, cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"sprag: cannot listen on 127.0.0.1, port {port}: " in done.stderr
    assert terminal.run("run", "main:app", "--reload", "-w", "2", cwd=folder).returncode == 2
    assert terminal.run("run", cwd=folder).returncode == 2


def test_another_database_than_the_applications_is_refused(folder: Path) -> None:
    done = terminal.run("-d", "other.db", "run", "main:app", cwd=folder)
    assert done.returncode == 2
    assert "jobs.db" in done.stderr


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_file_that_it_cannot_use_ends_it(folder: Path, processes: str) -> None:
    (folder / "jobs.db").write_text("no database " * 100)
    done = terminal.run("run", "main:app", "--port", "0", "-w", processes, cwd=folder)
    assert done.returncode == (3 if processes == "1" else 1)
    assert "not a SQLite database" in done.stderr


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "websockets", "pydantic"])
def test_without_the_web_extra_it_says_what_to_install(missing: str) -> None:
    done = program(PROGRAMS / "without.py", missing, "run", "main:app")
    assert done.returncode == 4
    assert done.stderr.count("pip install 'sprag-queue[cli,web]'") == 1


def test_without_the_web_extra_all_else_is_there() -> None:
    done = program(PROGRAMS / "without.py", "starlette", "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_other_commands_load_none_of_the_web(database: Path) -> None:
    queue = QueueService(name="work", database=database)
    queue.enqueue(1)
    queue.stop()
    loaded = said(PROGRAMS / "what_list_loads.py", database).splitlines()[-1]
    names = {name.partition(".")[0] for name in loaded.split()}
    assert names.isdisjoint({"starlette", "uvicorn", "pydantic", "jinja2", "websockets"})
